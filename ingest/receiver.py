"""All cameras of a process in one epoll loop: no thread per camera, one wake-up for many packets.

Names are resolved by a thread of their own each (getaddrinfo blocks and knows no time limit); addresses that are
numbers, as cameras mostly have, need none. A camera runs until it fails; then it is gone from here, and whoever
added it decides when to try again.
"""

import contextlib
import ipaddress
import queue
import selectors
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ingest.connection import Connected, Connection
from ingest.ring import Ring
from ingest.stream import Keyframe, Limits, Recent
from models.camera import AllowedNetworks, SourceUrl
from models.errors import CameraAddressNotAllowed, CameraError, CameraUnreachable, Conflict

SWEEP_S = 0.25
"""How often every socket is read, and every deadline checked, however little came: the most a frame waits here."""


@dataclass(frozen=True)
class Failed:
    """The camera is no longer watched, and why."""

    camera_id: str
    error: CameraError


Event = Connected | Keyframe | Failed


@dataclass(frozen=True)
class _Resolving:
    source: SourceUrl
    deadline_s: float


class Receiver:
    """``add`` cameras, then ``poll`` for what happens to them. One thread only. ``close`` it, or use ``with``."""

    def __init__(
        self, networks: AllowedNetworks, limits: Limits | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """``tls``: how rtsps cameras are verified; None is by the system's issuers and the name in the address."""
        self._networks = networks
        self._limits = limits or Limits()
        self._tls = tls
        self._selector = selectors.DefaultSelector()
        self._connections: dict[str, Connection] = {}
        self._resolving: dict[str, _Resolving] = {}
        self._resolved: queue.SimpleQueue[tuple[str, _Resolving, list[str]]] = queue.SimpleQueue()
        self._failed: list[Event] = []
        self._sweep_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def camera_ids(self) -> frozenset[str]:
        return frozenset(self._connections) | frozenset(self._resolving)

    def add(self, camera_id: str, source: SourceUrl) -> None:
        """Begins to watch. Raises Conflict if that camera is watched already; all else comes as Failed."""
        if camera_id in self.camera_ids:
            raise Conflict(f"camera {camera_id} is watched already")
        try:
            ipaddress.ip_address(source.host)
        except ValueError:
            waiting = _Resolving(source, time.monotonic() + self._limits.answer_s)
            self._resolving[camera_id] = waiting
            threading.Thread(target=self._resolve, args=(camera_id, waiting), daemon=True).start()
            return
        self._dial(camera_id, source, [source.host])

    def remove(self, camera_id: str) -> None:
        """Stops watching; one that is not watched is left alone."""
        self._resolving.pop(camera_id, None)
        connection = self._connections.pop(camera_id, None)
        if connection:
            self._selector.unregister(connection.socket)
            connection.close()

    def ring(self, camera_id: str) -> Ring | None:
        """What the camera sent lately; None while it does not play."""
        connection = self._connections.get(camera_id)
        return connection.stream.ring if connection and connection.stream else None

    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None:
        """As ``Stream.recent``; None while the camera does not play."""
        connection = self._connections.get(camera_id)
        return connection.stream.recent(since_s, until_s) if connection and connection.stream else None

    def poll(self, timeout_s: float) -> list[Event]:
        """Waits up to ``timeout_s`` seconds for events; returns as soon as there are any."""
        deadline_s = time.monotonic() + timeout_s
        events: list[Event] = []
        while True:
            now_s = time.monotonic()
            wait_s = max(min(deadline_s, self._sweep_s) - now_s, 0.0)
            ready: list[Connection] = [key.data for key, _ in self._selector.select(wait_s)]
            now_s = time.monotonic()
            if now_s >= self._sweep_s:
                self._sweep_s = now_s + SWEEP_S
                self._sweep(now_s)
                ready = list(self._connections.values())
            for connection in ready:
                if self._connections.get(connection.camera_id) is connection:
                    events += self._serve(connection, now_s)
            events += self._failed
            self._failed = []
            if events or now_s >= deadline_s:
                return events

    def close(self) -> None:
        for camera_id in self.camera_ids:
            self.remove(camera_id)
        self._selector.close()

    def _sweep(self, now_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                camera_id, waiting, addresses = self._resolved.get_nowait()
                if self._resolving.get(camera_id) is waiting:
                    del self._resolving[camera_id]
                    self._dial(camera_id, waiting.source, addresses)
        for camera_id, waiting in list(self._resolving.items()):
            if now_s > waiting.deadline_s:
                del self._resolving[camera_id]
                self._fail(camera_id, _unresolved(waiting.source))

    def _serve(self, connection: Connection, now_s: float) -> list[Event]:
        wrapped = connection.socket
        events: list[Event] = []
        try:
            events += connection.ready(now_s)
            connection.check(now_s)
        except CameraError as error:
            del self._connections[connection.camera_id]
            self._selector.unregister(wrapped)
            connection.close()
            return [*events, Failed(connection.camera_id, error)]
        if connection.socket is not wrapped:  # TLS wraps the socket into another object
            self._selector.unregister(wrapped)
            self._selector.register(connection.socket, connection.wants, connection)
        elif self._selector.get_key(wrapped).events != connection.wants:
            self._selector.modify(wrapped, connection.wants, connection)
        return events

    def _dial(self, camera_id: str, source: SourceUrl, addresses: list[str]) -> None:
        """Connects to the first address that is allowed: the name is not asked for again."""
        try:
            if not addresses:
                raise _unresolved(source)
            allowed = [address for address in addresses if self._networks.allows(address)]
            if not allowed:
                raise CameraAddressNotAllowed(
                    f"{source.shown}: its address is outside the networks that cameras may be on: "
                    "add its network to those, if it is right"
                )
            connection = Connection(camera_id, source, allowed[0], self._limits, self._tls, time.monotonic())
        except CameraError as error:
            self._fail(camera_id, error)
            return
        self._connections[camera_id] = connection
        self._selector.register(connection.socket, connection.wants, connection)

    def _fail(self, camera_id: str, error: CameraError) -> None:
        self._failed.append(Failed(camera_id, error))

    def _resolve(self, camera_id: str, waiting: _Resolving) -> None:
        """Runs in a thread of its own; its answer is taken at the next sweep, or never."""
        try:
            found = socket.getaddrinfo(waiting.source.host, waiting.source.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        self._resolved.put((camera_id, waiting, list(dict.fromkeys(str(entry[4][0]) for entry in found))))


def _unresolved(source: SourceUrl) -> CameraUnreachable:
    return CameraUnreachable(f"{source.shown}: that name is not known on this network: check it, or use the address")
