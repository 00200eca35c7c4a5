"""The ledger that the benchmark fills is a true one, and each question goes by an index that holds what decides."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from alerts import ledger
from alerts.database import open_database, reading
from alerts.projection import replay
from alerts.sealer import verify_chain
from bench.filling import fill
from bench.ledger import plans
from bench.postgresql import postgresql_server
from bench.town import city
from models.tables import alerts

CASES, GRIDS = 400, 40


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db"
    fill(url, CASES, GRIDS, 60)
    return url


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        fill(url, CASES, GRIDS, 60)
        yield url


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_filled_is_what_the_product_would_have_written(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(kind)
    engine = open_database(url)
    try:
        assert verify_chain(engine) is None
        with reading(engine) as connection:
            ids = connection.execute(select(alerts.c.id)).scalars().all()
            assert len(ids) == CASES
            assert connection.execute(select(func.count(alerts.c.state.distinct()))).scalar_one() >= 5
            for alert_id in ids:
                assert replay(ledger.log(connection, alert_id)) == ledger.load(connection, alert_id)
    finally:
        engine.dispose()


def test_each_page_is_found_in_one_index_alone(sqlite: str) -> None:
    for name, told in plans(sqlite, city(GRIDS)[1]).items():
        by = {"queue": "COVERING INDEX ix_alerts_queued", "figures": "figure_tallies USING PRIMARY KEY"}
        wanted = by.get(name.split()[0], "COVERING INDEX ix_alerts_")
        found = [plan for plan in told if "autoindex" not in plan]  # those that fetch the page's rows by id
        assert len(found) >= ("alert and its log" not in name), name
        assert all(wanted in plan for plan in found), name
