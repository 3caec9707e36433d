"""An importer that kills itself: `python -m tests.faults.importer URL SLUG SEED AT MOMENT`.

At its exchange number AT with the server (0: never) it dies by SIGKILL at MOMENT (world.FailingStore). It prints how
many exchanges it made when it ends by itself.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.faults import world


def main(url: str, slug: str, seed: str, at: str, moment: str) -> None:
    store = world.FailingStore(url, int(at), moment, lambda: os.kill(os.getpid(), signal.SIGKILL))
    world.feed(world.service(store, slug), world.windows(int(seed)))
    print(store.calls)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
