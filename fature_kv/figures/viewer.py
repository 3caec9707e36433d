"""Who looks: what they may see of whom (CONTRACT.md, "Roles")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fature_kv.domain.cells import LEVELS
from fature_kv.errors import NotFound
from fature_kv.figures.reading import Hash


class Viewer(NamedTuple):
    """`affiliate`: sees only this person and the downline (levels 1..5). `mask`: what names of others go through."""

    affiliate: int | None = None
    mask: Callable[[str], str] | None = None

    def check(self, person: int, rev: bytes | None, path: bytes | None) -> None:
        """NotFound, in the same words, where there is no such person or the viewer may not see them."""
        if rev is None or not self.sees(person, ancestors(path)):
            raise NotFound(f"there is no affiliate {person}")

    def sees(self, person: int, above: Sequence[int]) -> bool:
        """Whether a person with these ancestors is the viewer, or in the viewer's downline."""
        return self.affiliate is None or self.affiliate == person or self.affiliate in above

    def name(self, person: int, name: str) -> str:
        """A name as the viewer may read it."""
        return name if self.mask is None or person == self.affiliate else self.mask(name)

    def contact(self, person: int, value: str) -> str:
        """An e-mail address or a phone number as the viewer may read it: left out where names are masked."""
        return value if self.mask is None or person == self.affiliate else ""


EVERYTHING: Final = Viewer()


def ancestors(path: bytes | None) -> list[int]:
    """The ancestors under which a person's history is folded, nearest first."""
    return list(map(int, path.split(b",")))[:LEVELS] if path else []


def check_record(viewer: Viewer, person: int, record: Hash) -> None:
    """`Viewer.check` for an affiliate's whole hash."""
    viewer.check(person, record.get(b"rev"), record.get(b"path"))
