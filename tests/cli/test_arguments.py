"""Arguments: what every command takes, and that none is left undocumented."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fature_kv import settings
from fature_kv.cli import main, texts
from fature_kv.cli.command import seconds

README = Path(__file__).parents[2] / "README.md"


def commands_of(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command by its full name, with its parser."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, one in group.choices.items():
            yield from commands_of(one, f"{name} {word}".strip())


COMMANDS = dict(commands_of(main.parser()))


def parse(line: str) -> argparse.Namespace:
    return main.parser().parse_args(line.split())


@pytest.mark.parametrize(
    "line", ["--data D --json tenant list", "tenant --data D list --json", "tenant list --json --data D"]
)
def test_global_options_are_taken_anywhere(line):
    arguments = parse(line)
    assert (arguments.data, arguments.json, arguments.lang) == ("D", True, None)


def test_global_options_have_defaults():
    arguments = parse("doctor")
    assert (arguments.data, arguments.json, arguments.lang) == (None, False, None)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_says_what_its_arguments_are(command):
    parser = COMMANDS[command]
    assert parser.format_help()
    for action in parser._actions:
        assert action.help, f"{command}: {action.dest} has no help"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command):
    assert re.search(rf"`{command}\b", README.read_text()), f"{command} is not in README.md"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "unknown",
        "import",
        "import --tenant t",
        "show affiliate x --tenant t",
        "show affiliate 0 --tenant t",
        "show leaderboard cpa --tenant t --at 2025-6-1",
        "show leaderboard cpa --tenant t --limit 0",
        "token create --tenant t --role king",
        "token create --tenant t --role owner --ttl soon",
        "rebuild --tenant t",
        "rebuild --tenant t --from memory",
        "serve --port 0",
        "--lang fr doctor",
        "import --ten t x.csv",
    ],
)
def test_wrong_arguments_end_with_2(line, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(line)
    assert ended.value.code == 2
    assert "fature-kv" in capsys.readouterr().err


def test_lengths_of_time():
    assert [seconds(text) for text in ("90", "90s", "90m", "12h", "30d")] == [90, 90, 5400, 43_200, 2_592_000]


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt-BR"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "pt_BR", "LC_ALL": "C"}, "en"),
    ],
)
def test_language_comes_from_the_environment(environ, language):
    assert texts.language_of(environ) == language


def test_money_reads_as_in_the_language():
    assert texts.money(-123_456_789, "en") == "-1,234,567.89"
    assert texts.money(-123_456_789, "pt-BR") == "-1.234.567,89"
    assert texts.money(5, "en") == "0.05"


def test_docs_of_settings_are_current():
    """Made by `python -m tests.support.settings_page > docs/settings.md`."""
    from tests.support.settings_page import page

    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert text == page()
    assert all(f"`{setting.variable}`" in text for setting in settings.SETTINGS)
