"""`serve` and `up`: the API on the embedded servers, or on those of the settings."""

from __future__ import annotations

import argparse
import os
import pkgutil
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import msgspec

from fature_kv import embedded
from fature_kv.cli.command import Command, Subcommands, whole
from fature_kv.errors import FatureError
from fature_kv.settings import Settings

SERVING: Final = ("serve", "up")
_SERVE: Final = "fature_kv.api.server:serve"
"""By name: what stands beside us is not imported."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    for name, what in (
        ("serve", "the API, and the embedded servers it needs"),
        ("up", "all of it in one, for one machine (the same as `serve` until there are workers to run)"),
    ):
        parser = commands.add_parser(name, parents=[everywhere], help=what, description=what, allow_abbrev=False)
        parser.add_argument("--host", help="address to listen on (FATURE_HOST, else 127.0.0.1)")
        parser.add_argument("--port", type=whole(1, 65535), help="port to listen on (FATURE_PORT, else 8000)")
        parser.add_argument("--workers", type=whole(1, 256), help="processes that serve (FATURE_WORKERS, else 1)")
        parser.set_defaults(handler=_up if name == "up" else _serve)


def _up(command: Command) -> int:
    command.output.note("workers come with the archive; until then `up` is `serve`")
    return _serve(command)


def _serve(command: Command) -> int:
    asked = {name: getattr(command.arguments, name) for name in ("host", "port", "workers")}
    given = {name: value for name, value in asked.items() if value is not None}
    serve(command, msgspec.structs.replace(command.settings, **given))
    return 0


def serve(command: Command, settings: Settings, *, announce: bool = True) -> None:
    """Serves until a signal ends it; the embedded servers it started end with it. `announce` where it listens."""
    check_port(settings)
    api: Callable[..., Any] = pkgutil.resolve_name(_SERVE)
    with embedded.lease(settings) as servers:
        # Workers of the API are processes of their own and read their settings from the environment.
        os.environ["FATURE_DATA"] = settings.data_dir
        if command.output.json and announce:
            command.output.document({"url": url(settings), "pid": os.getpid()})
        elif announce:
            command.output.say("serving", url=url(settings))
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            api(settings, servers.redis_url)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
    command.output.note(command.output.text("stopped"))


def url(settings: Settings) -> str:
    """Where the API is found from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 -- shown, not bound
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}"


def check_port(settings: Settings) -> None:
    """FatureError where the API can't listen, before anything is started for it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host} port {settings.port}"
            raise FatureError(
                f"can't listen on {where}: {(error.strerror or str(error)).lower()}; give another with --port or --host"
            ) from None
