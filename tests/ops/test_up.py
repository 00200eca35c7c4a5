"""``wangge up``, the real product as its owner starts it: ready, looked over by the doctor, ended by SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_ready_found_sound_and_ends_on_sigterm_leaving_nobody(tmp_path: Path) -> None:
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "WANGGE_DATA": str(tmp_path / "data"), "WANGGE_PORT": "0"}

    def wangge(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-P", "-m", "wangge", *words]
        return subprocess.run(line, env=environ | more, cwd=tmp_path, capture_output=True, text=True, check=False)

    with subprocess.Popen(
        [sys.executable, "-P", "-m", "wangge", "up", "--json"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        try:
            assert up.stdout is not None
            events = (json.loads(line) for line in up.stdout)
            url = next(event["url"] for event in events if event["event"] == "ready")
            port = str(urlsplit(url).port)

            second = wangge("up")
            assert second.returncode == 1
            assert f"already (process {up.pid})" in second.stderr

            found = {}
            end_s = time.monotonic() + 20
            while time.monotonic() < end_s:
                found = {one["check"]: one for one in json.loads(wangge("doctor", "--json", WANGGE_PORT=port).stdout)}
                if all(one["level"] != "fail" for one in found.values()):
                    break
            assert {"ready: database", "ready: redis", "ready: dispatcher", "ready: camera worker"} <= found.keys()
            assert [one for one in found.values() if one["level"] == "fail"] == []

            own = children_of(up.pid)
            assert len(own) >= 4
            began_s = time.monotonic()
            up.send_signal(signal.SIGTERM)
            assert up.wait(10) == 0
            assert time.monotonic() - began_s < 5
            assert [pid for pid in own if Path(f"/proc/{pid}").exists()] == []
        finally:
            up.kill()


def children_of(pid: int) -> list[int]:
    """Its children and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children_of(child)]
    return found
