"""`python -m bench.peer DSN SHAPE FIRST WINDOW BOARDS`: the peer as it is, on the first FIRST bets of the whole shape.

The peer itself would make a shape of that many bets, spread over as many days as the whole: a thinner one, which is
another workload. FIRST 0 is all of them. Prints the peer's JSON line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bench.workloads import peer_module


def main(dsn: str, name: str, first: int, window: int, boards: str) -> None:
    shapes, peer = peer_module("shapes"), peer_module("peer_postgres")
    make = shapes.make

    def cut(name: str, rows: int | None) -> Any:
        whole = make(name, rows)
        return whole._replace(**{field: getattr(whole, field)[:first] for field in ("id", "user", "stake", "win", "time")})

    if first:
        shapes.make = cut
    print(json.dumps(peer.run(dsn, name, window, boards, None)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
