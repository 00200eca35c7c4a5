"""The wire: what is sent twice is counted, unless Redis had lost it."""

from contextlib import closing

from alerts.queue import INCIDENTS, IncidentStream, connect
from bench.loss_wire import Wire
from tests.ingest.worker_samples import eventually, report
from tests.redis_servers import redis_server


def test_what_is_sent_twice_is_counted_unless_redis_had_lost_it() -> None:
    one, two, three, four = (report(number).numbered("worker:1", number) for number in range(1, 5))
    others = report(3).numbered("worker:2", 3)
    with redis_server("valkey") as url, closing(connect(url)) as client:
        wire, stream = Wire(url), IncidentStream(client)
        wire.thread.start()
        try:
            stream.publish([one, two])
            stream.publish([two, three, others])
            assert eventually(lambda: wire.again == 1, 5.0)
            assert wire.flush() == 4, "three of the one, one of the other: 2 is counted once"
            stream.publish([two, four])
            assert eventually(lambda: wire.anew == 1, 5.0)
            stream.publish([two])
            assert eventually(lambda: wire.again == 2, 5.0)
            assert wire.anew == 1
            assert client.xlen(INCIDENTS) == 3
        finally:
            wire.stop()
            wire.thread.join(5)
