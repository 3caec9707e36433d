"""From where a sync reads again: no row that is committed up to the overlap late is ever passed over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fature_kv.sources.ops_cursors import Cursor, Mark, Seen, advanced

OVERLAP = 100


def after(before: Cursor | None, at: int, top: int, time: int = 0, settled: int = 0) -> Cursor:
    return advanced(before, Seen(at, top, time, settled), OVERLAP, 1)


def test_the_example_of_the_module() -> None:
    cursor = after(after(after(None, 0, 500), 50, 800), 100, 900)
    assert cursor == Cursor(1, 500, 0, [Mark(0, 500, 0), Mark(50, 800, 0), Mark(100, 900, 0)])
    assert after(cursor, 150, 900).id == 800


def test_before_the_first_mark_is_old_the_rows_tell() -> None:
    assert after(None, 1000, 500, settled=420).id == 420
    assert after(None, 10**12, 500, time=5_000).time == 5_000 - OVERLAP


def test_a_read_of_nothing_new_keeps_what_was_seen() -> None:
    cursor = after(None, 0, 500)
    for at in (100, 200, 300):
        cursor = after(cursor, at, 0)
    assert (cursor.id, cursor.marks[-1].id) == (500, 500)


def test_marks_stay_few_however_often_it_syncs() -> None:
    cursor = after(None, 0, 1)
    for at in range(1, 2_000):
        cursor = after(cursor, at, at)
    assert len(cursor.marks) < 30
    assert cursor.id >= 2_000 - 2 * OVERLAP


def test_a_time_in_the_future_does_not_hide_changes() -> None:
    minute = 60_000_000
    cursor = after(after(None, 10 * minute, 1, time=10**15), 20 * minute, 1)
    assert cursor.time <= 10 * minute


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, OVERLAP)), min_size=1, max_size=30),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_every_row_is_read_that_is_committed_within_the_overlap(
    written: list[tuple[int, int]], pauses: list[int]
) -> None:
    """Ids in the order of writing, each visible some time later; reads at any instants, the last one after them all."""
    rows, now = [], 0
    for id_, (pause, late) in enumerate(written, start=1):
        now += pause
        rows.append((id_, now, now + late))
    reads, at = [], 0
    for pause in pauses:
        at += pause
        reads.append(at)
    reads.append(max(at, now) + 2 * OVERLAP)
    cursor: Cursor | None = None
    read: set[int] = set()
    for at in reads:
        floor = 0 if cursor is None else cursor.id
        seen = {id_: begun for id_, begun, visible in rows if visible <= at and id_ > floor}
        read |= set(seen)
        settled = max((id_ for id_, begun in seen.items() if begun < at - OVERLAP), default=0)
        cursor = after(cursor, at, max(seen, default=0), settled=settled)
    assert read == {id_ for id_, _, _ in rows}
