"""Opening the ledger's database, and the two ways to use it: reading, and one transaction that writes.

SQLite runs in WAL with synchronous=FULL, PostgreSQL with synchronous_commit: what is committed is on disk before anyone
is told.

A transaction that writes is alone, on either database: what it reads stays so until it ends. SQLite knows no other way;
on PostgreSQL an advisory lock makes it so. The few whose speed matters write ``beside`` each other there, and lock each
row that they decide by.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolEmpty

import models
from models.errors import Misconfigured, Unavailable

T = TypeVar("T")

LOCK_TIMEOUT_S = 5.0
"""How long a writer waits for another one before the caller is asked to come back."""

_WRITERS = 0x57616E67
"""PostgreSQL's advisory lock ("Wang"): whoever writes alone holds it, those who write beside each other share it."""

_PREPARE_POSTGRESQL = (
    f"SET lock_timeout = '{LOCK_TIMEOUT_S:.0f}s'",
    # A connection that is lost in the middle of a transaction must not hold its locks for hours.
    "SET idle_in_transaction_session_timeout = '60s'",
    # A server may be set up to answer before it has written. Stricter settings than "on" are left as they are.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)


def open_database(url: str) -> Engine:
    """The engine for a SQLite or PostgreSQL URL. Connects to nothing yet.

    Raises Misconfigured if the SQLite file's folder cannot be made.
    """
    if url.startswith("sqlite:///"):
        try:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the database's folder cannot be made: {error.strerror}") from None
        engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S}, pool_timeout=LOCK_TIMEOUT_S)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_timeout=LOCK_TIMEOUT_S)
    except (ArgumentError, ImportError):  # the text may hold a password: it is not repeated
        raise Misconfigured("WANGGE_DATABASE_URL is no URL of a database, such as postgresql+psycopg://…") from None
    if engine.dialect.name != "postgresql":
        raise Misconfigured(f"the ledger is kept on SQLite or PostgreSQL, not on {engine.dialect.name}")
    event.listen(engine, "do_connect", _limit_wait)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _limit_wait(_dialect: Any, _record: Any, _arguments: Any, about: dict[str, Any]) -> None:
    about.setdefault("connect_timeout", int(LOCK_TIMEOUT_S))


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    for statement in _PREPARE_POSTGRESQL:
        connection.execute(statement)
    connection.commit()


def _begin(connection: Connection, writes: str | None) -> None:
    """``writes``: None, "alone" or "beside"."""
    # Not by a listener of the engine's "begin": one that has any asks all its listeners at each statement.
    if connection.dialect.name == "sqlite":
        # A write transaction takes the write lock at once: two that read first and write later would deadlock.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif writes:
        shared = "_shared" if writes == "beside" else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{shared}({_WRITERS})")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads see one moment. Raises Unavailable when the database does not answer."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":  # SQLite's transactions see one moment by themselves
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            _begin(connection, None)
            yield connection
    except (DBAPIError, PoolEmpty) as error:
        if not _may_pass(error):
            raise
        raise Unavailable(f"the database does not answer: {_said(error)}") from error


@contextmanager
def writing(engine: Engine, *, beside: bool = False) -> Iterator[Connection]:
    """One transaction: committed, on disk, when the block ends; undone if it raises. Raises Unavailable.

    ``beside``: others that say so may write at the same time. For a block that locks every row that it decides by, and
    bears an IntegrityError where another one was first. Between them a deadlock is possible, and told as Unavailable.
    """
    try:
        with engine.begin() as connection:
            _begin(connection, "beside" if beside else "alone")
            yield connection
    except (DBAPIError, PoolEmpty) as error:
        if not _may_pass(error):
            raise
        raise Unavailable(f"the database is busy or full; nothing was written: {_said(error)}", 2) from error


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """What ``work`` returns, committed: a transaction beside others, begun again once where one of them was first.

    That shows as an IntegrityError, such as two alerts opened at one place; what the other one wrote is seen the second
    time. Raises what ``work`` raises, and Unavailable.
    """
    try:
        with writing(engine, beside=True) as connection:
            return work(connection)
    except IntegrityError:
        with writing(engine, beside=True) as connection:
            return work(connection)


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether it may go better next time: a lock, a deadlock, a full disk, a lost or refused connection."""
    return isinstance(error, OperationalError | PoolEmpty) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _said(error: SQLAlchemyError) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return said.splitlines()[0][:200] if said else type(error).__name__


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(engine: Engine) -> None:
    """Brings the schema to this version of the product. Does nothing where it is there already."""
    with writing(engine) as connection:
        migrate(connection)


def migrate(connection: Connection, revision: str = "head") -> None:
    """As ``upgrade``, in the caller's transaction. Raises alembic's CommandError for a revision that is not known."""
    config = _alembic(connection.engine.url.render_as_string(hide_password=False))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


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
