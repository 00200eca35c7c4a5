"""Looks packed and unpacked, and how much of them is kept."""

import tracemalloc
from dataclasses import replace

import numpy as np

from detectors.counting import MIN_SCORE
from detectors.density import DensityMap
from detectors.detector import Look
from detectors.moments import KEPT_S, LONGEST_EVERY_S, MOST_BYTES, Moments
from models.detections import Detections

NAMES = ("person", "car")


def look(at_s: float, boxes: int, score: float = 0.9, label: int = 0) -> Look:
    random = np.random.default_rng(boxes)
    corners = random.uniform(0, 900, (boxes, 4)).astype(np.float32)
    labels = np.full(boxes, label, np.int32)
    return Look(at_s, 1280, 720, Detections(corners, np.full(boxes, score, np.float32), labels, NAMES), "m@1")


def one(moment: Look) -> Look:
    moments = Moments()
    moments.look(moment)
    ((_, found),) = moments.since(0.0)
    return found


def test_a_look_comes_back_without_its_picture_to_a_fiftieth_of_a_pixel() -> None:
    seen = replace(look(7.5, 30), bgr=np.zeros((720, 1280, 3), np.uint8), closer=look(7.5, 44).detections)
    found = one(seen)
    expected = np.clip(seen.detections.boxes_px, 0, [1280, 720, 1280, 720])
    assert np.abs(found.detections.boxes_px - expected).max() < 0.02
    assert (found.at_s, found.width_px, found.model, found.detections.names) == (7.5, 1280, "m@1", NAMES)
    assert found.bgr is None
    assert found.closer is not None
    assert len(found.closer) == 44


def test_what_counted_counts_again_and_faint_persons_are_kept() -> None:
    assert len(one(look(0.0, 5, MIN_SCORE)).detections.of(frozenset(NAMES), MIN_SCORE)) == 5
    assert len(one(look(0.0, 5, 0.12)).detections) == 5
    assert len(one(look(0.0, 5, 0.3, label=1)).detections) == 0


def test_a_density_map_counts_as_many_again() -> None:
    persons = np.random.default_rng(1).exponential(0.2, (32, 30)).astype(np.float32)
    persons[0, 0] = 4.0
    found = one(replace(look(0.0, 0), density=DensityMap(persons, (1 / 30, 1 / 32), "d@1"))).density
    assert found is not None
    assert abs(found.total - persons.sum()) < 0.005 * persons.sum()
    assert (found.cell, found.model) == ((1 / 30, 1 / 32), "d@1")
    assert one(replace(look(0.0, 0), density=DensityMap(persons * 0, (1 / 30, 1 / 32), "d@1"))).density is not None


def test_an_hour_of_a_hundred_boxes_every_other_second_takes_less_than_a_megabyte() -> None:
    seen, moments = look(0.0, 100), Moments()
    tracemalloc.start()
    try:
        for at_s in range(0, 4000, 2):
            moments.look(replace(seen, at_s=float(at_s)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.02 * MOST_BYTES < 1_000_000
    times = [at_s for at_s, _ in moments.since(0.0)]
    assert times[-1] - times[0] > 0.95 * KEPT_S
    assert np.diff(times).max() <= LONGEST_EVERY_S


def test_a_picture_that_stays_as_it_is_costs_next_to_nothing_and_what_is_too_much_loses_its_beginning() -> None:
    moments = Moments()
    moments.repeat(0.0)
    moments.look(look(1.0, 3000))
    for at_s in range(2, 2000):
        moments.repeat(float(at_s))
    assert len(list(moments.since(0.0))) == 1999
    for at_s in range(2000, 2400):
        moments.look(look(float(at_s), 3000))
    times = [at_s for at_s, _ in moments.since(0.0)]
    assert times[0] > 2100
    assert np.diff(times).max() <= LONGEST_EVERY_S


def test_a_clock_that_was_set_back_begins_anew() -> None:
    moments = Moments()
    moments.look(look(9000.0, 1))
    moments.look(look(10.0, 2))
    assert [at_s for at_s, _ in moments.since(0.0)] == [10.0]


def test_at_which_preset_it_was_and_since_when_comes_back() -> None:
    told = one(replace(look(100.0, 2), preset="gate", arrived_s=94.0))
    assert (told.preset, told.arrived_s) == ("gate", 94.0)
    home = one(look(100.0, 2))
    assert (home.preset, home.arrived_s) == (None, None)
