"""The real child program, with the model that ships: watching our simulator, and its two jobs."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detectors.calibration import sample_from_json
from ingest.child import open_eyes
from ingest.footage import Footage
from ingest.images import check_picture
from ingest.messages import camera_to_json, source_to_json
from ingest.pipes import Message, encode
from ingest.shards import Shard, do_job
from ingest.simulator import Fault, Served
from models.camera import Credentials
from models.errors import ModelRefused
from tests.detectors.tiny_models import tiny_nanodet, write_zoo
from tests.ingest.worker_samples import camera, eventually
from tests.servers import RunningSimulator, run_simulator

CHILD = (sys.executable, "-m", "ingest.child")
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}
SETTINGS = {
    "zoo": None,
    "detector": "nanodet-g-416",
    "tiles": "1x1",
    "face_model": None,
    "density_model": None,
    "change_model": "change-320k",
    "providers": ["cpu"],
    "networks": "127.0.0.0/8",
    "log_level": "error",
}
ACCOUNT = Credentials("admin", "s3cret")


@pytest.fixture(scope="module")
def plaza(footage: dict[str, Footage]) -> Iterator[RunningSimulator]:
    streams = {
        "plaza": Served(footage["h264"]),
        "locked": Served(footage["h264"], account=ACCOUNT),
        "moved": Served(footage["h264"], fault=Fault.REDIRECT),
    }
    with run_simulator(streams) as simulator:
        yield simulator


def shard_with(settings: dict[str, Any]) -> Shard:
    return Shard(CHILD, ENVIRONMENT, encode("start", {"settings": settings}), 0.0)


def wait_for(shard: Shard, op: str, within_s: float = 15.0) -> Message:
    def heard() -> bool:
        shard.flush()
        shard.read(0.0)
        return any(message.op == op for message in shard.inbox)

    assert eventually(heard, within_s), f"no {op} came, but {[message.op for message in shard.inbox]}"
    return next(message for message in shard.inbox if message.op == op)


def test_it_watches_and_shows(plaza: RunningSimulator) -> None:
    shard = shard_with(SETTINGS)
    try:
        wait_for(shard, "ready")
        point = dataclasses.replace(camera(), source=plaza.url("plaza"))
        lost = dataclasses.replace(camera("cam2"), source=plaza.url("locked"))
        for order in (point, lost):
            shard.send(encode("watch", {"camera": camera_to_json(order), "attempt": 1, "rules": {}}))
        wait_for(shard, "pictured")
        failed = wait_for(shard, "failed").fields
        assert (failed["camera_id"], failed["code"]) == ("cam2", "camera_unauthorised")
        assert wait_for(shard, "observed").fields["rules"]["version"] == 1
        shard.send(encode("picture", {"request": 3, "camera_id": "cam1"}))
        answer = wait_for(shard, "answer")
        assert answer.fields["request"] == 3
        assert check_picture(answer.blobs[0]) == (320, 240)
        shard.inbox.clear()
        shard.send(encode("sample", {"request": 4, "camera_id": "cam1"}))
        sampled = sample_from_json(wait_for(shard, "answer").fields["sample"])
        assert (sampled.width_px, sampled.model.split("@")[0]) == (320, "nanodet-g-416")
    finally:
        shard.end()


def test_it_leaves_no_memory_on_disk_and_ends_when_its_stdin_does() -> None:
    with subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(encode("start", {"settings": SETTINGS}))
        process.stdin.flush()
        assert process.stdout.read(4)
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        assert next(line for line in limits if line.startswith("Max core")).split()[4:6] == ["0", "0"]
        process.stdin.close()
        began_s = time.monotonic()
        assert process.wait(5) == 0
        assert time.monotonic() - began_s < 2


def test_a_model_that_there_is_not_is_said() -> None:
    shard = shard_with(SETTINGS | {"detector": "no-such-model"})
    try:
        refused = wait_for(shard, "refused")
        assert refused.fields["code"] == "model_refused"
        assert "no-such-model" in refused.fields["message"]
        assert eventually(lambda: not shard.read(0.0))
    finally:
        shard.end()


def test_a_probe_finds_what_a_camera_sends(plaza: RunningSimulator) -> None:
    job = encode("probe", {"settings": SETTINGS, "source": source_to_json(plaza.url("locked", ACCOUNT))})
    found = do_job(CHILD, ENVIRONMENT, job, 20.0)
    facts = {name: found.fields[name] for name in ("ok", "codec", "width_px", "height_px", "warnings")}
    assert facts == {"ok": True, "codec": "h264", "width_px": 320, "height_px": 240, "warnings": []}
    assert found.fields["gop_s"] == pytest.approx(1.0, abs=0.2)
    assert check_picture(found.blobs[0]) == (320, 240)


@pytest.mark.parametrize(
    ("name", "networks", "code"),
    [
        ("moved", "127.0.0.0/8", "camera_redirected"),
        ("nowhere", "127.0.0.0/8", "camera_not_found"),
        ("plaza", "10.0.0.0/8", "camera_address_not_allowed"),
    ],
)
def test_a_probe_that_fails_says_why(plaza: RunningSimulator, name: str, networks: str, code: str) -> None:
    settings = SETTINGS | {"networks": networks}
    job = encode("probe", {"settings": settings, "source": source_to_json(plaza.url(name, ACCOUNT))})
    told = do_job(CHILD, ENVIRONMENT, job, 20.0).fields
    assert (told["ok"], told["code"]) == (False, code)
    assert "s3cret" not in told["message"]


def test_a_photo_is_masked_made_smaller_and_loses_what_came_with_it() -> None:
    done, data = cv2.imencode(".jpg", np.full((1500, 3000, 3), 128, np.uint8))
    assert done
    jpeg = data.tobytes()
    comment = b"\xff\xfe\x00\x10taken at home."
    masked = do_job(CHILD, ENVIRONMENT, encode("mask", {"settings": SETTINGS}, [jpeg[:2] + comment + jpeg[2:]]), 20.0)
    assert check_picture(masked.blobs[0]) == (2048, 1024)
    assert b"home" not in masked.blobs[0]
    broken = do_job(CHILD, ENVIRONMENT, encode("mask", {"settings": SETTINGS}, [jpeg[:30]]), 20.0)
    assert (broken.fields["ok"], broken.fields["code"]) == (False, "invalid_input")


def test_a_model_for_each_use(tmp_path: Path) -> None:
    """The detector finds white squares; the same network is the face model here."""
    zoo = write_zoo(tmp_path, tiny_nanodet().SerializeToString(), labels=["person", "face"])
    settings = SETTINGS | {"zoo": str(zoo), "detector": "tiny", "face_model": "tiny"}
    eyes = open_eyes(settings)
    assert eyes.faces is not None
    assert eyes.crowds is None
    bgr = np.zeros((64, 64, 3), np.uint8)
    bgr[16:24, 16:24] = 255
    shown = cv2.imdecode(np.frombuffer(eyes.masked_still(bgr), np.uint8), cv2.IMREAD_COLOR)
    assert shown.max() < 200
    with pytest.raises(ModelRefused, match="gives boxes, but density is needed"):
        open_eyes(settings | {"density_model": "tiny"})
