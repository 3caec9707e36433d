"""Who sponsors whom, as a writer remembers it: followed from the forest's log, whose length is its version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fature_kv.domain.cells import LEVELS


class Forest:
    """The sponsor forest at `version` (how many changes of the log it has taken in)."""

    def __init__(self) -> None:
        self.version = 0
        self.sponsors: dict[int, int] = {}
        self.members: dict[int, list[int]] = {}
        self._positions: dict[int, int] | None = None

    def follow(self, changes: Sequence[bytes]) -> None:
        """Takes in the changes of the log behind `version`: `person sponsor`, sponsor 0 for none."""
        for change in changes:
            person, sponsor = change.split()
            self.hang(int(person), int(sponsor))
        self.version += len(changes)

    def hang(self, person: int, sponsor: int) -> None:
        old = self.sponsors.pop(person, 0)
        if old:
            self.members[old].remove(person)
        if sponsor:
            self.sponsors[person] = sponsor
            self.members.setdefault(sponsor, []).append(person)
        self._positions = None

    def copy(self) -> Forest:
        twin = Forest()
        twin.version = self.version
        twin.sponsors = dict(self.sponsors)
        twin.members = {sponsor: list(members) for sponsor, members in self.members.items()}
        return twin

    def path(self, person: int) -> tuple[int, ...]:
        """The ancestors at levels 1..5, nearest first."""
        path = []
        for _ in range(LEVELS):
            person = self.sponsors.get(person, 0)
            if not person:
                break
            path.append(person)
        return tuple(path)

    def is_above(self, ancestor: int, person: int) -> bool:
        """Whether `ancestor` is `person` or stands above them at any depth."""
        while person:
            if person == ancestor:
                return True
            person = self.sponsors.get(person, 0)
        return False

    def depth(self, person: int) -> int:
        steps = 0
        while person := self.sponsors.get(person, 0):
            steps += 1
        return steps

    def within_reach(self, root: int) -> Iterable[int]:
        """`root` and everybody up to four levels below: those whose path can hold somebody above `root`."""
        row = [root]
        for _ in range(LEVELS):
            yield from row
            row = [member for person in row for member in self.members.get(person, ())]

    def in_depth_first_order(self, people: Iterable[int]) -> list[int]:
        """Neighbours in the forest side by side, so that they share ancestors; people outside it by id, behind."""
        chosen = list(people)
        if len(chosen) <= _FEW:
            return sorted(chosen)
        if self._positions is None:
            self._positions = self._walk()
        last = len(self._positions)
        return sorted(chosen, key=lambda person: (self._positions.get(person, last), person))  # type: ignore[union-attr]

    def _walk(self) -> dict[int, int]:
        positions: dict[int, int] = {}
        stack = sorted((p for p in self.members if p not in self.sponsors), reverse=True)
        while stack:
            person = stack.pop()
            positions[person] = len(positions)
            stack.extend(sorted(self.members.get(person, ()), reverse=True))
        return positions


_FEW = 64
