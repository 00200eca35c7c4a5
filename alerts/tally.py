"""What one case adds to the figures: a vector of counts, a function of its log. Pure.

Every figure is a sum over cases of this vector, so that a tally of many cases is kept by taking away what a case added
before an event and adding what it adds after it. ``docs/figures.md`` defines the figures; times are counted in bins.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum, auto
from typing import Any
from zoneinfo import ZoneInfo

from models.alert import ENDED, Alert, Event, EventType, State
from models.clocks import Light, Stage

ERROR = 0.02
"""Relative error of a median or P90: half a bin's width (DDSketch: Masson, Rim and Lee, VLDB 2019, section 2.1)."""

_GAMMA = (1 + ERROR) / (1 - ERROR)
_LONGEST_S = 3 * 366 * 86_400.0
BINS = math.ceil(math.log(_LONGEST_S, _GAMMA)) + 1
FIRST_BIN = 64


class Bucket(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Count(IntEnum):
    """The place of each count in a tally; behind them, from FIRST_BIN on, BINS bins of each ``Time``."""

    ALERTS = 0
    VOIDED = auto()
    DETECTIONS = auto()
    JUDGED = auto()
    FALSE_ALARMS = auto()
    DISMISSED = auto()
    TO_DO = auto()
    OPEN = auto()
    SUSPENDED = auto()
    CLOSED = auto()
    FIXED = auto()
    DUE = auto()
    ON_TIME = auto()
    SENT = auto()
    MISSENT = auto()
    HANDLED = auto()
    REDONE = auto()
    GROUPED = auto()
    CASES = auto()
    CLOCKED_ACK = 32
    CLOCKED_DISPATCH = auto()
    CLOCKED_ACCEPT = auto()
    CLOCKED_ON_SCENE = auto()
    CLOCKED_HANDLE = auto()
    CLOCKED_VERIFY = auto()
    LATE_ACK = 48
    LATE_DISPATCH = auto()
    LATE_ACCEPT = auto()
    LATE_ON_SCENE = auto()
    LATE_HANDLE = auto()
    LATE_VERIFY = auto()


class Time(IntEnum):
    """Seconds of wall-clock time from the detection; of HANDLE and CLOSE without what it stood suspended."""

    ACK = 0
    DISPATCH = auto()
    HANDLE = auto()
    CLOSE = auto()


STAGES = (Stage.ACK, Stage.DISPATCH, Stage.ACCEPT, Stage.ON_SCENE, Stage.HANDLE, Stage.VERIFY)
SOURCES = ("camera", "worker", "resident", "sensor", "device", "other")
_MISSENT = frozenset({"wrong_grid", "wrong_unit"})
_E = EventType
_SENDS = frozenset({_E.DISPATCHED, _E.TRANSFERRED_UP, _E.ASSIGNED_DOWN, _E.TRANSFERRED_ACROSS})


@dataclass(frozen=True)
class Fact:
    """What an alert's log says that its projection forgets. Times are Unix seconds; ``handle_s`` is a length."""

    source: str
    judged_s: float | None = None
    sent_s: float | None = None
    handle_s: float | None = None
    dismissed_for: str | None = None
    was_handled: bool = False
    was_redone: bool = False
    was_missent: bool = False
    began_case: bool = False
    clocked: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Key:
    """Where a tally stands: a grid with all below it, the bucket of the detection, kind and source."""

    grid_code: str
    bucket: Bucket
    start_s: float
    kind: str
    source: str


def source_of(event: Event) -> str:
    """Who or what a detection came from, one of SOURCES."""
    data = event.data
    said = str(data["incident"][0]).partition(":")[0] if data.get("incident") else ""
    if data.get("camera_id") and said not in ("resident", "sensor", "device"):  # a device may have a camera beside it
        return "camera"
    return said if said in SOURCES else "other"


def step(fact: Fact | None, before: Alert | None, after: Alert, event: Event) -> Fact:
    """The fact after the event that made ``after`` of ``before``."""
    if fact is None or before is None:
        fact = Fact(source_of(event), began_case=bool(event.data.get("case", {}).get("begun")))
    changes: dict[str, Any] = {}
    clock = before.stage_clock if before else None
    if clock and clock.stage in STAGES and clock.light(event.at_s) is Light.RED:
        changes["late"] = _with(fact.late, clock.stage)
    if after.stage_clock and after.stage_clock.stage in STAGES:
        changes["clocked"] = _with(fact.clocked, after.stage_clock.stage)
    if event.type in (_E.ACKNOWLEDGED, _E.DISMISSED) and fact.judged_s is None:
        changes["judged_s"] = event.at_s
    if event.type is _E.DISMISSED:
        changes["dismissed_for"] = event.reason
    if event.type in _SENDS and fact.sent_s is None:
        changes["sent_s"] = event.at_s
    if event.type is _E.HANDLED:
        changes |= {"was_handled": True, "handle_s": event.at_s - after.created_s - after.suspended_s}
    if event.type in (_E.REJECTED, _E.REOPENED):
        changes |= {"was_redone": True, "handle_s": None}
    if event.type in (_E.RETURNED, _E.DECLINED) and event.reason in _MISSENT:
        changes["was_missent"] = True
    return replace(fact, **changes) if changes else fact


def _with(stages: tuple[str, ...], stage: Stage) -> tuple[str, ...]:
    return stages if stage.value in stages else tuple(sorted((*stages, stage.value)))


def tally(alert: Alert, fact: Fact) -> dict[int, int]:
    """What the case adds, by place; nothing that is 0. An exercise adds nothing, a voided case only that it was."""
    if alert.practice:
        return {}
    if alert.state is State.VOIDED:
        return {Count.VOIDED: 1}
    counts = {Count.ALERTS: 1, Count.DETECTIONS: alert.incidents, **_progress(alert)}
    counts |= {Count.JUDGED: fact.judged_s is not None, Count.DISMISSED: alert.state is State.DISMISSED}
    counts[Count.FALSE_ALARMS] = alert.state is State.DISMISSED and fact.dismissed_for == "false_alarm"
    counts |= {Count.SENT: fact.sent_s is not None, Count.MISSENT: fact.was_missent}
    counts |= {Count.HANDLED: fact.was_handled, Count.REDONE: fact.was_redone}
    grouped = alert.case_id is not None
    counts |= {Count.GROUPED: grouped, Count.CASES: fact.began_case or not grouped}
    for place, stage in enumerate(STAGES):
        counts[Count(Count.CLOCKED_ACK + place)] = stage.value in fact.clocked
        counts[Count(Count.LATE_ACK + place)] = stage.value in fact.late
    found = {int(place): int(count) for place, count in counts.items() if count}
    for time, length_s in _lengths(alert, fact).items():
        found[FIRST_BIN + time * BINS + bin_of(length_s)] = 1
    return found


def _progress(alert: Alert) -> dict[Count, bool]:
    closed, suspended = alert.state is State.CLOSED, alert.state is State.SUSPENDED
    whole = alert.whole_clock
    in_time = closed and whole is not None and whole.light(alert.closed_s or 0.0) is not Light.RED
    fixed = closed and alert.verified_by is not None and (alert.outcome or "").startswith("fixed_")
    return {
        Count.TO_DO: alert.state is not State.DISMISSED,
        Count.OPEN: alert.state not in ENDED and not suspended,
        Count.SUSPENDED: suspended,
        Count.CLOSED: closed,
        Count.FIXED: fixed,
        Count.DUE: whole is not None and (closed or (alert.whole_overdue_s is not None and alert.state not in ENDED)),
        Count.ON_TIME: in_time,
    }


def _lengths(alert: Alert, fact: Fact) -> dict[Time, float]:
    since_s = alert.created_s
    found = {
        Time.ACK: None if fact.judged_s is None else fact.judged_s - since_s,
        Time.DISPATCH: None if fact.sent_s is None else fact.sent_s - since_s,
        Time.HANDLE: fact.handle_s,
        Time.CLOSE: None if alert.closed_s is None else alert.closed_s - since_s - alert.suspended_s,
    }
    return {time: length_s for time, length_s in found.items() if length_s is not None}


def bin_of(length_s: float) -> int:
    """The bin of a length: 0 up to a second, then each wider than the last by the same factor."""
    return 0 if length_s <= 1 else min(BINS - 1, math.ceil(math.log(length_s, _GAMMA)))


def length_of(bin_: int) -> float:
    """The length, seconds, that stands for a bin: within ERROR of each that falls into it (bin 0: a second)."""
    return 1.0 if bin_ == 0 else float(2 * _GAMMA**bin_ / (_GAMMA + 1))


def keys(alert: Alert, source: str, zone: str) -> list[Key]:
    """Where the case counts: in the grid that has it now and in all above, in the buckets of its detection."""
    starts = [(bucket, start_of(bucket, alert.created_s, zone)) for bucket in Bucket]
    codes = [code for code in alert.grid_path.split("/") if code]
    return [Key(code, bucket, start_s, alert.kind, source) for code in codes for bucket, start_s in starts]


def start_of(bucket: Bucket, at_s: float, zone: str) -> float:
    """When that moment's hour, day or month began in that time zone, Unix seconds."""
    hour = datetime.fromtimestamp(at_s, ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0)
    if bucket is Bucket.HOUR:  # with its fold: when summer ends, the clocks show an hour twice
        return hour.timestamp()
    day = hour.replace(hour=0, fold=0)
    return (day if bucket is Bucket.DAY else day.replace(day=1)).timestamp()


def fact_to_json(fact: Fact) -> dict[str, Any]:
    return asdict(fact)


def fact_from_json(data: Mapping[str, Any]) -> Fact:
    return Fact(**{**data, "clocked": tuple(data["clocked"]), "late": tuple(data["late"])})
