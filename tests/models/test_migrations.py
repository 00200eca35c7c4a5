"""The migrations make exactly the tables that ``models.tables`` says, once; and take what is in them along."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Boolean, Column, Engine, MetaData, func, inspect, select, text

from alerts import ledger
from alerts.database import migrate, open_database, reading, schema_fault, upgrade, writing
from alerts.desk import Desk
from alerts.projection import replay
from alerts.registry import Registry
from alerts.sealer import seal, verify_chain
from alerts.triage import urgent_s
from alerts.vault import Vault
from bench.postgresql import postgresql_server
from models.alert import IN_HAND, Alert, Command, CommandType, State
from models.incident import Severity
from models.people import Actor, Grant, Role
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


OLD = Path(__file__).with_name("ledger_0001.json")
"""A small ledger that version 0001 wrote: eight alerts in as many states, with their logs, sealed."""

OLD_NOW = 1_800_000_100.0
OPERATOR = Actor("op", "Op", (Grant(Role.OPERATOR, "c", "/c/"),))
WORKER = Actor("w1", "W1", (Grant(Role.GRID_WORKER, "g1", "/c/d/g1/"),))
VERIFIER = Actor("ver", "Ver", (Grant(Role.VERIFIER, "c", "/c/"),))


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A ledger of schema 0001, with data."""
    if request.param == "sqlite":
        yield from _filled(f"sqlite:///{tmp_path / 'wangge.db'}")
    else:
        with postgresql_server() as url:
            yield from _filled(url)


def _filled(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    with writing(engine) as connection:
        migrate(connection, "0001")
        there = MetaData()
        there.reflect(connection)
        for table, rows in json.loads(OLD.read_text()).items():
            columns = there.tables[table].c
            values = [{name: _read(columns[name], value) for name, value in row.items()} for row in rows]
            connection.execute(there.tables[table].insert(), values)
        if engine.dialect.name == "postgresql":  # where the next numbers follow
            for number in (there.tables["events"].c.seq, there.tables["outbox"].c.id):
                serial = func.pg_get_serial_sequence(number.table.name, number.name)
                connection.execute(select(func.setval(serial, func.max(number))))
    yield engine
    engine.dispose()


def _read(column: Column[Any], value: Any) -> Any:
    if isinstance(column.type, Boolean):
        return bool(value)
    return json.loads(value) if isinstance(column.type, JSON) and value is not None else value


def test_a_filled_ledger_comes_along(old: Engine) -> None:
    assert "at schema 0001" in str(schema_fault(old))
    upgrade(old)
    assert schema_fault(old) is None
    with reading(old) as connection:
        options = {"compare_type": True, "compare_server_default": old.dialect.name == "sqlite"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        ids = connection.execute(text("SELECT id FROM alerts ORDER BY id")).scalars().all()
        states = {ledger.load(connection, alert_id).state for alert_id in ids}  # type: ignore[union-attr]
        assert len(ids) == len(states) == 8
        for alert_id in ids:
            assert replay(ledger.log(connection, alert_id)) == ledger.load(connection, alert_id)
        for row in connection.execute(text("SELECT id, severity, created_s, urgent_s, held_by FROM alerts")):
            assert row.urgent_s == urgent_s(Severity(row.severity), row.created_s)
            alert = ledger.load(connection, row.id)
            assert alert is not None
            assert row.held_by == (alert.assignee if alert.state in IN_HAND else None)
    assert verify_chain(old) is None


def test_alerts_of_the_old_shape_are_listed_and_worked_on_to_their_end(old: Engine, tmp_path: Path) -> None:
    upgrade(old)
    desk = Desk(old, Registry(old, Vault(tmp_path / "key")), claim_lease_s=120)
    found = {alert.state: alert for alert in desk.alerts(OPERATOR).items}
    assert len(found) == 8
    queued = {alert.state for alert in desk.queue("c", OPERATOR, OLD_NOW).items}
    assert queued == {State.DISPATCHED, State.ACCEPTED}

    def do(alert: Alert, actor: Actor, what: str, reason: str | None = None, **arguments: Any) -> Alert:
        return desk.execute(alert.id, Command(CommandType(what), actor, arguments, reason), alert.version, OLD_NOW)

    assert do(found[State.NEW], OPERATOR, "acknowledge").state is State.ACKNOWLEDGED
    assert do(found[State.ACKNOWLEDGED], OPERATOR, "dismiss", "false_alarm").state is State.DISMISSED
    claimed = do(found[State.DISPATCHED], WORKER, "claim")
    assert do(claimed, WORKER, "accept", fence=claimed.fence).assignee == "w1"
    assert do(found[State.ACCEPTED], WORKER, "arrive").state is State.ON_SCENE
    assert do(found[State.SUSPENDED], OPERATOR, "resume").state is State.ACCEPTED
    assert do(found[State.CLOSED], VERIFIER, "reopen", "又聚集了").state is State.REOPENED
    verified = do(found[State.HANDLED], VERIFIER, "verify")
    assert do(verified, VERIFIER, "close", outcome="fixed_service").state is State.CLOSED
    assert desk.tick(OLD_NOW + 40 * 86_400) > 0  # their clocks run on
    assert seal(old, "test", OLD_NOW) > 0
    assert verify_chain(old) is None
