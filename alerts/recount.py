"""The figures counted anew from the whole log, beside those that were kept: to compare them, or to replace them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, func, insert, select, tuple_, update

from alerts.database import reading, writing
from alerts.rollups import BATCH, EMPTY, Book, Policies, Zones, contributed, current, folded, open_book, packed
from alerts.tally import Key
from models.tables import alerts, figure_books, figure_cases, figure_tallies, seals

_BOOKS, _ROWS, _ALERTS = figure_books.c, figure_tallies.c, alerts.c
_KEY = (_ROWS.grid_code, _ROWS.bucket, _ROWS.start_s, _ROWS.kind, _ROWS.source)
_NAMES = tuple(column.name for column in _KEY)
_CHUNK = 2000
"""Rows that are written or compared at once."""

_MONTH_S = 32 * 86_400.0
"""Longer than any month: what began so long before the case in hand gets no more of it."""

Row = tuple[tuple[str, str, float, str, str], bytes]


@dataclass(frozen=True)
class Comparison:
    """What was kept against what the log says, up to a position. ``differing`` names some of the rows that differ.

    ``moved_zones``: root grids whose calendar has another time zone by now than their days are of.
    """

    position: int
    rows: int
    differing: tuple[str, ...]
    moved_zones: tuple[str, ...]


def compare(engine: Engine, policies: Policies, now_s: float) -> Comparison:
    """Changes nothing, and sees one moment, however long it takes. Raises Unavailable."""
    rules = policies.book(now_s)
    rows, differing = 0, list[str]()
    with reading(engine) as connection:
        book = current(connection) or EMPTY
        for chunk in _recounted(connection, book.position, Zones(book.zones, rules)):
            rows += len(chunk)
            kept = _kept(connection, book, [key for key, _ in chunk])
            differing += ["/".join(map(str, key)) for key, data in chunk if kept.get(key) != data]
        stored = select(func.count()).select_from(figure_tallies).where(_ROWS.book == book.number)
        surplus = connection.execute(stored).scalar_one() - rows
    if surplus > 0:
        differing.append(f"{surplus} rows that no case adds to")
    moved = tuple(root for root, zone in book.zones.items() if rules.calendar(f"/{root}/").zone != zone)
    return Comparison(book.position, rows, tuple(differing), moved)


def rebuild(engine: Engine, policies: Policies, now_s: float) -> Book:
    """A new book, counted from the log beside the old one and then put in its place; what follows is counted as ever.

    Hours and days are of the time zones of now. Raises Unavailable.
    """
    with writing(engine) as connection:
        connection.execute(delete(figure_books).where(~_BOOKS.is_current))  # of one that was cut off
        old, new = current(connection), open_book(connection, is_current=False)
    _clear(engine)
    zones = Zones({}, policies.book(now_s))
    with reading(engine) as snapshot:
        position = snapshot.execute(select(func.coalesce(func.max(seals.c.position), 0))).scalar_one()
        for chunk in _recounted(snapshot, position, zones):
            rows = [{"book": new.number, **dict(zip(_NAMES, key, strict=True)), "tally": data} for key, data in chunk]
            with writing(engine) as connection:
                connection.execute(insert(figure_tallies), rows)
    with writing(engine) as connection:
        if old:
            connection.execute(delete(figure_books).where(_BOOKS.number == old.number))
        connection.execute(delete(figure_cases))  # as they were for the old one, wherever it was
        values = {"position": position, "zones": dict(zones), "is_current": True}
        connection.execute(update(figure_books).where(_BOOKS.number == new.number).values(values))
    _clear(engine)
    return Book(new.number, position, zones)


def _clear(engine: Engine) -> None:
    """Drops the rows of books that are no more, some at a time."""
    gone = _ROWS.book.not_in(select(_BOOKS.number))
    some = select(_ROWS.book, *_KEY).where(gone).limit(5000)
    while True:
        with writing(engine) as connection:
            these = tuple_(_ROWS.book, *_KEY).in_(some)
            if connection.execute(delete(figure_tallies).where(these)).rowcount == 0:
                return


def _kept(connection: Connection, book: Book, keys: list[tuple[str, str, float, str, str]]) -> dict[object, bytes]:
    wanted = select(*_KEY, _ROWS.tally).where(_ROWS.book == book.number, tuple_(*_KEY).in_(keys))
    return {tuple(row[:5]): row.tally for row in connection.execute(wanted)}


def _recounted(connection: Connection, position: int, zones: Zones) -> Iterator[list[Row]]:
    """Each row that there is to be, once, _CHUNK at a time. Cases come by their detection, so that memory holds those
    months only to which more may be added."""
    tallies: defaultdict[Key, Counter[int]] = defaultdict(Counter)
    flushed_s = 0.0
    for created_s, ids in _by_detection(connection):
        if created_s - flushed_s > _MONTH_S:
            flushed_s = created_s
            yield from _rows(tallies, created_s - _MONTH_S)
        for case in folded(connection, ids, position).values():
            for key, counts in contributed(case, zones):
                tallies[key].update(counts)
    yield from _rows(tallies, float("inf"))


def _by_detection(connection: Connection) -> Iterator[tuple[float, list[str]]]:
    """The ids of all alerts, BATCH at a time in the order of their detection, each with the first one's."""
    after = (float("-inf"), "")
    order = (_ALERTS.created_s, _ALERTS.id)
    query = select(*order).order_by(*order).limit(BATCH)
    while True:
        rows = connection.execute(query.where(tuple_(*order) > tuple_(*after))).all()
        if not rows:
            return
        yield rows[0].created_s, [row.id for row in rows]
        after = (rows[-1].created_s, rows[-1].id)


def _rows(tallies: dict[Key, Counter[int]], before_s: float) -> Iterator[list[Row]]:
    """Those rows whose buckets began before that, taken out of ``tallies``."""
    done = [key for key in tallies if key.start_s < before_s]
    for start in range(0, len(done), _CHUNK):
        part = [(key, tallies.pop(key)) for key in done[start : start + _CHUNK]]
        yield [((k.grid_code, k.bucket.value, k.start_s, k.kind, k.source), packed(counts)) for k, counts in part]
