"""Headers of source files: which source a table is of, and where its columns are; or the one line that says why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fature_kv.domain.mapping import HeaderMatch, Mapping, accepted_names, guess_source, match_header
from fature_kv.domain.rows import SOURCES, Source
from fature_kv.errors import SourceFileError


class Header(NamedTuple):
    """The names that head a table, and where they stand: `sheet` in a workbook, `line` from 1."""

    path: Path
    sheet: str | None
    names: Sequence[str]
    line: int

    def error(self, problem: str, column: str | None = None) -> SourceFileError:
        return SourceFileError(str(self.path), problem, sheet=self.sheet, line=self.line, column=column)


def tell_source(header: Header, told: Source | None, mapping: Mapping) -> Source:
    """The source that was told, else the only one that the header fits. Raises SourceFileError."""
    known = told or guess_source(header.names, mapping)
    if known is None:
        raise header.error(_unknown_source(header, mapping))
    return known


def match_columns(header: Header, source: Source, mapping: Mapping) -> HeaderMatch:
    """Where the source's columns are. Raises SourceFileError for one that is missing or ambiguous."""
    match = match_header(source, header.names, mapping)
    for column, names in match.ambiguous.items():
        problem = f"several columns may be it: {_shown(names)}; keep one of them, or name it '{column}'"
        raise header.error(problem, column)
    if match.missing:
        raise header.error(_missing(header, source, match, mapping), match.missing[0])
    return match


def _missing(header: Header, source: Source, match: HeaderMatch, mapping: Mapping) -> str:
    column, lacking = match.missing[0], ", ".join(match.missing)
    problem = (
        f"missing (a file of '{source}' lacks: {lacking}); the header has: {_shown(header.names)}; "
        f"accepted for '{column}': {', '.join(accepted_names(source, column, mapping))}"
    )
    if not match.columns:
        problem += "; is the first line a header?"
    elif (other := guess_source(header.names, mapping)) and other != source:
        problem += f"; it looks like a file of '{other}': rename it"
    return problem


def _unknown_source(header: Header, mapping: Mapping) -> str:
    fitting = [source for source in SOURCES if match_header(source, header.names, mapping).complete]
    suffix, what = (".csv", "file") if header.sheet is None else ("", "sheet or the file")
    names = either([f"{source}{suffix}" for source in fitting or SOURCES])
    why = "the header fits several sources" if fitting else "neither name nor header tells the source"
    shown = _shown(header.names)
    return f"{why}; the header has: {shown}; name the {what} like {names} (a prefix may stand before)"


def _shown(names: Sequence[str]) -> str:
    """Names on one line, whatever is in them."""
    return ", ".join(" ".join(name.split()) for name in names if name) or "nothing"


def either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
