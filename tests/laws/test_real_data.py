"""The real data set through the service: the numbers of its README, and the model's answer to every question."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.domain.mapping import Mapping
from fature_kv.ingest.session import system_clock
from fature_kv.settings import Settings
from fature_kv.sources.files import open_all
from fature_kv.store import Store
from tests.laws.service import Service
from tests.laws.test_laws import compared
from tests.model.answers import BOARD_PERIODS, everything
from tests.model.figures import key_of
from tests.model.model import DEFAULT_CONFIG_VERSIONS, Model
from tests.support.data import real_data

pytestmark = [pytest.mark.timeout(900), pytest.mark.skipif(real_data("full") is None, reason="no real data beside us")]
ZONE = "America/Sao_Paulo"
DAYS = [date(2023, 6, 27), date(2024, 2, 29), date(2024, 12, 31), date(2025, 5, 31), date(2025, 7, 4), date(2025, 7, 6)]
README = {  # affiliate: network_size, people on levels 1..5, deposits, bets, wins of levels 1..5
    43: (833, [382, 115, 83, 54, 126], 88774946, 94588870, 79807946),
    18: (1689, [69, 436, 194, 159, 99], 256629788, 253072830, 237206103),
    24: (4745, [6, 52, 66, 155, 141], 126670756, 29495380, 34297390),
    4880: (302, [142, 72, 18, 16, 8], 4583411, 735420, 363836),
}


def test_the_real_data_set(store: Store) -> None:
    """One test, since all of it hangs on one import: its counts, figures, boards, and a rebuild."""
    service, model = imported(store)
    check_readme(service)
    check_answers(service, model)
    for metric, periods in BOARD_PERIODS.items():
        for period in periods:
            check_boards(service, model, metric, period)
    check_rebuild(service)


def imported(store: Store) -> tuple[Service, Model]:
    service, model = Service(store, ZONE, DEFAULT_CONFIG_VERSIONS, Settings()), Model(ZONE)
    service.now = system_clock()
    session = service.session()
    folder = real_data("full")
    assert folder is not None
    for file in open_all([folder], ZoneInfo(ZONE), Mapping()):
        for rows in file.lists():
            session.apply(rows)
            model.feed(rows, service.now)
    counts = session.finish({})
    applied = {"cadastro": 8580, "tracked": 8214, "depositos": 36887, "casino_bets_v": 50000, "saque": 7527}
    assert (counts.applied, counts.duplicates, counts.parked, counts.quarantined) == (applied, 0, 0, {})
    return service, model


def check_readme(service: Service) -> None:
    for person, (size, people, deposits, bets, wins) in README.items():
        figures, structure = service.affiliate(person), service.mlm_structure(person)
        assert figures["network_size"] == structure["total_network_size"] == size
        assert [level["count"] for level in structure["levels"]] == people
        assert [figures[f"total_{name}_cents"] for name in ("deposits", "bets", "wins")] == [deposits, bets, wins]
    qualified = [person for person in range(1, 8581) if service.affiliate(person)["own"]["qualified_on"]]
    assert len(qualified) == 2621


def check_answers(service: Service, model: Model) -> None:
    people = [*README, *range(1, 8581, 977)]
    assert compared(everything(service, people, [])) == compared(everything(model, people, []))
    for person in people:
        assert service.dashboard(person, "2025-07-04") == model.dashboard(person, "2025-07-04")


def check_boards(service: Service, model: Model, metric: str, period: str) -> None:
    for day in {key_of(period, day): day for day in DAYS}.values():
        told, expected = (reader.leaderboard(metric, period, day.isoformat()) for reader in (service, model))
        assert told["total"] == expected["total"]
        assert told["items"] == expected["items"][:1000]


def check_rebuild(service: Service) -> None:
    before = {person: service.dashboard(person, "2025-07-04") for person in README}
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []
    rebuild_from_journal(service.store, service.slug, service.settings)
    assert {person: service.dashboard(person, "2025-07-04") for person in README} == before
