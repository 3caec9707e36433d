"""What the benchmark prints: lines with their numbers, as one table or as JSON."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Line(NamedTuple):
    """A line of the table; `numbers` are its values without texts, for machines."""

    line: str
    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None
    """Whether the goal is met; None where there is none."""
    numbers: dict[str, Any] = {}  # noqa: RUF012 -- never changed


class Report(NamedTuple):
    """All that a run found out."""

    about: dict[str, Any]
    """Versions, machine, durability, seconds."""
    lines: list[Line]
    notes: list[str]

    def as_json(self) -> str:
        """One document."""
        lines = [line._asdict() for line in self.lines]
        return json.dumps({**self.about, "lines": lines, "notes": self.notes}, indent=1, default=_plain)

    def show(self, console: Console) -> None:
        """The table, and beneath it what it was measured on."""
        table = Table(title="Fature KV beside its peers, in one run", title_justify="left")
        table.add_column("line", no_wrap=True)
        table.add_column("what")
        for name in ("ours", "beside", "ratio"):
            table.add_column(name, justify="right")
        table.add_column("goal")
        for line in self.lines:
            ratio = line.ratio if line.met is None else f"[{'green' if line.met else 'yellow'}]{line.ratio}[/]"
            goal = line.goal if line.met is None else f"{line.goal}: {'met' if line.met else 'not met'}"
            table.add_row(line.line, line.what, line.ours, line.beside, ratio, goal)
        console.print(table)
        for name, value in self.about.items():
            console.print(f"{name.replace('_', ' ')}: {value}", highlight=False)
        for note in self.notes:
            console.print(f"- {note}", highlight=False)


def per_second(rate: float) -> str:
    """Rows a second."""
    return f"{rate:,.0f}/s"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{ratio:.2f}x"


def milliseconds(value: float) -> str:
    return f"{value:.2f} ms"


def _plain(value: Any) -> Any:
    return value._asdict() if hasattr(value, "_asdict") else str(value)
