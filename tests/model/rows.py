"""What a single row tells, or two versions of one (DOMAIN.md, "Sources" and "Versions")."""

from __future__ import annotations

from typing import TypeAlias

from fature_kv.domain.rows import MAX_ID, BadRow, Bet, Link, Money, Person, Row

APPROVED = {"", "approved", "aprovado", "confirmed", "confirmado", "paid", "pago", "completed", "concluido"}
WAITING = {"pending", "pendente", "processing", "processando"}
REVERSED = {"reversed", "estornado", "refunded", "charged_back", "chargeback"}
REFUSED = {
    *("rejected", "rejeitado", "refused", "recusado", "cancelled", "canceled", "cancelado"),
    *("failed", "falhou", "expired", "expirado"),
}
RANKS = [WAITING, APPROVED, REFUSED, REVERSED]
PERSON_STATUSES = {"active", "inactive", "suspended", "blocked", "self_excluded"}

Identity: TypeAlias = tuple[str, str]
Version: TypeAlias = tuple[int, int, int, int, int]


def identity(row: Row | BadRow) -> Identity:
    """`(source, id)`; a row without a readable id goes by its content."""
    match row:
        case Person():
            return "cadastro", str(row.id)
        case Link():
            return "tracked", f"{row.user_id}:{row.referrer_id}"
        case Money():
            return row.source, str(row.id)
        case Bet():
            return "casino_bets_v", str(row.id)
        case BadRow():
            return row.source, row.id if row.id is not None else f"raw {sorted(row.raw.items(), key=str)}"


def times(row: Row) -> list[int]:
    """The row's own times."""
    match row:
        case Person():
            return [row.registered_at] if row.updated_at is None else [row.registered_at, row.updated_at]
        case Link():
            return [row.tracked_at]
        case Money():
            return [row.created_at] if row.updated_at is None else [row.created_at, row.updated_at]
        case Bet():
            return [row.created_at]


def needs(row: Row) -> list[int]:
    """The people who must be there before the row can be applied."""
    match row:
        case Person():
            return []
        case Link():
            return [row.user_id, row.referrer_id]
        case Money() | Bet():
            return [row.user_id]


def fault(row: Row, year_2000: int) -> str | None:
    """Why the row can never be applied, as far as the row alone tells."""
    ids = [*needs(row), *([] if isinstance(row, Link) else [row.id])]
    amounts = [row.amount] if isinstance(row, Money) else [row.stake, row.win] if isinstance(row, Bet) else []
    if not all(1 <= number <= MAX_ID for number in ids):
        return "bad_id"
    if min(times(row)) < year_2000:
        return "before_2000"
    if any(amount < 0 for amount in amounts):
        return "negative"
    if isinstance(row, Money) and not any(row.status in words for words in RANKS):
        return "unknown_status"
    if isinstance(row, Person) and row.status not in PERSON_STATUSES:
        return "unknown_status"
    if isinstance(row, Link) and row.user_id == row.referrer_id:
        return "self_referral"
    return None


def version(row: Money) -> Version:
    """Of two versions of a row the one with the greater of these is newer."""
    rank = next(rank for rank, words in enumerate(RANKS) if row.status in words)
    changed_at = row.created_at if row.updated_at is None else row.updated_at
    return changed_at, rank, row.amount, row.created_at, row.user_id


def person_version(row: Person) -> tuple[int, bool, int, str, str, str, str]:
    """As `version`. People have no amount; where the times are equal too, not active wins, then the greater text."""
    changed_at = row.registered_at if row.updated_at is None else row.updated_at
    return changed_at, row.status != "active", row.registered_at, row.status, row.name, row.email, row.phone


def counts(row: Money) -> bool:
    """A deposit, withdrawal or bonus counts while it is approved."""
    return row.status in APPROVED


def is_newer_person(row: Person, known: Person | None) -> bool:
    """Without `atualizado_em` the row read last is the newest; with it, the one with the greater version."""
    if known is None or row.updated_at is None:
        return True
    return person_version(row) > person_version(known)
