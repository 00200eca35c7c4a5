"""The product as one: who may start it, what is said before anything starts, how its processes are told."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from alerts.database import open_database, schema_fault
from models.errors import Conflict, Misconfigured
from models.settings import Settings, read_settings
from ops.ports import port_fault
from ops.product import Product, lock_data, running_pid, specs, to_environ
from ops.supervisor import Spec


def settings_in(data: Path) -> Settings:
    return read_settings({"WANGGE_DATA": str(data), "WANGGE_PORT": "0"})


def nothing(_: Settings) -> list[Spec]:
    return []


def test_settings_survive_the_trip_to_a_process() -> None:
    environ = {
        "WANGGE_DATA": "/srv/wangge",
        "WANGGE_DATABASE_URL": "postgresql+psycopg://u:p@h/d",
        "WANGGE_REDIS_URL": "rediss://h:1/2",
        "WANGGE_HOST": "::1",
        "WANGGE_PORT": "99",
        "WANGGE_CAMERA_NETWORKS": "127.0.0.1/32,fe80::/10",
        "WANGGE_EGRESS_NETWORKS": "203.0.113.0/24",
        "WANGGE_PUSH_CONTACT": "mailto:desk@example.com",
        "WANGGE_ZOO": "/srv/zoo.toml",
        "WANGGE_DETECTOR": "other",
        "WANGGE_DETECTOR_TILES": "3x2",
        "WANGGE_CLAIM_LEASE_S": "7",
        "WANGGE_STORM_LIMIT": "9",
        "WANGGE_TOWN_LEVEL": "2",
        "WANGGE_SESSION_S": "61",
        "WANGGE_PHOTO_MAX_BYTES": "2048",
        "WANGGE_DELIVERIES_DAYS": "30",
        "WANGGE_SECURE_COOKIES": "1",
        "WANGGE_LOG_LEVEL": "debug",
    }
    for chosen in (environ, {}):
        settings = read_settings(chosen)
        assert read_settings(to_environ(settings)) == settings


def test_no_password_in_a_process_argument_or_its_repr(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), database_url="postgresql+psycopg://u:hidden@h/d")
    assert "hidden" not in repr(specs(settings))


def test_two_never_run_on_one_data_directory(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    assert running_pid(settings) is None
    with lock_data(settings):
        assert running_pid(settings) == os.getpid()
        with pytest.raises(Conflict, match=f"already \\(process {os.getpid()}\\)"):
            Product(settings, own=nothing).__enter__()
    assert running_pid(settings) is None


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        product = Product(replace(settings_in(tmp_path / "data"), port=port), own=nothing)
        with pytest.raises(Misconfigured, match=f"port {port} on 127.0.0.1 is taken.*WANGGE_PORT"):
            product.__enter__()
    assert product.processes() == ()
    assert not (tmp_path / "data" / "valkey").exists()
    assert running_pid(product.settings) is None


def test_an_address_that_is_not_ours_is_said() -> None:
    assert "WANGGE_HOST" in (port_fault("203.0.113.1", 8420) or "")


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="WANGGE_DATA"):
        Product(settings_in(tmp_path / "file" / "data"), own=nothing).__enter__()


def test_it_settles_port_redis_and_schema_and_ends_clean(tmp_path: Path) -> None:
    seen: list[Settings] = []
    extra = Spec("simulator", ("sleep", "600"))
    with Product(settings_in(tmp_path), extra=[extra], own=nothing, prepare=seen.append) as product:
        assert [process.name for process in product.processes()] == ["valkey", "simulator"]
        assert product.settings.port != 0
        assert product.url == f"http://127.0.0.1:{product.settings.port}"
        assert seen == [product.settings]
        assert product.settings.redis_url is not None
        with redis.Redis.from_url(product.settings.redis_url) as client:
            assert client.ping()
        engine = open_database(product.settings.database_url)
        assert schema_fault(engine) is None
        engine.dispose()
    assert all(process.pid is None for process in product.processes())


def test_a_redis_of_its_own_is_not_doubled(tmp_path: Path) -> None:
    with Product(replace(settings_in(tmp_path), redis_url="redis://elsewhere"), own=nothing) as product:
        assert product.processes() == ()
        assert not (tmp_path / "valkey").exists()


def test_one_that_does_not_start_ends_the_rest(tmp_path: Path) -> None:
    product = Product(settings_in(tmp_path), own=lambda _: [Spec("broken", ("sh", "-c", "echo why; exit 1"))])
    with pytest.raises(Misconfigured, match=r"(?s)broken.*why"):
        product.__enter__()
    assert all(process.pid is None for process in product.processes())
    assert running_pid(product.settings) is None
