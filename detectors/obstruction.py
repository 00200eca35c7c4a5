"""Obstruction: a vehicle that stands in a zone which must stay free – a fire lane, an exit, a tram track.

By place and look (``spots``), not by a track: a queue that moves on puts another vehicle on the same spot, which looks
otherwise and begins anew. The rule behind several kinds; pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from detectors.counting import MIN_SCORE, OUTSIDE_HOURS, gap, in_zone, overtaken, place_of
from detectors.course import GAP_S, Course, Stage, Turn, follow, time_or_none
from detectors.rule import Observation, Rule, Step, parameters
from detectors.spots import MOST_SPOTS, Spot, seen_spots
from models.camera import Zone
from models.incident import Phase, Severity, Sighting, kind_of

VERSION = 1
VEHICLES = frozenset({"car", "truck", "bus"})
UNSEEN_S = 300.0
"""Longer without a look, and what stands there now may be another: five times the wait for a forced look."""
SOON_S = 10.0
"""So long before a dwell is over every keyframe is looked at; until then a still scene waits for its forced look."""
MANY, LONG = 3, 10.0
"""From so many at once, or from so many times the dwell on, it is a level more severe: whoever meant to be gone at once
is not. The numbers are our own choice."""


@dataclass(frozen=True)
class State:
    """``is_due``: a dwell or a leaving is about to be over."""

    at_s: float | None = None
    spots: tuple[Spot, ...] = ()
    course: Course = field(default_factory=Course)
    is_due: bool = False

    @property
    def is_running(self) -> bool:
        return self.is_due

    def to_json(self) -> dict[str, Any]:
        spots = [spot.to_json() for spot in self.spots]
        own = {"version": VERSION, "at_s": self.at_s, "spots": spots, "is_due": self.is_due}
        return own | vars(self.course)

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            spots = tuple(Spot.from_json(spot) for spot in data["spots"][:MOST_SPOTS])
            return cls(time_or_none(data["at_s"]), spots, Course.from_json(data), data["is_due"] is True)
        except (KeyError, TypeError, ValueError):
            return cls()


def obstruction(kind: str, names: frozenset[str], noun: str) -> Rule[State]:
    """The rule of a kind whose parameters are ``dwell_s`` and ``leave_s``.

    ``names``: the labels of a detector that count; ``noun``: what people call one of them.
    """
    return Rule(kind, State.from_json, partial(_step, kind, names, noun), partial(_check, kind))


def _check(kind: str, zone: Zone) -> None:
    parameters(kind, zone)


def _step(kind: str, names: frozenset[str], noun: str, state: State, seen: Observation) -> Step[State]:
    late = overtaken(state.at_s, seen)
    if late is not None:
        return Step(state, (), (late,))
    levels, _ = parameters(kind, seen.zone)
    dwell_s, leave_s = levels["dwell_s"], levels["leave_s"]
    gaps = gap(state.at_s, seen)
    spots = _spots(_after_gap(state, seen), seen, names, max(leave_s, GAP_S))
    standing = [spot for spot in spots if spot.stood_s >= dwell_s]
    oldest = max(spots, key=lambda spot: spot.stood_s, default=None)
    turn = follow(
        state.course,
        seen.at_s,
        enters=seen.is_watched and bool(standing),
        holds=seen.is_watched and bool(standing),
        dwell_s=0.0,  # the spots have stood for it
        leave_s=0.0,  # a spot is kept for it
    )
    here = [spot for spot in standing if spot.seen_s == seen.at_s]
    waits = min((dwell_s - spot.stood_s for spot in spots if spot.stood_s < dwell_s), default=math.inf)
    due = (turn.course.onset_s is None and waits <= SOON_S) or (turn.course.onset_s is not None and not here)
    said = f"{seen.zone.name}: {_why(noun, turn, standing, oldest, levels, seen)}"
    state = State(seen.at_s, spots, turn.course, due)
    if turn.phase is None:
        return Step(state, (), (*gaps, said))
    sighting = _sighting(kind, noun, seen, turn, turn.phase, standing, said, dwell_s)
    return Step(state, (sighting,), (*gaps, sighting.reason))


def _after_gap(state: State, seen: Observation) -> tuple[Spot, ...]:
    """The spots: a time that nobody saw is no standing. What is not said yet begins anew; what is said has stood for as
    long as it had, until it is seen to be gone."""
    at_s, last_s = seen.at_s, seen.at_s if state.at_s is None else state.at_s
    unseen_s = at_s - last_s
    if unseen_s <= UNSEEN_S and not seen.was_away(last_s):
        return state.spots
    if state.course.onset_s is None:
        return tuple(replace(spot, since_s=at_s, seen_s=at_s) for spot in state.spots)
    return tuple(replace(spot, since_s=spot.since_s + unseen_s, seen_s=spot.seen_s + unseen_s) for spot in state.spots)


def _why(
    noun: str,
    turn: Turn,
    standing: Sequence[Spot],
    oldest: Spot | None,
    levels: Mapping[str, float],
    seen: Observation,
) -> str:
    if not seen.is_watched:
        return OUTSIDE_HOURS
    if standing:
        longest_s = max(spot.stood_s for spot in standing)
        return f"{len(standing)} {noun}s have stood for {longest_s:.0f} s, allowed are {levels['dwell_s']:g} s"
    if turn.stage is Stage.CLEARED:
        return f"no {noun} has stood there for {levels['leave_s']:g} s"
    if oldest is None:
        return f"no {noun} stands"
    return f"a {noun} has stood for {oldest.stood_s:.0f} s of {levels['dwell_s']:g} s"


def _sighting(
    kind: str,
    noun: str,
    seen: Observation,
    turn: Turn,
    phase: Phase,
    standing: Sequence[Spot],
    said: str,
    dwell_s: float,
) -> Sighting:
    longest = max(standing, key=lambda spot: spot.stood_s, default=None)
    if longest is None:
        x, y = np.mean(seen.zone.polygon, axis=0)
    else:
        x, y = (longest.box[0] + longest.box[2]) / 2, longest.box[3]
    place, accuracy_m, where = place_of(seen, float(x), float(y))
    return Sighting(
        kind=kind,
        phase=phase,
        zone_id=seen.zone.id,
        severity=_severity(kind, standing, dwell_s),
        confidence=longest.score if longest else 1 - MIN_SCORE,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=longest.since_s if longest and phase is Phase.ONSET else turn.onset_s,
        at_s=seen.at_s,
        measure={
            f"{noun}s": len(standing),
            "stood_s": round(longest.stood_s, 1) if longest else 0.0,
            "threshold": dwell_s,
            "unit": "s",
        },
        reason=said + where,
        model=seen.model,
    )


def _severity(kind: str, standing: Sequence[Spot], dwell_s: float) -> Severity:
    severity = kind_of(kind).severity
    longest_s = max((spot.stood_s for spot in standing), default=0.0)
    is_worse = len(standing) >= MANY or (dwell_s > 0 and longest_s >= LONG * dwell_s)
    return severity.worse if is_worse else severity


def _spots(before: Sequence[Spot], seen: Observation, names: frozenset[str], keep_s: float) -> tuple[Spot, ...]:
    """The spots after this look, of what stands in the zone."""
    found = seen.detections.of(names, MIN_SCORE)
    scale = np.array([seen.width_px, seen.height_px] * 2, np.float32)
    within = in_zone(seen, found.feet_px / scale[:2])
    return seen_spots(before, (found.boxes_px / scale)[within], found.scores[within], seen.at_s, seen.bgr, keep_s)


RULE = obstruction("blocked_fire_lane", VEHICLES, "vehicle")
