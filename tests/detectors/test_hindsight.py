"""Hindsight against the running rules: what was judged live and what is judged again must agree."""

from dataclasses import replace

import numpy as np

from detectors.detector import Look, judge
from detectors.hindsight import KEPT_S, MOST_SAID, Hindsight
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.geo import GeoPoint
from models.incident import Phase

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LEVELS = {"crowding": {"enter_persons": 3.0, "leave_persons": 2.0, "dwell_s": 4.0, "leave_s": 4.0}}
CAMERA = CameraPoint(
    "c1",
    "c-1",
    "C",
    GeoPoint(109.03, 32.68),
    SourceUrl.parse("rtsp://camera/1"),
    "test",
    None,
    zones=(Zone("a", "A", WHOLE, ("crowding",), LEVELS),),
)


def look(at_s: float, persons: int) -> Look:
    boxes = np.array([[20, 30, 30, 50]] * persons, np.float32).reshape(-1, 4)
    scores, labels = np.full(persons, 0.9, np.float32), np.zeros(persons, np.int32)
    return Look(
        at_s, 100, 100, Detections(boxes, scores, labels, ("person",)), "m@1", np.zeros((100, 100, 3), np.uint8)
    )


def lived(counts: list[int]) -> tuple[Hindsight, list[tuple[Phase, float]]]:
    """An hour of looks, one every two seconds, as the pipeline goes through them."""
    hindsight, state, said = Hindsight(), {}, []
    for number, persons in enumerate(counts):
        observed = judge(CAMERA, look(2.0 * number, persons), state)
        state = observed.state
        hindsight.looked(observed.look, observed.reasons)
        said += [(sighting.phase, sighting.at_s) for sighting in observed.sightings]
    return hindsight, said


def test_judged_again_by_the_same_zone_it_says_the_same() -> None:
    hindsight, said = lived([0] * 10 + [5] * 20 + [0] * 10)
    again = hindsight.rehearse(CAMERA, 0.0)
    (raised,) = again.raised
    assert said == [(Phase.ONSET, raised.begin.at_s), (Phase.CLEARED, raised.ended_s)]
    assert (again.looks, again.from_s, again.until_s) == (40, 0.0, 78.0)
    assert raised.begin.measure["persons"] == 5


def test_another_level_raises_what_was_not_raised_and_the_worst_is_told() -> None:
    hindsight, said = lived([1] * 20 + [2] * 20)
    assert not said
    eager = {"crowding": {"enter_persons": 1.0, "leave_persons": 0.5, "dwell_s": 0.0}}
    tried = replace(CAMERA, zones=(replace(CAMERA.zones[0], levels=eager),))
    (raised,) = hindsight.rehearse(tried, 0.0).raised
    assert (raised.begin.measure["persons"], raised.worst.measure["persons"], raised.ended_s) == (1, 2, None)


def test_an_unchanged_picture_counts_for_the_dwell() -> None:
    hindsight = Hindsight()
    hindsight.unchanged(0.0)  # before anything was seen there is nothing to repeat
    observed = judge(CAMERA, look(0.0, 5), {})
    hindsight.looked(observed.look, observed.reasons)
    for at_s in (2.0, 4.0, 6.0):
        hindsight.unchanged(at_s)
    (raised,) = hindsight.rehearse(CAMERA, 0.0).raised
    assert raised.begin.at_s == 4.0


def test_sentences_that_differ_in_numbers_count_up_and_the_oldest_goes() -> None:
    hindsight, _ = lived([0, 1, 2, 1, 0])
    (said,) = hindsight.explain(0.0)["crowding/a"]
    assert (said.from_s, said.until_s, said.times) == (0.0, 8.0, 5)
    assert "below 3" in said.text
    for number in range(3 * MOST_SAID):
        hindsight.looked(look(10.0 + number, 0), {"crowding/a": ("yes" if number % 2 else "no",)})
    assert len(hindsight.explain(0.0)["crowding/a"]) == MOST_SAID
    assert hindsight.explain(1e9) == {}


def test_an_hour_is_kept_and_what_was_said_of_a_zone_that_is_gone_goes() -> None:
    hindsight, _ = lived([3])
    hindsight.looked(look(KEPT_S + 10, 0), {})
    again = hindsight.rehearse(CAMERA, 0.0)
    assert (again.from_s, again.looks) == (KEPT_S + 10, 1)
    assert hindsight.explain(0.0) == {}


def test_nothing_was_seen_yet() -> None:
    again = Hindsight().rehearse(CAMERA, 0.0)
    assert (again.from_s, again.until_s, again.looks, again.raised, again.said) == (None, None, 0, (), {})


def test_a_closer_look_counts_once_however_long_the_picture_stays() -> None:
    hindsight, tried = Hindsight(), replace(CAMERA, zones=(replace(CAMERA.zones[0], levels={}),))
    near = look(0.0, 45).detections
    hindsight.looked(replace(look(0.0, 20), closer=near), {})
    for at_s in range(2, 20, 2):
        hindsight.unchanged(float(at_s))
    assert "too dense" not in hindsight.rehearse(tried, 0.0).said["crowding/a"][-1].text
    hindsight.looked(replace(look(20.0, 20), closer=near), {})
    assert "too dense" in hindsight.rehearse(tried, 0.0).said["crowding/a"][-1].text


def test_what_takes_too_long_is_told_as_far_as_it_came() -> None:
    hindsight, _ = lived([5] * 40)
    asked = iter(range(100))
    again = hindsight.rehearse(CAMERA, 0.0, lambda: next(asked) >= 10)
    assert (again.looks, again.until_s) == (10, 18.0)
