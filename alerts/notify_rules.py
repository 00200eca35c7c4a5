"""Who hears of an event, whether it is still worth telling, in which words, and when to try again. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from alerts.words import SEVERITIES
from models.alert import ENDED, Alert, Event, EventType, State
from models.incident import KINDS

MOST_FAILURES = 5
OLDEST_S = 3600.0
"""A notification that could not go out for so long is dropped: nobody is woken for what is over."""
FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 600.0


@dataclass(frozen=True)
class Notice:
    """Someone is to hear of an event. ``on_duty_only``: not where their shift is over by then."""

    person_id: str
    topic: str
    on_duty_only: bool


def _offered(alert: Alert, event: Event) -> tuple[Notice, ...]:
    """Whoever answers for a sensor hears of its warning at any hour."""
    on_duty_only = not event.data.get("automatic", False)
    return tuple(Notice(person, "offered", on_duty_only) for person in alert.offered_to)


def _escalated(_alert: Alert, event: Event) -> tuple[Notice, ...]:
    """Those who are offered the case are asked on duty only; desk and supervisors have no shifts in the rota."""
    outdoors = event.data.get("offered_to", ())
    who = [person for person in event.data.get("who", ()) if isinstance(person, str)]
    return tuple(Notice(person, event.type.value, on_duty_only=person in outdoors) for person in who)


def _operator(alert: Alert, event: Event) -> tuple[Notice, ...]:
    who = alert.acknowledged_by
    return (Notice(who, event.type.value, on_duty_only=False),) if who else ()


def _assignee(alert: Alert, event: Event) -> tuple[Notice, ...]:
    return (Notice(alert.assignee, event.type.value, on_duty_only=True),) if alert.assignee else ()


_HEARS: Mapping[EventType, Callable[[Alert, Event], tuple[Notice, ...]]] = {
    EventType.DISPATCHED: _offered,
    EventType.RELEASED: _offered,
    EventType.CLAIM_EXPIRED: _offered,
    EventType.ESCALATED: _escalated,
    EventType.ASKED_AGAIN: _escalated,
    EventType.RETURNED: _operator,
    EventType.HANDLED: _operator,
    EventType.REJECTED: _assignee,
}

_QUIET = frozenset(
    {
        EventType.SEEN_AGAIN,
        EventType.SCENE_CLEAR,
        EventType.NOTED,
        EventType.ESCALATED,
        EventType.ASKED_AGAIN,
        EventType.SUPERVISED,
        EventType.SUPERVISION_REPLIED,
        EventType.CO_ASSIGNEE_ADDED,
        EventType.CO_ASSIGNEE_REMOVED,
        EventType.ERASED,
        EventType.GROUPED,
    }
)
"""Events that answer nothing: whoever was to be told is still to be told."""


def notices(alert: Alert, event: Event) -> tuple[Notice, ...]:
    """Who is to hear of the event; ``alert`` as it stood right after. Each person once; nobody of their own doing."""
    hears = _HEARS.get(event.type)
    found = hears(alert, event) if hears else ()
    return tuple({notice.person_id: notice for notice in found if notice.person_id != event.actor_id}.values())


def moot(state: State, since: Sequence[Event]) -> str | None:
    """Why a notification has lost its meaning, None where it has not. ``since``: the alert's events after its own."""
    answer = next((event for event in since if event.type not in _QUIET), None)
    if answer is not None:
        return f"somebody has acted since: {answer.type.value}"
    return f"the case has ended: {state.value}" if state in ENDED else None


def too_old(made_s: float, now_s: float) -> bool:
    return now_s - made_s > OLDEST_S


def retry_in_s(failures: int, luck: float) -> float | None:
    """Seconds until the next try after so many failures, None for no more; ``luck`` 0..1 is the jitter."""
    if failures >= MOST_FAILURES:
        return None
    wait_s: float = min(LONGEST_RETRY_S, FIRST_RETRY_S * 5.0 ** (failures - 1))
    return wait_s * (0.5 + luck / 2)


_TITLES: Mapping[str, tuple[str, str]] = {
    "offered": ("待接单", "A case for you"),
    "escalated": ("超时升级", "A clock has run out"),
    "asked_again": ("请再次确认", "Still waiting for you"),
    "returned": ("已回退", "A case came back"),
    "handled": ("待核查", "Handled, to be verified"),
    "rejected": ("核查未通过，请返工", "Not accepted, please do it again"),
}


def title_of(topic: str, language: str) -> str:
    zh, en = _TITLES[topic]
    return f"【网格】{zh}" if language == "zh" else f"Wangge: {en}"


def text_of(alert: Alert, language: str) -> str:
    """What, how bad, where, since when (UTC), which case. No person's name, no picture, no token."""
    kind = KINDS[alert.kind]
    zh, en = SEVERITIES[alert.severity]
    since = datetime.fromtimestamp(alert.started_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if language == "zh":
        return f"{kind.name_zh}（{zh}），网格 {alert.grid_code}，始于 {since}。编号 {alert.id}"
    return f"{kind.name_en} ({en}) in grid {alert.grid_code}, since {since}. Case {alert.id}"
