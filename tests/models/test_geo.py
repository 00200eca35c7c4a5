"""Places, distances, and the ground that a camera sees."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, GroundPlane, LocalPlane, distance_m, inside
from models.map_systems import MapSystem, from_wgs84, gcj02_to_bd09, place_of, to_wgs84, wgs84_to_gcj02

ORIGIN = GeoPoint(109.0293, 32.6845)
PLANE = LocalPlane(ORIGIN)
CORNERS = ((0.1, 0.4), (0.9, 0.4), (1.0, 1.0), (0.0, 1.0))
GROUND_M = ((-20.0, 60.0), (20.0, 60.0), (5.0, 10.0), (-5.0, 10.0))
"""A camera that looks north over a square: the far edge is wide on the ground."""


def points(corners: tuple[tuple[float, float], ...] = CORNERS) -> list[ControlPoint]:
    return [ControlPoint(x, y, PLANE.to_geo(*m)) for (x, y), m in zip(corners, GROUND_M, strict=True)]


@pytest.mark.parametrize("place", [(181, 0), (-181, 0), (0, 91), (0, -91), (math.nan, 0), (0, math.inf)])
def test_a_place_is_on_earth(place: tuple[float, float]) -> None:
    with pytest.raises(InvalidInput):
        GeoPoint(*place)


def test_a_swapped_place_says_which_comes_first() -> None:
    with pytest.raises(InvalidInput, match="longitude comes first"):
        GeoPoint(32.6845, 109.0293)


@given(st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_metres_to_degrees_and_back(east_m: float, north_m: float) -> None:
    east, north = PLANE.to_m(PLANE.to_geo(east_m, north_m))
    assert math.isclose(east, east_m, abs_tol=1e-6)
    assert math.isclose(north, north_m, abs_tol=1e-6)


def test_a_distance_in_metres() -> None:
    # One minute of latitude is a nautical mile, 1852 m, to within the flattening of the ellipsoid.
    assert distance_m(GeoPoint(109, 32), GeoPoint(109, 32 + 1 / 60)) == pytest.approx(1852, rel=0.005)
    assert distance_m(ORIGIN, PLANE.to_geo(30, 40)) == pytest.approx(50, abs=1e-6)


def test_geojson_has_longitude_first() -> None:
    assert ORIGIN.geojson() == {"type": "Point", "coordinates": [109.0293, 32.6845]}


def test_control_points_are_found_again_on_the_ground() -> None:
    ground = GroundPlane.fit(points())
    for point, wanted in zip(points(), GROUND_M, strict=True):
        found = ground.locate(point.x, point.y, 1080)
        assert distance_m(found.place, PLANE.to_geo(*wanted)) < 0.01
    assert ground.residual_m < 1e-6


def test_accuracy_gets_worse_with_distance() -> None:
    ground = GroundPlane.fit(points())
    near, far = ground.locate(0.5, 0.95, 576), ground.locate(0.5, 0.42, 576)
    assert 0 < near.accuracy_m < far.accuracy_m


def test_a_point_that_is_off_shows_in_the_residual_and_in_every_accuracy() -> None:
    off = [*points(), ControlPoint(0.5, 0.7, PLANE.to_geo(8, 30))]
    fitted = GroundPlane.fit(off)
    assert fitted.residual_m > 0.5
    assert fitted.locate(0.5, 0.9, 1080).accuracy_m >= fitted.residual_m


def test_beyond_the_horizon_there_is_no_place() -> None:
    ground = GroundPlane.fit(points())
    assert np.isfinite(ground.ground_m(np.array([[0.5, 0.4]]))).all()
    assert np.isnan(ground.ground_m(np.array([[0.5, 0.0], [0.0, 0.01]]))).all()
    with pytest.raises(InvalidInput, match="horizon"):
        ground.locate(0.5, 0.0, 1080)
    with pytest.raises(InvalidInput, match="horizon"):
        ground.area_m2([(0, 0), (1, 0), (1, 1), (0, 1)])


def test_area_on_the_ground() -> None:
    # A trapezium of 40 m and 10 m, 50 m deep.
    assert GroundPlane.fit(points()).area_m2(CORNERS) == pytest.approx((40 + 10) / 2 * 50, rel=1e-4)


@pytest.mark.parametrize(
    "chosen",
    [
        points()[:3],
        [points()[0]] * 6,
        points(((0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4))),
        [ControlPoint(x, y, ORIGIN) for x, y in CORNERS],
        [ControlPoint(x, y, PLANE.to_geo(10 * i, 20 * i)) for i, (x, y) in enumerate(CORNERS)],
    ],
    ids=["three", "one spot", "a line in the picture", "one place", "a line on the ground"],
)
def test_points_that_fix_no_plane_are_refused(chosen: list[ControlPoint]) -> None:
    with pytest.raises(InvalidInput):
        GroundPlane.fit(chosen)


def test_inside_follows_the_even_odd_rule() -> None:
    horseshoe = ((0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4))
    asked = np.array([[0.5, 2.0], [2.0, 2.0], [3.5, 2.0], [2.0, 0.5], [5.0, 2.0], [2.0, -1.0]])
    assert inside(horseshoe, asked).tolist() == [True, False, True, True, False, False]
    assert inside(horseshoe, np.zeros((0, 2))).tolist() == []


@given(st.floats(-2, 3), st.floats(-2, 3))
def test_a_point_is_in_one_of_two_zones_that_share_a_border(x: float, y: float) -> None:
    left, right = ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), ((0.5, 0), (1, 0), (1, 1), (0.5, 1))
    whole = ((0, 0), (1, 0), (1, 1), (0, 1))
    point = np.array([[x, y]])
    assert int(inside(left, point)[0]) + int(inside(right, point)[0]) == int(inside(whole, point)[0])


BEIJING = np.array([[116.404, 39.915]])


def test_chinese_maps_agree_with_the_code_in_general_use() -> None:
    """The figures that wandergis/coordtransform prints for this place."""
    assert wgs84_to_gcj02(BEIJING)[0] == pytest.approx([116.41024449916938, 39.91640428150164], abs=1e-12)
    assert gcj02_to_bd09(BEIJING)[0] == pytest.approx([116.41036949371029, 39.92133699351021], abs=1e-12)


@given(st.floats(73, 135), st.floats(3, 54), st.sampled_from(MapSystem))
def test_chinese_maps_there_and_back_is_the_same_place(lon_deg: float, lat_deg: float, system: MapSystem) -> None:
    there = np.array([[lon_deg, lat_deg]])
    assert np.abs(to_wgs84(from_wgs84(there, system), system) - there).max() < 1e-11  # a micrometre


def test_a_place_stated_in_the_wrong_system_is_hundreds_of_metres_off() -> None:
    raw = GeoPoint(109.0293, 32.6845)
    assert 300 < distance_m(raw, place_of(raw.lon_deg, raw.lat_deg, MapSystem.GCJ02)) < 800
    assert 900 < distance_m(raw, place_of(raw.lon_deg, raw.lat_deg, MapSystem.BD09)) < 2000
    assert place_of(raw.lon_deg, raw.lat_deg, MapSystem.WGS84) == raw


def test_nothing_is_shifted_outside_china_nor_where_the_shift_begins() -> None:
    away = GeoPoint(-60.0, -33.0)
    assert place_of(away.lon_deg, away.lat_deg, MapSystem.GCJ02) == away
    no_source = GeoPoint(72.0045, 32.0)  # nothing inside the box is shifted onto here, and nothing outside stands here
    assert distance_m(place_of(no_source.lon_deg, no_source.lat_deg, MapSystem.GCJ02), no_source) < 1000


def test_a_place_that_is_not_on_earth_is_none_in_any_system() -> None:
    with pytest.raises(InvalidInput, match="longitude comes first"):
        place_of(32.6845, 109.0293, MapSystem.GCJ02)
