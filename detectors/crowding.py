"""Crowding: more people in a zone than its level, for longer than its dwell.

What hurts people is density, so on a calibrated ground the level is in persons per m² of the zone; elsewhere it is a
count, and says so. Pure: time is the frame clock's.
"""

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.rule import Observation, Step, parameters
from models.camera import Zone
from models.errors import InvalidInput
from models.geo import GeoPoint, inside
from models.incident import Phase, Severity, Sighting, kind_of

KIND = "crowding"
VERSION = 1
PERSONS = frozenset({"person"})
MIN_SCORE = 0.35
"""Lowest score of a box that counts as a person: on counted CCTV frames NanoDet-g counts least wrong near here; lower
thresholds count background, and the right one differs from camera to camera."""
SMOOTH_S = 5.0
"""The level is compared with the median of this many seconds, and of at least three looks, so that one look which
misses everybody, or doubles them, changes nothing."""
MIN_SAMPLES, MAX_SAMPLES = 3, 25
GAP_S = 30.0
"""Longer without a look, and what was before says nothing about now."""
CONTINUING_S = 60.0
MIN_AREA_M2 = 1.0
"""Below this a zone holds one person or none, and density means nothing."""
UNCALIBRATED_ACCURACY_M = 50.0
"""How far a crowd may be from its camera when nothing but the camera's own place is known."""
DANGER_PER_M2, CONSTRAINED_PER_M2 = 4.0, 2.0
"""J. J. Fruin, Pedestrian Planning and Design (1971); G. K. Still, Introduction to Crowd Science (2014): movement is
constrained from about 2 persons per m² and crowds become dangerous from about 4 to 5."""


@dataclass(frozen=True)
class State:
    """Times are Unix seconds of the frame clock. ``samples`` are (time, persons), the oldest first.

    ``held_since_s``: the enter level has been held since then. ``onset_s``: an alert is on, its condition began then.
    ``below_since_s``: an alert is on, and the level has been below leave since then. ``said_s``: the last sighting.
    """

    at_s: float | None = None
    samples: tuple[tuple[float, int], ...] = ()
    held_since_s: float | None = None
    onset_s: float | None = None
    below_since_s: float | None = None
    said_s: float | None = None

    @property
    def is_running(self) -> bool:
        """A dwell has begun, or an alert is on."""
        return self.held_since_s is not None or self.onset_s is not None

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION} | vars(self) | {"samples": [list(sample) for sample in self.samples]}

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        fresh = cls()
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return fresh
        try:
            return cls(
                samples=tuple((_finite(at_s), int(persons)) for at_s, persons in data["samples"][-MAX_SAMPLES:]),
                **{
                    name: None if data[name] is None else _finite(data[name])
                    for name in ("at_s", "held_since_s", "onset_s", "below_since_s", "said_s")
                },
            )
        except (KeyError, TypeError, ValueError):
            return fresh


@dataclass(frozen=True)
class _Level:
    """What is compared with what: persons per m² where ``area_m2`` is known, else persons."""

    enter: float
    leave: float
    dwell_s: float
    leave_s: float
    area_m2: float | None

    @property
    def unit(self) -> str:
        return "persons" if self.area_m2 is None else "persons/m²"

    def value(self, persons: float) -> float:
        return persons if self.area_m2 is None else persons / self.area_m2


@dataclass(frozen=True, eq=False)
class _Now:
    """This look, measured: ``persons`` is smoothed, ``feet`` (n, 2) and ``scores`` (n,) are of this picture alone."""

    seen: Observation
    level: _Level
    persons: float
    feet: NDArray[np.float64]
    scores: NDArray[np.float32]

    @property
    def value(self) -> float:
        return self.level.value(self.persons)


def check(zone: Zone) -> None:
    """Raises InvalidInput where the zone's levels cannot work, calibrated or not."""
    _level(zone, None)
    _level(zone, MIN_AREA_M2)


def step(state: State, seen: Observation) -> Step[State]:
    """One look further. Raises InvalidInput for levels that cannot work or a time that is no number."""
    if not math.isfinite(seen.at_s):
        raise InvalidInput(f"zone {seen.zone.id}: the frame's time is no number")
    if state.at_s is not None and seen.at_s <= state.at_s:
        late_s = state.at_s - seen.at_s
        return Step(state, (), (f"{seen.zone.name}: the picture is {late_s:.1f} s older than the last; not counted",))
    area_m2, notes = _area(seen)
    level = _level(seen.zone, area_m2)
    if state.at_s is not None and seen.at_s - state.at_s > GAP_S:
        notes += (f"{seen.zone.name}: nothing was seen for {seen.at_s - state.at_s:.0f} s; dwell starts again",)
        state = replace(state, samples=(), held_since_s=None, below_since_s=None)
    feet, scores = _people(seen)
    state = replace(state, at_s=seen.at_s, samples=_window(state.samples, seen.at_s, len(scores)))
    now = _Now(seen, level, float(median(persons for _, persons in state.samples)), feet, scores)
    decided = _while_off(state, now) if state.onset_s is None else _while_on(state, state.onset_s, now)
    return replace(decided, reasons=notes + decided.reasons)


def _while_off(state: State, now: _Now) -> Step[State]:
    at_s, level = now.seen.at_s, now.level
    if now.value < level.enter:
        return Step(replace(state, held_since_s=None), (), (_sentence(now, f"below {level.enter:g}, where it begins"),))
    since_s = at_s if state.held_since_s is None else state.held_since_s
    held = f"at or over {level.enter:g} for {at_s - since_s:.1f} s of {level.dwell_s:g} s"
    if at_s - since_s < level.dwell_s:
        return Step(replace(state, held_since_s=since_s), (), (_sentence(now, held),))
    if level.value(len(now.scores)) < level.enter:
        # The median lags; and the picture that goes with an alert must show what the alert says.
        held += f", but {len(now.scores)} persons in this picture"
        return Step(replace(state, held_since_s=since_s), (), (_sentence(now, held),))
    state = replace(state, held_since_s=None, onset_s=since_s, said_s=at_s)
    return _said(state, now, Phase.ONSET, since_s, level.enter, held)


def _while_on(state: State, onset_s: float, now: _Now) -> Step[State]:
    at_s, level = now.seen.at_s, now.level
    if now.value < level.leave:
        since_s = at_s if state.below_since_s is None else state.below_since_s
        below = f"below {level.leave:g} for {at_s - since_s:.1f} s of {level.leave_s:g} s"
        if at_s - since_s < level.leave_s:
            return Step(replace(state, below_since_s=since_s), (), (_sentence(now, below),))
        state = replace(state, onset_s=None, below_since_s=None, said_s=None)
        return _said(state, now, Phase.CLEARED, onset_s, level.leave, below)
    state = replace(state, below_since_s=None)
    lasting = f"crowded for {at_s - onset_s:.0f} s, not below {level.leave:g}"
    if state.said_s is not None and at_s - state.said_s < CONTINUING_S:
        return Step(state, (), (_sentence(now, lasting),))
    return _said(replace(state, said_s=at_s), now, Phase.CONTINUING, onset_s, level.enter, lasting)


def _said(state: State, now: _Now, phase: Phase, onset_s: float, threshold: float, why: str) -> Step[State]:
    place, accuracy_m, where = _place(now)
    reason = _sentence(now, why) + where
    area_m2 = now.level.area_m2
    sighting = Sighting(
        kind=KIND,
        phase=phase,
        zone_id=now.seen.zone.id,
        severity=_severity(now),
        # Of an empty place: a person would have had to score below the level that counts.
        confidence=float(now.scores.mean()) if len(now.scores) else 1 - MIN_SCORE,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=onset_s,
        at_s=now.seen.at_s,
        measure={
            "persons": now.persons,
            "area_m2": None if area_m2 is None else round(area_m2, 1),
            "density_per_m2": None if area_m2 is None else round(now.persons / area_m2, 4),
            "threshold": threshold,
            "unit": now.level.unit,
            "calibrated": area_m2 is not None,
        },
        reason=reason,
        model=now.seen.model,
    )
    return Step(state, (sighting,), (reason,))


def _severity(now: _Now) -> Severity:
    if now.level.area_m2 is None:
        return kind_of(KIND).severity
    if now.value >= DANGER_PER_M2:
        return Severity.RED
    return Severity.ORANGE if now.value >= CONSTRAINED_PER_M2 else Severity.YELLOW


def _place(now: _Now) -> tuple[GeoPoint, float, str]:
    """The middle of the people's feet on the ground (of the zone, when this look saw nobody), and how far it is off."""
    middle = now.feet.mean(axis=0) if len(now.feet) else np.mean(now.seen.zone.polygon, axis=0)
    if now.seen.ground is not None:
        try:
            found = now.seen.ground.locate(float(middle[0]), float(middle[1]), now.seen.height_px)
        except InvalidInput:
            pass
        else:
            return found.place, found.accuracy_m, ""
    return now.seen.camera.place, UNCALIBRATED_ACCURACY_M, "; the place is the camera's own, the ground is not known"


def _sentence(now: _Now, why: str) -> str:
    name, persons, area_m2 = now.seen.zone.name, now.persons, now.level.area_m2
    if area_m2 is None:
        return f"{name}: {persons:g} persons (counted, not calibrated), {why}"
    return f"{name}: {persons:g} persons on {area_m2:.0f} m², {now.value:.3g} per m², {why}"


def _people(seen: Observation) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Feet (n, 2) as picture fractions and scores (n,) of the people who stand in the zone."""
    persons = seen.detections.of(PERSONS, MIN_SCORE)
    feet = persons.feet_px / (seen.width_px, seen.height_px)
    # A box that the lower edge of the picture cuts ends on the edge itself, which the polygon's rule leaves out.
    within = inside(seen.zone.polygon, np.minimum(feet, 1 - 1e-6))
    return feet[within], persons.scores[within]


def _window(samples: tuple[tuple[float, int], ...], at_s: float, persons: int) -> tuple[tuple[float, int], ...]:
    samples = (*samples, (at_s, persons))
    recent = tuple(sample for sample in samples if sample[0] > at_s - SMOOTH_S)
    return (samples[-MIN_SAMPLES:] if len(recent) < MIN_SAMPLES else recent)[-MAX_SAMPLES:]


def _area(seen: Observation) -> tuple[float | None, tuple[str, ...]]:
    """The zone's area, None where it is not known, and a sentence where that surprises."""
    if seen.ground is None:
        return None, ()
    try:
        area_m2 = seen.ground.area_m2(seen.zone.polygon)
    except InvalidInput as error:
        return None, (f"{seen.zone.name}: no density, people are counted: {error}",)
    if area_m2 < MIN_AREA_M2:
        return None, (f"{seen.zone.name}: no density on {area_m2:.2g} m², people are counted",)
    return area_m2, ()


def _level(zone: Zone, area_m2: float | None) -> _Level:
    values, own = parameters(KIND, zone)
    what = "persons" if area_m2 is None else "density_per_m2"
    enter, leave = values[f"enter_{what}"], values[f"leave_{what}"]
    if f"enter_{what}" in own and f"leave_{what}" not in own:
        # Whoever sets only where it begins means it to end in proportion, not at another place's level.
        defaults = kind_of(KIND).parameters
        leave = enter * defaults[f"leave_{what}"].default / defaults[f"enter_{what}"].default
    if leave >= enter:
        raise InvalidInput(f"zone {zone.id}: leave_{what} {leave:g} must be below enter_{what} {enter:g}")
    return _Level(enter, leave, values["dwell_s"], values["leave_s"], area_m2)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number
