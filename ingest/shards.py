"""Child processes, as the parent holds them: one that watches a shard of the cameras, and those that do one job."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ingest
from ingest.pipes import MAX_BLOB_BYTES, MAX_HEADER_BYTES, Message, Reader
from models.errors import InvalidInput, Unavailable
from models.settings import Settings

VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
"""All that a child's environment is made of: nothing that could hold a secret."""
MAX_UNSENT_BYTES = 64 * 1024 * 1024
CAMERAS_A_CHILD = 50
READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Program:
    """How children are started: the command, all of their environment, and what they are told first."""

    command: Sequence[str]
    environment: Mapping[str, str]
    settings: Mapping[str, Any]


def child_program(settings: Settings, environ: Mapping[str, str]) -> Program:
    """Our own child, with as much of ``environ`` and of the settings as it may know."""
    environment = {name: environ[name] for name in VARIABLES if name in environ}
    environment["PYTHONPATH"] = str(Path(ingest.__file__).parent.parent)
    told = {
        "zoo": str(settings.zoo) if settings.zoo else None,
        "detector": settings.detector,
        "tiles": settings.detector_tiles,
        "face_model": settings.face_model,
        "density_model": settings.density_model,
        "change_model": settings.change_model,
        "providers": list(settings.providers),
        "networks": str(settings.camera_networks),
        "log_level": settings.log_level,
    }
    # -P: what lies in the folder that we were started in is not imported.
    return Program((sys.executable, "-P", "-m", "ingest.child"), environment, told)


def children_for(cameras: int, cpus: int) -> int:
    """How many children that many cameras deserve: one per 50, but a CPU is left for everything else."""
    return max(1, min(cpus - 1, -(-cameras // CAMERAS_A_CHILD)))


class Shard:
    """A child that watches cameras. Reading and writing never block; ``flush`` when its stdin takes more."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], start: bytes, now_s: float) -> None:
        """Starts it and tells it to ``start``. It sees no variables but ``environment``."""
        self._process = subprocess.Popen(  # noqa: S603 - the program is ours, no shell
            list(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment)
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a child was started without pipes")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.stdin_fd, self.stdout_fd = self._stdin.fileno(), self._stdout.fileno()
        os.set_blocking(self.stdin_fd, False)
        os.set_blocking(self.stdout_fd, False)
        self._unsent = bytearray(start)
        self._reader = Reader()
        self.pid = self._process.pid
        self.inbox: list[Message] = []
        self.is_ready = False
        self.started_s = self.heard_s = now_s

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def send(self, data: bytes) -> None:
        """Raises Unavailable when it has not taken what was sent before: it is stuck."""
        if len(self._unsent) + len(data) > MAX_UNSENT_BYTES:
            raise Unavailable(f"the camera worker's child {self.pid} takes no orders")
        self._unsent += data
        self.flush()

    def flush(self) -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self.stdin_fd, self._unsent)]

    def read(self, now_s: float) -> bool:
        """Takes what it said into ``inbox``; False when it has ended. Raises InvalidInput for what is no message."""
        try:
            data = os.read(self.stdout_fd, READ_BYTES)
        except BlockingIOError:
            return True
        self.heard_s = now_s
        self.inbox += self._reader.feed(data)
        return bool(data)

    def end(self) -> None:
        """Kills it, if it lives, and takes its end note. It has nothing to save: what it knew, the parent has."""
        self._process.kill()
        self._process.wait()
        self._stdout.close()
        with suppress(BrokenPipeError):
            self._stdin.close()


def do_job(program: Sequence[str], environment: Mapping[str, str], job: bytes, timeout_s: float) -> Message:
    """Starts a child for one job, and gives its only message. Whatever happens in it, it is gone after that.

    Raises Unavailable when it crashes, says nonsense or is not done within ``timeout_s`` seconds.
    """
    order = os.memfd_create("job")
    try:
        with os.fdopen(os.dup(order), "wb") as file:
            file.write(job)
        os.lseek(order, 0, os.SEEK_SET)
        process = subprocess.Popen(  # noqa: S603 - the program is ours, no shell
            list(program), stdin=order, stdout=subprocess.PIPE, env=dict(environment)
        )
    finally:
        os.close(order)
    if process.stdout is None:
        raise RuntimeError("a child was started without pipes")
    try:
        with process.stdout:
            return _only_message(process.stdout.fileno(), time.monotonic() + timeout_s)
    finally:
        process.kill()
        process.wait()


def _only_message(fd: int, deadline_s: float) -> Message:
    reader, received = Reader(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while selector.select(max(deadline_s - time.monotonic(), 0)):
            data = os.read(fd, READ_BYTES)
            received += len(data)
            if not data or received > MAX_HEADER_BYTES + MAX_BLOB_BYTES + 4:
                raise Unavailable("what was sent could not be decoded: the decoder gave up on it")
            try:
                for message in reader.feed(data):
                    return message
            except InvalidInput:
                raise Unavailable("what was sent could not be decoded: the decoder broke down over it") from None
    raise Unavailable("decoding took too long and was stopped: try again later", 10)
