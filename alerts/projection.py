"""What an event does to an alert: an alert is the fold of its log and nothing else. Pure.

Also the events that no person commands (a scene seen, a claim run out), and both shapes as JSON.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from alerts import overlays
from alerts.policy import SYSTEM_ROLE
from alerts.transitions import TRANSITIONS
from alerts.triage import new_evidence
from models.alert import Alert, Claim, Event, EventType, Origin, State
from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity
from models.people import SYSTEM, Actor

OBSERVATIONS = frozenset({EventType.SEEN_AGAIN, EventType.SCENE_CLEAR, EventType.CLAIM_EXPIRED})
ASIDE = frozenset(
    {
        EventType.ASKED_AGAIN,
        EventType.ESCALATED,
        EventType.SUPERVISED,
        EventType.SUPERVISION_REPLIED,
        EventType.CO_ASSIGNEE_ADDED,
        EventType.CO_ASSIGNEE_REMOVED,
        EventType.EVALUATED,
        EventType.CALLED_BACK,
        EventType.ERASED,
        EventType.GROUPED,
    }
)
"""Events beside the case's course."""

LATE = "late"
"""The reason of a note that keeps what someone sent after their claim was lost."""


def outdates(event: Event) -> bool:
    """Whether a command of someone who had not seen this event is refused as stale.

    That a scene goes on or clears changes nothing that people decided: if it outdated their commands, a busy square
    would make its alert hard to acknowledge. A rise in severity does. A claim that has run out is told to its holder
    by the claim itself, and to nobody else's hindrance. Nor does what is beside the case's course, such as a clock that
    climbs or a late note, send back a phone that was out of reach.
    """
    if event.type in ASIDE or (event.type is EventType.NOTED and event.reason == LATE):
        return False
    return event.type not in OBSERVATIONS or "severity" in event.data


def detected(
    alert_id: str, incident: Incident, grid: tuple[str, str], candidates: tuple[str, ...], reason: str, now_s: float
) -> Event:
    """The first event of an alert. ``grid`` is code and path; ``reason`` is what the alert says of its origin."""
    data = {
        "kind": incident.kind,
        "severity": int(incident.severity),
        "fold_key": incident.fold_key,
        "camera_id": incident.camera_id,
        "zone_id": incident.zone_id,
        "place": [incident.place.lon_deg, incident.place.lat_deg],
        "accuracy_m": incident.accuracy_m,
        "grid_code": grid[0],
        "grid_path": grid[1],
        "candidates": list(candidates),
        "confidence": incident.confidence,
        "model": incident.model,
        "measure": dict(incident.measure),
        "detected_reason": reason,
        "evidence": [dict(vars(item)) for item in incident.evidence],
        "started_s": incident.onset_s,
        "last_seen_s": incident.at_s,
        "incident": [incident.source, incident.seq],
    }
    return by_system(alert_id, 1, EventType.DETECTED, now_s, data)


def sighted(alert: Alert, incident: Incident, incidents: int, now_s: float) -> Event:
    """A scene seen again, or clear. ``incidents`` is how many the alert has folded, this one included."""
    data: dict[str, Any] = {
        "incident": [incident.source, incident.seq],
        "incidents": incidents,
        "last_seen_s": incident.at_s,
        "measure": dict(incident.measure),
        "confidence": incident.confidence,
    }
    if incident.phase is not Phase.CLEARED and incident.severity < alert.severity:
        data["severity"] = int(incident.severity)
    if incident.place_key is not None:
        data["said"] = incident.reason
    if fresh := new_evidence(alert, incident):
        data["evidence"] = [dict(vars(item)) for item in fresh]
    kind = EventType.SCENE_CLEAR if incident.phase is Phase.CLEARED else EventType.SEEN_AGAIN
    return by_system(alert.id, alert.version + 1, kind, now_s, data)


def claim_expired(alert: Alert, now_s: float) -> Event:
    """Raises InvalidInput where there is no claim."""
    if alert.claim is None:
        raise InvalidInput("there is no claim to run out")
    data = {"person_id": alert.claim.person_id, "fence": alert.claim.fence}
    return by_system(alert.id, alert.version + 1, EventType.CLAIM_EXPIRED, now_s, data)


def evidence_added(alert: Alert, actor: Actor, role: str, evidence: Evidence, now_s: float) -> Event:
    """A picture that someone added to the alert."""
    data = {"evidence": [dict(vars(evidence))]}
    return Event(alert.id, alert.version + 1, EventType.NOTED, actor.id, actor.name, role, now_s, data)


def resumed_by_itself(alert: Alert, now_s: float) -> Event:
    """A suspension whose end has come."""
    data = {"by_itself": True, "until_s": alert.suspended_until_s}
    return by_system(alert.id, alert.version + 1, EventType.RESUMED, now_s, data)


def by_system(alert_id: str, version: int, kind: EventType, now_s: float, data: Mapping[str, Any]) -> Event:
    """An event that no person caused."""
    return Event(alert_id, version, kind, SYSTEM.id, SYSTEM.name, SYSTEM_ROLE, now_s, data)


def replay(events: Iterable[Event]) -> Alert:
    """The alert that a whole log tells. Raises InvalidInput if it has a gap, or is empty."""
    alert: Alert | None = None
    for event in events:
        alert = apply(alert, event)
    if alert is None:
        raise InvalidInput("an alert has a log")
    return alert


def apply(alert: Alert | None, event: Event) -> Alert:
    """The alert after the event. Raises InvalidInput if the event does not follow it."""
    if event.version != (alert.version + 1 if alert else 1) or (alert and alert.id != event.alert_id):
        raise InvalidInput(f"event {event.version} of {event.alert_id} does not follow what came before it")
    if alert is None:
        if event.type is not EventType.DETECTED:
            raise InvalidInput("a log begins with a detection")
        return _born(event)
    changes: dict[str, Any] = {"version": event.version, "changed_s": event.at_s}
    to = _LEADS_TO.get(event.type)
    if to is not None:
        changes["state"] = to
    if "evidence" in event.data and event.type in _BRINGS_EVIDENCE:
        changes["evidence"] = alert.evidence + tuple(Evidence(**item) for item in event.data["evidence"])
    if "clocks" in event.data:
        changes |= overlays.clocks(alert, event)
    change = _CHANGES.get(event.type)
    return replace(alert, **{**changes, **(change(alert, event) if change else {})})


def _born(event: Event) -> Alert:
    data = {name: value for name, value in event.data.items() if name not in ("incident", "clocks", "case")}
    clocks = event.data.get("clocks") or {"stage": None, "whole": None}
    return alert_from_json(
        {
            **data,
            "stage_clock": clocks["stage"],
            "whole_clock": clocks["whole"],
            "id": event.alert_id,
            "version": 1,
            "state": State.NEW,
            "created_s": event.at_s,
            "changed_s": event.at_s,
        }
    )


def _seen(alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "incidents": data["incidents"],
        "last_seen_s": max(alert.last_seen_s, data["last_seen_s"]),
        "measure": data["measure"],
        "confidence": data["confidence"],
        "severity": Severity(data.get("severity", alert.severity)),
        "scene_clear_s": None,
    }


def _cleared(alert: Alert, event: Event) -> dict[str, Any]:
    # What was measured on an empty scene does not replace what the alert is about.
    return {
        "incidents": event.data["incidents"],
        "last_seen_s": max(alert.last_seen_s, event.data["last_seen_s"]),
        "scene_clear_s": event.data["last_seen_s"],
    }


_NOBODYS: Mapping[str, Any] = MappingProxyType({"claim": None, "assignee": None, "offered_to": (), "shortfall": None})


def _dispatched(_alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "grid_code": data["grid_code"],
        "grid_path": data["grid_path"],
        "claim": None,
        "assignee": None,
        "offered_to": tuple(data["offered_to"]),
        "shortfall": data["shortfall"],
    }


def _claimed(_alert: Alert, event: Event) -> dict[str, Any]:
    fence = event.data["fence"]
    return {"fence": fence, "claim": Claim(event.actor_id, fence, event.data["until_s"])}


def _moved(_alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    # Events of an older ledger name no unit and no origin.
    origin = Origin(**data["moved_from"]) if "moved_from" in data else None
    place = {"grid_code": data["grid_code"], "grid_path": data["grid_path"], "unit": data.get("unit")}
    return {**_NOBODYS, **place, "co_assignees": (), "moved_from": origin}


def _declined(alert: Alert, _event: Event) -> dict[str, Any]:
    back = alert.moved_from
    place = {"grid_code": back.grid_code, "grid_path": back.grid_path, "unit": back.unit} if back else {}
    return {**_NOBODYS, **place, "moved_from": None}


def _accepted(alert: Alert, event: Event) -> dict[str, Any]:
    others = tuple(item for item in alert.co_assignees if item != event.actor_id)
    return {"claim": None, "assignee": event.actor_id, "co_assignees": others}


def _suspended(alert: Alert, event: Event) -> dict[str, Any]:
    since = {"suspended_since_s": event.at_s, "suspended_until_s": event.data["until_s"]}
    return {"suspended_from": alert.state, **since}


def _resumed(alert: Alert, event: Event) -> dict[str, Any]:
    since_s = event.at_s if alert.suspended_since_s is None else alert.suspended_since_s
    none = {"suspended_from": None, "suspended_until_s": None, "suspended_since_s": None}
    return {"state": alert.suspended_from, "suspended_s": alert.suspended_s + event.at_s - since_s, **none}


_E = EventType
_BRINGS_EVIDENCE = frozenset({_E.SEEN_AGAIN, _E.SCENE_CLEAR, _E.NOTED})
_LEADS_TO: Mapping[EventType, State | None] = {row.event: row.to for row in TRANSITIONS.values()}
_CHANGES: Mapping[EventType, Callable[[Alert, Event], dict[str, Any]]] = {
    **overlays.CHANGES,
    _E.ACKNOWLEDGED: lambda _alert, event: {"acknowledged_by": overlays.person(event), "moved_from": None},
    _E.TAKEN_OVER: lambda _alert, event: {"acknowledged_by": event.actor_id, "moved_from": None},
    _E.DISMISSED: lambda _alert, _event: {"void_asked": None},
    _E.SEEN_AGAIN: _seen,
    _E.SCENE_CLEAR: _cleared,
    _E.DISPATCHED: _dispatched,
    _E.CLAIMED: _claimed,
    _E.RELEASED: lambda _alert, _event: {"claim": None},
    _E.CLAIM_EXPIRED: lambda _alert, _event: {"claim": None},
    _E.ACCEPTED: _accepted,
    _E.RETURNED: lambda _alert, _event: {**_NOBODYS, "co_assignees": ()},
    _E.SUSPENDED: _suspended,
    _E.RESUMED: _resumed,
    _E.HANDLED: lambda _alert, event: {"handled_by": event.actor_id},
    _E.VERIFIED: lambda _alert, event: {"verified_by": event.actor_id, "outcome": event.data.get("outcome")},
    _E.CLOSED: lambda _alert, event: {"outcome": event.data["outcome"], "closed_s": event.at_s},
    _E.REOPENED: lambda _alert, _event: {"outcome": None, "closed_s": None, "verified_by": None},
    _E.TRANSFERRED_UP: _moved,
    _E.ASSIGNED_DOWN: _moved,
    _E.TRANSFERRED_ACROSS: _moved,
    _E.DECLINED: _declined,
}


def alert_to_json(alert: Alert) -> dict[str, Any]:
    """The whole projection. ``place`` is [longitude, latitude] in degrees, WGS-84."""
    flat: dict[str, Any] = overlays.plain(alert)
    return flat | {"place": [alert.place.lon_deg, alert.place.lat_deg]}


def alert_from_json(data: Mapping[str, Any]) -> Alert:
    """Raises KeyError, TypeError or ValueError for what ``alert_to_json`` did not write."""
    claim, suspended_from = data.get("claim"), data.get("suspended_from")
    return Alert(
        **{
            **data,
            "state": State(data["state"]),
            "severity": Severity(data["severity"]),
            "place": GeoPoint(*data["place"]),
            "candidates": tuple(data["candidates"]),
            "evidence": tuple(Evidence(**item) for item in data["evidence"]),
            "offered_to": tuple(data.get("offered_to", ())),
            "claim": Claim(**claim) if claim else None,
            "suspended_from": State(suspended_from) if suspended_from else None,
            **overlays.overlays_from_json(data),
        }
    )


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as it is hashed, shown and sent."""
    return {**vars(event), "type": event.type.value, "data": dict(event.data)}
