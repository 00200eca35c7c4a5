"""Exercises over HTTP."""

from world import NORTH, World


def test_an_exercise_is_begun_and_seen_where_asked_for(world: World) -> None:
    body = {"grid_code": NORTH, "kind": "crowding", "text": "广场演练"}
    with world.client("supervisor") as client:
        made = client.post("/v1/practice/alerts", json=body)
        assert made.status_code == 201
        alert = made.json()
        assert alert["properties"]["practice"] is True
        lon, lat = alert["geometry"]["coordinates"]
        assert (109.0 < lon < 109.01, 32.71 < lat < 32.72) == (True, True)
    assert world.command("operator", alert["id"], "acknowledge").status_code == 200
    assert world.command("operator", alert["id"], "dispatch").status_code == 200
    with world.client("grid_worker") as client:
        for path in ("/v1/alerts", f"/v1/grids/{NORTH}/queue"):
            lists = [client.get(path, params={"practice": asked}).json()["features"] for asked in ("true", "false")]
            assert [alert["id"] in {item["id"] for item in found} for found in lists] == [True, False], path
            assert {item["properties"]["practice"] for item in lists[0]} == {True}
        assert client.post("/v1/practice/alerts", json=body).status_code == 403


def test_a_wrong_exercise_is_refused(world: World) -> None:
    good = {"grid_code": NORTH, "kind": "crowding", "text": "x"}
    with world.client("admin") as client:
        for wrong in ({"kind": "nonsense"}, {"text": ""}, {"lon": 200, "lat": 0}, {"lon": 109.0}, {"practice": False}):
            assert client.post("/v1/practice/alerts", json=good | wrong).status_code == 422, wrong
        assert client.post("/v1/practice/alerts", json=good | {"grid_code": "S1"}).status_code == 404
