"""Storms and neighbours at the real desk: cases, items, and what is said to a whole case."""

from dataclasses import replace

import pytest
from desk_scene import ACTORS, NOW, PATHS, do, incident, later, raised
from sqlalchemy import Engine, text

from alerts.cases import case, cases, give_all, items, members
from alerts.database import writing
from alerts.desk import Desk
from alerts.projection import replay
from models.alert import Alert, Command, CommandType, State
from models.errors import Forbidden, InvalidInput, NotFound
from models.geo import GeoPoint
from models.incident import Phase, Severity
from models.people import SYSTEM, Actor, Grant, Role

OP = ACTORS["op"]


def storm(desk: Desk, count: int, first: int = 1, **changes: object) -> list[Alert]:
    """Alerts of one kind in g1, each in a zone of its own."""
    found = [raised(desk, seq, zone_id=f"z{seq}", **changes) for seq in range(first, first + count)]
    return [desk.alert(alert.id, OP) for alert in found]


@pytest.mark.both_databases
def test_a_storm_is_one_item_and_all_of_it_is_countable(town: Engine, desk: Desk) -> None:
    alerts = storm(desk, 10)
    (item,) = items(town, OP).items
    assert item.case is not None
    assert (item.waiting, item.case.cause, item.case.states) == (10, "storm", {"new": 10})
    assert {alert.case_id for alert in alerts} == {item.case.id}
    assert [alert.id for alert in members(town, OP, item.case.id).items] == [alert.id for alert in alerts]
    assert [found.id for found in cases(town, OP).items] == [item.case.id]
    assert len(desk.alerts(OP).items) == 10


def test_a_storm_in_one_batch_is_the_same(town: Engine, desk: Desk) -> None:
    desk.report_batch([incident(seq, zone_id=f"z{seq}") for seq in range(1, 9)], NOW)
    (item,) = items(town, OP).items
    assert item.waiting == 8


def test_membership_is_told_by_the_log_and_outdates_nobody(desk: Desk) -> None:
    first = raised(desk, 1, zone_id="z1")
    storm(desk, 3, first=2)
    grouped = desk.alert(first.id, OP)
    log = desk.log(first.id, OP)
    assert [event.type.value for event in log] == ["detected", "grouped"]
    assert replay(log) == grouped
    assert grouped.case_id is not None
    assert do(desk, first, "op", "acknowledge").state is State.ACKNOWLEDGED
    last = desk.alerts(OP).items[0]
    assert (replay(desk.log(last.id, OP)), last.version) == (last, 1)


def test_red_stands_first_and_alone(town: Engine, desk: Desk) -> None:
    storm(desk, 6)
    red = raised(desk, 7, zone_id="z7", severity=Severity.RED)
    storm(desk, 2, first=8)
    first, second = items(town, OP).items
    assert (first.alert.id, first.case) == (red.id, None)
    assert second.waiting == 8


def test_items_come_by_deadline_and_by_pages(town: Engine, desk: Desk) -> None:
    """Blue of four hours ago stands before orange of now: severity with an age boost."""
    blue = raised(desk, 1, zone_id="b", severity=Severity.BLUE, kind="dumping")
    soon = NOW + 4 * 3600 - 200
    later_on = desk.report(incident(2, zone_id="o"), soon).alert_id
    yellow = desk.report(incident(3, zone_id="y", severity=Severity.YELLOW, kind="intrusion"), soon).alert_id
    order, after = [], None
    while True:
        page = items(town, OP, limit=1, after=after)
        order += [item.alert.id for item in page.items]
        if (after := page.next) is None:
            break
    assert order == [blue.id, later_on, yellow]
    with pytest.raises(InvalidInput):
        items(town, OP, after="x")


def test_what_is_done_or_out_of_sight_is_no_item(town: Engine, desk: Desk) -> None:
    alerts = storm(desk, 5)
    do(desk, alerts[0], "op", "dismiss", reason="false_alarm")
    (item,) = items(town, OP).items
    assert item.case is not None
    assert item.waiting == 4
    assert item.case.states == {"new": 4, "dismissed": 1}
    assert items(town, ACTORS["op_e"]).items == ()
    with pytest.raises(NotFound):
        case(town, ACTORS["op_e"], item.case.id)
    with pytest.raises(NotFound):
        items(town, ACTORS["op_e"], grid_code="g1")
    with pytest.raises(NotFound):
        members(town, OP, "nothing")


def test_a_command_to_a_case_is_one_to_each_member_that_it_fits(town: Engine, desk: Desk) -> None:
    alerts = storm(desk, 5)
    case_id = alerts[0].case_id or ""
    do(desk, alerts[0], "op", "dismiss", reason="false_alarm")
    acknowledge = Command(CommandType.ACKNOWLEDGE, OP)
    assert len(give_all(town, desk, case_id, acknowledge, NOW + 20).done) == 4
    assert give_all(town, desk, case_id, acknowledge, NOW + 20).done == ()
    assert desk.log(alerts[1].id, OP)[-1].actor_id == "op"
    dismiss = Command(CommandType.DISMISS, OP, reason="false_alarm")
    assert len(give_all(town, desk, case_id, dismiss, NOW + 21).done) == 4
    assert items(town, OP).items == ()
    with pytest.raises(InvalidInput):
        give_all(town, desk, case_id, Command(CommandType.DISPATCH, OP), NOW)
    with pytest.raises(Forbidden):
        give_all(town, desk, case_id, replace(acknowledge, actor=ACTORS["w1"]), NOW)


def test_a_command_to_a_case_reaches_those_members_that_one_may_command(town: Engine, desk: Desk) -> None:
    """Who sees all and acknowledges in one grid of it, where the case's first member lies in another."""
    with writing(town) as connection:
        connection.execute(text("UPDATE cameras SET upstream = 'switch 3' WHERE id IN ('cam1', 'cam3')"))
    dark = {"kind": "camera_offline", "zone_id": None, "severity": Severity.YELLOW, "evidence": ()}
    raised(desk, 1, camera_id="cam1", **dark)
    mine = raised(desk, 2, camera_id="cam3", place=GeoPoint(3.0, 1.0), **dark)
    who = Actor("both", "Both", (Grant(Role.VERIFIER, "c", PATHS["c"]), Grant(Role.OPERATOR, "e", PATHS["e"])))
    acknowledge = Command(CommandType.ACKNOWLEDGE, who)
    assert give_all(town, desk, mine.case_id or "", acknowledge, NOW + 20).done == (mine.id,)


def test_two_cameras_that_see_one_crowd_are_one_item(town: Engine, desk: Desk) -> None:
    one = raised(desk, 1, severity=Severity.RED)
    two = raised(desk, 2, severity=Severity.RED, camera_id="cam2", place=GeoPoint(1.0001, 1.0))
    apart = raised(desk, 3, severity=Severity.RED, camera_id="cam3", place=GeoPoint(1.01, 1.0))
    assert two.case_id is not None
    assert desk.alert(one.id, OP).case_id == two.case_id
    assert apart.case_id is None
    assert [item.waiting for item in items(town, OP).items] == [2, 1]


def test_a_crowd_that_had_gone_is_not_the_one_that_came(desk: Desk) -> None:
    first = incident(1)
    desk.report(first, NOW)
    desk.report(later(first, Phase.CLEARED, 2, 5.0), NOW + 6)
    other = raised(desk, 3, camera_id="cam2", place=GeoPoint(1.0001, 1.0), onset_s=NOW + 100)
    assert other.case_id is None


def test_cameras_behind_one_switch_are_one_case_over_all_towns(town: Engine, desk: Desk) -> None:
    with writing(town) as connection:
        connection.execute(text("UPDATE cameras SET upstream = 'switch 3' WHERE id IN ('cam1', 'cam3')"))
    dark = {"kind": "camera_offline", "zone_id": None, "severity": Severity.YELLOW, "evidence": ()}
    one = raised(desk, 1, camera_id="cam1", **dark)
    other = raised(desk, 2, camera_id="cam2", place=GeoPoint(2.0, 1.0), **dark)
    three = raised(desk, 3, camera_id="cam3", place=GeoPoint(3.0, 1.0), **dark)
    assert (desk.alert(one.id, SYSTEM).case_id, other.case_id) == (three.case_id, None)
    assert case(town, OP, three.case_id or "").cause == "upstream"
