"""The doctor: each ill that it must name, with a fix, and a healthy machine that it must not worry."""

import contextlib
import shutil
import socket
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from alerts.anchor import Anchor
from alerts.camera_checks import NewCamera
from alerts.database import open_database, upgrade, writing
from alerts.registry import Registry
from alerts.sealer import seal
from alerts.vault import Vault
from detectors.zoo import manifest
from models.camera import AllowedNetworks, Credentials, SourceUrl
from models.geo import GeoPoint
from models.people import SYSTEM, Grid, Role
from models.settings import Settings, read_settings
from models.tables import alerts, events, outbox
from ops import valkey
from ops.doctor import audit, examine
from ops.findings import Finding, Level
from ops.product import Product, lock_data
from ops.supervisor import Supervisor

NOW_S = time.time()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A sound installation that is not running."""
    made = read_settings({"WANGGE_DATA": str(tmp_path / "data"), "WANGGE_PORT": "0"})
    lock_data(made).close()
    engine = open_database(made.database_url)
    upgrade(engine)
    engine.dispose()
    return made


def registry_of(settings: Settings) -> Registry:
    registry = Registry(open_database(settings.database_url), Vault(settings.key_file))
    registry.import_grids([Grid("1", "t", "一", None, 1, "/1/")], SYSTEM)
    return registry


def add_camera(registry: Registry, url: str) -> None:
    source = replace(SourceUrl.parse(url), credentials=Credentials("viewer", "hidden-word"))
    registry.add_camera(SYSTEM, NewCamera("c1", "门", GeoPoint(109.0, 32.0), source, "safety", "1"))


def seen(settings: Settings, check: str) -> Finding:
    return next(finding for finding in examine(settings, NOW_S) if finding.check == check)


def assert_named(finding: Finding, level: Level, *words: str) -> None:
    said = f"{finding.said} {finding.fix}"
    assert finding.level is level, said
    assert all(word in said for word in words), said


def test_a_sound_installation_fails_nothing_and_is_left_as_it_was(settings: Settings) -> None:
    before = sorted(settings.data.rglob("*"))
    found = examine(settings, NOW_S)
    assert [finding for finding in found if finding.level is Level.FAIL] == []
    assert_named(seen(settings, "people"), Level.WARN, "nobody", "wangge user add")
    assert [path for path in sorted(settings.data.rglob("*")) if not path.name.endswith(("-wal", "-shm"))] == before


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    settings = read_settings({"WANGGE_DATA": str(tmp_path / "data"), "WANGGE_PORT": "0"})
    assert [finding for finding in examine(settings, NOW_S) if finding.level is Level.FAIL] == []
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = read_settings({"WANGGE_DATA": str(tmp_path / "file" / "data"), "WANGGE_PORT": "0"})
    assert_named(seen(settings, "data"), Level.FAIL, "cannot be written", "WANGGE_DATA")


def test_what_others_may_read(settings: Settings) -> None:
    Vault(settings.key_file).seal(b"x", "y")
    settings.key_file.chmod(0o644)
    settings.data.chmod(0o755)
    assert_named(seen(settings, "key"), Level.FAIL, f"chmod 600 {settings.key_file}")
    assert_named(seen(settings, "data"), Level.WARN, f"chmod 700 {settings.data}")


def test_an_anchor_directory_that_is_not_mounted(settings: Settings, tmp_path: Path) -> None:
    assert_named(seen(replace(settings, anchor_dir=tmp_path / "no"), "anchor"), Level.FAIL, "WANGGE_ANCHOR_DIR")
    assert "anchor" not in {found.check for found in examine(replace(settings, anchor_dir=tmp_path), NOW_S)}


def test_a_schema_that_is_missing(settings: Settings) -> None:
    (settings.data / "wangge.db").unlink()
    sqlite3.connect(settings.data / "wangge.db").close()
    assert_named(seen(settings, "database"), Level.FAIL, "wangge db upgrade")
    (settings.data / "wangge.db").write_bytes(b"no database " * 1000)
    assert_named(seen(settings, "database"), Level.FAIL, "cannot be read", "wangge restore")


def test_a_redis_that_is_away_or_evicts(settings: Settings, tmp_path: Path) -> None:
    away = replace(settings, redis_url="redis://:hidden-word@127.0.0.1:1/0")
    assert_named(seen(away, "redis"), Level.FAIL, "WANGGE_REDIS_URL")
    assert "hidden-word" not in repr(examine(away, NOW_S))
    data = tmp_path / "valkey"
    (data / "run").mkdir(parents=True)
    embedded, spec = valkey.prepare(data, data / "run")
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start([spec])
        there = replace(settings, redis_url=embedded.url)
        assert_named(seen(there, "redis"), Level.OK)
        with contextlib.closing(valkey.redis.Redis.from_url(embedded.url)) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert_named(seen(there, "redis"), Level.FAIL, "noeviction")


def test_a_port_that_another_has(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = replace(settings, port=other.getsockname()[1])
        assert_named(seen(taken, "port"), Level.FAIL, "taken", "WANGGE_PORT")


def test_a_model_that_is_not_the_one_named(settings: Settings, tmp_path: Path) -> None:
    for name in ("zoo.toml", "nanodet-g-416.onnx"):
        shutil.copy(manifest.SHIPPED.with_name(name), tmp_path)
    with (tmp_path / "nanodet-g-416.onnx").open("ab") as model:
        model.write(b"!")
    assert_named(seen(replace(settings, zoo=tmp_path / "zoo.toml"), "model"), Level.FAIL, "sha256", "WANGGE_ZOO")
    assert_named(seen(replace(settings, detector="none"), "model"), Level.FAIL, "nanodet-g-416")


def test_networks_and_cookies_that_are_too_open(settings: Settings) -> None:
    anywhere = replace(settings, camera_networks=AllowedNetworks.parse("0.0.0.0/0"))
    assert_named(seen(anywhere, "networks"), Level.WARN, "WANGGE_CAMERA_NETWORKS")
    assert_named(seen(replace(settings, camera_networks=AllowedNetworks(())), "networks"), Level.FAIL)
    assert_named(seen(replace(settings, host="192.0.2.1"), "cookies"), Level.WARN, "WANGGE_SECURE_COOKIES")


def test_one_time_passwords_that_nobody_changed(settings: Settings) -> None:
    registry = registry_of(settings)
    _, password = registry.add_person(SYSTEM, "wang", "王", None, [(Role.OPERATOR, "1")])
    finding = seen(settings, "passwords")
    assert_named(finding, Level.WARN, "1 one-time", "wang")
    assert password not in repr(finding)


def test_cameras_out_of_bounds_and_a_key_that_opens_nothing(settings: Settings) -> None:
    registry = registry_of(settings)
    add_camera(registry, "rtsp://203.0.113.9/live")
    assert_named(seen(settings, "cameras"), Level.FAIL, "c1", "WANGGE_CAMERA_NETWORKS")
    settings.key_file.unlink()
    assert_named(seen(settings, "cameras"), Level.FAIL, "c1", "secret.key", "not watched")
    assert "hidden-word" not in repr(examine(settings, NOW_S))


def test_a_running_product_whose_api_is_silent(settings: Settings) -> None:
    with Product(settings, own=lambda _: []) as product:
        assert_named(seen(product.settings, "processes"), Level.OK, "supervisor")
        assert_named(seen(product.settings, "api"), Level.FAIL, "api.log")
        assert_named(seen(replace(product.settings, redis_url=None), "redis"), Level.OK, "answers")


def test_an_audit_of_a_log_that_was_changed(settings: Settings) -> None:
    assert_named(audit(settings), Level.OK, "0 sealed events")
    engine = open_database(settings.database_url)
    with writing(engine) as connection:
        # An alert, and an event that claims to be older than it is: neither was ever sealed in order.
        connection.execute(insert(alerts).values(_alert()))
        connection.execute(insert(events).values(_event()))
        connection.exec_driver_sql(
            "INSERT INTO seals (position, event_seq, previous_hash, hash, sealed_s) VALUES (2, 1, 'a', 'b', 0)"
        )
    engine.dispose()
    finding = audit(settings)
    assert finding.level is Level.FAIL
    assert finding.fix


def test_an_audit_tells_a_restore_from_a_log_that_was_cut_off(settings: Settings, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    settings = replace(settings, anchor_dir=away)
    engine = open_database(settings.database_url)
    anchor = Anchor(engine, settings.anchors)
    for position in (1, 2):
        _seal_one(engine, position)
        anchor.note(NOW_S, due=True)
    assert_named(audit(settings), Level.OK, "2 sealed events", "2 times", str(away))
    with writing(engine) as connection:
        for table, key in (("seals", "position"), ("outbox", "event_seq"), ("events", "seq")):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} = 2")  # noqa: S608 - words of ours
        connection.exec_driver_sql("DELETE FROM alerts WHERE id = 'A2'")
    assert_named(audit(settings), Level.FAIL, "position 2: the log was cut off", "wangge restore")
    anchor.restored(NOW_S, NOW_S - 3600, "ab" * 32)
    assert_named(
        audit(settings), Level.WARN, "from a backup of", "to position 1, where 2 were noted", "nobody of yours"
    )
    (away / "anchors.log").unlink()
    assert_named(audit(settings), Level.FAIL, f"{away}/anchors.log: the anchor file is gone")
    away.rmdir()
    assert_named(audit(settings), Level.FAIL, "is gone")
    engine.dispose()


def _seal_one(engine: Engine, position: int) -> None:
    about = {"alert_id": f"A{position}", "seq": position}
    with writing(engine) as connection:
        connection.execute(insert(alerts).values(_alert() | {"id": f"A{position}", "fold_key": f"k{position}"}))
        connection.execute(insert(events).values(_event() | about))
        connection.execute(insert(outbox).values(event_seq=position))
    assert seal(engine, "a", NOW_S) == 1


def test_an_audit_of_nothing_is_no_clean_bill(tmp_path: Path) -> None:
    finding = audit(read_settings({"WANGGE_DATA": str(tmp_path)}))
    assert_named(finding, Level.FAIL, "no ledger", "WANGGE_DATA")


def _alert() -> dict[str, object]:
    return {
        "id": "A",
        "version": 1,
        "state": "new",
        "kind": "crowding",
        "severity": 2,
        "fold_key": "k",
        "grid_code": "1",
        "grid_path": "/1/",
        "lon_deg": 0.0,
        "lat_deg": 0.0,
        "created_s": 0.0,
        "changed_s": 0.0,
        "body": {},
    }


def _event() -> dict[str, object]:
    return {
        "seq": 1,
        "alert_id": "A",
        "version": 1,
        "type": "detected",
        "actor_id": "system",
        "actor_name": "wangge",
        "role": "system",
        "at_s": 0.0,
        "data": {},
    }
