"""Who sponsors whom, as a writer remembers it: followed from the forest's log, whose length is its version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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

    def path(self, person: int) -> tuple[int, ...]:
        """The ancestors at levels 1..5, nearest first."""
        path = []
        for _ in range(LEVELS):
            person = self.sponsors.get(person, 0)
            if not person:
                break
            path.append(person)
        return tuple(path)

    def is_above(self, ancestor: int, person: int, fresh: Mapping[int, int]) -> bool:
        """Whether `ancestor` is `person` or stands above them at any depth; `fresh` are links yet to be hung."""
        while person:
            if person == ancestor:
                return True
            person = fresh.get(person) or self.sponsors.get(person, 0)
        return False

    def lines(self, people: Iterable[int]) -> list[int]:
        """The people and everybody above them, each once and before who stands above."""
        depths: dict[int, int] = {}
        for person in people:
            line = [person]
            while line[-1] not in depths and (above := self.sponsors.get(line[-1], 0)):
                line.append(above)
            depth = depths.get(line[-1], 0)
            for steps, each in enumerate(reversed(line)):
                depths.setdefault(each, depth + steps)
        return sorted(depths, key=lambda person: -depths[person])

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
        positions = self._positions = self._positions or self._walk()
        return sorted(chosen, key=lambda person: (positions.get(person, len(positions)), person))

    def _walk(self) -> dict[int, int]:
        positions: dict[int, int] = {}
        stack = sorted((p for p in self.members if p not in self.sponsors), reverse=True)
        while stack:
            person = stack.pop()
            positions[person] = len(positions)
            stack.extend(sorted(self.members.get(person, ()), reverse=True))
        return positions


_FEW = 64
