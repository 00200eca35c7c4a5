"""`wangge bench loss`, small: it holds, and it does not where commit or cursor lie."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench.loss import read_arguments
from bench.loss_plan import kinds

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ("flush", "out-of-memory", "locked", "full-disk")


def proved(*words: str, without: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    left_out = [word for name in without for word in ("--without", name)]
    command = [sys.executable, "-m", "wangge", "bench", "loss", "--check", "--json", *words, *left_out]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=240)
    assert done.stdout, done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)


def test_nothing_is_lost_though_everything_is_killed() -> None:
    # Another file system under the ledger takes root.
    without = () if os.geteuid() == 0 else ("full-disk",)
    status, report = proved(without=without)  # as the README types it
    assert report["refusals"] == []
    assert status == 0
    assert (report["lost"], report["duplicates"]) == (0, 0)
    assert report["incidents"] >= 2000
    assert set(report["killed"]) == {f"{kill.role} {kill.what}" for kill in kinds()}, "each point killed at"
    assert report["kills_at_named_points"] >= 12
    assert report["kills"] >= 16
    assert report["commands_2xx"] > 0
    assert report["positions"] >= report["alerts"] + report["commands_2xx"]
    assert {each["fault"] for each in report["faults"]} == set(FAULTS) - set(without)
    assert report["in_flight"]["least"] >= 50
    assert report["sent_again"] <= 0.01
    assert report["upper_bound_95"]["loss_per_kill"] == 3 / report["kills"]
    assert {each["role"] for each in report["fsync"]} == {"source", "dispatcher", "api"}
    assert all(each["acknowledgements"] >= 12 and each["unflushed"] == 0 for each in report["fsync"])


def test_a_commit_that_is_not_on_disk_and_a_cursor_that_runs_ahead_are_found() -> None:
    words = ("--alerts", "300", "--kills", "3", "--seconds", "2", "--at", "before-ledger-commit")
    status, report = proved(*words, "--sabotage", "no-fsync", "--sabotage", "ack-before-commit", without=FAULTS)
    assert status == 1
    assert not report["holds"]
    assert report["lost"] > 0, "the cursor had passed what died with its dispatcher"
    assert report["upper_bound_95"] is None
    for each in report["fsync"]:
        assert each["acknowledgements"] > 0, each
        assert each["unflushed"] == each["acknowledgements"], each


@pytest.mark.parametrize("words", [("--alerts", "0"), ("--kills", "many"), ("--at", "nowhere"), ("--without", "care")])
def test_what_cannot_be_asked_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_arguments(words)
    assert ended.value.code == 2
    assert "usage: wangge bench loss" in capsys.readouterr().err


def test_who_breaks_it_off_leaves_no_server_behind() -> None:
    # Whoever starts the tests in the background has made them ignore Ctrl-C, and all that they start.
    words = ["env", "--default-signal=INT", sys.executable, "-m", "wangge", "bench", "loss", "--alerts", "1000"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as bench:
        assert bench.stderr is not None
        bench.stderr.readline()  # its Valkey is up by then
        bench.send_signal(signal.SIGINT)
        assert bench.wait(30) == 130
    until = time.monotonic() + 10
    while left := [state for state in _states(bench.pid) if state != "Z"]:  # they hear of it by a signal
        assert time.monotonic() < until, left
        time.sleep(0.1)


def _states(group: int) -> list[str]:
    """Of each process of the group: "R", "S", "Z"…"""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                found.append(state)
    return found
