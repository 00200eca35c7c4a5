"""The demo as people run it: the command line, real footage, a real RTSP server, a real Valkey, real HTTP."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import family, left_of

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["acknowledged", "dispatched", "claimed", "accepted", "arrived", "noted", "handled", "verified", "closed"]


@contextmanager
def demo(data: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``wangge demo`` on that data directory and any free port. Whatever happens, nothing of it is left behind."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    # Whoever starts the tests in the background has made them ignore Ctrl-C, and all that they start.
    running = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "wangge", "demo", *arguments],
        cwd=ROOT,
        env={**outside, "WANGGE_DATA": str(data), "WANGGE_PORT": "0", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        everyone = family(running.pid)
        running.kill()
        for seen in left_of(everyone, within_s=2):
            os.kill(seen.pid, signal.SIGKILL)
        running.communicate()


def read_until(running: subprocess.Popen[str], words: str, within_s: float) -> str:
    """What it printed up to a line with those words. Fails with all of it if they never come."""
    assert running.stdout is not None
    said, until = "", time.monotonic() + within_s
    for line in running.stdout:
        said += line
        if words in line:
            return said
        if time.monotonic() > until:
            break
    pytest.fail(f"{words!r} was not said:\n{said}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, vtest: Path) -> Path:
    """One data directory for the starts in this file, which run one after the other: the later ones are warm."""
    assert vtest
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def closed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the headless demo wrote down, once its process is over and nothing of it is left."""
    file = tmp_path_factory.mktemp("trip") / "trip.json"
    with demo(data, "--headless", "--timeout", "60", "--json", str(file)) as running:
        said = read_until(running, "waiting for pixels", within_s=60)
        everyone = family(running.pid)
        rest, _ = running.communicate(timeout=60)
        assert running.returncode == 0, said + rest
        assert len(everyone) >= 7, "demo, Valkey, cameras, dispatcher, worker and its child, API"
        assert left_of(everyone, within_s=1) == []
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def test_pixels_raise_an_alert_and_three_people_close_it(closed: dict[str, Any]) -> None:
    alert = closed["alert"]["properties"]
    assert alert["state"] == "closed"
    assert alert["kind"] == "crowding"
    assert alert["verified_by"] not in (None, alert["handled_by"])
    assert alert["measure"]["calibrated"] is True
    assert alert["measure"]["persons"] >= 3
    told = [event["type"] for event in closed["events"] if event["type"] not in ("seen_again", "scene_clear")]
    assert told == ["detected", *STEPS]
    assert [event["version"] for event in closed["events"]] == list(range(1, len(closed["events"]) + 1))


def test_the_alert_comes_within_thirty_seconds_of_the_start(closed: dict[str, Any]) -> None:
    stages = closed["stages"]
    assert stages["start_to_ready_s"] + stages["ready_to_alert_s"] < 30


def test_the_evidence_is_masked_and_says_nothing_of_where_the_photo_was_taken(closed: dict[str, Any]) -> None:
    kinds = {item["sha256"]: item for item in closed["evidence"]}
    assert len(kinds) >= 2, "a still of the scene and the worker's photo"
    assert not any(item["holds_exif"] for item in kinds.values())
    photo = closed["photo"]
    assert photo["kept_sha256"] in kinds
    assert photo["kept_sha256"] != photo["taken_sha256"]


def test_what_is_kept_is_what_was_read_over_http(closed: dict[str, Any], data: Path) -> None:
    stored = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (data / "evidence").rglob("*") if path.is_file()
    }
    assert {item["sha256"] for item in closed["evidence"]} <= stored


def test_ctrl_c_ends_everything(closed: dict[str, Any], data: Path) -> None:
    assert closed
    with demo(data) as running:
        said = read_until(running, "camera demo-plaza-1: watching", within_s=30)
        assert "demo-operator" in said
        everyone = family(running.pid)
        asked_at = time.monotonic()
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=10)
        assert running.returncode == 0, rest
        assert time.monotonic() - asked_at < 6
        assert left_of(everyone, within_s=0.5) == []
        assert "Traceback" not in said + rest


def test_a_supervisor_that_is_killed_leaves_nobody_behind(closed: dict[str, Any], data: Path) -> None:
    assert closed
    with demo(data) as running:
        read_until(running, "camera demo-plaza-1: watching", within_s=30)
        everyone = family(running.pid)
        assert len(everyone) >= 7
        running.kill()
        running.communicate(timeout=5)
        assert left_of(everyone, within_s=3) == []


def test_what_cannot_be_played_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("not a video")
    with demo(tmp_path / "data", "--headless", "--footage", str(tmp_path / "words.mp4")) as running:
        said, _ = running.communicate(timeout=20)
    assert running.returncode == 1
    assert "no video file that can be read" in said.replace("\n", " ")
    assert "Traceback" not in said
