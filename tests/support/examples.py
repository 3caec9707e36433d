"""Reads docs/worked-examples.toml: the one table of worked examples that model, service and reader all check against.

    for example in load():
        for window in example.windows:
            feed(window.rows, window.now)              # domain rows; or window.raw, with window.now_text
        for expected in example.expect:
            assert expected.found_in(answer(expected)) == expected.value

Whoever answers gets `expected.read` (a method of `tests.model.answers.Reader`) and `expected.arguments`; `answer` below
does that for anything shaped like the model. The parser here knows clean rows only and shares nothing with the service.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from tests.model.answers import Reader

TABLE = Path(__file__).parents[2] / "docs" / "worked-examples.toml"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REGISTERED = "2024-01-01T12:00:00-03:00"  # of people and links that an example gives in short


@dataclass(frozen=True)
class Window:
    """Rows read together at one instant; `results` says what becomes of each row, where the example says it."""

    now_text: str
    now: int
    raw: list[dict[str, Any]]
    rows: list[Row | BadRow]
    results: list[str] | None


@dataclass(frozen=True)
class Expected:
    """One figure: what to read, and the path of the value in the answer."""

    read: str
    arguments: dict[str, Any]
    path: str
    value: Any

    def found_in(self, answer: Any) -> Any:
        """The value at the path: names and places in lists, joined by dots."""
        for step in self.path.split("."):
            answer = answer[int(step)] if isinstance(answer, list) else answer[step]
        return answer

    def __str__(self) -> str:
        asked = " ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.read} {asked}: {self.path}"


@dataclass(frozen=True)
class Example:
    """A rule, rows and the figures they make."""

    rule: str
    says: str
    zone: str
    config: list[tuple[str | None, dict[str, Any]]]  # empty: the default
    windows: list[Window]
    expect: list[Expected]


def load(path: Path = TABLE) -> list[Example]:
    """All examples, in order."""
    with path.open("rb") as file:
        return [_example(entry) for entry in tomllib.load(file)["example"]]


def answer(reader: Reader, expected: Expected) -> Any:
    """What a reader says to the question."""
    return getattr(reader, expected.read)(**expected.arguments)


def clean_row(raw: dict[str, Any], zone: str = "America/Sao_Paulo") -> Row | BadRow:
    """A raw row with DOMAIN's column names: ISO times, amounts with two decimals. What can't be read is a BadRow."""
    source = raw["source"]
    number = raw.get("id")
    try:
        match source:
            case "cadastro":
                return Person(
                    id=int(raw["id"]),
                    name=raw.get("nome", ""),
                    email=raw.get("email", ""),
                    phone=raw.get("telefone", ""),
                    status=raw.get("status", "") or "active",
                    registered_at=_us(raw["criado_em"], zone),
                    updated_at=_us(raw["atualizado_em"], zone) if raw.get("atualizado_em") else None,
                )
            case "tracked":
                number = f"{raw['user_id']}:{raw['referrer_id']}"
                return Link(int(raw["user_id"]), int(raw["referrer_id"]), _us(raw["tracked_em"], zone))
            case "depositos" | "saque" | "bonus":
                return Money(
                    source=source,
                    id=int(raw["id"]),
                    user_id=int(raw["user_id"]),
                    amount=_cents(raw["valor"]),
                    status=raw.get("status", ""),
                    created_at=_us(raw["criado_em"], zone),
                    updated_at=_us(raw["atualizado_em"], zone) if raw.get("atualizado_em") else None,
                )
            case "casino_bets_v":
                return Bet(
                    id=int(raw["id"]),
                    user_id=int(raw["user_id"]),
                    stake=_cents(raw["stake"]),
                    win=_cents(raw["win"]),
                    created_at=_us(raw["criado_em"], zone),
                )
    except ValueError as error:
        return BadRow(source, str(number), str(error), dict(raw))
    raise KeyError(source)


def _us(text: str, zone: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("bad_time") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(zone))
    return (at - EPOCH) // timedelta(microseconds=1)


def _cents(text: str) -> int:
    whole, dot, cents = text.partition(".")
    if not (whole.isdigit() and dot and cents.isdigit() and len(cents) == 2):
        raise ValueError("bad_money")
    return int(whole + cents)


def _example(entry: dict[str, Any]) -> Example:
    zone = entry.get("zone", "America/Sao_Paulo")
    people = [
        {
            "source": "cadastro",
            "id": number,
            "nome": f"Pessoa {number}",
            "email": f"p{number}@example.com",
            "telefone": f"+55 11 90000-{number:04}",
            "criado_em": REGISTERED,
        }
        for number in entry.get("people", [])
    ]
    tracked = [
        {"source": "tracked", "user_id": user, "referrer_id": referrer, "tracked_em": REGISTERED}
        for user, referrer in entry.get("links", [])
    ]
    windows = [_window({"now": entry["now"], "rows": people + tracked}, zone)] if people or tracked else []
    windows += [_window(window, zone) for window in [entry, *entry.get("then", [])] if "rows" in window]
    return Example(
        rule=entry["rule"],
        says=entry["says"],
        zone=zone,
        config=[(version.get("effective_from"), version["document"]) for version in entry.get("config", [])],
        windows=windows,
        expect=[_expected(expected) for expected in entry["expect"]],
    )


def _window(window: dict[str, Any], zone: str) -> Window:
    return Window(
        now_text=window["now"],
        now=_us(window["now"], zone),
        raw=window["rows"],
        rows=[clean_row(raw, zone) for raw in window["rows"]],
        results=window.get("results"),
    )


def _expected(expected: dict[str, Any]) -> Expected:
    arguments = {name: value for name, value in expected.items() if name not in ("read", "path", "value", "null")}
    if ("value" in expected) == expected.get("null", False):
        raise ValueError(f"either a value or null = true: {expected}")
    return Expected(expected["read"], arguments, expected["path"], expected.get("value"))
