"""Erasure over HTTP: 410 for the picture, the log whole, the same photo not taken again."""

from world import JPEG, MASKED, World


def test_an_erased_picture_is_gone_and_said_to_be(world: World) -> None:
    world.desk.answers["mask"] = ({"ok": True}, MASKED + b" of this test alone")
    alert_id = world.raise_alert()
    with world.client("grid_worker") as worker, world.client("auditor") as auditor:
        added = worker.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG)}).json()["evidence"]
        first = worker.get(added["href"])
        assert (first.status_code, added["erased"]) == (200, False)
        again = worker.get(added["href"], headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        erase = f"/v1/alerts/{alert_id}/evidence/{added['sha256']}/erase"
        assert auditor.post(erase, json={"reason": " "}).status_code == 422
        assert auditor.post(erase, json={}).status_code == 422
        for _ in range(2):  # the second changes nothing
            done = auditor.post(erase, json={"reason": "request 17"})
            assert done.status_code == 200
        assert [item["erased"] for item in done.json()["properties"]["evidence"]] == [True]
        gone = worker.get(added["href"], headers={"If-None-Match": first.headers["etag"], "Accept-Language": "zh"})
        assert (gone.status_code, gone.json()["code"], gone.json()["title"]) == (410, "erased", "内容已依规删除")
        assert gone.headers["content-type"] == "application/problem+json"
        log = auditor.get(f"/v1/alerts/{alert_id}/log").json()["events"]
        assert [(event["type"], event["reason"]) for event in log if event["type"] == "erased"] == [
            ("erased", "request 17")
        ]
        refused = worker.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG)})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert not list(world.services.settings.evidence.rglob(added["sha256"]))
