"""Verdicts at the real desk: each judged alert once, with what the rule saw at its onset."""

import pytest
from desk_scene import ACTORS, NOW, do, incident, raised
from sqlalchemy import Engine

from alerts.desk import Desk
from alerts.verdicts import Judgement, verdicts
from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import Phase

OP = ACTORS["op"]


@pytest.mark.both_databases
def test_what_people_said_stands_beside_what_the_rule_saw(town: Engine, desk: Desk) -> None:
    one, two, three, _new = (
        raised(desk, seq, zone_id=f"z{seq}", measure={"persons": 10.0 + seq}) for seq in (1, 2, 3, 4)
    )
    do(desk, one, "op", "acknowledge")
    # What is measured later is not what the alert was raised for.
    again = incident(5, zone_id="z2", phase=Phase.CONTINUING, measure={"persons": 99.0})
    desk.report(again, NOW + 9)
    do(desk, desk.alert(two.id, OP), "op", "dismiss", NOW + 11, reason="false_alarm")
    do(desk, do(desk, three, "op", "acknowledge"), "op", "dismiss", NOW + 13, reason="permitted")
    found = verdicts(town, OP).items
    assert [(each.alert_id, each.judgement, each.reason, each.measure["persons"]) for each in found] == [
        (three.id, Judgement.DISMISSED, "permitted", 13.0),
        (two.id, Judgement.FALSE_ALARM, "false_alarm", 12.0),
        (one.id, Judgement.CONFIRMED, None, 11.0),
    ]
    assert (found[1].judged_by, found[1].judged_s, found[1].zone_id) == ("op", NOW + 11, "z2")


def test_by_camera_by_kind_by_page_and_in_sight_only(town: Engine, desk: Desk) -> None:
    for seq, (camera, lon) in enumerate((("cam1", 1.0), ("cam1", 1.0), ("cam3", 3.0)), start=1):
        place = GeoPoint(lon, 1.0)
        do(desk, raised(desk, seq, camera_id=camera, zone_id=f"z{seq}", place=place), "op", "acknowledge")
    assert len(verdicts(town, OP, camera_id="cam1").items) == 2
    assert verdicts(town, OP, kind="intrusion").items == ()
    first = verdicts(town, OP, limit=2)
    assert (len(first.items), len(verdicts(town, OP, after=first.next).items)) == (2, 1)
    assert [each.camera_id for each in verdicts(town, ACTORS["op_e"]).items] == ["cam3"]
    with pytest.raises(InvalidInput):
        verdicts(town, OP, after="nonsense")
    with pytest.raises(InvalidInput):
        verdicts(town, OP, camera_id="a\0b")
