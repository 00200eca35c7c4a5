from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alerts.accounts import sign_in
from alerts.database import open_database, upgrade
from alerts.registry import Registry
from alerts.vault import Vault
from detectors.detector import faults
from models.errors import Unauthenticated
from models.people import PERMISSIONS, SYSTEM, Permission
from models.settings import Settings, read_settings
from ops.demo_scene import Scene, gate, plaza
from ops.demo_seed import PEOPLE, Seeded, seed

NOW_S = 1_795_000_000.0


@dataclass(frozen=True)
class Ledger:
    settings: Settings
    engine: Engine
    registry: Registry

    def sign_in(self, seeded: Seeded, username: str) -> None:
        password = seeded.sign_ins[username].password
        assert sign_in(self.engine, username, password, "127.0.0.1", 3600, NOW_S).person.username == username


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    settings = read_settings({"WANGGE_DATA": str(tmp_path)})
    engine = open_database(settings.database_url)
    upgrade(engine)
    yield Ledger(settings, engine, Registry(engine, Vault(settings.key_file)))
    engine.dispose()


@pytest.fixture(scope="module")
def scenes(vtest: Path) -> tuple[Scene, Scene]:
    return plaza(vtest), gate()


def test_everyone_can_sign_in_and_two_are_on_duty_where_the_crowd_will_be(
    ledger: Ledger, scenes: tuple[Scene, Scene]
) -> None:
    seeded = seed(ledger.settings, scenes, 8554, NOW_S)
    for person in PEOPLE:
        ledger.sign_in(seeded, person.username)
    index = ledger.registry.grid_index(NOW_S)
    for point in scenes[0].control_points:
        leaf = index.locate(point.place, 1.0)
        duties = ledger.registry.duties([leaf.code or ""], NOW_S + 60)
        assert [(duty.person_name, duty.rank) for duty in duties] == [("网格员 张伟", 0), ("网格员 李娜", 1)]


def test_the_cameras_are_registered_as_the_rules_can_use_them(ledger: Ledger, scenes: tuple[Scene, Scene]) -> None:
    seeded = seed(ledger.settings, scenes, 8554, NOW_S)
    cameras = {camera.code: camera for camera in ledger.registry.all_cameras().cameras}
    assert {camera.source.shown for camera in cameras.values()} == {
        "rtsp://127.0.0.1:8554/plaza",
        "rtsp://127.0.0.1:8554/gate",
    }
    assert [faults(camera) for camera in cameras.values()] == [(), ()]
    assert [zone.id for zone in cameras[seeded.wanted.camera_code].zones] == [seeded.wanted.zone_id]
    assert cameras["demo-plaza-1"].grid_code != cameras["demo-gate-1"].grid_code


def test_a_second_start_keeps_what_is_there_and_tells_anew_what_must_be(
    ledger: Ledger, scenes: tuple[Scene, Scene]
) -> None:
    first = seed(ledger.settings, scenes, 8554, NOW_S)
    people = ledger.registry.people(SYSTEM).items
    second = seed(ledger.settings, scenes, 9554, NOW_S + 3600)
    assert [person.id for person in ledger.registry.people(SYSTEM).items] == [person.id for person in people]
    cameras = ledger.registry.all_cameras().cameras
    assert len(cameras) == 2
    assert {camera.source.port for camera in cameras} == {9554}
    assert second.wanted.zone_id != first.wanted.zone_id
    leaf = ledger.registry.grid_index(NOW_S).locate(scenes[0].place, 1.0).code or ""
    assert len(ledger.registry.duties([leaf], NOW_S + 3700)) == 2
    ledger.sign_in(second, "demo-operator")
    with pytest.raises(Unauthenticated):
        ledger.sign_in(first, "demo-operator")


def test_a_shift_that_is_about_to_end_is_followed_by_another(ledger: Ledger, scenes: tuple[Scene, Scene]) -> None:
    seed(ledger.settings, scenes, 8554, NOW_S)
    seed(ledger.settings, scenes, 8554, NOW_S + 20 * 3600)
    leaf = ledger.registry.grid_index(NOW_S).locate(scenes[0].place, 1.0).code or ""
    assert {duty.rank for duty in ledger.registry.duties([leaf], NOW_S + 30 * 3600)} == {0, 1}


def test_each_part_is_played_within_the_demo_only_and_by_someone_else(
    ledger: Ledger, scenes: tuple[Scene, Scene]
) -> None:
    seed(ledger.settings, scenes, 8554, NOW_S)
    people = {person.username: person for person in ledger.registry.people(SYSTEM).items}
    can_work = {
        username
        for username, person in people.items()
        if any(Permission.ALERT_WORK in PERMISSIONS[grant.role] for grant in person.grants)
    }
    assert can_work == {"demo-worker", "demo-backup"}
    assert all(username.startswith("demo-") for username in people)
