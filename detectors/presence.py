"""Something stands in a zone where it may not be, for longer than its dwell. The rule behind several kinds; pure."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from detectors.counting import OUTSIDE_HOURS, Counted, State, count, overtaken
from detectors.course import Stage, Turn, follow
from detectors.rule import Observation, Rule, Step, parameters
from models.camera import Zone
from models.incident import Phase, Severity, Sighting, kind_of

MANY = 3.0
"""From so many times the count where it begins on, it is a level more severe: a group, not one who strays. Our own
choice."""


def presence(kind: str, names: frozenset[str], noun: str) -> Rule[State]:
    """The rule of a kind whose parameters are ``enter_count``, ``dwell_s`` and ``leave_s``.

    ``names``: the labels of a detector that count; ``noun``: what people call them, in the plural.
    """
    return Rule(kind, State.from_json, partial(_step, kind, names, noun), partial(_check, kind))


def _check(kind: str, zone: Zone) -> None:
    parameters(kind, zone)


def _step(kind: str, names: frozenset[str], noun: str, state: State, seen: Observation) -> Step[State]:
    late = overtaken(state.at_s, seen)
    if late is not None:
        return Step(state, (), (late,))
    levels, _ = parameters(kind, seen.zone)
    state, now, gaps = count(state, seen, names)
    enter = levels["enter_count"]
    turn = follow(
        state.course,
        seen.at_s,
        enters=seen.is_watched and now.count >= enter,
        holds=seen.is_watched and now.count >= enter,
        dwell_s=levels["dwell_s"],
        leave_s=levels["leave_s"] if seen.is_watched else 0.0,
        is_shown=len(now.scores) >= enter,
    )
    said = f"{seen.zone.name}: {now.count:g} {noun}, {_why(turn, now, levels)}"
    state = replace(state, course=turn.course)
    if turn.phase is None:
        return Step(state, (), (*gaps, said))
    sighting = _sighting(kind, now, turn, turn.phase, said, enter)
    return Step(state, (sighting,), (*gaps, sighting.reason))


def _why(turn: Turn, now: Counted, levels: Mapping[str, float]) -> str:
    enter, dwell_s, leave_s = levels["enter_count"], levels["dwell_s"], levels["leave_s"]
    lasted_s = now.seen.at_s - turn.since_s
    if not now.seen.is_watched:
        return OUTSIDE_HOURS
    if turn.stage is Stage.QUIET:
        return f"below {enter:g}"
    if turn.stage in (Stage.LEAVING, Stage.CLEARED):
        return f"below {enter:g} for {lasted_s:.1f} s of {leave_s:g} s"
    if turn.stage in (Stage.LASTING, Stage.CONTINUING):
        return f"there for {lasted_s:.0f} s"
    hidden = turn.stage is Stage.DWELLING and lasted_s >= dwell_s
    return f"{enter:g} or more for {lasted_s:.1f} s of {dwell_s:g} s" + (
        f", but {len(now.scores)} in this picture" if hidden else ""
    )


def _severity(kind: str, count: float, enter: float) -> Severity:
    severity = kind_of(kind).severity
    return severity.worse if count >= MANY * enter else severity


def _sighting(kind: str, now: Counted, turn: Turn, phase: Phase, said: str, enter: float) -> Sighting:
    place, accuracy_m, where = now.place()
    return Sighting(
        kind=kind,
        phase=phase,
        zone_id=now.seen.zone.id,
        severity=_severity(kind, now.count, enter),
        confidence=now.confidence,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=turn.onset_s,
        at_s=now.seen.at_s,
        measure={"count": now.count, "threshold": enter, "unit": "count", "lasted_s": now.seen.at_s - turn.onset_s},
        reason=said + where,
        model=now.seen.model,
    )
