"""Tracks over made walks: who crosses whom, who is missed, how often one looks, and what joining many costs."""

import time
from collections.abc import Iterable

import numpy as np
import pytest

from detectors.tracking import HITS, LOST_S, Tracks, track
from models.errors import InvalidInput

TALL = 100.0
Walk = tuple[float, float, float, float]
"""x and y of the middle at 0 s, and of its speed, pixels."""


def boxes(*middles: tuple[float, float]) -> np.ndarray:
    return np.array([[x - 20, y - TALL / 2, x + 20, y + TALL / 2] for x, y in middles], np.float32).reshape(-1, 4)


def sure(count: int, score: float = 0.8) -> np.ndarray:
    return np.full(count, score, np.float32)


def walked(
    walks: Iterable[Walk], times_s: Iterable[float], missed: Iterable[tuple[int, int]] = ()
) -> list[dict[int, tuple[float, float]]]:
    """At each look, where each track is, by its number. ``missed``: (look, walk)."""
    tracks, rng, seen, gone = Tracks(), np.random.default_rng(1), [], set(missed)
    for look, at_s in enumerate(times_s):
        at = [(x + vx * at_s, y + vy * at_s) for i, (x, y, vx, vy) in enumerate(walks) if (look, i) not in gone]
        found = boxes(*at) + rng.normal(0, 2.5, (len(at), 4)).astype(np.float32)
        tracks = track(tracks, at_s, found, sure(len(at)))
        seen.append({int(tracks.ids[i]): tuple(tracks.middles[i]) for i in np.flatnonzero(tracks.seen)})
    return seen


def fifths(seconds: float) -> list[float]:
    return [look / 5 for look in range(int(seconds * 5))]


def number_near(seen: dict[int, tuple[float, float]], x: float) -> int:
    return min(seen, key=lambda number: abs(seen[number][0] - x))


def test_two_who_cross_each_other_keep_their_numbers() -> None:
    seen = walked([(0, 300, 80, 0), (480, 320, -80, 0)], fifths(6))
    first, last = seen[HITS], seen[-1]
    assert len(last) == 2
    assert number_near(first, 0) == number_near(last, 480)
    assert number_near(first, 480) == number_near(last, 0)


def test_who_is_missed_for_a_second_is_the_same_after_it() -> None:
    gone = [(look, 0) for look in range(10, 15)]
    seen = walked([(0, 300, 80, 20)], fifths(5), gone)
    assert seen[12] == {}
    assert seen[9].keys() == seen[-1].keys()


def test_who_is_away_for_longer_comes_back_as_another() -> None:
    looks = int((LOST_S + 0.5) * 5)
    seen = walked([(0, 300, 20, 0)], fifths(8), [(look, 0) for look in range(5, 5 + looks)])
    assert seen[4].keys() != seen[-1].keys()


def test_irregular_looks_are_joined_by_their_times() -> None:
    gaps = np.random.default_rng(3).choice([0.2, 0.2, 0.4, 0.2, 1.0], 20)
    seen = walked([(0, 300, 90, 0), (900, 500, -70, 10)], np.cumsum(gaps).tolist())
    assert set().union(*seen[HITS:]) == set(seen[HITS])
    assert len(seen[-1]) == 2


def test_once_a_second_is_enough_for_those_who_walk_alone() -> None:
    seen = walked([(0, 300, 80, 0)], [float(look) for look in range(8)])
    assert set().union(*seen[HITS:]) == set(seen[HITS])


def test_one_box_is_nobody_and_a_weak_one_begins_no_track_but_keeps_one() -> None:
    tracks = track(Tracks(), 0.0, boxes((50, 50)), sure(1))
    assert not tracks.seen.any()
    weak = track(track(Tracks(), 0.0, boxes((50, 50)), sure(1, 0.25)), 0.2, boxes((50, 50)), sure(1, 0.25))
    assert len(weak) == 0
    known = track(tracks, 0.2, boxes((52, 50)), sure(1))
    kept = track(known, 0.4, boxes((54, 50)), sure(1, 0.25))
    assert kept.seen.tolist() == [True]
    assert kept.ids.tolist() == known.ids.tolist()


def test_the_strong_box_is_taken_before_the_weak_one() -> None:
    known = track(track(Tracks(), 0.0, boxes((50, 50)), sure(1)), 0.2, boxes((50, 50)), sure(1))
    both = np.concatenate([boxes((50, 50)), boxes((60, 50))])
    after = track(known, 0.4, both, np.array([0.25, 0.8], np.float32))
    assert after.middles[0, 0] > 54


def test_a_still_person_has_no_speed_and_a_walking_one_has_hers() -> None:
    tracks, rng = Tracks(), np.random.default_rng(2)
    for at_s in fifths(4):
        found = boxes((50, 50), (200 + 80 * at_s, 50)) + rng.normal(0, 2, (2, 4)).astype(np.float32)
        tracks = track(tracks, at_s, found, sure(2))
    assert tracks.speeds[:, 0] == pytest.approx([0, 80], abs=25)


def test_a_look_out_of_order_or_at_no_time_is_refused() -> None:
    tracks = track(Tracks(), 5.0, boxes((50, 50)), sure(1))
    for at_s in (5.0, 4.0, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="after those before it"):
            track(tracks, at_s, boxes((50, 50)), sure(1))


def test_nobody_there_and_boxes_without_a_size_are_taken() -> None:
    tracks = track(Tracks(), 0.0, boxes(), sure(0))
    flat = np.array([[10, 10, 10, 10]], np.float32)
    for look in range(1, 4):
        tracks = track(tracks, look / 5, flat, sure(1))
    assert np.isfinite(tracks.boxes_px).all()
    assert len(track(tracks, 9.0, boxes(), sure(0))) == 0


def test_two_hundred_at_once_cost_little_and_a_flood_of_boxes_is_cut() -> None:
    rng = np.random.default_rng(4)
    at, speed = rng.uniform(0, 1900, (200, 2)), rng.normal(0, 40, (200, 2))
    tracks, took_s = Tracks(), []
    for look in range(10):
        found = boxes(*(at + speed * look / 5).tolist())
        began_s = time.perf_counter()
        tracks = track(tracks, look / 5, found, sure(200))
        took_s.append(time.perf_counter() - began_s)
    assert sorted(took_s)[5] < 0.05  # some 4 ms; the machine may be busy
    assert tracks.next_id < 230
    assert len(track(Tracks(), 0.0, boxes(*rng.uniform(0, 999, (2000, 2)).tolist()), sure(2000))) == 500
