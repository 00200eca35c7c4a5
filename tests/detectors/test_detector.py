import json
import math
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import pytest

from detectors import detector
from detectors.boxes import Tiling
from detectors.catalog import RULES
from detectors.counting import MIN_SCORE
from detectors.density import DensityMap
from detectors.detector import LOOK_SCORE, Detector, faults
from models.camera import CameraPoint, SourceUrl, Zone
from models.counting import Counting
from models.detections import Detections
from models.frame import Frame, Pixels
from models.geo import ControlPoint, GeoPoint
from models.incident import Phase
from models.vision import Vision

HERE = GeoPoint(109.03, 32.68)
LEVELS = {"crowding": {"enter_persons": 3.0, "dwell_s": 2.0}}
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
CAMERA = CameraPoint(
    "c1",
    "c-1",
    "C",
    HERE,
    SourceUrl.parse("rtsp://user:secret-word@camera/1"),
    "test",
    None,
    zones=(Zone("a", "A", WHOLE, ("crowding",), LEVELS), Zone("b", "B", WHOLE, ("crowding",), LEVELS)),
)


@dataclass
class Sight:
    detections: Detections
    model: str = "fake@1"


class FakeEyes:
    """Sees that many people at one spot, whatever the picture shows, and remembers how it was asked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[tuple[Tiling, float]] = []
        self.model = "fake@1"

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight:
        del bgr
        self.asked.append((tiling, min_score))
        boxes = np.array([[20, 30, 30, 50]] * self.count, np.float32).reshape(-1, 4)
        scores = np.full(self.count, 0.9, np.float32)
        return Sight(Detections(boxes, scores, np.zeros(self.count, np.int32), ("person",)))


def frame(at_s: float) -> Frame:
    return Frame("c1", at_s, np.zeros((100, 100, 3), np.uint8))


def test_every_zone_has_its_own_state_and_a_new_detector_takes_over() -> None:
    state: dict[str, Any] = {"rules": {}}
    said = []
    for at_s in (0.0, 1.0, 2.0, 3.0):
        observed = Detector(FakeEyes(4)).observe(CAMERA, frame(at_s), json.loads(json.dumps(state)))
        state = observed.state
        said += [(s.zone_id, s.phase, s.at_s, s.onset_s, s.model) for s in observed.sightings]
    assert said == [("a", Phase.ONSET, 2.0, 0.0, "fake@1"), ("b", Phase.ONSET, 2.0, 0.0, "fake@1")]
    assert sorted(observed.reasons) == ["crowding/a", "crowding/b"]
    assert len(observed.detections) == 4


def test_the_look_goes_down_to_what_must_be_masked() -> None:
    eyes = FakeEyes(0)
    Detector(eyes, Tiling(2, 1)).observe(CAMERA, frame(0), {})
    assert eyes.asked == [(Tiling(2, 1), LOOK_SCORE)]


def test_a_calibrated_camera_is_looked_at_as_it_was_calibrated_where_it_counts_crowds() -> None:
    counting = Counting("fake@1", 2, 3, 320, ((0.1, 0.5),), 10, 41, 2.4, 4.9)
    camera = replace(CAMERA, vision=Vision(counting=counting))
    eyes = FakeEyes(4)
    observed = Detector(eyes).observe(camera, frame(0), {})
    assert eyes.asked == [(Tiling(2, 3, long_side_px=320), 0.1)]
    assert "2 persons (calibrated on 10 frames" in observed.reasons["crowding/a"][0]
    intruders = replace(CAMERA.zones[0], kinds=("intrusion",), levels={})
    Detector(eyes).observe(replace(camera, zones=(intruders,)), frame(0), {})
    assert eyes.asked[1:] == [(Tiling(), LOOK_SCORE)]


def test_a_calibration_for_another_model_counts_for_nothing() -> None:
    counting = Counting("other@1", 2, 3, 320, ((0.1, 0.5),), 10, 41, 2.4, 4.9)
    eyes = FakeEyes(4)
    observed = Detector(eyes).observe(replace(CAMERA, vision=Vision(counting=counting)), frame(0), {})
    assert eyes.asked == [(Tiling(), LOOK_SCORE)]
    assert "4 persons (uncalibrated count: it was calibrated for other@1)" in observed.reasons["crowding/a"][0]


def test_of_what_a_calibrated_look_finds_below_the_usual_score_only_persons_are_kept() -> None:
    class Faint(FakeEyes):
        def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight:
            del bgr, tiling, min_score
            boxes, scores = np.array([[20, 30, 30, 50]] * 3, np.float32), np.array([0.15, 0.15, 0.25], np.float32)
            return Sight(Detections(boxes, scores, np.array([0, 1, 1], np.int32), ("person", "dog")))

    found = Detector(Faint(0)).observe(CAMERA, frame(0), {}).detections
    assert [
        (found.names[label], round(float(score), 2)) for label, score in zip(found.labels, found.scores, strict=True)
    ] == [
        ("person", 0.15),
        ("dog", 0.25),
    ]


def test_many_are_looked_at_closer_every_ten_seconds() -> None:
    eyes, state = FakeEyes(12), dict[str, object]()
    for at_s in (0.0, 5.0, 9.9, 10.0, 12.0, 20.0):
        state = json.loads(json.dumps(Detector(eyes, Tiling(2, 1)).observe(CAMERA, frame(at_s), state).state))
    assert [asked for asked in eyes.asked if asked[0] != Tiling(2, 1)] == [(Tiling(4, 2), MIN_SCORE)] * 3
    eyes.asked.clear()
    Detector(eyes).observe(CAMERA, frame(21.0), {"closer_s": "soon"})
    Detector(eyes).observe(replace(CAMERA, zones=()), frame(31.0), {})
    assert [tiling for tiling, _ in eyes.asked] == [Tiling(), Tiling(2, 2), Tiling()]


def test_the_state_of_a_zone_that_is_gone_is_dropped() -> None:
    detector = Detector(FakeEyes(4))
    state = detector.observe(CAMERA, frame(0), {}).state
    assert sorted(state["rules"]) == ["crowding/a", "crowding/b"]
    assert list(detector.observe(replace(CAMERA, zones=CAMERA.zones[1:]), frame(1), state).state["rules"]) == [
        "crowding/b"
    ]


@pytest.mark.parametrize("other", [{"version": 99}, {"version": 1, "rules": []}, {"rules": {}}])
def test_a_state_of_another_version_is_begun_anew(other: dict[str, object]) -> None:
    detector = Detector(FakeEyes(4))
    state = detector.observe(CAMERA, frame(0), {}).state
    assert detector.observe(CAMERA, frame(2), state).sightings
    assert not detector.observe(CAMERA, frame(2), state | other if "version" in other else other).sightings


def test_a_zone_that_cannot_be_judged_says_so_and_leaves_the_others() -> None:
    wrong = replace(CAMERA.zones[0], levels={"crowding": {"enter_persons": 3.0, "leave_persons": 9.0}})
    camera = replace(CAMERA, zones=(wrong, CAMERA.zones[1]))
    detector = Detector(FakeEyes(4))
    state = detector.observe(CAMERA, frame(0), {}).state
    observed = detector.observe(camera, frame(2), state)
    assert [s.zone_id for s in observed.sightings] == ["b"]
    assert observed.reasons["crowding/a"] == ("zone a: leave_persons 9 must be below enter_persons 3",)
    assert observed.state["rules"]["crowding/a"] == state["rules"]["crowding/a"]


def test_a_rule_that_fails_by_a_mistake_costs_its_own_zone_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: object) -> NoReturn:
        raise ZeroDivisionError("division by zero")

    broken = replace(RULES["intrusion"], step=step)
    monkeypatch.setattr(detector, "RULES", {**RULES, "intrusion": broken})
    zones = (replace(CAMERA.zones[0], id="x", kinds=("intrusion",), levels={}), CAMERA.zones[1])
    observed = Detector(FakeEyes(4)).observe(
        replace(CAMERA, zones=zones), frame(0.0), {"version": 1, "rules": {"intrusion/x": {"version": 9}}}
    )
    assert observed.broken == {"intrusion/x": "ZeroDivisionError: division by zero"}
    assert "the rule failed" in observed.reasons["intrusion/x"][0]
    assert "4 persons" in observed.reasons["crowding/b"][0]
    assert observed.state["rules"]["intrusion/x"] == {"version": 9}


def test_faults_of_a_camera_are_told_at_once() -> None:
    assert faults(CAMERA) == ()
    wrong = replace(CAMERA.zones[0], levels={"crowding": {"enter": 3.0}})
    three = tuple(ControlPoint(x, 0.5, HERE) for x in (0.1, 0.2, 0.3))
    found = [str(fault) for fault in faults(replace(CAMERA, zones=(wrong,), control_points=three))]
    assert found[0].startswith("control points: not calibrated: a ground plane needs at least 4")
    assert found[1].startswith("zone a: zone a: crowding has no level 'enter'")


def test_control_points_that_fit_no_plane_are_said_in_the_reasons() -> None:
    three = tuple(ControlPoint(x, 0.5, HERE) for x in (0.1, 0.2, 0.3))
    observed = Detector(FakeEyes(4)).observe(replace(CAMERA, control_points=three), frame(0), {})
    assert observed.reasons["crowding/a"][0].startswith("not calibrated: ")


class Counter:
    """Counts the pictures that it was asked about, as persons."""

    def __init__(self) -> None:
        self.asked: float = 0

    def count(self, bgr: Pixels) -> DensityMap:
        del bgr
        self.asked += 1
        return DensityMap(np.full((2, 2), self.asked / 4, np.float32), (0.5, 0.5), "counter@1")


def test_crowds_are_counted_where_a_zone_asks_for_it_and_nowhere_else() -> None:
    counter = Counter()
    detector = Detector(FakeEyes(0), crowds=counter)
    observed = detector.observe(CAMERA, frame(0), {})
    assert observed.look.density is not None
    assert (observed.look.density.total, counter.asked) == (1.0, 1)
    other = replace(CAMERA, zones=(replace(CAMERA.zones[0], kinds=("intrusion",), levels={}),))
    assert detector.observe(other, frame(1), {}).look.density is None
    assert counter.asked == 1


def test_a_crowd_counter_that_gives_no_numbers_is_told_of_and_boxes_are_counted() -> None:
    counter = Counter()
    counter.asked = math.inf
    mixed = (CAMERA.zones[0], replace(CAMERA.zones[1], kinds=("intrusion",), levels={}))
    observed = Detector(FakeEyes(4), crowds=counter).observe(replace(CAMERA, zones=mixed), frame(0), {})
    assert "finite" in observed.broken["crowd counter"]
    assert "4 persons (uncalibrated count)" in observed.reasons["crowding/a"][0]
    assert "4 persons" in observed.reasons["intrusion/b"][0]


def test_a_kind_that_no_rule_sees_is_passed_over() -> None:
    other = replace(CAMERA, zones=(replace(CAMERA.zones[0], kinds=("camera_offline",)),))
    observed = Detector(FakeEyes(4)).observe(other, frame(0), {})
    assert (observed.sightings, observed.reasons) == ((), {})


def test_nothing_that_is_kept_or_said_holds_the_camera_s_password() -> None:
    observed = Detector(FakeEyes(4)).observe(CAMERA, frame(0), {})
    assert "secret-word" not in repr((observed.state, observed.sightings, observed.reasons))


def test_zones_of_a_view_that_the_camera_left_rest_and_no_dwell_runs_on_meanwhile() -> None:
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    levels = {"intrusion": {"enter_count": 1.0, "dwell_s": 8.0}}
    home, gate = (
        Zone(name, name, square, ("intrusion",), levels, preset=preset) for name, preset in (("h", None), ("g", "gate"))
    )
    point = replace(CAMERA, zones=(home, gate))
    boxes = Detections(
        np.array([[10, 10, 40, 90]], np.float32), np.array([0.9], np.float32), np.array([0]), ("person",)
    )
    state: dict[str, Any] = {"rules": {}}
    onsets = []
    for at_s, preset, arrived_s in (
        (0.0, None, 0.0),
        (2.0, None, 0.0),
        (6.0, "gate", 6.0),
        (8.0, "gate", 6.0),
        (14.0, None, 14.0),
        (16.0, None, 14.0),
        (20.0, None, 14.0),
        (24.0, None, 14.0),
    ):
        look = detector.Look(1e9 + at_s, 100, 100, boxes, "m@1", preset=preset, arrived_s=1e9 + arrived_s)
        seen = detector.judge(point, look, json.loads(json.dumps(state)))
        onsets += [(at_s, sighting.zone_id) for sighting in seen.sightings]
        resting = "g" if preset is None else "h"
        key = f"intrusion/{resting}"
        assert "rests while the camera is at" in seen.reasons[key][0]
        assert seen.state["rules"].get(key) == state["rules"].get(key)
        state = seen.state
    # Eight seconds of its own view, not of all that passed.
    assert onsets == [(24.0, "h")]
