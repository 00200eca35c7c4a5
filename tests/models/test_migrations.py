"""The migrations make exactly the tables that ``models.tables`` says, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from alerts.database import open_database, reading, schema_fault, upgrade, writing
from models.tables import metadata


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'data' / 'wangge.db'}")
    yield engine
    engine.dispose()


def test_from_empty_to_what_the_tables_say(engine: Engine) -> None:
    upgrade(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO source_cursors (source, seq) VALUES ('worker', 7)"))
        before = connection.execute(text("SELECT name, sql FROM sqlite_master ORDER BY name")).all()
    upgrade(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT name, sql FROM sqlite_master ORDER BY name")).all() == before
        assert connection.execute(text("SELECT seq FROM source_cursors")).scalar_one() == 7


def test_a_database_without_tables_or_of_another_version_says_the_mend(engine: Engine) -> None:
    assert "no tables yet: run `wangge db upgrade`" in str(schema_fault(engine))
    upgrade(engine)
    assert schema_fault(engine) is None
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert "at schema 0000" in str(schema_fault(engine))


def test_an_interrupted_upgrade_leaves_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE seals (stands_in_the_way INTEGER)"))  # the last table of the migration
    with pytest.raises(Exception, match="seals"):
        upgrade(engine)
    with reading(engine) as connection:
        assert set(inspect(connection).get_table_names()) <= {"seals"}


def test_commits_are_on_disk_before_anyone_is_told(engine: Engine) -> None:
    with reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
