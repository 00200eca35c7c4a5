"""The parent with a real child process that follows a script; spool and evidence are real as well."""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from alerts.evidence import EvidenceStore
from ingest.fleet import Fleet
from ingest.pipes import Message
from ingest.shards import Program
from ingest.spool import Spool
from ingest.worker import Worker, steady_clock
from models.camera import CameraPoint, Credentials
from models.errors import CameraUnauthorised, NotFound, Unavailable
from models.incident import Incident, Phase
from tests.ingest.scripted_child import JPEG
from tests.ingest.worker_samples import camera, eventually

ROOT = Path(__file__).parents[2]
SCRIPTED = (sys.executable, "-m", "tests.ingest.scripted_child")


class Running:
    """A worker in a thread, and what it leaves on disk."""

    def __init__(self, folder: Path, command: tuple[str, ...] = SCRIPTED) -> None:
        self.clock = steady_clock()
        self.spool = Spool(folder / "spool.db", self.clock())
        self.evidence = EvidenceStore(folder / "evidence")
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        program = Program(command, environment, {"zoo": None})
        self.worker = Worker(Fleet(self.spool, self.evidence, lambda: 1.0), program, self.clock, 2, silent_s=1.5)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.worker.run, args=(self._stop,))
        self._thread.start()

    def watch(self, *cameras: CameraPoint) -> None:
        self.worker.take_cameras(cameras).result(5)

    def state(self, camera_id: str = "cam1") -> dict[str, object]:
        found = self.worker.status().result(5)["cameras"].get(camera_id)
        assert isinstance(found, dict)
        return found

    def incidents(self, kind: str = "crowding") -> list[Incident]:
        return [incident for incident in self.spool.unsent(0, 100) if incident.kind == kind]

    def children(self) -> list[int]:
        task = Path(f"/proc/{os.getpid()}/task/{self._thread.native_id}/children")
        return [int(pid) for pid in task.read_text().split()]

    def end(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.spool.close()


@contextlib.contextmanager
def running(folder: Path, command: tuple[str, ...] = SCRIPTED) -> Iterator[Running]:
    worker = Running(folder, command)
    try:
        yield worker
    finally:
        worker.end()


def test_a_crowd_becomes_one_incident_with_its_still(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="crowd", dwell_s=0.5))
        assert eventually(lambda: bool(it.incidents()))
        (incident,) = it.incidents()
        assert (incident.seq, incident.camera_id, incident.zone_id, incident.phase) == (1, "cam1", "plaza", Phase.ONSET)
        (evidence,) = incident.evidence
        assert it.evidence.get(evidence.sha256) == JPEG
        assert it.state()["state"] == "watching"
        children = it.children()
        assert len(children) == 1
    assert not Path(f"/proc/{children[0]}").exists()


def test_a_child_killed_in_the_dwell_and_the_incident_still_comes_once_and_on_time(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="crowd", dwell_s=2.0))
        assert eventually(lambda: it.state()["state"] == "watching")
        began_s = time.time()
        time.sleep(0.8)
        (child,) = it.children()
        os.kill(child, signal.SIGKILL)
        assert eventually(lambda: it.children() not in ([], [child]), 2.0)
        assert eventually(lambda: bool(it.incidents()), 5.0)
        late_s = time.time() - began_s - 2.0
        time.sleep(0.5)
        (incident,) = it.incidents()
        # The dwell began before the kill, and went on through it.
        assert abs(incident.onset_s - began_s) < 0.5
        assert late_s < 1.5


def test_a_worker_killed_in_the_dwell_goes_on_where_its_spool_was(tmp_path: Path) -> None:
    point = camera(purpose="crowd", dwell_s=2.5)
    with running(tmp_path) as it:
        it.watch(point)
        assert eventually(lambda: it.state()["state"] == "watching")
        began_s = time.time()
        time.sleep(1.2)
    with running(tmp_path) as it:
        it.watch(point)
        assert eventually(lambda: bool(it.incidents()), 5.0)
        time.sleep(0.3)
        (incident,) = it.incidents()
        assert abs(incident.onset_s - began_s) < 0.5


def test_failures_are_told_and_tried_again_with_growing_waits(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="camera_not_found"))
        assert eventually(lambda: it.state()["failures"] == 2)
        state = it.state()
        assert (state["state"], state["error_code"]) == ("failed", "camera_not_found")
        assert state["error"] == "rtsp://127.0.0.1:554/1: as scripted"


def test_two_cameras_of_a_refused_account_are_one_try(tmp_path: Path) -> None:
    account = Credentials("admin", "s3cret")
    with running(tmp_path) as it:
        it.watch(*(camera(f"cam{i}", "camera_unauthorised", account) for i in (1, 2)))
        assert eventually(lambda: it.state("cam1")["state"] == it.state("cam2")["state"] == "failed")
        told = [it.state(name) for name in ("cam1", "cam2")]
        assert {state["error_code"] for state in told} == {"camera_unauthorised"}
        assert sum("as scripted" in str(state["error"]) for state in told) == 1
        assert "s3cret" not in str(told)
        assert "admin" not in str(told)
        wait_s, refused = it.worker.may_try(camera(account=account).source, "probe").result(5)
        assert refused
        assert 50 < wait_s <= 60


def test_a_probe_shares_the_budget(tmp_path: Path) -> None:
    point = camera(account=Credentials("admin", "s3cret"))
    with running(tmp_path) as it:
        assert it.worker.may_try(point.source, "probe 1").result(5) == (0.0, False)
        it.worker.tried(point.source, "probe 1", CameraUnauthorised("no"))
        it.watch(point)
        assert eventually(lambda: it.state()["error_code"] == "camera_unauthorised")


def test_a_child_that_talks_nonsense_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera("cam1", "nonsense"))
        seen: set[int] = set()
        assert eventually(lambda: bool(seen.update(it.children())) or len(seen) >= 2)


def test_a_child_that_stops_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="plain"))
        assert eventually(lambda: it.state()["state"] == "watching")
        (child,) = it.children()
        os.kill(child, signal.SIGSTOP)
        assert eventually(lambda: it.children() not in ([], [child]), 4.0)


def test_a_child_that_cannot_start_is_tried_again_and_the_worker_answers(tmp_path: Path) -> None:
    with running(tmp_path, ("/bin/false",)) as it:
        it.watch(camera())
        assert it.state()["state"] == "connecting"
        with pytest.raises(Unavailable):
            it.worker.picture("cam1").result(5)


def test_pictures_come_from_the_camera_that_was_asked_for(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="plain"))
        assert eventually(lambda: it.state()["state"] == "watching")
        answer: Future[Message] = it.worker.picture("cam1").result(5)
        assert answer.result(5).blobs == (JPEG,)
        with pytest.raises(NotFound):
            it.worker.picture("cam9").result(5)


def test_a_camera_that_is_switched_off_is_let_go(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="crowd", dwell_s=60.0))
        assert eventually(lambda: it.state()["state"] == "watching")
        it.watch(camera(purpose="crowd", enabled=False))
        assert it.worker.status().result(5)["cameras"] == {}
        assert it.spool.states() == {}


def test_a_full_disk_makes_cameras_wait_and_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        it.watch(camera(purpose="crowd", dwell_s=1.0))
        assert eventually(lambda: it.state()["state"] == "watching")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # No file of this process may grow beyond what the spool's log has now.
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "spool.db-wal").stat().st_size, hard))
        try:
            time.sleep(1.5)
            assert it.incidents() == []
            assert it.state()["state"] == "watching"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert eventually(lambda: bool(it.incidents()), 3.0)
        time.sleep(0.3)
        assert len(it.incidents()) == 1
