"""Law 6 from the operations database: the same state field for field, and every row of which it differs named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.archive.from_operations import rebuild_from_operations, reconcile_with_operations, take_back_deleted
from fature_kv.archive.ops_audit import Audit
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.archive.undo import undo_run
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person
from fature_kv.errors import FatureError, OperationsError
from fature_kv.ingest.newest import held_versions, unpack_version
from fature_kv.ingest.session import system_clock
from fature_kv.ingest.window import Item
from fature_kv.sources import mappings
from fature_kv.store import Store
from tests.laws.service import SETTINGS, Service
from tests.laws.syncs import opened, sync
from tests.laws.test_laws import laws
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.support.figures_held import figures_held
from tests.support.operations_database import new_database

pytestmark = pytest.mark.timeout(900)
DAY = 86_400_000_000
NOON = "2025-06-26 12:00:00-03"
AT = 1_750_950_000_000_000


@pytest.fixture
def url(operations_server: str) -> str:
    return new_database(operations_server)


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def service(store: Store) -> Service:
    made = Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)
    made.now = system_clock()
    return made


def fill(admin: psycopg.Connection[Any]) -> None:
    """Four people in a line and beside it, with money of every kind, rows that wait and rows that are bad."""
    admin.execute(
        "insert into cadastro select n, 'P' || n, '', '', 'active', '2025-01-01' from generate_series(1, 4) n"
    )
    admin.execute(f"insert into tracked values (2, 1, '{NOON}'), (3, 2, '{NOON}'), (4, 3, '{NOON}'), (1, 4, '{NOON}')")
    admin.execute(f"insert into apostas select n, 1 + n % 4, n, 1, timestamptz '{NOON}' - n * interval '9 hours' "
                  "from generate_series(1, 60) n")  # fmt: skip
    for table in ("depositos", "saque", "bonus"):
        admin.execute(f"insert into {table} select n, 1 + n % 4, 30 + n, 'approved', timestamptz '{NOON}' - n * "
                      f"interval '20 hours', '{NOON}' from generate_series(1, 20) n")  # fmt: skip
    admin.execute(f"insert into depositos values (900, 900, 5, 'approved', '{NOON}', '{NOON}')")
    admin.execute(f"insert into depositos values (901, 1, 5, 'quem sabe', '{NOON}', '{NOON}')")


def reconcile(service: Service, url: str) -> tuple[list[tuple[str, str, str]], list[Any]]:
    with opened(service, url, service.settings) as operations:
        found = reconcile_with_operations(service.store, service.slug, service.settings, operations)
    return [(row.source, row.id, row.kind) for row in found.rows], found.figures


def rebuild(service: Service, url: str) -> dict[str, Any]:
    with opened(service, url, service.settings) as operations:
        return rebuild_from_operations(
            service.store, service.slug, service.settings, operations, lambda: sync(service, url, full=True)
        )


def test_a_rebuild_is_the_live_state(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    fill(admin)
    sync(service, url)
    assert reconcile(service, url) == ([], [])
    before = figures_held(service.store, service.slug)
    rebuild(service, url)
    assert figures_held(service.store, service.slug) == before
    assert reconcile(service, url) == ([], [])
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []


def test_a_rebuild_mends_and_reconcile_names_what_was_spoiled(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    sync(service, url)
    before = figures_held(service.store, service.slug)
    keys = service.session().fold.keys
    service.store.call("HINCRBY", keys.affiliate(1), "l1_bets_cents", 7)
    assert [(d.key, d.field) for d in reconcile(service, url)[1]] == [("affiliate:1", "l1_bets_cents")]
    rebuild(service, url)
    assert figures_held(service.store, service.slug) == before


def test_decisions_are_taken_and_not_made_anew(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    fill(admin)
    sync(service, url)
    session = service.session()
    session.move(3, 1, "placed by hand")
    session.declare(4, session.fold.day_of(AT), "played elsewhere")
    before = figures_held(service.store, service.slug)
    rebuild(service, url)
    assert figures_held(service.store, service.slug) == before
    assert reconcile(service, url) == ([], [])


def test_rows_of_files_are_named_and_not_lost(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    fill(admin)
    sync(service, url)
    mine = [Person(50, "Ivo", "", "", "active", AT), Link(50, 1, AT), Bet(999, 1, 5, 0, AT)]
    service.feed([*mine, *(Money("depositos", 1000 + n, 1, 100, "approved", AT) for n in range(12))], service.now)
    rows, _ = reconcile(service, url)
    assert {(source, kind) for source, _, kind in rows} == {
        (source, "only_here") for source in ("cadastro", "tracked", "casino_bets_v", "depositos")
    }
    assert len(rows) == 15
    before = figures_held(service.store, service.slug)
    with pytest.raises(FatureError, match=r"would lose 15 rows .*cadastro 50 \(only_here\).* and 5 more"):
        rebuild(service, url)
    assert figures_held(service.store, service.slug) == before


def test_rows_deleted_at_the_source_are_named_and_taken_back(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    sync(service, url)
    service.feed([Bet(999, 1, 5, 0, AT)], service.now)
    admin.execute("delete from depositos where id = 7; delete from apostas where id in (3, 4)")
    admin.execute("delete from tracked where user_id = 3")
    with opened(service, url, service.settings) as operations:
        found = reconcile_with_operations(service.store, service.slug, service.settings, operations)
        assert {(row.source, row.id, row.kind) for row in found.rows} == {
            ("depositos", "7", "deleted"), ("casino_bets_v", "3", "deleted"), ("casino_bets_v", "4", "deleted"),
            ("tracked", "3:2", "deleted"), ("casino_bets_v", "999", "only_here"),
        }  # fmt: skip
        assert found.figures
        with pytest.raises(FatureError, match="would lose 5 rows"):
            rebuild(service, url)
        take_back_deleted(service.store, service.slug, service.settings, operations, found.rows)
    assert reconcile(service, url)[0] == [("casino_bets_v", "999", "only_here")]
    fresh = Service(service.store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)
    fresh.now = service.now
    sync(fresh, url)
    fresh.feed([Bet(999, 1, 5, 0, AT)], service.now)
    assert figures_held(service.store, service.slug) == figures_held(service.store, fresh.slug)


@pytest.mark.parametrize("waits", [False, True])
def test_what_a_void_row_had_cleared_is_in_quarantine(
    service: Service, url: str, admin: psycopg.Connection[Any], waits: bool
) -> None:
    """Also when the row had waited first, and another run applied it."""
    fill(admin)
    user = 9 if waits else 1
    bad, good = (
        BadRow("depositos", "950", "bad_money", {"id": "950"}),
        Money("depositos", 950, user, 70, "approved", AT),
    )
    if not waits:
        sync(service, url)
    service.feed([bad], service.now, run="bad")
    service.feed([good], service.now, run="wrong")
    if waits:
        admin.execute("insert into cadastro values (9, 'P9', '', '', 'active', '2025-01-01')")
        sync(service, url)
    undo_run(service.store, service.slug, service.settings, "wrong", "wrong file")
    before = figures_held(service.store, service.slug)
    assert reconcile(service, url) == ([], [])
    rebuild(service, url)
    assert service.store.call("HEXISTS", service.session().fold.keys.quarantine, "depositos:950")
    assert figures_held(service.store, service.slug) == before


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_rows_that_wait_since_their_user_was_taken_back(
    service: Service, url: str, admin: psycopg.Connection[Any], early: bool, back: bool
) -> None:
    """No entry of the journal says that they wait; they count once the user is there again."""
    fill(admin)
    sync(service, url)
    ivo = Person(50, "Ivo", "", "", "active", AT)
    mine = [Money("depositos", 950, 50, 700, "approved", AT), Bet(950, 50, 5, 0, AT)]
    for rows, run in ((mine, "money"), ([ivo], "wrong")) if early else (([ivo], "wrong"), (mine, "money")):
        service.feed(rows, service.now, run=run)
    undo_run(service.store, service.slug, service.settings, "wrong", "wrong file")
    assert len(before := waiting_on(service, 50)) == 2
    assert reconcile(service, url) == ([], [])
    if back:
        service.feed([ivo], service.now, run="again")
        admin.execute("insert into cadastro values (50, 'Ivo', '', '', 'active', to_timestamp(1750950000))")
        admin.execute("insert into depositos values (950, 50, 7, 'approved', to_timestamp(1750950000), null)")
        admin.execute("insert into apostas values (950, 50, 0.05, 0, to_timestamp(1750950000))")
    figures = figures_held(service.store, service.slug)
    rebuild(service, url)
    service.feed([], service.now)  # looks at who came, as the next run of anything does
    assert figures_held(service.store, service.slug) == figures
    assert reconcile(service, url) == ([], [])
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []
    assert waiting_on(service, 50) == ({} if back else before)
    service.feed([ivo], service.now, run="later")
    assert service.affiliate(50)["own"]["deposits_cents"] == 700
    assert service.affiliate(50)["own"]["bets_count"] == 1


def waiting_on(service: Service, person: int) -> dict[bytes, bytes]:
    """The parked rows that wait on a person, as they are kept."""
    keys = service.session().fold.keys
    return {
        field: service.store.call("HGET", keys.parked, field)
        for field in service.store.call("SMEMBERS", keys.waits(person))
    }


def test_rows_of_a_table_that_is_gone_are_not_taken_back(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    sync(service, url)
    before = figures_held(service.store, service.slug)
    admin.execute("alter table bonus rename to kept; delete from depositos where id = 7")
    with opened(service, url, service.settings) as operations:
        found = reconcile_with_operations(service.store, service.slug, service.settings, operations)
        assert {row.kind for row in found.rows if row.source == "bonus"} == {"deleted"}
        with pytest.raises(OperationsError, match=r"no table or view of 'bonus' now.*nothing was taken back"):
            take_back_deleted(service.store, service.slug, service.settings, operations, found.rows)
    assert figures_held(service.store, service.slug) == before
    admin.execute("alter table kept rename to bonus")
    assert reconcile(service, url)[0] == [("depositos", "7", "deleted")]


def test_a_row_that_waited_is_of_the_run_that_brought_it(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    service.feed([Money("depositos", 5000, 60, 100, "approved", AT), Bet(5001, 60, 5, 0, AT)], service.now, "import-1")
    admin.execute(f"insert into cadastro values (60, 'Ivo', '', '', 'active', '{NOON}')")
    sync(service, url)
    assert service.affiliate(60)["own"]["deposits_cents"] == 100
    service.feed([Person(900, "Eva", "", "", "active", AT)], service.now, "import-2")
    admin.execute("delete from depositos where id = 900")
    assert set(reconcile(service, url)[0]) == {
        ("depositos", "5000", "only_here"), ("casino_bets_v", "5001", "only_here"),
        ("cadastro", "900", "only_here"), ("depositos", "900", "deleted"),
    }  # fmt: skip


def test_a_row_that_a_sync_brings_at_the_very_end_is_not_gone(
    service: Service, url: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(admin)
    sync(service, url)
    look_for_gone, ids = Audit.look_for_gone, iter((3001, 3002))

    def after_a_sync(*given: Any) -> None:
        id_ = next(ids)
        admin.execute(f"insert into depositos values ({id_}, 1, 5, 'approved', '{NOON}', '{NOON}')")
        admin.execute(f"insert into apostas values ({id_}, 1, 1, 0, '{NOON}')")
        assert sync(service, url).applied == {"depositos": 1, "casino_bets_v": 1}
        look_for_gone(*given)

    monkeypatch.setattr(Audit, "look_for_gone", after_a_sync)
    assert reconcile(service, url) == ([], [])
    rebuild(service, url)
    monkeypatch.undo()
    assert reconcile(service, url) == ([], [])


def test_rows_that_were_not_read_or_are_newer_are_named(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    sync(service, url)
    admin.execute(f"insert into apostas values (1001, 1, 1, 0, '{NOON}')")
    admin.execute("update depositos set valor = 77, atualizado_em = now() where id = 5")
    admin.execute("update saque set valor = 0.5 where id = 5")
    admin.execute("update cadastro set nome = 'Outra' where id = 2")
    admin.execute(f"insert into cadastro values (51, 'Eva', '', '', 'active', '{NOON}')")
    service.feed([Money("bonus", 5, 2, 9900, "approved", AT, AT + DAY)], service.now)
    rows, figures = reconcile(service, url)
    assert set(rows) == {
        ("casino_bets_v", "1001", "not_read"), ("depositos", "5", "newer_there"), ("saque", "5", "changed"),
        ("cadastro", "2", "newer_there"), ("cadastro", "51", "not_read"), ("bonus", "5", "newer_here"),
    }  # fmt: skip
    assert figures == []


def test_a_changed_mapping_asks_for_a_rebuild_that_reads_anew(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    fill(admin)
    sync(service, url)
    earned = service.affiliate(1)["own"]["deposits_cents"]
    stored = mappings.set_mapping(service.store, service.slug, Mapping(money_status={"approved": "pending"}), 1)
    assert stored.owes_rebuild
    assert sync(service, url).duplicates > 100, "another mapping reads all rows again"
    assert service.affiliate(1)["own"]["deposits_cents"] == earned
    assert rebuild(service, url)["read_anew"] == {"depositos": 20, "saque": 20, "bonus": 20}
    assert service.affiliate(1)["own"]["deposits_cents"] == 0
    assert not mappings.read(service.store, service.session().keys).owes_rebuild
    assert reconcile(service, url) == ([], [])
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []


@laws
@given(st.data())
def test_any_history_of_versions_is_rebuilt(operations_server: str, store: Store, data: st.DataObject) -> None:
    """Rows that wait, are bad, come in versions and are cleared, in any order; the database has what counts."""
    service = Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS, SETTINGS)
    service.now = AT + 9 * DAY
    person = st.integers(1, 4)
    moment = st.integers(0, 6).map(lambda days: AT - days * DAY)
    source, status = st.sampled_from(["depositos", "saque", "bonus"]), st.sampled_from(["approved", "pending"])
    amount = st.sampled_from([3000, 100])
    money = st.builds(Money, source, st.integers(1, 5), person, amount, status, moment, moment)
    bad = st.builds(lambda id_: BadRow("depositos", str(id_), "bad_money", {"id": str(id_)}), st.integers(1, 5))
    windows = data.draw(st.lists(st.lists(st.one_of(money, bad), max_size=8), max_size=5))
    people = [Person(n, "", "", "", "active", AT - 9 * DAY) for n in range(1, 5)]
    come = data.draw(st.integers(0, len(windows)))
    for place, window in enumerate([*windows[:come], people, *windows[come:], [Link(2, 1, AT), Link(3, 2, AT)]]):
        session = service.session(f"sync-{place}")
        session.apply(window)
        session.finish({})
    url = new_database(operations_server)
    with psycopg.connect(url, autocommit=True) as admin:
        for n in range(1, 5):
            admin.execute("insert into cadastro values (%s, '', '', '', 'active', %s, null)", [n, at(AT - 9 * DAY)])
        for pair in ((2, 1), (3, 2)):
            admin.execute("insert into tracked values (%s, %s, %s)", [*pair, at(AT)])
        for row in counted(service, [row for window in windows for row in window]):
            values = [row.id, row.user_id, row.amount / 100, row.status, at(row.created_at), at(row.updated_at)]
            admin.execute(f"insert into {row.source} values (%s, %s, %s, %s, %s, %s)", values)
    before = figures_held(store, service.slug)
    assert reconcile(service, url) == ([], [])
    rebuild(service, url)
    service.feed([], service.now)  # looks at who came and finds nobody who waits, as the next run of anything does
    assert figures_held(store, service.slug) == before


def at(instant: int | None) -> Any:
    return None if instant is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)


def counted(service: Service, rows: list[Any]) -> list[Money]:
    """The newest version of each row, as the tenant holds it."""
    items = [Item(0, row) for row in rows if isinstance(row, Money)]
    held = held_versions(service.session().fold, items)
    return [unpack_version(source, id_, packed) for (source, id_), packed in held.items()]  # type: ignore[arg-type]
