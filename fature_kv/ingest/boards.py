"""Leaderboards follow the figures: a flush reads what chunks marked, computes absolute scores, and writes them.

One flush at a time per tenant, under a fencing token; the script that writes refuses a flusher who lost it. Marks are
taken off the list only by the write that covers them, so a flusher may die anywhere and the next does the same again.
Reading after the marks were made is enough: whatever changes later has marked itself again, behind these.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fature_kv.domain import calendar, cells, streaks
from fature_kv.domain.commission import level_rev, month_rev
from fature_kv.errors import Fenced
from fature_kv.ingest.chunks import Column, Marks, unpack_marks
from fature_kv.ingest.fold import Fold
from fature_kv.keyspace import board_member
from fature_kv.scripts import pack_plan, script

GGR = len(cells.METRICS)
"""A metric of its own for boards: bets less wins."""
_BOARDS: Mapping[str, int] = {
    "referrals": cells.REFERRALS,
    "validated": cells.VALIDATED,
    "ftd": cells.FTD,
    "deposits": cells.DEPOSITS,
    "bets": cells.BETS,
    "cpa": cells.CPA,
    "ggr": GGR,
}
_ALL_METRICS = (1 << len(cells.METRICS)) - 1
_GGR_BITS = 1 << cells.BETS | 1 << cells.WINS
_MARKS_AT_ONCE = 400
_MEMBERS_AT_ONCE = 1500
_LIFETIME_MS = 1000
_LONGEST_LIFETIME_MS = 60_000
_POLL_S = 0.002


class Scores(NamedTuple):
    """Members' new figures on one board; 0 for those who leave it."""

    board: str
    people: Column
    figures: Column


def follow(fold: Fold) -> None:
    """Returns when every mark there was at the call is on the boards, by this flusher or another."""
    token = secrets.token_hex(8)
    lifetime_ms = _LIFETIME_MS
    target = None
    fold.flushed_at = time.monotonic()
    while True:
        waiting, flushed = fold.store.pipeline([("LLEN", fold.keys.dirty), ("HGET", fold.keys.state, "flushed")])
        flushed = int(flushed or 0)
        target = flushed + waiting if target is None else target
        if not waiting or flushed >= target:
            return
        if fold.store.write("flush", "SET", fold.keys.flush, token, "NX", "PX", lifetime_ms):
            try:
                _flush(fold, token, lifetime_ms)
            except Fenced:
                lifetime_ms = min(2 * lifetime_ms, _LONGEST_LIFETIME_MS)  # too slow for its token: give it longer
            finally:
                fold.store.run(script("release"), [fold.keys.flush], [token])
        else:
            time.sleep(_POLL_S)


def keep_up(fold: Fold) -> None:
    """A flush in the middle of a run, when the last is longer ago than boards may lag."""
    if time.monotonic() - fold.flushed_at > fold.settings.flush_interval_ms / 1000:
        follow(fold)


def _flush(fold: Fold, token: str, lifetime_ms: int) -> None:
    while packed := fold.store.call("LRANGE", fold.keys.dirty, 0, _MARKS_AT_ONCE - 1):
        marks = Marks(*(np.concatenate(column) for column in zip(*map(unpack_marks, packed), strict=True)))
        for scores in _scores(fold, marks):
            _write(fold, token, lifetime_ms, scores)
        fold.store.run(
            script("boards"),
            [fold.keys.flush, fold.keys.dirty, fold.keys.state],
            [token, lifetime_ms, len(packed), pack_plan([])],
        )


def _write(fold: Fold, token: str, lifetime_ms: int, scores: Iterable[Scores]) -> None:
    """Writes boards, sorted and many members a call, so that no call is long."""
    calls: list[tuple[list[str], list[Any]]] = [([], [])]
    room = _MEMBERS_AT_ONCE
    for board, people, figures in scores:
        order = np.lexsort((people, -figures))
        members = [board_member(person) for person in people[order].tolist()]
        negated = (-figures[order]).tolist()
        for start in range(0, len(members), _MEMBERS_AT_ONCE):
            part = slice(start, start + _MEMBERS_AT_ONCE)
            some = list(zip(negated[part], members[part], strict=True))
            if len(some) > room:
                calls.append(([], []))
                room = _MEMBERS_AT_ONCE
            room -= len(some)
            boards, plan = calls[-1]
            boards.append(board)
            add = [word for pair in some if pair[0] for word in pair]
            plan.append([3 + len(boards), add, [member for score, member in some if not score]])
    fixed = [fold.keys.flush, fold.keys.dirty, fold.keys.state]
    for boards, plan in calls:
        if plan:
            fold.store.run(script("boards"), [*fixed, *boards], [token, lifetime_ms, 0, pack_plan(plan)])


# -- what the scores are --------------------------------------------------------------------------------------------


class _Cells(NamedTuple):
    """Numbers of cells as columns: which affiliate of the batch, which period, slot, value."""

    owner: Column
    period: Column
    slot: Column
    value: Column


def _scores(fold: Fold, marks: Marks) -> Iterator[list[Scores]]:
    whole = np.unique(marks.whole).tolist()
    marks = _with_whole(fold, marks, whole)
    for some in _batches(marks.affiliates, fold.settings.flush_batch):
        yield _network_scores(fold, marks, some)
    for some in _batches(marks.people, fold.settings.flush_batch):
        yield _streak_scores(fold, marks, some)


def _batches(marked: Column, most: int) -> Iterator[Column]:
    """The distinct people of a column of marks, in batches of about `most` marks: one with many days weighs more."""
    people, counts = np.unique(marked, return_counts=True)
    if len(people):
        number = (np.cumsum(counts) - counts) // most
        yield from np.split(people, np.flatnonzero(number[1:] != number[:-1]) + 1)


def _with_whole(fold: Fold, marks: Marks, whole: Sequence[int]) -> Marks:
    """Marks with every day of the affiliates whose every board is due."""
    if not whole:
        return marks
    commands = [("HKEYS", fold.keys.months(a)) for a in whole] + [("GET", fold.keys.streak(a)) for a in whole]
    replies = fold.store.pipeline(commands)
    months, runs = replies[: len(whole)], replies[len(whole) :]
    pairs = [(a, m.decode()) for a, some in zip(whole, months, strict=True) for m in some]
    listed = fold.store.pipeline([("HKEYS", fold.keys.days(a, month)) for a, month in pairs])
    days = [
        (a, calendar.parse_day(f"{month}-{day.decode()}"))
        for (a, month), some in zip(pairs, listed, strict=True)
        for day in some
    ]
    streak = [
        (a, day)
        for a, packed in zip(whole, runs, strict=True)
        for day in streaks.changed_days([], streaks.unpack_runs(packed or b""))
    ]
    more, played = np.array(days, np.int64).reshape(-1, 2).T, np.array(streak, np.int64).reshape(-1, 2).T
    return Marks(
        np.concatenate((marks.affiliates, more[0])),
        np.concatenate((marks.days, more[1])),
        np.concatenate((marks.metrics, np.full(len(more[0]), _ALL_METRICS))),
        np.concatenate((marks.people, played[0])),
        np.concatenate((marks.streak_days, played[1])),
        marks.whole,
    )


def _network_scores(fold: Fold, marks: Marks, affiliates: Column) -> list[Scores]:
    owner, days, metrics = _distinct(marks, affiliates)
    metrics = metrics | np.where(metrics & _GGR_BITS, 1 << GGR, 0)
    active, months, day_cells = _read(fold, affiliates.tolist(), owner, days)
    months, day_cells = _with_ggr(months), _with_ggr(day_cells)
    scores: list[Scores] = []

    def place(periods: Column, found: _Cells, name: Callable[[int], str]) -> None:
        base = int(max(periods.max(initial=0), found.period.max(initial=0))) + 1
        touched = owner * base + periods
        for metric_name, metric in _BOARDS.items():
            keys = np.unique(touched[(metrics >> metric & 1).astype(bool)])
            who, when = np.divmod(keys, base)
            figures = np.where(active[who], _look_up(found, metric, base, keys), 0)
            for period, mine in _by_period(when):
                board = fold.keys.board(metric_name, name(period))
                scores.append(Scores(board, affiliates[who[mine]], figures[mine]))

    month_of = _numbered(calendar.month_key, days)
    place(days, day_cells, calendar.day_text)
    place(
        days - (days + 3) % 7,
        day_cells._replace(period=day_cells.period - (day_cells.period + 3) % 7),
        calendar.week_key,
    )
    place(month_of, months, _month_text)
    place(np.zeros_like(days), months._replace(period=np.zeros_like(months.period)), lambda _: "all")
    ggr_moved = (metrics & _GGR_BITS) > 0
    scores += _rev_scores(fold, affiliates, active, months, owner[ggr_moved], month_of[ggr_moved])
    return scores


def _by_period(when: Column) -> Iterator[tuple[int, Column]]:
    """The distinct periods, each with the places where it stands."""
    order = np.argsort(when, kind="stable")
    periods, starts = np.unique(when[order], return_index=True)
    ends = [*starts.tolist()[1:], len(when)]
    for period, start, end in zip(periods.tolist(), starts.tolist(), ends[: len(periods)], strict=True):
        yield period, order[start:end]


def _distinct(marks: Marks, affiliates: Column) -> tuple[Column, Column, Column]:
    """Each affiliate's day once, with all metrics that moved: index into `affiliates`, day, bits."""
    chosen = np.isin(marks.affiliates, affiliates)
    owner = np.searchsorted(affiliates, marks.affiliates[chosen])
    days, metrics = marks.days[chosen], marks.metrics[chosen]
    order = np.lexsort((days, owner))
    owner, days, metrics = owner[order], days[order], metrics[order]
    first = np.ones(len(owner), bool)
    first[1:] = (owner[1:] != owner[:-1]) | (days[1:] != days[:-1])
    return owner[first], days[first], np.bitwise_or.reduceat(metrics, np.flatnonzero(first))


def _read(fold: Fold, affiliates: Sequence[int], owner: Column, days: Column) -> tuple[Any, _Cells, _Cells]:
    """Who is active, all months, and the days of all weeks that were touched."""
    weeks = np.unique(np.stack((owner, days - (days + 3) % 7)), axis=1)  # a week's first day, Monday
    wanted: dict[tuple[int, str], list[int]] = defaultdict(list)
    for i, monday in zip(*weeks.tolist(), strict=True):
        for day in range(monday, monday + 7):
            wanted[i, calendar.month_key(day)].append(day)
    commands: list[tuple[Any, ...]] = [("HGET", fold.keys.affiliate(a), "status") for a in affiliates]
    commands += [("HGETALL", fold.keys.months(a)) for a in affiliates]
    commands += [
        ("HMGET", fold.keys.days(affiliates[i], month), *(calendar.day_text(day)[8:] for day in some))
        for (i, month), some in wanted.items()
    ]
    replies = fold.store.pipeline(commands)
    n = len(affiliates)
    active = np.array([status == b"active" for status in replies[:n]], bool)
    month_rows = [
        (i, _month_number(reply[j].decode()), reply[j + 1])
        for i, reply in enumerate(replies[n : 2 * n])
        for j in range(0, len(reply), 2)
    ]
    day_rows = [
        (i, day, cell)
        for ((i, _), some), reply in zip(wanted.items(), replies[2 * n :], strict=True)
        for day, cell in zip(some, reply, strict=True)
        if cell is not None
    ]
    return active, _columns(month_rows), _columns(day_rows)


def _columns(rows: Sequence[tuple[int, int, bytes]]) -> _Cells:
    at, slot, value = cells.columns([cell for _, _, cell in rows])
    owner = np.array([i for i, _, _ in rows], np.int64)
    period = np.array([period for _, period, _ in rows], np.int64)
    return _Cells(owner[at], period[at], slot, value)


def _with_ggr(found: _Cells) -> _Cells:
    """Cells by metric instead of slot where boards sum over levels; GGR added, and what no board counts left out."""
    metric, level = found.slot % len(cells.METRICS), found.slot // len(cells.METRICS)
    counted = (level == 0) | (metric > cells.VALIDATED)
    bets, wins = metric == cells.BETS, metric == cells.WINS
    rows = [found._replace(slot=level * 16 + metric)]
    rows[0] = _Cells(*(column[counted] for column in rows[0]))
    for some, sign in ((bets, 1), (wins, -1)):
        rows.append(_Cells(found.owner[some], found.period[some], level[some] * 16 + GGR, sign * found.value[some]))
    return _Cells(*(np.concatenate(columns) for columns in zip(*rows, strict=True)))


def _look_up(found: _Cells, metric: int, base: int, wanted: Column) -> Column:
    """The sum over levels of a metric for each `owner * base + period` that is asked for."""
    mine = found.slot % 16 == metric
    held = found.owner[mine] * base + found.period[mine]
    at = np.searchsorted(wanted, held)
    inside = at < len(wanted)
    at, held, value = at[inside], held[inside], found.value[mine][inside]
    hit = wanted[at] == held
    sums = np.zeros(len(wanted), np.int64)
    np.add.at(sums, at[hit], value[hit])
    return sums


def _rev_scores(
    fold: Fold, affiliates: Column, active: Any, months: _Cells, owner: Column, month: Column
) -> list[Scores]:
    """REV of the months that were touched, and of all time: from each month's GGR by level, never accumulated."""
    if not len(owner):
        return []
    base = int(max(months.period.max(initial=0), month.max())) + 1
    held, rev = _month_revs(fold, months, base)
    every = np.zeros(len(affiliates), np.int64)
    np.add.at(every, held // base, rev)
    touched = np.unique(owner * base + month)
    who, when = np.divmod(touched, base)
    at = np.minimum(np.searchsorted(held, touched), max(len(held) - 1, 0))
    figures = np.where(active[who] & (held[at] == touched), rev[at], 0) if len(held) else np.zeros_like(touched)
    scores = [
        Scores(fold.keys.board("rev", _month_text(period)), affiliates[who[mine]], figures[mine])
        for period, mine in _by_period(when)
    ]
    moved = np.unique(owner)
    return [*scores, Scores(fold.keys.board("rev", "all"), affiliates[moved], np.where(active[moved], every[moved], 0))]


def _month_revs(fold: Fold, months: _Cells, base: int) -> tuple[Column, Column]:
    """`owner * base + month`, ascending, and the month's REV."""
    ggr = months.slot % 16 == GGR
    place = months.owner[ggr] * base + months.period[ggr]
    keys, inverse = np.unique(place * 16 + months.slot[ggr] // 16, return_inverse=True)
    sums = np.zeros(len(keys), np.int64)
    np.add.at(sums, inverse, months.value[ggr])
    in_force = {month: fold.configuration.in_force(_first_day(month)) for month in set(months.period.tolist())}
    by_month: dict[int, list[int]] = defaultdict(list)
    for key, total in zip(keys.tolist(), sums.tolist(), strict=True):
        by_month[key // 16].append(level_rev(total, in_force[key // 16 % base], key % 16 + 1))
    revs = [month_rev(levels, in_force[place % base]) for place, levels in by_month.items()]
    return np.array(list(by_month), np.int64), np.array(revs, np.int64)


def _streak_scores(fold: Fold, marks: Marks, people: Column) -> list[Scores]:
    commands: list[tuple[str, ...]] = []
    for person in people.tolist():
        commands += [("HGET", fold.keys.affiliate(person), "status"), ("GET", fold.keys.streak(person))]
    replies = fold.store.pipeline(commands)
    held = {
        person: streaks.readings(streaks.unpack_runs(runs or b"") if status == b"active" else [])
        for person, status, runs in zip(people.tolist(), replies[::2], replies[1::2], strict=True)
    }
    chosen = np.isin(marks.people, people)
    touched = set(zip(marks.people[chosen].tolist(), marks.streak_days[chosen].tolist(), strict=True))
    by_day: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for person, day in touched:
        by_day[day][0].append(person)
        by_day[day][1].append(held[person].get(day, 0))
    return [
        Scores(fold.keys.board("streak", calendar.day_text(day)), np.array(who, np.int64), np.array(current, np.int64))
        for day, (who, current) in sorted(by_day.items())
    ]


# -- months as numbers, so that they fit a column ------------------------------------------------------------------


def _month_number(text: str) -> int:
    return int(text[:4]) * 12 + int(text[5:]) - 1


def _month_text(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def _first_day(month: int) -> int:
    return calendar.parse_day(f"{_month_text(month)}-01")


def _numbered(name: Callable[[int], str], days: Column) -> Column:
    distinct, inverse = np.unique(days, return_inverse=True)
    return np.array([_month_number(name(day)) for day in distinct.tolist()], np.int64)[inverse]
