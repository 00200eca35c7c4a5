"""What people made of what the cameras' rules raised, beside the numbers that the rule saw: to set levels by.

Nothing is kept twice: the log has who said what, and the numbers of the onset.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, tuple_

from alerts.database import reading
from alerts.listing import read_key
from alerts.queries import Page, checked_key, checked_limit, in_sight
from models import tables
from models.alert import EventType, State
from models.people import Actor, Permission

_ALERTS, _EVENTS = tables.alerts.c, tables.events.c
_NOT_JUDGED = (State.NEW.value, State.VOIDED.value)


class Judgement(StrEnum):
    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Verdict:
    """``judgement``: an operator took the alert up, called it a false alarm, or dismissed it for ``reason``.

    ``measure``, ``confidence``, ``model`` and ``detected_reason`` are those of the onset, as the rule said them.
    Times are Unix seconds.
    """

    alert_id: str
    kind: str
    camera_id: str
    zone_id: str | None
    grid_code: str
    judgement: Judgement
    reason: str | None
    judged_by: str
    judged_s: float
    onset_s: float
    confidence: float
    model: str | None
    measure: dict[str, Any]
    detected_reason: str


def verdicts(
    engine: Engine,
    actor: Actor,
    *,
    camera_id: str | None = None,
    kind: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Page[Verdict]:
    """Of cameras' alerts in the actor's sight, by when they were raised, the newest first. Raises InvalidInput."""
    query = select(_ALERTS.id, _ALERTS.created_s, _ALERTS.state, _ALERTS.grid_code).where(
        ~_ALERTS.practice,
        _ALERTS.camera_id.is_not(None) if camera_id is None else _ALERTS.camera_id == checked_key(camera_id),
        _ALERTS.state.not_in(_NOT_JUDGED),
        in_sight(_ALERTS.grid_path, actor, Permission.ALERT_READ),
    )
    if kind is not None:
        query = query.where(_ALERTS.kind == checked_key(kind))
    if after is not None:
        query = query.where(tuple_(_ALERTS.created_s, _ALERTS.id) < tuple_(*read_key(after, 1)))
    newest_first = query.order_by(_ALERTS.created_s.desc(), _ALERTS.id.desc()).limit(checked_limit(limit) + 1)
    with reading(engine) as connection:
        rows = connection.execute(newest_first).all()
        said = _said(connection, [row.id for row in rows[:limit]])
    found = tuple(_verdict(row, said[row.id]) for row in rows[:limit] if _JUDGED & said[row.id].keys())
    return Page(found, f"{rows[limit - 1].created_s!r}~{rows[limit - 1].id}" if len(rows) > limit else None)


_JUDGED = {EventType.ACKNOWLEDGED.value, EventType.DISMISSED.value}
_Said = dict[str, Row[Any]]
"""The last event of each type."""


def _said(connection: Connection, alert_ids: Iterable[str]) -> dict[str, _Said]:
    wanted = [EventType.DETECTED.value, *_JUDGED]
    query = select(tables.events).where(_EVENTS.alert_id.in_(list(alert_ids)), _EVENTS.type.in_(wanted))
    found: dict[str, _Said] = {alert_id: {} for alert_id in alert_ids}
    for event in connection.execute(query.order_by(_EVENTS.version)):
        found[event.alert_id][event.type] = event
    return found


def _verdict(row: Any, said: _Said) -> Verdict:
    onset = said[EventType.DETECTED.value].data
    dismissed = said.get(EventType.DISMISSED.value) if row.state == State.DISMISSED.value else None
    judged = dismissed or said[EventType.ACKNOWLEDGED.value]
    judgement = Judgement.CONFIRMED
    if dismissed:
        judgement = Judgement.FALSE_ALARM if dismissed.reason == "false_alarm" else Judgement.DISMISSED
    return Verdict(
        alert_id=row.id,
        kind=onset["kind"],
        camera_id=onset["camera_id"],
        zone_id=onset["zone_id"],
        grid_code=row.grid_code,
        judgement=judgement,
        reason=judged.reason,
        judged_by=judged.actor_id,
        judged_s=judged.at_s,
        onset_s=onset["started_s"],
        confidence=onset["confidence"],
        model=onset["model"],
        measure=onset["measure"],
        detected_reason=onset["detected_reason"],
    )
