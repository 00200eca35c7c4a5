"""A ledger of very many cases, filled fast: true rows, straight into the tables.

What is filled is what the product would have written, log, seals and all: ``wangge doctor audit`` finds it whole.
"""

import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, Index, insert, text

from alerts.clock_policies import ClockPolicies
from alerts.database import open_database, upgrade, writing
from alerts.recount import rebuild
from alerts.sealer import GENESIS
from bench.specimens import KINDS, PEOPLE, SOURCE, Which, columns, moulds, person_row
from bench.town import NOW, Leaf, furnish
from models import tables
from models.alert import ENDED, State
from models.ulid import new_ulid

DAYS = 400
"""Over so many days up to NOW the cases began."""
OPEN_SHARE = 0.01
"""The newest hundredth of the cases is open, in these states; of the others, a few stand suspended."""
OPEN = (
    (State.NEW, 10),
    (State.ACKNOWLEDGED, 5),
    (State.DISPATCHED, 25),
    (State.ACCEPTED, 20),
    (State.ON_SCENE, 15),
    (State.RETURNED, 3),
    (State.HANDLED, 12),
    (State.VERIFIED, 3),
    (State.REOPENED, 2),
    (State.SUSPENDED, 5),
)
ENDINGS = ((State.DISMISSED, 550), (State.CLOSED, 438), (State.VOIDED, 10), (State.SUSPENDED, 2))
_KINDS = ((KINDS[0], 900), (KINDS[1], 98), (KINDS[2], 2))
_BATCH = 2000
_FILLED = ("alerts", "events", "incidents", "evidence", "timers", "outbox", "seals")

Rows = dict[str, list[tuple[Any, ...]]]
Load = Callable[[str, list[str], list[tuple[Any, ...]]], None]


def fill(
    url: str,
    cases: int,
    leaves: int,
    people: int,
    say: Callable[[str], None] = lambda _: None,
    *,
    figures: bool = True,
) -> None:
    """An empty database becomes a city's ledger of ``cases`` cases. ``say`` hears how far it is.

    ``figures``: they are counted too, which takes about three times as long as all else.
    """
    engine = open_database(url)
    try:
        upgrade(engine)
        with writing(engine) as connection:
            found = furnish(connection, leaves, leaves, people)
            connection.execute(insert(tables.people), [person_row(actor) for actor in PEOPLE])
            granted = [{"person_id": a.id, "role": a.grants[0].role.value, "grid_code": "c"} for a in PEOPLE]
            connection.execute(insert(tables.grants), granted)
            connection.execute(insert(tables.source_cursors), [{"source": SOURCE, "seq": cases}])
        indexes = [index for name in _FILLED for index in tables.metadata.tables[name].indexes]
        _in_turn(engine, indexes, Index.drop)
        with _loading(engine) as load:
            for number, rows in enumerate(_batches(cases, found), 1):
                for name, cast in rows.items():
                    load(name, _columns(name), cast)
                if number % 25 == 0:
                    say(f"{min(number * _BATCH, cases):,} of {cases:,} cases")
        say("indexes")
        _in_turn(engine, indexes, Index.create)
        if engine.dialect.name == "postgresql":
            with writing(engine) as connection:
                numbers = "pg_get_serial_sequence('events', 'seq'), (SELECT max(seq) FROM events)"
                connection.execute(text(f"SELECT setval({numbers})"))
                connection.execute(text("ANALYZE"))
        if figures:
            say("figures")
            rebuild(engine, ClockPolicies(engine), NOW)
    finally:
        engine.dispose()


def _columns(name: str) -> list[str]:
    return {"events": ["seq", *columns("events")], "outbox": ["event_seq", "published_s"]}.get(name, columns(name))


def _in_turn(engine: Engine, indexes: Iterable[Index], do: Callable[[Index, Any], None]) -> None:
    with writing(engine) as connection:
        for index in indexes:
            do(index, connection)


def _batches(cases: int, leaves: list[Leaf]) -> Iterator[Rows]:
    """Rows by table, _BATCH cases at a time, in the order in which they began."""
    chance = random.Random(1)
    cast_of = moulds()
    seq, previous = 0, GENESIS
    rows: Rows = {name: [] for name in _FILLED}
    for number in range(1, cases + 1):
        created_s = round(NOW - DAYS * 86_400 * (1 - number / cases), 3)
        which = _which(chance, number / cases)
        leaf = leaves[int(chance.random() ** 1.5 * len(leaves))]
        # A place has many cases one after the other, and one that is open at most.
        zone = f"z{number % 5}" if which[0] in ENDED else f"o{number}"
        mould = cast_of[which]
        values = mould.values(number, new_ulid(created_s), created_s, leaf, zone, f"p{leaf.code[1:]}")
        for name, casts in mould.rows.items():
            if name != "events":
                rows[name].extend([cast(values) for cast in casts])
        for cast, sealed in zip(mould.rows["events"], mould.sealed, strict=True):
            seq += 1
            told = f'{{"event":{sealed(values)},"position":{seq},"previous_hash":"{previous}"}}'
            digest = hashlib.sha256(told.encode()).hexdigest()
            rows["events"].append((seq, *cast(values)))
            rows["outbox"].append((seq, created_s))
            rows["seals"].append((seq, seq, previous, digest, created_s))
            previous = digest
        if number % _BATCH == 0 or number == cases:
            yield rows
            rows = {name: [] for name in _FILLED}


def _which(chance: random.Random, share: float) -> Which:
    """What becomes of a case that began when that share of all had begun."""
    states = OPEN if share > 1 - OPEN_SHARE else ENDINGS
    (state,) = chance.choices([state for state, _ in states], [weight for _, weight in states])
    ((kind, severity),) = chance.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])
    return state, kind, severity


@contextmanager
def _loading(engine: Engine) -> Iterator[Load]:
    """One transaction that fills tables past the product, without asking of each row whether what it names is there."""
    if engine.dialect.name == "sqlite":
        assert engine.url.database is not None
        with closing(sqlite3.connect(engine.url.database, isolation_level=None)) as db:
            for pragma in ("foreign_keys=OFF", "synchronous=OFF", "cache_size=-400000"):
                db.execute(f"PRAGMA {pragma}")

            def insert_rows(name: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
                marks = ", ".join("?" * len(names))
                db.execute("BEGIN")
                db.executemany(f"INSERT INTO {name} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608 - ours
                db.execute("COMMIT")

            yield insert_rows
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(engine.url.render_as_string(hide_password=False).replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")

        def copy_rows(name: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
            with connection.cursor().copy(f"COPY {name} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        yield copy_rows
