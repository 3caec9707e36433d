"""What a command prints: with `--json` one document on stdout, else tables; progress and notes go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fature_kv.cli.texts import Language, money, number, text
from fature_kv.domain.rows import REASONS

_FOLDED: Final = 36
"""A column of texts may be as narrow before the table gets wider than the terminal; numbers are never cut."""
_GAP: Final = 3
_UNBOUNDED: Final = 200
"""Characters of a line where nobody looks."""


class Column(NamedTuple):
    """A column of a table: the name of its heading, and whether it holds numbers."""

    name: str
    right: bool = False


class Bar(Protocol):
    """How far something is."""

    def __call__(self, done: int, rows: int = 0, *, total: int | None = None) -> None: ...


class _Console(Console):
    """A console that leaves a reader who hung up to `main`."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Output:
    """The terminal, or whatever stands in its place."""

    def __init__(self, *, json: bool, language: Language) -> None:
        self.json = json
        self.language = language
        width = None if sys.stdout.isatty() else _UNBOUNDED
        self._out = _Console(width=width, highlight=False, markup=False, emoji=False)
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def document(self, value: Any) -> None:
        """The one JSON document."""
        raw = msgspec.json.format(msgspec.json.encode(value), indent=2)
        sys.stdout.buffer.write(raw + b"\n")
        sys.stdout.buffer.flush()

    def line(self, words: str = "") -> None:
        """A line for people."""
        self._out.print(words, soft_wrap=True)

    def note(self, words: str) -> None:
        """A line on stderr."""
        self._err.print(words)

    def say(self, name: str, **values: object) -> None:
        """A text of ours, for people."""
        self.line(self.text(name, **values))

    def text(self, name: str, **values: object) -> str:
        return text(name, self.language, **values)

    def number(self, value: int) -> str:
        return number(value, self.language)

    def money(self, cents: int) -> str:
        return money(cents, self.language)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
        """A table as wide as it needs to be; `title` above it."""
        if title:
            self.line(title)
        if not rows:
            self.line(f"  ({self.text('empty')})")
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        width = 0
        for place, column in enumerate(columns):
            heading = self.text(column.name)
            longest = max(len(heading), *(len(row[place]) for row in rows))
            least = longest if column.right else min(longest, _FOLDED)
            table.add_column(heading, justify="right" if column.right else "left", min_width=least, overflow="fold")
            width += least + _GAP
        for row in rows:
            table.add_row(*row)
        out = self._out
        _Console(file=out.file, width=max(out.width, width), highlight=False, markup=False, emoji=False).print(table)

    @contextmanager
    def bar(self, total: int, what: str) -> Iterator[Bar]:
        """A progress bar on stderr, where that is a terminal; `rows` told to it are shown as rows a second."""
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._err,
            disable=not self._err.is_terminal,
            transient=True,
        )
        with progress:
            task = progress.add_task(what, total=max(total, 1), rate="")

            def show(done: int, rows: int = 0, *, total: int | None = None) -> None:
                if total is not None:
                    progress.update(task, total=max(total, 1))
                elapsed = progress.tasks[0].elapsed
                rate = f"{self.number(round(rows / elapsed))} {self.text('rows')}/s" if rows and elapsed else ""
                progress.update(task, completed=done, rate=rate)

            yield show


def print_counts(output: Output, document: dict[str, Any]) -> None:
    """What became of rows: a document's applied, duplicates, parked and quarantined, and how many are left."""
    lines = [[f"{output.text('applied')}: {source}", output.number(n)] for source, n in document["applied"].items()]
    counts = [(name, document[name]) for name in ("duplicates", "parked")]
    lines += [[output.text(name), output.number(count)] for name, count in counts if count]
    lines += [
        [f"{output.text('quarantined')}: {reason} ({REASONS.get(reason, '')})", output.number(n)]
        for reason, n in document["quarantined"].items()
    ]
    if "left" in document:
        lines.append([output.text("left"), output.number(document["left"])])
    output.table([Column("result"), Column("rows", True)], lines)


def progress_of(bar: Bar) -> Callable[[int, int], None]:
    """What a rebuild calls now and then with how many entries are done, and of how many."""
    return lambda done, total: bar(done, total=total)
