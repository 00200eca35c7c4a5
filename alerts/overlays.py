"""What the events of the overlays do to an alert: supervision, co-assignees, evaluation, call-back, void, escalation.

And the overlays, clocks among them, from JSON. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from alerts.policy import SYSTEM_ROLE
from models.alert import (
    Alert,
    CallBack,
    Escalation,
    Evaluation,
    Event,
    EventType,
    Origin,
    State,
    Supervision,
    VoidAsked,
)
from models.clocks import Clock, Span, Stage, TimeUnit


def _void_requested(_alert: Alert, event: Event) -> dict[str, Any]:
    return {"void_asked": VoidAsked(event.actor_id, event.reason or "", event.at_s)}


def _voided_alone(_alert: Alert, event: Event) -> dict[str, Any]:
    confirm_by_s, was = event.data["confirm_by_s"], State(event.data["was"])
    return {"claim": None, "void_asked": VoidAsked(event.actor_id, event.reason or "", event.at_s, confirm_by_s, was)}


def _void_undone(_alert: Alert, event: Event) -> dict[str, Any]:
    was = event.data.get("state")
    return {"void_asked": None, **({"state": State(was)} if was else {})}


def _supervised(_alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    asked = Supervision(event.actor_id, event.actor_name, data["text"], event.at_s, data["reply_due_s"])
    return {"supervision": asked}


def _replied(alert: Alert, event: Event) -> dict[str, Any]:
    if alert.supervision is None:
        return {}
    said = {"reply": event.data["text"], "replied_by": event.actor_id, "replied_s": event.at_s}
    return {"supervision": replace(alert.supervision, **said)}


def _shared(alert: Alert, event: Event) -> dict[str, Any]:
    return {"co_assignees": (*alert.co_assignees, event.data["person_id"])}


def _unshared(alert: Alert, event: Event) -> dict[str, Any]:
    return {"co_assignees": tuple(item for item in alert.co_assignees if item != event.data["person_id"])}


def _evaluated(_alert: Alert, event: Event) -> dict[str, Any]:
    return {"evaluation": Evaluation(event.data["rating"], event.data.get("text"), event.actor_id, event.at_s)}


def _called_back(_alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    said = CallBack(data["reached"], data.get("satisfied"), data.get("text"), event.actor_id, event.at_s)
    return {"call_back": said}


def _erased(alert: Alert, event: Event) -> dict[str, Any]:
    """A reporter's contact, when that was erased, was never part of an alert: nothing changes."""
    sha256 = event.data.get("sha256")
    return {"erased": (*alert.erased, sha256)} if sha256 else {}


def _asked_again(_alert: Alert, event: Event) -> dict[str, Any]:
    return {"escalation": Escalation(0, tuple(event.data["who"]), event.at_s, event.data["next_s"])}


def _escalated(alert: Alert, event: Event) -> dict[str, Any]:
    data = event.data
    if data["clock"] == "whole":
        return {"whole_overdue_s": event.at_s}
    if data["clock"] == "reply":
        return {"supervision": alert.supervision and replace(alert.supervision, chased_s=event.at_s)}
    changes: dict[str, Any] = {
        "escalation": Escalation(data["level"], tuple(data["who"]), event.at_s, data["next_s"]),
        "shortfall": data["shortfall"] or alert.shortfall,
    }
    if alert.state is State.DISPATCHED and alert.offered_to:
        changes["offered_to"] = tuple(dict.fromkeys((*alert.offered_to, *data["offered_to"])))
    return changes


_E = EventType
CHANGES: Mapping[EventType, Callable[[Alert, Event], dict[str, Any]]] = {
    _E.VOID_REQUESTED: _void_requested,
    _E.VOIDED_ALONE: _voided_alone,
    _E.VOIDED: lambda _alert, _event: {"claim": None, "void_asked": None},
    _E.VOID_REFUSED: _void_undone,
    _E.VOID_LAPSED: _void_undone,
    _E.SUPERVISED: _supervised,
    _E.SUPERVISION_REPLIED: _replied,
    _E.CO_ASSIGNEE_ADDED: _shared,
    _E.CO_ASSIGNEE_REMOVED: _unshared,
    _E.EVALUATED: _evaluated,
    _E.CALLED_BACK: _called_back,
    _E.ASKED_AGAIN: _asked_again,
    _E.ESCALATED: _escalated,
    _E.ERASED: _erased,
    _E.GROUPED: lambda _alert, event: {"case_id": event.data["case_id"]},
}


def clocks(alert: Alert, event: Event) -> dict[str, Any]:
    """The alert's clocks as the event set them. A stage that begins anew has not climbed yet."""
    said = event.data["clocks"]
    stage, whole = clock_from_json(said["stage"]), clock_from_json(said["whole"])
    changes: dict[str, Any] = {"stage_clock": stage, "whole_clock": whole}
    before = alert.stage_clock
    if (stage and stage.version) != (before and before.version):
        changes["escalation"] = None
    return changes


def person(event: Event) -> str | None:
    """Whoever did it; None for a process of ours: nobody is asked again, or told, in its place."""
    return None if event.role == SYSTEM_ROLE else event.actor_id


def clock_to_json(clock: Clock | None) -> dict[str, Any] | None:
    return None if clock is None else plain(clock)


_ATOMS = frozenset({str, float, int, bool, type(None)})


def plain(value: Any) -> Any:
    """As ``dataclasses.asdict`` does it, of a value or what holds values; some twenty times as fast, since what cannot
    change is not copied, and what is looked at most is asked for first."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple or kind is list:
        return kind([plain(item) for item in value])
    if isinstance(value, (str, float, int)):  # one of an enumeration; by a union, this would take three times as long
        return value
    fields = value if isinstance(value, Mapping) else vars(value)
    return {name: item if type(item) in _ATOMS else plain(item) for name, item in fields.items()}


def clock_from_json(data: Mapping[str, Any] | None) -> Clock | None:
    if data is None:
        return None
    span = Span(data["span"]["amount"], TimeUnit(data["span"]["unit"]))
    return Clock(**{**data, "stage": Stage(data["stage"]), "span": span})


def overlays_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """The overlays' fields of an alert, from the alert's JSON; those that it lacks (an older ledger's) are None."""
    void, escalation = data.get("void_asked"), data.get("escalation")

    def made(name: str, kind: Callable[..., Any]) -> Any:
        return kind(**data[name]) if data.get(name) else None

    return {
        "co_assignees": tuple(data.get("co_assignees", ())),
        "erased": tuple(data.get("erased", ())),
        "moved_from": made("moved_from", Origin),
        "supervision": made("supervision", Supervision),
        "void_asked": VoidAsked(**{**void, "was": void["was"] and State(void["was"])}) if void else None,
        "evaluation": made("evaluation", Evaluation),
        "call_back": made("call_back", CallBack),
        "escalation": Escalation(**{**escalation, "who": tuple(escalation["who"])}) if escalation else None,
        "stage_clock": clock_from_json(data.get("stage_clock")),
        "whole_clock": clock_from_json(data.get("whole_clock")),
    }
