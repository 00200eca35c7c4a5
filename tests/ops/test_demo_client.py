"""The demo's client against a small HTTP server that answers what the test wrote down."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from ops.demo_client import ApiRefused, Client, TripFailed

Answer = tuple[int, str, bytes]


def said(status: int, body: dict[str, Any]) -> Answer:
    return status, "application/json", json.dumps(body).encode()


class Desk:
    """Answers each path with its next answer, the last one for ever; keeps what was asked."""

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    def answer(self, path: str) -> Answer:
        left = self.answers[path]
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            desk.asked.append((f"{self.command} {self.path}", dict(self.headers), body))
            status, media_type, answer = desk.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def signed_out(desk: Desk, patience_s: float = 5.0) -> Iterator[Client]:
    with serving(desk) as url, Client(url, "operator", "x", patience_s) as client:
        yield client


def test_a_signed_in_client_sends_its_token_and_never_its_password_again() -> None:
    desk = Desk({"/v1/sessions": [said(201, {"token": "t1"})], "/v1/me": [said(200, {"id": "p1"})]})
    with serving(desk) as url, Client(url, "operator", "pass-word-1234") as client:
        client.sign_in()
        assert client.get("/v1/me") == {"id": "p1"}
    _, headers, body = desk.asked[1]
    assert headers["Authorization"] == "Bearer t1"
    assert b"pass-word" not in body


def test_an_api_that_is_away_for_a_moment_is_asked_again() -> None:
    desk = Desk({"/v1/me": [said(503, {}), said(429, {}), said(200, {"id": "p1"})]})
    with signed_out(desk) as client:
        assert client.get("/v1/me") == {"id": "p1"}
    assert len(desk.asked) == 3


def test_patience_ends_with_what_was_last_said() -> None:
    desk = Desk({"/v1/me": [said(503, {"detail": "the database is busy"})]})
    with signed_out(desk, patience_s=0.2) as client, pytest.raises(TripFailed, match="the database is busy"):
        client.get("/v1/me")


def test_an_api_that_is_gone_is_told_as_such() -> None:
    with serving(Desk({})) as url:
        pass
    with Client(url, "operator", "x", patience_s=0.0) as client, pytest.raises(TripFailed, match="ConnectError"):
        client.get("/v1/me")


def test_a_no_is_told_with_its_reason() -> None:
    desk = Desk({"/v1/me": [said(403, {"code": "forbidden", "detail": "this needs audit:read"})]})
    with signed_out(desk) as client, pytest.raises(ApiRefused, match="forbidden: this needs audit:read") as refused:
        client.get("/v1/me")
    assert refused.value.status == 403


def test_an_answer_that_is_not_json_is_still_a_sentence() -> None:
    desk = Desk({"/v1/me": [(500, "text/html", b"<h1>oh</h1>")]})
    with signed_out(desk) as client, pytest.raises(ApiRefused, match="500 : no reason given"):
        client.get("/v1/me")


def test_a_command_that_came_too_late_looks_again_and_uses_a_new_key() -> None:
    desk = Desk(
        {
            "/v1/alerts/a": [said(200, {"properties": {"version": 3}}), said(200, {"properties": {"version": 4}})],
            "/v1/alerts/a/commands": [said(409, {"code": "stale_version"}), said(200, {"version": 5})],
        }
    )
    with signed_out(desk) as client:
        assert client.command("a", "acknowledge", lambda alert: {"saw": alert["version"]}) == {"version": 5}
    sent = [(headers["Idempotency-Key"], json.loads(body)) for what, headers, body in desk.asked if "commands" in what]
    assert [(body["expected_version"], body["arguments"]) for _, body in sent] == [(3, {"saw": 3}), (4, {"saw": 4})]
    assert sent[0][0] != sent[1][0]


def test_the_live_stream_is_read_event_by_event() -> None:
    stream = b': hello\n\nid: 7\nevent: alert\ndata: {"a":\ndata: 1}\n\n: beat\n\nid: 8\ndata: {"a": 2}\n\nid: 9\n\n'
    desk = Desk({"/v1/events": [(200, "text/event-stream", stream)]})
    with signed_out(desk) as client, client.events("6", read_timeout_s=5) as events:
        assert [(event.id, event.data) for event in events] == [("7", {"a": 1}), ("8", {"a": 2})]
    assert desk.asked[0][1]["Last-Event-ID"] == "6"


def test_a_stream_that_is_refused_says_why() -> None:
    desk = Desk({"/v1/events": [said(401, {"code": "unauthenticated", "detail": "sign in first"})]})
    with (
        signed_out(desk) as client,
        pytest.raises(ApiRefused, match="sign in first"),
        client.events("", read_timeout_s=5),
    ):
        pass
