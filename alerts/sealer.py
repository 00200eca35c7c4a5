"""The one order of all events, chained by hash: what the relay, the live stream and the audit read.

A database sequence commits out of order: whoever read by it would miss what commits late. So one process at a time
gives each committed event its ``position`` and the hash of what came before.
"""

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, Text, cast, func, insert, select, update

from alerts.database import reading, writing
from alerts.leases import take
from alerts.projection import event_to_json
from models import crash
from models.alert import Event, EventType, SealedEvent
from models.errors import Fault
from models.tables import alerts, events, outbox, seals

GENESIS = "0" * 64
"""What the first event names as the hash before it."""

LEASE_S = 2.0
"""A sealer that died is followed by another one after this long. Its length is no matter of safety: sealing is one
transaction, which holds the lease's row."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no blanks, in ASCII; floats as Python's shortest repr. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def hash_of(position: int, event: Event, previous_hash: str) -> str:
    """SHA-256 (hexadecimal) over the event, its position, and the hash before it."""
    sealed = {"event": event_to_json(event), "position": position, "previous_hash": previous_hash}
    return hashlib.sha256(canonical(sealed)).hexdigest()


def seal(engine: Engine, holder: str, now_s: float, limit: int = 500) -> int:
    """Gives up to ``limit`` committed events their positions; how many. 0 while another holder has the lease."""
    waiting = (
        select(events)
        .join(outbox, outbox.c.event_seq == events.c.seq)
        .outerjoin(seals, seals.c.event_seq == events.c.seq)
        .where(outbox.c.published_s.is_(None), seals.c.position.is_(None))
        .order_by(events.c.seq)
        .limit(limit)
    )
    with reading(engine) as connection:  # the write lock is not for looking
        if connection.execute(waiting.limit(1)).first() is None:
            return 0
    with writing(engine, beside=True) as connection:  # the lease's row is locked until it ends
        if not take(connection, "sealer", holder, now_s, LEASE_S):
            return 0
        last = connection.execute(select(seals).order_by(seals.c.position.desc()).limit(1)).one_or_none()
        position, previous = (last.position, last.hash) if last else (0, GENESIS)
        rows = []
        for row in connection.execute(waiting).mappings():
            position += 1
            digest = hash_of(position, event_of(row), previous)
            rows.append(
                {
                    "position": position,
                    "event_seq": row["seq"],
                    "previous_hash": previous,
                    "hash": digest,
                    "sealed_s": now_s,
                }
            )
            previous = digest
        if rows:
            connection.execute(insert(seals), rows)
        crash.point("before-seal-commit")
    return len(rows)


def event_of(row: RowMapping | Mapping[str, Any]) -> Event:
    """The event of a row of the table."""
    return Event(
        alert_id=row["alert_id"],
        version=row["version"],
        type=EventType(row["type"]),
        actor_id=row["actor_id"],
        actor_name=row["actor_name"],
        role=row["role"],
        at_s=row["at_s"],
        data=row["data"],
        reason=row["reason"],
        client_at_s=row["client_at_s"],
    )


def _sealed() -> Select[Any]:
    joined = seals.join(events, events.c.seq == seals.c.event_seq)
    return select(seals.c.position, seals.c.previous_hash, seals.c.hash, events).select_from(joined)


def _sealed_of(row: RowMapping) -> SealedEvent:
    return SealedEvent(row["position"], event_of(row), row["previous_hash"], row["hash"])


def sealed_after(engine: Engine, position: int, limit: int = 500) -> list[SealedEvent]:
    """Up to ``limit`` events that follow that position, in order."""
    wanted = _sealed().where(seals.c.position > position).order_by(seals.c.position).limit(limit)
    with reading(engine) as connection:
        return [_sealed_of(row) for row in connection.execute(wanted).mappings()]


def unpublished(engine: Engine, limit: int = 500) -> list[SealedEvent]:
    """Sealed events that the relay has not published yet, in order."""
    wanted = (
        _sealed()
        .join(outbox, outbox.c.event_seq == events.c.seq)
        .where(outbox.c.published_s.is_(None))
        .order_by(seals.c.position)
        .limit(limit)
    )
    with reading(engine) as connection:
        return [_sealed_of(row) for row in connection.execute(wanted).mappings()]


def mark_published(engine: Engine, published: list[SealedEvent], now_s: float) -> None:
    """Takes the events off the relay's list."""
    positions = [sealed.position for sealed in published]
    of_those = select(seals.c.event_seq).where(seals.c.position.in_(positions))
    with writing(engine, beside=True) as connection:
        connection.execute(update(outbox).where(outbox.c.event_seq.in_(of_those)).values(published_s=now_s))


def last_position(engine: Engine) -> int:
    """0 before the first event."""
    with reading(engine) as connection:
        last: int = connection.execute(select(func.coalesce(func.max(seals.c.position), 0))).scalar_one()
    return last


def verify_chain(engine: Engine) -> Fault | None:
    """The first thing wrong with the log, or None: an event edited, deleted, swapped, unsealed, or the end cut off.

    A log that was rewritten whole, chain and all, is found by ``alerts.audit``, which knows what was noted elsewhere.
    """
    with reading(engine) as connection, closing(_faults(connection)) as faults:
        return next(faults, None)


def _faults(connection: Connection) -> Generator[Fault]:
    # As text: what was edited into no JSON at all is to be named, not to end the audit.
    data = cast(events.c.data, Text).label("data")
    plain = [column for column in events.c if column.name != "data"]
    chained = (
        select(seals.c.position, seals.c.previous_hash, seals.c.hash, seals.c.event_seq, *plain, data)
        .select_from(seals.outerjoin(events, events.c.seq == seals.c.event_seq))
        .order_by(seals.c.position)
    )
    with connection.execute(chained, execution_options={"yield_per": 1000}) as rows:
        yield from _link_faults(rows.mappings())
    yield from _cut_off(connection)


def _link_faults(rows: Iterable[RowMapping]) -> Iterator[Fault]:
    """What is wrong with each link of the chain."""
    previous = GENESIS
    for position, row in enumerate(rows, 1):
        where = f"position {position}"
        if row["position"] != position:
            yield Fault(where, "the seal is gone")
        elif row["seq"] is None:
            yield Fault(where, f"its event (row {row['event_seq']}) is gone")
        elif row["previous_hash"] != previous:
            yield Fault(where, "it does not follow the event before it: something was swapped, inserted or replaced")
        elif not _whole(row):
            yield Fault(where, f"event {row['version']} of alert {row['alert_id']} is not as it was sealed")
        previous = row["hash"]


def _whole(row: RowMapping) -> bool:
    try:
        event = event_of({name: json.loads(value) if name == "data" else value for name, value in row.items()})
    except ValueError:  # not even an event any more
        return False
    return hash_of(row["position"], event, row["previous_hash"]) == str(row["hash"])


def _cut_off(connection: Connection) -> Iterator[Fault]:
    """Alerts that know of more, or fewer, events than their log holds; events published and then unsealed."""
    logged = select(events.c.alert_id, func.max(events.c.version).label("version")).group_by(events.c.alert_id)
    logs = logged.subquery()
    uneven = (
        select(alerts.c.id, alerts.c.version, logs.c.version.label("logged"))
        .outerjoin(logs, logs.c.alert_id == alerts.c.id)
        .where(func.coalesce(logs.c.version, 0) != alerts.c.version)
        .order_by(alerts.c.id)
    )
    for row in connection.execute(uneven):
        yield Fault(f"alert {row.id}", f"it stands at version {row.version}, its log ends at {row.logged or 0}")
    unsealed = (
        select(outbox.c.event_seq)
        .outerjoin(seals, seals.c.event_seq == outbox.c.event_seq)
        .where(outbox.c.published_s.is_not(None), seals.c.position.is_(None))
        .order_by(outbox.c.event_seq)
    )
    for row in connection.execute(unsealed):
        yield Fault(f"event row {row.event_seq}", "it was published under a seal that is gone")
