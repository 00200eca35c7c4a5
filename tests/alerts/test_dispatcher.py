"""The dispatcher: incidents from a real stream into a real ledger, through kills, floods and faults."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from desk_scene import ACTORS, NOW, FakePlaces, do, handled, incident, raised
from redis import Redis
from sqlalchemy import Engine, func, select

from alerts.audit import audit
from alerts.database import reading
from alerts.desk import Desk
from alerts.dispatcher import MISSED_IDLE_MS, PATIENCE_S, Dispatcher
from alerts.figures import FigureQuery, figures
from alerts.leases import alive
from alerts.ledger import cursor_of
from alerts.queue import DEAD, EVENTS, GROUP, INCIDENTS, Consumer, EventStream, IncidentStream, check_redis, connect
from alerts.reception import OutOfOrder, Receipt
from alerts.sealer import last_position, verify_chain
from alerts.tally import Bucket
from models import tables
from models.errors import Misconfigured, Unavailable
from models.incident import Incident


@dataclass
class Heard:
    """A log that keeps what it is told."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **about: Any) -> None:
        self.lines.append((event, about))

    warning = error = info


def made(town: Engine, desk: Desk, redis: Redis, name: str = "one") -> Dispatcher:
    return Dispatcher(
        engine=town,
        desk=desk,
        consumer=Consumer(redis, name),
        stream=EventStream(redis),
        check=lambda: check_redis(redis),
        holder=name,
        clock=lambda: NOW + 100,
        log=Heard(),
        block_ms=1,
        reclaim_idle_ms=0,
    )


@pytest.fixture
def dispatcher(town: Engine, desk: Desk, redis: Redis) -> Dispatcher:
    one = made(town, desk, redis)
    assert one.take_in() == 0  # makes the group
    return one


def count(engine: Engine, table: str) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[table])).scalar_one()


def test_an_incident_becomes_an_alert_and_is_acknowledged(dispatcher: Dispatcher, town: Engine, redis: Redis) -> None:
    IncidentStream(redis).publish([incident(1), incident(2, zone_id="y")])
    assert dispatcher.take_in() == 2
    assert (count(town, "alerts"), cursor_of(town, "worker:1")) == (2, 2)
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0


def test_duplicates_on_the_wire_are_one_alert(dispatcher: Dispatcher, town: Engine, redis: Redis) -> None:
    IncidentStream(redis).publish([incident(1)] * 3)
    dispatcher.take_in()
    IncidentStream(redis).publish([incident(1)])
    dispatcher.take_in()
    assert (count(town, "alerts"), count(town, "incidents")) == (1, 1)


def test_killed_between_commit_and_acknowledgement(dispatcher: Dispatcher, town: Engine, redis: Redis) -> None:
    IncidentStream(redis).publish([incident(1)])
    (delivery,) = dispatcher.consumer.read(1, 10)
    assert isinstance(delivery.incident, Incident)
    assert not dispatcher.desk.report(delivery.incident, NOW).duplicate  # committed; then kill -9
    heir = Consumer(redis, "two")
    (again,) = heir.reclaim(0)
    assert isinstance(again.incident, Incident)
    assert dispatcher.desk.report(again.incident, NOW + 1).duplicate
    assert count(town, "alerts") == 1


def test_flush_between_publish_and_read_loses_nothing_once_sent_again(
    dispatcher: Dispatcher, town: Engine, redis: Redis
) -> None:
    sent = [incident(seq, zone_id=f"z{seq}") for seq in range(1, 6)]
    IncidentStream(redis).publish(sent[:2])
    dispatcher.take_in()
    IncidentStream(redis).publish(sent[2:4])
    redis.flushall()
    IncidentStream(redis).publish(sent[4:])  # ahead of what was lost
    while dispatcher.take_in() or not count(town, "alerts"):
        pass
    dispatcher.take_in()
    confirmed = cursor_of(town, "worker:1")
    assert confirmed == 2
    IncidentStream(redis).publish(sent[confirmed:])  # the spool: whatever the cursor has not passed
    dispatcher.take_in()
    assert (count(town, "alerts"), cursor_of(town, "worker:1")) == (5, 5)


def test_unreadable_messages_are_rejected_and_the_source_goes_on(
    dispatcher: Dispatcher, town: Engine, redis: Redis
) -> None:
    redis.xadd(INCIDENTS, {"source": "worker:1", "seq": 1, "incident": "{broken"})
    redis.xadd(INCIDENTS, {"source": "no\nname", "seq": 1, "incident": "{broken"})
    redis.xadd(INCIDENTS, {"hello": "world"})
    dispatcher.take_in()
    IncidentStream(redis).publish([incident(2)])
    dispatcher.take_in()
    assert cursor_of(town, "worker:1") == 2
    assert redis.xlen(DEAD) == 3
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0
    with reading(town) as connection:
        row = connection.execute(select(tables.incidents).where(tables.incidents.c.seq == 1)).one()
    assert row.disposition == "reject"
    assert row.body == {"as_received": "{broken"}


def test_an_unreadable_message_ahead_of_its_turn_is_dropped_not_buried(
    dispatcher: Dispatcher, town: Engine, redis: Redis
) -> None:
    redis.xadd(INCIDENTS, {"source": "worker:1", "seq": 2, "incident": "{broken"})
    dispatcher.take_in()
    assert (redis.xlen(DEAD), cursor_of(town, "worker:1")) == (0, 0)
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0


class Tripping(Desk):
    """A desk with a fault of ours: the third incident trips it."""

    def report_batch(self, incidents: Sequence[Incident], now_s: float) -> list[Receipt | OutOfOrder]:
        if any(item.seq == 3 for item in incidents):
            raise TypeError("a fault of ours")
        return super().report_batch(incidents, now_s)


def test_one_poisoned_incident_does_not_hold_up_the_rest(town: Engine, places: FakePlaces, redis: Redis) -> None:
    one = made(town, Tripping(town, places, claim_lease_s=60), redis)
    one.take_in()
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in range(1, 6)])
    assert one.take_in() == 5
    assert cursor_of(town, "worker:1") == 2  # 4 and 5 came before 3 was settled: their source keeps them
    for _ in range(4):
        one.reclaim()
    assert cursor_of(town, "worker:1") == 3
    assert redis.xlen(DEAD) == 1
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in (4, 5)])
    one.take_in()
    assert (count(town, "alerts"), cursor_of(town, "worker:1")) == (4, 5)


def test_a_locked_database_keeps_the_batch_in_hand(dispatcher: Dispatcher, town: Engine, redis: Redis) -> None:
    class Locked(Desk):
        def report_batch(self, _incidents: Sequence[Incident], _now_s: float) -> list[Receipt | OutOfOrder]:
            raise Unavailable("the database is busy")

    free = dispatcher.desk
    dispatcher.desk = Locked(town, FakePlaces(), claim_lease_s=60)
    IncidentStream(redis).publish([incident(1)])
    for _ in range(3):
        with pytest.raises(Unavailable):
            dispatcher.take_in()
    dispatcher.desk = free
    assert dispatcher.take_in() == 1
    assert cursor_of(town, "worker:1") == 1


def test_events_are_sealed_and_published_in_order(dispatcher: Dispatcher, town: Engine, redis: Redis) -> None:
    handled(dispatcher.desk, raised(dispatcher.desk))
    assert dispatcher.seal() == dispatcher.publish() == 8
    assert [message_id for message_id, _ in redis.xrange(EVENTS)] == [f"{n}-0".encode() for n in range(1, 9)]
    redis.flushall()
    raised(dispatcher.desk, 2, zone_id="y")
    dispatcher.seal()
    dispatcher.publish()
    assert [message_id for message_id, _ in redis.xrange(EVENTS)] == [b"9-0"]
    assert dispatcher.publish() == 0
    assert verify_chain(town) is None


def test_two_dispatchers_share_the_work(dispatcher: Dispatcher, town: Engine, desk: Desk, redis: Redis) -> None:
    other = made(town, desk, redis, "two")
    other.take_in()
    for seq in range(1, 21):
        IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}")])
        (dispatcher if seq % 3 else other).take_in()
        (dispatcher if seq % 2 else other).seal()
    assert cursor_of(town, "worker:1") == 20
    dispatcher.seal()
    assert last_position(town) == 20 + 3  # the first three are told that they belong to a storm
    assert verify_chain(town) is None


def test_what_came_before_its_turn_waits_for_the_other_dispatcher(
    dispatcher: Dispatcher, town: Engine, desk: Desk, redis: Redis
) -> None:
    """A source's incidents are handed out to whoever asks: the second half may be ready before the first."""
    other = made(town, desk, redis, "two")
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in range(1, 7)])
    dispatcher.batch = 3
    held = other.consumer.read(3, 1)  # the other one has 1 to 3 in hand, and is slow
    assert dispatcher.take_in() == 3
    assert cursor_of(town, "worker:1") == 0
    assert dispatcher.take_in() == 0, "nothing has changed: not worth the write lock"
    other._in_hand = held
    assert other.take_in() == 3
    assert dispatcher.take_in() == 3
    assert cursor_of(town, "worker:1") == 6, "4 to 6 were kept, and not left to be sent again"
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0


def test_what_a_dead_dispatcher_had_in_hand_is_taken_over_soon_where_something_waits_for_it(
    dispatcher: Dispatcher, town: Engine, desk: Desk, redis: Redis
) -> None:
    dispatcher.reclaim_idle_ms = 600_000
    dispatcher.take_in()
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in range(1, 7)])
    dead = made(town, desk, redis, "two").consumer.read(3, 1)
    assert dispatcher.take_in() == 3
    assert dispatcher.reclaim() == 0, "it may still live"
    ids = [delivery.message_id for delivery in dead]
    redis.xclaim(INCIDENTS, GROUP, "two", 0, ids, idle=MISSED_IDLE_MS, retrycount=1)
    assert dispatcher.reclaim() == 3
    dispatcher.take_in()
    assert cursor_of(town, "worker:1") == 6
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0


def test_what_came_before_its_turn_is_dropped_when_nobody_brings_the_rest(
    dispatcher: Dispatcher, town: Engine, redis: Redis
) -> None:
    now_s = [NOW]
    dispatcher.clock = lambda: now_s[0]
    IncidentStream(redis).publish([incident(2, zone_id="y"), incident(3, zone_id="z")])
    assert dispatcher.take_in() == 2
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 2
    now_s[0] += PATIENCE_S
    dispatcher.take_in()
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0
    IncidentStream(redis).publish([incident(4)])
    dispatcher.take_in()
    assert redis.xpending(INCIDENTS, GROUP)["pending"] == 0, "the same gap is not waited for twice"
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in range(1, 5)])
    dispatcher.take_in()
    assert cursor_of(town, "worker:1") == 4


class Rounds:
    """Stops after so many rounds of the loop; each pause is written down and over at once."""

    def __init__(self, rounds: int) -> None:
        self.left, self.now_s, self.pauses = rounds, NOW, [0.0]

    def is_set(self) -> bool:
        return self.left <= 0

    def wait(self, timeout: float) -> bool:
        self.left -= 1
        self.pauses.append(timeout)
        self.now_s += timeout
        return False


def test_redis_away_is_said_once_and_claims_still_end(town: Engine, desk: Desk) -> None:
    alert = do(desk, do(desk, do(desk, raised(desk), "op", "acknowledge"), "op", "dispatch"), "w1", "claim")
    with connect("unix:///nowhere/s") as nobody:
        alone = made(town, desk, nobody)
        stop = Rounds(400)
        stop.now_s = NOW + 200
        alone.clock = lambda: stop.now_s
        alone.run(stop)
    assert desk.alert(alert.id, ACTORS["op"]).claim is None
    assert last_position(town) == 5
    assert alive(town, "dispatcher", stop.now_s)
    said = [event for event, _ in alone.log.lines]
    assert said.count("take in incidents: failed") == 1 + int((stop.now_s - NOW - 200) // 60)
    assert min(stop.pauses[1:]) > 0


def test_a_redis_that_evicts_is_refused(town: Engine, desk: Desk, redis: Redis) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    fresh = made(town, desk, redis, "fresh")
    with pytest.raises(Misconfigured, match="noeviction"):
        fresh.run(Rounds(3))


def data_of(town: Path) -> Path:
    return town.with_name(f"data-of-{town.stem}")


def started(town: Path, url: str, **more: str) -> "subprocess.Popen[str]":
    environment = {"PATH": os.environ["PATH"], "WANGGE_DATA": str(data_of(town)), "WANGGE_REDIS_URL": url}
    environment |= {"WANGGE_DATABASE_URL": f"sqlite:///{town}"} | more
    return subprocess.Popen([sys.executable, "-m", "alerts"], env=environment, stderr=subprocess.PIPE, text=True)


def test_the_process_survives_a_kill_and_ends_on_sigterm(town: Engine, redis: Redis, redis_url: str) -> None:
    IncidentStream(redis).publish([incident(seq, zone_id=f"z{seq}") for seq in range(1, 4)])
    path = Path(str(town.url.database))
    arrived = threading.Event()
    with started(path, redis_url) as first:
        while last_position(town) < 3:
            assert not arrived.wait(0.05)
            assert first.poll() is None, first.communicate()[1]
        first.kill()
        first.communicate()
    IncidentStream(redis).publish([incident(4, zone_id="z4")])
    with started(path, redis_url) as second:
        while not EventStream(redis).wait(3, 100):
            assert second.poll() is None, second.communicate()[1]
        end_s = time.monotonic() + 3
        while second.poll() is None and time.monotonic() < end_s:
            second.terminate()  # more than once: a service manager and our supervisor may both ask
            time.sleep(0.001)
        assert second.poll() == 0
        _, said = second.communicate()
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert events[-2:] == ["the dispatcher runs", "the dispatcher has ended"]
    assert count(town, "alerts") == 4
    (noted,) = audit(town, [data_of(path) / "anchors.log"], "this").anchored
    assert noted.position == last_position(town) >= 4  # the last words of one that ends well


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"WANGGE_REDIS_URL": ""}, "WANGGE_REDIS_URL"),
        ({"WANGGE_DATABASE_URL": "sqlite:////dev/null/x.db"}, "folder cannot be made"),
        ({"WANGGE_NONSENSE": "1"}, "no such setting"),
    ],
)
def test_what_cannot_run_says_why(tmp_path: Path, more: dict[str, str], sentence: str) -> None:
    with started(tmp_path / "none.db", "redis://127.0.0.1:1/0", **more) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert sentence in said
    assert "Traceback" not in said


def test_an_empty_database_is_named_with_the_mend(tmp_path: Path) -> None:
    with started(tmp_path / "none.db", "redis://127.0.0.1:1/0") as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "wangge db upgrade" in said


def test_the_figures_are_counted_by_the_dispatcher(dispatcher: Dispatcher, desk: Desk, town: Engine) -> None:
    raised(desk)
    query = FigureQuery("c", Bucket.DAY, NOW - 86_400, NOW + 86_400)
    assert figures(town, ACTORS["op"], query).total.counts["alerts"] == 0
    assert dispatcher.seal() == 1
    assert dispatcher.count_figures() == 1
    assert dispatcher.count_figures() == 0
    assert figures(town, ACTORS["op"], query).total.counts["alerts"] == 1
