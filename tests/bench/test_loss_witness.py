"""What a PostgreSQL server says of itself counts, where strace cannot look."""

from alerts.database import open_database
from bench.loss_witness import hasty
from bench.postgresql import postgresql_server


def test_a_database_that_answers_before_the_disk_has_the_data_is_named() -> None:
    with postgresql_server() as url:
        engine = open_database(url)
        assert hasty(engine) == ["fsync is off"]
        engine.dispose()
