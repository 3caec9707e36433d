"""What is too large or too much: nothing is half done, nothing poisons what comes after."""

from __future__ import annotations

import numpy as np
import pytest

from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.domain.player import unpack_state
from fature_kv.domain.rows import MAX_ID, BadRow, Bet, Link, Money, Person
from fature_kv.ingest import boards
from fature_kv.ingest.session import Session
from fature_kv.ingest.writer import Writer
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.laws.service import Service
from tests.model.model import DEFAULT_CONFIG_VERSIONS

DAY = 86_400_000_000
NOW = 1_750_950_000_000_000
HUGE = MAX_ID


def service(store: Store, people: int = 3, **settings: int) -> Service:
    made = Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS, Settings(**settings))
    made.feed([Person(n, "", "", "", "active", NOW - 9 * DAY) for n in range(1, people + 1)], NOW)
    made.feed([Link(2, 1, NOW - 8 * DAY)], NOW)
    return made


def differences(made: Service) -> list[object]:
    return list(reconcile_with_journal(made.store, made.slug, made.settings))


def test_clearing_a_large_quarantine_is_all_or_nothing(store: Store) -> None:
    """Ten thousand rows of one chunk clear their quarantine: more than Lua's unpack takes."""
    made = service(store)
    made.feed([BadRow("casino_bets_v", str(n), "bad_money", {"id": n}) for n in range(1, 10_001)], NOW)
    results = made.feed([Bet(n, 2, 123, 0, NOW - DAY) for n in range(1, 10_001)], NOW)
    assert {result for result, _ in results} == {"applied"}
    assert made.affiliate(2)["own"]["bets_cents"] == 1_230_000
    assert made.leaderboard("bets")["items"][0]["score"] == 1_230_000
    assert differences(made) == []


def test_rows_that_no_sum_can_hold_are_put_aside(store: Store) -> None:
    made = service(store)
    rows = [Bet(n, 2, HUGE // 2 - 100 if n % 3 == 1 else 1, 0, NOW - n * DAY // 9) for n in range(1, 10)]
    results = made.feed(rows, NOW)
    assert [result for result, _ in results].count("applied") == 8
    assert {reason for result, reason in results if result == "quarantined"} == {"overflow"}
    assert made.affiliate(2)["own"]["bets_cents"] == made.affiliate(1)["total_bets_cents"]
    assert differences(made) == []


def test_sums_of_many_large_rows_never_wrap(store: Store) -> None:
    made = service(store)
    results = made.feed([Bet(n, 2, HUGE, 0, NOW) for n in range(1, 2049)], NOW)
    assert [result for result, _ in results].count("applied") == 1
    assert made.affiliate(2)["own"]["bets_cents"] == HUGE


def test_a_tenant_in_trouble_stops_no_other(redis_server: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    poor, fine = service(store), service(store)
    session = poor.session()
    store.call("SET", session.fold.keys.months(1), "no hash")  # whatever person 2 adds to person 1 fails
    writer = Writer(Store(redis_server), Settings())
    writer.start()
    try:
        with pytest.raises(Exception, match="Redis refused"):
            writer.submit(poor.slug, [Bet(1, 2, 5, 5, NOW)]).result(30)
        told = writer.submit(fine.slug, [Bet(1, 2, 5, 5, NOW)]).result(30)
        assert told[0].result == "applied"
        with monkeypatch.context() as patch:  # an error that is none of ours
            patch.setattr(Session, "apply", lambda *_: [].pop())
            with pytest.raises(IndexError):
                writer.submit(poor.slug, [Bet(2, 1, 5, 5, NOW)]).result(30)
        assert writer.submit(fine.slug, [Bet(2, 2, 5, 5, NOW)]).result(30)[0].result == "applied"
        assert writer.alive
    finally:
        writer.stop()


def test_a_row_that_leaves_a_person_in_the_middle_of_a_move(redis_server: str, store: Store) -> None:
    """A version goes from one player to another while the first one's history is half moved."""
    made = service(store, people=4, chunk_units=8)
    made.feed([Bet(n, 3, 10, 0, NOW - n * DAY) for n in range(1, 60)], NOW)
    made.feed([Money("depositos", 1, 3, 5000, "approved", NOW - 5 * DAY)], NOW)

    class Dies(Exception):
        pass

    class Dying(Store):
        left = 1

        def run(self, script, keys, args):  # type: ignore[no-untyped-def]
            if script.name == "chunk":
                Dying.left -= 1
                if Dying.left < 0:
                    raise Dies
            return super().run(script, keys, args)

    healthy = made.store
    made.store = Dying(redis_server)
    with pytest.raises(Dies):
        made.feed([Link(3, 1, NOW - 2 * DAY)], NOW)
    made.store = healthy
    assert unpack_state(store.call("GET", made.session().fold.keys.own(3)))[1].moving is not None
    made.feed([Money("depositos", 1, 4, 7000, "approved", NOW - 5 * DAY, NOW)], NOW)
    assert differences(made) == []
    assert made.affiliate(1)["total_deposits_cents"] == 0


def test_many_rows_that_count_for_nothing(store: Store) -> None:
    """More rows of one player than a chunk takes, none of them counted; and the journal folds them again."""
    made = service(store)
    results = made.feed([Money("depositos", n, 2, 100, "pending", NOW - DAY) for n in range(1, 450)], NOW)
    assert {result for result, _ in results} == {"applied"}
    assert differences(made) == []


def test_a_link_whose_history_no_sum_can_hold_stops_nobody_else(store: Store) -> None:
    made = service(store, people=5)
    made.feed([Bet(1, 2, HUGE, 0, NOW - DAY), Bet(2, 3, HUGE, 0, NOW - 2 * DAY), Bet(3, 5, 7, 0, NOW)], NOW)
    made.feed([Link(3, 1, NOW - DAY), Link(5, 4, NOW - DAY)], NOW)
    assert made.feed([Bet(4, 4, 9, 0, NOW)], NOW) == [("applied", None)]
    assert made.affiliate(1)["total_bets_cents"] == HUGE
    assert made.affiliate(4)["total_bets_cents"] == 7


def test_an_older_version_counts_when_the_newest_can_not_be_held(store: Store) -> None:
    made = service(store)
    made.feed([Money("depositos", 1, 2, HUGE - 1000, "approved", NOW - DAY)], NOW)
    versions = [Money("depositos", 5, 2, amount, "approved", NOW - DAY, NOW - DAY + amount) for amount in (500, 5000)]
    assert made.feed(versions, NOW) == [("applied", None), ("quarantined", "overflow")]
    assert made.affiliate(2)["own"]["deposits_cents"] == HUGE - 500


def test_a_slow_flush_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flusher that is slower than its token gets a longer one, instead of beginning again for ever."""
    monkeypatch.setattr(boards, "_LIFETIME_MS", 1)
    made = service(store)
    made.feed([Bet(n, 2, 5, 0, NOW - n * DAY) for n in range(1, 200)], NOW)
    assert made.leaderboard("bets")["items"][0]["score"] == 995


def test_bets_as_rows_and_as_columns_share_a_window(store: Store) -> None:
    """A part of a workbook has both: what a column can't hold in full comes as a row."""
    made = service(store)
    session = made.session()
    columns = [np.array(column, np.int64) for column in ([1, 2], [1, 1], [100, 7], [50, 0], [NOW - DAY] * 2)]
    answers = session.apply([Bet(3, 1, 150_000_050, 0, NOW - DAY), Bet(2, 1, 1, 1, NOW - DAY)], columns)
    session.finish({})
    assert [answer.result for answer in answers] == ["applied", "applied"]
    assert session.counts().applied == {"casino_bets_v": 3}
    assert session.counts().duplicates == 1
    assert made.affiliate(1)["own"]["bets_cents"] == 150_000_151
