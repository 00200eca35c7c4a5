import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.obstruction import RULE, State
from detectors.rule import Observation
from detectors.spots import MOST_SPOTS
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane, distance_m
from models.hours import Hours
from models.incident import Phase, Severity, Sighting

HERE = GeoPoint(109.03, 32.68)
PLANE = LocalPlane(HERE)
CAMERA = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None)
LANE = Zone(
    "lane",
    "Fire lane",
    ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)),
    ("blocked_fire_lane",),
    {"blocked_fire_lane": {"dwell_s": 60.0, "leave_s": 30.0}},
)
T0 = 1_700_000_000.0
SIDE = 200


def texture(seed: int, height: int = 40, width: int = 60) -> Pixels:
    """A vehicle of its own look: coarse random blocks."""
    blocks = np.random.default_rng(seed).integers(20, 235, (5, 6, 1), np.uint8)
    return np.repeat(np.repeat(np.repeat(blocks, 8, 0), 10, 1), 3, 2)[:height, :width]


def look(*vehicles: tuple[float, float, int], light: float = 1.0, label: str = "car") -> tuple[Detections, Pixels]:
    """A picture of 200 x 200 with vehicles of 60 x 40: left, top, and whose look."""
    picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
    boxes = []
    for left, top, seed in vehicles:
        x, y = round(left), round(top)
        picture[y : y + 40, x : x + 60] = texture(seed)
        boxes.append([left, top, left + 60, top + 40])
    n = len(boxes)
    found = Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.full(n, 0.7, np.float32), np.zeros(n, np.int32), (label,)
    )
    return found, np.clip(picture * light, 0, 255).astype(np.uint8)


def run(
    looks: dict[float, Any], of: Zone = LANE, ground: GroundPlane | None = None
) -> tuple[State, list[Sighting], list[str]]:
    state, said, reasons = State(), [], []
    for at_s, (found, picture) in looks.items():
        seen = Observation(CAMERA, of, T0 + at_s, found, SIDE, SIDE, ground, "tiny@1", picture)
        after = RULE.step(RULE.restore(json.loads(json.dumps(state.to_json()))), seen)
        state = after.state
        said.extend(after.sightings)
        reasons.extend(after.reasons)
    return state, said, reasons


def every(period_s: float, start_s: float, end_s: float, what: Any) -> dict[float, Any]:
    return {start_s + i * period_s: what for i in range(int((end_s - start_s) / period_s) + 1)}


def phases(said: list[Sighting]) -> list[tuple[Phase, float]]:
    return [(item.phase, item.at_s - T0) for item in said]


PARKED = look((50, 110, 1))
EMPTY = look()


@pytest.mark.parametrize("period_s", [1.0, 2.0, 5.0])
def test_a_parked_vehicle_is_told_once_goes_on_and_clears(period_s: float) -> None:
    _, said, reasons = run(every(period_s, 0, 150, PARKED) | every(period_s, 150 + period_s, 220, EMPTY))
    assert phases(said)[:3] == [(Phase.ONSET, 60), (Phase.CONTINUING, 120), (Phase.CLEARED, 180)]
    assert len(said) == 3
    assert said[0].onset_s == T0
    assert said[0].measure == {"vehicles": 1, "stood_s": 60.0, "threshold": 60.0, "unit": "s"}
    assert "1 vehicles have stood for 60 s, allowed are 60 s" in said[0].reason
    assert "no vehicle has stood there for 30 s" in said[2].reason
    assert "stood for 10 s of 60 s" in " ".join(reasons)


def test_passing_traffic_says_nothing() -> None:
    looks = {float(t): look(((37 * t) % 140, 110, t)) for t in range(300)}
    assert run(looks)[1] == []


def test_a_queue_that_moves_on_puts_another_on_the_same_spot() -> None:
    """Every 40 s another vehicle stands exactly where the last one stood: nobody stands for 60 s."""
    looks = {float(t): look((50, 110, t // 40)) for t in range(0, 400, 2)}
    assert run(looks)[1] == []


def test_jitter_shade_and_short_hiding_change_nothing() -> None:
    rng = np.random.default_rng(7)
    looks = {}
    for t in range(0, 90, 2):
        dx, dy = rng.uniform(-3, 3, 2)
        found, _ = look((50 + dx, 110 + dy, 1))
        looks[float(t)] = (found, look((50, 110, 1), light=1 - 0.4 * t / 90)[1])
    for t in (20, 22, 24):
        looks[float(t)] = EMPTY  # a bus before it
    assert phases(run(looks)[1]) == [(Phase.ONSET, 60)]


def test_who_stands_beside_the_zone_or_is_no_vehicle_is_none() -> None:
    assert run(every(2, 0, 200, look((50, 20, 1))))[1] == []
    assert run(every(2, 0, 200, look((50, 110, 1), label="bench")))[1] == []


def test_outside_its_hours_it_may_stand() -> None:
    by_day = replace(LANE, hours=Hours(((8 * 60, 18 * 60),)))  # T0 is 06:13 in Shanghai
    _, said, reasons = run(every(2, 0, 200, PARKED), by_day)
    assert said == []
    assert reasons[-1] == "Fire lane: outside the zone's hours"


def test_looks_that_come_once_a_minute_are_enough() -> None:
    """A still scene is looked at once a minute; a look that misses the vehicle is not its leaving."""
    rare = replace(LANE, levels={"blocked_fire_lane": {"dwell_s": 180.0}})
    looks = {60.0 * n: PARKED for n in range(8)} | {120.0: EMPTY}
    assert phases(run(looks, rare)[1])[0] == (Phase.ONSET, 180)


def test_only_near_its_end_a_dwell_asks_for_every_keyframe() -> None:
    state, *_ = run(every(2, 0, 40, PARKED))
    assert not state.is_running
    state, *_ = run(every(2, 0, 52, PARKED))
    assert state.is_running
    state, *_ = run(every(2, 0, 70, PARKED))
    assert not state.is_running
    state, *_ = run(every(2, 0, 70, PARKED) | {72.0: EMPTY})
    assert state.is_running


def test_on_known_ground_the_place_is_where_it_stands() -> None:
    ground = GroundPlane.fit(
        [ControlPoint(x, y, PLANE.to_geo(x * 20, (1 - y) * 20)) for x in (0.0, 1.0) for y in (0.0, 1.0)]
    )
    _, (onset, *_), _ = run(every(2, 0, 70, PARKED), ground=ground)
    assert distance_m(onset.place, PLANE.to_geo(8, 5)) < 0.2  # the foot: (80, 150) of 200 pixels
    assert onset.accuracy_m < 1


def test_a_full_car_park_is_bounded() -> None:
    crowd = look(*((x, y, x + y) for x in range(0, 140, 14) for y in range(100, 160, 10)))
    state, *_ = run(every(2, 0, 20, crowd))
    assert len(state.spots) == MOST_SPOTS
    assert len(json.dumps(state.to_json())) < 20_000


def test_wrong_levels_and_damaged_states() -> None:
    with pytest.raises(InvalidInput, match="dwell_s must be 0 to 86400 s"):
        RULE.check(replace(LANE, levels={"blocked_fire_lane": {"dwell_s": -1.0}}))
    good = run(every(2, 0, 20, PARKED))[0].to_json()
    damaged: list[Any] = [
        None,
        [],
        {"version": 9},
        good | {"spots": [{}]},
        good | {"at_s": float("nan")},
        good | {"spots": 3},
    ]
    damaged.append(good | {"spots": [{**good["spots"][0], "look": [1, 2]}]})
    for data in damaged:
        assert RULE.restore(data) == State()
    assert RULE.restore(good) != State()


def test_three_at_once_or_ten_times_the_dwell_is_a_level_more_severe() -> None:
    one = run(every(2.0, 0, 70, PARKED))[1][0]
    three = run(every(2.0, 0, 70, look((0, 110, 1), (65, 110, 2), (130, 110, 3))))[1][0]
    _, long, _ = run(every(10.0, 0, 620, PARKED))
    assert (one.severity, three.severity, long[-1].severity) == (Severity.ORANGE, Severity.RED, Severity.RED)
    assert three.measure["vehicles"] == 3


def test_one_that_is_nearly_due_is_waited_for_though_another_has_just_come() -> None:
    """The dwell of the first would otherwise be over unseen, until a forced look up to a minute later."""
    looks = every(2.0, 0, 48, PARKED) | {52.0: look((50, 110, 1), (120, 110, 2))}
    assert run(looks)[0].is_running


def test_what_is_said_stays_said_over_hours_that_nobody_saw_and_they_do_not_count() -> None:
    """Ten times the dwell is a level more severe: not where the worker was off for most of it."""
    seen = every(10.0, 0.0, 100.0, PARKED) | every(10.0, 7300.0, 7400.0, PARKED)
    _, said, _ = run(seen)
    assert [phase for phase, _ in phases(said)] == [Phase.ONSET, *[Phase.CONTINUING] * (len(said) - 1)]
    assert len(said) > 1
    assert {sighting.severity for sighting in said} == {Severity.ORANGE}
    assert said[-1].measure["stood_s"] < 250
    _, left, _ = run(every(10.0, 0.0, 100.0, PARKED) | every(10.0, 7300.0, 7400.0, look()))
    assert [phase for phase, _ in phases(left)][-1] is Phase.CLEARED


def test_what_nobody_saw_for_hours_has_not_stood_for_hours() -> None:
    looks = every(2.0, 0, 20, PARKED) | every(2.0, 9 * 3600, 9 * 3600 + 50, PARKED)
    state, said, _ = run(looks)
    assert said == []
    assert max(spot.stood_s for spot in state.spots) == 50
