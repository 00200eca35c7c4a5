"""Cameras, grids, duties and people over HTTP."""

import base64

import numpy as np
import pytest
from world import MASKED, NORTH, PLACES, World, grid, square

from models.counting import Counting
from models.map_systems import MapSystem, from_wgs84

SECRET = "hunter2-secret"

NIGHT = {"spans": [[1320, 360]], "weekdays": [0, 1, 2, 3, 4, 5, 6], "zone": "Asia/Shanghai"}
COUNTING = Counting("tiny@1", 2, 2, 320, ((0.2, 0.5),), 10, 41, 2.4, 4.9).to_json()


def test_cameras_are_a_page_of_geojson_without_credentials(world: World) -> None:
    world.desk.answers["status"] = (
        {"ok": True, "cameras": {world.cameras[NORTH]: {"state": "watching", "since_s": 1.8e9, "keyframes": 7}}},
        b"",
    )
    with world.client("admin") as client:
        page = client.get("/v1/cameras", params={"limit": 1, "under": NORTH})
        one = client.get(f"/v1/cameras/{world.cameras[NORTH]}")
    assert page.json()["type"] == "FeatureCollection"
    assert page.json()["features"][0]["geometry"]["type"] == "Point"
    status = one.json()["properties"]["status"]
    assert (status["state"], status["keyframes"]) == ("watching", 7)
    assert status["since_at"].startswith("2027-01-15")
    assert one.json()["properties"]["url"] == "rtsp://10.1.2.3:554/ch1"
    assert SECRET not in page.text + one.text


def test_a_camera_is_registered_changed_and_its_version_kept(world: World) -> None:
    place = PLACES[NORTH]
    body = {
        "code": "61090200001310000001",
        "name": "<b>门口</b>",
        "lon": place.lon_deg,
        "lat": place.lat_deg,
        "url": f"rtsp://viewer:{SECRET}@10.1.2.9/a",
        "purpose": "a test",
        "zones": [
            {"id": "z", "name": "zone", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]},
            {"id": "n", "name": "night", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["intrusion"], "hours": NIGHT},
        ],
    }
    with world.client("admin") as client:
        made = client.post("/v1/cameras", json=body)
        url = made.headers["location"]
        changed = client.patch(url, json={"expected_version": 1, "enabled": False, "name": "门口"})
        stale = client.patch(url, json={"expected_version": 1, "enabled": True})
        half = client.patch(url, json={"expected_version": 2, "lon": 1.0})
        again = client.post("/v1/cameras", json=body)
        read = client.get(url)
        fitted = client.patch(url, json={"expected_version": 2, "vision": {"counting": COUNTING}})
        unset = client.patch(url, json={"expected_version": 3, "vision": {}})
    assert made.json()["properties"]["vision"] == unset.json()["properties"]["vision"] == {}
    assert fitted.json()["properties"]["vision"] == {"counting": COUNTING}
    assert made.status_code == 201
    assert made.json()["properties"]["grid_code"] == NORTH
    assert made.json()["properties"]["name"] == "<b>门口</b>"
    assert [zone.get("hours") for zone in read.json()["properties"]["zones"]] == [None, NIGHT]
    assert changed.json()["properties"]["enabled"] is False
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    assert half.status_code == 422
    assert again.status_code == 409
    assert SECRET not in made.text + changed.text + read.text + again.text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": f"http://viewer:{SECRET}@10.1.2.9/a"}, "rtsp://"),
        ({"lat": 200.0}, "longitude"),
        ({"lon": 0.0, "lat": 0.0}, "grid"),
        ({"zones": [{"id": "z", "name": "n", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["flying"]}]}, "flying"),
        (
            {
                "zones": [
                    {
                        "id": "z",
                        "name": "n",
                        "polygon": [[0, 0], [1, 0], [1, 1]],
                        "kinds": ["intrusion"],
                        "hours": {"spans": [[0, 60]], "zone": "Mars/Base"},
                    }
                ]
            },
            "no time zone 'Mars/Base'",
        ),
        ({"code": "61090200009990000001"}, "131"),
        ({"vision": {"counting": {"threshold": 0.3}}}, "counting, as `wangge calibrate` fits it, has exactly"),
        ({"vision": {"colour": "red"}}, "vision has no 'colour'"),
    ],
)
def test_a_camera_that_cannot_be_is_refused_in_words(world: World, change: dict[str, object], word: str) -> None:
    place = PLACES[NORTH]
    body = {"code": "new", "name": "n", "lon": place.lon_deg, "lat": place.lat_deg, "url": "rtsp://h/", "purpose": "p"}
    with world.client("admin") as client:
        answer = client.post("/v1/cameras", json={**body, **change})
    assert answer.status_code == 422
    assert word in answer.json()["detail"]
    assert SECRET not in answer.text


def test_a_camera_that_pans_is_set_up_and_confirmed_view_by_view(world: World) -> None:
    place = PLACES[NORTH]
    points = [{"x": x, "y": y, "lon": place.lon_deg, "lat": place.lat_deg} for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    preset = {"token": "gate", "name": "东门", "pose": POSE}
    ground = [[0.2, 0.6], [0.8, 0.6], [0.5, 0.9]]
    zone = {"id": "z", "name": "n", "polygon": ground, "kinds": ["intrusion"], "preset": "gate"}
    where = {"lon": place.lon_deg, "lat": place.lat_deg}
    about = {"code": "ptz", "name": "n", "url": "rtsp://10.1.2.9/", "purpose": "p", "zones": [zone], **where}
    with world.client("admin") as client:
        body = {**about, "vision": {"ptz": True, "presets": [preset]}}
        strange = client.post("/v1/cameras", json={**body, "vision": {"ptz": True, "presets": [preset, preset]}})
        crossed = {**preset, "control_points": points}
        flat = client.post("/v1/cameras", json={**body, "vision": {"ptz": True, "presets": [crossed]}})
        made = client.post("/v1/cameras", json=body)
        assert made.status_code == 201, made.text
        path = f"{made.headers['location']}/confirm-view"
        nowhere = client.post(path, json={"expected_version": 1, "preset": "roof"})
        done = client.post(path, json={"expected_version": 1, "preset": "gate"})
    assert (strange.status_code, "two presets" in strange.text) == (422, True)
    assert (flat.status_code, "vision.presets[gate]" in flat.text) == (422, True), "its points tell no ground"
    assert made.json()["properties"]["zones"][0]["preset"] == "gate"
    assert (nowhere.status_code, "it has: gate" in nowhere.text) == (422, True)
    assert done.status_code == 200, done.text
    assert done.json()["properties"]["vision"]["presets"][0]["confirmed_s"] > 1_700_000_000


def test_a_probe_says_what_the_camera_sends(world: World) -> None:
    with world.client("admin") as client:
        answer = client.post("/v1/cameras/probe", json={"url": f"rtsp://viewer:{SECRET}@10.1.2.9/a"})
    assert answer.json()["codec"] == "h264"
    assert answer.json()["warnings"] == ["GOP 2 s"]
    assert base64.b64decode(answer.json()["picture"]) == MASKED
    assert SECRET not in answer.text
    assert world.desk.asked[-1]["url"] == f"rtsp://viewer:{SECRET}@10.1.2.9/a"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("camera_unauthorised", 502),
        ("camera_unreachable", 502),
        ("camera_untrusted", 502),
        ("camera_address_not_allowed", 422),
        ("unavailable", 503),
        ("a code of tomorrow", 503),
        ("unauthenticated", 503),
    ],
)
def test_each_fault_of_a_camera_keeps_its_code(world: World, code: str, status: int) -> None:
    world.desk.answers["probe"] = ({"ok": False, "code": code, "message": "a sentence"}, b"")
    with world.client("admin") as client:
        answer = client.post("/v1/cameras/probe", json={"url": "rtsp://10.1.2.9/a"})
    assert answer.status_code == status
    assert answer.json()["detail"] == "a sentence"
    assert answer.json()["code"] == (code if code.startswith("camera") else "unavailable")


def test_an_account_that_is_about_to_be_locked_is_left_alone_for_as_long_as_the_worker_says(world: World) -> None:
    refusal = {"ok": False, "code": "too_many_attempts", "message": "refused a moment ago", "retry_after_s": 42}
    world.desk.answers["probe"] = (refusal, b"")
    with world.client("admin") as client:
        answer = client.post("/v1/cameras/probe", json={"url": "rtsp://10.1.2.9/a"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "42")


def test_a_picture_is_the_desks_and_is_not_kept_by_browsers(world: World) -> None:
    with world.client("operator") as client:
        answer = client.get(f"/v1/cameras/{world.cameras[NORTH]}/picture")
    assert (answer.content, answer.headers["content-type"]) == (MASKED, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"


def test_a_desk_that_talks_nonsense_is_unavailable(world: World) -> None:
    world.desk.answers["picture"] = ({"ok": True, "media_type": "x" * 6_000_000}, b"")
    with world.client("operator") as client:
        answer = client.get(f"/v1/cameras/{world.cameras[NORTH]}/picture")
    assert answer.status_code == 503


POSE = {"height_m": 7.0, "tilt_deg": 20.0, "heading_deg": 90.0, "view_deg": 70.0}


def test_a_camera_in_the_maps_own_system_with_its_mounting_and_its_zones_area(world: World) -> None:
    place = PLACES[NORTH]
    stated = from_wgs84(np.array([[place.lon_deg, place.lat_deg]]), MapSystem.GCJ02)[0]
    lower = [[0.1, 0.6], [0.9, 0.6], [0.9, 0.9], [0.1, 0.9]]
    zone = {
        "id": "z",
        "name": "z",
        "polygon": lower,
        "kinds": ["crowding"],
        "night_levels": {"crowding": {"dwell_s": 5}},
    }
    body = {
        "code": "posed",
        "name": "posed",
        "lon": stated[0],
        "lat": stated[1],
        "system": "gcj02",
        "url": "rtsp://10.1.2.9/a",
        "purpose": "a test",
        "zones": [zone],
        "vision": {"pose": POSE, "levels": {"crowding": {"enter_persons": 9}}},
    }
    with world.client("admin") as client:
        made = client.post("/v1/cameras", json=body).json()
        sky = client.post(
            "/v1/cameras", json=body | {"code": "sky", "zones": [zone | {"polygon": [[0, 0], [1, 0], [1, 1]]}]}
        )
        level = client.post("/v1/cameras", json=body | {"code": "l", "vision": {"levels": {"crowding": {"heads": 9}}}})
        flat = client.post("/v1/cameras", json=body | {"code": "f", "vision": {"pose": POSE | {"tilt_deg": 0}}})
    assert made["geometry"]["coordinates"] == pytest.approx([place.lon_deg, place.lat_deg], abs=1e-6)
    assert 50 < made["properties"]["zones"][0]["area_m2"] < 5000
    assert made["properties"]["zones"][0]["night_levels"] == {"crowding": {"dwell_s": 5}}
    assert made["properties"]["vision"]["pose"]["tilt_deg"] == 20.0
    for refused, word in ((sky, "horizon"), (level, "heads"), (flat, "sees no ground")):
        assert refused.status_code == 422
        assert word in refused.text


def test_grids_are_imported_whole_or_not_at_all_with_every_fault(world: World) -> None:
    good = grid("N2", "N", 32.71, 32.72)
    crossed = {
        **grid("N3", "N", 0, 1),
        "geometry": {**square(0, 1), "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
    }
    orphan = grid("N4", "nowhere", 32.71, 32.72)
    with world.client("admin") as client:
        refused = client.post(
            "/v1/grids/import", json={"type": "FeatureCollection", "features": [good, crossed, orphan]}
        )
        assert client.get("/v1/grids/N2").status_code == 404
        done = client.post("/v1/grids/import", json={"type": "FeatureCollection", "features": [good]})
        page = client.get("/v1/grids", params={"under": "N", "limit": 500}).json()
    assert refused.status_code == 422
    places = " ".join(fault["where"] for fault in refused.json()["errors"])
    assert "N3" in places
    assert "N4" in places
    assert "N2" not in places
    assert (done.json()["imported"], done.json()["dry_run"]) == (1, False)
    assert {"N", "N2"} <= {feature["id"] for feature in page["features"]}


def test_a_new_persons_password_is_shown_once_and_works(world: World) -> None:
    body = {"username": "li.na", "name": "李娜", "grants": [{"role": "verifier", "grid_code": NORTH}]}
    with world.client("admin") as client:
        made = client.post("/v1/people", json=body)
        listed = client.get("/v1/people", params={"limit": 500})
        password = made.json()["one_time_password"]
        session = client.post("/v1/sessions", json={"username": "li.na", "password": password}).json()
        duties = client.get(f"/v1/grids/{NORTH}/duties").json()["duties"]
    assert made.status_code == 201
    assert session["must_change_password"] is True
    assert "李娜" in listed.text
    assert password not in listed.text
    assert {duty["person_name"] for duty in duties} >= {"grid_worker", "second_worker"}


def test_a_dry_run_tells_overlaps_and_damaged_codes_and_writes_nothing(world: World) -> None:
    border = "POLYGON((109.008 32.708, 109.013 32.708, 109.013 32.7175, 109.008 32.7175, 109.008 32.708))"
    table = f'编码,名称,上级编码,边界\nN8,甲,N,"{border}"\nN9,乙,N,\n'.encode("gbk")
    damaged = "code,name,parent\n6.10902E+19,x,N\n"
    with world.client("admin") as client:
        looked = client.post("/v1/grids/import", params={"dry_run": True, "system": "gcj02"}, content=table).json()
        unnamed = client.post("/v1/grids/import", content=table)
        told = client.post("/v1/grids/import", params={"dry_run": True}, content=damaged)
        refused = client.post("/v1/grids/import", content=damaged)
        assert client.get("/v1/grids/N8").status_code == 404
        odd = client.post("/v1/grids/import", params={"system": "mars"}, content=table)
    assert (looked["dry_run"], looked["imported"], looked["encoding"], looked["errors"]) == (True, 0, "gb18030", [])
    overlaps = [item for item in looked["findings"] if item["kind"] == "overlap"]
    (overlap,) = [item for item in overlaps if {item["grid"], item["other"]} == {"N8", NORTH}]
    assert 450_000 < overlap["area_m2"] < 550_000  # 160,000 were it stated in WGS-84: half a kilometre aside
    assert overlap["place"]["type"] == "Point"
    assert "coordinate system" in unnamed.json()["detail"]
    assert (told.status_code, refused.status_code, odd.status_code) == (200, 422, 422)
    assert told.json()["errors"][0]["where"] == refused.json()["errors"][0]["where"] == "row 2"
    assert "turned into a number by a spreadsheet" in refused.json()["detail"]


def test_a_place_and_an_alert_name_the_grids_they_may_lie_in(world: World) -> None:
    border = {"lon": 109.005, "lat": 32.7100005, "accuracy_m": 30}
    alert_id = world.raise_alert()
    with world.client("operator") as client:
        mine = client.get("/v1/places", params=border).json()["grids"]
        shown = client.get(f"/v1/alerts/{alert_id}/candidates").json()["grids"]
        moved = client.get("/v1/places", params={"lon": 109.005, "lat": 32.715, "system": "gcj02"}).json()["grids"]
    assert (mine[0]["code"], mine[0]["name"], mine[0]["distance_m"]) == (NORTH, f"grid {NORTH}", 0.0)
    assert "S1" not in {item["code"] for item in mine}
    assert shown[0]["code"] == NORTH
    assert moved[0]["code"] == NORTH


def test_a_desk_is_handed_over_by_two_persons_each_signed_in(world: World) -> None:
    with world.client("operator") as going, world.client("second_operator") as coming:
        due = {"text": "18 点前回电话", "due_at": "2099-01-01T00:00:00Z"}
        assert going.post(f"/v1/grids/{NORTH}/promises", json=due).status_code == 422  # not within a year
        sheet = going.post(f"/v1/grids/{NORTH}/handovers", json={"remark": "平稳"}).json()
        again = going.post(f"/v1/handovers/{sheet['id']}/sign", json={"sha256": sheet["sha256"]})
        signed = coming.post(f"/v1/handovers/{sheet['id']}/sign", json={"sha256": sheet["sha256"], "remark": "已阅"})
        listed = coming.get(f"/v1/grids/{NORTH}/handovers").json()["handovers"]
    assert again.status_code == 403
    assert (signed.json()["incoming_name"], signed.json()["remark"]) == ("second_operator", "已阅")
    assert listed[0]["id"] == sheet["id"]


def test_the_roster_says_who_cannot_be_asked_and_why(world: World) -> None:
    with world.client("operator") as client:
        marked = client.post(
            f"/v1/people/{world.people['second_worker']}/reachability", json={"reachable": False, "reason": "无人接听"}
        )
        roster = client.get(f"/v1/grids/{NORTH}/roster").json()
    with world.client("second_worker") as worker:
        assert worker.post("/v1/me/alive").status_code == 204
    with world.client("operator") as client:
        after = client.get(f"/v1/grids/{NORTH}/roster").json()
    assert marked.json()["reachable"] is False
    assert ("unreachable", "second_worker联系不上") in {(item["why"], item["said"]["zh"]) for item in roster["cannot"]}
    assert "second_worker" in {item["person_name"] for item in after["can_be_asked"]}
