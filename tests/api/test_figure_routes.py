"""Figures over HTTP and for Prometheus."""

import re
import time

import pytest
from world import NORTH, SOUTH, World

from alerts.rollups import follow


def count(world: World) -> None:
    world.seal()
    while follow(world.services.engine, world.services.desk.policies, time.time()):
        pass


def test_a_case_is_in_its_grids_figures_by_kind_source_and_bucket(world: World) -> None:
    with world.client("supervisor") as client:
        count(world)
        before = client.get("/v1/figures", params={"grid": NORTH}).json()
        alert_id = world.raise_alert()
        assert client.get("/v1/figures", params={"grid": NORTH}).json()["waiting"] == 0  # not sealed: not there yet
        world.seal()
        assert client.get("/v1/figures", params={"grid": NORTH}).json()["waiting"] == 1
        count(world)
        assert world.command("operator", alert_id, "dismiss", reason="false_alarm").status_code == 200
        count(world)
        after = client.get("/v1/figures", params={"grid": NORTH}).json()
        assert after["total"]["counts"]["alerts"] == before["total"]["counts"]["alerts"] + 1
        assert after["total"]["counts"]["false_alarms"] == before["total"]["counts"]["false_alarms"] + 1
        assert after["total"]["shares"]["false_alarm"]["value"] > 0
        assert (after["zone"], after["bucket"], after["error"]) == ("Asia/Shanghai", "day", 0.02)
        assert after["names"]["on_time"] == {"zh": "按期办结率", "en": "on-time completion"}
        for narrowed, there in (({"kind": "camera_offline"}, False), ({"source": "camera"}, True)):
            one = client.get("/v1/figures", params={"grid": "N", "bucket": "hour", **narrowed}).json()
            assert bool(one["total"]["counts"]["alerts"]) is there
            assert bool(one["items"]) is there


def test_what_cannot_be_computed_is_null_with_its_reason(world: World) -> None:
    asked = {"grid": NORTH, "from": "2020-01-01T00:00:00+08:00", "to": "2020-02-01T00:00:00+08:00"}
    with world.client("operator") as client:
        found = client.get("/v1/figures", params=asked).json()
    assert found["items"] == []
    assert {(item["value"], bool(item["reason"])) for item in found["total"]["shares"].values()} == {(None, True)}
    assert (found["from_at"], found["to_at"]) == ("2019-12-31T16:00:00Z", "2020-01-31T16:00:00Z")


@pytest.mark.parametrize(
    "wrong",
    [
        {"bucket": "year"},
        {"kind": "nonsense"},
        {"source": "x"},
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "2020-01-01T00:00:00"},
        {"from": "2030-01-01T00:00:00Z", "to": "2029-01-01T00:00:00Z"},
        {"to": "0001-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59Z"},
        {"grid": "x" * 65},
        {"grid": "a\x01"},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(world: World, wrong: dict[str, str]) -> None:
    with world.client("operator") as client:
        assert client.get("/v1/figures", params={"grid": NORTH, **wrong}).status_code == 422
        assert client.get("/v1/figures").status_code == 422


def test_figures_above_and_beside_ones_own_district_are_not_there(world: World) -> None:
    with world.client("operator") as client:
        for grid in ("C", "S", SOUTH, "nowhere"):
            assert client.get("/v1/figures", params={"grid": grid}).status_code == 404, grid


def test_prometheus_gets_the_installations_figures_and_no_grid(world: World) -> None:
    world.raise_alert()
    count(world)
    with world.client(None) as client:
        text = client.get("/metrics").text
    assert re.search(r'wangge_figure_cases\{count="alerts",period="today"\} [1-9]', text)
    assert 'wangge_figure_ratio{figure="completion",period="this_month"}' in text
    assert "wangge_figure_events_waiting 0.0" in text
    lines = [line for line in text.splitlines() if line.startswith("wangge_figure")]
    assert len(lines) < 100
    assert not any(NORTH in line for line in lines)
