"""Logging: one JSON line per event, no secrets, and repeats told once per period."""

import errno
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from models.logs import Repeats, configure, hide_user_info


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own would be closed by configure
    stream = io.StringIO()
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line(stream: io.StringIO) -> None:
    configure("info", stream)
    structlog.get_logger().info("摄像机上线", camera_id="01A", frames=3, text="two\nlines")
    structlog.get_logger().debug("not shown")
    (line,) = lines(stream)
    assert {key: line[key] for key in ("event", "level", "camera_id", "frames", "text")} == {
        "event": "摄像机上线",
        "level": "info",
        "camera_id": "01A",
        "frames": 3,
        "text": "two\nlines",
    }
    assert line["at"].endswith("Z")
    assert "摄像机上线" in stream.getvalue()


def test_libraries_come_out_the_same_way(stream: io.StringIO) -> None:
    configure("warning", stream)
    logging.getLogger("uvicorn.error").warning("cannot reach %s", "redis://:hunter2@r:6379/0")
    logging.getLogger("uvicorn.error").info("not shown")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == (
        "cannot reach redis://***@r:6379/0",
        "warning",
        "uvicorn.error",
    )


def test_user_names_and_passwords_in_urls_are_hidden_also_in_tracebacks(stream: io.StringIO) -> None:
    configure("info", stream)
    log = structlog.get_logger()
    log.info(
        "at rtsp://viewer:hunter2@10.0.0.1/a",
        url="rtsps://viewer:hunt@er2@[fd00::1]:322/b",
        error=ValueError("x://u:hunter2@h"),
    )
    try:
        raise OSError("no route to rtsp://viewer:hunter2@10.0.0.1/")
    except OSError:
        log.exception("failed")
        logging.getLogger("lib").exception("failed too")
    assert len(lines(stream)) == 3
    for secret in ("hunter2", "hunt@", "er2@", "viewer"):
        assert secret not in stream.getvalue()
    assert "no route to rtsp://***@10.0.0.1/" in stream.getvalue()


def test_locals_of_a_traceback_are_not_told(stream: io.StringIO) -> None:
    configure("info", stream)

    def fail(password: str) -> None:
        raise RuntimeError(f"failed with {len(password)} characters")

    try:
        fail("hunter2")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert "7 characters" in stream.getvalue()
    assert stream.getvalue().count("hunter2") <= 1  # the line of source above, not a value


@pytest.mark.parametrize("secret", ["12/34", "a/b@c", "pa#ss/x?y"])
def test_a_password_with_a_slash_is_hidden_as_well(secret: str) -> None:
    assert hide_user_info(f"to rtsp://admin:{secret}@10.0.0.1/ch1 failed") == "to rtsp://***@10.0.0.1/ch1 failed"


class Disk(io.StringIO):
    """A log file; ``full`` makes it refuse."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_and_says_how_many_but_ends_nothing(stream: io.StringIO) -> None:
    assert stream.getvalue() == ""
    disk = Disk()
    configure("info", disk)
    disk.full = True
    structlog.get_logger().info("lost")
    logging.getLogger("lib").warning("lost too")
    disk.full = False
    structlog.get_logger().info("kept")
    said = [json.loads(line) for line in disk.getvalue().splitlines() if line]
    assert [(line["event"], line.get("lines")) for line in said] == [("log lines were lost", 2), ("kept", None)]


@pytest.mark.parametrize("text", ["mail to a@b.cn", "rtsp://10.0.0.1/a@b", "no url: x@y"])
def test_other_at_signs_stay(text: str) -> None:
    assert hide_user_info(text) == text


def test_repeats_are_told_at_once_then_once_a_period_and_when_over() -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    repeats = Repeats(lambda event, **about: said.append((event, about)), "redis away", period_s=60.0)
    repeats.well()
    for second in range(100):
        repeats.failed(1000.0 + second, f"refused {second}", host="r")
    assert said == [
        ("redis away", {"times": 1, "last": "refused 0", "host": "r"}),
        ("redis away", {"times": 60, "last": "refused 60", "host": "r"}),
    ]
    repeats.well(host="r")
    repeats.well(host="r")
    assert said[2:] == [("redis away: over", {"times": 39, "last": "refused 99", "host": "r"})]
    repeats.failed(1101.0, TimeoutError("slow"))
    assert said[3:] == [("redis away", {"times": 1, "last": "TimeoutError: slow"})]
