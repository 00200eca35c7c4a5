"""Intrusion and e-bikes: the one rule of presence, with its two kinds."""

import json
from typing import Any

import numpy as np
import pytest

from detectors import ebike, intrusion
from detectors.counting import State
from detectors.rule import Observation, Rule
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.geo import GeoPoint
from models.hours import Hours
from models.incident import Phase, Sighting

HERE = GeoPoint(109.03, 32.68)
CAMERA = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
T0 = 1_700_000_000.0  # 06:13 in Shanghai


def zone(kind: str, levels: dict[str, float] | None = None, hours: Hours | None = None) -> Zone:
    return Zone("yard", "Yard", LEFT_HALF, (kind,), {kind: levels} if levels else {}, hours)


def things(label: str, n: int, x: float = 25) -> Detections:
    boxes = np.array([[x - 5, 30, x + 5, 50]] * n, np.float32).reshape(n, 4)
    return Detections(boxes, np.full(n, 0.8, np.float32), np.zeros(n, np.int32), (label,))


def run(rule: Rule[State], of: Zone, looks: dict[float, Detections]) -> tuple[list[Sighting], list[str]]:
    state, said, reasons = rule.restore(None), [], []
    for at_s, found in looks.items():
        seen = Observation(CAMERA, of, T0 + at_s, found, 100, 100, None, "tiny@1")
        after = rule.step(rule.restore(json.loads(json.dumps(state.to_json()))), seen)
        state = after.state
        said.extend(after.sightings)
        reasons.extend(after.reasons)
    return said, reasons


def every_2_s(start_s: float, end_s: float, found: Detections) -> dict[float, Detections]:
    return {start_s + 2 * step: found for step in range(int((end_s - start_s) / 2) + 1)}


def phases(said: list[Sighting]) -> list[tuple[Phase, float]]:
    return [(item.phase, item.at_s - T0) for item in said]


@pytest.mark.parametrize(
    ("rule", "label"), [(intrusion.RULE, "person"), (ebike.RULE, "motorcycle"), (ebike.RULE, "bicycle")]
)
def test_it_comes_once_goes_on_and_clears(rule: Rule[State], label: str) -> None:
    empty = things(label, 0)
    looks = every_2_s(0, 6, empty) | every_2_s(8, 90, things(label, 1)) | every_2_s(92, 140, empty)
    said, reasons = run(rule, zone(rule.kind), looks)
    # Two of three looks must show it, then 3 s of dwell; likewise it is gone from the second empty look on, then 20 s.
    assert phases(said) == [(Phase.ONSET, 14), (Phase.CONTINUING, 74), (Phase.CLEARED, 114)]
    assert said[0].onset_s == T0 + 10
    assert said[0].measure == {"count": 1.0, "threshold": 1.0, "unit": "count", "lasted_s": 4.0}
    assert {item.kind for item in said} == {rule.kind}
    assert reasons[0].startswith("Yard: 0 ")


@pytest.mark.parametrize(("label", "x"), [("person", 75.0), ("dog", 25.0)])
def test_what_is_elsewhere_or_something_else_is_none(label: str, x: float) -> None:
    assert run(intrusion.RULE, zone("intrusion"), every_2_s(0, 60, things(label, 3, x)))[0] == []


def test_who_passes_or_is_seen_once_is_none() -> None:
    looks = every_2_s(0, 20, things("person", 0)) | {8.0: things("person", 1)}
    assert run(intrusion.RULE, zone("intrusion"), looks)[0] == []


def test_outside_its_hours_nobody_is_an_intruder_and_an_alert_ends_with_them() -> None:
    """T0 is 06:13:20; the zone is watched until 06:15."""
    until = Hours(((22 * 60, 6 * 60 + 15),))
    said, reasons = run(intrusion.RULE, zone("intrusion", hours=until), every_2_s(0, 200, things("person", 1)))
    assert phases(said) == [(Phase.ONSET, 4), (Phase.CONTINUING, 64), (Phase.CLEARED, 100)]
    assert "outside the zone's hours" in said[-1].reason
    assert reasons[-1].endswith("outside the zone's hours")
    by_day = Hours(((8 * 60, 18 * 60),))
    assert run(intrusion.RULE, zone("intrusion", hours=by_day), every_2_s(0, 200, things("person", 9)))[0] == []


def test_levels_are_the_zone_s() -> None:
    three = zone("intrusion", {"enter_count": 3.0, "dwell_s": 0.0})
    assert run(intrusion.RULE, three, every_2_s(0, 20, things("person", 2)))[0] == []
    assert run(intrusion.RULE, three, every_2_s(0, 20, things("person", 3)))[0] != []
    with pytest.raises(InvalidInput, match="intrusion has no level 'enter_persons'"):
        intrusion.RULE.check(zone("intrusion", {"enter_persons": 3.0}))


def test_a_state_that_is_none_of_its_own_is_a_fresh_one() -> None:
    damaged: list[Any] = [None, [], {"version": 9}, {"version": 1}, {"version": 1, "samples": [["x"]]}]
    for data in damaged:
        assert intrusion.RULE.restore(data) == State()
