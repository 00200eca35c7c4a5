"""Crowding: more people in a zone than its level, for longer than its dwell.

What hurts people is density, so on a calibrated ground the level is in persons per m² of the zone; elsewhere it is a
count. How they were counted is said with it; a zone too dense to be counted is crowded. Pure: time is the frame
clock's.
"""

from dataclasses import dataclass, replace

from detectors.counting import OUTSIDE_HOURS, overtaken
from detectors.course import Stage, Turn, follow
from detectors.headcount import Headcount, State, heads
from detectors.rule import Observation, Rule, Step, parameters
from models.camera import Zone
from models.errors import InvalidInput
from models.incident import Phase, Severity, Sighting, kind_of

KIND = "crowding"
MIN_AREA_M2 = 1.0
"""Below this a zone holds one person or none, and density means nothing."""
DANGER_PER_M2, CONSTRAINED_PER_M2 = 4.0, 2.0
"""J. J. Fruin, Pedestrian Planning and Design (1971); G. K. Still, Introduction to Crowd Science (2014): movement is
constrained from about 2 persons per m² and crowds become dangerous from about 4 to 5."""


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


def check(zone: Zone) -> None:
    """Raises InvalidInput where the zone's levels cannot work, calibrated or not."""
    _level(zone, None)
    _level(zone, MIN_AREA_M2)


def step(state: State, seen: Observation) -> Step[State]:
    """One look further. Raises InvalidInput for levels that cannot work or a time that is no number."""
    late = overtaken(state.at_s, seen)
    if late is not None:
        return Step(state, (), (late,))
    area_m2, notes = _area(seen)
    level = _level(seen.zone, area_m2)
    state, now, gaps = heads(state, seen)
    value, is_dense = level.value(now.persons), now.at_least is not None
    turn = follow(
        state.course,
        seen.at_s,
        enters=seen.is_watched and (is_dense or value >= level.enter),
        holds=seen.is_watched and (is_dense or value >= level.leave),
        dwell_s=level.dwell_s,
        leave_s=level.leave_s if seen.is_watched else 0.0,
        is_shown=is_dense or level.value(now.here) >= level.enter,  # the median lags
    )
    why = _why(turn, level, now, seen.at_s) if seen.is_watched else OUTSIDE_HOURS
    said = _sentence(now, level, why)
    state = replace(state, course=turn.course)
    if turn.phase is None:
        return Step(state, (), (*notes, *gaps, said))
    sighting = _sighting(now, level, turn, turn.phase, said)
    return Step(state, (sighting,), (*notes, *gaps, sighting.reason))


def _why(turn: Turn, level: _Level, now: Headcount, at_s: float) -> str:
    lasted_s = at_s - turn.since_s
    if turn.stage is Stage.QUIET:
        return f"below {level.enter:g}, where it begins"
    if turn.stage in (Stage.LEAVING, Stage.CLEARED):
        return f"below {level.leave:g} for {lasted_s:.1f} s of {level.leave_s:g} s"
    is_dense = now.at_least is not None
    if turn.stage in (Stage.LASTING, Stage.CONTINUING):
        return f"crowded for {lasted_s:.0f} s" + ("" if is_dense else f", not below {level.leave:g}")
    over = "crowded" if is_dense else f"at or over {level.enter:g}"
    waits = turn.stage is Stage.DWELLING and lasted_s >= level.dwell_s
    here = f", but {now.here:g} persons in this picture" if waits else ""
    return f"{over} for {lasted_s:.1f} s of {level.dwell_s:g} s{here}"


def _sighting(now: Headcount, level: _Level, turn: Turn, phase: Phase, said: str) -> Sighting:
    counted, area_m2 = now.counted, level.area_m2
    place, accuracy_m, where = counted.place()
    return Sighting(
        kind=KIND,
        phase=phase,
        zone_id=counted.seen.zone.id,
        severity=_severity(level, now),
        confidence=counted.confidence,
        place=place,
        accuracy_m=accuracy_m,
        onset_s=turn.onset_s,
        at_s=counted.seen.at_s,
        measure={
            "persons": round(now.persons, 1),
            "counted_by": now.basis,
            "at_least": now.at_least is not None,
            "area_m2": None if area_m2 is None else round(area_m2, 1),
            "density_per_m2": None if area_m2 is None else round(now.persons / area_m2, 4),
            "threshold": level.leave if phase is Phase.CLEARED else level.enter,
            "unit": level.unit,
            "calibrated": area_m2 is not None,
        },
        reason=said + where,
        model=counted.seen.model,
    )


def _severity(level: _Level, now: Headcount) -> Severity:
    """What is too dense to be counted is never less than constrained."""
    if level.area_m2 is None:
        return kind_of(KIND).severity
    value = level.value(now.persons)
    if value >= DANGER_PER_M2:
        return Severity.RED
    return Severity.ORANGE if value >= CONSTRAINED_PER_M2 or now.at_least is not None else Severity.YELLOW


def _sentence(now: Headcount, level: _Level, why: str) -> str:
    zone, area_m2 = now.counted.seen.zone, level.area_m2
    said = f"{now.persons:.4g} persons ({now.how})"
    if now.at_least is not None:
        said = f"too dense for this model, at least {now.persons:.4g} persons"
    if area_m2 is not None:
        said += f" on {area_m2:.0f} m², {level.value(now.persons):.3g} per m²"
    return f"{zone.name}: {said}, {why}"


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


RULE = Rule(KIND, State.from_json, step, check)
