"""Locks, processes and modes of files, as far as the embedded servers need them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from pathlib import Path

children: list[subprocess.Popen[bytes]] = []
"""Servers started by this process: to be reaped when they end, never waited for."""


def reap(*, wait: bool = False) -> None:
    for child in list(children):
        if wait:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.05)
        if child.poll() is not None:
            children.remove(child)


def home_of(data_dir: str | Path) -> Path:
    return Path(data_dir).expanduser().resolve()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of this file."""
    try:
        with path.open("rb") as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that probe don't see each other
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def read_pid(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(path.read_text().split()[0])
    return None


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        pass
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def allows(path: Path, user: int, bits: int) -> bool:
    """Whether the mode of `path` gives `user` (no groups) these permission bits."""
    found = path.stat()
    granted = found.st_mode >> 6 if found.st_uid == user else found.st_mode
    return granted & bits == bits


def can_enter(path: Path, user: int) -> bool:
    return all(allows(folder, user, 0o1) for folder in (path, *path.parents))


def open_to_all(root: Path) -> None:
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder, file) for file in files):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
