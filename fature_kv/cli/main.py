"""`fature-kv`: arguments in, an exit code out.

0 done; 1 failed, with one line on stderr that says what to do; 2 wrong use; 130 after Ctrl-C, 143 after SIGTERM. Both
signals come as exceptions, so that every `with` block is left and no server stays behind.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import fature_kv
from fature_kv import settings as settings_of
from fature_kv.cli import (
    configs,
    decisions,
    demo,
    doctor,
    imports,
    inspect,
    mapping,
    repair,
    runs,
    samples,
    servers,
    shows,
    sync,
    tenants,
    validates,
)
from fature_kv.cli.command import Command, Handler
from fature_kv.cli.output import Output
from fature_kv.cli.texts import LANGUAGES, language_of
from fature_kv.errors import FatureError, SourceFileError, UsageError

FAILED, WRONG_USE, INTERRUPTED, TERMINATED, BROKEN_PIPE = 1, 2, 130, 143, 141
_GROUPS = (
    servers, demo, tenants, imports, sync, mapping, samples, shows, decisions, configs, runs, validates, repair,
    inspect, doctor,
)  # fmt: skip


class Terminated(BaseException):
    """SIGTERM or SIGHUP came."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The entry point."""
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
        code = BROKEN_PIPE
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Carries a command out and returns its exit code."""
    arguments = parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        settings = settings_of.load(data_dir=arguments.data)
        _log_to_stderr(settings.log_level, arguments.command)
        output = Output(json=arguments.json, language=arguments.lang or language_of())
        handler: Handler = arguments.handler
        return handler(Command(arguments, settings, output))
    except SourceFileError as error:
        return _fail(str(error), FAILED)
    except UsageError as error:
        return _fail(str(error), WRONG_USE)
    except FatureError as error:
        return _fail(str(error) or type(error).__name__, FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except Terminated:
        return _fail("terminated", TERMINATED)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}", FAILED)
    except Exception as error:
        logging.getLogger(__name__).debug("an error that nobody foresaw", exc_info=True)
        what = f"{type(error).__name__}: {error}"
        return _fail(f"an error of ours, please report it with the output of FATURE_LOG_LEVEL=debug: {what}", FAILED)


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments. The global ones are taken before the command and after it."""
    top = argparse.ArgumentParser(
        prog="fature-kv", description="Figures of affiliate programmes, exact to the centavo.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"fature-kv {fature_kv.__version__}")
    _add_globals(top, default=None)
    everywhere = argparse.ArgumentParser(add_help=False)
    _add_globals(everywhere, default=argparse.SUPPRESS)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for group in _GROUPS:
        group.add(commands, everywhere)
    return top


def _add_globals(target: argparse.ArgumentParser, default: str | None) -> None:
    group = target.add_argument_group("options of every command")
    group.add_argument(
        "--data", metavar="DIR", default=default, help="home of the embedded servers (FATURE_DATA, else ./.fature)"
    )
    group.add_argument(
        "--json",
        action="store_true",
        default=False if default is None else default,
        help="one JSON document on stdout, notes on stderr",
    )
    group.add_argument(
        "--lang", choices=LANGUAGES, default=default, help="language of tables (default: what LANG says, else en)"
    )


def _log_to_stderr(level: settings_of.LogLevel, command: str) -> None:
    """What is logged: as the setting says where something serves, else from warnings on unless debugging."""
    quiet = level == "info" and command not in servers.SERVING
    logging.basicConfig(
        level=(logging.WARNING if quiet else level.upper()),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _fail(words: str, code: int) -> int:
    print(f"fature-kv: {words}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
