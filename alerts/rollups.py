"""The figures at rest: tallies by grid, time, kind and source, kept from the sealed log by position.

A batch of events, what it changes and how far it was read are one transaction: no event is counted twice, none is
passed over, whatever is killed. A book is one counting of the whole log; another is begun beside it to count anew.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, tuple_, update

from alerts.database import reading, writing
from alerts.projection import alert_from_json, alert_to_json, apply
from alerts.sealer import event_of, sealed_after
from alerts.sla import PolicyBook
from alerts.tally import Fact, Key, fact_from_json, fact_to_json, keys, step, tally
from models import crash
from models.alert import ENDED, Alert, Event
from models.tables import events, figure_books, figure_cases, figure_tallies, seals

BATCH = 200
_BOOKS, _ROWS, _CASES = figure_books.c, figure_tallies.c, figure_cases.c
_KEY = (_ROWS.grid_code, _ROWS.bucket, _ROWS.start_s, _ROWS.kind, _ROWS.source)
_FOUND = select(*_KEY, _ROWS.tally).where(
    _ROWS.book == bindparam("of_book"), tuple_(*_KEY).in_(bindparam("keys", expanding=True))
)
_OF_KEY = tuple(column == bindparam(f"of_{column.name}") for column in (_ROWS.book, *_KEY))
_INSERT = insert(figure_tallies)
_CHANGE = update(figure_tallies).where(*_OF_KEY)
_DROP = delete(figure_tallies).where(*_OF_KEY)
_LOGS = (
    select(events)
    .join(seals, seals.c.event_seq == events.c.seq)
    .where(events.c.alert_id.in_(bindparam("ids", expanding=True)), seals.c.position <= bindparam("up_to"))
    .order_by(events.c.alert_id, events.c.version)
)
Case = tuple[Alert, Fact]


class Policies(Protocol):
    def book(self, now_s: float) -> PolicyBook: ...


@dataclass(frozen=True)
class Book:
    """One counting of the log: up to which position, and by root grid the time zone of its hours and days."""

    number: int
    position: int
    zones: Mapping[str, str]


EMPTY = Book(0, 0, {})
"""Before anything was counted."""


def current(connection: Connection, *, lock: bool = False) -> Book | None:
    """The book that figures are read from; None before the first event was counted."""
    query = select(_BOOKS.number, _BOOKS.position, _BOOKS.zones).where(_BOOKS.is_current)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else Book(*row)


def follow(engine: Engine, policies: Policies, now_s: float, limit: int = BATCH) -> int:
    """Counts the next ``limit`` sealed events at most; how many. Raises Unavailable."""
    with reading(engine) as connection:
        book = current(connection)
    batch = sealed_after(engine, book.position if book else 0, limit)
    if not batch:
        return 0
    rules = policies.book(now_s)
    with writing(engine, beside=book is not None) as connection:
        locked = current(connection, lock=True)
        if locked is None:
            locked = open_book(connection, is_current=True)
        if locked.position != batch[0].position - 1:
            return 0  # another process was first
        log = [item.event for item in batch]
        cases = _known(connection, log, locked.position)
        zones = Zones(locked.zones, rules)
        moved = _count(cases, log, zones)
        _apply(connection, locked.number, moved)
        _keep(connection, cases)
        done = update(figure_books).where(_BOOKS.number == locked.number)
        connection.execute(done.values(position=batch[-1].position, zones=dict(zones)))
        crash.point("before-figures-commit")
    return len(batch)


class Zones(dict[str, str]):
    """By root grid. One that is not known yet gets its calendar's."""

    def __init__(self, known: Mapping[str, str], policies: PolicyBook) -> None:
        super().__init__(known)
        self._policies = policies

    def __missing__(self, root: str) -> str:
        self[root] = self._policies.calendar(f"/{root}/").zone
        return self[root]


def open_book(connection: Connection, *, is_current: bool) -> Book:
    empty = {"position": 0, "zones": {}, "is_current": is_current}
    made = connection.execute(insert(figure_books).values(empty).returning(_BOOKS.number))
    return Book(made.scalar_one(), 0, {})


def _known(connection: Connection, log: Sequence[Event], position: int) -> dict[str, Case | None]:
    """By id, those alerts as they stood after the event at that position; None for one that was not there yet."""
    first = {event.alert_id: event.version for event in reversed(log)}
    found: dict[str, Case | None] = dict.fromkeys(first)
    rows = connection.execute(select(figure_cases).where(_CASES.alert_id.in_(first)))
    for row in rows:
        found[row.alert_id] = (alert_from_json(row.body["alert"]), fact_from_json(row.body["fact"]))
    again = [alert_id for alert_id, version in first.items() if version > 1 and found[alert_id] is None]
    return found | folded(connection, again, position)


def folded(connection: Connection, alert_ids: Sequence[str], position: int) -> dict[str, Case]:
    """Those alerts as their whole logs up to that position tell them."""
    found: dict[str, Case] = {}
    rows = connection.execute(_LOGS, {"ids": list(alert_ids), "up_to": position}).mappings() if alert_ids else ()
    for alert_id, lines in groupby(rows, key=lambda row: str(row["alert_id"])):
        case: Case | None = None
        for line in lines:
            case = _next(case, event_of(line))
        if case is not None:
            found[alert_id] = case
    return found


def _next(case: Case | None, event: Event) -> Case:
    before, fact = case or (None, None)
    after = apply(before, event)
    return after, step(fact, before, after, event)


def _count(cases: dict[str, Case | None], log: Sequence[Event], zones: Mapping[str, str]) -> dict[Key, Counter[int]]:
    """What the events change; ``cases`` moves on with them."""
    moved: defaultdict[Key, Counter[int]] = defaultdict(Counter)
    were = dict(cases)
    for event in log:
        cases[event.alert_id] = _next(cases[event.alert_id], event)
    for alert_id, now in cases.items():
        taken, added = list(contributed(were[alert_id], zones)), list(contributed(now, zones))
        if taken == added:
            continue
        for key, counts in taken:
            moved[key].subtract(counts)
        for key, counts in added:
            moved[key].update(counts)
    return {key: change for key, change in moved.items() if any(change.values())}


def contributed(case: Case | None, zones: Mapping[str, str]) -> Iterator[tuple[Key, dict[int, int]]]:
    """What a case adds, and where."""
    counts = tally(*case) if case else {}
    if case and counts:
        alert, fact = case
        zone = zones[alert.grid_path.split("/")[1]]
        for key in keys(alert, fact.source, zone):
            yield key, counts


def _apply(connection: Connection, book: int, moved: Mapping[Key, Counter[int]]) -> None:
    wanted = [_plain(key) for key in moved]
    found: dict[tuple[Any, ...], bytes] = {}
    for start in range(0, len(wanted), BATCH):
        part = {"of_book": book, "keys": wanted[start : start + BATCH]}
        found |= {tuple(row[:5]): row.tally for row in connection.execute(_FOUND, part)}
    new, changed, gone = [], [], []
    for key, change in moved.items():
        before = found.get(_plain(key))
        after = Counter(unpacked(before)) if before else Counter()
        after.update(change)
        row = {"book": book, **vars(key), "bucket": key.bucket.value}
        named = {f"of_{name}": value for name, value in row.items()}
        if not any(after.values()):
            gone.append(named)
        elif before:
            changed.append({**named, "tally": packed(after)})
        else:
            new.append({**row, "tally": packed(after)})
    for statement, rows in ((_INSERT, new), (_CHANGE, changed), (_DROP, gone)):
        if rows:
            connection.execute(statement, rows)


def _plain(key: Key) -> tuple[str, str, float, str, str]:
    return key.grid_code, key.bucket.value, key.start_s, key.kind, key.source


def _keep(connection: Connection, cases: Mapping[str, Case | None]) -> None:
    """Open cases are kept as they were counted; what has ended is folded again from its log, should it move."""
    connection.execute(delete(figure_cases).where(_CASES.alert_id.in_(list(cases))))
    rows = [
        {"alert_id": alert_id, "body": {"alert": alert_to_json(_slim(case[0])), "fact": fact_to_json(case[1])}}
        for alert_id, case in cases.items()
        if case and case[0].state not in ENDED
    ]
    if rows:
        connection.execute(insert(figure_cases), rows)


def _slim(alert: Alert) -> Alert:
    """Without what no figure looks at."""
    return replace(alert, evidence=(), measure={})


def packed(counts: Mapping[int, int]) -> bytes:
    """A tally as bytes: its places, ascending (16 bits each), then their counts (32 bits each), little-endian."""
    places = sorted(place for place, count in counts.items() if count)
    numbers = [counts[place] for place in places]
    return np.array(places, "<u2").tobytes() + np.array(numbers, "<u4").tobytes()


def unpacked(data: bytes) -> dict[int, int]:
    size = len(data) // 6
    places, numbers = np.frombuffer(data, "<u2", size), np.frombuffer(data, "<u4", size, 2 * size)
    return dict(zip(places.tolist(), numbers.tolist(), strict=True))
