import os
import sys
import time
from pathlib import Path

import pytest

from ingest.pipes import encode
from ingest.shards import MAX_UNSENT_BYTES, Shard, children_for, do_job
from models.errors import InvalidInput, Unavailable
from tests.ingest.worker_samples import eventually

ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2])}
ECHO = "import os; os.write(1, os.read(0, 1 << 20))"


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


@pytest.mark.parametrize(
    ("cameras", "cpus", "children"), [(0, 2, 1), (1, 1, 1), (50, 8, 1), (51, 8, 2), (1000, 8, 7), (1000, 2, 1)]
)
def test_one_child_per_fifty_cameras_and_a_cpu_is_left(cameras: int, cpus: int, children: int) -> None:
    assert children_for(cameras, cpus) == children


def test_a_job_gives_its_one_message_and_its_process_is_gone() -> None:
    message = do_job(python(ECHO), ENVIRONMENT, encode("mask", {"a": 1}, [b"photo"]), 10.0)
    assert (message.op, message.fields, message.blobs) == ("mask", {"a": 1}, (b"photo",))


def test_a_job_sees_nothing_of_our_environment() -> None:
    assert "PYTEST_CURRENT_TEST" in os.environ
    script = "import os; from ingest.pipes import encode; os.write(1, encode('x', dict(os.environ)))"
    assert "PYTEST_CURRENT_TEST" not in do_job(python(script), ENVIRONMENT, b"", 10.0).fields


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "gave up"),
        ("pass", "gave up"),
        ("print('hello, I am no message')", "broke down"),
        ("import os\nwhile True: os.write(1, bytes([0, 0, 0, 255]) + bytes(1 << 20))", "broke down"),
        ("import time; time.sleep(60)", "too long"),
    ],
    ids=["crash", "silence", "nonsense", "flood", "hang"],
)
def test_a_job_that_goes_wrong_is_stopped_and_said(script: str, said: str) -> None:
    began_s = time.monotonic()
    with pytest.raises(Unavailable, match=said):
        do_job(python(script), ENVIRONMENT, b"", 1.0)
    assert time.monotonic() - began_s < 3


def test_a_shard_talks_both_ways_and_its_end_is_seen() -> None:
    shard = Shard(python(ECHO), ENVIRONMENT, encode("start"), 0.0)
    try:
        alive = [True]

        def read() -> bool:
            shard.flush()
            alive[0] = shard.read(5.0)
            return not alive[0]

        assert eventually(read)
        assert [message.op for message in shard.inbox] == ["start"]
        assert shard.heard_s == 5.0
    finally:
        shard.end()
    with pytest.raises(ProcessLookupError):
        os.kill(shard.pid, 0)


def test_a_shard_that_takes_no_orders_is_said_to_be_stuck() -> None:
    shard = Shard(python("import time; time.sleep(60)"), ENVIRONMENT, b"", 0.0)
    try:
        shard.send(bytes(MAX_UNSENT_BYTES))
        with pytest.raises(Unavailable, match="takes no orders"):
            shard.send(bytes(1 << 20))
    finally:
        shard.end()


def test_nonsense_of_a_shard_is_refused() -> None:
    shard = Shard(python("print('x' * 100, flush=True); import time; time.sleep(60)"), ENVIRONMENT, b"", 0.0)
    try:
        with pytest.raises(InvalidInput):
            eventually(lambda: not shard.read(0.0))
    finally:
        shard.end()
