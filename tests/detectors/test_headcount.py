import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.crowding import step
from detectors.density import DensityMap
from detectors.headcount import CLOSER_S, DENSE_TIMES, State, needs_closer
from detectors.rule import Observation
from models.camera import CameraPoint, SourceUrl, Zone
from models.counting import Counting
from models.detections import Detections
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane
from models.incident import Phase, Severity, Sighting
from models.vision import Vision

HERE = GeoPoint(109.03, 32.68)
PLANE = LocalPlane(HERE)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LEVELS = {"enter_persons": 100.0, "leave_persons": 60.0, "dwell_s": 5.0, "leave_s": 5.0}
COUNTING = Counting("tiny@1", 2, 2, 320, ((0.2, 1.0), (0.4, 3.0)), 10, 41, 2.4, 4.9)
CAMERA = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None)
CALIBRATED = replace(CAMERA, vision=Vision(counting=COUNTING))
GROUND = GroundPlane.fit(
    [ControlPoint(x, y, PLANE.to_geo(x * 10, (1 - y) * 10)) for x in (0.0, 1.0) for y in (0.0, 1.0)]
)


def people(inside: int, outside: int = 0, score: float = 0.8) -> Detections:
    """That many in the left half of 100 x 100 pixels and in the right."""
    boxes = [[20, 30, 30, 50]] * inside + [[70, 30, 80, 50]] * outside
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.full(n, score, np.float32), np.zeros(n, np.int32), ("person",)
    )


def seen(at_s: float, found: Detections, closer: Detections | None = None, **more: Any) -> Observation:
    zone = Zone("plaza", "Plaza", LEFT_HALF, ("crowding",), {"crowding": LEVELS})
    fields = {"camera": CAMERA, "ground": None, "model": "tiny@1"} | more
    return Observation(zone=zone, at_s=at_s, detections=found, width_px=100, height_px=100, closer=closer, **fields)


def reason(observation: Observation) -> str:
    return step(State(), observation).reasons[-1]


def dense(found: int = 20, closer: int = 45, looks: int = DENSE_TIMES, **more: Any) -> tuple[State, list[Sighting]]:
    """A crowd looked at each second, and closer every ten. The state goes through JSON at every look."""
    state, said = State(), list[Sighting]()
    for at_s in range(int(looks * CLOSER_S)):
        near = people(closer, 99) if at_s % CLOSER_S == 0 else None
        after = step(State.from_json(json.loads(json.dumps(state.to_json()))), seen(at_s, people(found), near, **more))
        state = after.state
        said += after.sightings
    return state, said


def test_a_calibrated_camera_counts_by_what_each_box_stands_for() -> None:
    """One surely seen is (1 + 3) / 2 persons, one hardly seen 1 / 2, in the zone and nowhere else."""
    assert reason(seen(0, people(6, 9), camera=CALIBRATED)).startswith(
        "Plaza: 12 persons (calibrated on 10 frames to ±2.4), below 100"
    )
    assert "Plaza: 3 persons" in reason(seen(0, people(6, score=0.3), camera=CALIBRATED))
    assert "Plaza: 0 persons" in reason(seen(0, people(0, 9), camera=CALIBRATED))
    assert "Plaza: 0 persons (uncalibrated count)" in reason(seen(0, people(6, score=0.3)))


def test_an_alert_says_by_what_it_was_counted() -> None:
    state, said = State(), list[Sighting]()
    for at_s in range(8):
        after = step(state, seen(at_s, people(60), camera=CALIBRATED))
        state, said = after.state, [*said, *after.sightings]
    (onset,) = said
    assert (onset.measure["persons"], onset.measure["counted_by"], onset.measure["at_least"]) == (
        120,
        "calibration",
        False,
    )


def test_a_calibration_for_another_model_does_not_count_and_is_said() -> None:
    said = reason(seen(0, people(6), camera=CALIBRATED, model="other@2"))
    assert said.startswith("Plaza: 6 persons (uncalibrated count: it was calibrated for tiny@1)")


def test_a_density_map_goes_before_boxes_and_their_calibration() -> None:
    """4 of its 8 persons are in the left half."""
    density = DensityMap(np.full((2, 2), 2.0, np.float32), (0.5, 0.5), "crowds@1")
    assert reason(seen(0, people(60), camera=CALIBRATED, density=density)).startswith("Plaza: 4 persons (by crowds@1)")


def test_a_crowd_that_grows_the_closer_one_looks_is_too_dense_and_rises_all_the_same() -> None:
    """20 are found, 45 closer: whatever the level of 100 says, nobody knows how many they are."""
    _, (onset,) = dense()
    assert onset.phase is Phase.ONSET
    assert (onset.onset_s, onset.at_s) == (10.0, 15.0)
    assert onset.reason.startswith("Plaza: too dense for this model, at least 45 persons, crowded for 5.0 s of 5 s")
    assert (onset.measure["persons"], onset.measure["at_least"]) == (45, True)


@pytest.mark.parametrize(("found", "closer"), [(20, 30), (16, 27), (0, 0), (45, 45)])
def test_a_crowd_that_a_closer_look_confirms_is_counted(found: int, closer: int) -> None:
    _, said = dense(found, closer, looks=4)
    assert said == []


def test_one_closer_look_alone_says_nothing() -> None:
    assert dense(looks=1)[1] == []
    state = step(State(), seen(0, people(20), people(45))).state
    state = step(state, seen(10, people(20), people(21))).state
    assert not step(state, seen(20, people(20), people(45))).state.is_dense(20)


def test_a_density_map_is_not_too_dense() -> None:
    density = DensityMap(np.full((2, 2), 2.0, np.float32), (0.5, 0.5), "crowds@1")
    assert dense(density=density)[1] == []


def test_it_ends_when_closer_looks_confirm_the_count_or_are_taken_no_more() -> None:
    state, _ = dense()
    after = step(state, seen(20, people(20), people(21)))
    assert not after.state.is_dense(20)
    over: list[Sighting] = []
    for at_s in range(21, 40):
        after = step(after.state, seen(at_s, people(20)))
        over += after.sightings
    assert [sighting.phase for sighting in over] == [Phase.CLEARED]
    assert state.is_dense(40)
    assert not state.is_dense(41)


def test_on_known_ground_too_dense_is_never_less_than_constrained() -> None:
    """45 persons on 50 m² are 0.9 per m² at least."""
    _, (onset,) = dense(ground=GROUND)
    assert onset.severity is Severity.ORANGE
    assert "at least 45 persons on 50 m², 0.9 per m²" in onset.reason


@pytest.mark.parametrize("damage", [[], [1, 2], ["x", 0, 0], [1, float("nan"), 0], [10**400, 0, 0], None])
def test_a_damaged_state_forgets_the_closer_looks_alone(damage: Any) -> None:
    state, _ = dense()
    restored = State.from_json(state.to_json() | {"dense": damage})
    assert (restored.dense_times, restored.course) == (0, state.course)
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


@pytest.mark.parametrize(
    ("persons", "last_s", "wanted"),
    [(9, None, False), (10, None, True), (10, 95.0, False), (10, 90.0, True), (10, 200.0, True)],
)
def test_a_closer_look_is_taken_of_many_and_now_and_then(persons: int, last_s: float | None, wanted: bool) -> None:
    assert needs_closer(people(persons), 100.0, last_s) is wanted
    assert not needs_closer(people(persons, score=0.3), 100.0, last_s)
