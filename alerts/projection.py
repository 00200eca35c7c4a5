"""What an event does to an alert: an alert is the fold of its log and nothing else. Pure.

Also the events that no person commands (a scene seen, a claim run out), and both shapes as JSON.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from alerts.policy import SYSTEM_ROLE
from alerts.transitions import TRANSITIONS
from alerts.triage import new_evidence
from models.alert import Alert, Claim, Event, EventType, State
from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity
from models.people import SYSTEM, Actor

OBSERVATIONS = frozenset({EventType.SEEN_AGAIN, EventType.SCENE_CLEAR, EventType.CLAIM_EXPIRED})


def outdates(event: Event) -> bool:
    """Whether a command of someone who had not seen this event is refused as stale.

    That a scene goes on or clears changes nothing that people decided: if it outdated their commands, a busy square
    would make its alert hard to acknowledge. A rise in severity does. A claim that has run out is told to its holder
    by the claim itself, and to nobody else's hindrance.
    """
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
        "evidence": [asdict(item) for item in incident.evidence],
        "started_s": incident.onset_s,
        "last_seen_s": incident.at_s,
        "incident": [incident.source, incident.seq],
    }
    return _by_system(alert_id, 1, EventType.DETECTED, now_s, data)


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
    if fresh := new_evidence(alert, incident):
        data["evidence"] = [asdict(item) for item in fresh]
    kind = EventType.SCENE_CLEAR if incident.phase is Phase.CLEARED else EventType.SEEN_AGAIN
    return _by_system(alert.id, alert.version + 1, kind, now_s, data)


def claim_expired(alert: Alert, now_s: float) -> Event:
    """Raises InvalidInput where there is no claim."""
    if alert.claim is None:
        raise InvalidInput("there is no claim to run out")
    data = {"person_id": alert.claim.person_id, "fence": alert.claim.fence}
    return _by_system(alert.id, alert.version + 1, EventType.CLAIM_EXPIRED, now_s, data)


def evidence_added(alert: Alert, actor: Actor, role: str, evidence: Evidence, now_s: float) -> Event:
    """A picture that someone added to the alert."""
    data = {"evidence": [asdict(evidence)]}
    return Event(alert.id, alert.version + 1, EventType.NOTED, actor.id, actor.name, role, now_s, data)


def _by_system(alert_id: str, version: int, kind: EventType, now_s: float, data: Mapping[str, Any]) -> Event:
    return Event(alert_id, version, kind, SYSTEM.id, SYSTEM.name, SYSTEM_ROLE, now_s, data)


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
    change = _CHANGES.get(event.type)
    return replace(alert, **changes, **(change(alert, event) if change else {}))


def _born(event: Event) -> Alert:
    data = {name: value for name, value in event.data.items() if name != "incident"}
    return alert_from_json(
        {
            **data,
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
    return {**_NOBODYS, "grid_code": event.data["grid_code"], "grid_path": event.data["grid_path"]}


def _suspended(alert: Alert, event: Event) -> dict[str, Any]:
    return {"suspended_from": alert.state, "suspended_until_s": event.data["until_s"]}


def _resumed(alert: Alert, _event: Event) -> dict[str, Any]:
    return {"state": alert.suspended_from, "suspended_from": None, "suspended_until_s": None}


_E = EventType
_BRINGS_EVIDENCE = frozenset({_E.SEEN_AGAIN, _E.SCENE_CLEAR, _E.NOTED})
_LEADS_TO: Mapping[EventType, State | None] = {row.event: row.to for row in TRANSITIONS.values()}
_CHANGES: Mapping[EventType, Callable[[Alert, Event], dict[str, Any]]] = {
    _E.SEEN_AGAIN: _seen,
    _E.SCENE_CLEAR: _cleared,
    _E.DISPATCHED: _dispatched,
    _E.CLAIMED: _claimed,
    _E.RELEASED: lambda _alert, _event: {"claim": None},
    _E.CLAIM_EXPIRED: lambda _alert, _event: {"claim": None},
    _E.ACCEPTED: lambda _alert, event: {"claim": None, "assignee": event.actor_id},
    _E.RETURNED: lambda _alert, _event: dict(_NOBODYS),
    _E.SUSPENDED: _suspended,
    _E.RESUMED: _resumed,
    _E.HANDLED: lambda _alert, event: {"handled_by": event.actor_id},
    _E.VERIFIED: lambda _alert, event: {"verified_by": event.actor_id},
    _E.CLOSED: lambda _alert, event: {"outcome": event.data["outcome"], "closed_s": event.at_s},
    _E.REOPENED: lambda _alert, _event: {"outcome": None, "closed_s": None, "verified_by": None},
    _E.TRANSFERRED_UP: _moved,
    _E.ASSIGNED_DOWN: _moved,
    _E.VOIDED: lambda _alert, _event: {"claim": None},
}


def alert_to_json(alert: Alert) -> dict[str, Any]:
    """The whole projection. ``place`` is [longitude, latitude] in degrees, WGS-84."""
    return asdict(alert) | {"place": [alert.place.lon_deg, alert.place.lat_deg]}


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
        }
    )


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as it is hashed, shown and sent."""
    return {**vars(event), "type": event.type.value, "data": dict(event.data)}
