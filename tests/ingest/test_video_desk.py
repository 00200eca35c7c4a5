"""The video desk's socket, asked by the API's own client and by hostile ones."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.video import VideoDesk
from ingest.desk import MAX_CONNECTIONS, Desk
from models.errors import CameraNotFound, Misconfigured, TooManyAttempts


def echo(fields: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    return {"ok": True, "cameras": {"cam1": {"state": "watching"}}, "asked": fields}, data


def refuse(_fields: Mapping[str, Any], _data: bytes) -> tuple[dict[str, Any], bytes]:
    raise CameraNotFound("no such path")


def wait(_fields: Mapping[str, Any], _data: bytes) -> tuple[dict[str, Any], bytes]:
    raise TooManyAttempts("later", 42)


def break_down(_fields: Mapping[str, Any], _data: bytes) -> tuple[dict[str, Any], bytes]:
    raise ZeroDivisionError


HANDLERS = {"status": echo, "mask": echo, "probe": refuse, "wait": wait, "broken": break_down}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Longer than a unix socket's address may be."""
    return tmp_path / ("a" * 120) / "run" / "video-desk.sock"


@pytest.fixture
def desk(path: Path) -> Iterator[Path]:
    with Desk(path, HANDLERS, request_s=0.5):
        yield path


def ask(path: Path, data: bytes, pause_s: float = 0.0) -> bytes:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
            client.sendall(data)
            time.sleep(pause_s)
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
            return answer
    finally:
        os.close(folder)


def code_of(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\n")[0])["code"])


def test_the_api_is_answered_with_facts_and_bytes(desk: Path) -> None:
    client = VideoDesk(desk)
    assert client.status().cameras == {"cam1": {"state": "watching"}}
    assert client.mask(b"photo" * 100_000).data == b"photo" * 100_000
    with pytest.raises(CameraNotFound, match="no such path"):
        client.probe("rtsp://10.0.0.1/")


def test_its_folder_is_its_owners_alone_and_it_is_gone_after(path: Path) -> None:
    with Desk(path, HANDLERS):
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_a_socket_that_a_killed_worker_left_is_taken_over(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    with Desk(path, HANDLERS):
        assert VideoDesk(path).status().cameras


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="video desk"), Desk(tmp_path / "file" / "x.sock", HANDLERS):
        pass


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"\n", "invalid_input"),
        (b"hello\n", "invalid_input"),
        (b"[]\n", "invalid_input"),
        (b"[" * 60_000 + b"\n", "invalid_input"),
        (b'{"op": "fly"}\n', "invalid_input"),
        (b'{"op": ["status"]}\n', "invalid_input"),
        (b'{"op": "mask", "bytes": -1}\n', "invalid_input"),
        (b'{"op": "mask", "bytes": true}\n', "invalid_input"),
        (b'{"op": "mask", "bytes": 1e3}\n', "invalid_input"),
        (b'{"op": "mask", "bytes": 10485761}\n', "too_large"),
        (b"x" * 70_000, "too_large"),
        (b'{"op": "broken"}\n', "error"),
    ],
)
def test_bad_requests_are_refused_with_a_code(desk: Path, request_bytes: bytes, code: str) -> None:
    assert code_of(ask(desk, request_bytes)) == code


def test_how_long_to_wait_is_said(desk: Path) -> None:
    assert json.loads(ask(desk, b'{"op": "wait"}\n'))["retry_after_s"] == 42


def test_slow_and_silent_clients_are_dropped_while_others_are_served(desk: Path) -> None:
    folder = os.open(desk.parent, os.O_RDONLY)
    slow = []
    try:
        for _ in range(MAX_CONNECTIONS - 1):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(5)
            client.connect(f"/proc/self/fd/{folder}/{desk.name}")
            client.sendall(b'{"op": "mask", "bytes": 100}\nonly this')
            slow.append(client)
        assert VideoDesk(desk).status().cameras
        assert [client.recv(1000) for client in slow] == [b""] * len(slow)
    finally:
        for client in slow:
            client.close()
        os.close(folder)


def test_one_who_only_looks_whether_it_listens_hurts_nobody(desk: Path) -> None:
    for _ in range(3 * MAX_CONNECTIONS):
        folder = os.open(desk.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"/proc/self/fd/{folder}/{desk.name}")
        os.close(folder)
        time.sleep(0.002)
    assert VideoDesk(desk).status().cameras
