"""The ledger's SQL: alert, event, outbox, evidence, incident and source cursor. No decision is made here.

Functions that take a connection are steps of the caller's one transaction.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, Engine, func, insert, select, update

from alerts.database import reading
from alerts.projection import alert_from_json, alert_to_json, apply
from alerts.queries import checked_key
from alerts.sealer import event_of
from alerts.triage import Disposition
from models import tables
from models.alert import ENDED, Alert, Event, State
from models.errors import StaleVersion
from models.incident import Incident, incident_to_json
from models.people import PERMISSIONS, Permission, Role

LONGEST_AS_RECEIVED = 4000
"""Characters that are kept of an incident that cannot be used."""


@dataclass(frozen=True)
class IncidentRow:
    """What the ledger keeps of an incident, accepted or rejected. ``body`` is it as JSON."""

    source: str
    seq: int
    kind: str
    phase: str
    camera_id: str
    at_s: float
    body: dict[str, Any]

    @classmethod
    def of(cls, incident: Incident, fault: str | None) -> Self:
        """``fault`` is why the incident cannot be used: then nothing of it but its number goes into columns."""
        body = incident_to_json(incident)
        at_s, camera_id = incident.at_s, incident.camera_id
        if fault is not None:
            at_s, camera_id = 0.0, ""
            body = {"as_received": json.dumps(body, default=str)[:LONGEST_AS_RECEIVED]}
        return cls(incident.source, incident.seq, incident.kind, incident.phase.value, camera_id, at_s, body)


def cursor_of(engine: Engine, source: str) -> int:
    """Up to which sequence number the ledger has that source's incidents; 0 before the first."""
    with reading(engine) as connection:
        return cursor(connection, source)


def cursor(connection: Connection, source: str) -> int:
    """As ``cursor_of``, in the caller's transaction."""
    found = connection.execute(
        select(tables.source_cursors.c.seq).where(tables.source_cursors.c.source == source)
    ).scalar_one_or_none()
    return 0 if found is None else int(found)


def record(
    connection: Connection, row: IncidentRow, disposition: Disposition, alert_id: str | None, now_s: float
) -> None:
    """Keeps an incident with what became of it, and moves its source's cursor onto it."""
    connection.execute(
        insert(tables.incidents).values(
            **vars(row),
            disposition=disposition.action.value,
            disposition_reason=disposition.reason,
            alert_id=alert_id,
            received_s=now_s,
        )
    )
    where = tables.source_cursors.c.source == row.source
    if connection.execute(update(tables.source_cursors).where(where).values(seq=row.seq)).rowcount == 0:
        connection.execute(insert(tables.source_cursors).values(source=row.source, seq=row.seq))


def recorded(connection: Connection, source: str, seq: int) -> tuple[str, str, str | None] | None:
    """Disposition, reason and alert id of an incident that the ledger has."""
    kept = tables.incidents.c
    row = connection.execute(
        select(kept.disposition, kept.disposition_reason, kept.alert_id).where(kept.source == source, kept.seq == seq)
    ).one_or_none()
    return None if row is None else (row.disposition, row.disposition_reason, row.alert_id)


def folded(connection: Connection, alert_id: str) -> int:
    """How many incidents the alert has folded."""
    return connection.execute(
        select(func.count()).select_from(tables.incidents).where(tables.incidents.c.alert_id == alert_id)
    ).scalar_one()


def load(connection: Connection, alert_id: str, *, lock: bool = False) -> Alert | None:
    """The alert; ``lock`` keeps others from changing it until the transaction ends, where the database locks rows."""
    query = select(tables.alerts.c.body).where(tables.alerts.c.id == checked_key(alert_id))
    body = connection.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    return None if body is None else alert_from_json(body)


def latest_of(connection: Connection, fold_key: str) -> Alert | None:
    """The open alert of that fold key, else the newest that has ended."""
    stored = tables.alerts.c
    body = connection.execute(
        select(stored.body).where(stored.open_fold_key == fold_key).with_for_update()
    ).scalar_one_or_none()
    if body is None:
        body = connection.execute(
            select(stored.body).where(stored.fold_key == fold_key).order_by(stored.created_s.desc()).limit(1)
        ).scalar_one_or_none()
    return None if body is None else alert_from_json(body)


def with_claims_over(connection: Connection, now_s: float, limit: int) -> list[Alert]:
    """Alerts whose claim has run out."""
    stored = tables.alerts.c
    rows = connection.execute(
        select(stored.body).where(stored.claim_until_s <= now_s).order_by(stored.claim_until_s).limit(limit)
    ).scalars()
    return [alert_from_json(body) for body in rows]


def append(connection: Connection, alert: Alert | None, event: Event) -> Alert:
    """The alert after the event: projection, log, outbox and evidence move together.

    Raises StaleVersion if another transaction was first, IntegrityError if a second alert opens at one fold key.
    """
    after = apply(alert, event)
    values = _columns(after)
    if alert is None:
        connection.execute(insert(tables.alerts).values(values))
    else:
        where = (tables.alerts.c.id == alert.id) & (tables.alerts.c.version == alert.version)
        if connection.execute(update(tables.alerts).where(where).values(values)).rowcount != 1:
            raise StaleVersion(alert.version, after.version)
    values = {**vars(event), "type": event.type.value, "data": dict(event.data)}
    seq = connection.execute(insert(tables.events).values(values).returning(tables.events.c.seq)).scalar_one()
    connection.execute(insert(tables.outbox).values(event_seq=seq))
    fresh = after.evidence[len(alert.evidence) if alert else 0 :]
    for item in fresh:
        connection.execute(
            insert(tables.evidence).values(**vars(item), alert_id=after.id, added_by=event.actor_id, added_s=event.at_s)
        )
    return after


def _columns(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "version": alert.version,
        "state": alert.state.value,
        "kind": alert.kind,
        "severity": int(alert.severity),
        "fold_key": alert.fold_key,
        "open_fold_key": None if alert.state in ENDED else alert.fold_key,
        "camera_id": alert.camera_id,
        "grid_code": alert.grid_code,
        "grid_path": alert.grid_path,
        "lon_deg": alert.place.lon_deg,
        "lat_deg": alert.place.lat_deg,
        "created_s": alert.created_s,
        "changed_s": alert.changed_s,
        "claim_until_s": alert.claim.until_s if alert.claim else None,
        "unit": alert.unit,
        "body": alert_to_json(alert),
    }


def log(connection: Connection, alert_id: str, after_version: int = 0) -> list[Event]:
    """The alert's events after that version, in order."""
    rows = connection.execute(
        select(tables.events)
        .where(tables.events.c.alert_id == alert_id, tables.events.c.version > after_version)
        .order_by(tables.events.c.version)
    ).mappings()
    return [event_of(row) for row in rows]


def counts(engine: Engine) -> dict[State, int]:
    """How many alerts stand in each state."""
    stored = tables.alerts.c
    with reading(engine) as connection:
        rows = connection.execute(select(stored.state, func.count()).group_by(stored.state))
        return {State(state): count for state, count in rows}


def grid_path(connection: Connection, code: str) -> str | None:
    return connection.execute(
        select(tables.grids.c.path).where(tables.grids.c.code == checked_key(code))
    ).scalar_one_or_none()


def camera_grid(connection: Connection, camera_id: str) -> tuple[str, str] | None:
    """Code and path of the grid that a camera is registered in; None for a camera that is not."""
    row = connection.execute(
        select(tables.cameras.c.grid_code, tables.cameras.c.grid_path).where(tables.cameras.c.id == camera_id)
    ).one_or_none()
    return None if row is None else (row.grid_code, row.grid_path)


_WORKING = [role.value for role in Role if Permission.ALERT_WORK in PERMISSIONS[role]]


def workers(connection: Connection, person_ids: Iterable[str], path: str) -> Collection[str]:
    """Those of the people who are active and may work on a case in the grid of that path."""
    above = [code for code in path.split("/") if code]
    rows = connection.execute(
        select(tables.grants.c.person_id)
        .join(tables.people, tables.people.c.id == tables.grants.c.person_id)
        .where(
            tables.grants.c.person_id.in_(set(person_ids)),
            tables.grants.c.grid_code.in_(above),
            tables.grants.c.role.in_(_WORKING),
            tables.people.c.active,
        )
    )
    return set(rows.scalars())
