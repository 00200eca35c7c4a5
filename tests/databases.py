"""Real databases: SQLite files, and a PostgreSQL server whose databases are made from templates."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import Engine

from alerts.database import open_database

KINDS = ("sqlite", "postgresql")


class Databases:
    """Fresh databases of one kind, each a copy of what ``furnish`` made once of an empty one."""

    def __init__(self, kind: str, folder: Path, server_url: str | None = None) -> None:
        self.kind, self._folder, self._server_url = kind, folder, server_url
        self._templates: dict[Callable[[Engine], None] | None, str] = {}
        self._numbers = count(1)

    @contextmanager
    def fresh(self, furnish: Callable[[Engine], None] | None = None) -> Iterator[Engine]:
        """A database of one's own, gone afterwards."""
        if furnish is not None and furnish not in self._templates:
            template = self._make(None)
            engine = open_database(template)
            furnish(engine)
            engine.dispose()  # of SQLite, the last connection folds the write-ahead log into the file
            self._templates[furnish] = template
        url = self._make(self._templates.get(furnish))
        engine = open_database(url)
        try:
            yield engine
        finally:
            engine.dispose()
            self._drop(url)

    def _make(self, template: str | None) -> str:
        name = f"t{next(self._numbers)}"
        if self._server_url is None:
            path = self._folder / f"{name}.db"
            if template is not None:
                shutil.copy(template.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        origin = "template1" if template is None else _database_of(template)
        self._command(f"CREATE DATABASE {name} TEMPLATE {origin}")
        return self._server_url.replace("/postgres?", f"/{name}?")

    def _drop(self, url: str) -> None:
        if self._server_url is None:
            for path in self._folder.glob(f"{Path(url).name}*"):
                path.unlink()
        else:
            self._command(f"DROP DATABASE {_database_of(url)} WITH (FORCE)")

    def _command(self, statement: str) -> None:
        assert self._server_url is not None
        with psycopg.connect(self._server_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement)


def _database_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]
