"""Live events: only one's own, resumed without a gap over a kill of the API, ended when the sign-in ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sse import Heard, stream
from world import NORTH, PASSWORD, SOUTH, World

from api.live import MOST_OWN_STREAMS


def test_a_stream_tells_what_happens_in_ones_own_district_only(world: World) -> None:
    world.seal()  # what other tests left
    with world.client("operator") as client, stream(client) as events:
        ready = next(events)
        hidden, shown = world.raise_alert(SOUTH), world.raise_alert(NORTH)
        world.seal()
        first = next(events)
    assert ready.event == "ready"
    assert (first.event, first.data["alert_id"], first.data["type"]) == ("alert", shown, "detected")
    assert first.data["alert"]["grid_code"] == NORTH
    assert int(first.id) == first.data["position"] == int(ready.id) + 2
    with world.client("south_operator") as client, stream(client, params={"after": ready.id}) as events:
        assert next(events).event == "ready"
        assert next(events).data["alert_id"] == hidden


@pytest.mark.parametrize("wrong", ["-1", "abc", "1" * 30, "1.5"])
def test_an_id_that_no_stream_sent_is_refused(world: World, wrong: str) -> None:
    with world.client("operator") as client:
        answer = client.get("/v1/events", headers={"Last-Event-ID": wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_an_id_from_beyond_the_log_says_reset(world: World) -> None:
    """After a restore from a backup, clients hold positions that are not there yet: waiting for them loses events."""
    world.seal()
    with (
        world.client("operator") as client,
        stream(client, headers={"Last-Event-ID": "999999999"}) as events,
    ):
        reset = next(events)
        alert_id = world.raise_alert()
        world.seal()
        assert next(events).data["alert_id"] == alert_id
    assert reset.event == "reset"


def test_a_stream_ends_soon_after_its_sign_in_does(world: World) -> None:
    with httpx.Client(base_url=world.base_url, trust_env=False) as client:
        session = client.post("/v1/sessions", json={"username": "verifier", "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {session['token']}"
        with stream(client) as events:
            assert next(events).event == "ready"
            began_s = time.monotonic()
            assert client.delete("/v1/sessions/current").status_code == 204
            assert list(events) == []
    assert time.monotonic() - began_s < 5


def test_one_person_cannot_take_all_streams(world: World) -> None:
    with ExitStack() as open_streams:
        client = open_streams.enter_context(world.client("auditor"))
        screens = [open_streams.enter_context(stream(client)) for _ in range(MOST_OWN_STREAMS)]
        assert {next(events).event for events in screens} == {"ready"}
        refused = client.get("/v1/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        with world.client("operator") as other, stream(other) as events:
            assert next(events).event == "ready"


def test_a_signed_out_token_opens_no_stream(world: World) -> None:
    with world.client(None) as client:
        assert client.get("/v1/events").status_code == 401
        assert client.get("/v1/events", params={"token": world.tokens["operator"]}).status_code == 401


def start_api(data: Path, port: int) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "WANGGE_DATA": str(data), "WANGGE_PORT": str(port)}
    api = subprocess.Popen([sys.executable, "-m", "api"], env=environ, stderr=subprocess.PIPE)
    for _ in range(200):
        with httpx.Client(trust_env=False) as client:
            try:
                client.get(f"http://127.0.0.1:{port}/healthz")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return api
    api.kill()
    raise AssertionError(api.communicate()[1].decode())


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


def heard_until_away(client: httpx.Client, after: str, wanted: int) -> list[Heard]:
    """All events up to so many new alerts; others, as that alerts were grouped, come between."""
    heard: list[Heard] = []
    with stream(client, headers={"Last-Event-ID": after}) as events:
        for event in events:
            if event.event == "alert":
                heard.append(event)
            if sum(item.data["type"] == "detected" for item in heard) == wanted:
                break
    return heard


def test_a_killed_api_is_resumed_without_gap_or_repeat_and_ends_at_once_when_asked(world: World) -> None:
    port = free_port()
    data = world.services.settings.data
    world.seal()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {world.tokens['operator']}"
        api = start_api(data, port)
        with api:
            with stream(client) as events:
                after = next(events).id
            first = [world.raise_alert() for _ in range(3)]
            world.seal()
            heard = heard_until_away(client, after, 2)
            api.kill()
        second = [world.raise_alert() for _ in range(3)]
        world.seal()
        with start_api(data, port) as api:
            heard += heard_until_away(client, heard[-1].id, 4)
            with stream(client) as events:
                next(events)
                api.send_signal(signal.SIGTERM)
                began_s = time.monotonic()
                assert list(events) == []
                assert api.wait(5) == 0
            assert time.monotonic() - began_s < 3
    detected = [event.data["alert_id"] for event in heard if event.data["type"] == "detected"]
    assert detected == first + second
    assert [int(event.id) for event in heard] == list(range(int(heard[0].id), int(heard[0].id) + len(heard)))


def test_a_taken_port_is_named_with_its_setting(world: World) -> None:
    port = world.base_url.rpartition(":")[2]
    environ = {**os.environ, "WANGGE_DATA": str(world.services.settings.data), "WANGGE_PORT": port}
    command = [sys.executable, "-m", "api"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "WANGGE_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
