"""Reads keyspace.md: the families of keys, their types, their fields, and the journal's kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "keyspace.md"
_PLACEHOLDERS = {
    "tenant": r"[a-z0-9][a-z0-9-]{1,62}",
    "generation": r"[1-9][0-9]*",
    "person": r"[1-9][0-9]{0,15}",
    "affiliate": r"[1-9][0-9]{0,15}",
    "row": r"[1-9][0-9]{0,15}",
    "level": r"[1-5]",
    "source": r"cadastro|tracked|depositos|casino_bets_v|saque|bonus",
    "page": r"[0-9]+",
    "day": r"-?[0-9]{1,6}",
    "month": r"[0-9]{4}-[0-9]{2}",
    "day-of-month": r"[0-9]{2}",
    "period": r"all|[0-9]{4}|[0-9]{4}-[0-9]{2}|[0-9]{4}-W[0-9]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "metric": r"cpa|rev|referrals|validated|ftd|deposits|bets|ggr|streak",
    "status": r"pending|validated",
    "digest": r"[0-9a-f]{16}|[0-9a-f]{64}",
    "revision": r"[1-9][0-9]*",
    "run": r"[a-z]+(?:-[0-9A-Za-z-]+)?",
    "entry": r"[0-9]+-[0-9]+",
}


@dataclass
class Family:
    """A row of the tables of keys."""

    pattern: str
    type: str
    writers: str
    after_a_run: str
    fields: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The word that names it: `affiliate` of `fkv:{<tenant>}:<generation>:affiliate:<person>`."""
        return next(word for word in reversed(self.pattern.split(":")) if "<" not in word)

    def matches(self, key: str) -> bool:
        return expression(self.pattern).fullmatch(key) is not None

    def has_field(self, name: str) -> bool:
        return any(expression(pattern).fullmatch(name) for pattern in self.fields)

    @property
    def scripts(self) -> list[str]:
        """The scripts among its writers."""
        return re.findall(r"`([a-z_]+)`", self.writers)


def expression(pattern: str) -> re.Pattern[str]:
    """A pattern of the page as a regular expression."""
    parts = re.split(r"<([a-z-]+)>", pattern)
    whole = "".join(f"(?:{_PLACEHOLDERS[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.compile(whole)


def families() -> list[Family]:
    """Every family of keys, with its fields where it is a hash."""
    found = []
    for cells in _rows(r"\| `fkv:.*"):
        if len(cells) == 7:
            found.append(Family(cells[0].strip("`"), cells[1], cells[4], cells[6]))
    sections = re.split(r"^### `([a-z-]+)`$", PAGE.read_text(), flags=re.MULTILINE)
    texts = dict(zip(sections[1::2], sections[2::2], strict=True))
    for family in found:
        text = re.split(r"^#", texts.get(family.name, ""), flags=re.MULTILINE)[0]
        for line in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE):
            family.fields += re.findall(r"`([^`]+)`", line)
    return found


def journal_kinds() -> dict[str, tuple[set[str], set[str]]]:
    """Kind -> fields that its entries always have, and those that they may have."""
    text = PAGE.read_text().split("\n## Journal\n")[1].split("\n## ")[0]
    kinds = {}
    for kind, fields in re.findall(r"^\| `([a-z]+)` \| (.*?) \|", text, flags=re.MULTILINE):
        names = re.findall(r"`([a-z_]+)`(\??)", fields)
        kinds[kind] = ({n for n, mark in names if not mark}, {n for n, mark in names if mark})
    return kinds


def examples() -> list[str]:
    """The keys of the examples."""
    text = PAGE.read_text().split("\n## Examples\n")[1]
    return re.findall(r"^\| `(fkv:[^`]+)` \|", text, flags=re.MULTILINE)


def _rows(start: str) -> list[list[str]]:
    lines = re.findall(rf"^{start}$", PAGE.read_text(), flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
