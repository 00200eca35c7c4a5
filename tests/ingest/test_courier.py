"""From the spool to the ledger: with a Redis that forgets, a dispatcher that is away, and backups restored."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.courier import WINDOW, Courier
from ingest.spool import Spool
from models.errors import Unavailable
from models.incident import Incident
from tests.ingest.worker_samples import NOW_S, eventually, report


class Redis:
    """A stream that can be flushed, and be away."""

    def __init__(self) -> None:
        self.stream: list[Incident] = []
        self.is_away = False

    def publish(self, incidents: Sequence[Incident]) -> None:
        if self.is_away:
            raise Unavailable("Redis is away")
        self.stream += incidents

    def held(self, source: str) -> set[int]:
        if self.is_away:
            raise Unavailable("Redis is away")
        return {incident.seq for incident in self.stream if incident.source == source}


class Ledger:
    """Takes incidents strictly in order per source; drops what comes after a gap, as the dispatcher does."""

    def __init__(self) -> None:
        self.cursors: dict[str, int] = {}
        self.taken: list[tuple[str, int]] = []

    def cursor_of(self, source: str) -> int:
        return self.cursors.get(source, 0)

    def take(self, redis: Redis) -> None:
        for incident in redis.stream:
            if incident.seq == self.cursor_of(incident.source) + 1:
                self.cursors[incident.source] = incident.seq
                self.taken.append((incident.source, incident.seq))
        redis.stream = []


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", NOW_S)
    yield spool
    spool.close()


def test_what_the_ledger_has_is_freed(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    courier = Courier(spool, redis, ledger.cursor_of, NOW_S)
    spool.append([report(1), report(2)], {}, NOW_S)
    courier.turn(NOW_S)
    courier.turn(NOW_S + 0.5)
    assert [incident.seq for incident in redis.stream] == [1, 2]
    ledger.take(redis)
    courier.turn(NOW_S + 1.1)
    assert spool.waiting() == 0
    assert redis.stream == []


def test_a_flush_between_spool_and_ledger_loses_nothing(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    courier = Courier(spool, redis, ledger.cursor_of, NOW_S)
    spool.append([report(n) for n in range(10)], {}, NOW_S)
    courier.turn(NOW_S)
    redis.stream = redis.stream[:4]
    ledger.take(redis)
    spool.append([report(11)], {}, NOW_S)
    for tenth in range(1, 80):
        courier.turn(NOW_S + tenth / 10)
        ledger.take(redis)
    assert [seq for _, seq in ledger.taken] == list(range(1, 12))
    assert spool.waiting() == 0


def test_who_starts_anew_sends_only_what_the_stream_does_not_hold(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    spool.append([report(n) for n in range(4)], {}, NOW_S)
    Courier(spool, redis, ledger.cursor_of, NOW_S).turn(NOW_S)
    spool.append([report(5)], {}, NOW_S)
    Courier(spool, redis, ledger.cursor_of, NOW_S).turn(NOW_S)
    assert [incident.seq for incident in redis.stream] == [1, 2, 3, 4, 5]
    del redis.stream[1:3]
    Courier(spool, redis, ledger.cursor_of, NOW_S).turn(NOW_S)
    assert [incident.seq for incident in redis.stream] == [1, 4, 5, 2, 3]


def test_after_a_failure_it_looks_what_arrived(spool: Spool) -> None:
    class Torn(Redis):
        def publish(self, incidents: Sequence[Incident]) -> None:
            super().publish(incidents[:2])
            if len(incidents) > 2:
                raise Unavailable("the connection broke after two of them")

    redis = Torn()
    courier = Courier(spool, redis, Ledger().cursor_of, NOW_S)
    spool.append([report(n) for n in range(4)], {}, NOW_S)
    with pytest.raises(Unavailable):
        courier.turn(NOW_S)
    courier.turn(NOW_S + 0.5)
    assert [incident.seq for incident in redis.stream] == [1, 2, 3, 4]


def test_what_reaches_the_ledger_while_it_looks_is_not_sent_again(spool: Spool) -> None:
    class Quick(Redis):
        def held(self, source: str) -> set[int]:
            found = super().held(source)
            ledger.take(self)
            return found

    redis, ledger = Quick(), Ledger()
    spool.append([report(1), report(2)], {}, NOW_S)
    Courier(spool, redis, ledger.cursor_of, NOW_S).turn(NOW_S)
    Courier(spool, redis, ledger.cursor_of, NOW_S).turn(NOW_S)
    assert redis.stream == []
    assert spool.waiting() == 0


def test_while_the_dispatcher_is_away_no_more_than_a_window_is_sent_and_that_once(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    courier = Courier(spool, redis, ledger.cursor_of, NOW_S)
    spool.append([report(n) for n in range(WINDOW + 50)], {}, NOW_S)
    for second in range(60):
        courier.turn(NOW_S + second)
    assert max(incident.seq for incident in redis.stream) == WINDOW
    assert len(redis.stream) == WINDOW
    for second in range(60, 70):
        ledger.take(redis)
        courier.turn(NOW_S + second)
    ledger.take(redis)
    assert len(ledger.taken) == WINDOW + 50


def test_redis_away_keeps_all_and_nothing_is_taken_for_sent(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    courier = Courier(spool, redis, ledger.cursor_of, NOW_S)
    spool.append([report(1)], {}, NOW_S)
    redis.is_away = True
    with pytest.raises(Unavailable):
        courier.turn(NOW_S)
    redis.is_away = False
    courier.turn(NOW_S + 0.1)
    assert [incident.seq for incident in redis.stream] == [1]


def test_a_ledger_that_was_restored_is_told_anew_under_another_name(spool: Spool) -> None:
    redis, ledger = Redis(), Ledger()
    courier = Courier(spool, redis, ledger.cursor_of, NOW_S)
    spool.append([report(1), report(2)], {}, NOW_S)
    courier.turn(NOW_S)
    ledger.take(redis)
    courier.turn(NOW_S + 2)
    old = spool.source
    ledger.cursors = {}
    courier.turn(NOW_S + 4)
    spool.append([report(3)], {}, NOW_S)
    courier.turn(NOW_S + 6)
    ledger.take(redis)
    assert spool.source != old
    assert ledger.taken[-1] == (spool.source, 1)


def test_its_thread_bears_failures_and_delivers_at_once_when_they_are_over(spool: Spool) -> None:
    redis, ledger, stop = Redis(), Ledger(), threading.Event()
    courier = Courier(spool, redis, ledger.cursor_of, time.time())
    redis.is_away = True
    thread = threading.Thread(target=courier.run, args=(stop, time.time, lambda: 0.5))
    thread.start()
    try:
        spool.append([report(1)], {}, NOW_S)
        time.sleep(0.2)
        assert redis.stream == []
        redis.is_away = False
        assert eventually(lambda: len(redis.stream) == 1, 2.0)
        spool.append([report(2)], {}, NOW_S)
        assert eventually(lambda: len(redis.stream) == 2, 0.4)
    finally:
        stop.set()
        thread.join(5)
