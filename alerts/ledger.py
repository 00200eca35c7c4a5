"""The ledger's SQL: alert, event, outbox, evidence, incident and source cursor. No decision is made here.

Functions that take a connection are steps of the caller's one transaction.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, Engine, bindparam, func, select

from alerts.database import reading
from alerts.draft import Draft
from alerts.projection import alert_from_json
from alerts.queries import checked_key
from alerts.sealer import event_of
from models import tables
from models.alert import Alert, Event, State
from models.incident import Incident
from models.incident_json import incident_to_json
from models.people import PERMISSIONS, Permission, Role

_ALERTS, _KEPT, _CAMERAS, _SOURCES = tables.alerts.c, tables.incidents.c, tables.cameras.c, tables.source_cursors.c

# Made once: to build a statement anew costs more than to run it.
_CURSOR = select(_SOURCES.seq).where(_SOURCES.source == bindparam("of_source"))
_CURSORS = (
    select(_SOURCES.source, _SOURCES.seq)
    .where(_SOURCES.source.in_(bindparam("sources", expanding=True)))
    .order_by(_SOURCES.source)
    .with_for_update()
)
_RECORDED = select(_KEPT.disposition, _KEPT.disposition_reason, _KEPT.alert_id).where(
    _KEPT.source == bindparam("of_source"), _KEPT.seq == bindparam("of_seq")
)
_FOLDED = select(func.count()).select_from(tables.incidents).where(_KEPT.alert_id == bindparam("of_alert"))
_BODY = select(_ALERTS.body).where(_ALERTS.id == bindparam("of_id"))
_LOCKED_BODY = _BODY.with_for_update()
_OPEN = (
    select(_ALERTS.body)
    .where(_ALERTS.open_fold_key.in_(bindparam("keys", expanding=True)))
    .order_by(_ALERTS.id)
    .with_for_update()
)
_NEWEST = select(_ALERTS.body).where(_ALERTS.fold_key == bindparam("key")).order_by(_ALERTS.created_s.desc()).limit(1)
_HOMES = select(_CAMERAS.id, _CAMERAS.grid_code, _CAMERAS.grid_path).where(
    _CAMERAS.id.in_(bindparam("ids", expanding=True))
)

LONGEST_AS_RECEIVED = 4000
"""Characters that are kept of an incident that cannot be used."""


@dataclass(frozen=True)
class IncidentRow:
    """What the ledger keeps of an incident, accepted or rejected. ``body`` is it as JSON; ``camera_id`` "": none."""

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
        at_s, camera_id = incident.at_s, incident.camera_id or ""
        if fault is not None:
            at_s, camera_id = 0.0, ""
            body = {"as_received": json.dumps(body, default=str)[:LONGEST_AS_RECEIVED]}
        return cls(incident.source, incident.seq, incident.kind, incident.phase.value, camera_id, at_s, body)


def cursor_of(engine: Engine, source: str) -> int:
    """Up to which sequence number the ledger has that source's incidents; 0 before the first."""
    with reading(engine) as connection:
        return connection.execute(_CURSOR, {"of_source": source}).scalar_one_or_none() or 0


def cursors(connection: Connection, sources: Collection[str]) -> dict[str, int]:
    """The cursors of those sources that have one, locked until the transaction ends, where the database locks rows."""
    return {row.source: row.seq for row in connection.execute(_CURSORS, {"sources": sorted(sources)})}


def recorded(connection: Connection, source: str, seq: int) -> tuple[str, str, str | None] | None:
    """Disposition, reason and alert id of an incident that the ledger has."""
    row = connection.execute(_RECORDED, {"of_source": source, "of_seq": seq}).one_or_none()
    return None if row is None else (row.disposition, row.disposition_reason, row.alert_id)


def folded(connection: Connection, alert_id: str) -> int:
    """How many incidents the alert has folded."""
    return connection.execute(_FOLDED, {"of_alert": alert_id}).scalar_one()


def load(connection: Connection, alert_id: str, *, lock: bool = False) -> Alert | None:
    """The alert; ``lock`` keeps others from changing it until the transaction ends, where the database locks rows."""
    query = _LOCKED_BODY if lock else _BODY
    body = connection.execute(query, {"of_id": checked_key(alert_id)}).scalar_one_or_none()
    return None if body is None else alert_from_json(body)


def open_alerts(connection: Connection, fold_keys: Collection[str]) -> dict[str, Alert]:
    """The open alert of each of those fold keys that has one, locked as by ``load``."""
    bodies = connection.execute(_OPEN, {"keys": sorted(fold_keys)}).scalars()
    return {alert.fold_key: alert for alert in map(alert_from_json, bodies)}


def latest_of(connection: Connection, fold_key: str) -> Alert | None:
    """The open alert of that fold key, locked as by ``load``; else the newest that has ended."""
    found = open_alerts(connection, [fold_key]).get(fold_key)
    if found is not None:
        return found
    body = connection.execute(_NEWEST, {"key": fold_key}).scalar_one_or_none()
    return None if body is None else alert_from_json(body)


def claims_over(connection: Connection, now_s: float) -> bool:
    """Whether any claim has run out."""
    return connection.execute(select(_ALERTS.id).where(_ALERTS.claim_until_s <= now_s).limit(1)).first() is not None


def with_claims_over(connection: Connection, now_s: float, limit: int) -> list[Alert]:
    """Alerts whose claim has run out, locked as by ``load``; those that another process has locked are left to it."""
    over = select(_ALERTS.body).where(_ALERTS.claim_until_s <= now_s).order_by(_ALERTS.claim_until_s).limit(limit)
    rows = connection.execute(over.with_for_update(skip_locked=True)).scalars()
    return [alert_from_json(body) for body in rows]


def append(connection: Connection, alert: Alert | None, event: Event) -> Alert:
    """The alert after the event: projection, log, outbox and evidence move together. Raises as ``Draft.write`` does."""
    draft = Draft(connection)
    after = draft.add(alert, event)
    draft.write()
    return after


def log(connection: Connection, alert_id: str, after_version: int = 0) -> list[Event]:
    """The alert's events after that version, in order."""
    rows = connection.execute(
        select(tables.events)
        .where(tables.events.c.alert_id == alert_id, tables.events.c.version > after_version)
        .order_by(tables.events.c.version)
    ).mappings()
    return [event_of(row) for row in rows]


def counts(engine: Engine) -> dict[State, int]:
    """How many alerts stand in each state, exercises apart."""
    stored = tables.alerts.c
    with reading(engine) as connection:
        rows = connection.execute(select(stored.state, func.count()).where(~stored.practice).group_by(stored.state))
        return {State(state): count for state, count in rows}


def grid_path(connection: Connection, code: str) -> str | None:
    return connection.execute(
        select(tables.grids.c.path).where(tables.grids.c.code == checked_key(code))
    ).scalar_one_or_none()


def camera_grids(connection: Connection, camera_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Code and path of the grid that each of those cameras is registered in; nothing of one that is not."""
    return {row.id: (row.grid_code, row.grid_path) for row in connection.execute(_HOMES, {"ids": sorted(camera_ids)})}


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
