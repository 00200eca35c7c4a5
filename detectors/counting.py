"""How many of something stand in a zone: counted look by look, smoothed over seconds. Shared by rules; pure."""

import math
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.course import GAP_S, Course, finite, time_or_none
from detectors.rule import Observation
from models.detections import Detections
from models.errors import InvalidInput
from models.geo import GeoPoint, inside

VERSION = 1
MIN_SCORE = 0.35
"""Lowest score of a box that counts: on counted CCTV frames NanoDet-g counts people least wrong near here; lower
thresholds count background, and the right one differs from camera to camera."""
SMOOTH_S = 5.0
"""The count is the median of this many seconds, and of at least three looks, so that one look which misses everybody,
or doubles them, changes nothing."""
MIN_SAMPLES, MAX_SAMPLES = 3, 25
UNCALIBRATED_ACCURACY_M = 50.0
"""How far something may be from its camera when nothing but the camera's own place is known."""

OUTSIDE_HOURS = "outside the zone's hours"


@dataclass(frozen=True)
class State:
    """``at_s``: Unix seconds of the last look, frame clock. ``samples`` are (time, count), the oldest first."""

    at_s: float | None = None
    samples: tuple[tuple[float, float], ...] = ()
    course: Course = field(default_factory=Course)

    @property
    def is_running(self) -> bool:
        return self.course.is_running

    def to_json(self) -> dict[str, Any]:
        samples = [list(sample) for sample in self.samples]
        return {"version": VERSION, "at_s": self.at_s, "samples": samples, **vars(self.course)}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            samples = tuple((finite(at_s), finite(count)) for at_s, count in data["samples"][-MAX_SAMPLES:])
            return cls(time_or_none(data["at_s"]), samples, Course.from_json(data))
        except (KeyError, TypeError, ValueError):
            return cls()


S = TypeVar("S", bound=State)


@dataclass(frozen=True, eq=False)
class Counted:
    """``count`` is smoothed; ``here``, the count, ``feet`` (n, 2), picture fractions, and ``scores`` (n,) of those who
    are surely seen are of this picture alone."""

    seen: Observation
    count: float
    here: float
    feet: NDArray[np.float64]
    scores: NDArray[np.float32]

    @property
    def confidence(self) -> float:
        """Mean score; of an empty place: something would have had to score below the level that counts."""
        return float(self.scores.mean()) if len(self.scores) else 1 - MIN_SCORE

    def place(self) -> tuple[GeoPoint, float, str]:
        """The middle of the feet on the ground (of the zone, when this look saw none), how far it is off in metres,
        and a sentence where it is only the camera's own."""
        middle = self.feet.mean(axis=0) if len(self.feet) else np.mean(self.seen.zone.polygon, axis=0)
        return place_of(self.seen, float(middle[0]), float(middle[1]))


def place_of(seen: Observation, x: float, y: float) -> tuple[GeoPoint, float, str]:
    """As ``Counted.place``, for a point of the picture in fractions."""
    if seen.ground is not None:
        try:
            found = seen.ground.locate(x, y, seen.height_px)
        except InvalidInput:
            pass
        else:
            return found.place, found.accuracy_m, ""
    return seen.camera.place, UNCALIBRATED_ACCURACY_M, "; the place is the camera's own, the ground is not known"


def overtaken(last_s: float | None, seen: Observation) -> str | None:
    """Why this picture does not count, if it is not newer than the last. Raises InvalidInput: its time is no number."""
    if not math.isfinite(seen.at_s):
        raise InvalidInput(f"zone {seen.zone.id}: the frame's time is no number")
    if last_s is None or seen.at_s > last_s:
        return None
    return f"{seen.zone.name}: the picture is {last_s - seen.at_s:.1f} s older than the last; not counted"


def gap(last_s: float | None, seen: Observation) -> tuple[str, ...]:
    """A sentence if nothing was seen for so long that what was before says nothing about now."""
    if last_s is None or (seen.at_s - last_s <= GAP_S and not seen.was_away(last_s)):
        return ()
    return (f"{seen.zone.name}: nothing was seen for {seen.at_s - last_s:.0f} s; dwell starts again",)


def count(
    state: S, seen: Observation, names: frozenset[str], here: float | None = None
) -> tuple[S, Counted, tuple[str, ...]]:
    """Those of ``names`` whose feet are in the zone, or ``here``, where something else counts better than boxes.

    The state has the look in it, its course still to be followed.
    """
    notes = gap(state.at_s, seen)
    if notes:
        state = replace(state, samples=(), course=state.course.after_gap())
    feet, scores = standing(seen, seen.detections.of(names, MIN_SCORE))
    if here is None:
        here = float(len(scores))
    state = replace(state, at_s=seen.at_s, samples=_window(state.samples, seen.at_s, here))
    return state, Counted(seen, float(median(n for _, n in state.samples)), here, feet, scores), notes


def standing(seen: Observation, found: Detections) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Feet (n, 2) as picture fractions and scores (n,) of those of ``found`` that stand in the zone."""
    feet = found.feet_px / (seen.width_px, seen.height_px)
    within = in_zone(seen, feet)
    return feet[within], found.scores[within]


def in_zone(seen: Observation, feet: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of (n, 2) picture fractions lie in the zone."""
    # A box that the lower edge of the picture cuts ends on the edge itself, which the polygon's rule leaves out.
    return inside(seen.zone.polygon, np.minimum(feet, 1 - 1e-6))


def _window(samples: tuple[tuple[float, float], ...], at_s: float, found: float) -> tuple[tuple[float, float], ...]:
    samples = (*samples, (at_s, found))
    recent = tuple(sample for sample in samples if sample[0] > at_s - SMOOTH_S)
    return (samples[-MIN_SAMPLES:] if len(recent) < MIN_SAMPLES else recent)[-MAX_SAMPLES:]
