"""The breaker of a kind and town, and neighbouring cameras: who folds into what, and when it closes by itself."""

import json

import pytest

from alerts.storms import (
    REMEMBERED,
    Breaker,
    Folded,
    Newcomer,
    breaker_from_json,
    breaker_to_json,
    joined,
    step,
    town_of,
)
from models.geo import GeoPoint
from models.incident import Severity

LIMIT, WINDOW_S = 3, 600.0


def newcomer(number: int, at_s: float, severity: Severity = Severity.YELLOW, lon_deg: float | None = None) -> Newcomer:
    """Some 1,000 m from the one before."""
    place = GeoPoint(109 + number / 100 if lon_deg is None else lon_deg, 32.0)
    return Newcomer(f"a{number}", severity, f"cam{number}", place, 4.0, at_s)


def walk(times_s: list[float], severity: Severity = Severity.YELLOW) -> tuple[Breaker, list[Folded | None]]:
    breaker, told = Breaker(), []
    for number, at_s in enumerate(times_s):
        new = newcomer(number, at_s, severity)
        breaker, folded = step(breaker, new, LIMIT, WINDOW_S)
        if folded is not None:
            breaker = joined(breaker, folded, new, folded.case_id or f"case{number}")
        told.append(folded)
    return breaker, told


def test_up_to_the_limit_stay_single_and_one_more_folds_them_all() -> None:
    _, told = walk([0, 10, 20, 30, 40])
    assert told[:3] == [None, None, None]
    assert told[3] is not None
    assert (told[3].case_id, told[3].with_) == (None, ("a0", "a1", "a2"))
    assert told[4] is not None
    assert (told[4].case_id, told[4].with_) == ("case3", ())
    assert "more than 3 of this kind" in told[3].reason


def test_slowly_they_stay_single_for_ever() -> None:
    assert set(walk([200.0 * number for number in range(40)])[1]) == {None}


def test_red_is_never_folded_and_opens_no_storm() -> None:
    assert set(walk([float(number) for number in range(20)], Severity.RED)[1]) == {None}
    breaker, _ = walk([0, 1, 2, 3])
    assert step(breaker, newcomer(9, 4.0, Severity.RED), LIMIT, WINDOW_S)[1] is None
    # Nor does it come in as a neighbour of one that is: to dismiss the storm would dismiss it, too.
    beside = newcomer(9, 4.0, Severity.RED, lon_deg=breaker.recent[-1].place.lon_deg)
    assert step(breaker, beside, LIMIT, WINDOW_S)[1] is None
    assert step(breaker_from_json(breaker_to_json(breaker)), beside, LIMIT, WINDOW_S)[1] is None


def test_it_closes_by_itself_with_half_as_many() -> None:
    """Two within ten minutes keep it open, one alone does not; the next storm is a case of its own."""
    breaker, told = walk([0, 1, 2, 3, 500, 650])
    assert told[-1] is not None
    assert told[-1].case_id == "case3"
    assert step(breaker, newcomer(9, 1300.0), LIMIT, WINDOW_S)[1] is None
    _, told = walk([0, 1, 2, 3, 2000, 2001, 2002, 2003])
    assert [folded and folded.case_id for folded in told[4:]] == [None, None, None, None]
    assert told[7] is not None
    assert told[7].with_ == ("a4", "a5", "a6")


def test_what_two_cameras_see_at_one_place_is_one_case_red_too() -> None:
    breaker, _ = step(Breaker(), newcomer(1, 0.0, Severity.RED, lon_deg=109.0), LIMIT, WINDOW_S)
    near = newcomer(2, 5.0, Severity.RED, lon_deg=109.0002)  # 19 m
    _, folded = step(breaker, near, LIMIT, WINDOW_S)
    assert folded is not None
    assert (folded.cause, folded.with_) == ("place", ("a1",))
    far = newcomer(3, 5.0, Severity.RED, lon_deg=109.0004)
    assert step(breaker, far, LIMIT, WINDOW_S)[1] is None
    assert step(breaker, newcomer(2, 700.0, lon_deg=109.0), LIMIT, WINDOW_S)[1] is None


def test_one_camera_twice_is_no_neighbour_of_itself() -> None:
    first = newcomer(1, 0.0)
    again = Newcomer("b", first.severity, first.camera_id, first.place, 4.0, 1.0)
    assert step(step(Breaker(), first, LIMIT, WINDOW_S)[0], again, LIMIT, WINDOW_S)[1] is None


def test_what_it_remembers_is_bounded_and_comes_back_from_json() -> None:
    breaker, _ = walk([float(number) for number in range(500)])
    assert (len(breaker.recent), len(breaker.times_s)) == (REMEMBERED, LIMIT + 1)
    assert breaker_from_json(json.loads(json.dumps(breaker_to_json(breaker)))) == breaker


@pytest.mark.parametrize(
    ("path", "town"), [("/c/d/t/v/g/", "/c/d/t/"), ("/c/d/t/", "/c/d/t/"), ("/c/d/", "/c/d/"), ("/c/", "/c/")]
)
def test_a_town_is_the_third_level_or_the_lowest_there_is(path: str, town: str) -> None:
    assert town_of(path, 3) == town
