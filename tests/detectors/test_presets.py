"""A camera that pans: at which of its presets it stands, told from crops of one made scene."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import health
from detectors.health import Picture
from detectors.presets import FRESH_S, HOME, LEARN_S, LIGHTS, State, step
from models.camera import CameraPoint, SourceUrl
from models.geo import GeoPoint
from models.presets import Preset, confirmed
from models.vision import Vision

T0 = 1_700_000_000.0
TOKENS = ("gate", "yard")
_CHANCE = np.random.default_rng(7)


def _world() -> NDArray[np.uint8]:
    """Walls, doors, lanes: three views side by side, each of its own."""
    picture = np.full((90, 640), 120, np.uint8)
    for _ in range(90):
        x, y = int(_CHANCE.integers(0, 640)), int(_CHANCE.integers(0, 90))
        size = (int(_CHANCE.integers(6, 40)), int(_CHANCE.integers(4, 30)))
        cv2.rectangle(picture, (x, y), (x + size[0], y + size[1]), int(_CHANCE.integers(20, 240)), -1)
    return picture


WORLD = _world()
LEFT = {HOME: 0, "gate": 200, "yard": 440}
BETWEEN = 100


def look(left: int, at_s: float, light: float = 1.0) -> tuple[float, NDArray[np.uint8]]:
    noise = np.random.default_rng(round(at_s)).normal(0, 2, (90, 160))
    return at_s, np.clip(WORLD[:, left : left + 160] * light + noise, 0, 255).astype(np.uint8)


def camera(**confirmed_s: float) -> CameraPoint:
    presets = tuple(Preset(token, token, confirmed_s.get(token)) for token in TOKENS)
    source = SourceUrl.parse("rtsp://camera/1")
    return CameraPoint(
        "c", "c", "C", GeoPoint(109, 32), source, "test", None, vision=Vision(view=1, ptz=True, presets=presets)
    )


def taught() -> tuple[CameraPoint, State]:
    """A camera that was shown its home view, then each preset."""
    point, state = camera(), step(State(), camera(), *look(LEFT[HOME], T0))
    for number, token in enumerate(TOKENS, 1):
        at_s = T0 + 100.0 * number
        state = step(state, point, *look(BETWEEN, at_s - 50))
        point = replace(point, vision=replace(point.vision, presets=confirmed(point.vision.presets, token, at_s - 1)))
        state = step(state, point, *look(LEFT[token], at_s))
    return point, state


def test_each_view_is_recognised_again_with_the_second_look_that_agrees() -> None:
    point, state = taught()
    assert state.known.keys() == {HOME, *TOKENS}
    assert state.at == "yard"
    at_s = T0 + 300
    for token in (HOME, "gate", "yard", "gate"):
        state = step(state, point, *look(BETWEEN, at_s))
        assert state.at is None, "it leaves at once"
        assert "none that was confirmed" in state.said
        state = step(state, point, *look(LEFT[token], at_s + 2))
        assert state.at is None, "one look is not enough"
        state = step(state, point, *look(LEFT[token], at_s + 4))
        assert (state.at, state.arrived_s) == (token, at_s + 4)
        assert "likeness" in state.said
        state = step(state, point, *look(LEFT[token], at_s + 6))
        assert (state.at, state.arrived_s) == (token, at_s + 4)
        at_s += 20


def test_from_one_preset_straight_to_another_there_is_no_moment_at_which_both_hold() -> None:
    point, state = taught()
    seen = []
    for number, token in enumerate(("yard", "gate", "gate", HOME, HOME)):
        state = step(state, point, *look(LEFT[token], T0 + 300 + 2 * number))
        seen.append(state.at)
    assert seen == ["yard", None, "gate", None, HOME]


def test_a_view_in_weaker_light_is_still_that_view() -> None:
    point, state = taught()
    for at_s in (T0 + 300, T0 + 302):
        state = step(state, point, *look(LEFT["gate"], at_s, light=0.45))
    assert state.at == "gate"


def test_a_word_that_no_picture_followed_in_time_teaches_nothing() -> None:
    point = camera(gate=T0)
    state = step(State(), point, *look(LEFT["gate"], T0 + FRESH_S + 1))
    assert "gate" not in state.known
    assert "gate" in step(State(), point, *look(LEFT["gate"], T0 + FRESH_S - 1)).known


def test_a_preset_that_is_taken_away_or_confirmed_anew_is_no_longer_known_as_it_was() -> None:
    point, state = taught()
    fewer = replace(point, vision=replace(point.vision, presets=point.vision.presets[:1]))
    assert step(state, fewer, *look(LEFT["gate"], T0 + 400)).known.keys() == {HOME, "gate"}
    moved = replace(point, vision=replace(point.vision, presets=confirmed(point.vision.presets, "gate", T0 + 399)))
    state = step(state, moved, *look(300, T0 + 400))
    assert (state.at, len(state.known["gate"].views)) == ("gate", 1)


def test_after_a_restart_it_knows_its_presets_and_has_to_recognise_where_it_stands() -> None:
    point, state = taught()
    again = State.from_json(json.loads(json.dumps(state.to_json())))
    assert again.known.keys() == state.known.keys()
    assert again.at is None
    for at_s in (T0 + 300, T0 + 302):
        again = step(again, point, *look(LEFT["gate"], at_s))
    assert again.at == "gate"


@pytest.mark.parametrize(
    "damage",
    [
        {"gate": None},
        {"gate": {"told": "x", "learned_s": 1.0, "views": []}},
        {"gate": {"told": 1.0, "learned_s": 1.0, "views": ["!"]}},
        {"gate": {"told": float("nan"), "learned_s": 1.0, "views": []}},
        [],
    ],
)
def test_a_damaged_state_is_begun_anew(damage: object) -> None:
    point, state = taught()
    stored = health.State(set_up=1, where=state).to_json() | {"presets": damage}
    read = health.State.from_json(stored)
    assert not read.where.known
    health.step(read, point, Picture(*look(LEFT["gate"], T0 + 500), sharpness=0.3))


def test_years_of_learning_do_not_make_the_state_larger() -> None:
    point, state = taught()
    for number in range(12):
        at_s = T0 + 1000 + number * (LEARN_S + 60)
        for later_s in (0.0, 2.0):
            state = step(state, point, *look(LEFT["gate"], at_s + later_s, light=(1.0, 0.6, 0.3)[number % 3]))
    assert max(len(known.views) for known in state.known.values()) <= LIGHTS
    assert len(json.dumps(state.to_json())) < 40_000


def test_nothing_that_hides_the_scene_is_a_preset() -> None:
    point, state = taught()
    well = health.State(set_up=1, where=state)
    black = np.full((90, 160), 5, np.uint8)
    after = health.step(well, point, Picture(T0 + 400, black, 0.0)).state
    assert after.where.at == state.at, "what cannot be seen says nothing of where it stands"
