"""A small town in real databases, and real Redis servers.

Tests marked ``both_databases`` run on SQLite and on PostgreSQL; all others on SQLite.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from databases import KINDS as DATABASES
from databases import Databases
from desk_scene import FakePlaces, furnish
from redis import Redis
from redis_servers import KINDS, redis_server
from sqlalchemy import Engine

from alerts.database import upgrade
from alerts.desk import Desk
from alerts.queue import connect
from bench.postgresql import postgresql_server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_databases: runs on SQLite and on PostgreSQL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_databases") is not None
        metafunc.parametrize("database_kind", DATABASES if both else DATABASES[:1])


@pytest.fixture(scope="session")
def databases_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Databases]]:
    """Databases of that kind; PostgreSQL is started when it is asked for first, once."""
    made: dict[str, Databases] = {}
    with ExitStack() as closing:

        def of(kind: str) -> Databases:
            if kind not in made:
                server_url = closing.enter_context(postgresql_server()) if kind == "postgresql" else None
                made[kind] = Databases(kind, tmp_path_factory.mktemp(kind), server_url)
            return made[kind]

        yield of


@pytest.fixture
def databases(databases_of: Callable[[str], Databases], database_kind: str) -> Databases:
    """Of the kind that the test runs on."""
    return databases_of(database_kind)


def _furnished_town(engine: Engine) -> None:
    upgrade(engine)
    furnish(engine)


@pytest.fixture
def town(databases: Databases) -> Iterator[Engine]:
    """The database of ``desk_scene``."""
    with databases.fresh(_furnished_town) as engine:
        yield engine


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
