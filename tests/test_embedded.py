"""Embedded servers, real ones: started, found, shared, stopped, and cleaned up after whatever was killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
import redis

from fature_kv import assets, embedded
from fature_kv.embedded.postgres_server import UNREACHABLE_HOME
from fature_kv.errors import EmbeddedError
from tests.support import servers
from tests.support.servers import Holder, assert_nothing_runs, environment_of, settings_of, wait_for


def incr(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return client.incr("visits")


def server_pid(data: Path, name: str) -> int:
    path = {"redis": data / "redis" / "redis.pid", "postgres": data / "postgres" / "postmaster.pid"}[name]
    return int(path.read_text().split()[0])


def socket_dirs(data: Path) -> list[Path]:
    return [Path(path.read_text()) for path in (data / "run").glob("*.socket")]


# --- start, stop, configuration -----------------------------------------------------------------------


def test_redis_runs_on_our_configuration_and_keeps_its_data(tmp_data):
    with embedded.lease(settings_of(tmp_data)) as held:
        assert held.archive_url is None
        assert embedded.running(tmp_data) == ["redis"]
        assert incr(held.redis_url) == 1
        with redis.Redis.from_url(held.redis_url) as client:
            config = client.config_get("*")
        assert config["appendonly"] == "yes"
        assert config["appendfsync"] == "always"
        assert config["maxmemory-policy"] == "noeviction"
        assert config["hash-max-listpack-entries"] == "256"
        assert config["port"] == "0"
        folders = socket_dirs(tmp_data)
    assert_nothing_runs(tmp_data)
    assert folders
    assert not any(folder.exists() for folder in folders)
    with embedded.lease(settings_of(tmp_data)) as held:
        assert incr(held.redis_url) == 2


def test_postgres_runs_and_keeps_its_data(tmp_data):
    settings = settings_of(tmp_data)
    with embedded.lease(settings, postgres=True) as held, psycopg.connect(held.archive_url) as db:
        assert db.execute("select current_setting('server_version_num')::int / 10000").fetchone() == (18,)
        assert db.execute("select current_setting('server_encoding')").fetchone() == ("UTF8",)
        assert db.execute("select current_setting('listen_addresses')").fetchone() == ("",)
        db.execute("create table visits (n int)")
        db.execute("insert into visits values (41)")
    assert_nothing_runs(tmp_data)
    with embedded.lease(settings, postgres=True) as held, psycopg.connect(held.archive_url) as db:
        assert db.execute("select n from visits").fetchone() == (41,)


def test_the_embedded_server_fsyncs_whatever_the_service_waits_for(tmp_data):
    """Valkey's WAITAOF is right under `always` only (tests/faults/test_durability.py)."""
    settings = settings_of(tmp_data, durability="waitaof")
    with embedded.lease(settings) as held, redis.Redis.from_url(held.redis_url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_a_url_in_the_settings_is_used_and_nothing_is_started(tmp_data):
    settings = settings_of(tmp_data, redis_url="redis://elsewhere", archive_url="postgresql://elsewhere/db")
    with embedded.lease(settings, postgres=True) as held:
        assert (held.redis_url, held.archive_url) == ("redis://elsewhere", "postgresql://elsewhere/db")
    assert not tmp_data.exists()


def test_every_override_is_a_directive_of_redis_and_the_file_has_no_other_home():
    text = assets.redis_conf().read_text()
    set_in_file = {line.split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert set_in_file & set(embedded.REDIS_OVERRIDES) == set()


def test_sockets_stay_short_and_private_whatever_the_data_folder(tmp_data):
    long = tmp_data / ("fundo e largo é " * 8) / ("x" * 100)
    try:
        with embedded.lease(settings_of(long), postgres=True) as held:
            incr(held.redis_url)
            psycopg.connect(held.archive_url).close()
            path = unquote(held.redis_url.removeprefix("unix://"))
            assert len(path) < 100
            assert all(folder.stat().st_mode & 0o077 == 0 for folder in socket_dirs(long))
        assert_nothing_runs(long)
    finally:
        servers.kill_servers(long)


def test_a_socket_folder_of_somebody_else_is_refused(tmp_data):
    with embedded.lease(settings_of(tmp_data)):
        name = socket_dirs(tmp_data)[0].name
    folder = Path(tempfile.gettempdir()) / name
    folder.symlink_to("/etc")
    try:
        with pytest.raises(EmbeddedError, match="somebody else"), embedded.lease(settings_of(tmp_data)):
            pass
    finally:
        folder.unlink()


def test_a_program_that_is_none_is_named(tmp_data):
    settings = embedded.Settings(data_dir=str(tmp_data), redis_server="/no/such/program")
    with pytest.raises(EmbeddedError, match="FATURE_REDIS_SERVER"), embedded.lease(settings):
        pass


def test_a_server_that_does_not_come_up_shows_its_last_words(tmp_data):
    (tmp_data / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_data / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedError, match=r"(?s)redis\.log.*manifest"), embedded.lease(settings_of(tmp_data)):
        pass


# --- shared -----------------------------------------------------------------------------------------


def test_commands_that_start_at_the_same_instant_share_one_server(tmp_data):
    holders = [Holder(tmp_data, postgres=True) for _ in range(4)]
    assert len({(h.info["redis"], h.info["archive"]) for h in holders}) == 1
    assert [incr(h.info["redis"]) for h in holders] == [1, 2, 3, 4]
    redis_pid, postgres_pid = server_pid(tmp_data, "redis"), server_pid(tmp_data, "postgres")
    for holder in holders[:-1]:
        holder.leave()
        assert embedded.running(tmp_data) == ["redis", "postgres"]
    assert (server_pid(tmp_data, "redis"), server_pid(tmp_data, "postgres")) == (redis_pid, postgres_pid)
    assert incr(holders[-1].info["redis"]) == 5
    holders[-1].leave()
    assert_nothing_runs(tmp_data)


def test_whoever_leaves_last_stops_only_what_it_leased(tmp_data):
    both = Holder(tmp_data, postgres=True)
    assert both.info
    with embedded.lease(settings_of(tmp_data)) as held:
        both.leave()
        assert embedded.running(tmp_data) == ["redis"]
        assert incr(held.redis_url) == 1


def test_one_process_may_lease_twice(tmp_data):
    with embedded.lease(settings_of(tmp_data)) as outer:
        with embedded.lease(settings_of(tmp_data)) as inner:
            assert inner.redis_url == outer.redis_url
        assert incr(outer.redis_url) == 1


def test_entering_and_leaving_in_turmoil_never_loses_a_write(tmp_data):
    """Servers stop and start between commands; whoever is in always has one that knows everything."""
    expected = 0
    for _ in range(5):
        holders = [Holder(tmp_data) for _ in range(3)]
        for holder in holders:
            expected += 1
            assert incr(holder.info["redis"]) == expected
            holder.leave()
    assert_nothing_runs(tmp_data)


def test_ctrl_c_at_the_terminal_does_not_reach_the_servers(tmp_data):
    holder = Holder(tmp_data, postgres=True, start_new_session=True)
    assert holder.info
    for name in ("redis", "postgres"):
        assert os.getsid(server_pid(tmp_data, name)) != os.getsid(holder.process.pid)
    os.killpg(holder.process.pid, signal.SIGINT)
    holder.process.communicate(timeout=120)
    assert_nothing_runs(tmp_data)


# --- killed -----------------------------------------------------------------------------------------


def test_servers_of_a_killed_command_are_adopted_and_stopped(tmp_data):
    holder = Holder(tmp_data, postgres=True)
    assert incr(holder.info["redis"]) == 1
    before = server_pid(tmp_data, "redis"), server_pid(tmp_data, "postgres")
    holder.kill()
    assert embedded.running(tmp_data) == ["redis", "postgres"]
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        assert incr(held.redis_url) == 2
        assert (server_pid(tmp_data, "redis"), server_pid(tmp_data, "postgres")) == before
    assert_nothing_runs(tmp_data)
    assert not any(path for name in ("redis", "postgres") for path in (tmp_data / "run" / f"{name}.leases").iterdir())


def test_a_killed_redis_comes_back_with_every_acknowledged_write(tmp_data):
    holder = Holder(tmp_data)
    for n in range(1, 51):
        assert incr(holder.info["redis"]) == n
    os.kill(server_pid(tmp_data, "redis"), signal.SIGKILL)
    with embedded.lease(settings_of(tmp_data)) as held:
        assert incr(held.redis_url) == 51
        holder.leave()  # its lease is good for the server that came after
        assert incr(held.redis_url) == 52


def test_a_killed_postgres_comes_back(tmp_data):
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        with psycopg.connect(held.archive_url) as db:
            db.execute("create table t (n int)")
        os.kill(server_pid(tmp_data, "postgres"), signal.SIGKILL)
        with embedded.lease(settings_of(tmp_data), postgres=True) as again, psycopg.connect(again.archive_url) as db:
            assert db.execute("select count(*) from t").fetchone() == (0,)


def test_everything_killed_at_once_is_cleaned_up(tmp_data):
    """The power cut: sockets, pid files and leases are all still there, and all wrong."""
    holder = Holder(tmp_data, postgres=True)
    assert incr(holder.info["redis"]) == 1
    pids = [server_pid(tmp_data, name) for name in ("redis", "postgres")]
    holder.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: embedded.running(tmp_data) == [], "the killed servers are gone")
    # The ids now belong to somebody else, as after a restart of the machine: to this very process.
    (tmp_data / "redis" / "redis.pid").write_text(f"{os.getpid()}\n")
    pid_file = tmp_data / "postgres" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(pids[1]), str(os.getpid()), 1))
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        assert incr(held.redis_url) == 2
        psycopg.connect(held.archive_url).close()


def test_a_process_that_got_an_old_id_is_never_signalled(tmp_data):
    """Stopping falls back to signals; a pid file that names a stranger must not make it a victim."""
    from fature_kv.embedded.redis_server import RedisServer

    with embedded.lease(settings_of(tmp_data)):
        server = RedisServer(settings_of(tmp_data))
        server._find_sockets()
        real = (tmp_data / "redis" / "redis.pid").read_text()
        (tmp_data / "redis" / "redis.pid").write_text(f"{os.getpid()}\n")
        server._signal(signal.SIGKILL)  # would end this test run
        (tmp_data / "redis" / "redis.pid").write_text(real)


def test_a_half_made_database_is_thrown_away(tmp_data):
    half = tmp_data / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        psycopg.connect(held.archive_url).close()
    assert not half.exists()


@pytest.mark.parametrize("instant", range(6))
def test_a_command_killed_at_any_instant_of_its_start_leaves_nothing_that_hurts(tmp_data, instant):
    holder = Holder(tmp_data, postgres=True)
    reached = [
        lambda: (tmp_data / "run" / "redis.lock").exists(),
        lambda: (tmp_data / "run" / "redis.alive").exists(),
        lambda: (tmp_data / "run" / "postgres.alive").exists(),
        lambda: (tmp_data / "postgres.new").exists(),
        lambda: (tmp_data / "postgres.new" / "PG_VERSION").exists() or (tmp_data / "postgres").exists(),
        lambda: (tmp_data / "postgres" / "postmaster.pid").exists(),
    ]
    wait_for(reached[instant], "the holder starts")
    holder.kill()
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        assert incr(held.redis_url) == 1
        psycopg.connect(held.archive_url).close()
    assert_nothing_runs(tmp_data)


def test_a_data_folder_removed_under_a_running_server_stops_it(tmp_data):
    holder = Holder(tmp_data)
    assert holder.info
    pid = server_pid(tmp_data, "redis")
    shutil.rmtree(tmp_data)
    holder.leave()
    wait_for(lambda: str(pid) not in [line.split()[0] for line in servers.processes_of(tmp_data)], "Redis ends")


# --- users ------------------------------------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")


@as_root
def test_as_root_postgres_runs_as_somebody_else(tmp_data):
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        psycopg.connect(held.archive_url).close()
        assert (tmp_data / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert Path(f"/proc/{server_pid(tmp_data, 'postgres')}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_as_root_a_data_folder_that_nobody_can_enter_keeps_its_mode(tmp_data):
    tmp_data.mkdir()
    tmp_data.chmod(0o700)
    try:
        with embedded.lease(settings_of(tmp_data), postgres=True) as held, psycopg.connect(held.archive_url) as db:
            db.execute("create table t (n int)")
        home = Path((tmp_data / "postgres.location").read_text().strip())
        assert home.parent == UNREACHABLE_HOME
        assert tmp_data.stat().st_mode & 0o777 == 0o700
        with embedded.lease(settings_of(tmp_data), postgres=True) as held, psycopg.connect(held.archive_url) as db:
            assert db.execute("select count(*) from t").fetchone() == (0,)
        assert_nothing_runs(tmp_data)
    finally:
        shutil.rmtree(Path((tmp_data / "postgres.location").read_text().strip()), ignore_errors=True)


@as_root
def test_as_root_programs_that_nobody_can_read_are_copied(tmp_data, monkeypatch):
    monkeypatch.setattr("fature_kv.embedded.postgres_server._can_read_programs", lambda *_: False)
    with embedded.lease(settings_of(tmp_data), postgres=True) as held:
        psycopg.connect(held.archive_url).close()
        command = Path(f"/proc/{server_pid(tmp_data, 'postgres')}/cmdline").read_bytes().decode()
        assert command.startswith(f"{tmp_data}/postgres-programs-")


def as_user(uid: int, data: Path) -> dict[str, Any]:
    """Options of a Holder that runs as another user; skips where no Python can be run as that user."""
    options: dict[str, Any] = {"user": uid, "group": 65534, "extra_groups": []}
    # This environment's packages may be used by a Python outside of it; before 3.11.3 redis-py wants one more.
    packages, backport = Path(redis.__file__).resolve().parents[1], data.parent / "backport"
    backport.mkdir()
    (backport / "async_timeout.py").write_text("from asyncio import timeout, timeout_at\n")
    env = environment_of(data, PYTHONPATH=os.pathsep.join(map(str, (servers.REPO, packages, backport))))
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3"):
        command = [python, "-c", "import msgspec, psycopg, redis, fature_kv.embedded"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, env=env, cwd="/", capture_output=True, check=False, **options).returncode == 0:
                break
    else:
        pytest.skip("no Python with these packages can be run as another user")
    data.mkdir()
    os.chown(data, uid, 65534)
    return {"python": python, "env": env, "cwd": "/", **options}


@as_root
def test_as_an_ordinary_user(tmp_data):
    holder = Holder(tmp_data, postgres=True, **as_user(pwd.getpwnam("nobody").pw_uid, tmp_data))
    assert incr(holder.info["redis"]) == 1
    psycopg.connect(holder.info["archive"]).close()
    holder.leave()
    assert_nothing_runs(tmp_data)


@as_root
def test_as_a_user_without_a_name_redis_runs_and_postgres_says_why_not(tmp_data):
    options = as_user(54321, tmp_data)
    holder = Holder(tmp_data, **options)
    assert incr(holder.info["redis"]) == 1
    holder.leave()
    refused = Holder(tmp_data, postgres=True, **options)
    with pytest.raises(AssertionError, match="FATURE_ARCHIVE_URL"):
        assert refused.info
    refused.process.communicate()
    assert_nothing_runs(tmp_data)


@as_root
def test_a_data_folder_of_somebody_else_is_named(tmp_data):
    options = as_user(pwd.getpwnam("nobody").pw_uid, tmp_data)
    os.chown(tmp_data, 0, 0)
    refused = Holder(tmp_data, **options)
    with pytest.raises(AssertionError, match="give a folder of your own with --data"):
        assert refused.info
    refused.process.communicate()


def test_the_fixture_gives_an_empty_private_server(redis_url):
    assert incr(redis_url) == 1
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(unquote(redis_url.removeprefix("unix://")))
