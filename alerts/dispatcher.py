"""The dispatcher's loop: incidents into the ledger, events into their order and out to the live streams, claims ended.

Each job runs when it is due. What fails because something else does not answer is tried again, later and later: the
one place of this process that retries.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from alerts import idempotency, leases, rollups, sealer
from alerts.desk import Desk
from alerts.ledger import LONGEST_AS_RECEIVED, IncidentRow, cursor_of
from alerts.queue import Consumer, Delivery, EventStream
from alerts.reception import OutOfOrder
from models import crash
from models.errors import Fault, InvalidInput, RetryLater, WanggeError
from models.incident import Incident
from models.logs import Repeats

MOST_DELIVERIES = 5
RECLAIM_IDLE_MS, MISSED_IDLE_MS = 6_000, 1_000
"""After how long what another was handed is taken over: above what one batch can take (a wait of 5 s for the database's
lock, and the work), else two work on one message, which is only a waste; and while something here waits for it."""

PATIENCE_S, LOOK_AGAIN_MS = 8.0, 20
"""How long an incident waits for what its source numbered lower, which another dispatcher has in hand or Redis lost,
and how often it is tried. Above the time after which that is taken over, or sent again (ingest.courier): what is
dropped has to be sent again as well."""

FIGURES_S = 0.2
"""Of each second, after a storm: figures may come late, cases not."""

HEARTBEAT_S = 3.0
ALIVE_S = 10.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 5.0
MOST_GAPS = 1000
"""Sources whose gaps are remembered: the names come from the wire."""

_FAULTY = (WanggeError, SQLAlchemyError, ArithmeticError, LookupError, TypeError, ValueError)
"""What an incident that trips a fault of ours, or of its own, can raise."""


class Stop(Protocol):
    """A ``threading.Event`` that a signal sets."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


class Anchoring(Protocol):
    """Notes where the sealed log stands, outside the database."""

    def note(self, now_s: float) -> object: ...


@dataclass
class Job:
    """Something done every ``period_s``; ``due_s`` and ``failures`` are its state."""

    name: str
    period_s: float
    run: Callable[[], object]
    failed: Repeats
    due_s: float = 0.0
    failures: int = 0


@dataclass
class Dispatcher:
    """``check`` refuses a Redis that must not be used; ``holder`` names this process among others; ``clock`` gives Unix
    seconds; ``batch`` incidents at most are read at once, after waiting at most ``block_ms``."""

    engine: Engine
    desk: Desk
    consumer: Consumer
    stream: EventStream
    check: Callable[[], None]
    holder: str
    clock: Callable[[], float]
    anchor: Anchoring | None = None
    log: Any = field(default_factory=lambda: structlog.get_logger("dispatcher"))
    batch: int = 200
    block_ms: int = 200
    reclaim_idle_ms: int = RECLAIM_IDLE_MS
    _in_hand: list[Delivery] = field(default_factory=list)
    _early: list[Delivery] = field(default_factory=list)
    """Came before their turn."""
    _checked: bool = False
    _gaps: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By source: the cursor that its incidents wait for to move, and since when."""
    _stuck: Repeats = field(init=False)

    def __post_init__(self) -> None:
        self._stuck = Repeats(self.log.warning, "a timer cannot be fired")

    def run(self, stop: Stop) -> None:
        """Until stopped. Raises Misconfigured for a Redis that must not be used, and whatever is a fault of ours."""
        jobs = self._jobs()
        while not stop.is_set():
            for job in jobs:
                if job.due_s <= self.clock() and not stop.is_set():
                    self._try(job)
            pause_s = min(job.due_s for job in jobs) - self.clock()
            if pause_s > 0:
                stop.wait(pause_s)

    def _jobs(self) -> list[Job]:
        each: list[tuple[str, float, Callable[[], object]]] = [
            ("take in incidents", 0.0, self.take_in),
            ("seal", 0.05, self.seal),
            ("publish", 0.05, self.publish),
            ("note the anchor", 1.0, lambda: self.anchor and self.anchor.note(self.clock())),
            ("end claims", 1.0, lambda: self.desk.expire_claims(self.clock())),
            ("look at the clocks", 1.0, self.tick),
            ("end silences", 1.0, lambda: self.desk.wake(self.clock())),
            ("count the figures", 1.0, self.count_figures),
            ("heartbeat", HEARTBEAT_S, self._beat),
            ("reclaim", 1.0, self.reclaim),
            ("tidy the stream", 10.0, self.consumer.tidy),
            ("forget answers", 3600.0, lambda: idempotency.forget(self.engine, self.clock())),
        ]
        return [Job(name, period_s, run, Repeats(self.log.warning, f"{name}: failed")) for name, period_s, run in each]

    def _try(self, job: Job) -> None:
        now_s = self.clock()
        try:
            job.run()
        except RetryLater as error:
            job.failed.failed(now_s, error)
            wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(job.failures, 10))
            job.failures += 1
            job.due_s = self.clock() + wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
        else:
            if job.failures:
                job.failed.well()
            job.failures = 0
            job.due_s = self.clock() + job.period_s

    def take_in(self) -> int:
        """One batch from the stream into the ledger; how many messages. Raises Unavailable: the batch stays in hand."""
        if not self._checked:
            self.check()
            self._checked = True
        if not self._in_hand:
            most = max(1, self.batch - len(self._early))
            self._early += self.consumer.read(most, min(self.block_ms, LOOK_AGAIN_MS) if self._early else self.block_ms)
            blocked = self._blocked()
            self._in_hand = [each for each in self._early if each.source not in blocked]
            self._early = [each for each in self._early if each.source in blocked]
        return self._settle()

    def _blocked(self) -> set[str]:
        """Sources whose cursor stands where it stood, and nobody brought what comes next: not worth the write lock."""
        now_s = self.clock()
        lowest: dict[str, int] = {}
        for each in self._early:
            if each.source in self._gaps:
                lowest[each.source] = min(each.seq or 0, lowest.get(each.source, each.seq or 0))
        return {
            source
            for source, seq in lowest.items()
            if seq > self._gaps[source][0] + 1
            and now_s - self._gaps[source][1] < PATIENCE_S
            and cursor_of(self.engine, source) == self._gaps[source][0]
        }

    def reclaim(self) -> int:
        """Takes over what another dispatcher, or this one, left unacknowledged."""
        if self._checked and not self._in_hand:
            idle_ms = min(MISSED_IDLE_MS, self.reclaim_idle_ms) if self._early else self.reclaim_idle_ms
            self._in_hand = self.consumer.reclaim(idle_ms, but={early.message_id for early in self._early})
        return self._settle()

    def _settle(self) -> int:
        count = len(self._in_hand)
        if count:
            done, early = self._report(self._in_hand)
            crash.point("after-ledger-commit-before-ack")
            self.consumer.ack(done)
            self._in_hand = []
            self._early += early
        return count

    def _report(self, deliveries: list[Delivery]) -> tuple[list[str], list[Delivery]]:
        """Those message ids that need not come again, and what came before its turn and waits for it.

        A failed batch is tried one by one: one of them is at fault.
        """
        readable = [(d, d.incident) for d in deliveries if isinstance(d.incident, Incident)]
        done: list[str] = []
        early: list[Delivery] = []
        try:
            results = self.desk.report_batch([incident for _, incident in readable], self.clock()) if readable else []
        except RetryLater:
            raise
        except _FAULTY:
            done = [d.message_id for d, incident in readable if self._report_one(d, incident)]
        else:
            for (delivery, _), result in zip(readable, results, strict=True):
                if isinstance(result, OutOfOrder) and self._worth_waiting(result):
                    early.append(delivery)
                    continue
                if isinstance(result, OutOfOrder):
                    self.log.info("dropped, its source sends it again", said=str(result))
                done.append(delivery.message_id)
        for delivery in deliveries:
            if isinstance(delivery.incident, Fault):
                self._bury(delivery, str(delivery.incident))
        return done, early

    def _worth_waiting(self, early: OutOfOrder) -> bool:
        """Whether the cursor may still move: it has not stood where it is for PATIENCE_S while something waited."""
        if len(self._gaps) > MOST_GAPS:
            self._gaps.clear()
        now_s = self.clock()
        cursor, since_s = self._gaps.get(early.source, (-1, now_s))
        if cursor != early.cursor:
            since_s = now_s
        self._gaps[early.source] = (early.cursor, since_s)
        return now_s - since_s < PATIENCE_S

    def _report_one(self, delivery: Delivery, incident: Incident) -> bool:
        try:
            self.desk.report(incident, self.clock())
        except (RetryLater, OutOfOrder) as error:
            return isinstance(error, OutOfOrder)
        except _FAULTY as error:
            about = {"source": incident.source, "seq": incident.seq, "deliveries": delivery.deliveries}
            self.log.error("an incident cannot be processed", error=f"{type(error).__name__}: {error}"[:500], **about)
            if delivery.deliveries >= MOST_DELIVERIES or isinstance(error, InvalidInput):
                self._bury(delivery, f"{type(error).__name__}: {error}"[:500])
            return False
        return True

    def _bury(self, delivery: Delivery, reason: str) -> None:
        """Into the ledger as rejected, so that its source's cursor passes it, and into the dead-letter stream."""
        if delivery.source is not None and delivery.seq:
            body = {"as_received": delivery.raw[:LONGEST_AS_RECEIVED]}
            row = IncidentRow(delivery.source, delivery.seq, "unreadable", "unreadable", "", 0.0, body)
            try:
                self.desk.reject(row, reason, self.clock())
            except OutOfOrder:
                self.consumer.ack([delivery.message_id])
                return
            except InvalidInput:  # a source of no possible name has no cursor to move
                pass
        self.log.error("an incident is rejected", reason=reason, source=delivery.source, seq=delivery.seq)
        self.consumer.bury(delivery, reason)

    def seal(self) -> int:
        """All that waits; how many."""
        total = 0
        while sealed := sealer.seal(self.engine, self.holder, self.clock()):
            total += sealed
            crash.point("after-seal-before-publish")
        return total

    def publish(self) -> int:
        """Sealed events that are not out yet; how many."""
        total = 0
        while waiting := sealer.unpublished(self.engine):
            self.stream.publish(waiting)
            crash.point("after-publish-before-mark")
            sealer.mark_published(self.engine, waiting, self.clock())
            total += len(waiting)
        return total

    def tick(self) -> int:
        """Fires the timers that are due; how many had an effect."""
        now_s = self.clock()
        return self.desk.tick(now_s, lambda error: self._stuck.failed(now_s, error))

    def count_figures(self) -> int:
        """Sealed events that the figures have not seen; how many. Not for longer than FIGURES_S at a time."""
        until_s, total = self.clock() + FIGURES_S, 0
        while counted := rollups.follow(self.engine, self.desk.policies, self.clock()):
            total += counted
            if self.clock() >= until_s:
                break
        return total

    def _beat(self) -> None:
        leases.beat(self.engine, "dispatcher", self.holder, self.clock(), ALIVE_S)
