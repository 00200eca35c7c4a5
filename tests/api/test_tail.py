"""The one reader of the log: what it keeps in memory, what it reads again, and how it bears an outage."""

import asyncio
import time
from collections.abc import Sequence

from api import tail as module
from api.tail import LiveEvent, Tail
from models.errors import Unavailable


class Log:
    """A sealed log in memory that counts how often it is read, and can be away."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.reads: list[int] = []
        self.away = 0

    def add(self, count: int) -> None:
        self.length += count

    def read(self, position: int, limit: int) -> Sequence[LiveEvent]:
        if self.away:
            self.away -= 1
            raise Unavailable("the database does not answer")
        self.reads.append(position)
        return [LiveEvent(i, "/C/", {}) for i in range(position + 1, min(self.length, position + limit) + 1)]

    def last(self) -> int:
        return self.length


async def follow(tail: Tail, position: int, until: int) -> list[int]:
    seen: list[int] = []
    async with asyncio.timeout(10):
        while position < until:
            for event in await tail.after(position):
                position = event.position
                seen.append(position)
            await tail.wait(position, 0.2)
    return seen


def test_everyone_hears_each_event_once_and_in_order() -> None:
    async def scene() -> list[list[int]]:
        log = Log(5)
        tail = Tail(log.read, log.last)
        running = asyncio.create_task(tail.run())
        early = asyncio.create_task(follow(tail, 2, 705))
        await asyncio.sleep(0.1)
        log.add(700)
        late = asyncio.create_task(follow(tail, 600, 705))
        heard = [await early, await late]
        running.cancel()
        return heard

    early, late = asyncio.run(scene())
    assert early == list(range(3, 706))
    assert late == list(range(601, 706))


def test_who_is_further_behind_than_memory_reads_the_log_itself() -> None:
    async def scene() -> tuple[list[int], Log]:
        log = Log(0)
        tail = Tail(log.read, log.last)
        running = asyncio.create_task(tail.run())
        await asyncio.sleep(0.05)
        log.add(module.KEPT_EVENTS + 300)
        await follow(tail, module.KEPT_EVENTS + 299, module.KEPT_EVENTS + 300)
        log.reads.clear()
        seen = await follow(tail, 0, module.KEPT_EVENTS + 300)
        running.cancel()
        return seen, log

    seen, log = asyncio.run(scene())
    assert seen == list(range(1, module.KEPT_EVENTS + 301))
    assert [position for position in log.reads if position < 300] == [0, 200]


def test_an_outage_is_borne() -> None:
    async def scene() -> list[int]:
        log = Log(0)
        tail = Tail(log.read, log.last)
        running = asyncio.create_task(tail.run())
        await asyncio.sleep(0.05)
        log.away = 1
        log.add(3)
        while log.away:
            await asyncio.sleep(0.01)
        seen = await follow(tail, 0, 3)
        running.cancel()
        return seen

    assert asyncio.run(scene()) == [1, 2, 3]


def test_an_announcement_of_what_is_not_there_does_not_spin() -> None:
    """Redis may remember positions of a ledger that was restored to an earlier day since."""

    async def scene() -> int:
        log = Log(3)
        tail = Tail(log.read, log.last, wake=lambda _: True)
        running = asyncio.create_task(tail.run())
        await asyncio.sleep(0.6)
        running.cancel()
        return len(log.reads)

    assert asyncio.run(scene()) <= 6


def test_waiting_for_what_is_there_already_takes_no_time() -> None:
    async def scene() -> float:
        log = Log(0)
        tail = Tail(log.read, log.last)
        running = asyncio.create_task(tail.run())
        await asyncio.sleep(0.05)
        log.add(1)
        await tail.wait(0, 5)
        began_s = time.monotonic()
        await tail.wait(0, 5)
        running.cancel()
        return time.monotonic() - began_s

    assert asyncio.run(scene()) < 0.5
