"""Who is offered a case."""

import pytest
from desk_scene import NOW, duty

from alerts.routing import chain_of, route

PARENTS = {"g1": "d", "g2": "d", "d": "c", "c": None}


def test_first_on_duty_in_the_grid_fewest_open_cases_first() -> None:
    duties = [duty("b", "g1", open_cases=3), duty("a", "g1"), duty("backup", "g1", rank=1), duty("lead", "d")]
    found = route(["g1"], duties, PARENTS, NOW)
    assert (found.offered_to, found.grid_code, found.shortfall) == (("a", "b"), "g1", None)


def test_backup_then_climb_and_each_says_so() -> None:
    backup = route(["g1"], [duty("x", "g1", rank=1), duty("lead", "d")], PARENTS, NOW)
    assert backup.offered_to == ("x",)
    assert "backup" in (backup.shortfall or "")
    climbed = route(["g1"], [duty("boss", "c"), duty("other", "g2")], PARENTS, NOW)
    assert (climbed.offered_to, climbed.grid_code) == (("boss",), "c")
    assert "g1" in (climbed.shortfall or "")
    assert "无人在岗" in (climbed.shortfall or "")


def test_neighbours_are_never_asked_unasked() -> None:
    assert route(["g1", "g2"], [duty("neighbour", "g2")], PARENTS, NOW).offered_to == ()


def test_off_duty_people_are_not_asked() -> None:
    assert route(["g1"], [duty("early", "g1", since_s=NOW + 1)], PARENTS, NOW).offered_to == ()
    assert route(["g1"], [duty("on", "g1", since_s=NOW)], PARENTS, NOW).offered_to == ("on",)


def test_circles_and_unknown_grids_end() -> None:
    assert chain_of("a", {"a": "b", "b": "a"}) == ("a", "b")
    assert chain_of("x", {}) == ("x",)
    with pytest.raises(ValueError, match="grid"):
        route([], [], {}, NOW)
