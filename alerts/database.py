"""Opening the ledger's database, and the two ways to use it: reading, and one transaction that writes.

SQLite runs in WAL with synchronous=FULL, PostgreSQL with its own synchronous_commit: what is committed is on disk
before anyone is told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

import models
from models.errors import Misconfigured, Unavailable

LOCK_TIMEOUT_S = 5.0
"""How long a writer waits for another one before the caller is asked to come back."""


def open_database(url: str) -> Engine:
    """The engine for a SQLite or PostgreSQL URL. Connects to nothing yet.

    Raises Misconfigured if the SQLite file's folder cannot be made.
    """
    if url.startswith("sqlite:///"):
        try:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the database's folder cannot be made: {error.strerror}") from None
        engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(url, pool_pre_ping=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A write transaction takes the write lock at once: two that read first and write later would deadlock.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads see one moment. Raises Unavailable when the database does not answer."""
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"the database does not answer: {_said(error)}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed, on disk, when the block ends; undone if it raises. Raises Unavailable."""
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection
    except OperationalError as error:
        raise Unavailable(f"the database is busy or full; nothing was written: {_said(error)}", 2) from error


def _said(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0][:200]


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(engine: Engine) -> None:
    """Brings the schema to this version of the product. Does nothing where it is there already."""
    config = _alembic(engine.url.render_as_string(hide_password=False))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def schema_fault(engine: Engine) -> str | None:
    """None when the schema is the one that this version needs, else a sentence with the mend."""
    head = ScriptDirectory.from_config(_alembic("")).get_current_head()
    with reading(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found == head:
        return None
    if found is None:
        return "the database has no tables yet: run `wangge db upgrade`"
    return f"the database is at schema {found}, this version needs {head}: run `wangge db upgrade`"


def answers(engine: Engine) -> bool:
    """Whether the database answers now."""
    try:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
    except Unavailable:
        return False
    return True
