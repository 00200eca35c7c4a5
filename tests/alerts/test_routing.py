"""Who is offered a case."""

from desk_scene import NOW, duty

from alerts.routing import route

UPWARDS = ["g1", "d", "c"]


def test_first_on_duty_in_the_grid_fewest_open_cases_first() -> None:
    duties = [duty("b", "g1", open_cases=3), duty("a", "g1"), duty("backup", "g1", rank=1), duty("lead", "d")]
    found = route(UPWARDS, duties, NOW)
    assert (found.offered_to, found.grid_code, found.shortfall) == (("a", "b"), "g1", None)


def test_backup_then_climb_and_each_says_so() -> None:
    backup = route(UPWARDS, [duty("x", "g1", rank=1), duty("lead", "d")], NOW)
    assert backup.offered_to == ("x",)
    assert "backup" in (backup.shortfall or "")
    climbed = route(UPWARDS, [duty("boss", "c"), duty("other", "g2")], NOW)
    assert (climbed.offered_to, climbed.grid_code) == (("boss",), "c")
    assert "g1" in (climbed.shortfall or "")
    assert "无人在岗" in (climbed.shortfall or "")


def test_neighbours_are_never_asked_unasked() -> None:
    assert route(UPWARDS, [duty("neighbour", "g2")], NOW).offered_to == ()


def test_off_duty_people_are_not_asked() -> None:
    assert route(UPWARDS, [duty("early", "g1", since_s=NOW + 1)], NOW).offered_to == ()
    assert route(UPWARDS, [duty("on", "g1", since_s=NOW)], NOW).offered_to == ("on",)
