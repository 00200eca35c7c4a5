"""How many persons stand in a zone, how that is known, and whether it can be known at all. Pure.

A crowd counter's density map counts where one is loaded; else the camera's own calibration (``wangge calibrate``) says
how many persons each box stands for; else boxes are counted as they are, which is wrong by a factor that nobody knows.
A crowd in which many more persons appear when one looks closer cannot be counted by boxes: the model then says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from detectors import counting
from detectors.counting import MIN_SCORE, Counted, count, standing
from detectors.course import finite
from detectors.rule import Observation
from models.detections import Detections

PERSONS = frozenset({"person"})
CLOSER_FROM, CLOSER_S = 10, 10.0
"""From so many persons on, a picture is looked at twice as close every so many seconds: looking once, NanoDet-g finds
12 to 28 persons in streets of 15 to 513 (ShanghaiTech B), whatever their number."""
DENSE_RATIO, DENSE_PERSONS = 1.55, 28
"""Too dense to be counted: a closer look finds so many times the persons, and so many at least. Chosen on 20 stills of
ShanghaiTech B and 100 frames of Mall (``wangge bench crowd``): so it is for all of 48 persons and more, and for one in
a hundred of 41 and fewer. From 1.5 on one of 38 is among them, from 1.6 on those of 57 and 92 are not."""
DENSE_TIMES = 2
"""So many closer looks in a row must say so."""


@dataclass(frozen=True)
class State(counting.State):
    """``dense_times``: how many closer looks in a row found the zone too dense to count. Of the last of them:
    ``dense_s``, Unix seconds, and ``dense_persons``, how many it found."""

    dense_times: int = 0
    dense_s: float = 0.0
    dense_persons: float = 0.0

    def is_dense(self, at_s: float) -> bool:
        return self.dense_times >= DENSE_TIMES and at_s - self.dense_s <= 3 * CLOSER_S

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"dense": [self.dense_times, self.dense_s, self.dense_persons]}

    @classmethod
    def from_json(cls, data: object) -> Self:
        state = super().from_json(data)
        try:
            told = data["dense"] if isinstance(data, Mapping) else (0, 0, 0)
            times, at_s, persons = (finite(value) for value in told)
        except (KeyError, TypeError, ValueError):
            return state
        return replace(state, dense_times=int(times), dense_s=at_s, dense_persons=persons)


@dataclass(frozen=True, eq=False)
class Headcount:
    """``counted``: smoothed and of this picture. ``basis``: "boxes", "calibration" or "density map"; ``how``: the same
    for people. ``at_least``: None, or how many there are at least in a zone that is too dense to be counted."""

    counted: Counted
    basis: str
    how: str
    at_least: float | None

    @property
    def persons(self) -> float:
        """Smoothed over seconds."""
        return self.counted.count if self.at_least is None else max(self.counted.count, self.at_least)

    @property
    def here(self) -> float:
        """In this picture, as far as it goes."""
        return self.counted.here if self.at_least is None else max(self.counted.here, self.at_least)


def needs_closer(detections: Detections, at_s: float, closer_s: float | None) -> bool:
    """Whether a picture is to be looked at closer; ``closer_s``: when one was last, Unix seconds."""
    is_due = closer_s is None or not 0 <= at_s - closer_s < CLOSER_S
    return is_due and len(detections.of(PERSONS, MIN_SCORE)) >= CLOSER_FROM


def heads(state: State, seen: Observation) -> tuple[State, Headcount, tuple[str, ...]]:
    """Those who stand in the zone. The state has the look in it, its course still to be followed."""
    here, basis, how = _here(seen)
    state, counted, notes = count(state, seen, PERSONS, here)
    if seen.closer is not None:
        state = _looked_closer(state, seen, seen.closer, len(counted.scores))
    at_least = state.dense_persons if basis != "density map" and state.is_dense(seen.at_s) else None
    return state, Headcount(counted, basis, how, at_least), notes


def _here(seen: Observation) -> tuple[float | None, str, str]:
    """Persons in this picture, None where boxes are counted as they are; basis and words."""
    if seen.density is not None:
        return seen.density.within(seen.zone.polygon), "density map", f"by {seen.density.model}"
    fitted = None if seen.zone.preset else seen.camera.vision.counting
    if fitted is None:
        return None, "boxes", "uncalibrated count"
    if fitted.model != seen.model:
        return None, "boxes", f"uncalibrated count: it was calibrated for {fitted.model}"
    _, scores = standing(seen, seen.detections.of(PERSONS, fitted.lowest_score))
    persons = round(float(np.sum(fitted.weigh(scores))), 1)
    return persons, "calibration", f"calibrated on {fitted.frames} frames to ±{fitted.mae_persons:.1f}"


def _looked_closer(state: State, seen: Observation, closer: Detections, found: int) -> State:
    again = len(standing(seen, closer.of(PERSONS, MIN_SCORE))[1])
    if again < max(DENSE_PERSONS, DENSE_RATIO * found):
        return replace(state, dense_times=0)
    times = min(state.dense_times + 1, DENSE_TIMES)
    return replace(state, dense_times=times, dense_s=seen.at_s, dense_persons=float(again))
