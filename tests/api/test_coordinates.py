"""Answers in the map system that their reader's map takes."""

import json
from typing import Any

import numpy as np
import pytest
from world import NORTH, PLACES, World

from api.app import create_app
from api.coordinates import PARAMETER, declare, places, places_in_schema, turned
from models.geo import GeoPoint, distance_m
from models.map_systems import MapSystem, from_wgs84, place_of

GCJ02, WGS84 = {PARAMETER: "gcj02"}, {PARAMETER: "wgs84"}
AT = [109.0293, 32.6845]
SHAPES: dict[str, Any] = {
    "geometry": {"type": "Point", "coordinates": AT},
    "features": [{"geometry": {"type": "MultiPolygon", "coordinates": [[[AT, AT, AT, AT]]]}}],
    "control_points": [{"x": 0.5, "y": 0.5, "lon": AT[0], "lat": AT[1]}],
    "data": {"place": AT},
    "zones": [{"polygon": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]}],
    "line": [[0.4, 0.7], [0.6, 0.7]],
    "nothing": {"lon": None, "lat": None, "place": None, "type": "Point", "coordinates": None},
}


@pytest.mark.parametrize("system", [MapSystem.GCJ02, MapSystem.BD09])
def test_every_place_is_turned_and_nothing_else(system: MapSystem) -> None:
    body = json.dumps({**SHAPES, "geometry": {"type": "Point", "coordinates": [*AT]}}).encode()
    told = json.loads(turned(body, system))
    assert told.pop("map_system") == system.value
    found = [pair for pair, _ in places(told)]
    assert len(found) == 1 + 4 + 1 + 1
    for lon, lat in found:
        assert distance_m(place_of(lon, lat, system), GeoPoint(*AT)) < 0.5
        assert distance_m(GeoPoint(lon, lat), GeoPoint(*AT)) > 100
    assert (told["zones"], told["line"], told["nothing"]) == (SHAPES["zones"], SHAPES["line"], SHAPES["nothing"])


def test_a_list_is_turned_and_stays_one() -> None:
    told = json.loads(turned(json.dumps([{"lon": AT[0], "lat": AT[1]}]).encode(), MapSystem.GCJ02))
    assert [told[0]["lon"], told[0]["lat"]] == pytest.approx(from_wgs84(np.array([AT]), MapSystem.GCJ02)[0], abs=1e-6)


def test_an_answer_is_as_it_is_asked_for_and_says_so(world: World) -> None:
    with world.client("admin") as client:
        plain, asked, same = (client.get("/v1/cameras", params={"limit": 1} | more) for more in ({}, GCJ02, WGS84))
    assert (plain.status_code, asked.status_code) == (200, 200)
    assert "wangge-coordinates" not in plain.headers
    assert asked.headers["wangge-coordinates"] == asked.json()["map_system"] == "gcj02"
    was, now = (answer.json()["features"][0]["geometry"]["coordinates"] for answer in (plain, asked))
    assert now == pytest.approx(from_wgs84(np.array([was]), MapSystem.GCJ02)[0], abs=1e-6)
    assert same.content == plain.content


def test_what_is_wrong_is_said(world: World) -> None:
    with world.client("admin") as client:
        unknown = client.get("/v1/cameras", params={PARAMETER: "mars"})
        stream = client.get("/v1/events", params=GCJ02)
        missing = client.get("/v1/cameras/none", params=GCJ02)
    assert unknown.status_code == 422
    assert "gcj02" in unknown.json()["detail"]
    assert stream.status_code == 422
    assert missing.status_code == 404
    assert "map_system" not in missing.json()  # a problem document has no places


def test_the_document_offers_it_wherever_an_answer_holds_places(world: World) -> None:
    """The walk over answers and the walk over schemas know the same shapes."""
    document = create_app(world.services).openapi()
    offered = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if any(each["name"] == PARAMETER for each in operation.get("parameters", ()))
    }
    assert {"/v1/cameras", "/v1/cameras/{camera_id}", "/v1/alerts", "/v1/alerts/{alert_id}", "/v1/grids"} <= offered
    assert "/v1/models" not in offered
    assert "/v1/events" not in offered


def test_a_schema_that_refers_to_itself_ends() -> None:
    known = {"A": {"properties": {"a": {"$ref": "#/components/schemas/A"}}}}
    assert not places_in_schema({"$ref": "#/components/schemas/A"}, known)
    document: dict[str, Any] = {"components": {"schemas": known}, "paths": {"/x": {"get": {"responses": {}}}}}
    declare(document)
    assert document["paths"] == {"/x": {"get": {"responses": {}}}}


def test_places_of_the_world_are_in_china() -> None:
    """Else nothing above would be turned."""
    assert distance_m(place_of(PLACES[NORTH].lon_deg, PLACES[NORTH].lat_deg, MapSystem.GCJ02), PLACES[NORTH]) > 100
