"""Makes docs/settings.md: `python -m tests.support.settings_page > docs/settings.md`."""

from __future__ import annotations

from fature_kv.settings import describe

_HEAD = """# Settings

Every setting is an environment variable; unset or empty means its default. Options of a command win over it.
Made from `fature_kv/settings.py`, which checks values when a command starts.

| variable | type | default | what |
|---|---|---|---|
"""
_TAIL = """
`FATURE_DEMO_DATA` names the folder of data that `fature-kv demo` loads; it is no setting of the service.
"""


def page() -> str:
    """The page as it should be."""
    rows = [
        f"| `{variable}` | {kind.replace('|', 'or')} | {f'`{default}`' if default else ''} | {what} |"
        for variable, kind, default, what in describe()
    ]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    print(page(), end="")
