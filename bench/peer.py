"""`python -m bench.peer DSN SHAPE PART FIRST WINDOW BOARDS`: the peer as it is, on the first bets of a part of a shape.

The peer itself would make a shape of that many bets, spread over as many days as the whole: a thinner one, which is
another workload. PART 1 is the whole (workloads.smaller). Prints the peer's JSON line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bench.workloads import peer_module, smaller

_COLUMNS = ("id", "user", "stake", "win", "time")


def main(dsn: str, name: str, part: int, first: int, window: int, boards: str) -> None:
    shapes, peer = peer_module("shapes"), peer_module("peer_postgres")
    make = shapes.make

    def cut(name: str, rows: int | None) -> Any:
        made = smaller(make(name, rows), part)
        return made._replace(**{field: getattr(made, field)[:first] for field in _COLUMNS})

    shapes.make = cut
    print(json.dumps(peer.run(dsn, name, window, boards, None)))


if __name__ == "__main__":
    _, dsn, name, part, first, window, boards = sys.argv
    main(dsn, name, int(part), int(first), int(window), boards)
