"""Grids at rest, people and duties: each within what an actor may see and do."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import Databases
from registry_scene import PATHS, Clock, Scene, actor, build, city, collection, feature, place, square
from sqlalchemy import insert, update

from alerts.database import writing
from alerts.grid_import import parse_grids
from alerts.grid_registry import INDEX_MAX_AGE_S
from alerts.registry import Registry
from models.alert import IN_HAND, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.people import SYSTEM, Grid, Permission, Role
from models.tables import alerts, grids, people

pytestmark = pytest.mark.both_databases

WORKER = [(Role.GRID_WORKER, "A1")]


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    yield from build(tmp_path, databases)


def test_grids_are_listed_within_ones_sight_in_pages_parents_first(scene: Scene) -> None:
    assert [grid.code for grid in scene.registry.grids(SYSTEM).items] == ["R", "A", "A1", "A2", "B", "B1"]
    assert [grid.code for grid in scene.registry.grids(actor(Role.AUDITOR, "A")).items] == ["A", "A1", "A2"]
    assert [grid.code for grid in scene.registry.tree(actor(Role.OPERATOR, "B"))] == ["B", "B1"]
    assert [grid.code for grid in scene.registry.grids(SYSTEM, under="A").items] == ["A", "A1", "A2"]
    first = scene.registry.grids(SYSTEM, limit=4)
    rest = scene.registry.grids(SYSTEM, limit=4, after=first.next)
    assert [grid.code for grid in first.items + rest.items] == ["R", "A", "A1", "A2", "B", "B1"]
    assert rest.next is None


def test_a_grid_reads_back_as_it_was_imported(scene: Scene) -> None:
    assert list(scene.registry.tree(SYSTEM)) == sorted(parse_grids(city()), key=lambda grid: grid.path)
    assert scene.registry.grid("A1", actor(Role.GRID_WORKER, "A1")).path == PATHS["A1"]


def test_a_grid_out_of_sight_is_not_there_also_one_above(scene: Scene) -> None:
    for code in ("B1", "A", "R", "nowhere", "a1", "A_", "%"):
        with pytest.raises(NotFound, match="no such thing within the grids that you may see"):
            scene.registry.grid(code, actor(Role.ADMIN, "A1"))


def test_sight_is_by_character_and_not_by_pattern(scene: Scene) -> None:
    scene.registry.import_grids(parse_grids(collection(feature("a"), feature("R_"), feature("RA"))), SYSTEM)
    assert [grid.code for grid in scene.registry.grids(actor(Role.ADMIN, "A1")).items] == ["A1"]
    assert {grid.code for grid in scene.registry.grids(actor(Role.ADMIN, "R")).items} == set(PATHS)


def test_importing_again_changes_nothing_and_a_change_counts(scene: Scene) -> None:
    tree = parse_grids(city())
    assert scene.registry.import_grids(tree, SYSTEM) == 0
    renamed = [replace(grid, name="新名") if grid.code == "A1" else grid for grid in tree]
    assert scene.registry.import_grids(renamed, actor(Role.ADMIN, "A")) == 1
    assert scene.registry.grid("A1", SYSTEM).name == "新名"


def test_imports_stay_within_ones_grids_and_are_whole_or_nothing(scene: Scene) -> None:
    known = scene.registry.tree(SYSTEM)
    mixed = parse_grids(collection(feature("A3", "A"), feature("B2", "B")), known=known)
    with pytest.raises(NotFound):
        scene.registry.import_grids(mixed, actor(Role.ADMIN, "A"))
    with pytest.raises(Forbidden):
        scene.registry.import_grids(mixed, actor(Role.OPERATOR, "R"))
    assert len(scene.registry.tree(SYSTEM)) == 6
    assert scene.registry.import_grids(mixed, actor(Role.ADMIN, "R")) == 2


def test_an_admin_of_a_part_draws_no_border_over_a_neighbour(scene: Scene) -> None:
    """A spans 0–2000 m, B 2000–3000 m: places in B go to B whatever A's admin imports."""
    known, admin = scene.registry.tree(SYSTEM), actor(Role.ADMIN, "A")

    def drawn(code: str, west_m: float, east_m: float, parent: str = "A") -> list[Grid]:
        return parse_grids(collection(feature(code, parent, square(west_m, east_m))), known=known)

    over = json.dumps(collection(feature("A3", "A", square(1500, 2500))))
    plan, _ = scene.registry.plan_import(over.encode(), admin)
    assert [str(fault) for fault in plan.faults] == ["A3: 50% of its land lies outside A, which is yours"]
    for grids_, word in ((drawn("A3", 1500, 2500), "50%"), (drawn("A", 0, 2500, "R"), "an admin of the grid above")):
        with pytest.raises(InvalidInput, match=word):
            scene.registry.import_grids(grids_, admin)
    assert scene.registry.import_grids(drawn("A3", 1500, 2005), admin) == 1  # a border surveyed twice
    assert scene.registry.import_grids(drawn("A", 0, 2500, "R"), actor(Role.ADMIN, "R")) == 1
    assert scene.registry.import_grids(drawn("A4", 1500, 2500), SYSTEM) == 1
    with writing(scene.engine) as connection:
        connection.execute(update(grids).where(grids.c.code == "A").values(polygon=None))
    with pytest.raises(InvalidInput, match="33% of its land lies in grids that are not yours"):
        scene.registry.import_grids(drawn("A5", 1000, 2500), admin)
    assert scene.registry.import_grids(drawn("A5", -500, 1500), admin) == 1


def test_a_grid_does_not_move_and_paths_must_be_true(scene: Scene) -> None:
    document: Any = copy.deepcopy(city())
    document["features"][3]["properties"]["parent"] = "B"
    with pytest.raises(InvalidInput, match="it stands elsewhere in the tree already") as caught:
        scene.registry.import_grids(parse_grids(document), SYSTEM)
    assert [fault.where for fault in caught.value.faults] == ["A1"]
    for liar in (Grid("X", "s", "x", "A", 1, "/X/"), Grid("X", "s", "x", "nobody", 2, "/nobody/X/")):
        with pytest.raises(InvalidInput, match="parent"):
            scene.registry.import_grids([liar], SYSTEM)


def test_the_index_follows_this_processs_imports_at_once_and_others_soon(scene: Scene) -> None:
    registry, other = scene.registry, Registry(scene.engine, scene.vault, Clock(1_000_000_000.0))  # its clock is behind
    assert registry.grid_index(0.0).locate(place(-500), 1.0).code is None
    assert registry.grid_index(1.0) is registry.grid_index(1.5)
    west = feature("W", None, square(-1000, -1))
    registry.import_grids(parse_grids(collection(west)), SYSTEM)
    assert registry.grid_index(1.6).locate(place(-500), 1.0).code == "W"
    before = registry.grid_index(1.6)
    other.import_grids(parse_grids(collection({**west, "geometry": square(-2000, -1001)})), SYSTEM)
    assert registry.grid_index(2.0) is before
    assert registry.grid_index(2.0 + INDEX_MAX_AGE_S).locate(place(-1500), 1.0).code == "W"
    unchanged = registry.grid_index(100.0)
    assert registry.grid_index(200.0) is unchanged


def test_the_index_holds_grids_only_while_they_are_valid(scene: Scene) -> None:
    with writing(scene.engine) as connection:
        connection.execute(update(grids).where(grids.c.code == "A1").values(valid_to_s=100.0, changed_s=1.0))
        connection.execute(update(grids).where(grids.c.code == "A2").values(valid_from_s=100.0, changed_s=1.0))
    assert scene.registry.grid_index(90.0).locate(place(500), 1.0).code == "A1"
    assert scene.registry.grid_index(90.0).locate(place(1500), 1.0).code == "A"
    assert scene.registry.grid_index(100.0).locate(place(500), 1.0).code == "A"
    assert scene.registry.grid_index(100.0).locate(place(1500), 1.0).code == "A2"


def test_a_person_is_added_with_a_one_time_password_or_a_chosen_one(scene: Scene) -> None:
    person, one_time = scene.registry.add_person(actor(Role.ADMIN, "A"), " LiNa ", " 李娜 ", None, WORKER * 2)
    assert one_time is not None
    assert (person.username, person.name, person.must_change_password, person.active) == ("lina", "李娜", True, True)
    assert [(grant.role, grant.grid_code, grant.grid_path) for grant in person.grants] == [
        (Role.GRID_WORKER, "A1", PATHS["A1"])
    ]
    assert scene.registry.person(person.id) == person
    other, none = scene.registry.add_person(SYSTEM, "wanghao", "王浩", "a chosen password", WORKER)
    assert (none, other.must_change_password) == (None, False)


def test_nobody_gives_rights_in_grids_that_are_not_theirs(scene: Scene) -> None:
    for who, error in (
        (actor(Role.ADMIN, "B"), NotFound),
        (actor(Role.ADMIN, "A2"), NotFound),
        (actor(Role.OPERATOR, "A"), Forbidden),
        (actor(Role.GRID_WORKER, "A1"), Forbidden),
    ):
        with pytest.raises(error):
            scene.registry.add_person(who, "lina", "李娜", None, WORKER)
    with pytest.raises(NotFound):
        scene.registry.add_person(actor(Role.ADMIN, "A"), "lina", "李娜", None, [*WORKER, (Role.ADMIN, "R")])
    assert scene.registry.people(SYSTEM).items == ()


@pytest.mark.parametrize(
    ("username", "name", "password", "granted"),
    [
        ("", "李娜", None, WORKER),
        ("li na", "李娜", None, WORKER),
        ("李娜", "李娜", None, WORKER),
        ("x" * 65, "李娜", None, WORKER),
        ("lina\x00", "李娜", None, WORKER),
        ("lina", "李\u202e娜", None, WORKER),
        ("lina", "", None, WORKER),
        ("lina", "李娜", "too short", WORKER),
        ("lina", "李娜", "", WORKER),
        ("lina.long.enough", "李娜", "Lina.Long.Enough", WORKER),
        ("lina", "李娜", None, []),
        ("lina", "李娜", None, WORKER * 101),
    ],
)
def test_hostile_people_are_refused(
    scene: Scene, username: str, name: str, password: str | None, granted: list[tuple[Role, str]]
) -> None:
    with pytest.raises(InvalidInput):
        scene.registry.add_person(SYSTEM, username, name, password, granted)


def test_a_user_name_is_taken_once_in_any_case(scene: Scene) -> None:
    scene.registry.add_person(SYSTEM, "lina", "李娜", None, WORKER)
    with pytest.raises(Conflict, match="lina"):
        scene.registry.add_person(SYSTEM, "LINA", "别人", None, WORKER)


def test_people_are_listed_where_one_administers(scene: Scene) -> None:
    for number, code in enumerate(["A1", "A2", "B1", "R"]):
        scene.registry.add_person(SYSTEM, f"p{number}", "某人", "a chosen password", [(Role.OPERATOR, code)])
    seen = [person.username for person in scene.registry.people(actor(Role.ADMIN, "A")).items]
    assert seen == ["p0", "p1"]
    assert scene.registry.people(actor(Role.OPERATOR, "R")).items == ()
    both = [(Role.OPERATOR, "A1"), (Role.SUPERVISOR, "R")]
    scene.registry.add_person(SYSTEM, "zoe", "某人", "a chosen password", both)
    shown = [person for person in scene.registry.people(actor(Role.ADMIN, "A")).items if person.username == "zoe"]
    assert [[grant.grid_code for grant in person.grants] for person in shown] == [["A1"]]
    first = scene.registry.people(SYSTEM, limit=3)
    assert [p.username for p in first.items + scene.registry.people(SYSTEM, after=first.next).items] == [
        "p0",
        "p1",
        "p2",
        "p3",
        "zoe",
    ]


def test_a_reset_is_for_those_who_administer_all_that_the_person_holds(scene: Scene) -> None:
    local, _ = scene.registry.add_person(SYSTEM, "local", "甲", None, WORKER)
    both, _ = scene.registry.add_person(SYSTEM, "both", "乙", None, [*WORKER, (Role.ADMIN, "B")])
    citywide, _ = scene.registry.add_person(SYSTEM, "citywide", "丙", None, [*WORKER, (Role.ADMIN, "R")])
    elsewhere, _ = scene.registry.add_person(SYSTEM, "elsewhere", "丁", None, [(Role.GRID_WORKER, "B1")])
    admin = actor(Role.ADMIN, "A")
    assert scene.registry.reset_password(admin, local.id) != scene.registry.reset_password(admin, local.id)
    assert scene.registry.person(local.id).must_change_password
    for target in (both, citywide, elsewhere):
        with pytest.raises(NotFound):
            scene.registry.reset_password(admin, target.id)
    with pytest.raises(NotFound):
        scene.registry.reset_password(actor(Role.OPERATOR, "R"), local.id)


def test_duties_are_read_while_they_last_with_the_cases_in_hand(scene: Scene) -> None:
    admin = actor(Role.ADMIN, "A")
    first, _ = scene.registry.add_person(SYSTEM, "first", "甲", None, WORKER)
    backup, _ = scene.registry.add_person(SYSTEM, "backup", "乙", None, [(Role.GRID_WORKER, "A")])
    scene.registry.put_on_duty(admin, backup.id, "A1", 100.0, 200.0, rank=1)
    scene.registry.put_on_duty(admin, first.id, "A1", 100.0, 200.0)
    scene.registry.put_on_duty(admin, backup.id, "A", 100.0, 200.0)
    _alert(scene, "01", State.ACCEPTED, first.id)
    _alert(scene, "02", State.ON_SCENE, first.id)
    _alert(scene, "03", State.CLOSED, first.id)
    _alert(scene, "04", State.DISPATCHED, None)
    on_duty = [(d.person_name, d.grid_code, d.rank, d.open_cases) for d in scene.registry.duties(["A1", "A2"], 150.0)]
    assert on_duty == [("甲", "A1", 0, 2), ("乙", "A1", 1, 0)]
    assert [d.grid_code for d in scene.registry.duties(["A"], 100.0)] == ["A"]
    assert (
        scene.registry.duties(["A1"], 99.9)
        == scene.registry.duties(["A1"], 200.0)
        == scene.registry.duties([], 150.0)
        == []
    )
    with writing(scene.engine) as connection:
        connection.execute(update(people).where(people.c.id == first.id).values(active=False))
    assert [d.person_name for d in scene.registry.duties(["A1"], 150.0)] == ["乙"]


def _alert(scene: Scene, alert_id: str, state: State, assignee: str | None) -> None:
    values = {
        "id": alert_id,
        "version": 1,
        "state": state.value,
        "kind": "crowding",
        "severity": 2,
        "fold_key": alert_id,
        "grid_code": "A1",
        "grid_path": PATHS["A1"],
        "lon_deg": 109.0,
        "lat_deg": 32.7,
        "created_s": 1.0,
        "changed_s": 1.0,
        "held_by": assignee if state in IN_HAND else None,
        "body": {},
    }
    with writing(scene.engine) as connection:
        connection.execute(insert(alerts).values(values))


def test_who_may_put_whom_on_duty(scene: Scene) -> None:
    worker, _ = scene.registry.add_person(SYSTEM, "worker", "甲", None, WORKER)
    operator, _ = scene.registry.add_person(SYSTEM, "operator", "乙", None, [(Role.OPERATOR, "A")])
    with pytest.raises(Forbidden, match=Permission.DUTY_WRITE.value):
        scene.registry.put_on_duty(actor(Role.OPERATOR, "A"), worker.id, "A1", 1.0, 2.0)
    with pytest.raises(NotFound):
        scene.registry.put_on_duty(actor(Role.ADMIN, "B"), worker.id, "A1", 1.0, 2.0)
    with pytest.raises(NotFound):
        scene.registry.put_on_duty(SYSTEM, "nobody", "A1", 1.0, 2.0)
    for person_id, code in ((operator.id, "A1"), (worker.id, "A2"), (worker.id, "A")):
        with pytest.raises(InvalidInput, match="may not work"):
            scene.registry.put_on_duty(SYSTEM, person_id, code, 1.0, 2.0)


@pytest.mark.parametrize(
    ("starts_s", "ends_s", "rank"),
    [
        (2.0, 1.0, 0),
        (1.0, 1.0, 0),
        (0.0, 1e12, 0),
        (float("nan"), 2.0, 0),
        (1.0, float("inf"), 0),
        (1.0, 2.0, -1),
        (1.0, 2.0, 10),
    ],
)
def test_duties_that_make_no_sense_are_refused(scene: Scene, starts_s: float, ends_s: float, rank: int) -> None:
    worker, _ = scene.registry.add_person(SYSTEM, "worker", "甲", None, WORKER)
    with pytest.raises(InvalidInput):
        scene.registry.put_on_duty(SYSTEM, worker.id, "A1", starts_s, ends_s, rank)
