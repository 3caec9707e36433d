"""Settings: documented defaults, one variable each, and errors that name the remedy."""

from __future__ import annotations

import msgspec
import pytest

from fature_kv import settings
from fature_kv.errors import SettingsError


def test_an_empty_environment_gives_the_defaults():
    assert settings.load({}) == settings.Settings()


def test_empty_and_blank_values_mean_the_default():
    assert settings.load({"FATURE_PORT": "", "FATURE_REDIS_URL": "  "}) == settings.Settings()


def test_every_field_is_in_the_table_with_a_sentence():
    fields = [field.name for field in msgspec.structs.fields(settings.Settings)]
    assert [row.field for row in settings.SETTINGS] == fields
    for variable, kind, _, description in settings.describe():
        assert variable.startswith("FATURE_")
        assert kind
        assert description.endswith(".")
    variables = [row[0] for row in settings.describe()]
    assert len(set(variables)) == len(variables)


def test_values_are_read_as_their_type():
    loaded = settings.load(
        {
            "FATURE_DATA": "/srv/fature",
            "FATURE_REDIS_URL": "rediss://:secret@redis:6380/1",
            "FATURE_ARCHIVE_URL": "postgresql://fature@db/fature",
            "FATURE_WINDOW_ROWS": "500",
            "FATURE_REDIS_TIMEOUT_S": "2.5",
            "FATURE_DURABILITY": "waitaof",
            "FATURE_TENANT_TIME_ZONE": "America/Manaus",
            "SOMETHING_ELSE": "1",
        }
    )
    assert loaded.data_dir == "/srv/fature"
    assert loaded.redis_url == "rediss://:secret@redis:6380/1"
    assert loaded.archive_url == "postgresql://fature@db/fature"
    assert (loaded.window_rows, loaded.redis_timeout_s) == (500, 2.5)
    assert (loaded.durability, loaded.tenant_time_zone) == ("waitaof", "America/Manaus")


def test_the_option_wins_over_the_variable():
    assert settings.load({"FATURE_DATA": "/a"}, data_dir="/b").data_dir == "/b"


def test_an_empty_option_is_refused():
    with pytest.raises(SettingsError, match="--data"):
        settings.load({}, data_dir=" ")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("FATURE_PORT", "http", "a whole number from 1 to 65535"),
        ("FATURE_PORT", "65536", "a whole number from 1 to 65535"),
        ("FATURE_PORT", "80.5", "a whole number"),
        ("FATURE_CHUNK_UNITS", "0", "a whole number from 1 to"),
        ("FATURE_PAGE_LIMIT", "1001", "from 1 to 1000"),
        ("FATURE_REDIS_TIMEOUT_S", "0", "a number above 0 to 600"),
        ("FATURE_REDIS_TIMEOUT_S", "nan", "a number"),
        ("FATURE_DURABILITY", "never", "always or waitaof"),
        ("FATURE_LOG_LEVEL", "INFO", "debug or info"),
        ("FATURE_TENANT_CURRENCY", "reais", "three capital letters"),
        ("FATURE_TENANT_TIME_ZONE", "Brazil/Mars", "IANA"),
        ("FATURE_TENANT_TIME_ZONE", "../etc/passwd", "IANA"),
        ("FATURE_REDIS_URL", "null", "redis://"),
        ("FATURE_ARCHIVE_URL", "mysql://db", "postgresql://"),
    ],
)
def test_a_bad_value_names_the_variable_and_the_remedy(variable, value, remedy):
    with pytest.raises(SettingsError) as caught:
        settings.load({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert remedy in str(caught.value)
    assert "unset it" in str(caught.value)


def test_a_password_is_not_repeated():
    with pytest.raises(SettingsError) as caught:
        settings.load({"FATURE_REDIS_URL": "http://:hunter2@redis"})
    assert "hunter2" not in str(caught.value)
