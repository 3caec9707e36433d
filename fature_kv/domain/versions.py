"""Which version of a row counts (DOMAIN.md, "Versions")."""

from __future__ import annotations

from typing import TypeAlias

from fature_kv.domain.rows import Money, Person
from fature_kv.domain.status import status_rank

MoneyKey: TypeAlias = tuple[int, int, int, int, int]


def money_key(row: Money) -> MoneyKey:
    """The greatest key is the newest version: `(atualizado_em or criado_em, status rank, valor, criado_em, user_id)`."""
    changed = row.created_at if row.updated_at is None else row.updated_at
    return changed, status_rank(row.status), row.amount, row.created_at, row.user_id


def supersedes(row: Person, held: Person) -> bool:
    """Whether a row of `cadastro` takes the place of the one held.

    With `atualizado_em` on both the greater wins, and at the same instant the greater content, so that arrival order
    never matters; where either lacks it, the one read last wins.
    """
    if row == held:
        return False
    if row.updated_at is None or held.updated_at is None:
        return True
    return _person_key(row) > _person_key(held)


def _person_key(row: Person) -> tuple[int | None, int, str, str, str, str]:
    return row.updated_at, row.registered_at, row.status, row.name, row.email, row.phone
