"""Named boundaries of what we write: before and after each script call, each plain command that writes, each answer.

Nothing happens at them. Crash tests put something in the place of `reached`: the end of the process, or another writer.
"""

from __future__ import annotations

from typing import Final

from fature_kv.scripts import names as script_names
from fature_kv.scripts import script

COMMANDS: Final = ("flush", "waits", "ripe", "fsync", "begin", "acknowledge", "tenants", "unlink", "transaction")
"""Plain commands that write (`Store.write`): the flusher's token, two queues of parked rows, what is fsynced, a run's
entry in the list of runs when it begins and when it has ended, the list of tenants, keys of generations nobody reads,
and boards."""
ANSWERS: Final = ("answer",)
"""What is told to others: the API's writer answers requests."""


def reached(name: str) -> None:
    """A boundary; crash tests replace this function."""


def names() -> list[str]:
    """Every boundary there is."""
    scripts = (name for name in script_names() if not script(name).read_only)
    return [f"{when} {step}" for step in (*scripts, *COMMANDS, *ANSWERS) for when in ("before", "after")]
