"""The exception tree. Every error that reaches a person says what to do.

FatureError
├── UsageError            wrong use: exit 2, HTTP 400
│   ├── SourceFileError   a file that is not what it says: exit 1
│   └── SettingsError     a variable with a value that can't be used
├── NotFound              HTTP 404
├── Conflict              HTTP 409
├── LimitReached          a bounded store is full: exit 1, HTTP 507
├── ServerUnavailable     Redis gone, restarting, full or read-only: exit 1, HTTP 503 with Retry-After
├── OperationsError       the operator's database can't be read: exit 1
├── EmbeddedError         an embedded server can't be started
├── FigureOverflow        a sum would no longer be exact (beyond 2^53-1 centavos)
└── Refused               a script refused; handled by the write path, never shown
    ├── Stale             a person moved since it was read
    ├── SeenAlready       a row is in already, or its version has changed
    ├── TreeMoved         the forest changed
    ├── GenerationMoved   the live generation changed or is being swapped
    ├── ConfigMoved       the commission configuration changed
    └── Fenced            a later flusher holds the boards
"""

from __future__ import annotations


class FatureError(Exception):
    """Base of all errors of ours; `str()` is one line for people."""


class UsageError(FatureError):
    """The call can't be carried out as it was made."""


class SourceFileError(UsageError):
    """A source file that is not what it says.

    The message names file, sheet, line and column (where known) and what was expected.
    """

    def __init__(
        self,
        path: str,
        problem: str,
        *,
        sheet: str | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        where = path
        if sheet is not None:
            where += f", sheet '{sheet}'"
        if line is not None:
            where += f", line {line}"
        if column is not None:
            where += f", column '{column}'"
        super().__init__(f"{where}: {problem}")
        self.path, self.problem, self.sheet, self.line, self.column = path, problem, sheet, line, column


class SettingsError(UsageError):
    """A setting that can't be used; the message names the variable and the remedy."""


class NotFound(FatureError):
    """What was asked for does not exist, or not for this caller."""


class Conflict(FatureError):
    """The present state forbids it."""


class LimitReached(FatureError):
    """A bounded store (quarantine, parked rows) is full."""


class ServerUnavailable(FatureError):
    """Redis can't take the command now; the same call may go through later."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OperationsError(FatureError):
    """The operations database can't be read; the message holds nothing of its URL."""


class EmbeddedError(FatureError):
    """An embedded server can't be started or stopped."""


class FigureOverflow(FatureError):
    """A sum would no longer be exact; nothing of the chunk was applied."""


class Refused(FatureError):
    """A script found that what was decided no longer stands, and did nothing."""


class Stale(Refused):
    """A person has moved since its state was read."""


class SeenAlready(Refused):
    """A row of the chunk is in already, or the version it replaces has changed."""


class TreeMoved(Refused):
    """The sponsor forest changed."""


class GenerationMoved(Refused):
    """The live generation changed, or writers wait for a swap."""


class ConfigMoved(Refused):
    """The commission configuration changed."""


class Fenced(Refused):
    """A later flusher holds the boards."""
