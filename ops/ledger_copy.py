"""A whole ledger from one database into another, empty one: how a ledger on PostgreSQL comes into a backup and back.

In an archive a ledger is always a SQLite file. So what was saved on PostgreSQL can be restored on SQLite, and the other
way round.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import JSON, URL, Connection, Engine, Row, Table, Text, cast, delete, func, inspect, select
from sqlalchemy.exc import DatabaseError

from alerts.database import migrate, open_database, reading, schema_fault, upgrade, writing
from models.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from models.tables import metadata, sessions

_BATCH = 2000


def save(url: str, file: Path) -> None:
    """The ledger of that database as a SQLite file, as it is at one moment. Raises as ``copied``."""
    with opened(url) as server, opened(_url_of(file)) as copy, copied(server, copy):
        pass
    with closing(sqlite3.connect(file)) as whole:
        whole.execute("PRAGMA journal_mode=DELETE")  # one file, complete in itself


def renew(file: Path) -> None:
    """Brings an older schema up to date and ends all sign-ins: one that was revoked since must not come back.

    Raises InvalidInput.
    """
    if not file.is_file():
        raise InvalidInput("the archive holds no ledger")
    try:
        with opened(_url_of(file)) as engine:
            upgrade(engine)
            with writing(engine) as connection:
                connection.execute(delete(sessions))
    except CommandError:
        raise InvalidInput("the archive was made by a newer version of wangge: restore it with that one") from None
    except DatabaseError:
        raise InvalidInput("the archive's ledger is no database, or is damaged") from None


@contextmanager
def restored_to(url: str, file: Path) -> Iterator[None]:
    """The ledger of the SQLite file in that database, for good if the block ends well. Raises as ``copied``."""
    with opened(_url_of(file)) as saved, opened(url) as server, copied(saved, server):
        yield


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _url_of(file: Path) -> str:
    return URL.create("sqlite", database=str(file)).render_as_string()


@contextmanager
def copied(source: Engine, target: Engine) -> Iterator[None]:
    """All rows as they are at one moment; they stay in the target if the block ends well, and it stays empty if not.

    Raises Misconfigured if the source is of another schema than this version's, Conflict if the target is not empty,
    InvalidInput if it cannot hold what the source holds, Unavailable.
    """
    if fault := schema_fault(source):
        raise Misconfigured(fault)
    with reading(source) as origin, writing(target) as copy:
        if there := inspect(copy).get_table_names():
            raise Conflict(
                f"the database is not empty (it has a table {there[0]}): name an empty one in WANGGE_DATABASE_URL"
            )
        migrate(copy)
        if target.dialect.name == "sqlite":
            copy.exec_driver_sql("PRAGMA defer_foreign_keys = ON")  # a grid may come before the one above it
        for table in metadata.sorted_tables:
            _copy(origin, copy, table)
        yield


def _copy(origin: Connection, copy: Connection, table: Table) -> None:
    # JSON as the text that it is: read and written anew, it would take ten times as long.
    columns = [cast(each, Text).label(each.name) if isinstance(each.type, JSON) else each for each in table.c]
    driver = copy.dialect.loaded_dbapi
    with origin.execute(select(*columns), execution_options={"yield_per": _BATCH}) as rows:
        try:
            write = _into_sqlite if copy.dialect.name == "sqlite" else _into_postgresql
            write(copy, table, rows)
        except driver.OperationalError as error:
            raise Unavailable(f"{table.name} could not be copied: {error}") from None
        except (driver.Error, ValueError) as error:
            raise InvalidInput(f"{table.name} holds what cannot be copied: {str(error).splitlines()[0]}") from None


def _into_sqlite(copy: Connection, table: Table, rows: Iterable[Row[Any]]) -> None:
    names = [column.name for column in table.c]
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    cursor = copy.connection.cursor()
    for batch in _batches(rows):
        cursor.executemany(statement, batch)
    cursor.close()


def _into_postgresql(copy: Connection, table: Table, rows: Iterable[Row[Any]]) -> None:
    names = ", ".join(column.name for column in table.c)
    cursor: Any = copy.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)
    cursor.close()
    for column in table.c:
        if column.autoincrement is True:  # the next number follows those that came
            serial = func.pg_get_serial_sequence(table.name, column.name)
            copy.execute(select(func.setval(serial, func.max(column))).having(func.count() > 0))


def _batches(rows: Iterable[Row[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    iterator = iter(rows)
    while batch := [tuple(row) for row in islice(iterator, _BATCH)]:
        yield batch
