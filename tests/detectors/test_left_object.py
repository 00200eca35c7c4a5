import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from detectors.left_object import RULE
from detectors.new_things import BELONGS_S, State
from detectors.rule import Observation
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane
from models.incident import Phase, Severity, Sighting

HERE = GeoPoint(109.03, 32.68)
CAMERA = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None)
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
YARD = Zone("yard", "Yard", WHOLE, ("dumping",), {"dumping": {"dwell_s": 60.0, "leave_s": 30.0}})
T0 = 1_700_000_000.0
WIDTH, HEIGHT = 192, 144
NAMES = ("person", "car")
BAG = (80, 60, 112, 92)
"""Left, top, right, bottom in pixels."""


def blocks(seed: int, low: int, high: int, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    rough = np.random.default_rng(seed).integers(low, high, (height // 8 + 1, width // 8 + 1, 1), np.uint8)
    return np.repeat(np.repeat(np.repeat(rough, 8, 0), 8, 1), 3, 2)[:height, :width]


GROUND = blocks(1, 90, 130)
NOISE = np.random.default_rng(0).normal(0, 2, (3, HEIGHT, WIDTH, 3)).astype(np.int16)


def bag(picture: Pixels, box: tuple[int, int, int, int] = BAG, seed: int = 7) -> Pixels:
    left, top, right, bottom = box
    picture[top:bottom, left:right] = blocks(seed, 10, 250, bottom - top, right - left)
    return picture


def bodies(*boxes: tuple[float, float, float, float], label: int = 0) -> Detections:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(boxes), 0.6, np.float32), np.full(len(boxes), label, np.int32), NAMES)


Paint = Callable[[Pixels, float], Detections | None]


def run(
    paint: Paint, end_s: float = 240.0, state: State | None = None, of: Zone = YARD, ground: GroundPlane | None = None
) -> tuple[State, list[Sighting], list[str]]:
    """A look every 4 s under noise; ``paint`` draws on the bare ground and says who is there."""
    said, reasons = list[Sighting](), list[str]()
    state = state or State()
    for at_s in np.arange(0 if state.at_s is None else state.at_s - T0 + 4, end_s, 4.0):
        picture = GROUND.copy()
        found = paint(picture, float(at_s)) or bodies()
        noisy = np.clip(picture + NOISE[int(at_s) // 4 % len(NOISE)], 0, 255).astype(np.uint8)
        seen = Observation(CAMERA, of, T0 + float(at_s), found, WIDTH, HEIGHT, ground, "tiny@1", noisy)
        step = RULE.step(RULE.restore(json.loads(json.dumps(state.to_json()))), seen)
        state, reasons = step.state, [*reasons, *step.reasons]
        said.extend(step.sightings)
    return state, said, reasons


def phases(said: Iterable[Sighting]) -> list[tuple[Phase, float]]:
    return [(item.phase, item.at_s - T0) for item in said]


def bag_at(begin_s: float, end_s: float) -> Paint:
    def paint(picture: Pixels, at_s: float) -> None:
        if begin_s <= at_s < end_s:
            bag(picture)

    return paint


def test_a_bag_that_is_left_is_told_after_its_dwell_and_clears_when_it_is_carried_off() -> None:
    _, said, reasons = run(bag_at(40, 150), 260)
    assert phases(said) == [
        (Phase.ONSET, 100),
        (Phase.CONTINUING, 160),
        (Phase.CONTINUING, 220),
        (Phase.CLEARED, 240),
    ]
    assert said[0].onset_s == T0 + 40
    assert said[0].measure["things"] == 1
    assert "1 new things have stood for 60 s, allowed are 60 s" in said[0].reason
    assert "still being learned" in reasons[0]
    assert any("something new has stood for 20 s of 60 s" in reason for reason in reasons)


def test_what_is_there_when_the_zone_is_first_seen_and_what_is_gone_soon_is_not_told() -> None:
    assert run(bag_at(0, 300), 140)[1] == []
    assert run(bag_at(40, 90), 200)[1] == []


def test_what_was_always_there_and_is_taken_away_is_not_something_new() -> None:
    assert run(bag_at(0, 40), 240)[1] == []


def test_light_that_drifts_falls_or_throws_a_shadow_is_not_a_thing() -> None:
    def cloud(picture: Pixels, at_s: float) -> None:
        picture[:] = np.clip(picture * ((0.5 if at_s > 100 else 1.0) + 0.3 * np.sin(at_s / 40)), 0, 255)

    def shadow(picture: Pixels, at_s: float) -> None:
        if at_s > 40:
            picture[40:110, 60:140] = picture[40:110, 60:140] * 0.55

    assert run(cloud, 200)[1] == []
    assert run(shadow, 160)[1] == []


@pytest.mark.parametrize("label", [0, 1])
def test_who_sits_or_parks_there_and_is_seen_now_and_then_is_no_thing(label: int) -> None:
    """A detector sees them at two looks of three."""

    def sits(picture: Pixels, at_s: float) -> Detections | None:
        if at_s < 40:
            return None
        bag(picture)
        return bodies((78, 58, 114, 94), label=label) if at_s % 6 < 4 else None

    assert run(sits, 240)[1] == []


def test_a_bag_is_attended_while_its_owner_stands_beside_it_and_told_once_it_is_alone() -> None:
    def owner(picture: Pixels, at_s: float) -> Detections | None:
        if at_s < 40:
            return None
        bag(picture)
        return bodies((104, 30, 140, 92)) if at_s < 200 else None

    assert phases(run(owner, 280)[1]) == [(Phase.ONSET, 260)]


def test_a_thing_that_people_walk_past_is_still_told() -> None:
    def busy(picture: Pixels, at_s: float) -> Detections | None:
        if at_s < 40:
            return None
        bag(picture)
        return bodies((70, 40, 125, 100)) if at_s % 20 < 4 else None

    (onset,) = run(busy, 160)[1]
    assert onset.phase is Phase.ONSET
    assert onset.at_s - T0 > 100


def test_a_door_that_opens_and_shuts_is_a_habit_of_the_place() -> None:
    def door(picture: Pixels, at_s: float) -> None:
        if at_s >= 200 or (at_s > 40 and at_s % 60 < 20):
            bag(picture)

    assert run(door, 300)[1] == []
    assert phases(run(bag_at(200, 300), 300)[1])[:1] == [(Phase.ONSET, 260)]


def test_what_stays_for_a_day_belongs_to_the_place() -> None:
    state, said, _ = run(bag_at(40, 1e9), 160)
    assert [item.phase for item in said] == [Phase.ONSET]
    old = tuple(replace(spot, since_s=spot.since_s - BELONGS_S) for spot in state.spots)
    _, said, _ = run(bag_at(40, 1e9), 300, replace(state, spots=old))
    assert [item.phase for item in said] == [Phase.CLEARED]


def test_when_most_of_it_looks_otherwise_nothing_is_said_and_it_is_learned_anew() -> None:
    def night(picture: Pixels, at_s: float) -> None:
        if at_s > 60:
            picture[:] = blocks(3, 10, 240)
            if at_s >= 400:
                bag(picture, seed=9)

    state, said, reasons = run(night, 480)
    assert any("more than 50% of the zone looks otherwise" in reason for reason in reasons)
    assert phases(said) == [(Phase.ONSET, 460)]
    assert state.strange_since_s is None


def test_on_a_calibrated_ground_its_size_is_told_and_a_large_one_is_more_severe() -> None:
    plane = LocalPlane(HERE)
    corners = ((0.0, 0.0, 0.0, 18.0), (1.0, 0.0, 24.0, 18.0), (1.0, 1.0, 24.0, 0.0), (0.0, 1.0, 0.0, 0.0))
    ground = GroundPlane.fit([ControlPoint(x, y, plane.to_geo(e, n)) for x, y, e, n in corners])
    (onset, *_) = run(bag_at(40, 400), 120, ground=ground)[1]
    assert onset.measure["area_m2"] == pytest.approx(16.0, rel=0.25)  # 32 of 192 px are 4 m
    assert onset.severity is Severity.ORANGE
    assert "m² to see" in onset.reason
    assert run(bag_at(40, 400), 120)[1][0].severity is Severity.YELLOW


def test_it_survives_a_restart_and_damage_is_a_fresh_state() -> None:
    state, _, _ = run(bag_at(40, 400), 80)
    assert len(json.dumps(state.to_json())) < 16_000
    again = RULE.restore(json.loads(json.dumps(state.to_json())))
    assert phases(run(bag_at(40, 400), 120, again)[1]) == [(Phase.ONSET, 100)]
    whole = state.to_json()
    for damage in (
        None,
        {"version": 9},
        whole | {"background": {"frame": [0, 0, 1, 1], "learned_s": None, "cells": "AAAA"}},
        whole | {"spots": [{"box": [0]}]},
        whole | {"habits": [[[0, 0, 1, 1], [1, 2], 3]]},
        whole | {"at_s": float("nan")},
    ):
        assert RULE.restore(damage).spots == ()


def test_another_set_up_is_learned_anew() -> None:
    state, _, _ = run(bag_at(40, 400), 80)
    seen = Observation(replace(CAMERA, version=2), YARD, T0 + 84, bodies(), WIDTH, HEIGHT, None, "tiny@1", GROUND)
    step = RULE.step(state, seen)
    assert step.state.spots == ()
    assert "100% of the zone looks is still being learned" in step.reasons[0]


def test_without_a_picture_or_with_levels_that_cannot_be_it_says_so() -> None:
    seen = Observation(CAMERA, YARD, T0, bodies(), WIDTH, HEIGHT, None, "tiny@1", None)
    assert RULE.step(State(), seen).reasons == ("Yard: without the picture nothing can be compared",)
    with pytest.raises(InvalidInput, match="dwell_s must be 30 to 86400 s"):
        RULE.check(replace(YARD, levels={"dumping": {"dwell_s": 1.0}}))
