"""Hostile and wrong requests: each gets a problem document, none a 500."""

import json
import socket
from collections.abc import Iterator

import pytest
from world import NORTH, World

LEVELS = 900
"""Deep enough to break a recursive reader, shallow enough that json.loads takes it."""


@pytest.fixture
def alert_id(world: World) -> str:
    return world.raise_alert()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe\xfd", 400),
        (b"[" * 200_000, 400),
        (b'{"type": "acknowledge", "expected_version": 1e999}', 422),
        (b'{"type": "acknowledge", "expected_version": ' + b"9" * 5000 + b"}", 400),
        (b'{"type": "acknowledge", "expected_version": 99999999999999999999}', 422),
        (b'{"type": "acknowledge", "expected_version": -1}', 422),
        (b'{"type": "acknowledge", "expected_version": "1; DROP TABLE alerts"}', 422),
        (b'{"type": "explode", "expected_version": 1}', 422),
        (b'{"type": "note", "expected_version": 1, "arguments": {"text": NaN}}', 422),
        (b'{"type": "note", "expected_version": 1, "arguments": {"text": "\\ud800"}}', 422),
        (b'{"type": "note", "expected_version": 1, "arguments": {"\\ud800": "x"}}', 422),
        (b'{"type": "note", "expected_version": 1, "arguments": {"text": "\\u0000"}}', 422),
        (b'{"type": "note", "expected_version": 1, "arguments": {"text": 1' + b"0" * 400 + b"}}", 422),
        (
            b'{"type": "note", "expected_version": 1, "arguments": {"text": ' + b"[" * LEVELS + b"]" * LEVELS + b"}}",
            422,
        ),
        (b'{"type": "acknowledge", "expected_version": 1, "client_at": "2026-01-01T00:00:00"}', 422),
        (b'{"type": "acknowledge", "expected_version": 1, "client_at": "0001-01-01T00:00:00Z"}', 422),
        (b'{"type": "acknowledge", "expected_version": 1, "surprise": 1}', 422),
        (b'"' + b"x" * 2_000_000 + b'"', 413),
    ],
)
def test_a_hostile_command_is_refused(world: World, alert_id: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json", **world.new_key()}
    with world.client("operator") as client:
        answer = client.post(f"/v1/alerts/{alert_id}/commands", content=body, headers=headers)
        version = client.get(f"/v1/alerts/{alert_id}").json()["properties"]["version"]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert version == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/alerts?limit=-1",
        "/v1/alerts?limit=0",
        "/v1/alerts?limit=501",
        "/v1/alerts?limit=1e3",
        "/v1/alerts?limit=99999999999999999999999",
        "/v1/alerts?after=' OR 1=1 --",
        "/v1/alerts?after=nan~A",
        "/v1/alerts?after=1e999~A",
        "/v1/alerts?after=%00",
        "/v1/alerts?after=%ff%fe",
        "/v1/alerts?after=" + "x" * 501,
        "/v1/alerts?state=sideways",
        "/v1/alerts?severity=9",
        "/v1/alerts?grid=%00",
        "/v1/alerts?grid=N%25",
        "/v1/alerts/%00",
        "/v1/alerts/" + "x" * 100,
        "/v1/alerts/' OR 1=1 --",
        "/v1/grids/%00/queue",
        "/v1/grids?after=%00",
        "/v1/grids?under=_",
        f"/v1/grids/{NORTH}/queue?after=0~0~0",
        "/v1/cameras?after=%00",
        "/v1/cameras/%F0%9F",
        "/v1/people?after=%00",
        "/v1/evidence/../../../etc/passwd",
        "/v1/evidence/" + "A" * 64,
        "/v1/evidence/" + "0" * 64,
        "/v1/nothing",
    ],
)
def test_a_hostile_address_is_refused(world: World, path: str) -> None:
    with world.client("admin") as client:
        answer = client.get(path)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "code", "errors"}


@pytest.mark.parametrize("key", ["short", "x" * 129, "with blank in it", "tab\tin it", ""])
def test_a_key_that_is_none_is_refused(world: World, alert_id: str, key: str) -> None:
    body = {"type": "acknowledge", "expected_version": 1}
    with world.client("operator") as client:
        answer = client.post(f"/v1/alerts/{alert_id}/commands", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 422


def test_a_wrong_method_names_the_right_ones(world: World) -> None:
    with world.client("admin") as client:
        answer = client.delete("/v1/alerts")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_body_that_only_says_later_how_long_it_is_is_cut_off(world: World) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    with world.client("admin") as client:
        answer = client.post("/v1/people", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xff", b"[" * 100_000, b'{"type": "FeatureCollection", "features": {}}', b"NaN"],
)
def test_a_grid_file_that_is_none_is_refused(world: World, body: bytes) -> None:
    with world.client("admin") as client:
        answer = client.post("/v1/grids/import", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_grid_file_beyond_the_cap_is_not_read(world: World) -> None:
    """Declared larger than the cap: refused on its word, without taking the bytes."""
    host, port = world.base_url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/grids/import HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {world.tokens['admin']}\r\n"
        "Content-Length: 99999999\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), 5) as link, link.makefile("rb") as answer:
        link.sendall(head.encode())
        assert b" 413 " in answer.readline()


def test_strangers_do_not_make_us_read_their_files(world: World) -> None:
    """Who sends it is known before a grid file or a photo is read."""
    with world.client(None) as client:
        assert client.post("/v1/grids/import", content=b"x" * 1_000_000).status_code == 401
        assert client.post("/v1/alerts/x/evidence", files={"photo": b"x" * 10_000}).status_code == 401


@pytest.mark.parametrize(
    ("language", "chinese"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("en-GB,en;q=0.9,zh;q=0.1", False),
        ("en;q=0.3, zh;q=0.4", True),
        ("fr", False),
        ("", False),
        ("zh;q=banana", True),
        (",;q=,zh;" * 1000, True),
    ],
)
def test_titles_are_in_the_readers_language(world: World, language: str, chinese: bool) -> None:
    with world.client("admin") as client:
        answer = client.get("/v1/nothing", headers={"Accept-Language": language})
    assert answer.json()["title"] == ("未找到" if chinese else "Not found")
    assert json.loads(answer.content)["code"] == "not_found"
