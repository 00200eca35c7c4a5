"""Camera points: registered within one's grids, credentials sealed, changes by version."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import Databases
from registry_scene import PATHS, Scene, actor, build, place
from sqlalchemy import select, update

from alerts.camera_checks import NewCamera
from alerts.database import reading, writing
from alerts.registry import Registry
from alerts.vault import Vault
from models.camera import Credentials, SourceUrl, Zone
from models.counting import Counting
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, StaleVersion
from models.geo import ControlPoint, GeoPoint
from models.people import SYSTEM, Permission, Role
from models.presets import Preset
from models.tables import cameras
from models.vision import Vision

pytestmark = pytest.mark.both_databases

URL = SourceUrl.parse("rtsp://viewer:s3cret-pass@10.0.0.9:8554/ch1?quality=1")
SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
GROUND = tuple(
    ControlPoint(x, y, place(500 + east, 500 + north))
    for (x, y), (east, north) in zip(SQUARE, ((-20, 30), (20, 30), (10, 0), (-10, 0)), strict=True)
)


def new(**about: Any) -> NewCamera:
    entered: dict[str, Any] = {
        "code": "cam-1",
        "name": "广场东",
        "place": place(500),
        "url": URL,
        "purpose": "public safety",
    }
    return NewCamera(**{**entered, **about})


def zone(**about: Any) -> Zone:
    entered: dict[str, Any] = {"id": "z1", "name": "广场", "polygon": SQUARE, "kinds": ("crowding",)}
    return Zone(**{**entered, **about})


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    yield from build(tmp_path, databases)


def test_a_camera_is_kept_as_entered_in_the_grid_that_it_stands_in(scene: Scene) -> None:
    levels = {"crowding": {"enter_persons": 12.0}}
    entered = new(zones=(zone(levels=levels),), control_points=GROUND, name=" <b>东</b> ")
    added = scene.registry.add_camera(actor(Role.ADMIN, "A"), entered)
    assert scene.registry.camera(added.id, actor(Role.OPERATOR, "A1")) == added
    assert (added.grid_code, added.version, added.enabled, added.name) == ("A1", 1, True, "<b>东</b>")
    assert added.zones == entered.zones
    assert added.control_points == entered.control_points
    assert added.source == replace(URL, credentials=None)


def test_credentials_are_sealed_and_only_the_worker_reads_them(scene: Scene, tmp_path: Path) -> None:
    added = scene.registry.add_camera(SYSTEM, new())
    with reading(scene.engine) as connection:
        row = str(connection.execute(select(cameras)).one())
    assert "s3cret-pass" not in row + repr(added) + repr(new()) + str(added.source)
    assert "viewer" not in row + repr(added) + repr(new()) + str(added.source)
    assert scene.registry.cameras(SYSTEM).items[0].source.credentials is None
    assert scene.registry.all_cameras().cameras[0].source == URL
    other = Registry(scene.engine, Vault(tmp_path / "other.key"))
    assert other.all_cameras().cameras == ()
    assert [fault.where for fault in other.all_cameras().faults] == ["cam-1"]
    assert "other.key is missing" in other.all_cameras().faults[0].what


def test_a_camera_whose_password_does_not_open_is_said_and_hinders_no_other(scene: Scene) -> None:
    for code in ("cam-1", "cam-2", "cam-3"):
        scene.registry.add_camera(SYSTEM, new(code=code))
    with writing(scene.engine) as connection:
        connection.execute(update(cameras).where(cameras.c.code == "cam-2").values(credentials=b"\x01 moved here"))
    opened = scene.registry.all_cameras()
    assert [camera.code for camera in opened.cameras] == ["cam-1", "cam-3"]
    assert {camera.source for camera in opened.cameras} == {URL}
    assert [fault.where for fault in opened.faults] == ["cam-2"]
    assert "enter the credentials again" in opened.faults[0].what
    assert "s3cret" not in str(opened)


def test_a_camera_without_credentials_needs_no_key(scene: Scene, tmp_path: Path) -> None:
    scene.registry.add_camera(SYSTEM, new(url=replace(URL, credentials=None)))
    assert scene.registry.all_cameras().cameras[0].source.credentials is None
    assert not (tmp_path / "secret.key").exists()


def test_outside_every_grid_the_grid_must_be_named(scene: Scene) -> None:
    with pytest.raises(InvalidInput, match="name the grid_code"):
        scene.registry.add_camera(SYSTEM, new(place=place(-5000)))
    assert scene.registry.add_camera(SYSTEM, new(place=place(-5000), grid_code="B1")).grid_code == "B1"
    with pytest.raises(NotFound):
        scene.registry.add_camera(SYSTEM, new(code="cam-2", grid_code="nowhere"))


def test_who_may_register_where(scene: Scene) -> None:
    with pytest.raises(Forbidden, match="camera:write"):
        scene.registry.add_camera(actor(Role.OPERATOR, "A"), new())
    for outsider in (actor(Role.ADMIN, "B"), actor(Role.ADMIN, "A2"), actor(Role.GRID_WORKER, "A1")):
        with pytest.raises(NotFound):
            scene.registry.add_camera(outsider, new())
        with pytest.raises(NotFound):
            scene.registry.add_camera(outsider, new(grid_code="A1"))
    assert scene.registry.cameras(SYSTEM).items == ()


def test_what_is_out_of_sight_and_what_is_not_there_are_told_alike(scene: Scene) -> None:
    added = scene.registry.add_camera(SYSTEM, new())
    sentences = set()
    for camera_id in (added.id, "01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        with pytest.raises(NotFound) as caught:
            scene.registry.camera(camera_id, actor(Role.ADMIN, "B"))
        sentences.add(str(caught.value))
        with pytest.raises(NotFound):
            scene.registry.change_camera(actor(Role.ADMIN, "B"), camera_id, {}, 1)
    assert len(sentences) == 1


def test_lists_show_ones_own_subtree_in_pages(scene: Scene) -> None:
    for number, code in enumerate(["A1", "A1", "A2", "B1", "B1"]):
        scene.registry.add_camera(SYSTEM, new(code=f"cam-{number}", grid_code=code))
    assert [c.code for c in scene.registry.cameras(actor(Role.OPERATOR, "A")).items] == ["cam-0", "cam-1", "cam-2"]
    assert scene.registry.cameras(actor(Role.GRID_WORKER, "A")).items == ()
    assert [c.code for c in scene.registry.cameras(SYSTEM, under="B").items] == ["cam-3", "cam-4"]
    with pytest.raises(NotFound):
        scene.registry.cameras(actor(Role.OPERATOR, "A"), under="B")
    codes: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = scene.registry.cameras(actor(Role.OPERATOR, "R"), limit=2, after=after)
        codes += [camera.code for camera in page.items]
        after = page.next
    assert codes == [f"cam-{number}" for number in range(5)]
    assert after is None


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_pages_have_a_size(scene: Scene, limit: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 500"):
        scene.registry.cameras(SYSTEM, limit=limit)


@pytest.mark.parametrize("key", ["\x00", "\ud800", "x" * 2000])
def test_keys_that_a_database_refuses_are_bad_input(scene: Scene, key: str) -> None:
    with pytest.raises(InvalidInput):
        scene.registry.cameras(SYSTEM, after=key)
    with pytest.raises(InvalidInput):
        scene.registry.camera(key, SYSTEM)
    with pytest.raises(InvalidInput):
        scene.registry.grid(key, SYSTEM)
    assert scene.registry.cameras(SYSTEM, after="' OR 1=1 --").items == ()


def test_a_code_is_taken_once(scene: Scene) -> None:
    scene.registry.add_camera(SYSTEM, new())
    other = scene.registry.add_camera(SYSTEM, new(code="cam-2"))
    with pytest.raises(Conflict, match="cam-1"):
        scene.registry.add_camera(SYSTEM, new(name="other"))
    with pytest.raises(Conflict, match="cam-1"):
        scene.registry.change_camera(SYSTEM, other.id, {"code": "cam-1"}, 1)


def test_changes_carry_the_version_that_was_seen(scene: Scene) -> None:
    admin = actor(Role.ADMIN, "A")
    added = scene.registry.add_camera(admin, new())
    changed = scene.registry.change_camera(admin, added.id, {"name": "广场西", "enabled": False}, 1)
    assert changed == replace(added, name="广场西", enabled=False, version=2)
    assert scene.registry.camera(added.id, admin) == changed
    with pytest.raises(StaleVersion, match="the camera has moved on to version 2") as caught:
        scene.registry.change_camera(admin, added.id, {"name": "late"}, 1)
    assert (caught.value.expected, caught.value.current) == (1, 2)
    with pytest.raises(InvalidInput, match="'id'"):
        scene.registry.change_camera(admin, added.id, {"id": "other"}, 2)
    with pytest.raises(InvalidInput, match="name"):
        scene.registry.change_camera(admin, added.id, {"name": "\x1b[31m"}, 2)
    with pytest.raises(Forbidden):
        scene.registry.change_camera(actor(Role.OPERATOR, "A"), added.id, {"name": "x"}, 2)


def test_how_a_camera_is_looked_at_is_kept_and_changed_alone(scene: Scene) -> None:
    added = scene.registry.add_camera(SYSTEM, new())
    assert added.vision == Vision()
    vision = Vision(counting=Counting("tiny@1", 2, 2, 320, ((0.2, 0.5),), 10, 41, 2.4, 4.9))
    changed = scene.registry.change_camera(SYSTEM, added.id, {"vision": vision}, 1)
    assert changed == replace(added, vision=vision, version=2)
    assert scene.registry.change_camera(SYSTEM, added.id, {"name": "广场西"}, 2).vision == vision
    (watched,) = scene.registry.all_cameras().cameras
    assert watched.vision == vision


def test_what_says_that_the_view_is_right_counts_it_up_and_a_new_name_does_not(scene: Scene) -> None:
    admin = actor(Role.ADMIN, "A")
    camera = scene.registry.add_camera(admin, new(zones=(zone(),)))
    steps: list[tuple[dict[str, Any], int]] = [
        ({"name": "广场西"}, 0),
        ({"vision": Vision(ptz=True)}, 0),
        ({"zones": (zone(id="z2"),)}, 1),
        ({"vision": Vision(view=2)}, 2),
        ({"vision": Vision()}, 2),
        ({"url": SourceUrl.parse("rtsp://10.0.0.10/ch1")}, 3),
    ]
    for changes, view in steps:
        camera = scene.registry.change_camera(admin, camera.id, changes, camera.version)
        assert camera.vision.view == view, changes


PTZ = Vision(ptz=True, presets=(Preset("gate", "东门"), Preset("yard", "后院")))


def test_what_is_set_up_at_presets_says_nothing_of_the_home_view(scene: Scene) -> None:
    admin = actor(Role.ADMIN, "A")
    camera = scene.registry.add_camera(admin, new(zones=(zone(), zone(id="z2", preset="gate")), vision=PTZ))
    later = (zone(), zone(id="z2", preset="yard", kinds=("intrusion",)))
    changed = scene.registry.change_camera(admin, camera.id, {"zones": later}, 1)
    assert (changed.vision.view, changed.zones) == (camera.vision.view, later)
    at_home = scene.registry.change_camera(admin, camera.id, {"vision": PTZ.confirmed(None, 1.0)}, 2)
    assert at_home.vision.view == (camera.vision.view or 0) + 1


@pytest.mark.parametrize(
    ("zones", "vision", "said"),
    [
        ((zone(preset="roof"),), PTZ, "no preset 'roof'; it has: gate, yard"),
        ((zone(preset="gate"),), Vision(ptz=True), "none; vision.presets sets them"),
        ((zone(),), replace(PTZ, ptz=False), "set vision.ptz"),
        ((zone(preset="gate", kinds=("illegal_structure",)),), PTZ, "from the home view alone"),
        ((zone(preset="gate", kinds=("tailgating",), line=((0.1, 0.1), (0.9, 0.9))),), PTZ, "from the home view alone"),
    ],
)
def test_a_zone_that_no_view_of_the_camera_shows_is_refused(
    scene: Scene, zones: tuple[Zone, ...], vision: Vision, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        scene.registry.add_camera(SYSTEM, new(zones=zones, vision=vision))
    assert any(said in str(fault) for fault in refused.value.faults), refused.value.faults


def test_a_camera_moves_with_its_place_and_not_out_of_ones_grids(scene: Scene) -> None:
    admin = actor(Role.ADMIN, "A")
    added = scene.registry.add_camera(admin, new())
    assert scene.registry.change_camera(admin, added.id, {"place": place(1500)}, 1).grid_code == "A2"
    assert scene.registry.change_camera(admin, added.id, {"place": place(-9000)}, 2).grid_code == "A2"
    for change in ({"place": place(2500)}, {"grid_code": "B1"}):
        with pytest.raises(NotFound):
            scene.registry.change_camera(admin, added.id, change, 3)
    moved = scene.registry.change_camera(actor(Role.ADMIN, "R"), added.id, {"grid_code": "B1"}, 3)
    assert moved.grid_code == "B1"
    with pytest.raises(NotFound):
        scene.registry.camera(added.id, admin)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("rtsp://10.0.0.9:8554/ch2", True),
        ("rtsp://10.0.0.66:8554/ch1", False),
        ("rtsp://10.0.0.9:9999/ch1", False),
        ("rtsps://10.0.0.9:8554/ch1", False),
    ],
)
def test_stored_credentials_never_go_to_another_host(scene: Scene, url: str, kept: bool) -> None:
    added = scene.registry.add_camera(SYSTEM, new())
    scene.registry.change_camera(SYSTEM, added.id, {"url": SourceUrl.parse(url)}, 1)
    found = scene.registry.all_cameras().cameras[0].source
    assert found.shown == SourceUrl.parse(url).shown
    assert found.credentials == (URL.credentials if kept else None)


def test_new_credentials_replace_the_old(scene: Scene) -> None:
    added = scene.registry.add_camera(SYSTEM, new())
    scene.registry.change_camera(SYSTEM, added.id, {"url": SourceUrl.parse("rtsp://a:b@10.0.0.9:8554/")}, 1)
    scene.registry.change_camera(SYSTEM, added.id, {"enabled": False}, 2)
    assert scene.registry.all_cameras().cameras[0].source.credentials == Credentials("a", "b")


@pytest.mark.parametrize("code", ["61090200001310000001", "61090200001320000001", "610902", "demo-plaza-1"])
def test_codes_of_cameras(code: str) -> None:
    assert new(code=code).code == code


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"code": "61090200001180000001"}, "code"),
        ({"code": ""}, "code"),
        ({"code": "a/b"}, "code"),
        ({"code": "x" * 65}, "code"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"purpose": " "}, "purpose"),
        ({"zones": (zone(), zone())}, "zones[z1]"),
        ({"zones": tuple(zone(id=f"z{i}") for i in range(51))}, "zones"),
        ({"zones": (zone(name="\x00"),)}, "zones[z1]"),
        ({"zones": (zone(kinds=("gate_tailgating",)),)}, "zones[z1]"),
        ({"zones": (zone(kinds=("face_match",)),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"enter_persons": -1.0}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"enter_persons": float("nan")}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"speed": 1.0}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"fire": {}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": 3}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": None}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"enter_persons": "12"}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"enter_persons": None}}),)}, "zones[z1]"),
        ({"zones": (zone(levels={"crowding": {"enter_persons": True}}),)}, "zones[z1]"),
        ({"zones": (zone(polygon=((0.1, 0.1), (0.1, 0.5), (0.1, 0.9))),)}, "zones[z1]"),
        ({"control_points": GROUND[:3]}, "control_points"),
        ({"control_points": (GROUND[0],) * 5}, "control_points"),
        ({"control_points": (*GROUND[:3], replace(GROUND[3], x=1.5))}, "control_points[4]"),
        ({"control_points": (*GROUND[:3], replace(GROUND[3], y=float("nan")))}, "control_points[4]"),
        ({"control_points": (*GROUND[:3], replace(GROUND[3], place=GeoPoint(32.7, 80.0)))}, "control_points[4]"),
        ({"control_points": GROUND * 26}, "control_points"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_camera_that_cannot_work_is_refused_by_field(about: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        new(**about)
    assert field in [fault.where for fault in caught.value.faults]


@pytest.mark.parametrize(("kinds", "count"), [(("dumping",), 7), (("crowding", "intrusion", "gate_queue"), 17)])
def test_a_camera_is_not_asked_for_more_than_it_can_judge(kinds: tuple[str, ...], count: int) -> None:
    new(zones=tuple(zone(id=f"z{number}", kinds=kinds) for number in range(count - 1)))
    with pytest.raises(InvalidInput, match="at most"):
        new(zones=tuple(zone(id=f"z{number}", kinds=kinds) for number in range(count)))


def test_a_zone_that_reaches_the_horizon_is_refused_where_the_ground_is_known() -> None:
    # Seen from low down: the far edge of the ground converges towards a horizon within the picture.
    steep = tuple(
        ControlPoint(x, y, place(500 + east, 500 + north))
        for (x, y), (east, north) in zip(SQUARE, ((-200, 300), (200, 300), (10, 0), (-10, 0)), strict=True)
    )
    whole = zone(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    with pytest.raises(InvalidInput, match="horizon"):
        new(zones=(whole,), control_points=steep)
    assert new(zones=(whole,)).control_points == ()


def test_every_camera_route_of_the_policy_is_one_subtree(scene: Scene) -> None:
    """Each role in each grid sees exactly the cameras below it, if its permission set holds camera:read."""
    added = {code: scene.registry.add_camera(SYSTEM, new(code=f"cam-{code}", grid_code=code)) for code in PATHS}
    for role in Role:
        for code in PATHS:
            who = actor(role, code)
            sees = {camera.grid_code for camera in scene.registry.cameras(who).items}
            may_look = who.role_for(Permission.CAMERA_READ, PATHS[code]) is not None
            assert sees == {other for other in PATHS if may_look and PATHS[other].startswith(PATHS[code])}
            for other, camera in added.items():
                if other in sees:
                    assert scene.registry.camera(camera.id, who).id == camera.id
                else:
                    with pytest.raises(NotFound):
                        scene.registry.camera(camera.id, who)
