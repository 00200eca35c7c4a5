"""Asks the camera worker's video desk. Passes bytes on and knows no codec.

One request per connection over a unix socket: a JSON line (and bytes), answered by a JSON line (and bytes).
"""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.errors import by_code
from models.errors import Unavailable

LONGEST_LINE_BYTES = 4 * 1024 * 1024
LARGEST_PICTURE_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Answer:
    """What the desk said, and the bytes that came with it."""

    facts: Mapping[str, Any]
    data: bytes = b""


@dataclass(frozen=True)
class Status:
    """What each camera does now, by id; and why none can be watched, if that is so."""

    cameras: Mapping[str, Any]
    fault: str | None


class VideoDesk:
    """The desk behind the socket at ``path``. Each method raises Unavailable when it does not answer in time, and the
    core error that the desk names when it refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def probe(self, url: str) -> Answer:
        """Connects to a camera and says what it sends; the bytes are a masked still. Raises CameraError."""
        return self._ask({"op": "probe", "url": url}, timeout_s=45)

    def picture(self, camera_id: str) -> bytes:
        """A masked JPEG of what a watched camera saw last."""
        return self._ask({"op": "picture", "camera_id": camera_id}, timeout_s=12).data

    def sample(self, camera_id: str) -> Answer:
        """As ``picture``, with what the model saw in it, for counts to be calibrated by."""
        return self._ask({"op": "sample", "camera_id": camera_id}, timeout_s=20)

    def mask(self, photo: bytes) -> Answer:
        """The photo as JPEG with heads and plates masked and without EXIF. Raises InvalidInput, TooLarge."""
        return self._ask({"op": "mask", "bytes": len(photo)}, photo, timeout_s=25)

    def explain(self, camera_id: str, since_s: float) -> Mapping[str, Any]:
        """What the camera's rules said since then (Unix seconds), by "kind/zone"."""
        return self._ask({"op": "explain", "camera_id": camera_id, "since_s": since_s}, timeout_s=20).facts

    def rehearse(self, camera_id: str, zone: Mapping[str, Any], since_s: float) -> Mapping[str, Any]:
        """What that zone would have made of what the camera saw since then."""
        asked = {"op": "rehearse", "camera_id": camera_id, "zone": zone, "since_s": since_s}
        return self._ask(asked, timeout_s=20).facts

    def models(self) -> Mapping[str, Any]:
        """The models that the worker can load. Raises ModelRefused where its zoo cannot be read."""
        return self._ask({"op": "models"}, timeout_s=4).facts

    def status(self) -> Status:
        """What the worker does now."""
        facts = self._ask({"op": "status"}, timeout_s=4).facts
        cameras, fault = facts.get("cameras"), facts.get("fault")
        return Status(cameras if isinstance(cameras, dict) else {}, str(fault) if fault else None)

    def _ask(self, request: Mapping[str, Any], data: bytes = b"", *, timeout_s: float) -> Answer:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(timeout_s)
                self._connect(link)
                # A desk that refuses early closes its end: its answer is still there to be read.
                with suppress(BrokenPipeError, ConnectionResetError):
                    link.sendall(json.dumps(request).encode() + b"\n" + data)
                return _read(link)
        except (OSError, ValueError):
            raise Unavailable("the camera worker does not answer now; try again shortly", 5) from None

    def _connect(self, link: socket.socket) -> None:
        # A unix socket's path may have 107 bytes, the data directory's more: go by way of an open folder.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            link.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def _read(link: socket.socket) -> Answer:
    received = bytearray()
    while (end := received.find(b"\n")) < 0:
        if len(received) > LONGEST_LINE_BYTES:
            raise ValueError("the answer's first line does not end")
        received += _more(link)
    facts = json.loads(received[:end])
    if not isinstance(facts, dict):
        raise ValueError("the answer is no object")
    if not facts.get("ok"):
        said = str(facts.get("message", "the camera worker gave no reason"))[:500]
        raise by_code(str(facts.get("code", "")), said, facts.get("retry_after_s"))
    wanted = int(facts.get("bytes", 0))
    if not 0 <= wanted <= LARGEST_PICTURE_BYTES:
        raise ValueError("the answer is too large")
    data = received[end + 1 :]
    while len(data) < wanted:
        data += _more(link)
    return Answer(facts, bytes(data[:wanted]))


def _more(link: socket.socket) -> bytes:
    chunk = link.recv(_CHUNK_BYTES)
    if not chunk:
        raise ValueError("the answer ends in its middle")
    return chunk
