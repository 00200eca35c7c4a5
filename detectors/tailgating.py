"""Tailgating: more people step over a gate's line than the gate let through.

The gate says whom it lets through, the camera sees who goes: one person more than passes within the window, and one
followed another. Where no gate reports, two who go the same way within ``single_s`` are that, but only where the zone
says that its gate lets one person through at a time; by sight alone nothing else can be proven. Pure: time is the frame
clock's, and ``clock_s`` is how far the gate's clock may be off it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from detectors.counting import MIN_SCORE, OUTSIDE_HOURS, place_of
from detectors.course import Course, Stage, finite, follow, time_or_none
from detectors.crossing import Crossing
from detectors.rule import Observation, Rule, Step, parameters
from models.camera import Zone
from models.errors import InvalidInput
from models.gate import Direction, GateLog
from models.incident import Phase, Severity, Sighting, kind_of

KIND = "gate_tailgating"
VERSION = 1
MOST_CROSSINGS = 200
MANY = 2
"""From so many who followed on it is a level more severe. Our own choice."""

Levels = Mapping[str, float]


@dataclass(frozen=True)
class Gone:
    """A crossing that is remembered; ``judged``: whether somebody was followed is settled, and was said."""

    at_s: float
    direction: Direction
    score: float
    judged: bool = False


@dataclass(frozen=True)
class State:
    """``gone``, the oldest first; ``followers`` of what is said, and when the last one went (Unix seconds)."""

    gone: tuple[Gone, ...] = ()
    followers: int = 0
    last_s: float | None = None
    course: Course = field(default_factory=Course)

    @property
    def is_running(self) -> bool:
        return self.course.is_running or not all(each.judged for each in self.gone)

    def to_json(self) -> dict[str, Any]:
        gone = [[each.at_s, each.direction, each.score, each.judged] for each in self.gone]
        own = {"version": VERSION, "gone": gone, "followers": self.followers, "last_s": self.last_s}
        return own | vars(self.course)

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            gone = tuple(
                Gone(finite(at_s), Direction(way), min(max(finite(score), 0.0), 1.0), judged is True)
                for at_s, way, score, judged in data["gone"][-MOST_CROSSINGS:]
            )
            return cls(gone, int(data["followers"]), time_or_none(data["last_s"]), Course.from_json(data))
        except (KeyError, OverflowError, TypeError, ValueError):
            return cls()


@dataclass(frozen=True)
class Judged:
    """``followers``: found now. ``crossed``, ``passes``: near the last one judged, within the window. ``note``: of what
    was not told, and why."""

    gone: tuple[Gone, ...]
    followers: tuple[Gone, ...] = ()
    crossed: int = 0
    passes: int = 0
    note: str = ""


def unpaired(crossings_s: Sequence[float], passes_s: Sequence[float], before_s: float, after_s: float) -> list[int]:
    """Which crossings have no pass of their own, one from ``before_s`` before to ``after_s`` after them.

    Both in order of time. Whoever comes first takes the oldest pass that is still good: as all passes are good for as
    long, no other way of giving them out leaves fewer without one.
    """
    left, without = list(passes_s), []
    for number, at_s in enumerate(crossings_s):
        while left and left[0] < at_s - before_s:
            left.pop(0)
        if left and left[0] <= at_s + after_s:
            left.pop(0)
        else:
            without.append(number)
    return without


def _by_gate(gone: Sequence[Gone], gate: GateLog, levels: Levels, now_s: float) -> Judged:
    """Against the gate's passes, ``settle_s`` after each crossing: reports are on their way for a while."""
    before_s, after_s = levels["window_s"] + levels["clock_s"], levels["clock_s"]
    found, after, note, crossed, count = list[Gone](), list(gone), "", 0, 0
    for way in Direction:
        places = [i for i, each in enumerate(gone) if each.direction is way]
        passes = sorted(p.at_s for p in gate.passes if p.direction in (way, None) for _ in range(p.count))
        without = {places[i] for i in unpaired([gone[i].at_s for i in places], passes, before_s, after_s)}
        for place in places:
            each = gone[place]
            if each.judged or now_s < each.at_s + levels["settle_s"]:
                continue
            after[place] = replace(each, judged=True)
            near = sum(each.at_s - before_s <= at_s <= each.at_s + after_s for at_s in passes)
            if place in without and near:
                found.append(each)
                crossed, count = sum(abs(gone[i].at_s - each.at_s) <= before_s for i in places), near
            elif place in without:
                note = f"somebody went {way}, and the gate had let nobody through: way left open, or its link is down?"
    return Judged(tuple(after), tuple(found), crossed, count, note)


def _by_sight(gone: Sequence[Gone], levels: Levels) -> Judged:
    """Two who go the same way sooner than the gate can open twice."""
    single_s, found, last_s = levels["single_s"], list[Gone](), dict[Direction, float]()
    for each in gone:
        if not each.judged and each.at_s - last_s.get(each.direction, -1e12) < single_s:
            found.append(each)
        last_s[each.direction] = each.at_s
    note = "" if single_s else "no gate reports here and the zone names no single_s: by sight alone nothing is told"
    return Judged(tuple(replace(each, judged=True) for each in gone), tuple(found), 1 + len(found), 1, note)


def _check(zone: Zone) -> None:
    parameters(KIND, zone)
    if zone.line is None:
        raise InvalidInput(f"zone {zone.id}: {KIND} needs a line across the gate's way")


def _step(state: State, seen: Observation) -> Step[State]:
    _check(seen.zone)
    levels, _ = parameters(KIND, seen.zone)
    gone = _remembered(state.gone, seen, levels)
    judged = _by_gate(gone, seen.gate, levels, seen.at_s) if seen.gate else _by_sight(gone, levels)
    if judged.followers:
        followers = state.followers + len(judged.followers)
        state = replace(state, followers=followers, last_s=max(each.at_s for each in judged.followers))
    turn = follow(
        state.course,
        seen.at_s,
        enters=bool(judged.followers),
        holds=state.last_s is not None and seen.at_s - state.last_s < levels["leave_s"],
        dwell_s=0.0,
        leave_s=0.0,
    )
    course, onset_s = turn.course, turn.onset_s
    if turn.stage is Stage.ONSET:
        onset_s = judged.followers[0].at_s
        course = replace(course, onset_s=onset_s)
    said = f"{seen.zone.name}: {_why(judged, seen, state, turn.stage, levels)}"
    if turn.phase is None:
        return Step(replace(state, gone=judged.gone, course=course), (), (said,))
    sighting = _sighting(seen, state, judged, turn.phase, onset_s, said)
    if turn.phase is Phase.CLEARED:
        state = replace(state, followers=0, last_s=None)
    return Step(replace(state, gone=judged.gone, course=course), (sighting,), (sighting.reason,))


def _remembered(gone: Sequence[Gone], seen: Observation, levels: Levels) -> tuple[Gone, ...]:
    ways = tuple(Direction) if levels["both_ways"] else (Direction.IN,)
    fresh: Sequence[Crossing] = (seen.crossings or ()) if seen.is_watched else ()
    new = [Gone(each.at_s, each.direction, each.score) for each in fresh if each.direction in ways]
    both = sorted((*gone, *new), key=lambda each: each.at_s)
    span_s = 2 * (levels["window_s"] + levels["clock_s"]) + levels["settle_s"] + levels["single_s"]
    return tuple(each for each in both if each.at_s > both[-1].at_s - span_s)[-MOST_CROSSINGS:]


def _why(judged: Judged, seen: Observation, state: State, stage: Stage, levels: Levels) -> str:
    if seen.crossings is None and seen.bgr is None:
        return "who went through is not kept: a dry run cannot try this on what has been"
    if judged.followers and seen.gate:
        return (
            f"{judged.crossed} persons went through and {judged.passes} were let through within "
            f"{levels['window_s']:g} s: {len(judged.followers)} followed"
        )
    if judged.followers:
        return f"{judged.crossed} persons went through within {levels['single_s']:g} s: one at a time is allowed"
    if stage is Stage.CLEARED:
        return f"nobody has followed anybody for {levels['leave_s']:g} s"
    if judged.note:
        return judged.note
    if stage in (Stage.LASTING, Stage.CONTINUING):
        return f"{state.followers} followed, the last one {seen.at_s - (state.last_s or seen.at_s):.0f} s ago"
    if not seen.is_watched:
        return OUTSIDE_HOURS
    waiting = sum(not each.judged for each in judged.gone)
    return f"{waiting} who went through wait for the gate's reports" if waiting else "nobody followed anybody"


def _sighting(seen: Observation, state: State, judged: Judged, phase: Phase, onset_s: float, said: str) -> Sighting:
    (x1, y1), (x2, y2) = seen.zone.line or (seen.zone.polygon[0], seen.zone.polygon[1])
    place, accuracy_m, where = place_of(seen, (x1 + x2) / 2, (y1 + y2) / 2)
    scores = [each.score for each in judged.followers]
    measure = {"persons": judged.crossed, "passes": judged.passes, "followers": state.followers, "threshold": 1}
    return Sighting(
        kind=KIND,
        phase=phase,
        zone_id=seen.zone.id,
        severity=_severity(state.followers),
        confidence=sum(scores) / len(scores) if scores else 1 - MIN_SCORE,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=onset_s,
        at_s=seen.at_s,
        measure={**measure, "unit": "persons"},
        reason=said + where,
        model=seen.model,
    )


def _severity(followers: int) -> Severity:
    severity = kind_of(KIND).severity
    return severity.worse if followers >= MANY else severity


RULE = Rule(KIND, State.from_json, _step, _check)
