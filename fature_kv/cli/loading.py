"""Rows of files into a tenant: window by window, with progress, and stopped between two windows on Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from fature_kv import wiring
from fature_kv.cli.command import Command, now_us
from fature_kv.domain.mapping import Mapping
from fature_kv.errors import FatureError, OperationsError
from fature_kv.ingest.session import RunCounts, Session
from fature_kv.sources.files import open_all
from fature_kv.sources.sheet_headers import Ignored
from fature_kv.sources.source_file import SourceFile
from fature_kv.store import Store


class Loaded:
    """What a run has done so far."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.began = time.monotonic()
        self.rows = 0
        self.seconds = 0.0
        self.finished = False

    def document(self, counts: RunCounts) -> dict[str, Any]:
        """As CONTRACT.md has it."""
        return {
            "run": self.session.run,
            "applied": counts.applied,
            "duplicates": counts.duplicates,
            "parked": counts.parked,
            "quarantined": counts.quarantined,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows / self.seconds) if self.seconds else 0,
        }


ApplyAll: TypeAlias = Callable[[Loaded, Callable[[], bool]], bool]
"""Applies all rows of a run, asking now and then whether it should stop; whether it came to the end."""


def open_files(command: Command, paths: Sequence[str | Path], zone: ZoneInfo, mapping: Mapping) -> list[SourceFile]:
    """Every file, checked from end to end before a row of any is taken; sheets that are no sources are told."""
    output = command.output
    left_out: list[Ignored] = []
    with output.bar(1, output.text("reading")) as bar:
        files = open_all(
            paths,
            zone,
            mapping,
            workbook_bytes=command.settings.workbook_bytes,
            opened=lambda done, total: bar(done, total=total),
            ignored=left_out.append,
        )
    for sheet in left_out:
        output.note(output.text(sheet.why, path=sheet.path, sheet=sheet.sheet))
    return files


def load(command: Command, store: Store, slug: str, files: Sequence[SourceFile], kind: str) -> Loaded:
    """Applies all rows of the files as one run."""
    about = {"files": list(dict.fromkeys(str(file.path) for file in files))}
    return run(command, store, slug, kind, about, lambda loaded, stopped: _apply_all(command, loaded, files, stopped))


def run(command: Command, store: Store, slug: str, kind: str, about: dict[str, Any], apply_all: ApplyAll) -> Loaded:
    """Applies rows as one run; what is applied when it ends early is told and stays."""
    session = wiring.session(store, slug, command.settings, kind)
    about = {"kind": kind, **about, "started_at": now_us()}
    loaded = Loaded(session)
    try:
        session.begin(about)
        with _stoppable(command) as stopped, session.following():
            if apply_all(loaded, stopped):
                session.finish(about)
                loaded.finished = True
    except OperationsError:
        with suppress(FatureError):
            session.settle()
            session.begin(about)
        _tell(command, loaded, exact=True)
        raise
    except BaseException:
        _tell(command, loaded, exact=False)
        raise
    finally:
        loaded.seconds = time.monotonic() - loaded.began
    if not loaded.finished:
        with suppress(FatureError):  # what is left undone is done by the next run
            session.settle()
            session.begin(about)
        _tell(command, loaded, exact=True)
        raise KeyboardInterrupt
    return loaded


def _apply_all(command: Command, loaded: Loaded, files: Sequence[SourceFile], stopped: Callable[[], bool]) -> bool:
    """Whether all rows were applied."""
    total, before = sum(file.size_bytes for file in files), 0
    with command.output.bar(total, loaded.session.keys.tenant) as bar:
        for file in files:
            done = before

            def tell(position: int, start: int = before) -> None:
                nonlocal done
                done = start + position

            for part in file.parts(command.settings.window_rows, tell):
                if stopped():
                    return False
                loaded.session.apply(part.rows, part.bets)
                loaded.rows += part.many
                bar(done, loaded.rows)
            before += file.size_bytes
    return True


def _tell(command: Command, loaded: Loaded, *, exact: bool) -> None:
    """What an import that ends early has applied."""
    counts = loaded.session.counts()
    parts = [f"{source} {command.output.number(n)}" for source, n in counts.applied.items()]
    parts += [f"duplicates {command.output.number(counts.duplicates)}"] if counts.duplicates else []
    parts += [f"parked {command.output.number(counts.parked)}"] if counts.parked else []
    parts += [f"quarantined {command.output.number(sum(counts.quarantined.values()))}"] if counts.quarantined else []
    so_far = ", ".join(parts) or "nothing"
    more = "" if exact else f", and perhaps some rows of the window after that (up to {command.settings.window_rows})"
    command.output.note(f"applied so far: {so_far}{more}; run {loaded.session.run}")
    command.output.note("what is applied is whole and stays; running the same again completes it")


@contextmanager
def _stoppable(command: Command) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop between two windows, the second stops at once."""
    asked = False
    kept = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        command.output.note("stopping after these rows; Ctrl-C again stops at once")

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, kept)
