"""From the spool to the ledger: sends incidents by Redis and frees what the ledger's cursor has passed.

Redis is a way, never the record: what was sent is not safe before the cursor says so. What does not arrive (a flush,
a dispatcher that met a gap) is sent again. After a start, a failure or a standstill the stream is asked what it still
holds, so that what is only slow is not sent twice.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from ingest.spool import Spool
from models import crash
from models.errors import InvalidInput, Unavailable
from models.incident import Incident
from models.logs import Repeats

log = structlog.get_logger()

CURSOR_S = 1.0
AGAIN_S, LONGEST_AGAIN_S = 3.0, 8.0
"""How long the cursor may stand still before the stream is asked what it holds, and what it lost is sent again: doubled
each time."""
WINDOW = 500
"""Incidents on their way at once; a ledger that is away for a day does not fill Redis."""
RETRY_S, LONGEST_RETRY_S = 0.5, 5.0


class Publishing(Protocol):
    """What is needed of ``alerts.queue.IncidentStream``."""

    def publish(self, incidents: Sequence[Incident]) -> None: ...
    def held(self, source: str) -> set[int]: ...


class Courier:
    """``cursor_of`` tells up to which number the ledger has a source's incidents. Times are Unix seconds."""

    def __init__(self, spool: Spool, stream: Publishing, cursor_of: Callable[[str], int], now_s: float) -> None:
        self._spool = spool
        self._stream = stream
        self._cursor_of = cursor_of
        self._source = spool.source
        self._cursor = 0
        self._sent = 0
        self._read_s = float("-inf")
        self._moved_s = now_s
        self._again_s = AGAIN_S
        self._unsure = True
        """What was sent, or whether it is still there, is not known: a predecessor may have sent it."""

    def turn(self, now_s: float) -> None:
        """Reads the cursor if it is time, and sends what may be sent. Raises Unavailable."""
        if now_s - self._read_s >= CURSOR_S:
            self._confirm(now_s)
        if self._sent > self._cursor and now_s - self._moved_s >= self._again_s:
            self._unsure, self._moved_s = True, now_s
            self._again_s = min(self._again_s * 2, LONGEST_AGAIN_S)
        held = self._look(now_s) if self._unsure else set()
        incidents = self._spool.unsent(self._sent, WINDOW - (self._sent - self._cursor))
        if not incidents:
            self._unsure = False
            return
        if self._sent == self._cursor and not held:
            self._moved_s = now_s  # nothing was on its way: the wait begins with these
        missing = [incident for incident in incidents if incident.seq not in held]
        self._unsure = True  # should this fail
        if missing:
            self._stream.publish(missing)
        self._sent, self._unsure = incidents[-1].seq, False

    def run(self, stop: threading.Event, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        """Until ``stop``. The one place that retries towards Redis and the ledger; ``chance`` (0..1) spreads tries."""
        troubles = Repeats(log.warning, "incidents wait in the spool: Redis or the ledger is away")
        failures = 0
        while not stop.is_set():
            now_s = clock()
            try:
                self.turn(now_s)
            except (Unavailable, InvalidInput) as error:
                failures += 1
                troubles.failed(now_s, error)
                stop.wait(min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(failures - 1, 8)) * (1 - chance() / 2))
                continue
            failures = 0
            troubles.well()
            self._spool.added.wait(CURSOR_S / 4)
            self._spool.added.clear()

    def _look(self, now_s: float) -> set[int]:
        """Numbers that need not be sent, though they are above the cursor. Asks for all others to be sent again."""
        source = self._source
        held = self._stream.held(source)
        self._confirm(now_s)  # only now: what has left the stream since is in the ledger
        self._sent = self._cursor
        return held if self._source == source else set()

    def _confirm(self, now_s: float) -> None:
        cursor = self._cursor_of(self._source)
        crash.point("before-spool-free")
        source = self._spool.settle(cursor, now_s)
        if source != self._source:
            log.warning("spool and ledger are not of one time; the source is renamed", old=self._source, new=source)
            self._source, self._cursor, self._sent = source, 0, 0
        elif cursor != self._cursor:
            self._cursor, self._moved_s, self._again_s = cursor, now_s, AGAIN_S
            self._sent = max(self._sent, cursor)
        self._read_s = now_s
