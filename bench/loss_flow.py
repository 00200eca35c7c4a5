"""How the sources are kept at work: how much they may make, how far the ledger is behind them."""

import time
from collections.abc import Sequence
from contextlib import closing

from sqlalchemy import Engine, func, select

from alerts import sealer
from alerts.database import reading
from alerts.queue import EventStream, connect
from bench.loss_processes import Member
from bench.loss_report import LEAST_IN_FLIGHT
from models import tables
from models.errors import Unavailable


def seal_rest(engine: Engine, url: str, until_s: float) -> bool:
    """Seals and publishes what dispatchers that run no more have left; whether it was done in time.

    While they run it has no end: the clocks of tens of thousands of cases that nobody handles go on.
    """
    with closing(connect(url)) as client:
        stream = EventStream(client)
        while time.monotonic() < until_s:
            sealer.seal(engine, "bench", time.time())
            if waiting := sealer.unpublished(engine):
                stream.publish(waiting)
                sealer.mark_published(engine, waiting, time.time())
            elif left_over(engine):
                time.sleep(0.1)  # who sealed last may still hold the lease
            else:
                return True
    return False


def left_over(engine: Engine) -> int:
    """Events that were not published."""
    with reading(engine) as connection:
        unpublished = select(func.count()).select_from(tables.outbox).where(tables.outbox.c.published_s.is_(None))
        return int(connection.execute(unpublished).scalar_one())


class Flow:
    """``rate``: how many incidents each of the sources makes in a second."""

    def __init__(self, sources: Sequence[Member], engine: Engine, rate: float) -> None:
        self._sources, self._engine, self._rate = sources, engine, rate
        self._last = 0
        self._paced_s = time.monotonic()

    def pass_until(self, when_s: float) -> None:
        while (left_s := when_s - time.monotonic()) > 0:
            self.pace()
            time.sleep(min(0.05, left_s))
        self.pace()

    def pace(self) -> None:
        """Lets the sources make more, evenly over the time; what they could not make is not made up for in a burst."""
        now_s = time.monotonic()
        more = int(self._rate * min(now_s - self._paced_s, 1.0))
        if more:
            self._paced_s = now_s
            for source in self._sources:
                source.control.allowed = min(source.control.allowed + more, source.control.made + 500)

    def made(self) -> int:
        return sum(source.control.made for source in self._sources)

    def applied(self) -> int:
        """How many incidents the ledger has. While it does not answer, the last answer."""
        try:
            with reading(self._engine) as connection:
                total = connection.execute(select(func.sum(tables.source_cursors.c.seq))).scalar_one()
                self._last = int(total or 0)
        except Unavailable:
            pass
        return self._last

    def in_flight(self) -> int:
        return self.made() - self.applied()

    def keep_flying(self) -> int:
        """Has the sources make more where too few are in flight; how many were."""
        flying = self.in_flight()
        if flying < LEAST_IN_FLIGHT:
            for source in self._sources:
                source.control.allowed = max(source.control.allowed, source.control.made + LEAST_IN_FLIGHT)
        return flying

    def progress(self) -> int:
        self.pace()
        return self.applied()

    def wait_in_vain(self) -> bool:
        """Whether incidents are there that get no farther: into the ledger, or into a spool."""
        return self.in_flight() > 0 or any(s.control.allowed > s.control.made for s in self._sources)
