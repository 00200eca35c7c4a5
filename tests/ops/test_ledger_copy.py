"""A ledger on a real PostgreSQL: saved while it is written to, brought back, moved to the other database."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, insert, inspect, select

from alerts.database import open_database, reading, upgrade, writing
from alerts.desk import Desk
from alerts.registry import Registry
from alerts.sealer import last_position, seal, verify_chain
from alerts.vault import Vault
from bench.filling import fill
from bench.postgresql import postgresql_server
from bench.town import NOW, city, scenes
from models.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from models.incident import Phase
from models.settings import Settings, read_settings
from models.tables import alerts, events, grids, metadata, people, sessions
from ops.backup import backup, restore

CASES, GRIDS = 60, 20


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql_server() as url:
        with psycopg.connect(plain(url), autocommit=True) as connection:
            connection.execute("CREATE DATABASE filled")
        fill(named(url, "filled"), CASES, GRIDS, GRIDS)
        yield url


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def named(url: str, database: str) -> str:
    return url.replace("/postgres?", f"/{database}?")


@pytest.fixture
def urls(server: str) -> Iterator[tuple[str, str]]:
    """A database with cases in it, and an empty one."""
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute("CREATE DATABASE old TEMPLATE filled")
        connection.execute("CREATE DATABASE new")
        yield named(server, "old"), named(server, "new")
        connection.execute("DROP DATABASE old WITH (FORCE)")
        connection.execute("DROP DATABASE new WITH (FORCE)")


def settings_in(data: Path, url: str | None = None) -> Settings:
    data.mkdir(exist_ok=True)
    return read_settings({"WANGGE_DATA": str(data), **({"WANGGE_DATABASE_URL": url} if url else {})})


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything, but for what a restore ends or notes."""
    engine = open_database(url)
    with reading(engine) as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table)).all()), key=repr)
            for table in metadata.sorted_tables
            if table.name not in ("sessions", "anchors")
        }
    engine.dispose()
    return found


def goes_on(url: str, folder: Path) -> None:
    """The product can work on it: numbers follow, the chain grows and is whole."""
    engine = open_database(url)
    assert verify_chain(engine) is None
    before = last_position(engine)
    desk = Desk(engine, Registry(engine, Vault(folder / "key")), claim_lease_s=120)
    (incident,) = scenes("worker:after", 1, city(GRIDS)[1], GRIDS, (Phase.ONSET,))
    assert desk.report(incident, NOW + 60).disposition == "raise"
    assert seal(engine, "test", NOW + 60) == 1
    assert last_position(engine) == before + 1
    assert verify_chain(engine) is None
    engine.dispose()


def test_what_was_saved_from_postgresql_comes_back_to_postgresql(urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    engine = open_database(old)
    with writing(engine) as connection:
        who = {"token_sha256": "t", "person_id": "op", "csrf_token": "c", "created_s": 0, "expires_s": 9e9}
        connection.execute(insert(sessions).values(who))
    engine.dispose()
    archive = tmp_path / "saved.tar.gz"
    assert "wangge.db" in backup(settings_in(tmp_path / "a", old), archive).files
    restore(settings_in(tmp_path / "b", new), archive)
    assert len(rows(new)["alerts"]) == CASES
    assert rows(new) == rows(old)
    engine = open_database(new)
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(sessions)).scalar_one() == 0
    engine.dispose()
    goes_on(new, tmp_path)


def test_a_ledger_moves_to_sqlite_and_back(urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    backup(settings_in(tmp_path / "a", old), tmp_path / "1.tar.gz")
    on_sqlite = settings_in(tmp_path / "b")
    restore(on_sqlite, tmp_path / "1.tar.gz")
    assert rows(on_sqlite.database_url) == rows(old)
    backup(on_sqlite, tmp_path / "2.tar.gz")
    restore(settings_in(tmp_path / "c", new), tmp_path / "2.tar.gz")
    assert rows(new) == rows(old)
    goes_on(on_sqlite.database_url, tmp_path)
    goes_on(new, tmp_path)


def test_it_is_of_one_moment_while_the_product_writes(urls: tuple[str, str], tmp_path: Path) -> None:
    old, _ = urls
    engine = open_database(old)
    desk = Desk(engine, Registry(engine, Vault(tmp_path / "key")), claim_lease_s=120)
    stop = threading.Event()

    def write() -> None:
        for incident in scenes("worker:busy", 10_000, city(GRIDS)[1], GRIDS, (Phase.ONSET,)):
            if stop.is_set():
                return
            desk.report(incident, NOW + incident.seq)
            seal(engine, "test", NOW + incident.seq)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup(settings_in(tmp_path / "a", old), tmp_path / "saved.tar.gz")
    finally:
        stop.set()
        writer.join()
        engine.dispose()
    there = settings_in(tmp_path / "b")
    restore(there, tmp_path / "saved.tar.gz")
    copy = open_database(there.database_url)
    assert verify_chain(copy) is None
    with reading(copy) as connection:
        told = connection.execute(select(func.sum(alerts.c.version))).scalar_one()
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == told
    copy.dispose()


def test_nothing_is_written_over_and_nothing_half_restored(urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    backup(settings_in(tmp_path / "a", old), tmp_path / "saved.tar.gz")
    before = rows(old)
    with pytest.raises(Conflict, match="not empty"):
        restore(settings_in(tmp_path / "b", old), tmp_path / "saved.tar.gz")
    assert rows(old) == before

    broken = settings_in(tmp_path / "c")
    restore(broken, tmp_path / "saved.tar.gz")
    engine = open_database(broken.database_url)
    with writing(engine) as connection:  # SQLite takes what PostgreSQL cannot hold
        connection.execute(people.update().where(people.c.id == "p1").values(name="a\0b"))
    engine.dispose()
    backup(broken, tmp_path / "broken.tar.gz")
    there = settings_in(tmp_path / "d", new)
    with pytest.raises(InvalidInput, match="people holds what cannot be copied"):
        restore(there, tmp_path / "broken.tar.gz")
    engine = open_database(new)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert {path.name for path in there.data.iterdir()} <= {"run"}


def test_a_server_that_is_away_or_not_brought_up_to_date_is_said(urls: tuple[str, str], tmp_path: Path) -> None:
    _, new = urls
    with pytest.raises(Misconfigured, match="wangge db upgrade"):
        backup(settings_in(tmp_path / "a", new), tmp_path / "saved.tar.gz")
    away = f"postgresql+psycopg://wangge@/x?host={tmp_path}"
    with pytest.raises(Unavailable):
        backup(settings_in(tmp_path / "a", away), tmp_path / "saved.tar.gz")
    assert list(tmp_path.glob("*.tar.gz")) == []


def test_a_grid_is_restored_whatever_stands_first(urls: tuple[str, str], tmp_path: Path) -> None:
    _, new = urls
    settings = settings_in(tmp_path / "a")
    engine = open_database(settings.database_url)
    upgrade(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for code, parent, path in (("below", "above", "/above/below/"), ("above", None, "/above/")):
            about = {"scheme": "t", "name": code, "level": 1, "changed_s": 0.0}
            connection.execute(insert(grids).values(code=code, parent=parent, path=path, **about))
    engine.dispose()
    backup(settings, tmp_path / "1.tar.gz")
    restore(settings_in(tmp_path / "b", new), tmp_path / "1.tar.gz")
    backup(settings_in(tmp_path / "b", new), tmp_path / "2.tar.gz")
    restore(settings_in(tmp_path / "c"), tmp_path / "2.tar.gz")
    assert len(rows(settings_in(tmp_path / "c").database_url)["grids"]) == 2
