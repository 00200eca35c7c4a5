"""Reports over HTTP: from a registered source by its token, or from someone signed in."""

import json
from typing import Any

import httpx
import pytest
from world import JPEG, NORTH, PLACES, SOUTH, World

from models.map_systems import MapSystem, from_wgs84

Json = dict[str, Any]


def registered(world: World, **changes: Any) -> tuple[httpx.Client, str]:
    """A client with a new source's token, and the source's id."""
    body = {"name": "随手拍", "kind": "resident", "grid_code": "N", "kinds": ["dumping", "other"], **changes}
    with world.client("admin") as admin:
        made = admin.post("/v1/intake-sources", json=body)
    assert made.status_code == 201, made.text
    client = httpx.Client(base_url=world.base_url, timeout=10, trust_env=False)
    client.headers["Authorization"] = f"Bearer {made.json()['token']}"
    return client, made.json()["source"]["id"]


def report(own_id: str, leaf: str = NORTH, **properties: Any) -> Json:
    said = {"kind": "other", "text": "a fallen tree", **properties}
    feature = {"type": "Feature", "geometry": PLACES[leaf].geojson(), "properties": said}
    return {"specversion": "1.0", "id": own_id, "type": "wangge.report", "data": feature}


def test_one_is_created_then_known_then_asked_after(world: World) -> None:
    client, source_id = registered(world)
    with client:
        first = client.post("/v1/intake", json=report("a-1"))
        again = client.post("/v1/intake", json=report("a-1"))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["alert_id"] == again.json()["alert_id"]
        status = client.get(first.json()["status_at"])
        assert status.json() == {
            "stage": "received",
            "stage_name": {"zh": "已收到", "en": "Received"},
            "outcome": None,
            "outcome_name": None,
            "may_evaluate": False,
        }
        assert client.get(f"/v1/intake/{source_id}/a-2").status_code == 404
        early = client.post(f"{first.json()['status_at']}/evaluation", json={"rating": 5})
        assert (early.status_code, early.json()["code"]) == (409, "conflict")
    with world.client("grid_worker") as worker:
        assert worker.get(first.json()["status_at"]).status_code == 404
        assert worker.get(f"/v1/alerts/{first.json()['alert_id']}").json()["properties"]["kind_name"]["zh"] == "其他"


def test_a_batch_answers_each_in_order(world: World) -> None:
    client, source_id = registered(world)
    batch = [
        report("b-1"),
        report("b-2", leaf=SOUTH),
        {**report("b-3"), "data": {"type": "Feature", "properties": {}}},
        "no report",
        report("b-5", measure={"readings": [{"face_id": 7}]}),
        {**report("b-6"), "source": "somebody else"},
        {**report("b-7"), "source": source_id},
        report("b-1"),
    ]
    with client:
        answer = client.post("/v1/intake", json=batch)
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(one["id"], one["status"]) for one in results] == [
        ("b-1", 201),
        ("b-2", 422),
        ("b-3", 422),
        ("", 422),
        ("b-5", 422),
        ("b-6", 422),
        ("b-7", 201),
        ("b-1", 200),
    ]
    assert "report.data.properties.measure.readings[0].face_id: identity" in str(results[4]["errors"])
    assert results[1]["errors"][0]["where"] == "geometry"


def test_a_worker_reports_with_their_own_sign_in(world: World) -> None:
    with world.client("grid_worker") as worker:
        mine = worker.post("/v1/intake", json=report("mine-1"))
        assert mine.status_code == 201
        assert worker.get(mine.json()["status_at"]).json()["stage"] == "received"
        assert worker.post("/v1/intake", json=report("mine-2", leaf=SOUTH)).status_code == 422


def test_a_place_is_read_in_the_system_that_it_names(world: World) -> None:
    import numpy as np

    client, _ = registered(world)
    true = PLACES[NORTH]
    shown = from_wgs84(np.array([[true.lon_deg, true.lat_deg]]), MapSystem.BD09)[0].tolist()
    event = report("bd-1", system="bd09")
    event["data"]["geometry"] = {"type": "Point", "coordinates": shown}
    with client, world.client("operator") as operator:
        alert = operator.get(f"/v1/alerts/{client.post('/v1/intake', json=event).json()['alert_id']}").json()
    assert alert["geometry"]["coordinates"] == pytest.approx([true.lon_deg, true.lat_deg], abs=1e-6)
    assert alert["properties"]["measure"] == {"stated_place": shown, "stated_in": "bd09"}


def test_a_sensors_red_warning_is_in_its_persons_hands_at_once(world: World) -> None:
    place = PLACES[NORTH]
    where = {"lon": place.lon_deg, "lat": place.lat_deg, "responsible_id": world.people["second_worker"]}
    client, _ = registered(world, kind="sensor", kinds=["geohazard"], grid_code=NORTH, **where)
    event = report("red-1", kind="geohazard", colour="red", measure={"crack_mm": 31.5})
    event["data"]["geometry"] = None
    with client, world.client("second_worker") as worker:
        alert_id = client.post("/v1/intake", json=event).json()["alert_id"]
        alert = worker.get(f"/v1/alerts/{alert_id}").json()["properties"]
    assert (alert["state"], alert["severity"]) == ("dispatched", 1)
    assert alert["offered_to"] == [world.people["second_worker"]]
    assert "claim" in alert["allowed"]


def test_a_gates_fault_is_linked_to_its_camera(world: World) -> None:
    client, _ = registered(world, kind="device", kinds=["gate_fault"], grid_code=NORTH, camera_id=world.cameras[NORTH])
    event = report("fault-1", kind="gate_fault", key="arm")
    event["data"]["geometry"] = None
    with client, world.client("operator") as operator:
        alert_id = client.post("/v1/intake", json=event).json()["alert_id"]
        assert operator.get(f"/v1/alerts/{alert_id}").json()["properties"]["camera_id"] == world.cameras[NORTH]


def test_a_photo_is_masked_before_it_is_stored(world: World) -> None:
    client, _ = registered(world)
    parts = [("event", (None, json.dumps(report("p-1")))), ("photo", ("a.jpg", JPEG)), ("photo", ("b.jpg", JPEG))]
    with client, world.client("operator") as operator:
        made = client.post("/v1/intake/photo", files=parts)
        assert made.status_code == 201, made.text
        (picture,) = operator.get(f"/v1/alerts/{made.json()['alert_id']}").json()["properties"]["evidence"]
        assert operator.get(picture["href"]).content.endswith(b"masked")
        assert picture["kind"] == "report"
        assert client.post("/v1/intake/photo", files=parts).status_code == 200
    assert [asked["op"] for asked in world.desk.asked].count("mask") == 4


def test_a_photo_is_not_masked_for_a_report_that_is_refused(world: World) -> None:
    client, _ = registered(world)
    with client:
        for event in (json.dumps(report("p-9", leaf=SOUTH)), json.dumps(report("p-9", phone="1")), "{", "[" * 9000):
            parts = [("event", (None, event)), ("photo", ("a.jpg", JPEG))]
            answer = client.post("/v1/intake/photo", files=parts)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), event[:50]
        text = [("event", (None, json.dumps(report("p-9")))), ("photo", ("a.jpg", b"no picture"))]
        assert client.post("/v1/intake/photo", files=text).status_code == 422
        large = [("event", (None, json.dumps(report("p-9")))), ("photo", ("a.jpg", JPEG + bytes(20_000)))]
        assert client.post("/v1/intake/photo", files=large).status_code == 413
    assert world.desk.asked == []


def test_above_its_rate_a_source_is_told_when_to_come_again(world: World) -> None:
    client, _ = registered(world, rate_per_s=0.01)
    with client:
        assert client.post("/v1/intake", json=[report(f"n-{n}") for n in range(499)]).status_code == 207
        answer = client.post("/v1/intake", json=[report("n-a"), report("n-b")])
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 90 <= int(answer.headers["Retry-After"]) <= 100
        assert client.post("/v1/intake", json=[report(f"m-{n}") for n in range(501)]).status_code == 422


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {**report("x"), "id": "a/b"},
        {**report("x"), "specversion": "0.3"},
        {**report("x"), "extension": 1},
        report("x", kind="face_match"),
        report("x", system="mars"),
        report("x", colour="pink"),
        report("x", accuracy_m=-1),
        report("x", accuracy_m=1e300),
        report("x", text="a\x00b"),
        report("x", text="\ud800"),
        report("x", reporter={"contact": "\ud800"}),
        report("x", measure={"\ud800face": 1, "face\ud800": 1}),
        {**report("x"), "\ud800": 1},
        report("x", measure={"deep": [[[[[[[[1]]]]]]]]}),
        report("x", idNumber="610902199001011234"),
        report("x", reporter={"name": "z", "contact": "c"}),
        {**report("x"), "time": "2099-01-01T00:00:00Z"},
        {**report("x"), "data": {**report("x")["data"], "geometry": {"type": "Point", "coordinates": [32.7, 109.0]}}},
    ],
    ids=lambda event: json.dumps(event, ensure_ascii=True)[-60:],
)
def test_what_is_no_report_is_refused_and_said_why(world: World, event: Any) -> None:
    client, _ = registered(world)
    with client:
        headers = {"Content-Type": "application/cloudevents+json"}
        answer = client.post("/v1/intake", content=json.dumps(event), headers=headers)
        both = client.post("/v1/intake", content=json.dumps([event, report("y")]), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert [one["status"] for one in both.json()["results"]] == [422, 201]
    assert "610902199001011234" not in answer.text


def test_a_source_may_report_and_nothing_else(world: World) -> None:
    client, source_id = registered(world)
    with client:
        for path in ("/v1/alerts", "/v1/me", "/v1/grids", "/v1/cameras", "/v1/intake-sources", "/v1/people"):
            assert client.get(path).status_code == 401, path
        with world.client("admin") as admin:
            shown = [one for one in admin.get("/v1/intake-sources").json()["sources"] if one["id"] == source_id]
            assert "token" not in shown[0]
            assert admin.patch(f"/v1/intake-sources/{source_id}", json={"active": False}).status_code == 200
        assert client.post("/v1/intake", json=report("late")).status_code == 401


def test_a_contact_is_shown_to_who_calls_back_until_it_is_erased(world: World) -> None:
    client, _ = registered(world)
    with client, world.client("operator") as operator, world.client("admin") as admin:
        made = client.post("/v1/intake", json=report("c-1", reporter={"contact": "+86 138 0013 8000"})).json()
        path = f"/v1/alerts/{made['alert_id']}"
        assert operator.get(f"{path}/reporters").json()["contacts"][0]["contact"] == "+86 138 0013 8000"
        assert "0013" not in operator.get(path).text + operator.get(f"{path}/log").text
        assert admin.post(f"{path}/reporters/erase", json={"reason": "asked for"}).json() == {"erased": 1}
        assert operator.get(f"{path}/reporters").json() == {"contacts": []}
