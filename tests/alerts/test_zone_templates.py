"""Zone templates: what a hundred cameras' zones share, within the grids that it belongs to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import Databases
from registry_scene import Scene, actor, build, place

from alerts.camera_checks import NewCamera
from alerts.zone_templates import TemplateAsked, ZoneTemplate, put, remove, templates_of
from ingest.messages import camera_from_json, camera_to_json
from models.camera import CameraPoint, Shared, SourceUrl, Zone, zone_to_json
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, StaleVersion
from models.hours import Hours
from models.people import SYSTEM, Actor, Role

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
SHARED = Shared({"crowding": {"enter_persons": 12.0}}, {"crowding": {"enter_persons": 6.0}}, Hours(((1080, 1380),)))


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    yield from build(tmp_path, databases)


def zone(template: str | None, id_: str = "z1") -> Zone:
    return Zone(id_, "广场", SQUARE, ("crowding",), template=template)


def state(
    scene: Scene, code: str = "t", grid: str = "A", who: Actor = SYSTEM, shared: Shared = SHARED, **about: Any
) -> ZoneTemplate:
    return put(scene.engine, who, code, TemplateAsked("广场夜间", grid, shared, **about), scene.clock())


def add(scene: Scene, code: str, *zones: Zone, east_m: float = 500) -> CameraPoint:
    url = SourceUrl.parse("rtsp://10.0.0.9/1")
    return scene.registry.add_camera(SYSTEM, NewCamera(code, code, place(east_m), url, "a test", zones=zones))


def watched(scene: Scene) -> dict[str, Shared | None]:
    """What the worker is told that zones share, by camera and zone, as a child of it reads it."""
    opened = scene.registry.all_cameras()
    assert opened.faults == ()
    cameras = [camera_from_json(camera_to_json(camera)) for camera in opened.cameras]
    return {f"{camera.code}/{zone.id}": zone.shared for camera in cameras for zone in camera.zones}


@pytest.mark.both_databases
def test_a_template_reaches_every_camera_that_names_it_and_so_does_its_change(scene: Scene) -> None:
    made = state(scene)
    cameras = [add(scene, f"cam-{n}", zone("t"), zone(None, "z2"), east_m=500 + 500 * n) for n in range(3)]
    assert {camera.grid_code for camera in cameras} == {"A1", "A2"}
    assert cameras[0].zones == (zone("t"), zone(None, "z2"))  # shown as it was set
    assert watched(scene) == {f"cam-{n}/{id_}": said for n in range(3) for id_, said in (("z1", SHARED), ("z2", None))}
    before = scene.registry.all_cameras()
    assert scene.registry.all_cameras() == before
    less = Shared({"crowding": {"enter_persons": 9.0}})
    changed = state(scene, shared=less, expected_version=made.version)
    assert (changed.version, changed.shared) == (2, less)
    after = scene.registry.all_cameras()
    # The worker compares by value; by version it would begin to learn the view anew.
    assert all(
        old != new and old.version == new.version for old, new in zip(before.cameras, after.cameras, strict=True)
    )
    assert [said for name, said in watched(scene).items() if name.endswith("z1")] == [less] * 3


@pytest.mark.both_databases
def test_one_in_use_is_not_deleted_and_says_where(scene: Scene) -> None:
    state(scene)
    for n in range(4):
        add(scene, f"cam-{n}", zone("t"), zone("t", "z2"))
    with pytest.raises(Conflict, match=r"zones: 8, cameras: 4 \(cam-0, cam-1, cam-2, …\)"):
        remove(scene.engine, SYSTEM, "t")
    for camera in scene.registry.cameras(SYSTEM).items:
        scene.registry.change_camera(SYSTEM, camera.id, {"zones": (zone(None),)}, camera.version)
    remove(scene.engine, SYSTEM, "t")
    assert templates_of(scene.engine, SYSTEM).items == ()
    with pytest.raises(NotFound):
        remove(scene.engine, SYSTEM, "t")


def test_a_camera_names_templates_of_its_own_grid_and_of_those_above(scene: Scene) -> None:
    for grid in ("R", "A", "A1", "A2", "B"):
        state(scene, f"of-{grid}", grid)
    kept = add(scene, "cam", *(zone(f"of-{grid}", grid) for grid in ("R", "A", "A1")))
    said = []
    for wrong in ("of-A2", "of-B", "nowhere"):
        with pytest.raises(InvalidInput, match=f"no zone template {wrong} .* makes one") as refused:
            add(scene, "wrong", zone(wrong))
        said.append(str(refused.value).replace(wrong, "…"))
        with pytest.raises(InvalidInput):
            scene.registry.change_camera(SYSTEM, kept.id, {"zones": (zone(wrong),)}, kept.version)
        with pytest.raises(InvalidInput):
            scene.registry.zone_with_template(kept.id, zone(wrong), SYSTEM)
    assert len(set(said)) == 1
    with pytest.raises(InvalidInput, match="of-A1"):  # nor does it take them along to another grid
        scene.registry.change_camera(SYSTEM, kept.id, {"place": place(1500)}, kept.version)
    assert scene.registry.zone_with_template(kept.id, zone("of-R"), SYSTEM).shared == SHARED


def test_what_a_zone_claims_to_share_is_not_stored(scene: Scene) -> None:
    state(scene)
    forged = Zone("z1", "z", SQUARE, ("crowding",), template="t", shared=Shared({"crowding": {"enter_persons": 500.0}}))
    added = add(scene, "cam", forged)
    assert "shared" not in zone_to_json(added.zones[0])
    assert watched(scene) == {"cam/z1": SHARED}
    bare = Zone("z1", "z", SQUARE, ("crowding",), shared=forged.shared)
    assert scene.registry.zone_with_template(added.id, bare, SYSTEM).shared is None


def test_who_may_write_and_see_them(scene: Scene) -> None:
    made = state(scene, who=actor(Role.ADMIN, "A"))
    with pytest.raises(Forbidden, match="camera:write"):
        state(scene, who=actor(Role.OPERATOR, "A"), expected_version=1)
    # Whoever sets up cameras below sees what they may name, and changes nothing of it.
    for outsider, seen in ((actor(Role.ADMIN, "B"), ()), (actor(Role.ADMIN, "A1"), (made,))):
        with pytest.raises(NotFound):
            state(scene, who=outsider, expected_version=1)
        with pytest.raises(NotFound):
            remove(scene.engine, outsider, "t")
        assert templates_of(scene.engine, outsider).items == seen
    with pytest.raises(Conflict, match="taken in another grid"):
        state(scene, grid="B", who=actor(Role.ADMIN, "B"))
    assert templates_of(scene.engine, actor(Role.OPERATOR, "A")).items == (made,)


def test_changes_are_made_to_what_was_seen(scene: Scene) -> None:
    with pytest.raises(NotFound, match="leave out expected_version"):
        state(scene, expected_version=1)
    state(scene)
    with pytest.raises(Conflict, match="at version 1"):
        state(scene)
    state(scene, expected_version=1)
    with pytest.raises(StaleVersion, match="the zone template has moved on to version 2"):
        state(scene, expected_version=1)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (Shared({"crowding": {"heads": 9}}), "heads"),
        (Shared(night_levels={"crowding": {"enter_persons": float("nan")}}), "enter_persons"),
        (Shared({"sorcery": {}}), "sorcery"),
        (Shared({"crowding": 5}), "by name"),  # type: ignore[dict-item]
    ],
)
def test_levels_that_there_are_not_are_refused(scene: Scene, wrong: Shared, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        state(scene, shared=wrong)


def test_there_is_an_end_to_them_and_they_are_paged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.zone_templates.MOST", 3)
    for code in "bac":
        state(scene, code)
    with pytest.raises(Conflict, match="3 zone templates already"):
        state(scene, "d")
    first = templates_of(scene.engine, SYSTEM, limit=2)
    rest = templates_of(scene.engine, SYSTEM, limit=2, after=first.next)
    assert [[each.code for each in page.items] for page in (first, rest)] == [["a", "b"], ["c"]]
    assert rest.next is None
