"""Why, why not, and what another zone would have raised."""

import time
from typing import Any

import httpx
import pytest
from world import NORTH, World

SIGHTING = {
    "kind": "crowding",
    "phase": "onset",
    "zone_id": "z",
    "severity": 2,
    "confidence": 0.7,
    "place": [109.0, 32.7],
    "accuracy_m": 5.0,
    "onset_s": 1.7e9,
    "at_s": 1.7e9 + 10,
    "measure": {"persons": 22.0},
    "reason": "22 persons",
    "model": "none@0",
}
SAID = {"from_s": 1.7e9, "until_s": 1.7e9 + 60, "times": 30, "text": "广场: 3 persons, below 12"}
ZONE = {"id": "z", "name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]}


def read(world: World, route: str, **given: Any) -> httpx.Response:
    with world.client("operator") as client:
        return client.get(route, **given)


def post(world: World, route: str, **given: Any) -> httpx.Response:
    with world.client("admin") as client:
        return client.post(route, **given)


def test_why_and_why_not_is_the_desks_in_the_words_of_the_rules(world: World) -> None:
    world.desk.answers["explain"] = ({"ok": True, "said": {"crowding/square": [SAID]}}, b"")
    answer = read(world, f"/v1/cameras/{world.cameras[NORTH]}/explanation", params={"minutes": 5})
    (said,) = answer.json()["said"]
    assert (said["kind"], said["zone_id"], said["sayings"][0]["text"]) == ("crowding", "square", SAID["text"])
    assert world.desk.asked[-1]["camera_id"] == world.cameras[NORTH]
    assert time.time() - world.desk.asked[-1]["since_s"] == pytest.approx(300, abs=30)


def test_a_dry_run_tells_what_a_zone_would_have_raised(world: World) -> None:
    begin = SIGHTING
    raised = {"begin": begin, "worst": begin | {"measure": {"persons": 31.0}}, "ended_s": None}
    facts = {"ok": True, "from_s": 1.7e9, "until_s": 1.7e9 + 3600, "looks": 700, "raised": [raised], "said": {}}
    world.desk.answers["rehearse"] = (facts, b"")
    route = f"/v1/cameras/{world.cameras[NORTH]}/dry-run"
    answer = post(world, route, json={"zone": ZONE, "minutes": 60}).json()
    assert (answer["looks"], answer["raised"][0]["measure"]) == (700, {"persons": 31.0})
    assert world.desk.asked[-1]["zone"]["id"] == "z"
    for nonsense in ({"raised": [{}]}, {"looks": "many"}, {"from_s": 1e300}, {"said": 5}):
        world.desk.answers["rehearse"] = (facts | nonsense, b"")
        assert post(world, route, json={"zone": ZONE}).status_code == 503


@pytest.mark.parametrize(
    ("change", "word"),
    [({"kinds": ["geohazard"]}, "no zone looks for it"), ({"levels": {"crowding": {"heads": 3}}}, "heads")],
)
def test_a_dry_run_of_a_zone_that_could_not_be_set_up_says_why(
    world: World, change: dict[str, object], word: str
) -> None:
    world.desk.asked.clear()
    answer = post(world, f"/v1/cameras/{world.cameras[NORTH]}/dry-run", json={"zone": ZONE | change})
    assert answer.status_code == 422
    assert word in answer.text
    assert world.desk.asked == []
