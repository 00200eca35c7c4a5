"""Zone templates over HTTP: made, changed, named by a zone, tried, and kept while a zone names them."""

from typing import Any

import httpx
import pytest
from world import NORTH, PLACES, World

ROUTE = "/v1/zone-templates/square-evening"
BODY: dict[str, Any] = {
    "name": "广场夜间",
    "grid_code": "N",
    "levels": {"crowding": {"enter_persons": 12}},
    "night_levels": {"crowding": {"enter_persons": 6}},
    "hours": {"spans": [[1080, 1380]]},
}
ZONE = {
    "id": "z",
    "name": "z",
    "polygon": [[0, 0], [1, 0], [1, 1]],
    "kinds": ["crowding"],
    "template": "square-evening",
}


def new_camera(admin: httpx.Client) -> str:
    place = PLACES[NORTH]
    body = {"code": "shares", "name": "n", "lon": place.lon_deg, "lat": place.lat_deg, "purpose": "a test"}
    answer = admin.post("/v1/cameras", json=body | {"url": "rtsp://10.1.2.8/a"})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def zones_are(admin: httpx.Client, camera: str, zones: list[Any]) -> dict[str, Any]:
    version = admin.get(camera).json()["properties"]["version"]
    answer = admin.patch(camera, json={"expected_version": version, "zones": zones})
    assert answer.status_code == 200, answer.text
    return answer.json()["properties"]  # type: ignore[no-any-return]


def test_a_template_from_its_making_to_its_end(world: World) -> None:
    with world.client("admin") as admin:
        camera = new_camera(admin)
        made = admin.put(ROUTE, json=BODY).json()
        again = admin.put(ROUTE, json=BODY)
        changed = admin.put(ROUTE, json=BODY | {"expected_version": 1, "hours": None}).json()
        stale = admin.put(ROUTE, json=BODY | {"expected_version": 1})
        (shown,) = zones_are(admin, camera, [ZONE])["zones"]
        dry_run = admin.post(f"{camera}/dry-run", json={"zone": ZONE})
        in_use = admin.delete(ROUTE)
        zones_are(admin, camera, [])
        listed = admin.get("/v1/zone-templates", params={"limit": 500}).json()["templates"]
        gone = admin.delete(ROUTE)
    assert (made["version"], made["hours"]["spans"], made["hours"]["zone"]) == (1, [[1080, 1380]], "Asia/Shanghai")
    assert (changed["version"], changed["hours"], changed["levels"]) == (2, None, BODY["levels"])
    assert [(answer.status_code, answer.json()["code"]) for answer in (again, stale, in_use)] == [
        (409, "conflict"),
        (409, "stale_version"),
        (409, "conflict"),
    ]
    assert "zones: 1, cameras: 1 (shares)" in in_use.json()["detail"]
    assert shown["template"] == "square-evening"
    assert "shared" not in shown
    assert dry_run.status_code == 200
    (tried,) = (asked["zone"] for asked in world.desk.asked if asked["op"] == "rehearse")
    assert tried["shared"] == {name: changed[name] for name in ("levels", "night_levels", "hours")}
    assert changed in listed
    assert gone.status_code == 204


def test_a_template_that_is_not_there_is_said_with_what_to_do(world: World) -> None:
    camera = f"/v1/cameras/{world.cameras[NORTH]}"
    with world.client("admin") as admin:
        tried = admin.post(f"{camera}/dry-run", json={"zone": ZONE | {"template": "nowhere"}})
        version = admin.get(camera).json()["properties"]["version"]
        named = admin.patch(camera, json={"expected_version": version, "zones": [ZONE | {"template": "nowhere"}]})
        claimed = admin.post(f"{camera}/dry-run", json={"zone": ZONE | {"shared": {}}})
    for refused in (tried, named):
        assert refused.status_code == 422
        assert "PUT /v1/zone-templates/CODE makes one" in refused.json()["detail"]
    assert claimed.status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": {"crowding": {"heads": 1}}},
        {"levels": {"crowding": 5}},
        {"levels": []},
        {"hours": {"spans": []}},
        {"hours": {"spans": [[5, 5]]}},
        {"hours": {"spans": [[0, 9]], "zone": "../../etc/passwd"}},
        {"name": "  "},
        {"name": "x\u0000"},
        {"shared": {}},
    ],
)
def test_nonsense_is_refused_and_nothing_is_made(world: World, wrong: dict[str, Any]) -> None:
    with world.client("admin") as admin:
        assert admin.put("/v1/zone-templates/nonsense", json=BODY | wrong).status_code == 422
        assert admin.put("/v1/zone-templates/a%20b", json=BODY).status_code == 422
        assert admin.delete("/v1/zone-templates/nonsense").status_code == 404
