"""The look-up of places by polygon."""

import math
import time

import pytest
from registry_scene import PATHS, city, collection, feature, place, square

from alerts.grid_import import parse_grids
from alerts.grids import MOST_CANDIDATES, GridIndex
from models.errors import InvalidInput
from models.geo import GeoPoint


@pytest.fixture(scope="module")
def index() -> GridIndex:
    return GridIndex(parse_grids(city()))


def test_a_place_lies_in_the_leaf_that_contains_it(index: GridIndex) -> None:
    found = index.locate(place(1500), 5.0)
    assert (found.code, found.path, found.candidates) == ("A2", PATHS["A2"], ("A2",))


def test_a_place_within_its_accuracy_of_a_border_names_the_neighbours_nearest_first(index: GridIndex) -> None:
    assert index.locate(place(990), 9.0).candidates == ("A1",)
    assert index.locate(place(990), 11.0).candidates == ("A1", "A2")
    assert index.locate(place(1990), 1100.0).candidates == ("A2", "B1", "A1")


def test_accuracy_is_metres_in_every_direction(index: GridIndex) -> None:
    """A degree of longitude is shorter than one of latitude: at 32.7° by a sixth."""
    outside_north, outside_west = place(500, 1010), place(-10, 500)
    for outside in (outside_north, outside_west):
        assert index.locate(outside, 9.5).code is None
        assert index.locate(outside, 10.5).candidates == ("A1",)


def test_a_place_on_a_shared_border_is_in_one_grid_always_the_same(index: GridIndex) -> None:
    at_border = GeoPoint(place(1000).lon_deg, place(1000).lat_deg)
    found = index.locate(at_border, 0.01)
    assert found.code == "A1"
    assert found.candidates == ("A1", "A2")


def test_in_a_gap_between_leaves_the_grid_above_is_home_and_near_leaves_are_candidates() -> None:
    index = GridIndex(parse_grids(collection(feature("A", None, square(0, 1000)), feature("A1", "A", square(0, 400)))))
    assert index.locate(place(420), 5.0).candidates == ("A",)
    assert index.locate(place(420), 25.0).candidates == ("A", "A1")


def test_far_from_every_grid_is_nowhere(index: GridIndex) -> None:
    found = index.locate(GeoPoint(-60.0, -33.0), 50.0)
    assert (found.code, found.path, found.candidates) == (None, "", ())


def test_a_hole_in_a_polygon_is_not_in_it() -> None:
    ring = square(0, 1000)["coordinates"][0]
    hole = square(400, 600, 400, 600)["coordinates"][0]
    index = GridIndex(parse_grids(collection(feature("A", None, {"type": "Polygon", "coordinates": [ring, hole]}))))
    assert index.locate(place(500, 500), 1.0).code is None
    assert index.locate(place(300, 500), 1.0).code == "A"


def test_grids_without_land_are_never_found_and_an_empty_tree_finds_nothing() -> None:
    index = GridIndex(parse_grids(collection(feature("U"))))
    assert index.locate(place(500), 10.0).code is None
    assert GridIndex([]).locate(place(500), 10.0).code is None


@pytest.mark.parametrize("accuracy_m", [-1.0, math.nan, math.inf])
def test_no_accuracy_but_0_metres_or_more(index: GridIndex, accuracy_m: float) -> None:
    with pytest.raises(InvalidInput, match="accuracy"):
        index.locate(place(500), accuracy_m)


def test_the_poles_and_a_senseless_accuracy_do_no_harm(index: GridIndex) -> None:
    assert index.locate(GeoPoint(0.0, 90.0), 10.0).code is None
    assert set(index.locate(place(500), 1e9).candidates) == {"A1", "A2", "B1"}


def test_a_county_of_4800_grids_is_searched_fast_and_answers_with_few_candidates() -> None:
    leaves = [
        feature(f"{row:02d}{column:02d}", "C", square(column * 100, column * 100 + 100, row * 100, row * 100 + 100))
        for row in range(60)
        for column in range(80)
    ]
    index = GridIndex(parse_grids(collection(feature("C", None, square(0, 8000, 0, 6000)), *leaves)))
    begun = time.perf_counter()
    for step in range(100):
        assert index.locate(place(51 + step * 70, 3050), 30.0).code == f"30{(51 + step * 70) // 100:02d}"
    assert time.perf_counter() - begun < 1.0
    assert len(index.locate(place(4050, 3050), 2000.0).candidates) == MOST_CANDIDATES
