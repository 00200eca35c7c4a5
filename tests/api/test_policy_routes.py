"""Clocks and working time over HTTP: what holds, changing it, and what an alert shows of it."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from world import NORTH, World


@pytest.fixture
def clean(world: World) -> Any:
    """The shared world, with the northern leaf's own policy and calendar taken back afterwards."""
    yield world
    with world.client("admin") as admin:
        admin.put(f"/v1/grids/{NORTH}/policies", json={"rules": []}).raise_for_status()
        admin.delete(f"/v1/grids/{NORTH}/calendar").raise_for_status()


def ack(rules: list[dict[str, Any]], kind: str = "*") -> dict[str, Any]:
    return next(rule for rule in rules if (rule["kind"], rule["severity"], rule["stage"]) == (kind, 2, "ack"))


def test_a_grids_own_policy_sets_the_clock_of_its_next_alert(clean: World) -> None:
    before = clean.raise_alert()
    with clean.client("admin") as admin:
        rules = admin.get(f"/v1/grids/{NORTH}/policies").json()["rules"]
        assert ack(rules) | {"severity": 2} == {
            "kind": "*", "severity": 2, "stage": "ack", "amount": 300.0, "unit": "s", "policy": "default",
        }  # fmt: skip
        own = [{"kind": "crowding", "severity": 2, "stage": "ack", "amount": 60}]
        rules = admin.put(f"/v1/grids/{NORTH}/policies", json={"rules": own}).json()["rules"]
        assert ack(rules, "crowding")["policy"].startswith(f"{NORTH}/crowding@")
        assert ack(rules)["amount"] == 300
    with clean.client("operator") as operator:
        old, new = (
            operator.get(f"/v1/alerts/{alert_id}").json()["properties"] for alert_id in (before, clean.raise_alert())
        )
    assert [item["stage_clock"]["amount"] for item in (old, new)] == [300, 60]
    started, due = (datetime.fromisoformat(new["stage_clock"][name]) for name in ("started_at", "due_at"))
    assert (due - started).total_seconds() == 60
    assert (new["sla_light"], new["whole_clock"]["stage"]) == ("green", "whole")


def test_a_calendar_of_its_own(clean: World) -> None:
    with clean.client("admin") as admin:
        assert admin.get(f"/v1/grids/{NORTH}/calendar").json()["grid_code"] is None
        body = {"hours": [[480, 1200]], "days_off": ["2027-02-12"], "days_on": ["2027-02-14"]}
        shown = admin.put(f"/v1/grids/{NORTH}/calendar", json=body).json()
        assert (shown["grid_code"], shown["hours"], shown["days_on"]) == (NORTH, [[480, 1200]], ["2027-02-14"])
        assert list(shown["makeup_days_known"]) == [str(datetime.now(UTC).year + n) for n in (0, 1)]
        assert admin.delete(f"/v1/grids/{NORTH}/calendar").json()["grid_code"] is None


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("policies", {"rules": [{"severity": 2, "stage": "ack", "amount": 0}]}),
        ("policies", {"rules": [{"severity": 2, "stage": "ack", "amount": 1e9}]}),
        ("policies", {"rules": [{"severity": 9, "stage": "ack", "amount": 1}]}),
        ("policies", {"rules": [{"severity": 2, "stage": "lunch", "amount": 1}]}),
        ("policies", {"rules": [{"kind": "no_such", "severity": 2, "stage": "ack", "amount": 1}]}),
        ("policies", {"rules": [{"severity": 2, "stage": "ack", "amount": 1}] * 2}),
        ("policies", {"rules": [{"severity": 2, "stage": "ack"}]}),
        ("calendar", {"zone": "Asia/Atlantis"}),
        ("calendar", {"zone": "../../../etc/passwd"}),
        ("calendar", {"country": "QQ"}),
        ("calendar", {"weekdays": [9]}),
        ("calendar", {"hours": [[600, 500]]}),
        ("calendar", {"hours": [[0, 99999]]}),
        ("calendar", {"days_off": ["2027-02-30"]}),
    ],
)
def test_what_nobody_can_keep_is_refused(clean: World, what: str, body: dict[str, Any]) -> None:
    with clean.client("admin") as admin:
        answer = admin.put(f"/v1/grids/{NORTH}/{what}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_an_alert_shows_its_overlays(world: World) -> None:
    alert_id = world.raise_alert()
    due_s = time.time() + 3600
    asked = {"text": "何时到场", "reply_due_s": due_s}
    assert world.command("supervisor", alert_id, "supervise", arguments=asked).status_code == 200
    assert world.command("operator", alert_id, "reply", arguments={"text": "马上"}).status_code == 200
    shown = world.command("operator", alert_id, "void", reason="演练").json()["properties"]
    assert shown["supervision"]["opinion"] == "何时到场"
    assert shown["supervision"]["reply"] == "马上"
    assert shown["void_asked"]["reason"] == "演练"
    assert "confirm_void" not in shown["allowed"]
    done = world.command("supervisor", alert_id, "confirm_void").json()["properties"]
    assert (done["state"], done["void_asked"], done["stage_clock"]) == ("voided", None, None)
    assert done["whole_clock"]["due_at"] is None  # it stands
