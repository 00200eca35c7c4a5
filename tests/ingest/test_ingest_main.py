"""The wiring of the camera worker: what is refused at start, what children may know, how the registry is followed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alerts.camera_registry import Opened
from api.video import VideoDesk
from ingest.__main__ import alone, follow_gates, follow_registry, run, vital
from ingest.shards import child_program
from models.camera import CameraPoint
from models.errors import Fault, Misconfigured, Unavailable
from models.gate import GateLog
from models.settings import read_settings
from tests.ingest.worker_samples import camera, eventually

ROOT = Path(__file__).parents[2]


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "WANGGE_DATA": str(folder), **more}


def is_gone(pid: int) -> bool:
    """Also one that has ended and that nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def answers(path: Path) -> bool:
    try:
        return VideoDesk(path).status().cameras == {}
    except Unavailable:
        return False


class Registry:
    """Gives its cameras, or fails."""

    def __init__(self) -> None:
        self.cameras: list[CameraPoint] = [camera()]
        self.fails = True
        self.reads = 0

    def read(self) -> Opened:
        self.reads += 1
        if self.fails:
            raise Unavailable("the database does not answer")
        return Opened(tuple(self.cameras), ())


class Taking:
    """A worker that keeps each list that it is given."""

    def __init__(self) -> None:
        self.lists: list[list[CameraPoint]] = []

    def take_cameras(self, cameras: Sequence[CameraPoint], *, is_whole: bool) -> Future[None]:
        del is_whole
        self.lists.append(list(cameras))
        done: Future[None] = Future()
        done.set_result(None)
        return done


def test_two_workers_on_the_same_data_are_refused(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "worker.lock"
    with alone(lock), pytest.raises(Misconfigured, match="another camera worker"), alone(lock):
        pass
    with alone(lock):
        assert lock.exists()


def test_children_are_given_nothing_that_is_secret(tmp_path: Path) -> None:
    secrets = {"WANGGE_DATABASE_URL": "postgresql+psycopg://u:s3cret@db/x", "WANGGE_REDIS_URL": "redis://:s3cret@r/0"}
    known = environ(tmp_path, **secrets)
    found = child_program(read_settings(known), known | {"AWS_SECRET": "s3cret"})
    assert "s3cret" not in str(found)
    assert found.environment.keys() == {"PATH", "PYTHONPATH"}


def test_without_a_redis_it_says_what_to_set(tmp_path: Path) -> None:
    known = environ(tmp_path)
    with pytest.raises(Misconfigured, match="WANGGE_REDIS_URL"):
        run(read_settings(known), known, threading.Event())


def test_the_registry_is_followed_through_its_failures_and_only_changes_are_told() -> None:
    registry, worker, stop = Registry(), Taking(), threading.Event()
    thread = threading.Thread(target=follow_registry, args=(registry.read, worker, stop, time.time))
    thread.start()
    try:
        assert eventually(lambda: registry.reads == 1)
        assert worker.lists == []
        registry.fails = False
        assert eventually(lambda: worker.lists == [[camera()]], 3.0)
        read = registry.reads
        assert eventually(lambda: registry.reads > read, 3.0)
        assert len(worker.lists) == 1
    finally:
        stop.set()
        thread.join(5)


def test_a_camera_that_cannot_be_opened_is_said_and_the_others_are_watched() -> None:
    worker, stop = Taking(), threading.Event()
    found = Opened((camera(),), (Fault("gate-7", "its credentials do not open"),))
    with capture_logs() as said:
        thread = threading.Thread(target=follow_registry, args=(lambda: found, worker, stop, time.time))
        thread.start()
        try:
            assert eventually(lambda: bool(said))
        finally:
            stop.set()
            thread.join(5)
    assert worker.lists == [[camera()]]
    assert [(line["code"], line["why"]) for line in said] == [("gate-7", "its credentials do not open")]


def test_where_a_vital_part_breaks_all_stop() -> None:
    stop = threading.Event()

    def breaks() -> None:
        raise RuntimeError("the disk image is malformed")

    thread = vital(breaks, stop)
    thread.start()
    assert stop.wait(5)
    thread.join(5)


def test_it_waits_for_database_and_redis_and_leaves_nobody_behind_when_killed(tmp_path: Path) -> None:
    known = environ(tmp_path, WANGGE_REDIS_URL="redis://127.0.0.1:1/0")
    with subprocess.Popen([sys.executable, "-m", "ingest"], cwd=ROOT, env=known, stderr=subprocess.DEVNULL) as worker:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        assert eventually(lambda: bool(children.read_text().split()), 10.0)
        (child,) = children.read_text().split()
        worker.send_signal(signal.SIGKILL)
        worker.wait(5)
        assert eventually(lambda: is_gone(int(child)), 3.0)
    with subprocess.Popen([sys.executable, "-m", "ingest"], cwd=ROOT, env=known, stderr=subprocess.DEVNULL) as worker:
        assert eventually(lambda: answers(tmp_path / "run" / "video-desk.sock"), 10.0)
        began_s = time.monotonic()
        while worker.poll() is None and time.monotonic() < began_s + 3:
            worker.terminate()  # more than once: a service manager and our supervisor may both ask
            time.sleep(0.001)
        assert worker.poll() == 0


class Hearing:
    """A worker that keeps what it is told of gates."""

    def __init__(self) -> None:
        self.told: list[dict[str, GateLog]] = []

    def take_gates(self, logs: Mapping[str, GateLog]) -> Future[None]:
        self.told.append(dict(logs))
        done: Future[None] = Future()
        done.set_result(None)
        return done


def test_what_gates_report_is_told_when_it_is_new_and_while_it_cannot_be_read_nothing_changes() -> None:
    first, second = {"cam1": GateLog()}, {"cam1": GateLog(open_since_s=5.0)}
    answers: list[object] = [first, first, Unavailable("the database does not answer"), first, second]
    stop, worker = threading.Event(), Hearing()

    def read() -> dict[str, GateLog]:
        if len(answers) == 1:
            stop.set()
        found = answers.pop(0)
        if isinstance(found, Unavailable):
            raise found
        assert isinstance(found, dict)
        return found

    with capture_logs() as logged:
        follow_gates(read, worker, stop, time.monotonic, 0.001)  # type: ignore[arg-type]
    assert worker.told == [first, second]
    assert logged[0]["event"] == "what gates report cannot be read; what they said last goes on"
