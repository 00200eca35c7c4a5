from dataclasses import replace

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from detectors.structure_store import from_bytes
from ingest.scenes import SAVE_S, Scenes, Told
from models.camera import CameraPoint
from models.detections import Detections
from models.frame import Frame
from models.incident import Incident, Phase
from models.vision import Vision
from tests.detectors.test_structure import ACCEPTED, CAMERA, DAY_0_S, DAY_S, NOBODY, POINTS, apart, building

POINT = replace(CAMERA, control_points=POINTS, vision=Vision(structures=ACCEPTED))
HOURS = 8


def still(bgr: np.ndarray) -> bytes:  # type: ignore[type-arg]
    done, data = cv2.imencode(".jpg", bgr)
    assert done
    return bytes(data.tobytes())


def days(scenes: Scenes, span: range, seen: Detections = NOBODY) -> list[Told]:
    told = []
    for day in span:
        for hour in range(HOURS):
            at_s = DAY_0_S + day * DAY_S + hour * 3600
            bgr = building(day + hour / 24)
            told.append(scenes.look(POINT, Frame(POINT.id, at_s, bgr), seen, None, lambda bgr=bgr: still(bgr)))
    return told


@pytest.fixture(scope="module")
def told() -> list[Told]:
    scenes = Scenes(apart)
    scenes.begin(POINT.id, None)
    return days(scenes, range(-1, 3))


def test_what_is_built_is_one_alert_with_before_and_now_side_by_side(told: list[Told]) -> None:
    onsets = [(each, sighting) for each in told for sighting in each.sightings if sighting.phase is Phase.ONSET]
    assert len(onsets) == 1
    seen, sighting = onsets[0]
    assert (sighting.kind, sighting.zone_id, sighting.part) == ("illegal_structure", "west", f"{DAY_0_S - DAY_S:.0f}-1")
    assert sighting.measure["area_m2"] > 0
    assert sighting.measure["stood_days"] >= 1
    assert sighting.accuracy_m < 50
    assert len(seen.stills) == 1
    picture = cv2.imdecode(np.frombuffer(seen.stills[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = building(0).shape[:2]
    assert picture.shape == (height, 2 * width, 3)
    wall = picture[62:70, 22:34].astype(int), picture[62:70, width + 22 : width + 34].astype(int)
    assert wall[1].mean() > wall[0].mean() + 30  # there now, not before


def test_what_ends_with_its_scene_is_named_as_it_began(told: list[Told]) -> None:
    scenes = Scenes(apart)
    scenes.begin(POINT.id, next(each.kept for each in reversed(told) if each.kept))
    tall = np.vstack([building(3), building(3)])
    frame = Frame(POINT.id, DAY_0_S + 3 * DAY_S, tall)
    ended = scenes.look(POINT, frame, NOBODY, None, lambda: still(tall)).sightings
    onset = next(each for told_ in told for each in told_.sightings)
    assert [(each.phase, each.part) for each in ended] == [(Phase.CLEARED, onset.part)]


def test_where_no_still_can_be_made_it_is_told_without(told: list[Told]) -> None:
    number = next(number for number, each in enumerate(told) if each.sightings)
    scenes = Scenes(apart)
    scenes.begin(POINT.id, told[number - 1].kept)
    day, hour = number // HOURS - 1, number % HOURS
    frame = Frame(POINT.id, DAY_0_S + day * DAY_S + hour * 3600, building(day + hour / 24))
    said = scenes.look(POINT, frame, NOBODY, None, lambda: b"")
    assert [sighting.phase for sighting in said.sightings] == [Phase.ONSET]
    assert said.stills == ()


def test_a_scene_too_large_to_be_kept_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.scenes.MOST_BYTES", 1000)
    scenes = Scenes(apart)
    scenes.begin(POINT.id, None)
    with capture_logs() as logs:
        assert not any(each.kept for each in days(scenes, range(-1, 0)))
    assert "too large" in logs[0]["event"]


def test_two_structures_of_one_zone_are_two_alerts(told: list[Told]) -> None:
    first = next(sighting for each in told for sighting in each.sightings)
    keys = {
        Incident(**vars(replace(first, part=part)), source="s", seq=1, camera_id="c").fold_key
        for part in ("1-1", "1-2")
    }
    assert len(keys) == 2


def test_it_is_kept_every_so_often_and_at_once_when_something_is_said(told: list[Told]) -> None:
    kept = [each.kept for each in told]
    assert kept[0] is None
    assert sum(each is not None for each in kept) >= 3 * HOURS  # looks are an hour apart, further than SAVE_S
    assert SAVE_S < 3600
    assert all(each.kept for each in told if each.sightings)


def test_it_goes_on_from_what_was_kept_and_begins_anew_where_that_is_damaged(told: list[Told]) -> None:
    kept = next(each.kept for each in reversed(told) if each.kept)
    scenes = Scenes(apart)
    scenes.begin(POINT.id, kept)
    assert not [s for each in days(scenes, range(3, 4)) for s in each.sightings if s.phase is Phase.ONSET]
    scenes.forget(POINT.id)
    with capture_logs() as logs:
        scenes.begin(POINT.id, kept[:-100])
    assert [each["log_level"] for each in logs] == ["warning"]
    assert "learned anew" in logs[0]["event"]
    assert (
        "looks so far"
        in scenes.look(
            POINT, Frame(POINT.id, DAY_0_S + 4 * DAY_S, building(4)), NOBODY, None, lambda: still(building(4))
        ).reasons["illegal_structure/west"][0]
    )


def test_heads_are_hidden_in_what_is_kept() -> None:
    """A face is stripes here: what is kept of it has none."""
    height, width = building(0).shape[:2]
    stripes = np.full((height, width, 3), 40, np.uint8)
    stripes[:, ::4] = 255
    person = Detections(
        np.array([[100, 20, 180, 130]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("person",)
    )
    scenes = Scenes(apart)
    scenes.begin(POINT.id, None)
    for hour in range(HOURS):
        at_s = DAY_0_S + hour * 3600
        seen = scenes.look(POINT, Frame(POINT.id, at_s, stripes), person, None, lambda: still(stripes))
    assert seen.kept is not None
    memory = from_bytes(seen.kept).memory
    assert memory is not None
    scale = memory.accepted.pictures.shape[2] / width
    head = np.s_[:, int(24 * scale) : int(50 * scale), int(110 * scale) : int(170 * scale)]
    assert memory.accepted.pictures[head].std(axis=2).max() < 30
    assert memory.accepted.pictures[:, :10].std(axis=2).max() > 60


def test_a_camera_without_such_a_zone_is_never_due() -> None:
    scenes = Scenes(apart)
    bare: CameraPoint = replace(POINT, zones=())
    assert not scenes.is_due(bare, DAY_0_S)
    assert scenes.is_due(POINT, DAY_0_S)
