"""Which version of a row counts (DOMAIN.md, "Versions")."""

from __future__ import annotations

from typing import TypeAlias

from fature_kv.domain.rows import Bet, Link, Money, Person, Row
from fature_kv.domain.status import status_rank

MoneyKey: TypeAlias = tuple[int, int, int, int, int]


def money_key(row: Money) -> MoneyKey:
    """The greatest is the newest version: `(atualizado_em or criado_em, status rank, valor, criado_em, user_id)`."""
    changed = row.created_at if row.updated_at is None else row.updated_at
    return changed, status_rank(row.status), row.amount, row.created_at, row.user_id


def supersedes(row: Person, held: Person) -> bool:
    """Whether a row of `cadastro` takes the place of the one held.

    Without `atualizado_em` the one read last wins. With it the greater `(atualizado_em or criado_em)` wins; at the
    same instant who is not active, then the greater content, so that arrival order never matters.
    """
    if row == held:
        return False
    return row.updated_at is None or _person_key(row) > _person_key(held)


def _person_key(row: Person) -> tuple[int, bool, int, str, str, str, str]:
    changed = row.registered_at if row.updated_at is None else row.updated_at
    return changed, row.status != "active", row.registered_at, row.status, row.name, row.email, row.phone


def latest_time(row: Row) -> int:
    """The latest of a row's times: it waits while that is over a day ahead of now (DOMAIN.md, "Parked")."""
    if isinstance(row, Link):
        return row.tracked_at
    if isinstance(row, Bet):
        return row.created_at
    begun = row.registered_at if isinstance(row, Person) else row.created_at
    return begun if row.updated_at is None else max(begun, row.updated_at)
