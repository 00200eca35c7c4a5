import numpy as np
import pytest

from detectors.gate import BLOCKED, QUEUE
from detectors.rule import Observation
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import Phase, Severity, Sighting

CAMERA = CameraPoint("c1", "c-1", "C", GeoPoint(109.03, 32.68), SourceUrl.parse("rtsp://camera/1"), "test", None)
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
QUEUE_ZONE = Zone("q", "East gate", WHOLE, ("gate_queue",), {"gate_queue": {"enter_count": 3.0}})
WAY = Zone("w", "East gate's way", WHOLE, ("gate_blocked",))
NAMES = ("person", "motorcycle")


def found(label: int, *lefts: float) -> Detections:
    boxes = np.array([[left, 20, left + 12, 60] for left in lefts], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(lefts), 0.8, np.float32), np.full(len(lefts), label, np.int32), NAMES)


def observation(zone: Zone, at_s: float, detections: Detections) -> Observation:
    return Observation(CAMERA, zone, at_s, detections, 200, 100, None, "tiny@1")


def queue(waiting: int) -> list[Sighting]:
    state, said = QUEUE.restore(None), []
    for at_s in range(0, 90, 2):
        step = QUEUE.step(state, observation(QUEUE_ZONE, float(at_s), found(0, *range(0, 15 * waiting, 15))))
        state, said = step.state, [*said, *step.sightings]
    return said


def test_as_many_as_the_level_waiting_for_a_minute_are_a_queue_and_a_long_one_is_worse() -> None:
    assert queue(2) == []
    short, long = queue(3)[0], queue(9)[0]
    assert (short.kind, short.phase, short.at_s) == ("gate_queue", Phase.ONSET, 60.0)
    assert (short.severity, long.severity) == (Severity.YELLOW, Severity.ORANGE)
    assert "3 persons" in short.reason


def test_people_who_walk_by_are_no_queue() -> None:
    state, said = QUEUE.restore(None), []
    for at_s in range(0, 600, 2):
        walking = found(0, *(range(0, 60, 15) if at_s % 40 < 16 else ()))
        step = QUEUE.step(state, observation(QUEUE_ZONE, float(at_s), walking))
        state, said = step.state, [*said, *step.sightings]
    assert said == []


def test_what_stands_in_a_gates_way_blocks_it_and_who_stands_there_does_not() -> None:
    said: dict[int, list[Sighting]] = {}
    for label in (0, 1):
        state, said[label] = BLOCKED.restore(None), []
        for at_s in range(0, 70, 2):
            step = BLOCKED.step(state, observation(WAY, float(at_s), found(label, 50.0)))
            state, said[label] = step.state, [*said[label], *step.sightings]
    assert said[0] == []
    assert [(item.kind, item.phase, item.at_s) for item in said[1]] == [("gate_blocked", Phase.ONSET, 60.0)]


def test_a_level_that_there_is_not_is_named() -> None:
    zone = Zone("w", "W", WHOLE, ("gate_blocked",), {"gate_blocked": {"enter_count": 3.0}})
    with pytest.raises(InvalidInput, match="gate_blocked has no level 'enter_count'; it has: dwell_s, leave_s"):
        BLOCKED.check(zone)
