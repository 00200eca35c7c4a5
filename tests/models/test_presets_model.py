"""Presets of a camera that pans, as they are given and stored."""

import json
from typing import Any

import pytest

from models.errors import InvalidInput
from models.map_systems import MapSystem
from models.presets import MOST_PRESETS, confirmed, preset_in, preset_to_json, presets_from_json

GATE: dict[str, Any] = {"token": "gate", "name": "东门"}
POINTS = [{"x": x, "y": y, "lon": 109.0 + x / 1000, "lat": 32.0 - y / 1000} for x in (0.2, 0.8) for y in (0.3, 0.9)]
POSE = {"height_m": 6.0, "tilt_deg": 20.0, "heading_deg": 90.0, "view_deg": 60.0}


def test_what_is_stored_is_read_again() -> None:
    given = [GATE | {"control_points": POINTS, "confirmed_s": 1.7e9}, {"token": "yard", "name": "Yard", "pose": POSE}]
    presets = presets_from_json(given)
    assert presets_from_json(json.loads(json.dumps([preset_to_json(each) for each in presets]))) == presets
    assert presets[0].control_points[1].place.lat_deg == 32.0 - 0.9 / 1000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gate", "are a list"),
        ([GATE] * 2, "two presets have the token gate"),
        ([GATE | {"token": f"p{n}"} for n in range(MOST_PRESETS + 1)], "at most 8"),
        ([{"token": "gate"}], "a token and a name"),
        ([GATE | {"token": "a b"}], "letters, digits"),
        ([GATE | {"token": "x" * 41}], "letters, digits"),
        ([GATE | {"name": "a\nb"}], "name"),
        ([GATE | {"zoom": 2}], "an object of token"),
        ([GATE | {"confirmed_s": "now"}], "a moment"),
        ([GATE | {"confirmed_s": True}], "a moment"),
        ([GATE | {"confirmed_s": -1}], "a moment"),
        ([GATE | {"confirmed_s": float("nan")}], "a moment"),
        ([GATE | {"control_points": [{"x": 0.1}]}], "control points"),
        ([GATE | {"control_points": [{**POINTS[0], "lon": float("inf")}]}], "finite longitude"),
        ([GATE | {"control_points": [{**POINTS[0], "lon": 10**400}]}], "control points"),
        ([GATE | {"pose": {"height_m": "high"}}], "the pose lacks"),
    ],
)
def test_what_is_no_list_of_presets_is_refused_with_a_reason(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        presets_from_json(given)


def test_only_a_preset_that_there_is_can_be_confirmed() -> None:
    presets = presets_from_json([GATE, {"token": "yard", "name": "Yard"}])
    after = confirmed(presets, "yard", 5.0)
    assert [each.confirmed_s for each in after] == [None, 5.0]
    with pytest.raises(InvalidInput, match="it has: gate, yard"):
        confirmed(presets, "roof", 5.0)
    with pytest.raises(InvalidInput, match=r"vision\.presets"):
        confirmed((), "roof", 5.0)


def test_control_points_in_gcj_02_are_kept_in_wgs_84() -> None:
    (preset,) = presets_from_json([GATE | {"control_points": POINTS}])
    place = preset_in(preset, MapSystem.GCJ02).control_points[0].place
    # In Shaanxi GCJ-02 lies some hundreds of metres from WGS-84.
    assert 0.001 < abs(place.lon_deg - POINTS[0]["lon"]) < 0.01
    assert preset_in(preset, MapSystem.WGS84) == preset
