"""A camera that sees nothing: faults made in real pictures (pedestrians before a fixed camera), and what is none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from detectors.health import KINDS, Picture, State, is_away, step
from detectors.views import MOST_VIEWS, correlation, edge_map, register
from ingest.decode import luma, sharpness
from models.camera import CameraPoint, SourceUrl
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import GeoPoint
from models.incident import KINDS as ALL_KINDS
from models.incident import Phase, Sighting
from models.vision import Vision

CAMERA = CameraPoint("c1", "c-1", "C", GeoPoint(109, 32), SourceUrl.parse("rtsp://camera/1"), "test", None)
T0 = 1_700_000_000.0
SIDE = (384, 288)
MARGIN = 60
GRAIN = np.random.default_rng(1).normal(0, 1.5, (SIDE[1], SIDE[0], 3)).astype(np.float32)
Change = Callable[[Pixels], Pixels]


@pytest.fixture(scope="module")
def scene(vtest: Path) -> list[Pixels]:
    """24 pictures over half a minute, with a margin that the camera does not show, into which it can be turned."""
    whole = []
    with av.open(str(vtest)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 12 == 0:
                whole.append(cv2.resize(frame.to_ndarray(format="bgr24"), (SIDE[0] + 2 * MARGIN, SIDE[1] + 2 * MARGIN)))
            if len(whole) == 24:
                break
    return whole


def shown(whole: Pixels, right: int = 0, down: int = 0) -> Pixels:
    return whole[MARGIN + down : MARGIN + down + SIDE[1], MARGIN + right : MARGIN + right + SIDE[0]]


def picture(bgr: Pixels, at_s: float, noise: int | None) -> Picture:
    if noise is not None:
        bgr = np.clip(bgr + np.roll(GRAIN, 997 * noise), 0, 255).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), "bgr24").reformat(format="yuv420p")
    return Picture(T0 + at_s, luma(frame), sharpness(frame))


def run(
    scene: list[Pixels],
    change: Change,
    *,
    well_s: int = 60,
    ill_s: int = 120,
    state: State | None = None,
    camera: CameraPoint = CAMERA,
    start_s: int = 0,
    live: bool = True,
) -> tuple[State, list[Sighting]]:
    """A keyframe every 2 s: first as it is, then changed. ``change`` gets the whole scene and gives what is shown."""
    state, said = state or State(), []
    for at_s in range(start_s, start_s + well_s + ill_s, 2):
        whole = scene[at_s // 2 % len(scene)]
        is_ill = at_s >= start_s + well_s
        now = picture(change(whole) if is_ill else shown(whole), at_s, None if is_ill and not live else at_s)
        examined = step(state, camera, now)
        state = examined.state
        said.extend(examined.sightings)
        assert set(examined.reasons) == set(KINDS)
        assert json.loads(json.dumps(state.to_json()))["version"] == 1
    return state, said


def dark(whole: Pixels) -> Pixels:
    return np.full_like(shown(whole), 14)


def hand(whole: Pixels) -> Pixels:
    return cv2.resize(cv2.resize(shown(whole), (3, 2), interpolation=cv2.INTER_AREA), SIDE) // 2


def soft(whole: Pixels) -> Pixels:
    return cv2.GaussianBlur(shown(whole), (0, 0), 2.5)


def turned(pixels: int) -> Change:
    return lambda whole: shown(whole, right=pixels)


@pytest.mark.parametrize(
    ("kind", "change", "by_s"),
    [
        ("camera_black", dark, 32),
        ("camera_covered", hand, 22),
        ("camera_blurred", soft, 62),
        ("camera_moved", turned(8), 44),
        ("camera_moved", turned(40), 44),
        ("camera_moved", lambda whole: shown(whole, down=20), 44),
    ],
)
def test_each_fault_is_named_once_and_its_end_told(scene: list[Pixels], kind: str, change: Change, by_s: float) -> None:
    state, said = run(scene, change)
    onsets = [item for item in said if item.phase is Phase.ONSET]
    assert [item.kind for item in onsets] == [kind]
    assert onsets[0].at_s - T0 - 60 <= by_s
    assert onsets[0].zone_id is None
    assert onsets[0].place == CAMERA.place
    restored = State.from_json(json.loads(json.dumps(state.to_json())))
    _, after = run(scene, shown, well_s=60, ill_s=0, state=restored, start_s=180)
    assert [(item.kind, item.phase) for item in after if item.phase is not Phase.CONTINUING] == [(kind, Phase.CLEARED)]


def test_a_frozen_picture_is_told_and_a_still_scene_with_noise_is_none(scene: list[Pixels]) -> None:
    still = shown(scene[5])
    _, said = run(scene, lambda _whole: still, live=False)
    assert (said[0].kind, said[0].phase) == ("camera_frozen", Phase.ONSET)
    assert 60 <= said[0].at_s - T0 - 60 <= 64
    assert run([scene[5]], shown)[1] == []


@pytest.mark.parametrize(
    "change",
    [
        shown,
        lambda whole: (shown(whole) * 0.4).astype(np.uint8),
        lambda whole: np.clip(shown(whole).astype(np.float32) * 1.5, 0, 255).astype(np.uint8),
        lambda whole: np.repeat(cv2.cvtColor(shown(whole), cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2),
        lambda whole: shown(whole, right=1),
    ],
    ids=["people", "dusk", "sun", "infrared", "a quarter of a per cent"],
)
def test_people_light_night_vision_and_a_tremble_are_no_fault(scene: list[Pixels], change: Change) -> None:
    assert run(scene, change)[1] == []


def test_a_lorry_before_the_lens_is_none(scene: list[Pixels]) -> None:
    state, said = run(scene, hand, ill_s=14)
    assert said == []
    assert run(scene, shown, state=state, start_s=74)[1] == []


def test_a_camera_that_was_set_up_anew_is_to_look_as_it_does_now(scene: list[Pixels]) -> None:
    state, said = run(scene, turned(40))
    assert said[-1].phase is Phase.CONTINUING
    again = replace(CAMERA, vision=Vision(view=1))
    moved = [np.roll(whole, -40, axis=1) for whole in scene]
    _, after = run(moved, shown, state=state, camera=again, start_s=180)
    assert [(item.kind, item.phase) for item in after] == [("camera_moved", Phase.CLEARED)]


def test_zones_rest_while_the_view_is_not_theirs(scene: list[Pixels]) -> None:
    state, _ = run(scene, turned(40))
    assert is_away(state, CAMERA)
    back, _ = run(scene, shown, state=state, start_s=180)
    assert not is_away(back, CAMERA)
    assert not is_away(run(scene, hand)[0], CAMERA), "covered, not moved: another matter"


def test_a_camera_that_is_meant_to_turn_is_not_told_of_and_learns_no_other_view(scene: list[Pixels]) -> None:
    turning = replace(CAMERA, vision=Vision(ptz=True))
    state, said = run(scene, turned(40), camera=turning, ill_s=400)
    assert not said
    assert is_away(state, turning)
    back, said = run(scene, shown, camera=turning, state=state, start_s=460, well_s=60, ill_s=0)
    assert not is_away(back, turning)
    assert not said


@pytest.mark.parametrize("ptz", [True, False])
def test_a_view_that_was_confirmed_is_learned(scene: list[Pixels], ptz: bool) -> None:
    camera = replace(CAMERA, vision=Vision(ptz=ptz))
    state, _ = run(scene, turned(40), camera=camera)
    assert is_away(state, camera)
    anew = replace(camera, vision=Vision(ptz=ptz, view=1))
    state, _ = run(scene, turned(40), camera=anew, state=state, start_s=180, well_s=0, ill_s=120)
    assert not is_away(state, anew)
    assert state.where.known if ptz else state.views


def test_a_cover_is_not_learned(scene: list[Pixels]) -> None:
    """For half an hour covered: what it used to show is known as before."""
    state, _ = run(scene, hand, ill_s=0)
    learned = state.to_json()
    for at_s in range(60, 1860, 20):
        state = step(state, CAMERA, picture(hand(scene[at_s % 24]), at_s, at_s)).state
    assert {**state.to_json(), "courses": {}} == {**learned, "courses": {}}


def test_registration_finds_the_shift() -> None:
    """Random coarse scenes: whole cells, either way; of two different scenes it says that they are not alike."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        big = cv2.GaussianBlur(rng.integers(0, 255, (130, 200), np.uint8), (0, 0), 2.0)
        big = cv2.normalize(big, None, 0, 255, cv2.NORM_MINMAX)
        dx, dy = (2 * int(value) for value in rng.integers(-6, 7, 2))
        before, after = edge_map(big[20:110, 20:180]), edge_map(big[20 + dy : 110 + dy, 20 + dx : 180 + dx])
        shift, alike = register(before, after)
        assert shift == pytest.approx(np.hypot(dx / 2, dy / 2), abs=0.01)
        assert alike > 0.6
        other = edge_map(cv2.GaussianBlur(rng.integers(0, 255, (90, 160), np.uint8), (0, 0), 2.0))
        assert register(before, other)[1] < 0.35
    assert correlation(np.zeros((45, 80), np.float32), before) == 0.0


def test_old_pictures_gaps_and_wrong_times(scene: list[Pixels]) -> None:
    state, _ = run(scene, shown)
    old = step(state, CAMERA, picture(dark(scene[0]), 10, None))
    assert old.state is state
    _, said = run(scene, dark, state=state, well_s=0, ill_s=20, start_s=600)
    assert said == []
    with pytest.raises(InvalidInput, match="no number"):
        step(state, CAMERA, replace(picture(shown(scene[0]), 0, None), at_s=float("nan")))


def test_a_state_that_is_none_of_its_own_is_a_fresh_one(scene: list[Pixels]) -> None:
    good = run(scene, shown, ill_s=0)[0].to_json()
    assert len(good["views"]) <= MOST_VIEWS
    damaged: list[Any] = [
        None,
        [],
        {"version": 0},
        good | {"views": ["x"]},
        good | {"views": 7},
        good | {"courses": []},
    ]
    damaged += [good | {"detail": float("nan")}, good | {"courses": {"camera_black": {}}}, good | {"looks": "many"}]
    for data in damaged:
        assert State.from_json(data).to_json() == State().to_json(), data
    assert State.from_json(good).to_json() == good


def test_every_kind_has_its_names() -> None:
    for kind in KINDS:
        assert ALL_KINDS[kind].name_zh.startswith("摄像机")
