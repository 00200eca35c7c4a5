"""Obstruction: a vehicle that stands in a zone which must stay free – a fire lane, an exit, a tram track.

By place and look, not by a track: what stands is a box that stays where it is and looks as it did. A queue that moves
on puts another vehicle on the same spot, which looks otherwise and begins anew. Pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from detectors.counting import MIN_SCORE, OUTSIDE_HOURS, gap, in_zone, overtaken, place_of
from detectors.course import GAP_S, Course, Stage, Turn, finite, follow, time_or_none
from detectors.rule import Observation, Rule, Step, parameters
from models.camera import Zone
from models.frame import Pixels
from models.incident import Phase, Sighting, kind_of

KIND = "blocked_fire_lane"
VERSION = 1
VEHICLES = frozenset({"car", "truck", "bus"})
SAME_SPOT_IOU = 0.5
"""Boxes of one standing vehicle overlap by more than this from look to look; a vehicle half a length on does not."""
SAME_LOOK = 0.5
"""Least correlation of two looks at one vehicle; a lamp or a shadow changes less, another vehicle more."""
LOOK_SIDE = 8
MOST_SPOTS = 32
SOON_S = 10.0
"""So long before a dwell is over every keyframe is looked at; until then a still scene waits for its forced look."""
FOLLOW = 0.2
"""Share by which a spot's box follows what is seen, so that jitter does not carry it away."""

Look = tuple[int, ...]
"""LOOK_SIDE² grey means of a box, 0..255, row by row."""


@dataclass(frozen=True)
class Spot:
    """Where something stands. ``box``: left, top, right, bottom in picture fractions; times in Unix seconds."""

    box: tuple[float, float, float, float]
    since_s: float
    seen_s: float
    score: float
    look: Look

    @property
    def stood_s(self) -> float:
        return self.seen_s - self.since_s

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spot":
        """Raises KeyError, TypeError, ValueError."""
        left, top, right, bottom = (finite(value) for value in data["box"])
        look = tuple(int(value) for value in data["look"])
        if len(look) not in (0, LOOK_SIDE**2):
            raise ValueError("not a look")
        return cls(
            (left, top, right, bottom), finite(data["since_s"]), finite(data["seen_s"]), finite(data["score"]), look
        )


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
        spots = [{**vars(spot), "box": list(spot.box), "look": list(spot.look)} for spot in self.spots]
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


def check(zone: Zone) -> None:
    """Raises InvalidInput where the zone's levels cannot work."""
    parameters(KIND, zone)


def step(state: State, seen: Observation) -> Step[State]:
    """One look further. Raises InvalidInput for levels that cannot work or a time that is no number."""
    late = overtaken(state.at_s, seen)
    if late is not None:
        return Step(state, (), (late,))
    levels, _ = parameters(KIND, seen.zone)
    dwell_s, leave_s = levels["dwell_s"], levels["leave_s"]
    gaps = gap(state.at_s, seen)
    spots = _spots(state.spots, seen, max(leave_s, GAP_S))
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
    waits = max((dwell_s - spot.stood_s for spot in spots if spot.stood_s < dwell_s), default=math.inf)
    due = (turn.course.onset_s is None and waits <= SOON_S) or (turn.course.onset_s is not None and not here)
    said = f"{seen.zone.name}: {_why(turn, standing, oldest, levels, seen)}"
    state = State(seen.at_s, spots, turn.course, due)
    if turn.phase is None:
        return Step(state, (), (*gaps, said))
    sighting = _sighting(seen, turn, turn.phase, standing, said, dwell_s)
    return Step(state, (sighting,), (*gaps, sighting.reason))


def _why(
    turn: Turn, standing: Sequence[Spot], oldest: Spot | None, levels: Mapping[str, float], seen: Observation
) -> str:
    if not seen.is_watched:
        return OUTSIDE_HOURS
    if standing:
        longest_s = max(spot.stood_s for spot in standing)
        return f"{len(standing)} vehicles have stood for {longest_s:.0f} s, allowed are {levels['dwell_s']:g} s"
    if turn.stage is Stage.CLEARED:
        return f"no vehicle has stood there for {levels['leave_s']:g} s"
    if oldest is None:
        return "no vehicle stands"
    return f"a vehicle has stood for {oldest.stood_s:.0f} s of {levels['dwell_s']:g} s"


def _sighting(
    seen: Observation, turn: Turn, phase: Phase, standing: Sequence[Spot], said: str, dwell_s: float
) -> Sighting:
    longest = max(standing, key=lambda spot: spot.stood_s, default=None)
    if longest is None:
        x, y = np.mean(seen.zone.polygon, axis=0)
    else:
        x, y = (longest.box[0] + longest.box[2]) / 2, longest.box[3]
    place, accuracy_m, where = place_of(seen, float(x), float(y))
    return Sighting(
        kind=KIND,
        phase=phase,
        zone_id=seen.zone.id,
        severity=kind_of(KIND).severity,
        confidence=longest.score if longest else 1 - MIN_SCORE,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=longest.since_s if longest and phase is Phase.ONSET else turn.onset_s,
        at_s=seen.at_s,
        measure={
            "vehicles": len(standing),
            "stood_s": round(longest.stood_s, 1) if longest else 0.0,
            "threshold": dwell_s,
            "unit": "s",
        },
        reason=said + where,
        model=seen.model,
    )


def _spots(before: Sequence[Spot], seen: Observation, keep_s: float) -> tuple[Spot, ...]:
    """The spots after this look. One that is not seen is kept for ``keep_s``: something may stand before it."""
    found = seen.detections.of(VEHICLES, MIN_SCORE)
    scale = np.array([seen.width_px, seen.height_px] * 2, np.float32)
    boxes = (found.boxes_px / scale)[in_zone(seen, found.feet_px / scale[:2])]
    scores = found.scores[in_zone(seen, found.feet_px / scale[:2])]
    free = np.ones(len(boxes), dtype=bool)
    after: list[Spot] = []
    for spot in sorted(before, key=lambda item: item.since_s):  # who has stood longest chooses first
        overlap = np.where(free, iou(np.array(spot.box, np.float32), boxes), 0.0) if len(boxes) else np.zeros(0)
        best = int(overlap.argmax()) if len(boxes) else -1
        if best < 0 or overlap[best] < SAME_SPOT_IOU:
            if seen.at_s - spot.seen_s < keep_s:
                after.append(spot)
            continue
        free[best] = False
        after.append(_seen_again(spot, boxes[best], float(scores[best]), seen))
    new = [_begun(box, float(score), seen) for box, score in zip(boxes[free], scores[free], strict=True)]
    new.sort(key=lambda spot: -spot.score)
    return tuple([*after, *new][:MOST_SPOTS])


def _begun(box: NDArray[np.float32], score: float, seen: Observation) -> Spot:
    left, top, right, bottom = box.tolist()
    return Spot((left, top, right, bottom), seen.at_s, seen.at_s, score, _look(seen.bgr, box))


def _seen_again(spot: Spot, box: NDArray[np.float32], score: float, seen: Observation) -> Spot:
    look = _look(seen.bgr, np.array(spot.box, np.float32))
    if not _alike(spot.look, look):
        return _begun(box, score, seen)
    left, top, right, bottom = (old + FOLLOW * (new - old) for old, new in zip(spot.box, box.tolist(), strict=True))
    # The look follows too: the sun moves on. It follows slowly, so that another vehicle is not learned.
    kept = tuple(round(old + FOLLOW * (new - old)) for old, new in zip(spot.look, look, strict=False))
    return replace(spot, box=(left, top, right, bottom), seen_s=seen.at_s, score=score, look=kept)


def _look(bgr: Pixels | None, box: NDArray[np.float32]) -> Look:
    """Grey means over a grid on the box; () without a picture, or for a box of a few pixels."""
    if bgr is None:
        return ()
    height_px, width_px = bgr.shape[:2]
    left, top, right, bottom = np.clip(box, 0, 1) * (width_px, height_px, width_px, height_px)
    x = np.linspace(left, right, 2 * LOOK_SIDE + 1)[1::2].astype(int)
    y = np.linspace(top, bottom, 2 * LOOK_SIDE + 1)[1::2].astype(int)
    if right - left < LOOK_SIDE or bottom - top < LOOK_SIDE:
        return ()
    half = max(1, int(min(right - left, bottom - top)) // (2 * LOOK_SIDE))
    grey = np.zeros((LOOK_SIDE, LOOK_SIDE))
    for dy in (-half // 2, 0, half // 2):
        for dx in (-half // 2, 0, half // 2):
            rows, columns = np.clip(y + dy, 0, height_px - 1), np.clip(x + dx, 0, width_px - 1)
            grey += bgr[np.ix_(rows, columns)].mean(axis=2) / 9
    return tuple(int(value) for value in grey.ravel())


def _alike(before: Look, now: Look) -> bool:
    """Whether two looks may be at one vehicle; what cannot be compared, or has no texture, may."""
    if not before or not now:
        return True
    a, b = np.array(before, np.float64), np.array(now, np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return norm < LOOK_SIDE**2 * 4.0 or float(a @ b) / norm >= SAME_LOOK


RULE = Rule(KIND, State.from_json, step, check)
