"""Where the real data set is, when this checkout has it at hand."""

from __future__ import annotations

from pathlib import Path


def real_data(name: str) -> Path | None:
    """The folder `full` or `small` of the real data set beside the repository, or None."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / name
    return folder if folder.is_dir() else None
