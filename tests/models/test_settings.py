"""Settings: defaults, each variable's faults named, and no secret repeated."""

from pathlib import Path

import pytest

from models.errors import Misconfigured
from models.settings import VARIABLES, read_settings


def test_nothing_set_is_a_whole_installation_in_one_folder() -> None:
    settings = read_settings({"PATH": "/bin"})
    assert settings.data == Path(".data").absolute()
    assert settings.database_url == f"sqlite:///{settings.data / 'wangge.db'}"
    assert settings.redis_url is None
    assert (settings.host, settings.port, settings.session_s) == ("127.0.0.1", 8420, 43_200)
    assert not settings.camera_networks.allows("127.0.0.1")
    for path in (settings.evidence, settings.spool, settings.key_file, settings.video_desk):
        assert settings.data in path.parents


def test_what_is_set_is_read() -> None:
    settings = read_settings(
        {
            "WANGGE_DATA": "/srv/wangge",
            "WANGGE_DATABASE_URL": "postgresql+psycopg://u:p@db/w",
            "WANGGE_REDIS_URL": "redis://r:6379/2",
            "WANGGE_HOST": "::1",
            "WANGGE_PORT": "0",
            "WANGGE_CAMERA_NETWORKS": "127.0.0.1/32",
            "WANGGE_DETECTOR_TILES": "2x1",
            "WANGGE_SECURE_COOKIES": "1",
        }
    )
    assert settings.database_url == "postgresql+psycopg://u:p@db/w"
    assert (settings.redis_url, settings.host, settings.port) == ("redis://r:6379/2", "::1", 0)
    assert settings.camera_networks.allows("127.0.0.1")
    assert (settings.detector_tiles, settings.secure_cookies) == ("2x1", True)


def test_an_empty_value_is_the_default() -> None:
    assert read_settings(dict.fromkeys((v.name for v in VARIABLES), "")) == read_settings({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WANGGE_PORT", "65536"),
        ("WANGGE_PORT", "-1"),
        ("WANGGE_PORT", "http"),
        ("WANGGE_PORT", "9" * 5000),
        ("WANGGE_HOST", "localhost; rm -rf /"),
        ("WANGGE_CAMERA_NETWORKS", "10.0.0.1/8"),
        ("WANGGE_DETECTOR_TILES", "9x1"),
        ("WANGGE_DETECTOR_TILES", "2"),
        ("WANGGE_CLAIM_LEASE_S", "0"),
        ("WANGGE_STORM_LIMIT", "0"),
        ("WANGGE_TOWN_LEVEL", "0"),
        ("WANGGE_SESSION_S", "1"),
        ("WANGGE_PHOTO_MAX_BYTES", "1e6"),
        ("WANGGE_SECURE_COOKIES", "yes"),
        ("WANGGE_LOG_LEVEL", "loud"),
        ("WANGGE_DATABASE_URL", "mysql://root:hunter2@db/w"),
        ("WANGGE_REDIS_URL", "http://:hunter2@r"),
    ],
)
def test_a_faulty_value_names_its_variable_and_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name) as caught:
        read_settings({name: value})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_misspelt_variable_is_not_passed_over() -> None:
    with pytest.raises(Misconfigured, match="WANGGE_PROT") as caught:
        read_settings({"WANGGE_PROT": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_every_field_is_one_variable() -> None:
    names = {v.name.removeprefix("WANGGE_").lower() for v in VARIABLES}
    assert names == set(vars(read_settings({})))
    assert all(v.unit and v.meaning for v in VARIABLES)


def test_providers_are_names_in_order_and_nothing_else() -> None:
    assert read_settings({"WANGGE_PROVIDERS": "cuda, cpu,cuda"}).providers == ("cuda", "cpu")
    assert read_settings({}).providers == ("cpu",)
    for wrong in ("gpu", "cuda;cpu", ","):
        with pytest.raises(Misconfigured, match="WANGGE_PROVIDERS: it must be names out of cpu, cuda"):
            read_settings({"WANGGE_PROVIDERS": wrong})
