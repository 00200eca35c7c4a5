"""A child of the camera worker: the process that takes what cameras send, decodes it and looks at it.

It holds no credentials but those of its cameras, no database, no Redis: cameras come in by stdin, what was seen goes
out by stdout, and it ends when its stdin does. It never retries: a camera that fails is told of and forgotten.
"""

import ctypes
import os
import queue
import resource
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from detectors.boxes import Tiling
from detectors.detector import Detector
from detectors.inference import lacking
from detectors.masking import unmasked
from detectors.perception import ChangeFinder, CrowdCounter, Perception
from detectors.zoo.manifest import find_for, read_zoo
from ingest.decode import KeyframeDecoder
from ingest.job import Eyes, answer
from ingest.pipes import Message, Reader, encode
from ingest.receiver import Receiver
from ingest.scenes import Scenes
from ingest.watcher import Watcher
from models import logs
from models.camera import AllowedNetworks
from models.errors import ModelRefused

log = structlog.get_logger()

STDIN, STDOUT = 0, 1
READ_BYTES = 1024 * 1024
TURN_S = 0.1
"""How long an order may wait while no camera has anything to say."""
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
"""prctl(2)."""


class Orders:
    """The parent's messages: the first one is waited for, the others are taken as they come."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def first(self) -> Message:
        """Ends the process when there is none."""
        while self._orders.empty():
            self._read()
        return self._orders.get()

    def follow(self) -> None:
        """Reads on in a thread of its own, which ends the process at the end of stdin, whatever it is just doing."""
        threading.Thread(target=self._read_on, daemon=True).start()

    def take(self) -> list[Message]:
        orders = []
        with suppress(queue.Empty):
            while True:
                orders.append(self._orders.get_nowait())
        return orders

    def _read_on(self) -> None:
        while True:
            self._read()

    def _read(self) -> None:
        data = os.read(STDIN, READ_BYTES)
        if not data:
            os._exit(0)
        for message in self._reader.feed(data):
            self._orders.put(message)


def send(data: bytes) -> None:
    """Waits while the parent takes nothing. Ends the process when the parent is gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(STDOUT, rest) :]
        except BrokenPipeError:
            os._exit(0)


def open_eyes(settings: Mapping[str, Any]) -> Eyes:
    """The models that the parent chose. Raises ModelRefused."""
    zoo = read_zoo(Path(settings["zoo"]) if settings["zoo"] else None)
    providers, faces, density = settings["providers"], settings["face_model"], settings["density_model"]
    return Eyes(
        Perception.load(find_for("detector", zoo, settings["detector"]), providers),
        Tiling.parse(settings["tiles"]),
        Perception.load(find_for("faces", zoo, faces), providers) if faces else None,
        CrowdCounter.load(find_for("density", zoo, density), providers) if density else None,
    )


def open_finder(settings: Mapping[str, Any]) -> ChangeFinder:
    """The change network that new structures are looked for with. Raises ModelRefused."""
    zoo = read_zoo(Path(settings["zoo"]) if settings["zoo"] else None)
    return ChangeFinder.load(find_for("change", zoo, settings["change_model"]), settings["providers"])


def watch(settings: Mapping[str, Any], orders: Orders, tell: Callable[[bytes], None]) -> None:
    """Runs until stdin ends, or returns at once when the model is refused."""
    orders.follow()
    try:
        eyes, finder = open_eyes(settings), open_finder(settings)
    except ModelRefused as error:
        tell(encode("refused", {"code": error.code, "message": str(error)}))
        return
    if missing := lacking(settings["providers"]):
        log.warning("models do not run where they were to run", why=missing)
    if missing := unmasked(eyes.perception.labels):
        log.warning("the detector leaves plates to be seen", model=eyes.perception.model, why=missing)
    tell(encode("ready"))
    with Receiver(AllowedNetworks.parse(settings["networks"])) as receiver:
        detector = Detector(eyes.perception, eyes.tiling, eyes.crowds)
        watcher = Watcher(receiver, KeyframeDecoder(), detector, eyes, tell, scenes=Scenes(finder.compare))
        while True:
            for order in orders.take():
                watcher.obey(order)
            watcher.turn(TURN_S)


def leave_no_dump() -> None:
    """A decoder that crashes leaves no memory on disk, where unmasked pictures and passwords would be in it: no core
    file, nor one by way of a program, which the limit alone does not stop (core(5))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    leave_no_dump()
    orders = Orders()
    order = orders.first()
    settings = order.fields["settings"]
    logs.configure(settings["log_level"])
    structlog.contextvars.bind_contextvars(process="ingest.child", pid=os.getpid())
    if order.op == "start":
        watch(settings, orders, send)
    else:
        send(answer(order, lambda: open_eyes(settings)))


if __name__ == "__main__":
    main()
