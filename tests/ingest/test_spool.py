import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.spool import Spool, may_pass, open_spool
from models.errors import InvalidInput, Misconfigured, Unavailable
from tests.ingest.worker_samples import NOW_S, report

ROOT = Path(__file__).parents[2]

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from ingest.spool import Spool, may_pass, open_spool
from tests.ingest.worker_samples import NOW_S, report
spool = Spool(Path(sys.argv[1]), NOW_S)
number = spool.states().get("cam1", {"number": 0})["number"]
while True:
    number += 1
    spool.append([report(number)], {"cam1": {"number": number}}, NOW_S)
    print(number, flush=True)
"""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", NOW_S)
    yield spool
    spool.close()


def test_incidents_are_numbered_from_one_and_come_out_as_they_went_in(spool: Spool) -> None:
    assert spool.append([report(1), report(2)], {}, NOW_S) == [1, 2]
    assert spool.append([report(3)], {"cam1": {"a": 1}}, NOW_S) == [3]
    incidents = spool.unsent(0, 10)
    assert incidents == [report(n).numbered(spool.source, n) for n in (1, 2, 3)]
    assert spool.unsent(1, 1) == incidents[1:2]
    assert spool.states() == {"cam1": {"a": 1}}


def test_kill_nine_while_appending_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    told = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND_FOR_EVER, str(path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert process.stdout
        with process.stdout:
            for _ in range(15):
                told = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            for line in process.stdout.read().split():
                told = int(line)
    spool = Spool(path, NOW_S)
    incidents = spool.unsent(0, 10_000)
    state = spool.states()["cam1"]["number"]
    spool.close()
    assert [incident.seq for incident in incidents] == list(range(1, len(incidents) + 1))
    # Each incident carries its number in its time as well: the state and the incidents are of one moment.
    assert [incident.at_s - NOW_S for incident in incidents] == list(range(1, state + 1))
    assert told <= state <= told + 1


def test_the_source_keeps_its_name(tmp_path: Path) -> None:
    first = Spool(tmp_path / "spool.db", NOW_S)
    name = first.source
    first.close()
    again = Spool(tmp_path / "spool.db", NOW_S + 99)
    assert again.source == name
    again.close()


def test_settling_frees_up_to_the_cursor_and_numbers_go_on(spool: Spool) -> None:
    spool.append([report(1), report(2), report(3)], {}, NOW_S)
    name = spool.source
    assert spool.settle(2, NOW_S) == name
    assert [incident.seq for incident in spool.unsent(0, 10)] == [3]
    assert spool.settle(3, NOW_S) == name
    assert spool.waiting() == 0
    assert spool.settle(3, NOW_S) == name
    assert spool.append([report(4)], {}, NOW_S) == [4]


def test_a_spool_restored_from_before_the_ledger_takes_a_new_name(spool: Spool) -> None:
    """Else its next incidents would have numbers that the ledger knows, and be swallowed as told already."""
    spool.append([report(1), report(2)], {}, NOW_S)
    name = spool.source
    assert spool.settle(7, NOW_S) != name
    assert spool.waiting() == 0
    assert spool.append([report(3)], {}, NOW_S) == [1]


def test_a_ledger_restored_from_before_the_spool_is_told_anew(spool: Spool) -> None:
    """Else it would wait for ever for numbers that were freed long ago."""
    spool.append([report(n) for n in range(1, 6)], {}, NOW_S)
    name = spool.source
    spool.settle(3, NOW_S)
    assert spool.settle(1, NOW_S) != name
    assert [(incident.seq, incident.at_s - NOW_S) for incident in spool.unsent(0, 10)] == [(1, 4.0), (2, 5.0)]
    assert spool.settle(0, NOW_S) == spool.source


def test_what_cannot_be_stored_is_undone_whole(spool: Spool) -> None:
    with pytest.raises(InvalidInput):
        spool.append([report(1)], {"cam1": {"a": float("nan")}}, NOW_S)
    assert spool.waiting() == 0
    assert spool.append([report(1)], {}, NOW_S) == [1]


def test_a_full_disk_is_said_and_what_was_there_stays(spool: Spool, tmp_path: Path) -> None:
    spool.append([report(1)], {}, NOW_S)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "spool.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(Unavailable, match="disk"):
            spool.append([report(2)], {"cam1": {"a": 1}}, NOW_S)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [incident.seq for incident in spool.unsent(0, 10)] == [1]
    assert spool.states() == {}
    assert spool.append([report(2)], {}, NOW_S) == [2]


class Emptied(threading.Event):
    """A disk of which so little may be used, until somebody waits; then ``stops`` says whether he is told to end."""

    def __init__(self, *, stops: bool = False) -> None:
        super().__init__()
        self._stops = stops
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, self._limits[1]))

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        if self._stops:
            self.set()
        return self.is_set()


def test_a_spool_on_a_full_disk_is_opened_once_there_is_room_and_holds_what_it_held(tmp_path: Path) -> None:
    """It ended the worker, with the advice to move the file away and lose what it holds."""
    path = tmp_path / "spool.db"
    first = Spool(path, NOW_S)
    first.append([report(1)], {"cam1": {"a": 1}}, NOW_S)
    first.close()
    stop = Emptied()
    try:
        with pytest.raises(Unavailable, match="is the disk full"):
            Spool(path, NOW_S)
        again = open_spool(path, lambda: NOW_S, stop)
    finally:
        stop.wait()
    assert again is not None
    assert [incident.seq for incident in again.unsent(0, 10)] == [1]
    assert again.states() == {"cam1": {"a": 1}}
    again.close()


def test_a_new_spool_on_a_full_disk_is_waited_for_until_the_end_is_asked_for(tmp_path: Path) -> None:
    stop = Emptied(stops=True)
    try:
        assert open_spool(tmp_path / "spool.db", lambda: NOW_S, stop) is None
    finally:
        stop.wait()


def test_a_lock_may_pass_and_what_is_no_database_does_not(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    Spool(path, NOW_S).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            with pytest.raises(sqlite3.OperationalError) as locked:
                other.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError) as wrong:
                other.execute("SELECT * FROM nothing")
    assert may_pass(locked.value)
    assert not may_pass(wrong.value)
    assert may_pass(OSError(errno.ENOSPC, "No space left on device"))
    assert not may_pass(PermissionError(errno.EACCES, "Permission denied"))


def test_states_of_cameras_that_are_gone_are_forgotten(spool: Spool) -> None:
    spool.append([], {"cam1": {"a": 1}, "cam2": {"a": 2}}, NOW_S)
    spool.forget(["cam1", "cam3"])
    assert spool.states() == {"cam2": {"a": 2}}


def test_a_file_that_is_no_spool_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(Misconfigured, match="move it away"):
        Spool(path, NOW_S)


def test_a_spool_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Misconfigured, match="another version"):
        Spool(path, NOW_S)


def test_what_is_stored_is_synced(spool: Spool) -> None:
    """Kill -9 proves nothing about fsync, so the setting itself is looked at: 2 is FULL."""
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_scene_is_kept_until_its_camera_is_gone(spool: Spool) -> None:
    assert spool.scene("cam1") is None
    spool.keep_scene("cam1", b"one", NOW_S)
    spool.keep_scene("cam1", b"two", NOW_S)
    spool.keep_scene("cam2", b"other", NOW_S)
    spool.drop_scenes({"cam1"})
    assert (spool.scene("cam1"), spool.scene("cam2")) == (b"two", None)


def test_a_spool_of_the_version_before_takes_scenes(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    first = Spool(path, NOW_S)
    first.append([report(1)], {}, NOW_S)
    first.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE scenes")
        db.execute("PRAGMA user_version = 1")
    db.close()
    again = Spool(path, NOW_S)
    again.keep_scene("cam1", b"one", NOW_S)
    assert (again.waiting(), again.scene("cam1")) == (1, b"one")
    again.close()
