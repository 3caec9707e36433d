"""The server: granian, with as many workers as wanted, each with the application and a writer of its own.

Workers find Redis by FATURE_REDIS_URL, which `serve` sets for them, and everything else by the same variables as any
command. SIGINT and SIGTERM end it gracefully: requests under way are answered, what was submitted is applied. A worker
whose parent was killed ends by itself, so that it holds neither the port nor a lease of the embedded servers.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import threading
import time
from typing import Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from litestar import Litestar

from fature_kv import settings as settings_of
from fature_kv.errors import SettingsError
from fature_kv.settings import Settings

TARGET: Final = "fature_kv.api.server:app_factory"
_STOP_S: Final = 30
"""How long requests under way may take once the server is told to stop."""
_SERVER_PID: Final = "_FATURE_SERVER_PID"
"""The variable by which workers know whom to end with; not a setting."""
_PARENT_CHECK_S: Final = 0.5
_LOG_LEVELS: Final = {
    "debug": LogLevels.debug,
    "info": LogLevels.info,
    "warning": LogLevels.warning,
    "error": LogLevels.error,
}
_LOG_TO_STDERR: Final = {
    "handlers": {
        name: {"class": "logging.StreamHandler", "formatter": formatter, "stream": "ext://sys.stderr"}
        for name, formatter in (("console", "generic"), ("access", "access"))
    }
}
"""Stdout is for answers of commands."""


def serve(settings: Settings, redis_url: str, target: str = TARGET) -> None:
    """Serve the API on `settings.host` and `settings.port` until a signal ends it."""
    os.environ["FATURE_REDIS_URL"] = redis_url
    os.environ[_SERVER_PID] = str(os.getpid())
    with tempfile.TemporaryDirectory(prefix="fature-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        Granian(
            target,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            factory=True,
            http=HTTPModes.http1,
            websockets=False,
            log_level=_LOG_LEVELS[settings.log_level],
            log_dictconfig=_LOG_TO_STDERR,
            respawn_failed_workers=True,
            workers_kill_timeout=_STOP_S,
        ).serve()


def app_factory() -> Litestar:
    """The application of one worker, from the environment."""
    from fature_kv import wiring
    from fature_kv.api.application import create_app

    settings = settings_of.load()
    if not settings.redis_url:
        raise SettingsError("FATURE_REDIS_URL is not set; start the API by `fature-kv serve`, which sets it")
    writer = wiring.writer(settings.redis_url, settings)
    app = create_app(settings, settings.redis_url, writer)
    app.on_startup.append(writer.start)
    app.on_startup.append(_freeze)
    app.on_shutdown.append(writer.stop)
    if parent := os.environ.get(_SERVER_PID):
        threading.Thread(target=_follow, args=(int(parent),), name="parent", daemon=True).start()
    return app


def _freeze() -> None:
    """What is there now stays: looking through it for cycles again and again held requests up for 30 ms."""
    gc.collect()
    gc.freeze()


def _follow(parent: int) -> None:
    """Ends this worker once its parent is gone: gracefully, else after a while anyhow."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    for _ in range(_STOP_S):
        os.kill(os.getpid(), signal.SIGTERM)  # again: a worker that is still starting has no handler yet
        time.sleep(1)
    os._exit(1)
