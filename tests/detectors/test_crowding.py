import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.crowding import check, step
from detectors.headcount import State
from detectors.rule import Observation, Step
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane, distance_m
from models.incident import Phase, Severity

HERE = GeoPoint(109.03, 32.68)
PLANE = LocalPlane(HERE)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LEVELS = {"enter_persons": 10.0, "leave_persons": 6.0, "dwell_s": 5.0, "leave_s": 5.0}
T0 = 1_700_000_000.0


def zone(levels: dict[str, Any] | None = None, polygon=LEFT_HALF) -> Zone:
    return Zone("plaza", "Plaza", polygon, ("crowding",), {"crowding": LEVELS if levels is None else levels})


def ground(width_m: float, depth_m: float) -> GroundPlane:
    """The picture seen straight from above: it shows this many metres from west to east and south to north."""
    return GroundPlane.fit(
        [ControlPoint(x, y, PLANE.to_geo(x * width_m, (1 - y) * depth_m)) for x in (0.0, 1.0) for y in (0.0, 1.0)]
    )


def people(inside: int, outside: int = 0, score: float = 0.8) -> Detections:
    """That many in the left half, feet at (25, 50), and in the right, feet at (75, 50), of 100 x 100 pixels."""
    boxes = [[20, 30, 30, 50]] * inside + [[70, 30, 80, 50]] * outside
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.full(n, score, np.float32), np.zeros(n, np.int32), ("person",)
    )


def seen(at_s: float, detections: Detections, of: Zone | None = None, plane: GroundPlane | None = None) -> Observation:
    camera = CameraPoint("c1", "c-1", "C", HERE, SourceUrl.parse("rtsp://camera/1"), "test", None)
    return Observation(camera, of or zone(), T0 + at_s, detections, 100, 100, plane, "tiny@1")


def run(counts: dict[float, int], state: State | None = None, **more: Any) -> tuple[State, list[Any]]:
    """Frames by second: how many stand in the zone. The state goes through JSON at every frame."""
    state, said = state or State(), []
    for at_s, count in counts.items():
        after = step(State.from_json(json.loads(json.dumps(state.to_json()))), seen(at_s, people(count), **more))
        state = after.state
        said.extend(after.sightings)
        assert after.reasons
    return state, said


def every(period_s: float, start_s: float, end_s: float, count: int) -> dict[float, int]:
    return {start_s + i * period_s: count for i in range(int((end_s - start_s) / period_s) + 1)}


def phases(said: list[Any]) -> list[tuple[Phase, float]]:
    return [(s.phase, s.at_s - T0) for s in said]


@pytest.mark.parametrize("period_s", [0.2, 1.0, 2.5])
def test_onset_comes_once_after_the_dwell_at_any_rate(period_s: float) -> None:
    _, said = run(every(period_s, 0, 50, 12))
    (onset,) = said
    assert onset.phase is Phase.ONSET
    assert onset.onset_s == T0
    assert 5 <= onset.at_s - T0 < 5 + period_s


def test_below_the_level_nothing_comes_and_the_reason_says_why() -> None:
    _, said = run(every(1, 0, 100, 9))
    assert said == []
    assert step(State(), seen(0, people(9))).reasons == (
        "Plaza: 9 persons (uncalibrated count), below 10, where it begins",
    )


def test_a_crowd_shorter_than_the_dwell_says_nothing() -> None:
    _, said = run(every(1, 0, 3, 12) | every(1, 4, 60, 2))
    assert said == []


@pytest.mark.parametrize("missed", [0, 40])
def test_one_look_that_misses_everybody_or_doubles_them_changes_nothing(missed: int) -> None:
    counts = every(1, 0, 30, 12) | {3.0: missed, 20.0: missed}
    assert phases(run(counts)[1]) == [(Phase.ONSET, 5)]
    quiet = every(1, 0, 30, 2) | {10.0: 40}
    assert run(quiet)[1] == []


def test_an_alert_begins_on_a_picture_that_shows_the_crowd() -> None:
    assert phases(run(every(1, 0, 30, 12) | {5.0: 0, 6.0: 9})[1]) == [(Phase.ONSET, 7)]


def test_it_continues_each_minute_and_clears_once() -> None:
    state, said = run(every(1, 0, 150, 12))
    assert phases(said) == [(Phase.ONSET, 5), (Phase.CONTINUING, 65), (Phase.CONTINUING, 125)]
    state, said = run(every(1, 151, 300, 3), state)
    ((phase, at_s),) = phases(said)
    assert phase is Phase.CLEARED
    assert 151 + 5 <= at_s <= 151 + 5 + 3
    assert said[0].onset_s == T0
    assert said[0].measure["threshold"] == 6
    assert phases(run(every(1, 301, 330, 12), state)[1])[0][0] is Phase.ONSET


def test_between_leave_and_enter_an_alert_stays_and_none_begins() -> None:
    state, _ = run(every(1, 0, 10, 12))
    assert phases(run(every(1, 11, 50, 8), state)[1]) == []
    assert run(every(1, 0, 50, 8))[1] == []


def test_a_short_dip_does_not_clear() -> None:
    state, _ = run(every(1, 0, 10, 12))
    assert run(every(1, 11, 15, 2) | every(1, 16, 40, 12), state)[1] == []


def test_a_restart_in_mid_dwell_loses_and_repeats_nothing() -> None:
    """``run`` restores from JSON at every frame; this one as well loses the frames of a restart of 2 s."""
    counts = every(0.5, 0, 2, 12) | every(0.5, 4, 20, 12)
    (onset,) = run(counts)[1]
    assert (onset.onset_s, onset.at_s) == (T0, T0 + 5)


def test_a_long_gap_restarts_the_dwell() -> None:
    state, said = run(every(1, 0, 4, 12) | every(1, 40, 44, 12))
    assert said == []
    assert "nothing was seen for 36 s" in " ".join(step(State(at_s=T0 + 4), seen(40, people(12))).reasons)
    assert phases(run({45.0: 12}, state)[1]) == [(Phase.ONSET, 45)]


def test_a_long_gap_neither_ends_nor_repeats_an_alert() -> None:
    state, _ = run(every(1, 0, 20, 12) | every(1, 21, 25, 2))
    assert run(every(1, 100, 104, 2), state)[1] == []
    assert phases(run(every(1, 100, 106, 2), state)[1]) == [(Phase.CLEARED, 105)]
    assert Phase.ONSET not in dict(phases(run(every(1, 100, 130, 12), state)[1]))


def test_a_repeated_or_older_picture_changes_nothing() -> None:
    state, _ = run(every(1, 0, 4, 12))
    for at_s in (4.0, 3.0, -1e6):
        again = step(state, seen(at_s, people(0)))
        assert again.state == state
        assert again.sightings == ()
        assert "older than the last" in again.reasons[0]
    assert phases(run({5.0: 12}, state)[1]) == [(Phase.ONSET, 5)]


def test_only_people_in_the_zone_who_are_surely_seen_count() -> None:
    counts = [(people(9, outside=20), 9), (people(12, score=0.34), 0), (people(12, score=0.36), 12)]
    for detections, count in counts:
        assert f": {count} persons" in step(State(), seen(0, detections)).reasons[0]
    dogs = Detections(people(12).boxes_px, people(12).scores, people(12).labels, ("dog",))
    assert ": 0 persons" in step(State(), seen(0, dogs)).reasons[0]


def test_people_cut_by_the_lower_edge_of_the_picture_stand_in_it() -> None:
    edge = Detections(
        np.array([[20, 80, 30, 100]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("person",)
    )
    assert ": 1 persons" in step(State(), seen(0, edge)).reasons[0]


def test_on_known_ground_density_decides_and_the_place_is_found() -> None:
    """The left half of a picture of 10 m x 10 m: 50 m². 125 people are 2.5 per m²."""
    levels = {"enter_density_per_m2": 2.0, "leave_density_per_m2": 1.5, "dwell_s": 0.0}
    (onset,) = run({0.0: 125}, of=zone(levels), plane=ground(10, 10))[1]
    assert onset.measure == {
        "persons": 125.0,
        "counted_by": "boxes",
        "at_least": False,
        "area_m2": pytest.approx(50, abs=0.1),
        "density_per_m2": pytest.approx(2.5, abs=0.01),
        "threshold": 2.0,
        "unit": "persons/m²",
        "calibrated": True,
    }
    assert "125 persons (uncalibrated count) on 50 m², 2.5 per m²" in onset.reason
    assert distance_m(onset.place, PLANE.to_geo(2.5, 5.0)) < 0.01
    assert onset.accuracy_m < 1
    assert onset.confidence == pytest.approx(0.8)
    assert onset.model == "tiny@1"
    assert run({0.0: 90}, of=zone(levels), plane=ground(10, 10))[1] == []


@pytest.mark.parametrize(("persons", "severity"), [(60, Severity.YELLOW), (120, Severity.ORANGE), (220, Severity.RED)])
def test_severity_follows_the_density(persons: int, severity: Severity) -> None:
    levels = {"enter_density_per_m2": 1.0, "dwell_s": 0.0}
    (onset,) = run({0.0: persons}, of=zone(levels), plane=ground(10, 10))[1]
    assert onset.severity is severity


def test_without_calibration_it_says_so() -> None:
    (onset,) = run(every(1, 0, 5, 12))[1]
    assert (onset.place, onset.accuracy_m) == (HERE, 50.0)
    assert onset.measure["calibrated"] is False
    assert onset.measure["area_m2"] is None
    assert onset.measure["counted_by"] == "boxes"
    assert "(uncalibrated count)" in onset.reason
    assert "the camera's own" in onset.reason
    assert onset.severity is Severity.ORANGE


def test_a_zone_up_to_the_horizon_is_counted_and_says_why() -> None:
    far = GroundPlane(np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, -0.5]]), PLANE, 0.1)
    first = step(State(), seen(0, people(12), plane=far))
    assert "no density, people are counted: the zone reaches the horizon" in first.reasons[0]
    assert "12 persons (uncalibrated count)" in first.reasons[1]


def test_a_zone_of_a_hand_s_breadth_is_counted() -> None:
    assert "no density on 0.5 m²" in step(State(), seen(0, people(12), plane=ground(1, 1))).reasons[0]


def test_levels_of_the_zone_go_before_the_kind_s() -> None:
    assert run(every(1, 0, 30, 12), of=zone({}))[1] == []
    _, said = run(every(1, 0, 30, 20), of=zone({}))
    assert phases(said) == [(Phase.ONSET, 10)]


def test_where_only_enter_is_set_leave_follows_in_proportion() -> None:
    only = zone({"enter_persons": 8.0, "dwell_s": 0.0, "leave_s": 0.0})
    state, _ = run({0.0: 8}, of=only)
    assert run(every(1, 1, 9, 6), state, of=only)[1] == []
    assert phases(run(every(1, 1, 9, 5), state, of=only)[1])[0][0] is Phase.CLEARED


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"enter_persons": 5.0, "leave_persons": 5.0}, r"zone plaza: leave_persons 5 must be below enter_persons 5"),
        ({"leave_persons": 30.0}, r"leave_persons 30 must be below enter_persons 20"),
        ({"enter_density_per_m2": 1.0, "leave_density_per_m2": 2.0}, "must be below"),
        ({"enter": 5.0}, "crowding has no level 'enter'; it has: dwell_s, enter_density_per_m2"),
        ({"dwell_s": -1.0}, "dwell_s must be 0 to 3600 s"),
        ({"dwell_s": math.nan}, "dwell_s must be 0 to 3600 s"),
        ({"enter_persons": 1e9}, "enter_persons must be 1 to 2000 persons"),
        ({"enter_persons": "many"}, "enter_persons must be 1 to 2000 persons"),
    ],
)
def test_levels_that_cannot_work_are_refused(levels: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        check(zone(levels))


@pytest.mark.parametrize("at_s", [math.nan, math.inf])
def test_a_time_that_is_none_is_refused(at_s: float) -> None:
    with pytest.raises(InvalidInput, match="no number"):
        step(State(), seen(at_s, people(1)))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "state",
        {},
        {"version": 2} | {k: v for k, v in State().to_json().items() if k != "version"},
        State().to_json() | {"at_s": "soon"},
        State().to_json() | {"at_s": math.inf},
        State().to_json() | {"samples": [1, 2]},
        State().to_json() | {"samples": None},
    ],
)
def test_a_state_that_is_none_of_ours_is_a_fresh_one(data: object) -> None:
    assert State.from_json(data) == State()


def test_the_state_stays_small() -> None:
    state, _ = run(every(0.04, 0, 20, 12))
    assert len(json.dumps(state.to_json())) < 1000


@given(st.lists(st.tuples(st.floats(-5, 60), st.integers(0, 20)), max_size=60))
def test_never_two_onsets_without_a_clear(frames: list[tuple[float, int]]) -> None:
    state, at_s, on = State(), 0.0, False
    for wait_s, count in frames:
        at_s += wait_s
        after: Step[State] = step(state, seen(at_s, people(count)))
        state = State.from_json(json.loads(json.dumps(after.state.to_json())))
        assert len(after.sightings) <= 1
        for sighting in after.sightings:
            assert (sighting.phase is Phase.ONSET) != on
            assert sighting.onset_s <= sighting.at_s
            on = sighting.phase is not Phase.CLEARED
