"""The streams, on Debian's redis-server 7.0 and on the Valkey that ships."""

import json
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from desk_scene import NOW, incident
from redis import Redis

from alerts.projection import detected
from alerts.queue import DEAD, EVENTS, GROUP, INCIDENTS, Consumer, EventStream, IncidentStream, check_redis, connect
from models.alert import SealedEvent
from models.errors import Fault, Misconfigured, Unavailable
from models.incident import Incident
from models.incident_json import incident_to_json


@pytest.fixture
def consumer(redis: Redis) -> Consumer:
    made = Consumer(redis, "a")
    assert made.read(1, 1) == []  # makes the group
    return made


def sealed(position: int) -> SealedEvent:
    event = detected("A" * 26, incident(), ("g1", "/c/d/g1/"), ("g1",), "why", NOW)
    return SealedEvent(position, event, "0" * 64, "1" * 64)


def test_incidents_arrive_whole_and_in_order(redis: Redis, consumer: Consumer) -> None:
    sent = [incident(1), incident(2, zone_id=None, measure={"persons": 3.5}, reason="人多")]
    IncidentStream(redis).publish(sent)
    got = consumer.read(10, 100)
    assert [delivery.incident for delivery in got] == sent
    assert [(delivery.source, delivery.seq, delivery.deliveries) for delivery in got] == [
        ("worker:1", 1, 1),
        ("worker:1", 2, 1),
    ]
    consumer.ack([delivery.message_id for delivery in got])
    assert consumer.read(10, 10) == []


def test_what_was_published_before_the_group_was_is_read(redis: Redis) -> None:
    IncidentStream(redis).publish([incident()])
    fresh = Consumer(redis, "a")
    assert fresh.read(10, 10) == []
    assert len(fresh.read(10, 10)) == 1


def test_flush_makes_the_group_anew(redis: Redis, consumer: Consumer) -> None:
    IncidentStream(redis).publish([incident()])
    redis.flushall()
    assert consumer.read(10, 10) == []
    consumer.ack(["1-0"])
    assert consumer.reclaim(0) == []
    assert consumer.tidy() == 0
    IncidentStream(redis).publish([incident()])  # its spool sends it again
    assert len(consumer.read(10, 10)) == 1


def test_flush_while_waiting_is_no_failure(redis_url: str, consumer: Consumer) -> None:
    other = connect(redis_url)
    timer = threading.Timer(0.1, other.flushall)
    timer.start()
    assert consumer.read(10, 2000) == []
    timer.join()
    other.close()


def test_a_dead_consumers_messages_are_taken_over_and_counted(redis: Redis, consumer: Consumer) -> None:
    IncidentStream(redis).publish([incident(1), incident(2)])
    consumer.read(10, 10)
    heir = Consumer(redis, "b")
    assert heir.reclaim(60_000) == []
    assert [(d.seq, d.deliveries) for d in heir.reclaim(0)] == [(1, 2), (2, 2)]
    assert [d.deliveries for d in heir.reclaim(0)] == [3, 3]


def test_what_the_heir_works_on_itself_is_not_taken_over(redis: Redis, consumer: Consumer) -> None:
    IncidentStream(redis).publish([incident(seq) for seq in range(1, 5)])
    own = {delivery.message_id for delivery in consumer.read(2, 10)}
    Consumer(redis, "b").read(2, 10)
    assert [(d.seq, d.deliveries) for d in consumer.reclaim(0, 2, own)] == [(3, 2), (4, 2)]
    assert consumer.reclaim(60_000, 2, own) == []


def test_a_source_can_ask_what_is_on_its_way(redis: Redis) -> None:
    stream, consumer = IncidentStream(redis), Consumer(redis, "a")
    assert stream.held("worker:1") == set()
    stream.publish([incident(seq) for seq in range(1, 9)])
    stream.publish([incident(9, source="worker:2")])
    redis.xadd(INCIDENTS, {"source": "worker:1", "seq": "none"})
    assert stream.held("worker:1") == set(range(1, 9)), "before there is a group"
    consumer.read(1, 1)
    assert stream.held("worker:1") == set(range(1, 9))
    got = consumer.read(5, 10)
    consumer.ack([got[0].message_id, got[2].message_id])
    assert stream.held("worker:1", page=3) == {2, 4, 5, 6, 7, 8}
    consumer.tidy()
    assert stream.held("worker:1") == {2, 4, 5, 6, 7, 8}
    assert stream.held("worker:2") == {9}
    redis.flushall()
    assert stream.held("worker:1") == set()


def test_tidy_never_drops_what_is_pending_or_unread(redis: Redis, consumer: Consumer) -> None:
    stream = IncidentStream(redis)
    stream.publish([incident(seq) for seq in range(1, 11)])
    got = consumer.read(6, 10)
    consumer.ack([got[0].message_id, got[1].message_id, got[4].message_id])  # the third is pending
    assert consumer.tidy() == 2
    assert redis.xlen(INCIDENTS) == 8
    assert [d.seq for d in consumer.read(10, 10)] == [7, 8, 9, 10]
    assert [d.seq for d in Consumer(redis, "b").reclaim(0)] == [3, 4, 6, 7, 8, 9, 10]


def test_tidy_drops_silent_consumers_unless_they_hold_something(redis: Redis, consumer: Consumer) -> None:
    IncidentStream(redis).publish([incident()])
    Consumer(redis, "holds").read(1, 10)
    for name in ("holds nothing", "a"):
        redis.xgroup_createconsumer(INCIDENTS, GROUP, name)
    consumer.tidy()
    assert _names(redis) == {b"holds", b"holds nothing", b"a"}
    consumer.tidy(old_ms=0)
    assert _names(redis) == {b"holds", b"a"}


def _names(redis: Redis) -> set[bytes]:
    return {item["name"] for item in redis.xinfo_consumers(INCIDENTS, GROUP)}


def test_buried_messages_keep_their_reason(redis: Redis, consumer: Consumer) -> None:
    IncidentStream(redis).publish([incident()])
    (delivery,) = consumer.read(1, 10)
    consumer.bury(delivery, "it trips a fault")
    ((_, fields),) = redis.xrange(DEAD)
    assert fields[b"reason"] == b"it trips a fault"
    assert json.loads(fields[b"incident"])["seq"] == 1
    assert Consumer(redis, "b").reclaim(0) == []


GOOD = incident_to_json(incident())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"source": 1}',
        b"[" * 100_000,
        b'"' + b"x" * 300_000 + b'"',
        json.dumps(GOOD | {"kind": "flying"}).encode(),
        json.dumps(GOOD | {"seq": 2}).encode(),
        json.dumps(GOOD | {"seq": float("inf")}).encode(),
        json.dumps(GOOD | {"place": [500, 1]}).encode(),
        json.dumps(GOOD | {"confidence": float("nan")}).encode(),
        json.dumps(GOOD | {"evidence": [{"sha": 1}]}).encode(),
        json.dumps(GOOD | {"measure": 5}).encode(),
    ],
    ids=range(15),
)
def test_hostile_messages_become_faults_that_know_their_number(redis: Redis, consumer: Consumer, body: bytes) -> None:
    redis.xadd(INCIDENTS, {"source": "worker:1", "seq": 1, "incident": body})
    (delivery,) = consumer.read(1, 10)
    assert isinstance(delivery.incident, Fault)
    assert (delivery.source, delivery.seq) == ("worker:1", 1)


def test_a_message_without_envelope_is_a_fault(redis: Redis, consumer: Consumer) -> None:
    redis.xadd(INCIDENTS, {"x": "y"})
    (delivery,) = consumer.read(1, 10)
    assert isinstance(delivery.incident, Fault)
    assert (delivery.source, delivery.seq) == (None, None)


def test_full_memory_and_no_server_are_unavailable(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")
    with pytest.raises(Unavailable, match="memory"):
        IncidentStream(redis).publish([incident()])
    redis.config_set("maxmemory", "0")
    IncidentStream(redis).publish([incident()])
    nobody = connect("unix:///nowhere/s")
    for call in (
        lambda: IncidentStream(nobody).publish([incident()]),
        lambda: Consumer(nobody, "a").read(1, 1),
        lambda: EventStream(nobody).wait(0, 1),
        lambda: check_redis(nobody),
    ):
        with pytest.raises(Unavailable):
            call()


def test_password_is_never_in_what_is_said() -> None:
    with pytest.raises(Misconfigured) as refused:
        connect("redis://user:hunter2@host:port/x")
    assert "hunter2" not in str(refused.value)
    with connect("redis://:hunter2@127.0.0.1:1/0") as nobody, pytest.raises(Unavailable) as away:
        check_redis(nobody)
    assert "hunter2" not in str(away.value)


def test_an_evicting_server_is_refused(redis: Redis) -> None:
    check_redis(redis)
    for policy, fine in (("allkeys-lru", False), ("allkeys-random", False), ("volatile-lru", True)):
        redis.config_set("maxmemory-policy", policy)
        if fine:
            check_redis(redis)
        else:
            with pytest.raises(Misconfigured, match="noeviction"):
                check_redis(redis)


def test_events_stand_once_however_often_published(redis: Redis) -> None:
    stream = EventStream(redis)
    stream.publish([sealed(1), sealed(2)])
    stream.publish([sealed(2), sealed(3)])
    stream.publish([])
    assert [message_id for message_id, _ in redis.xrange(EVENTS)] == [b"1-0", b"2-0", b"3-0"]


def test_waiting_ends_with_news_and_without(redis: Redis, redis_url: str) -> None:
    stream = EventStream(redis)
    began_s = time.monotonic()
    assert not stream.wait(0, 50)
    stream.publish([sealed(7)])
    assert stream.wait(6, 5000)
    assert not stream.wait(7, 0)
    other = connect(redis_url)
    timer = threading.Timer(0.1, EventStream(other).publish, [[sealed(8)]])
    timer.start()
    assert stream.wait(7, 5000)
    timer.join()
    other.close()
    assert time.monotonic() - began_s < 4


def test_a_stream_that_is_full_sends_its_sources_back(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    for _ in range(100):
        pipe.xadd(INCIDENTS, {"x": "y"})
    pipe.execute()
    stream = IncidentStream(redis, most_waiting=100)
    with pytest.raises(Unavailable, match="wait for the dispatcher"):
        stream.publish([incident()])


def test_order_survives_many_messages(redis: Redis, consumer: Consumer) -> None:
    first: Incident = incident()
    IncidentStream(redis).publish([replace(first, seq=seq) for seq in range(1, 501)])
    got = [d.seq or 0 for _ in range(5) for d in consumer.read(100, 10)]
    assert len(got) == 500
    assert all(b == a + 1 for a, b in pairwise(got))
