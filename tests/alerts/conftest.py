"""A small town in a real database, and real Redis servers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk_scene import FakePlaces, furnish
from redis import Redis
from redis_servers import KINDS, redis_server
from sqlalchemy import Engine

from alerts.database import open_database, upgrade
from alerts.desk import Desk
from alerts.queue import connect


@pytest.fixture(scope="session")
def town_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.db"
    engine = open_database(f"sqlite:///{path}")
    upgrade(engine)
    furnish(engine)
    engine.dispose()
    return path


@pytest.fixture
def town(town_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """The database of ``desk_scene``."""
    engine = open_database(f"sqlite:///{shutil.copy(town_template, tmp_path / 'town.db')}")
    yield engine
    engine.dispose()


@pytest.fixture
def places() -> FakePlaces:
    return FakePlaces()


@pytest.fixture
def desk(town: Engine, places: FakePlaces) -> Desk:
    return Desk(town, places, claim_lease_s=120)


@pytest.fixture(scope="session", params=KINDS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with redis_server(request.param) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of an empty server."""
    client = connect(redis_url)
    client.flushall()
    yield client
    client.config_set("maxmemory", "0")
    client.config_set("maxmemory-policy", "noeviction")
    client.close()
