"""Who looks: what they may see of whom (CONTRACT.md, "Roles")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fature_kv.domain.player import Own, unpack_state
from fature_kv.errors import NotFound


class Viewer(NamedTuple):
    """`affiliate`: sees only this person and the downline (levels 1..5). `mask`: what names of others go through."""

    affiliate: int | None = None
    mask: Callable[[str], str] | None = None

    def check(self, person: int, rev: bytes | None, state: bytes | None) -> None:
        """NotFound, in the same words, where there is no such person or the viewer may not see them.

        `state` is what is kept of a person's own doings, with the ancestors they are folded under.
        """
        if rev is None or not self.sees(person, own_of(state).path):
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


def own_of(state: bytes | None) -> Own:
    """A person's own state."""
    return unpack_state(state)[1]
