"""The whole product on one machine: Valkey, schema, dispatcher, camera worker and API under one supervisor."""

import fcntl
import http.client
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

from alerts.database import open_database, upgrade
from api.tls import context_of, pair_of
from models.errors import Conflict, Misconfigured
from models.settings import Settings
from ops import valkey
from ops.ports import free_port, port_fault
from ops.supervisor import Process, Spec, Supervisor


def to_environ(settings: Settings) -> dict[str, str]:
    """The variables from which ``read_settings`` makes this value again: how processes are told."""
    return {
        "WANGGE_DATA": str(settings.data),
        "WANGGE_ANCHOR_DIR": str(settings.anchor_dir or ""),
        "WANGGE_DATABASE_URL": settings.database_url,
        "WANGGE_REDIS_URL": settings.redis_url or "",
        "WANGGE_HOST": settings.host,
        "WANGGE_PORT": str(settings.port),
        "WANGGE_CAMERA_NETWORKS": str(settings.camera_networks),
        "WANGGE_EGRESS_NETWORKS": str(settings.egress_networks),
        "WANGGE_PUSH_CONTACT": settings.push_contact or "",
        "WANGGE_ZOO": str(settings.zoo or ""),
        "WANGGE_DETECTOR": settings.detector,
        "WANGGE_DETECTOR_TILES": settings.detector_tiles,
        "WANGGE_DENSITY_MODEL": settings.density_model or "",
        "WANGGE_CHANGE_MODEL": settings.change_model,
        "WANGGE_FACE_MODEL": settings.face_model or "",
        "WANGGE_PROVIDERS": ",".join(settings.providers),
        "WANGGE_CLAIM_LEASE_S": str(settings.claim_lease_s),
        "WANGGE_STORM_LIMIT": str(settings.storm_limit),
        "WANGGE_TOWN_LEVEL": str(settings.town_level),
        "WANGGE_SESSION_S": str(settings.session_s),
        "WANGGE_PHOTO_MAX_BYTES": str(settings.photo_max_bytes),
        "WANGGE_DELIVERIES_DAYS": str(settings.deliveries_days),
        "WANGGE_SECURE_COOKIES": str(int(settings.secure_cookies)),
        "WANGGE_TLS_CERT": str(settings.tls_cert or ""),
        "WANGGE_TLS_KEY": str(settings.tls_key or ""),
        "WANGGE_LOG_LEVEL": settings.log_level,
    }


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of our own modules. -P: what lies in the current folder is not imported."""
    return (sys.executable, "-P", "-m", name, *arguments)


def make_data_folder(settings: Settings) -> Path:
    """Makes the data folder, for its owner only, and returns its run folder. Raises Misconfigured."""
    run = settings.data / "run"
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise Misconfigured(
            f"the data directory {settings.data} cannot be made ({error.strerror}): set WANGGE_DATA to one that can"
        ) from None
    return run


def lock_data(settings: Settings) -> IO[str]:
    """Takes the data directory for this process until the file is closed. Raises Conflict if another has it."""
    path = make_data_folder(settings) / "supervisor.lock"
    try:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be opened ({error.strerror}): mend the data directory's owner") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = lock.read().strip()
        lock.close()
        raise Conflict(
            f"wangge runs on {settings.data} already (process {pid}): stop it, or set WANGGE_DATA to another folder"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def running_pid(settings: Settings) -> int | None:
    """The supervisor's process id if one runs on this data directory."""
    try:
        lock = (settings.data / "run" / "supervisor.lock").open()
    except OSError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = lock.read().strip()
            return int(text) if text.isdigit() else 0
    return None


def address(settings: Settings) -> tuple[str, int]:
    """Where the API is reached from this machine."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return anywhere.get(settings.host, settings.host), settings.port


def get(settings: Settings, path: str, timeout_s: float = 0.8) -> tuple[int, bytes] | None:
    """Status and body of a GET on our own API; None when it does not answer."""
    connection = _connection(settings, timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(1_000_000)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connection(settings: Settings, timeout_s: float) -> http.client.HTTPConnection:
    host, port = address(settings)
    if pair_of(settings) is None:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    # Our own port on our own machine, under an address that a certificate need not name: asked no secrets, told none.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


def specs(settings: Settings) -> list[Spec]:
    """The product's own processes, told by their environment."""
    environ: Mapping[str, str] = to_environ(settings)
    return [
        Spec("dispatcher", module("alerts"), environ),
        Spec("notifier", module("alerts.notifier"), environ),
        Spec("worker", module("ingest"), environ, ready=lambda: listens(settings.video_desk)),
        Spec("api", module("api"), environ, ready=lambda: (get(settings, "/healthz") or (0, b""))[0] == 200),
    ]


def listens(path: Path) -> bool:
    """Whether someone accepts on a unix socket. By a file descriptor: addresses are limited to 107 bytes."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.5)
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


class Product:
    """A context manager that runs the product. ``extra`` processes (the demo's cameras) start before the others.

    ``prepare`` is called with the settled settings once the schema is there and before anything reads it. Entering
    raises Conflict if the data directory is in use, Misconfigured if the port is taken or a process does not start.

    ``settings`` are the settled ones: port 0 has become a port, the embedded Valkey has its address.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        extra: Sequence[Spec] = (),
        own: Callable[[Settings], Sequence[Spec]] = specs,
        prepare: Callable[[Settings], None] | None = None,
        say: Callable[[str], None] = lambda _: None,
        within_s: float = 60.0,
    ) -> None:
        self.settings = settings
        self._extra, self._own, self._prepare, self._say, self._within_s = tuple(extra), own, prepare, say, within_s
        self._held = ExitStack()
        self._supervisor: Supervisor | None = None

    @property
    def url(self) -> str:
        host, port = address(self.settings)
        scheme = "http" if pair_of(self.settings) is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def ca(self) -> Path | None:
        """The authority of its HTTPS, if that is our own."""
        pair = pair_of(self.settings)
        return pair.ca if pair else None

    def processes(self) -> tuple[Process, ...]:
        return self._supervisor.processes() if self._supervisor else ()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(lock_data(self.settings))
            if self.settings.port == 0:
                self.settings = replace(self.settings, port=free_port(self.settings.host))
            if fault := port_fault(self.settings.host, self.settings.port):
                raise Misconfigured(fault)
            if (pair := pair_of(self.settings)) is not None:
                context_of(pair, time.time())  # said now, not in the log of a process that does not start
            self._supervisor = held.enter_context(Supervisor(self.settings.data / "logs"))
            self._start(self._supervisor)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _start(self, supervisor: Supervisor) -> None:
        run = self.settings.data / "run"
        if self.settings.redis_url is None:
            self._say("Valkey")
            embedded, spec = valkey.prepare(self.settings.data, run)
            supervisor.start([spec], self._within_s)
            self.settings = replace(self.settings, redis_url=embedded.url)
        self._say("database")
        engine = open_database(self.settings.database_url)
        try:
            upgrade(engine)
        finally:
            engine.dispose()
        if self._prepare:
            self._prepare(self.settings)
        self._say("dispatcher, notifier, camera worker, API")
        supervisor.start([*self._extra, *self._own(self.settings)], self._within_s)
