"""A gate that stands open: it said that it opened, and for the dwell not that it closed.

Its own contact knows; the camera gives the picture. By sight alone it is not told: of a door that nobody goes through,
a picture does not say what keeps it from closing. Pure: time is the frame clock's.
"""

from dataclasses import dataclass, field
from typing import Any

from detectors.counting import OUTSIDE_HOURS, place_of
from detectors.course import Course, Stage, follow
from detectors.rule import Observation, Rule, Step, parameters
from models.camera import Zone
from models.incident import Phase, Sighting, kind_of

KIND = "gate_held_open"
VERSION = 1
UNHEARD_S = 300.0
"""So long after it was said, a gate that this worker has not heard yet is taken to be no more."""


@dataclass(frozen=True)
class State:
    """``is_open``: and was not for long enough to be told: nothing need move before a gate that stands open."""

    course: Course = field(default_factory=Course)
    is_open: bool = False

    @property
    def is_running(self) -> bool:
        return self.is_open or self.course.is_running

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, "is_open": self.is_open, **vars(self.course)}

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            return cls(Course.from_json(data), data["is_open"] is True)
        except (KeyError, TypeError, ValueError):
            return cls()


def _check(zone: Zone) -> None:
    parameters(KIND, zone)


def _step(state: State, seen: Observation) -> Step[State]:
    levels, _ = parameters(KIND, seen.zone)
    dwell_s, gate, said_s = levels["dwell_s"], seen.gate, state.course.said_s
    if gate is None and said_s is not None and seen.at_s - said_s < UNHEARD_S:
        return Step(state, (), (f"{seen.zone.name}: it was open, and nothing was heard of it since the start",))
    open_s = 0.0
    if gate and gate.tells_closing and gate.open_since_s is not None:
        open_s = max(seen.at_s - gate.open_since_s, 0.0)
    is_open = seen.is_watched and open_s >= dwell_s
    turn = follow(state.course, seen.at_s, enters=is_open, holds=is_open, dwell_s=0.0, leave_s=0.0)
    course, onset_s = turn.course, turn.onset_s
    if turn.stage is Stage.ONSET:
        onset_s = seen.at_s - open_s
        course = Course(onset_s=onset_s, said_s=course.said_s)
    said = f"{seen.zone.name}: {_why(seen, open_s, dwell_s)}"
    state = State(course, is_open=seen.is_watched and 0 < open_s < dwell_s)
    if turn.phase is None:
        return Step(state, (), (said,))
    sighting = _sighting(seen, turn.phase, onset_s, open_s, dwell_s, said)
    return Step(state, (sighting,), (sighting.reason,))


def _why(seen: Observation, open_s: float, dwell_s: float) -> str:
    if not seen.is_watched:
        return OUTSIDE_HOURS
    if seen.gate is None:
        return "no gate reports to this camera: register it as a device with this camera (`wangge intake-source add`)"
    if not seen.gate.tells_closing:
        return "the gate has not yet said that it closed: of one that never does, nothing is told"
    if seen.gate.open_since_s is None:
        return "the gate says that it is closed"
    return f"the gate has said for {open_s:.0f} s that it is open, allowed are {dwell_s:g} s"


def _sighting(seen: Observation, phase: Phase, onset_s: float, open_s: float, dwell_s: float, said: str) -> Sighting:
    corners = seen.zone.polygon
    x, y = (sum(corner[axis] for corner in corners) / len(corners) for axis in (0, 1))
    place, accuracy_m, where = place_of(seen, x, y)
    return Sighting(
        kind=KIND,
        phase=phase,
        zone_id=seen.zone.id,
        severity=kind_of(KIND).severity,
        confidence=1.0,  # the gate's own contact says so
        place=place,
        accuracy_m=accuracy_m,
        onset_s=onset_s,
        at_s=seen.at_s,
        measure={"open_s": round(open_s, 1), "threshold": dwell_s, "unit": "s"},
        reason=said + where,
        model=seen.model,
    )


RULE = Rule(KIND, State.from_json, _step, _check)
