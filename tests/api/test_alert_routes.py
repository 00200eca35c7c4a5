"""An alert over HTTP: from detected to closed, who may do what, and saying a thing twice."""

import pytest
from world import JPEG, MASKED, NORTH, SOUTH, World

from models.incident import Evidence


def test_a_case_goes_from_detected_to_closed(world: World) -> None:
    alert_id = world.raise_alert()
    assert world.command("operator", alert_id, "acknowledge").status_code == 200
    dispatched = world.command("operator", alert_id, "dispatch").json()
    assert world.people["grid_worker"] in dispatched["properties"]["offered_to"]
    with world.client("grid_worker") as worker:
        queue = worker.get(f"/v1/grids/{NORTH}/queue").json()
        assert alert_id in [feature["id"] for feature in queue["features"]]
        claimed = world.command("grid_worker", alert_id, "claim").json()["properties"]
        assert claimed["claim"]["person_id"] == world.people["grid_worker"]
        accepted = world.command("grid_worker", alert_id, "accept", arguments={"fence": claimed["claim"]["fence"]})
        assert accepted.json()["properties"]["state"] == "accepted"
        assert world.command("grid_worker", alert_id, "arrive").status_code == 200
        added = worker.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG, "image/jpeg")})
        assert added.status_code == 201
        sha256 = added.json()["evidence"]["sha256"]
        picture = worker.get(added.json()["evidence"]["href"])
    assert picture.content == MASKED
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "private, no-cache"
    assert world.desk.asked[-1] == {"op": "mask", "bytes": len(JPEG), "data": JPEG}
    handled = world.command(
        "grid_worker", alert_id, "handle", arguments={"evidence": [sha256], "text": "已疏散"}
    ).json()["properties"]
    assert "verify" not in handled["allowed"]
    assert world.command("verifier", alert_id, "verify").json()["properties"]["state"] == "verified"
    closed = world.command("verifier", alert_id, "close", arguments={"outcome": "fixed_service"}).json()
    assert closed["properties"]["state"] == "closed"
    assert closed["geometry"]["type"] == "Point"
    with world.client("auditor") as auditor:
        log = auditor.get(f"/v1/alerts/{alert_id}/log").json()["events"]
    assert [event["version"] for event in log] == list(range(1, len(log) + 1))
    assert [event["type"] for event in log][-3:] == ["handled", "verified", "closed"]


def test_a_retry_with_the_same_key_gets_the_same_answer_and_happens_once(world: World) -> None:
    alert_id = world.raise_alert()
    body = {"type": "acknowledge", "expected_version": 1}
    with world.client("operator") as client:
        send = lambda json: client.post(  # noqa: E731
            f"/v1/alerts/{alert_id}/commands", json=json, headers={"Idempotency-Key": "one-decision"}
        )
        first, again, other = send(body), send(dict(reversed(body.items()))), send({**body, "type": "dispatch"})
        log = client.get(f"/v1/alerts/{alert_id}/log").json()["events"]
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert again.json() == first.json()
    assert [event["type"] for event in log] == ["detected", "acknowledged"]


def test_a_command_without_a_key_is_refused(world: World) -> None:
    with world.client("operator") as client:
        answer = client.post(
            f"/v1/alerts/{world.raise_alert()}/commands", json={"type": "acknowledge", "expected_version": 1}
        )
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["errors"][0]["where"]


def test_a_stale_version_is_a_conflict_that_names_the_current_one(world: World) -> None:
    alert_id = world.raise_alert()
    assert world.command("operator", alert_id, "acknowledge").status_code == 200
    with world.client("operator") as client:
        answer = client.post(
            f"/v1/alerts/{alert_id}/commands",
            json={"type": "dispatch", "expected_version": 1},
            headers={"Idempotency-Key": "stale-one"},
        )
    assert answer.status_code == 409
    assert answer.json()["code"] == "stale_version"
    assert answer.json()["current_version"] == 2


def test_claiming_from_the_queue_takes_the_first_free_case_and_then_none(world: World) -> None:
    alert_id = world.raise_alert()
    for type_ in ("acknowledge", "dispatch"):
        assert world.command("operator", alert_id, type_).status_code == 200
    with world.client("second_worker") as worker:
        claim = lambda key: worker.post(  # noqa: E731
            f"/v1/grids/{NORTH}/queue/claim", headers={"Idempotency-Key": key}
        )
        first = claim("claim-number-one")
        assert first.json()["properties"]["claim"]["person_id"] == world.people["second_worker"]
        assert claim("claim-number-one").json()["id"] == first.json()["id"]
        while (more := claim(world.new_key()["Idempotency-Key"])).status_code == 200:
            pass  # what other tests left in the queue
        assert more.status_code == 204
        assert more.content == b""


def test_lists_are_scoped_filtered_and_paged(world: World) -> None:
    north = {world.raise_alert() for _ in range(3)}
    south = world.raise_alert(SOUTH)
    with world.client("operator") as client:
        seen, url = [], "/v1/alerts?limit=2&state=new&grid=N"
        while url:
            answer = client.get(url)
            seen += [feature["id"] for feature in answer.json()["features"]]
            url = answer.links.get("next", {}).get("url")
        assert answer.json()["next"] is None
        assert client.get("/v1/alerts", params={"grid": SOUTH}).status_code == 404
        assert client.get("/v1/alerts", params={"kind": "camera_offline"}).json()["features"] == []
        assert client.get("/v1/alerts", params={"severity": 1}).json()["features"] == []
    assert len(seen) == len(set(seen))
    assert north <= set(seen)
    assert south not in seen


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "invalid_input"),
        (b"GIF89a and more", 422, "invalid_input"),
        (b"\xff\xd8\xff" + b"x" * 30_000, 413, "too_large"),
        (b"\xff\xd8\xff" + b"x" * 300_000, 413, "too_large"),
    ],
)
def test_what_is_no_photo_is_refused_before_it_is_masked(world: World, data: bytes, status: int, code: str) -> None:
    alert_id = world.raise_alert()
    with world.client("grid_worker") as client:
        answer = client.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", data)})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.desk.asked == []


def test_a_photo_that_cannot_be_masked_is_not_stored(world: World) -> None:
    alert_id = world.raise_alert()
    send = {"photo": ("p.jpg", JPEG)}
    with world.client("grid_worker") as client:
        world.desk.answers["mask"] = ({"ok": False, "code": "too_large", "message": "60 megapixels; 50 are taken"}, b"")
        refused = client.post(f"/v1/alerts/{alert_id}/evidence", files=send)
        world.desk.answers["mask"] = ({"ok": False, "code": "unavailable", "message": "no child is up"}, b"")
        away = client.post(f"/v1/alerts/{alert_id}/evidence", files=send)
        alert = client.get(f"/v1/alerts/{alert_id}").json()
    assert refused.status_code == 413
    assert "60 megapixels" in refused.json()["detail"]
    assert away.status_code == 503
    assert int(away.headers["retry-after"]) >= 1
    assert alert["properties"]["evidence"] == []


def test_the_same_photo_sent_again_is_taken_once(world: World) -> None:
    alert_id = world.raise_alert()
    with world.client("grid_worker") as client:
        answers = [client.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG)}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["evidence"] == answers[1].json()["evidence"]
    assert len(answers[1].json()["alert"]["properties"]["evidence"]) == 1


def test_evidence_of_another_district_does_not_exist(world: World) -> None:
    sha256 = world.services.evidence.put(b"\xff\xd8\xff only of the south")
    with world.client("operator") as client:  # stored, but of no alert
        assert client.get(f"/v1/evidence/{sha256}").status_code == 404
    item = f"/v1/evidence/{sha256}"
    world.raise_alert(SOUTH, (Evidence(sha256, "still", "image/jpeg", 1_800_000_000.0),))
    with world.client("operator") as north, world.client("south_operator") as south:
        assert north.get(item).status_code == 404
        assert south.get(item).status_code == 200
