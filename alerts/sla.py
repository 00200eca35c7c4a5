"""Clocks: which policy holds for a case, when each stage is due, and what its log says of it. Pure.

A rule is keyed by kind, severity and stage, and holds in a grid and all below it: the nearest grid above a case that
has one wins, there a rule for its kind before one for any; where none has, DEFAULTS do. A clock is set by the policy at
the moment its stage begins, and the event that begins it says so: a later policy changes no clock that runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from alerts.calendars import DEFAULT, Calendar
from alerts.overlays import clock_to_json
from models.alert import ENDED, Alert, Event, EventType, State
from models.clocks import AMBER_FROM, Clock, Span, Stage, TimeUnit
from models.incident import Severity

ANY_KIND = "*"
CONTENT_FROM = 3
"""A rating from which on the reporter's evaluation lets a verified case close; below it a person decides."""


def _min(amount: float) -> Span:
    return Span(amount * 60, TimeUnit.SECONDS)


def _h(amount: float) -> Span:
    return Span(amount * 3600, TimeUnit.SECONDS)


def _wh(amount: float) -> Span:
    return Span(amount, TimeUnit.WORKING_HOURS)


def _wd(amount: float) -> Span:
    return Span(amount, TimeUnit.WORKING_DAYS)


_ORDER = (Stage.ACK, Stage.ACCEPT, Stage.ON_SCENE, Stage.HANDLE, Stage.VERIFY, Stage.WHOLE)
_TABLE: Mapping[Severity, tuple[Span | None, ...]] = {
    Severity.RED: (_min(2), _min(5), _min(15), _h(2), _h(1), _h(4)),
    Severity.ORANGE: (_min(5), _min(10), _min(30), _wh(4), _wh(4), _wd(2)),
    Severity.YELLOW: (_min(15), _min(30), _h(2), _wd(1), _wd(1), _wd(3)),
    Severity.BLUE: (_wh(4), _wd(1), None, None, _wd(2), _wd(10)),
}
DEFAULTS: Mapping[tuple[Severity, Stage], Span | None] = MappingProxyType(
    {(severity, stage): span for severity, row in _TABLE.items() for stage, span in zip(_ORDER, row, strict=True)}
    | {(severity, Stage.DISPATCH): _min(30) for severity in Severity}
    | {(severity, Stage.SILENCE): Span(7 * 86_400, TimeUnit.SECONDS) for severity in Severity}
)
"""The table of dispatch.md, "Two clocks"; None: no clock. Its 30 minutes to a dispatch are PagerDuty's for an ack that
nobody acted on; the whole case's times and the reporter's seven days are proposals of ours."""


@dataclass(frozen=True)
class Rule:
    """What a grid's own policy says of one key. ``span`` None: no clock there. ``changed_s`` names its edition."""

    grid_code: str
    kind: str
    severity: Severity
    stage: Stage
    span: Span | None
    changed_s: float = 0.0


@dataclass(frozen=True)
class PolicyBook:
    """All rules by (grid, kind, severity, stage), and the calendars of the grids that have one of their own."""

    rules: Mapping[tuple[str, str, Severity, Stage], Rule]
    calendars: Mapping[str, Calendar]

    def span(self, kind: str, severity: Severity, stage: Stage, grid_path: str) -> tuple[Span | None, str]:
        """How long that may take there, and the name of the policy that says so."""
        for code in _nearest_first(grid_path):
            for named in (kind, ANY_KIND):
                rule = self.rules.get((code, named, severity, stage))
                if rule is not None:
                    return rule.span, f"{code}/{named}@{rule.changed_s:.0f}"
        return DEFAULTS[severity, stage], "default"

    def calendar(self, grid_path: str) -> Calendar:
        """The nearest grid's own calendar, or the product's."""
        for code in _nearest_first(grid_path):
            if code in self.calendars:
                return self.calendars[code]
        return DEFAULT


NO_POLICIES = PolicyBook({}, {})


def _nearest_first(grid_path: str) -> list[str]:
    return [code for code in reversed(grid_path.split("/")) if code]


WORKING = frozenset({State.ACCEPTED, State.ON_SCENE, State.REOPENED})
_STAGES: Mapping[State, tuple[Stage, ...]] = {
    State.NEW: (Stage.ACK,),
    State.TRANSFERRED_UP: (Stage.ACK,),
    State.ASSIGNED_DOWN: (Stage.ACK,),
    State.ACKNOWLEDGED: (Stage.DISPATCH,),
    State.RETURNED: (Stage.DISPATCH,),
    State.DISPATCHED: (Stage.ACCEPT,),
    State.ACCEPTED: (Stage.ON_SCENE, Stage.HANDLE),
    State.ON_SCENE: (Stage.HANDLE,),
    State.REOPENED: (Stage.HANDLE,),
    State.HANDLED: (Stage.VERIFY,),
    State.VERIFIED: (Stage.SILENCE,),
}
"""The clock of each state; the second one where policy gives the first no time."""


def start(span: Span, stage: Stage, policy: str, version: int, at_s: float, calendar: Calendar) -> Clock:
    """A clock that begins at ``at_s``. Raises InvalidInput where the calendar has too little working time."""
    total_s = seconds(span, calendar)
    amber_s, due_s = (_after(span, calendar, at_s, part * total_s) for part in (AMBER_FROM, 1.0))
    return Clock(stage, span, policy, version, at_s, amber_s, due_s)


def seconds(span: Span, calendar: Calendar) -> float:
    """The span in seconds of its own kind of time: a working day is the calendar's."""
    per = {TimeUnit.SECONDS: 1.0, TimeUnit.WORKING_HOURS: 3600.0, TimeUnit.WORKING_DAYS: calendar.day_s}
    return span.amount * per[span.unit]


def _after(span: Span, calendar: Calendar, start_s: float, length_s: float) -> float:
    return start_s + length_s if span.unit is TimeUnit.SECONDS else calendar.add(start_s, length_s)


def _between(span: Span, calendar: Calendar, start_s: float, end_s: float) -> float:
    return max(0.0, end_s - start_s) if span.unit is TimeUnit.SECONDS else calendar.between(start_s, end_s)


def pause(clock: Clock | None, at_s: float, calendar: Calendar) -> Clock | None:
    """The clock stopped; unchanged if it stands already."""
    if clock is None or clock.paused_s is not None:
        return clock
    left_s = _between(clock.span, calendar, at_s, clock.due_s) - _between(clock.span, calendar, clock.due_s, at_s)
    return replace(clock, paused_s=at_s, left_s=left_s)


def resume(clock: Clock | None, at_s: float, calendar: Calendar) -> Clock | None:
    """The clock going on with what was left; what was due or amber stays so."""
    if clock is None or clock.paused_s is None or clock.left_s is None:
        return clock
    to_amber_s = clock.left_s - (1 - AMBER_FROM) * seconds(clock.span, calendar)
    due_s = _after(clock.span, calendar, at_s, clock.left_s) if clock.left_s > 0 else clock.due_s
    amber_s = _after(clock.span, calendar, at_s, to_amber_s) if to_amber_s > 0 else min(clock.amber_s, due_s)
    return replace(clock, paused_s=None, left_s=None, amber_s=amber_s, due_s=due_s)


def with_clocks(before: Alert | None, after: Alert, event: Event, book: PolicyBook) -> Event:
    """The event that made ``after`` of ``before``, saying what the clocks are from it on, where it moves one."""
    stage, whole = _clocks(before, after, event, book)
    if before is not None and (stage, whole) == (before.stage_clock, before.whole_clock):
        return event
    return replace(event, data={**event.data, "clocks": {"stage": clock_to_json(stage), "whole": clock_to_json(whole)}})


def _clocks(before: Alert | None, after: Alert, event: Event, book: PolicyBook) -> tuple[Clock | None, Clock | None]:
    at_s, calendar = event.at_s, book.calendar(after.grid_path)
    if before is None:
        return _stage_clock(after, event, book), _new(after, Stage.WHOLE, event.version, at_s, book)
    stage, whole = before.stage_clock, before.whole_clock
    if after.state in ENDED:
        return (stage, whole) if before.state in ENDED else (None, pause(whole, at_s, calendar))
    if after.state is State.SUSPENDED:
        return pause(stage, at_s, calendar), pause(whole, at_s, calendar)
    if before.state is State.SUSPENDED and stage is not None:
        return resume(stage, at_s, calendar), resume(whole, at_s, calendar)
    whole = resume(whole, at_s, calendar)
    if event.type is EventType.EVALUATED and after.state is State.VERIFIED:
        content = event.data["rating"] >= CONTENT_FROM
        return (replace(stage, amber_s=at_s, due_s=at_s) if stage and content else None), whole
    if after.severity != before.severity:
        since_s, version = (stage.started_s, stage.version) if stage else (at_s, event.version)
        anew = _stage_clock(after, replace(event, at_s=since_s, version=version), book)
        return anew, whole and _new(after, Stage.WHOLE, whole.version, whole.started_s, book)
    if after.state is before.state and event.type is not EventType.DISPATCHED:
        return stage, whole
    going_on = stage is not None and before.state in WORKING and after.state in WORKING
    if going_on and stage is not None and stage.stage is _STAGES[after.state][-1]:
        return stage, whole
    return _stage_clock(after, event, book), whole


def _stage_clock(alert: Alert, event: Event, book: PolicyBook) -> Clock | None:
    if alert.state is State.VERIFIED and alert.outcome is None:
        return None  # nothing closes by itself that nobody said the outcome of
    for stage in _STAGES.get(alert.state, ()):
        clock = _new(alert, stage, event.version, event.at_s, book)
        if clock is not None:
            return clock
    return None


def _new(alert: Alert, stage: Stage, version: int, at_s: float, book: PolicyBook) -> Clock | None:
    span, policy = book.span(alert.kind, alert.severity, stage, alert.grid_path)
    return start(span, stage, policy, version, at_s, book.calendar(alert.grid_path)) if span else None


def timers(alert: Alert | None) -> frozenset[tuple[str, float]]:
    """What is to be looked at again by itself, and when: (kind, Unix seconds). A function of the alert alone."""
    if alert is None:
        return frozenset()
    due: dict[str, Any] = {}
    stage, whole, asked = alert.stage_clock, alert.whole_clock, alert.supervision
    if stage is not None and stage.paused_s is None and alert.state not in ENDED:
        due["stage"] = stage.due_s if alert.escalation is None else alert.escalation.next_s
    if whole is not None and whole.paused_s is None and alert.whole_overdue_s is None and alert.state not in ENDED:
        due["whole"] = whole.due_s
    if alert.state is State.SUSPENDED:
        due["suspension"] = alert.suspended_until_s
    if asked is not None and asked.reply is None and asked.chased_s is None and alert.state not in ENDED:
        due["reply"] = asked.reply_due_s
    if alert.state is State.VOIDED and alert.void_asked is not None:
        due["void"] = alert.void_asked.confirm_by_s
    return frozenset((kind, at_s) for kind, at_s in due.items() if at_s is not None)
