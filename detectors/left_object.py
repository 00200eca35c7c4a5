"""Left objects and dumping: something new that stands in a zone, and is no person and no vehicle, for its dwell.

What is new, and what is not told of it, is in ``new_things``. Pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from detectors.background import TOO_MUCH
from detectors.counting import OUTSIDE_HOURS, overtaken, place_of
from detectors.course import Stage, Turn, follow
from detectors.new_things import UNKNOWN, Scene, State, fitting, is_habit, looked, scene_of
from detectors.obstruction import SOON_S
from detectors.rule import Observation, Rule, Step, parameters
from detectors.spots import Spot
from models.camera import Zone
from models.incident import Phase, Severity, Sighting, kind_of

KIND = "dumping"
LARGE_M2, MANY = 4.0, 3
"""A lorry's load rather than a bag, or so many things: a level more severe. Our own choice."""


def check(zone: Zone) -> None:
    """Raises InvalidInput where the zone's levels cannot work."""
    parameters(KIND, zone)


def step(state: State, seen: Observation) -> Step[State]:
    """One look further. Raises InvalidInput for levels that cannot work or a time that is no number."""
    late = overtaken(state.at_s, seen)
    if late is not None:
        return Step(state, (), (late,))
    if seen.bgr is None:
        return Step(state, (), (f"{seen.zone.name}: without the picture nothing can be compared",))
    levels, _ = parameters(KIND, seen.zone)
    background = fitting(state, seen)
    scene = scene_of(background, seen, seen.bgr)
    state = looked(state, background, scene, seen, levels["dwell_s"], levels["leave_s"])
    things = [spot for spot in state.spots if not is_habit(state.habits, spot)]
    standing = [spot for spot in things if spot.stood_s >= levels["dwell_s"]]
    here = [spot for spot in standing if spot.seen_s == seen.at_s and not scene.hides(background, spot.box)]
    turn = follow(
        state.course,
        seen.at_s,
        enters=seen.is_watched and bool(standing),
        holds=seen.is_watched and bool(standing),
        dwell_s=0.0,  # the spots have stood for it
        leave_s=0.0,  # a spot is kept for it
        is_shown=bool(here),
    )
    unknown = float((scene.zone & ~scene.hidden & ~background.known).sum() / max(scene.zone.sum(), 1))
    waits_s = min((levels["dwell_s"] - spot.stood_s for spot in things if spot not in standing), default=math.inf)
    is_due = waits_s <= SOON_S if turn.course.onset_s is None else not here
    why = _why(turn, things, standing, levels, scene, unknown) if seen.is_watched else OUTSIDE_HOURS
    said = f"{seen.zone.name}: {why}"
    state = replace(state, course=turn.course, is_due=is_due or unknown > UNKNOWN)
    if turn.phase is None:
        return Step(state, (), (said,))
    sighting = _sighting(seen, turn, turn.phase, standing, said, levels["dwell_s"])
    return Step(state, (sighting,), (sighting.reason,))


def _why(
    turn: Turn,
    things: Sequence[Spot],
    standing: Sequence[Spot],
    levels: Mapping[str, float],
    scene: Scene,
    unknown: float,
) -> str:
    if scene.is_strange:
        return f"more than {TOO_MUCH:.0%} of the zone looks otherwise than it did: nothing can be compared"
    if standing:
        longest_s = max(spot.stood_s for spot in standing)
        return f"{len(standing)} new things have stood for {longest_s:.0f} s, allowed are {levels['dwell_s']:g} s"
    if turn.stage is Stage.CLEARED:
        return f"nothing new has stood there for {levels['leave_s']:g} s"
    if unknown > UNKNOWN:
        return f"how {unknown:.0%} of the zone looks is still being learned"
    if not things:
        watched = float((scene.zone & ~scene.hidden).sum() / max(scene.zone.sum(), 1))
        return f"nothing new stands in the {watched:.0%} of the zone that nobody hides"
    longest_s = max(spot.stood_s for spot in things)
    return f"something new has stood for {longest_s:.0f} s of {levels['dwell_s']:g} s"


def _sighting(
    seen: Observation, turn: Turn, phase: Phase, standing: Sequence[Spot], said: str, dwell_s: float
) -> Sighting:
    longest = max(standing, key=lambda spot: spot.stood_s, default=None)
    x, y = np.mean(seen.zone.polygon, axis=0)
    if longest is not None:
        x, y = (longest.box[0] + longest.box[2]) / 2, longest.box[3]
    place, accuracy_m, where = place_of(seen, float(x), float(y))
    area_m2 = _area_m2(seen, standing)
    size = "" if area_m2 is None else f", about {area_m2:.1f} m² to see"
    return Sighting(
        kind=KIND,
        phase=phase,
        zone_id=seen.zone.id,
        severity=_severity(len(standing), area_m2),
        confidence=longest.score if longest else 0.5,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=longest.since_s if longest and phase is Phase.ONSET else turn.onset_s,
        at_s=seen.at_s,
        measure={
            "things": len(standing),
            "stood_s": round(longest.stood_s, 1) if longest else 0.0,
            "area_m2": area_m2,
            "threshold": dwell_s,
            "unit": "s",
        },
        reason=said + size + where,
        model=seen.model,
    )


def _severity(things: int, area_m2: float | None) -> Severity:
    severity = kind_of(KIND).severity
    return severity.worse if things >= MANY or (area_m2 is not None and area_m2 >= LARGE_M2) else severity


def _area_m2(seen: Observation, standing: Sequence[Spot]) -> float | None:
    """Of the sides that are turned to the camera: each thing as wide as its lower edge lies on the ground, and upright.
    None where the ground is not known."""
    if seen.ground is None or not standing:
        return None
    lower = np.array([[(box[0], box[3]), (box[2], box[3])] for box in (spot.box for spot in standing)])
    ground_m = seen.ground.ground_m(lower.reshape(-1, 2)).reshape(-1, 2, 2)
    width_m = np.hypot(*(ground_m[:, 1] - ground_m[:, 0]).T)
    shape = [(b[3] - b[1]) * seen.height_px / ((b[2] - b[0]) * seen.width_px) for b in (s.box for s in standing)]
    area_m2 = float((width_m**2 * shape).sum())
    return round(area_m2, 2) if math.isfinite(area_m2) else None


RULE = Rule(KIND, State.from_json, step, check)
