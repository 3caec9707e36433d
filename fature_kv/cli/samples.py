"""`sample`: data sets that anyone can make again, to the byte."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from fature_kv.cli.command import Command, Subcommands
from fature_kv.errors import UsageError
from fature_kv.sources import sample_historic, sample_network

_SETS: Final = {"historic": sample_historic.write, "network": sample_network.write}

_DESCRIPTION = """Writes a data set that was made with a seed, the same for everyone. historic: the operator's first
load at its true size, three workbooks (409 people, 3,059 deposits of R$ 105.57 on average, 514,686 bets). network:
affiliate 1622968 as the operator published it, four CSV files (95,558 people below; levels 1 and 2 with their deposits
and CPA under the default commission). Load it with: fature-kv import --tenant T DIR"""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "sample", parents=[everywhere], help="write a data set made with a seed", description=_DESCRIPTION,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("set", choices=list(_SETS), help="which one")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to; made where it is not there")
    parser.set_defaults(handler=_sample)


def _sample(command: Command) -> int:
    asked, output = command.arguments, command.output
    if asked.folder.exists() and not asked.folder.is_dir():
        raise UsageError(f"{asked.folder} is no folder; name one, or one that is to be made")
    output.note(output.text("sample_writing", what=asked.set, folder=asked.folder))
    with output.bar(1, asked.set) as bar:
        files = _SETS[asked.set](asked.folder, lambda done, total: bar(done, total=total))
    if output.json:
        output.document({"set": asked.set, "files": [str(path) for path in files]})
    else:
        for path in files:
            output.line(f"{path}  {output.number(path.stat().st_size)} B")
    return 0
