"""The one order of all events: gapless, contended, and what an audit finds."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from desk_scene import NOW, handled, raised
from sqlalchemy import Engine, func, insert, select

from alerts.database import reading, writing
from alerts.desk import Desk
from alerts.sealer import (
    GENESIS,
    LEASE_S,
    canonical,
    last_position,
    mark_published,
    seal,
    sealed_after,
    unpublished,
    verify_chain,
)
from models import tables

pytestmark = pytest.mark.both_databases


@pytest.fixture
def logged(desk: Desk, town: Engine) -> Engine:
    """A database with one handled case and two new alerts, sealed."""
    handled(desk, raised(desk))
    raised(desk, 2, zone_id="y")
    raised(desk, 3, zone_id="x")
    assert seal(town, "a", NOW) == 10
    return town


def events_of(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(tables.events)).scalar_one()


def test_positions_are_gapless_and_chained(logged: Engine) -> None:
    sealed = sealed_after(logged, 0)
    assert [item.position for item in sealed] == list(range(1, 11))
    assert [item.previous_hash for item in sealed] == [GENESIS, *(item.hash for item in sealed[:-1])]
    assert sealed_after(logged, 4, limit=2) == sealed[4:6]
    assert last_position(logged) == 10
    assert verify_chain(logged) is None


def test_canonical_is_sorted_tight_and_finite() -> None:
    assert canonical({"b": 0.1, "a": [1, "网"]}) == b'{"a":[1,"\\u7f51"],"b":0.1}'
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": float("nan")})


def test_one_sealer_at_a_time(logged: Engine, desk: Desk) -> None:
    raised(desk, 4, zone_id="w")
    assert seal(logged, "b", NOW + LEASE_S - 1) == 0
    waiting = events_of(logged) - 10
    assert seal(logged, "b", NOW + LEASE_S + 1) == waiting >= 1
    raised(desk, 5, zone_id="v")
    assert seal(logged, "a", NOW + LEASE_S + 2) == 0


def test_contending_sealers_leave_no_gap(desk: Desk, town: Engine) -> None:
    def work(holder: str) -> int:
        # Each round is far enough ahead of the last for the lease to be over: any of them may take it.
        return sum(seal(town, holder, NOW + round_ * 2 * LEASE_S, limit=2) for round_ in range(12))

    for seq in range(1, 21):
        raised(desk, seq, zone_id=f"z{seq}")
    with ThreadPoolExecutor(3) as pool:
        sealed = sum(pool.map(work, ["a", "b", "c"]))
    assert sealed == events_of(town) >= 20  # cases that go together say so by events of their own
    assert [item.position for item in sealed_after(town, 0)] == list(range(1, sealed + 1))
    assert verify_chain(town) is None


def test_an_event_that_commits_late_gets_a_later_position(desk: Desk, town: Engine) -> None:
    """PostgreSQL's sequences commit out of order: row 1000 is there before row 500. Readers of positions miss none."""
    alert = raised(desk)
    raised(desk, 2, zone_id="y")
    with writing(town) as connection:
        event = {"alert_id": alert.id, "version": 2, "type": "noted", "actor_id": "op", "actor_name": "Op"}
        rest = {"role": "operator", "at_s": NOW, "data": {"text": "x"}}
        connection.execute(insert(tables.events).values(seq=1000, **event, **rest))
        connection.execute(insert(tables.outbox).values(event_seq=1000))
    assert seal(town, "a", NOW) == 3
    with writing(town) as connection:
        connection.execute(insert(tables.events).values(seq=500, **event | {"version": 3}, **rest))
        connection.execute(insert(tables.outbox).values(event_seq=500))
    assert seal(town, "a", NOW) == 1
    assert [(item.position, item.event.version) for item in sealed_after(town, 3)] == [(4, 3)]


def test_relay_publishes_each_once(logged: Engine) -> None:
    waiting = unpublished(logged, limit=4)
    assert [item.position for item in waiting] == [1, 2, 3, 4]
    mark_published(logged, waiting, NOW)
    assert [item.position for item in unpublished(logged)] == list(range(5, 11))
    assert seal(logged, "a", NOW) == 0


def tamper(engine: Engine, *statements: str) -> None:
    """As someone does who may do all in the database: foreign keys do not stop them."""
    raw = engine.raw_connection()
    connection: Any = raw.driver_connection
    unbound = "PRAGMA foreign_keys = OFF"
    if engine.dialect.name == "postgresql":
        connection.autocommit = True
        unbound = "SET session_replication_role = replica"
    try:
        for statement in (unbound, *statements):
            connection.execute(statement)
    finally:
        raw.close()
        engine.dispose()


@pytest.mark.parametrize(
    ("statements", "where", "what"),
    [
        (["UPDATE events SET reason = 'x' WHERE seq = 4"], "position 4", "not as it was sealed"),
        (["UPDATE events SET actor_id = 'w2' WHERE seq = 4"], "position 4", "not as it was"),
        (["""UPDATE events SET data = '{"a":1}' WHERE seq = 5"""], "position 5", "not as it was"),
        (["UPDATE events SET type = 'hacked' WHERE seq = 5"], "position 5", "not as it was"),
        (["DELETE FROM events WHERE seq = 6"], "position 6", "is gone"),
        (["DELETE FROM seals WHERE position = 6"], "position 6", "seal is gone"),
        (
            [
                "UPDATE seals SET event_seq = 99 WHERE position = 2",
                "UPDATE seals SET event_seq = 2 WHERE position = 3",
                "UPDATE seals SET event_seq = 3 WHERE position = 2",
            ],
            "position 2",
            "not as it was sealed",
        ),
        (
            [
                "UPDATE seals SET position = 99 WHERE position = 2",
                "UPDATE seals SET position = 2 WHERE position = 3",
                "UPDATE seals SET position = 3 WHERE position = 99",
            ],
            "position 2",
            "swapped",
        ),
        (["UPDATE seals SET hash = previous_hash WHERE position = 10"], "position 10", "not as"),
        (
            [
                "DELETE FROM seals WHERE position = 10",
                "DELETE FROM outbox WHERE event_seq = 10",
                "DELETE FROM events WHERE seq = 10",
            ],
            "alert ",
            "its log ends at 0",
        ),
        (
            ["UPDATE outbox SET published_s = 1", "DELETE FROM seals WHERE position = 10"],
            "event row 10",
            "seal that is gone",
        ),
    ],
    ids=range(11),
)
def test_audit_names_the_first_broken_place(logged: Engine, statements: list[str], where: str, what: str) -> None:
    tamper(logged, *statements)
    fault = verify_chain(logged)
    assert fault is not None
    assert fault.where.startswith(where)
    assert what in fault.what


def test_data_edited_into_no_json_is_named_or_cannot_be(logged: Engine) -> None:
    statement = "UPDATE events SET data = '{broken' WHERE seq = 5"
    if logged.dialect.name == "postgresql":
        with pytest.raises(psycopg.DataError, match="json"):
            tamper(logged, statement)
        return
    tamper(logged, statement)
    fault = verify_chain(logged)
    assert fault is not None
    assert (fault.where, "not as it was" in fault.what) == ("position 5", True)
