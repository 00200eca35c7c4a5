"""The camera worker's parent: the one place that starts children, tries cameras again and takes what was seen.

One loop owns everything here. Other threads (the registry's reader, the video desk) reach it through ``ask``.
"""

import itertools
import queue
import selectors
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from ingest.fleet import Fleet
from ingest.pipes import Message, encode
from ingest.shards import Program, Shard, children_for
from models.camera import CameraPoint, SourceUrl
from models.errors import CameraError, InvalidInput, NotFound, Unavailable
from models.gate import GateLog
from models.logs import Repeats

log = structlog.get_logger()
T = TypeVar("T")

TURN_S = 0.1
SAVE_S = 1.0
START_S = 45.0
"""A child that is not ready after so long (it loads a model on a busy machine) is started anew."""
SILENT_S = 8.0
"""A ready child says something every second; one that is silent for so long is stopped or stuck."""
FIRST_RESTART_S, LONGEST_RESTART_S = 0.5, 15.0
STEADY_S = 30.0
HELD_S = 1.0
"""How soon to try again to store what a full disk did not take."""


def steady_clock() -> Callable[[], float]:
    """Unix seconds that go on evenly from now, whatever is done to the wall clock."""
    offset_s = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset_s


@dataclass
class _Slot:
    """A place for a child: its cameras stay with the place while children come and go.

    ``ended``: why the child is gone, once all that it said is heard. ``held_until_s``: until then nothing more is taken
    from it, since the spool could not store what it said.
    """

    cameras: set[str] = field(default_factory=set)
    shard: Shard | None = None
    ended: str | None = None
    start_s: float = 0.0
    failures: int = 0
    held_until_s: float = 0.0

    @property
    def is_ready(self) -> bool:
        return self.shard is not None and self.shard.is_ready

    @property
    def can_take(self) -> bool:
        return self.shard is not None and self.shard.is_ready and not self.shard.has_unsent


class Worker:
    """``run`` it in one thread. Everything else here may be called from any thread."""

    def __init__(
        self, fleet: Fleet, program: Program, clock: Callable[[], float], cpus: int, silent_s: float = SILENT_S
    ) -> None:
        self._fleet = fleet
        self._program = program
        self._clock = clock
        self._cpus = cpus
        self._silent_s = silent_s
        self._slots = [_Slot()]
        self._homes: dict[str, _Slot] = {}
        self._asked: queue.Queue[Callable[[], None]] = queue.Queue(maxsize=256)
        self._requests: dict[int, tuple[Shard, Future[Message]]] = {}
        self._numbers = itertools.count(1)
        self._saved_s = 0.0
        self._crashes = Repeats(log.error, "a child of the camera worker ended")
        self._storing = Repeats(log.error, "the spool does not take what cameras say; they wait")
        self._saving = Repeats(log.error, "the spool does not take the cameras' states")
        self._fault: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set. Leaves no child behind."""
        try:
            while not stop.is_set():
                self._turn()
        finally:
            for slot in self._slots:
                if slot.shard:
                    slot.shard.end()
            with suppress(Unavailable):
                self._fleet.save(self._clock())

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Has the loop's thread answer. Raises Unavailable when too many wait already."""
        future: Future[T] = Future()

        def reply() -> None:
            try:
                future.set_result(question())
            except Exception as error:  # noqa: BLE001 - it is the asker's to handle
                future.set_exception(error)

        try:
            self._asked.put_nowait(reply)
        except queue.Full:
            raise Unavailable("the camera worker is busy; try again shortly") from None
        return future

    def take_cameras(self, cameras: Sequence[CameraPoint], *, is_whole: bool = True) -> Future[None]:
        """The registry's list, whenever it may have changed; see ``Fleet.update``."""
        return self.ask(lambda: self._fleet.update(cameras, self._clock(), is_whole=is_whole))

    def take_gates(self, logs: Mapping[str, GateLog]) -> Future[None]:
        """What gates say, by camera: all that there are, whenever it may have changed."""
        return self.ask(lambda: self._fleet.take_gates(logs))

    def status(self) -> Future[dict[str, Any]]:
        """``cameras`` by id: state, since when, error, counters. ``fault``: why none can be watched, or None."""
        return self.ask(lambda: {"cameras": self._fleet.status(), "fault": self._fault})

    def picture(self, camera_id: str, op: str = "picture") -> Future[Future[Message]]:
        """The child's answer for a masked still; a "sample" says what it saw as well. Fails with NotFound or
        Unavailable."""
        return self.ask(lambda: self._request(op, camera_id, {}))

    def recall(self, op: str, camera_id: str, fields: Mapping[str, Any]) -> Future[Future[Message]]:
        """The child's answer to "explain" or "rehearse" (see ``recall``). Fails with NotFound or Unavailable."""
        return self.ask(lambda: self._request(op, camera_id, fields))

    def may_try(self, source: SourceUrl, who: str) -> Future[tuple[float, bool]]:
        """As ``Accounts.wait_s`` and ``Accounts.is_refused``, for a try that is not the worker's own."""

        def question() -> tuple[float, bool]:
            now_s, accounts = self._clock(), self._fleet.accounts
            return accounts.wait_s(source, who, now_s), accounts.is_refused(source, now_s)

        return self.ask(question)

    def tried(self, source: SourceUrl, who: str, error: CameraError | None) -> None:
        """How such a try ended."""

        def question() -> None:
            if error:
                self._fleet.accounts.failed(source, who, error, self._clock())
            else:
                self._fleet.accounts.accepted(source, who)

        self.ask(question)

    def _turn(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._asked.get_nowait()()
        now_s = self._clock()
        self._tend_children(now_s)
        self._hand_out(now_s)
        for slot in self._slots:
            self._hear_out(slot, now_s)
        if now_s - self._saved_s >= SAVE_S:
            self._saved_s = now_s
            try:
                self._fleet.report_offline(now_s)
                self._fleet.save(now_s)
                self._saving.well()
            except Unavailable as error:
                self._saving.failed(now_s, error)
        self._wait()

    def _wait(self) -> None:
        """Until a child says something or takes more, at most one turn. Reads what has come."""
        with selectors.DefaultSelector() as selector:
            for slot in self._slots:
                if slot.shard and not slot.shard.inbox and not slot.ended:
                    selector.register(slot.shard.stdout_fd, selectors.EVENT_READ, (slot, slot.shard))
                if slot.shard and slot.shard.has_unsent:
                    selector.register(slot.shard.stdin_fd, selectors.EVENT_WRITE, (slot, slot.shard))
            ready = selector.select(TURN_S)
        for key, events in ready:
            slot, shard = key.data
            if events & selectors.EVENT_WRITE:
                shard.flush()
                continue
            try:
                if not shard.read(self._clock()):
                    slot.ended = "it ended by itself"
            except InvalidInput as error:
                slot.ended = f"it said what no child says: {error}"

    def _hear_out(self, slot: _Slot, now_s: float) -> None:
        """Takes a child's messages one by one; stops at one that cannot be stored now."""
        shard = slot.shard
        if shard is None or now_s < slot.held_until_s:
            return
        slot.held_until_s = 0.0
        while shard.inbox:
            try:
                self._take(slot, shard, shard.inbox[0], now_s)
            except Unavailable as error:
                self._storing.failed(now_s, error)
                slot.held_until_s = now_s + HELD_S
                return
            except InvalidInput as error:
                self._lose(slot, f"it said what no child says: {error}")
                return
            del shard.inbox[0]
        if slot.ended:
            self._lose(slot, slot.ended)

    def _take(self, slot: _Slot, shard: Shard, message: Message, now_s: float) -> None:
        if message.op == "ready":
            shard.is_ready, self._fault = True, None
            log.info("a child of the camera worker is ready", child=shard.pid)
        elif message.op == "refused":
            self._fault = str(message.fields.get("message"))[:500]
        elif message.op == "answer":
            number = message.fields.get("request")
            asked = self._requests.get(number) if isinstance(number, int) else None
            if isinstance(number, int) and asked and asked[0] is shard:
                del self._requests[number]
                asked[1].set_result(message)
        else:
            self._fleet.told(message, slot.cameras, now_s)
            if message.op == "observed":
                self._storing.well()

    def _tend_children(self, now_s: float) -> None:
        """Starts children that are due, ends those that are stuck."""
        while len(self._slots) < children_for(len(self._fleet.camera_ids), self._cpus):
            self._slots.append(_Slot())
        for slot in self._slots:
            shard = slot.shard
            if shard is None:
                if now_s >= slot.start_s:
                    first = encode("start", {"settings": dict(self._program.settings)})
                    slot.shard = Shard(self._program.command, self._program.environment, first, now_s)
                continue
            silent_s = now_s - shard.heard_s
            if slot.held_until_s == 0.0 and silent_s > (self._silent_s if shard.is_ready else START_S):
                self._lose(slot, f"it said nothing for {silent_s:.0f} s")
            elif slot.failures and shard.is_ready and now_s - shard.started_s >= STEADY_S:
                slot.failures = 0

    def _lose(self, slot: _Slot, why: str) -> None:
        """The child is gone, or has to go. Its cameras go on where the last message left them."""
        shard, now_s = slot.shard, self._clock()
        if shard is None:
            return
        shard.end()
        slot.shard, slot.ended, slot.held_until_s = None, None, 0.0
        wait_s = 0.0 if slot.failures == 0 else min(LONGEST_RESTART_S, FIRST_RESTART_S * 2.0 ** (slot.failures - 1))
        slot.start_s, slot.failures = now_s + wait_s, slot.failures + 1
        self._crashes.failed(now_s, f"{why}; {self._fault}" if self._fault else why, child=shard.pid)
        self._fleet.orphaned(slot.cameras, now_s)
        for number, (asked, future) in list(self._requests.items()):
            if asked is shard:
                del self._requests[number]
                future.set_exception(Unavailable("the camera's process was started anew; try again shortly", 2))

    def _hand_out(self, now_s: float) -> None:
        """Sends cameras to children, and takes back those that are to be watched no more."""
        for camera_id in self._homes.keys() - self._fleet.camera_ids:
            slot = self._homes.pop(camera_id)
            slot.cameras.discard(camera_id)
            self._send(slot, encode("unwatch", {"camera_id": camera_id}))
        for camera_id, order in self._fleet.due(now_s, lambda camera_id: self._home(camera_id).can_take):
            self._send(self._homes[camera_id], order)

    def _home(self, camera_id: str) -> _Slot:
        """Where a camera is watched: where it was, else where the fewest are."""
        if camera_id not in self._homes:
            slot = min(self._slots, key=lambda slot: len(slot.cameras))
            slot.cameras.add(camera_id)
            self._homes[camera_id] = slot
        return self._homes[camera_id]

    def _send(self, slot: _Slot, data: bytes) -> None:
        if slot.shard:
            try:
                slot.shard.send(data)
            except Unavailable as error:
                self._lose(slot, str(error))

    def _request(self, op: str, camera_id: str, fields: Mapping[str, Any]) -> "Future[Message]":
        if camera_id not in self._fleet.camera_ids:
            raise NotFound("that camera is not watched here")
        slot = self._homes.get(camera_id)
        if slot is None or slot.shard is None or not slot.is_ready:
            raise Unavailable("the camera's process is just starting; try again shortly", 2)
        number, future = next(self._numbers), Future[Message]()
        self._requests[number] = (slot.shard, future)
        self._send(slot, encode(op, {"request": number, "camera_id": camera_id, **fields}))
        return future
