"""Channels, webhooks and deliveries over HTTP: who may, and that nothing sealed comes out again."""

import random
import time
from typing import Any

import pytest
from browsers import Browser
from world import NORTH, SOUTH, World

from alerts import deliveries
from alerts.egress import Egress
from alerts.notify import Notifier
from models.people import SYSTEM, Role

SECRET = "sixteen characters and more"
ROBOT = {"kind": "apprise", "url": "ntfy://8.8.8.8/token-of-the-topic", "language": "en"}
Things = dict[str, str]


def hook(leaf: str, url: str = "https://8.8.8.8/token-of-the-hook") -> dict[str, Any]:
    return {"name": "hall", "grid_code": leaf, "url": url, "secret": SECRET}


@pytest.fixture
def things(world: World) -> dict[str, Things]:
    """In each leaf: someone's channel, a webhook, and a dead letter to it."""
    services = world.services
    notifier = Notifier(
        *(services.engine, services.registry, services.channels, services.webhooks),
        *(Egress(services.settings.egress_networks), time.time, random.random, 90 * 86_400.0),
    )
    made = {}
    for leaf, person in ((NORTH, "grid_worker"), (SOUTH, "south_worker")):
        owner = world.people[person]
        channel = services.channels.add(SYSTEM, owner, "apprise", ROBOT)
        webhook = services.webhooks.add(SYSTEM, "hall", leaf, "https://8.8.8.8/x", SECRET)
        alert_id = world.raise_alert(leaf)
        world.seal()
        while notifier.read():
            pass
        told = [r for r in deliveries.listed(services.engine, SYSTEM).items if r.target_id == webhook.id]
        (row,) = [r for r in told if r.topic == "detected"]
        for item in deliveries.claim(services.engine, time.time(), 100):
            deliveries.settle(services.engine, item, deliveries.DEAD, "it answers 500", time.time())
        made[leaf] = {
            "person": owner,
            "channel": channel.id,
            "webhook": webhook.id,
            "delivery": str(row.id),
            "alert": alert_id,
        }
    return made


@pytest.mark.parametrize("role", list(Role))
def test_only_administrators_and_only_in_their_own_grids(world: World, things: dict[str, Things], role: Role) -> None:
    wrong = []
    for leaf, mine in things.items():
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", f"/v1/people/{mine['person']}/channels", {}),
            ("POST", f"/v1/people/{mine['person']}/channels", {"json": ROBOT}),
            ("DELETE", f"/v1/people/{mine['person']}/channels/{mine['channel']}", {}),
            ("POST", "/v1/webhooks", {"json": hook(leaf)}),
            ("POST", f"/v1/deliveries/{mine['delivery']}/retry", {}),
            ("DELETE", f"/v1/webhooks/{mine['webhook']}", {}),
        ]
        with world.client(role.value) as client, world.client(None) as nobody:
            for method, path, more in calls:
                assert nobody.request(method, path, **more).status_code == 401
                status = client.request(method, path, **more).status_code
                if role is not Role.ADMIN:
                    fine = status == 403
                else:
                    fine = status in (200, 201, 204) if leaf == NORTH else status == 404
                if not fine:
                    wrong.append((leaf, method, path, status))
    assert wrong == []


def test_lists_hold_what_is_ours_and_no_secret(world: World, things: dict[str, Things]) -> None:
    north, south = things[NORTH], things[SOUTH]
    with world.client("admin") as admin:
        channels = admin.get(f"/v1/people/{north['person']}/channels")
        hooks, dead = admin.get("/v1/webhooks"), admin.get("/v1/deliveries", params={"state": "dead", "limit": 500})
        first = admin.get("/v1/deliveries", params={"limit": 1})
        figures = admin.get("/metrics").text
    for answer in (channels, hooks, dead):
        assert "token-of" not in answer.text
        assert SECRET not in answer.text
    assert "ntfy://…" in [channel["shown"] for channel in channels.json()["channels"]]
    assert north["webhook"] in hooks.text
    assert south["webhook"] not in hooks.text
    found = {item["alert_id"]: item for item in dead.json()["deliveries"]}
    assert found[north["alert"]]["said"] == "it answers 500"
    assert south["alert"] not in found
    assert 'rel="next"' in first.headers["link"]
    assert 'wangge_deliveries{purpose="webhook",reason="",state="dead"}' in figures


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://127.0.0.1/", "http://10.0.0.1/", "ftp://h/x"])
def test_where_messages_may_not_go_is_a_problem_that_repeats_nothing(world: World, url: str) -> None:
    with world.client("admin") as admin:
        answer = admin.post("/v1/webhooks", json=hook(NORTH, url))
    assert (answer.status_code, answer.json()["code"]) == (422, "egress_refused")
    assert url not in answer.text


def test_people_subscribe_their_own_browsers_and_nobody_elses(world: World) -> None:
    told = Browser("https://updates.push.services.mozilla.com/wpush/v2/token-of-the-browser").subscription
    body = {"endpoint": told["endpoint"], "keys": {"p256dh": told["p256dh"], "auth": told["auth"]}}
    path = "/v1/me/push-subscriptions"
    with world.client("auditor") as me, world.client("operator") as other, world.client(None) as nobody:
        assert nobody.post(path, json=body).status_code == 401
        assert len(me.get("/v1/push-key").json()["key"]) == 87
        made = me.post(path, json=body | {"expirationTime": None})
        assert (made.status_code, made.json()["shown"]) == (201, "updates.push.services.mozilla.com/…")
        assert me.post(path, json=body).json()["id"] == made.json()["id"]
        mine = me.get("/v1/me/channels")
        (own,) = (item for item in mine.json()["channels"] if item["id"] == made.json()["id"])
        assert (own["kind"], own["dead_at"]) == ("webpush", None)
        assert "token-of" not in mine.text + made.text
        one = f"{path}/{made.json()['id']}"
        assert nobody.delete(one).status_code == 401
        assert other.delete(one).status_code == 404
        assert me.delete(one).status_code == 204
        assert me.delete(one).status_code == 404
        for wrong in ({"endpoint": "https://example.com/x"}, {"keys": {"p256dh": "x", "auth": "y"}}, {"keys": None}):
            assert me.post(path, json=body | wrong).status_code == 422


@pytest.mark.parametrize(
    "change", [{"kind": "exec"}, {"url": "file:///etc/passwd"}, {"wait_s": 0}, {"language": "fr"}, {"headers": ["x"]}]
)
def test_a_channel_that_cannot_be_is_refused(world: World, change: dict[str, Any]) -> None:
    path = f"/v1/people/{world.people['grid_worker']}/channels"
    with world.client("admin") as admin:
        assert admin.post(path, json=ROBOT | change).status_code == 422
        assert admin.get("/v1/deliveries", params={"after": "x' OR 1=1"}).status_code == 422
