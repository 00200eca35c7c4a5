"""What a city is judged by, of a grid with all below it: by kind, source and time. ``docs/figures.md`` defines each.

A case counts where it stands now, in the hour, day and month of its detection. A share of nothing is no number: it is
None, with the reason. What is suspended is shown as suspended, and never counts as done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select

from alerts.calendars import DEFAULT
from alerts.database import reading
from alerts.ledger import grid_path
from alerts.policy import NO_SUCH_THING, check
from alerts.rollups import EMPTY, current
from alerts.tally import BINS, FIRST_BIN, SOURCES, STAGES, Bucket, Count, Time, length_of, start_of
from models.errors import InvalidInput, NotFound
from models.incident import KINDS
from models.people import Actor, Permission
from models.tables import figure_tallies, seals

MOST_BUCKETS: Mapping[Bucket, int] = {Bucket.HOUR: 168, Bucket.DAY: 100, Bucket.MONTH: 60}
"""That one query may ask for: it reads a row for each, times the kinds and sources that there were."""

_ROWS = figure_tallies.c
_SIZE = FIRST_BIN + len(Time) * BINS
_NONE_YET = "no case came so far"
_NAMED = [(count.name.lower(), int(count)) for count in Count if count < Count.CLOCKED_ACK]
Tallies = NDArray[np.int64]
"""Rows of counts by place, as in ``alerts.tally``; shape (rows, _SIZE)."""


@dataclass(frozen=True)
class FigureQuery:
    """From–to in Unix seconds, widened to whole buckets; ``kind`` and ``source`` None: all."""

    grid_code: str
    bucket: Bucket
    from_s: float
    to_s: float
    kind: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Definition:
    """A share: ``part`` ÷ ``whole``, both counts. ``nothing``: what it is when there is no whole."""

    code: str
    name_zh: str
    name_en: str
    part: Count
    whole: Count
    nothing: str


_C = Count
SHARES: Sequence[Definition] = (
    Definition("on_time", "按期办结率", "on-time completion", _C.ON_TIME, _C.DUE, "no case with a clock is due yet"),
    Definition("fixed", "核实解决率", "verified fixed ÷ closed", _C.FIXED, _C.CLOSED, "no case is closed"),
    Definition("rework", "返工率", "rework", _C.REDONE, _C.HANDLED, "no case was handled"),
    Definition("completion", "办结率", "completion", _C.CLOSED, _C.TO_DO, "no case is to be done"),
    Definition("suspended", "挂账率", "suspended", _C.SUSPENDED, _C.TO_DO, "no case is to be done"),
    Definition("false_alarm", "误报率", "false alarms", _C.FALSE_ALARMS, _C.JUDGED, "nobody has judged an alert yet"),
    Definition("grouped", "归并率", "grouped into cases", _C.GROUPED, _C.ALERTS, "there is no alert"),
    Definition("misdispatch", "错派率", "mis-dispatch", _C.MISSENT, _C.SENT, "no case was dispatched"),
)
"""What tells cities apart comes first (dispatch.md): completion near 100 % does not."""
TIMES: Mapping[Time, tuple[str, str, str]] = {
    Time.ACK: ("ack", "受理用时", "time to acknowledge"),
    Time.DISPATCH: ("dispatch", "派遣用时", "time to dispatch"),
    Time.HANDLE: ("handle", "处置用时", "time to handle"),
    Time.CLOSE: ("close", "结案用时", "time to close"),
}
NOT_KEPT: Mapping[str, tuple[str, str, str]] = {
    "missed": ("漏报率", "missed", "no record says which people's reports lay within a camera's view"),
}
"""Figures of the list that the ledger cannot give yet, with why."""


@dataclass(frozen=True)
class Share:
    """``value`` 0 to 1, or None with the ``reason``."""

    part: int
    whole: int
    value: float | None
    reason: str | None


@dataclass(frozen=True)
class Length:
    """Seconds; median and P90 (nearest rank) are right to tally.ERROR of their value; None with the reason."""

    count: int
    median_s: float | None
    p90_s: float | None
    reason: str | None


@dataclass(frozen=True)
class Figures:
    """``stages``: by stage of a clock, the cases that left it in time among those that had it. ``reduction``:
    detections ÷ alerts."""

    counts: Mapping[str, int]
    shares: Mapping[str, Share]
    stages: Mapping[str, Share]
    times: Mapping[str, Length]
    reduction: float | None
    alerts_per_case: float | None


@dataclass(frozen=True)
class Report:
    """``zone`` is that of the root grid, whose hours and days these are. ``waiting``: sealed events not counted yet."""

    grid_code: str
    zone: str
    bucket: Bucket
    from_s: float
    to_s: float
    position: int
    waiting: int
    total: Figures
    items: tuple[tuple[float, Figures], ...]


def figures(engine: Engine, actor: Actor, query: FigureQuery) -> Report:
    """The figures of that grid, in all and by bucket; a bucket without a case is left out.

    Raises InvalidInput, NotFound (a grid out of the actor's sight as a whole).
    """
    _check(query)
    with reading(engine) as connection:
        path = grid_path(connection, query.grid_code)
        if path is None:
            raise NotFound(NO_SUCH_THING)
        check(actor, Permission.ALERT_READ, path, Permission.ALERT_READ)
        book = current(connection) or EMPTY
        zone = book.zones.get(path.split("/")[1], DEFAULT.zone)
        starts = starts_of(query, zone)
        sealed = connection.execute(select(func.coalesce(func.max(seals.c.position), 0))).scalar_one()
        wanted = select(_ROWS.start_s, _ROWS.tally).where(
            _ROWS.book == book.number,
            _ROWS.grid_code == query.grid_code,
            _ROWS.bucket == query.bucket.value,
            _ROWS.start_s >= starts[0],
            _ROWS.start_s < starts[-1],
        )
        for column, value in ((_ROWS.kind, query.kind), (_ROWS.source, query.source)):
            if value is not None:
                wanted = wanted.where(column == value)
        rows = connection.execute(wanted.order_by(_ROWS.start_s)).all()
    began = {start_s: place for place, start_s in enumerate(sorted({row.start_s for row in rows}))}
    sums = merged([(began[row.start_s], row.tally) for row in rows], len(began))
    *items, total = of_tallies(np.vstack((sums, sums.sum(axis=0))))
    about = (query.grid_code, zone, query.bucket, starts[0], starts[-1], book.position, sealed - book.position)
    return Report(*about, total, tuple(zip(began, items, strict=True)))


def of_installation(engine: Engine, now_s: float) -> tuple[Mapping[str, Figures], int]:
    """The figures of all root grids together, of today and of this month; and how many events are not counted yet."""
    with reading(engine) as connection:
        book = current(connection) or EMPTY
        sealed = connection.execute(select(func.coalesce(func.max(seals.c.position), 0))).scalar_one()
        found = {}
        for name, bucket in (("today", Bucket.DAY), ("this_month", Bucket.MONTH)):
            data: list[tuple[int, bytes]] = []
            for root, zone in book.zones.items():
                where = (_ROWS.book == book.number, _ROWS.grid_code == root, _ROWS.bucket == bucket.value)
                begun = _ROWS.start_s == start_of(bucket, now_s, zone)
                data += [(0, one) for one in connection.execute(select(_ROWS.tally).where(*where, begun)).scalars()]
            (found[name],) = of_tallies(merged(data, 1))
    return found, sealed - book.position


def _check(query: FigureQuery) -> None:
    if query.kind is not None and query.kind not in KINDS:
        raise InvalidInput(f"there is no incident kind {query.kind[:64]!r}")
    if query.source is not None and query.source not in SOURCES:
        raise InvalidInput(f"a source is one of {', '.join(SOURCES)}")
    if not (0 <= query.from_s < query.to_s < 4e9):
        raise InvalidInput("figures are asked from a time to a later one, from 1970 on")


def starts_of(query: FigureQuery, zone: str) -> list[float]:
    """The beginnings of the buckets asked for, and the end of the last. Raises InvalidInput for too many."""
    starts = [start_of(query.bucket, query.from_s, zone)]
    while starts[-1] < query.to_s:
        if len(starts) > MOST_BUCKETS[query.bucket]:
            raise InvalidInput(f"at most {MOST_BUCKETS[query.bucket]} times a {query.bucket.value} in one query")
        starts.append(_after(query.bucket, starts[-1], zone))
    return starts


def _after(bucket: Bucket, start_s: float, zone: str) -> float:
    if bucket is Bucket.HOUR:
        return start_s + 3600
    local = datetime.fromtimestamp(start_s, ZoneInfo(zone))
    later = local.replace(hour=12) + timedelta(days=1 if bucket is Bucket.DAY else 32)
    return start_of(bucket, later.timestamp(), zone)


def merged(data: Sequence[tuple[int, bytes]], rows: int) -> Tallies:
    """The sums of tallies as they are stored, each with the row that it belongs to."""
    sizes = [len(one) // 6 for _, one in data]
    places = np.frombuffer(b"".join(one[: 2 * n] for (_, one), n in zip(data, sizes, strict=True)), "<u2")
    counts = np.frombuffer(b"".join(one[2 * n :] for (_, one), n in zip(data, sizes, strict=True)), "<u4")
    offsets = np.repeat(np.array([row * _SIZE for row, _ in data], np.int64), sizes)
    sums = np.bincount(offsets + places, counts, rows * _SIZE)  # as doubles: whole up to 2^53
    total: Tallies = sums.astype(np.int64).reshape(rows, _SIZE)
    return total


def of_tallies(tallies: Tallies) -> list[Figures]:
    """The figures that each row stands for."""
    bins = [tallies[:, FIRST_BIN + time * BINS : FIRST_BIN + (time + 1) * BINS] for time in TIMES]
    lengths = list(zip(*map(_lengths, bins), strict=True))
    return [_figures(counts, times) for counts, times in zip(tallies[:, :FIRST_BIN].tolist(), lengths, strict=True)]


def _figures(counts: Sequence[int], times: Sequence[Length]) -> Figures:
    shares = {item.code: share(counts[item.part], counts[item.whole], item.nothing) for item in SHARES}
    shares |= {code: Share(0, 0, None, reason) for code, (_, _, reason) in NOT_KEPT.items()}
    stages = {}
    for place, stage in enumerate(STAGES):
        clocked, late = counts[Count.CLOCKED_ACK + place], counts[Count.LATE_ACK + place]
        stages[stage.value] = share(clocked - late, clocked, "no case had a clock of this stage")
    alerts, cases = counts[Count.ALERTS], counts[Count.CASES]
    return Figures(
        {name: counts[place] for name, place in _NAMED},
        shares,
        stages,
        {name[0]: length for name, length in zip(TIMES.values(), times, strict=True)},
        counts[Count.DETECTIONS] / alerts if alerts else None,
        alerts / cases if cases else None,
    )


def share(part: int, whole: int, nothing: str) -> Share:
    return Share(part, whole, part / whole, None) if whole else Share(part, whole, None, nothing)


def _lengths(bins: Tallies) -> list[Length]:
    """Median and P90 of what was counted in the bins of each row."""
    sums = np.cumsum(bins, axis=1)
    counts = sums[:, -1]

    def at(tenths: int) -> list[int]:
        rank = (-(-tenths * counts // 10))[:, np.newaxis]
        found: list[int] = (sums < rank).sum(axis=1).tolist()
        return found

    return [
        Length(count, length_of(median), length_of(p90), None) if count else Length(0, None, None, _NONE_YET)
        for count, median, p90 in zip(counts.tolist(), at(5), at(9), strict=True)
    ]
