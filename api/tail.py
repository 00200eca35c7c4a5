"""One reader of the sealed log for all live streams of this process."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import structlog

from models.errors import WanggeError

KEPT_EVENTS = 2000
"""So many newest events are kept in memory; a stream that is further behind reads the database itself."""
PAGE_EVENTS = 200
POLL_S = 0.25
"""How long to wait before looking again where nothing wakes us."""
FAILED_POLL_S = 1.0

log = structlog.get_logger("api.live")


@dataclass(frozen=True)
class LiveEvent:
    """A sealed event as it is sent. ``grid_path`` says who may see it."""

    position: int
    grid_path: str
    body: dict[str, Any]


class Tail:
    """Follows the log from its end and wakes those who wait.

    ``read(position, limit)`` gives the events after a position, in order, without gaps; ``last()`` the position of the
    newest. ``wake(position)`` is true at once when something newer is announced, else false within about a second; it
    may fail. All three block, so they run in threads.
    """

    def __init__(
        self,
        read: Callable[[int, int], Sequence[LiveEvent]],
        last: Callable[[], int],
        wake: Callable[[int], bool] | None = None,
    ) -> None:
        self._read, self._last, self._wake = read, last, wake
        self._kept: deque[LiveEvent] = deque(maxlen=KEPT_EVENTS)
        self._position: int | None = None
        self._news = asyncio.Event()
        self.readers: Counter[str] = Counter()
        """Open streams by person."""

    async def run(self) -> None:
        """Follows until cancelled. The one place that retries; what fails is logged once per outage."""
        failed = 0
        announced = False
        while True:
            try:
                found = await self._look()
                if announced and not found:
                    # Announced but not there: Redis remembers a ledger that was restored to an earlier day since.
                    await asyncio.sleep(POLL_S)
                if failed:
                    log.info("live events follow the log again", failures=failed)
                failed = 0
                announced = await self._wait_for_more() if len(found) < PAGE_EVENTS else False
            except WanggeError as error:
                failed += 1
                if failed == 1:
                    log.warning("live events cannot be read; trying on", error=error.code, said=str(error))
                await asyncio.sleep(FAILED_POLL_S * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def _look(self) -> Sequence[LiveEvent]:
        if self._position is None:
            self._position = await anyio.to_thread.run_sync(self._last)
        found = await anyio.to_thread.run_sync(self._read, self._position, PAGE_EVENTS)
        if found:
            self._kept.extend(found)
            self._position = found[-1].position
            self._news.set()
            self._news = asyncio.Event()
        return found

    async def _wait_for_more(self) -> bool:
        """Whether more was announced."""
        if self._wake is not None:
            with suppress(WanggeError):
                return await anyio.to_thread.run_sync(self._wake, self._position or 0, abandon_on_cancel=True)
        await asyncio.sleep(POLL_S)
        return False

    async def last(self) -> int:
        """The newest position in the log. Raises Unavailable."""
        return await anyio.to_thread.run_sync(self._last)

    async def after(self, position: int) -> Sequence[LiveEvent]:
        """The next events after a position, at most PAGE_EVENTS. Raises Unavailable."""
        if self._position is not None and position >= self._position:
            return ()
        if self._kept and position >= self._kept[0].position - 1:
            skip = position - self._kept[0].position + 1
            return [self._kept[i] for i in range(skip, min(skip + PAGE_EVENTS, len(self._kept)))]
        return await anyio.to_thread.run_sync(self._read, position, PAGE_EVENTS)

    async def wait(self, position: int, timeout_s: float) -> None:
        """Until there is something newer than ``position``, or the time is over."""
        if self._position is not None and self._position > position:
            return
        news = self._news
        with anyio.move_on_after(timeout_s):
            await news.wait()
