"""Connections that never finish what they began: closed in time, while those that work are left alone."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from api.__main__ import listen
from api.patience import Patient

HEADERS_S, BODY_S = 0.4, 0.8


class Hasty(Patient):
    headers_s, body_s = HEADERS_S, BODY_S


async def slow_reader(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, then answers slowly: how long *we* take is not the other side's fault."""
    assert scope["type"] == "http"
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    await asyncio.sleep(2 * BODY_S if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listen("127.0.0.1", 0) as link:
        config = uvicorn.Config(slow_reader, http=Hasty, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [link]})
        thread.start()
        yield int(link.getsockname()[1])
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def closed_after_s(link: socket.socket, drip: bytes = b"") -> float:
    """How long until the server ends the connection, while one more byte comes every 0.1 s."""
    began_s = time.monotonic()
    link.settimeout(0.1)
    while time.monotonic() - began_s < 5:
        try:
            if drip:
                link.sendall(drip)
            if link.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - began_s


@pytest.mark.parametrize(
    ("first", "drip", "least_s"),
    [
        (b"", b"", HEADERS_S),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"y", HEADERS_S),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"y", BODY_S),
    ],
)
def test_what_never_ends_is_closed_however_steadily_it_drips(
    port: int, first: bytes, drip: bytes, least_s: float
) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(first)
        assert least_s - 0.1 < closed_after_s(link, drip) < least_s + 2


def test_the_second_request_of_a_connection_has_no_more_time_than_the_first(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(1000).startswith(b"HTTP/1.1 200")
        link.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert closed_after_s(link, b"y") < HEADERS_S + 2


def test_who_waits_for_our_answer_or_between_requests_is_left_alone(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        for path in (b"/slow", b"/", b"/slow"):
            link.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
            time.sleep(0.05)
            link.sendall(b"yy")
            answer = b""
            while not answer.endswith(b"ok") and (part := link.recv(1000)):  # headers and body may come apart
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(2 * HEADERS_S)
