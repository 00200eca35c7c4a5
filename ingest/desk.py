"""The video desk: a unix socket on which the camera worker answers for its cameras. One request per connection.

A request is one JSON line {"op": ...}, with "bytes": N and N bytes after it where the op takes some; the answer is one
JSON line {"ok": true, "bytes": N, ...} and N bytes, or {"ok": false, "code": ..., "message": ...}. The socket's folder
is its owner's alone: whoever can open it may ask.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from ingest.images import MAX_BYTES
from ingest.pipes import read_json
from models.errors import InvalidInput, Misconfigured, RetryLater, TooLarge, WanggeError

log = structlog.get_logger()

MAX_LINE_BYTES = 64 * 1024
REQUEST_S = 10.0
"""A request must be here whole after so long, and an answer taken."""
MAX_CONNECTIONS = 16

Handler = Callable[[Mapping[str, Any], bytes], tuple[dict[str, Any], bytes]]


class Desk:
    """``handlers`` by op; each gets a request's fields and bytes and gives the answer's, or raises WanggeError.

    Opens on entering, closes on leaving.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler], request_s: float = REQUEST_S) -> None:
        self._path = path
        self._handlers = handlers
        self._request_s = request_s
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        """Raises Misconfigured when the socket cannot be made."""
        try:
            self._listen()
        except OSError as error:
            self._socket.close()
            raise Misconfigured(f"the video desk cannot open {self._path}: {error.strerror}") from None
        threading.Thread(target=self._accept, name="video desk", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.parent.chmod(0o700)
        self._path.unlink(missing_ok=True)
        # A unix socket's address has room for 107 bytes only; by way of the folder's descriptor it is always short.
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.bind(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
        self._socket.listen(MAX_CONNECTIONS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            connection.settimeout(self._request_s)
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            else:
                with connection, suppress(OSError):
                    connection.sendall(_refusal("unavailable", "too many ask at once; try again shortly"))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                answer = self._answer(connection)
                if answer:
                    connection.settimeout(self._request_s)
                    connection.sendall(answer)
        finally:
            self._free.release()

    def _answer(self, connection: socket.socket) -> bytes:
        """The whole answer; nothing for one who hangs up without a request. Raises OSError for one who is too slow."""
        try:
            request = _Request(connection, time.monotonic() + self._request_s)
            fields = request.line()
            if fields is None:
                return b""
            handler = self._handlers.get(str(fields.get("op")))
            if handler is None:
                raise InvalidInput(f"there is no such request; there are: {', '.join(sorted(self._handlers))}")
            told, data = handler(fields, request.data(fields))
            return json.dumps(told | {"bytes": len(data)}).encode() + b"\n" + data
        except WanggeError as error:
            later_s = error.retry_after_s if isinstance(error, RetryLater) else None
            return _refusal(error.code, str(error), later_s)
        except OSError:
            raise
        except Exception:
            log.exception("the video desk failed on a request")
            return _refusal("error", "the video desk failed on this request; its log says why")


class _Request:
    """A request as it comes in. Whatever it is, it takes no more memory and time than is allowed."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._received = bytearray()

    def line(self) -> dict[str, Any] | None:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > MAX_LINE_BYTES:
                raise TooLarge(f"a request's line has at most {MAX_LINE_BYTES} bytes")
            if not self._more(MAX_LINE_BYTES):
                return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return read_json(line)

    def data(self, fields: Mapping[str, Any]) -> bytes:
        size = fields.get("bytes", 0)
        if type(size) is not int or size < 0:
            raise InvalidInput("bytes must be a number of bytes")
        if size > MAX_BYTES:
            raise TooLarge(f"{size} bytes were announced, {MAX_BYTES} are allowed: send a smaller picture")
        while len(self._received) < size:
            if not self._more(size - len(self._received)):
                raise InvalidInput("the request ended before all its bytes came")
        return bytes(self._received[:size])

    def _more(self, limit: int) -> bool:
        self._connection.settimeout(max(self._deadline_s - time.monotonic(), 0.001))
        chunk = self._connection.recv(min(limit, 1024 * 1024))
        self._received += chunk
        return bool(chunk)


def _refusal(code: str, message: str, later_s: int | None = None) -> bytes:
    told = {"ok": False, "code": code, "message": message}
    return json.dumps(told if later_s is None else told | {"retry_after_s": later_s}).encode() + b"\n"
