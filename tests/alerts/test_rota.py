"""The rota at rest: shifts, leave, reachability, skills, organisations; and what routing says for want of someone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import Databases
from registry_scene import PATHS, Scene, actor, build, collection, feature, place, square
from sqlalchemy import select, update
from workbooks import csv_bytes, xlsx_bytes

from alerts.accounts import session_of, sign_in
from alerts.camera_checks import NewCamera
from alerts.candidates import Why
from alerts.database import writing
from alerts.desk import Desk
from alerts.grid_import import parse_grids
from alerts.inbox import inbox
from alerts.organisations import OrganisationKind
from models.alert import Alert, Command, CommandType
from models.camera import SourceUrl
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from models.geo import distance_m
from models.incident import Incident, Phase, Severity
from models.people import SYSTEM, Actor, Role
from models.tables import alerts

pytestmark = pytest.mark.both_databases

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    yield from build(tmp_path, databases)


def added(scene: Scene, username: str, role: Role = Role.GRID_WORKER, code: str = "A1") -> str:
    person, _ = scene.registry.add_person(SYSTEM, username, username.title(), "a sentence for a test", [(role, code)])
    return person.id


def test_who_can_be_asked_and_why_the_others_cannot(scene: Scene) -> None:
    registry, admin = scene.registry, actor(Role.ADMIN, "A")
    wang, li, zhao, sun, zhou = (added(scene, name) for name in ("wang", "li", "zhao", "sun", "zhou"))
    for person in (wang, li, zhao, sun):
        registry.put_on_duty(admin, person, "A1", NOW - DAY, NOW + DAY)
    registry.add_absence(admin, wang, NOW - 1, NOW + 60, "年假")
    registry.mark_reachable(actor(Role.OPERATOR, "A"), li, False, "no answer, three calls")
    registry.change_person(admin, sun, skills=["gas"])
    registry.put_on_duty(admin, zhou, "A1", NOW + DAY, NOW + 2 * DAY)
    able, missing = registry.roster(actor(Role.SUPERVISOR, "R"), "A1", NOW, ("gas",))
    assert [duty.person_id for duty in able] == [sun]
    assert {(item.person_id, item.why, item.until_s) for item in missing} == {
        (wang, Why.ABSENT, NOW + 60),
        (li, Why.UNREACHABLE, None),
        (zhao, Why.LACKS_SKILL, None),
        (zhou, Why.OFF_SHIFT, NOW + DAY),
    }
    assert {duty.person_id: duty.reachable for duty in registry.duties(["A1"], NOW)} == {
        li: False,
        zhao: True,
        sun: True,
    }
    for who, error in ((actor(Role.GRID_WORKER, "A1"), Forbidden), (actor(Role.SUPERVISOR, "B"), NotFound)):
        with pytest.raises(error):
            registry.roster(who, "A1", NOW)


def test_seen_alive_again_is_reachable_again(scene: Scene) -> None:
    wang = added(scene, "wang")
    with pytest.raises(InvalidInput, match="reason"):
        scene.registry.mark_reachable(SYSTEM, wang, False)
    with pytest.raises(NotFound):
        scene.registry.mark_reachable(actor(Role.OPERATOR, "B"), wang, False, "no answer")
    assert not scene.registry.mark_reachable(SYSTEM, wang, False, "no answer").reachable
    scene.clock.now_s += 1
    scene.registry.seen_alive(wang)
    assert scene.registry.person(wang).reachable


def test_a_stand_in_works_wherever_the_absent_person_does(scene: Scene) -> None:
    wang, li, far = added(scene, "wang"), added(scene, "li", code="A"), added(scene, "far", code="B1")
    registry, admin = scene.registry, actor(Role.ADMIN, "A")
    registry.put_on_duty(admin, wang, "A1", NOW, NOW + 3600)
    for wrong in (far, wang):
        with pytest.raises(InvalidInput, match="stand-in"):
            registry.add_absence(SYSTEM, wang, NOW, NOW + DAY, "leave", wrong)
    absence = registry.add_absence(admin, wang, NOW, NOW + DAY, "leave", li)
    assert [(d.person_id, d.stands_in_for) for d in registry.duties(["A1"], NOW)] == [(li, wang)]
    assert [item.stand_in_id for item, _ in registry.absences(admin, "A1", NOW, NOW + 1)] == [li]
    scene.clock.now_s = NOW + 10
    registry.end_absence(admin, absence.id)
    assert [d.person_id for d in registry.duties(["A1"], NOW + 10)] == [wang]
    with pytest.raises(NotFound):
        registry.end_absence(actor(Role.ADMIN, "B"), absence.id)


def test_a_shift_can_be_taken_back_and_the_same_one_is_written_once(scene: Scene) -> None:
    registry, wang = scene.registry, added(scene, "wang")
    first = registry.put_on_duty(SYSTEM, wang, "A1", NOW, NOW + 100)
    assert registry.put_on_duty(SYSTEM, wang, "A1", NOW, NOW + 100) == first
    scene.clock.now_s = NOW + 50
    registry.end_shift(actor(Role.SUPERVISOR, "A"), first.id)
    assert [(s.ends_s, name) for s, name in registry.shifts(SYSTEM, "A1", 0, 1e10).items] == [(NOW + 50, "Wang")]
    coming = registry.put_on_duty(SYSTEM, wang, "A1", NOW + 200, NOW + 300)
    with pytest.raises(Forbidden):
        registry.end_shift(actor(Role.OPERATOR, "A"), coming.id)
    registry.end_shift(SYSTEM, coming.id)
    assert len(registry.shifts(SYSTEM, "A1", 0, 1e10).items) == 1


def test_a_rota_is_imported_whole_or_not_and_again_changes_nothing(scene: Scene) -> None:
    added(scene, "wang")
    header = ["登录名", "网格编码", "开始", "结束", "顺序"]
    rows = [
        ["Wang", "A1", "2026-11-22 08:00", "2026-11-22 20:00", "主岗"],
        ["wang", "A1", "2026/11/23", "2026/11/24", 1],
    ]
    admin = actor(Role.ADMIN, "A")
    assert scene.registry.import_rota(admin, xlsx_bytes([header, *rows]), dry_run=True).new == 2
    assert scene.registry.import_rota(admin, csv_bytes([header, *rows], "gbk")).new == 2
    assert scene.registry.import_rota(admin, xlsx_bytes([header, *rows])).new == 0
    bad = [
        ["wang", "A1", "soon", "2026-11-24", "0"],
        ["wang", "B1", "2026-11-22", "2026-11-23", "0"],
        ["nobody", "A1", "2026-11-22", "2026-11-23", "7x"],
        [*rows[0][:2], "2026-12-01", "2026-12-02", "0"],
    ]
    with pytest.raises(InvalidInput) as caught:
        scene.registry.import_rota(admin, csv_bytes([header, *bad]))
    assert [fault.where for fault in caught.value.faults] == ["row 2", "row 4", "row 3"]
    assert len(scene.registry.shifts(SYSTEM, "A1", 0, 1e10).items) == 2


def test_who_leaves_is_signed_out_on_no_duty_and_may_not_sign_in(scene: Scene) -> None:
    wang, admin = added(scene, "wang"), actor(Role.ADMIN, "A")
    scene.registry.put_on_duty(SYSTEM, wang, "A1", NOW, NOW + DAY)
    session = sign_in(scene.engine, "wang", "a sentence for a test", "10.0.0.1", 3600, NOW)
    person, in_hand = scene.registry.change_person(admin, wang, active=False)
    assert (person.active, in_hand, scene.registry.duties(["A1"], NOW)) == (False, 0, [])
    with pytest.raises(Unauthenticated):
        session_of(scene.engine, session.token, NOW)
    with pytest.raises(Unauthenticated):
        sign_in(scene.engine, "wang", "a sentence for a test", "10.0.0.1", 3600, NOW)
    with pytest.raises(NotFound):
        scene.registry.change_person(actor(Role.ADMIN, "B"), wang, active=True)
    boss = added(scene, "boss", Role.ADMIN, "R")
    with pytest.raises(Conflict, match="themselves"):
        scene.registry.change_person(actor_of(scene, boss), boss, active=False)


def actor_of(scene: Scene, person_id: str) -> Actor:
    person = scene.registry.person(person_id)
    return Actor(person.id, person.name, person.grants)


def test_organisations_have_people_within_the_administrators_grids(scene: Scene) -> None:
    registry, admin = scene.registry, actor(Role.ADMIN, "A")
    registry.add_organisation(admin, "clean", "环卫公司", OrganisationKind.CONTRACTOR, "A")
    with pytest.raises(Conflict):
        registry.add_organisation(SYSTEM, "clean", "另一个", OrganisationKind.UNIT, "B")
    with pytest.raises(NotFound):
        registry.add_organisation(admin, "far", "远", OrganisationKind.UNIT, "B")
    registry.add_organisation(SYSTEM, "far", "远", OrganisationKind.UNIT, "B")
    wang = added(scene, "wang")
    assert registry.change_person(admin, wang, organisation="clean")[0].organisation == "clean"
    for wrong in ("far", "nowhere"):
        with pytest.raises(InvalidInput, match="no organisation"):
            registry.change_person(admin, wang, organisation=wrong)
    assert [item.code for item in registry.organisations(admin).items] == ["clean"]
    registry.change_organisation(admin, "clean", active=False)
    with pytest.raises(InvalidInput, match="not active"):
        registry.change_person(admin, wang, organisation="clean")
    assert registry.change_person(admin, wang, organisation="")[0].organisation is None
    with pytest.raises(InvalidInput, match="skills"):
        registry.change_person(admin, wang, skills=["Electrician!"])


def test_a_dispatch_asks_whoever_has_the_skill_and_says_why_others_were_not(scene: Scene) -> None:
    """Place, kind, skill: the electrician of the district is offered what nobody of the grid can do."""
    registry = scene.registry
    camera = registry.add_camera(SYSTEM, _camera())
    plain, away, skilled = added(scene, "plain"), added(scene, "away"), added(scene, "skilled", code="A")
    for person, code in ((plain, "A1"), (away, "A1"), (skilled, "A")):
        registry.put_on_duty(SYSTEM, person, code, NOW - DAY, NOW + DAY)
    registry.add_absence(SYSTEM, away, NOW - 1, NOW + DAY, "年假")
    registry.change_person(SYSTEM, skilled, skills=["crowd"])
    registry.set_needs(SYSTEM, "R", "crowding", ["crowd"])
    desk, operator, alert = acknowledged(scene, camera.id)
    near = registry.places(operator, alert.place, alert.accuracy_m)
    assert [(item.grid.code, item.grid.name) for item in near] == [("A1", "网格"), ("A2", "网格")]
    assert near[1].distance_m == pytest.approx(distance_m(place(990), place(1000)), abs=0.1)
    alert = desk.execute(alert.id, Command(CommandType.DISPATCH, operator), alert.version, NOW + 2)
    assert alert.offered_to == (skilled,)
    assert alert.shortfall is not None
    assert "Plain lacks the skill crowd" in alert.shortfall
    assert "Away请假" in alert.shortfall
    chosen = Command(CommandType.DISPATCH, operator, {"grid_code": near[1].grid.code}, "the border runs here")
    alert = desk.execute(alert.id, chosen, alert.version, NOW + 3)
    assert alert.offered_to == (skilled,)
    assert "A2" in (alert.shortfall or "")


def acknowledged(scene: Scene, camera_id: str) -> tuple[Desk, Actor, Alert]:
    """An alert in A1, ten metres from A2."""
    desk, operator = Desk(scene.engine, scene.registry, claim_lease_s=60), actor(Role.OPERATOR, "R")
    incident = Incident(
        source="worker:1",
        seq=1,
        kind="crowding",
        phase=Phase.ONSET,
        camera_id=camera_id,
        zone_id="z",
        severity=Severity.ORANGE,
        confidence=0.8,
        place=place(990),
        accuracy_m=50.0,
        onset_s=NOW - 9,
        at_s=NOW,
        measure={"persons": 24},
        reason="24 persons",
        model="test",
        evidence=(),
    )
    alert = desk.alert(desk.report(incident, NOW).alert_id or "", operator)
    return desk, operator, desk.execute(alert.id, Command(CommandType.ACKNOWLEDGE, operator), alert.version, NOW + 1)


def _camera() -> NewCamera:
    return NewCamera("cam", "cam", place(900), SourceUrl.parse("rtsp://10.0.0.1/"), "a test")


def test_a_place_is_looked_up_as_the_tree_was_then(scene: Scene) -> None:
    west = feature("W", None, square(-1000, -1))
    west["properties"]["valid_from"] = "2030-01-01"  # type: ignore[index]
    scene.registry.import_grids(parse_grids(collection(west)), SYSTEM)
    assert scene.registry.places(SYSTEM, place(-500), 1.0) == []
    assert [item.grid.code for item in scene.registry.places(SYSTEM, place(-500), 1.0, 1.9e9)] == ["W"]
    assert scene.registry.places(actor(Role.OPERATOR, "B"), place(500), 1.0) == []


def test_a_units_inbox_is_for_those_who_see_its_grid(scene: Scene) -> None:
    scene.registry.add_organisation(SYSTEM, "power", "供电所", OrganisationKind.UNIT, "A")
    assert inbox(scene.engine, actor(Role.UNIT, "A"), "power").items == ()
    desk, operator, alert = acknowledged(scene, scene.registry.add_camera(SYSTEM, _camera()).id)
    across = Command(CommandType.TRANSFER_ACROSS, operator, {"unit": "power"}, "a matter of the mains")
    desk.execute(alert.id, across, alert.version, NOW + 2)
    assert [item.id for item in inbox(scene.engine, actor(Role.UNIT, "A"), "power").items] == [alert.id]
    assert inbox(scene.engine, SYSTEM, "power", after="1e11~0").items == ()
    for code, who in (("power", actor(Role.UNIT, "B")), ("nowhere", actor(Role.UNIT, "A"))):
        with pytest.raises(NotFound):
            inbox(scene.engine, who, code)
    for after in ("x", "9~1~A", "1~nan~A", "1~1~"):
        with pytest.raises(InvalidInput, match="after"):
            inbox(scene.engine, SYSTEM, "power", after=after)


def test_a_units_inbox_is_in_the_order_of_queues_and_without_exercises(scene: Scene) -> None:
    """Yellow that is about to be late stands before orange of now, as it does in a grid's queue."""
    scene.registry.add_organisation(SYSTEM, "power", "供电所", OrganisationKind.UNIT, "A")
    desk, operator, first = acknowledged(scene, scene.registry.add_camera(SYSTEM, _camera()).id)
    others = [desk.practise(SYSTEM, first.grid_code, kind, "演练", None, NOW + 2) for kind in ("crowding", "dumping")]
    acknowledge = Command(CommandType.ACKNOWLEDGE, operator)
    others = [desk.execute(alert.id, acknowledge, alert.version, NOW + 3) for alert in others]
    for alert in (first, *others):
        across = Command(CommandType.TRANSFER_ACROSS, operator, {"unit": "power"}, "a matter of the mains")
        desk.execute(alert.id, across, alert.version, NOW + 4)
    assert [item.id for item in inbox(scene.engine, SYSTEM, "power").items] == [first.id]
    with writing(scene.engine) as connection:  # as if they were real
        connection.execute(update(alerts).values(practice=False))
    order = [item.id for item in inbox(scene.engine, SYSTEM, "power").items]
    with scene.engine.connect() as connection:
        assert order == list(connection.execute(select(alerts.c.id).order_by(alerts.c.urgent_s, alerts.c.id)).scalars())
    page = inbox(scene.engine, SYSTEM, "power", limit=2)
    assert [*page.items, *inbox(scene.engine, SYSTEM, "power", after=page.next).items] == [
        *inbox(scene.engine, SYSTEM, "power").items
    ]


def test_a_dry_run_tells_what_import_would_refuse(scene: Scene) -> None:
    table = csv_bytes([["code", "name", "parent"], ["A3", "x", "A"], ["B2", "y", "B"], ["A1", "z", "B"]])
    plan, findings = scene.registry.plan_import(table, actor(Role.ADMIN, "R"))
    assert [str(fault) for fault in plan.faults] == [
        "A1: it stands elsewhere in the tree already; a grid does not move"
    ]
    assert findings is not None
    plan, _ = scene.registry.plan_import(
        csv_bytes([["code", "name", "parent"], ["A3", "x", "A"]]), actor(Role.ADMIN, "A")
    )
    assert (plan.faults, len(plan.grids)) == ((), 1)
    with pytest.raises(Forbidden):
        scene.registry.plan_import(table, actor(Role.OPERATOR, "A"))
    assert set(PATHS) == {grid.code for grid in scene.registry.tree(SYSTEM)}
