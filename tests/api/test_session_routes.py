"""Signing in and out: cookie and token, CSRF, limits, and nothing that repeats a password."""

import httpx
import pytest
from world import PASSWORD, World

from models.people import SYSTEM, Role

OTHER = "another sentence for a test"


@pytest.fixture
def someone(world: World) -> str:
    name = f"someone-{world.new_key()['Idempotency-Key']}"
    world.services.registry.add_person(SYSTEM, name, name, PASSWORD, [(Role.OPERATOR, "N")])
    return name


def sign_in(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    return client.post("/v1/sessions", json={"username": username, "password": password})


def test_a_browser_signs_in_by_cookie_and_changes_things_with_its_csrf_token(world: World, someone: str) -> None:
    alert_id = world.raise_alert()
    body = {"type": "acknowledge", "expected_version": 1}
    with world.client(None) as browser:
        answer = sign_in(browser, someone)
        cookie = answer.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Secure" not in cookie
        me = browser.get("/v1/me").json()
        assert me["person"]["username"] == someone
        assert me["must_change_password"] is False
        send = lambda headers: browser.post(  # noqa: E731
            f"/v1/alerts/{alert_id}/commands", json=body, headers={**world.new_key(), **headers}
        )
        assert send({}).status_code == 403
        assert send({"X-CSRF-Token": "guessed"}).status_code == 403
        assert send({"X-CSRF-Token": "ü".encode()}).status_code == 403
        assert send({"X-CSRF-Token": me["csrf_token"]}).status_code == 200


def test_signing_out_ends_the_session_on_the_server(world: World, someone: str) -> None:
    with world.client(None) as client:
        token = sign_in(client, someone).json()["token"]
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/v1/me").status_code == 200
        assert client.delete("/v1/sessions/current").status_code == 204
        gone = client.get("/v1/me")
    assert (gone.status_code, gone.json()["code"]) == (401, "unauthenticated")
    assert gone.headers["www-authenticate"] == "Bearer"


def test_changing_the_password(world: World, someone: str) -> None:
    with world.client(None) as client:
        client.headers["Authorization"] = f"Bearer {sign_in(client, someone).json()['token']}"
        client.cookies.clear()
        change = lambda old, new: client.post("/v1/me/password", json={"old": old, "new": new})  # noqa: E731
        assert change("not the old one", OTHER).status_code == 422
        assert change(PASSWORD, "short").status_code == 422
        assert change(PASSWORD, OTHER).status_code == 204
        assert client.get("/v1/me").status_code == 200
        assert sign_in(client, someone).status_code == 401
        assert sign_in(client, someone, OTHER).status_code == 201


def test_guessing_is_slowed_down_per_account_without_telling_who_exists(world: World, someone: str) -> None:
    """From addresses that a proxy on this machine names, so that the address limit does not stop other tests."""
    with world.client(None) as client:

        def wrong(name: str, i: int) -> httpx.Response:
            body = {"username": name, "password": "wrong"}
            return client.post("/v1/sessions", json=body, headers={"X-Forwarded-For": f"203.0.113.{i}"})

        known = [wrong(someone, i) for i in range(6)]
        unknown = [wrong("nobody-of-that-name", i + 10) for i in range(6)]
    assert [answer.status_code for answer in known] == [401] * 5 + [429]
    assert [answer.status_code for answer in unknown] == [401] * 5 + [429]
    assert known[0].json() == unknown[0].json()
    assert int(known[5].headers["retry-after"]) > 200


@pytest.mark.parametrize(
    "body",
    [
        {"username": "operator", "password": ["hunter2-in-a-list"]},
        {"username": "operator", "password": {"hunter2": 1}},
        {"username": ["x"], "password": "hunter2"},
        {"username": "operator", "password": "hunter2" * 100},
        {"username": "operator", "password": "hunter2", "hunter2": 1},
    ],
)
def test_a_refused_password_is_never_repeated(world: World, body: object) -> None:
    with world.client(None) as client:
        answer = client.post("/v1/sessions", json=body)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text.replace('"where":"body.hunter2"', "")


def test_a_form_of_another_site_signs_nobody_in(world: World) -> None:
    """A cross-site form can send these types without asking first; JSON it cannot."""
    body = '{"username": "operator", "password": "' + PASSWORD + '"}'
    with world.client(None) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert client.post("/v1/sessions", content=body, headers={"Content-Type": kind}).status_code == 422
