"""Reading a grid tree: the whole file, or each fault with its row."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from registry_scene import city, collection, feature, square

import ops
from alerts.grid_files import MOST_GRIDS
from alerts.grid_import import MOST_FAULTS, parse_grids
from alerts.grids import GridIndex
from alerts.polygons import MOST_CORNERS
from alerts.spreadsheets import MOST_BYTES
from models.errors import InvalidInput, TooLarge
from models.geo import GeoPoint, LocalPlane


def refused(document: Any) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_grids(document)
    return [str(fault) for fault in caught.value.faults]


def test_a_tree_is_read_parents_first_whatever_the_order_in_the_file() -> None:
    document = city()
    document["features"].reverse()  # type: ignore[attr-defined]
    grids = parse_grids(json.dumps(document).encode(), scheme="test")
    seen: set[str | None] = {None}
    for grid in grids:
        assert grid.parent in seen
        seen.add(grid.code)
    by_code = {grid.code: grid for grid in grids}
    assert (by_code["A1"].level, by_code["A1"].path, by_code["A1"].scheme) == (3, "/R/A/A1/", "test")


def test_a_byte_order_mark_and_numeric_codes_are_taken() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(collection(feature(610902), feature(610902001, 610902))).encode()
    assert [grid.path for grid in parse_grids(data)] == ["/610902/", "/610902/610902001/"]


def test_heights_are_dropped_and_html_in_a_name_stays_text() -> None:
    geometry = copy.deepcopy(square(0, 100))
    for corner in geometry["coordinates"][0]:  # type: ignore[index]
        corner.append(321.0)
    grid = parse_grids(collection(feature("A", None, geometry, name='<b>汉江</b> & "河堤"')))[0]
    assert grid.name == '<b>汉江</b> & "河堤"'
    assert all(len(corner) == 2 for corner in grid.polygon["coordinates"][0])  # type: ignore[index,union-attr]


def test_parents_may_be_grids_that_are_known_already() -> None:
    known = parse_grids(city())
    grid = parse_grids(collection(feature("A3", "A")), known=known)[0]
    assert (grid.path, grid.level) == ("/R/A/A3/", 3)


def test_every_fault_is_named_with_its_row_and_nothing_is_read() -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[109, 32], [110, 33], [110, 32], [109, 33], [109, 32]]]}
    swapped = {"type": "Polygon", "coordinates": [[[32.6, 109.1], [32.7, 109.1], [32.7, 109.2], [32.6, 109.1]]]}
    faults = refused(
        collection(
            feature("R"),
            feature("A", "nobody"),
            feature("610902", "R", bow_tie),
            feature("R"),
            feature("S", "R", swapped),
            feature("", "R"),
            feature("N", "R", None, ""),
            feature("X", "Y"),
            feature("Y", "X"),
            feature("Z", "X"),
        )
    )
    assert any(fault.startswith("row 2 (A): its parent nobody") for fault in faults)
    assert any(
        fault.startswith("row 3 (610902): its polygon is faulty: it crosses itself at 109.5 32.5") for fault in faults
    )
    assert "row 4 (R): the code is taken already by row 1 (R)" in faults
    assert any(fault.startswith("row 5 (S): a corner at 32.6, 109.1") and "swapped" in fault for fault in faults)
    assert any(fault.startswith("row 6: it has no code") for fault in faults)
    assert "row 7 (N): the name is missing or empty" in faults
    assert "row 8 (X): it stands above itself: X → Y → X" in faults
    assert "row 9 (Y): it stands above itself: Y → X → Y" in faults or any(f.startswith("row 9 (Y)") for f in faults)
    assert not any("(Z)" in fault for fault in faults)
    assert len(faults) == 8


def test_a_child_of_a_faulty_row_is_not_called_an_orphan() -> None:
    faults = refused(collection(feature("A", None, None, "\x00"), feature("A1", "A")))
    assert [fault.split(":")[0] for fault in faults] == ["row 1 (A)"]


def test_a_grid_that_is_its_own_parent_and_a_long_cycle_are_refused() -> None:
    assert refused(collection(feature("A", "A"))) == ["row 1 (A): it stands above itself: A → A"]
    many = [feature(f"N{i}", f"N{(i + 1) % 2000}") for i in range(2000)]
    assert len(refused(collection(*many))) == MOST_FAULTS + 1


def test_a_tree_too_deep_is_refused() -> None:
    chain = [feature(f"L{i}", f"L{i - 1}" if i > 1 else None) for i in range(1, 15)]
    assert any("L13" in fault and "level 13" in fault for fault in refused(collection(*chain)))


@pytest.mark.parametrize(
    "name",
    ["", "   ", "a\x07b", "line\nbreak", "admin\u202egnp", "zero\u200bwidth", "\ud800", "x" * 201, 7, None, ["a"]],
    ids=repr,
)
def test_hostile_names_are_refused(name: object) -> None:
    assert refused(collection(feature("A", None, None, name)))[0].startswith("row 1 (A): the name")


@pytest.mark.parametrize("code", ["a/b", "../x", "a b", "%", "x" * 65, "网格", 1.5, True, {}, [], "-a"], ids=repr)
def test_codes_that_would_break_a_path_are_refused(code: object) -> None:
    assert refused(collection(feature(code)))[0].startswith("row 1: it has a code that cannot be used")
    assert refused(collection(feature("A"), feature("B", code)))[0].startswith("row 2 (B): its parent is no grid code")


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [109, 32]},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": [[[109, 32], [110, 32], [110, 33]]]},
        {"type": "Polygon", "coordinates": [[[109, 32], [110, 32], [110, 33], [109, 33]]]},
        {"type": "Polygon", "coordinates": [[[109, 32], [110, 32], [111, 32], [109, 32]]]},
        {"type": "Polygon", "coordinates": [[["109", 32], [110, 32], [110, 33], ["109", 32]]]},
        {"type": "Polygon", "coordinates": [[[1e999, 32], [110, 32], [110, 33], [1e999, 32]]]},
        {"type": "Polygon", "coordinates": [[[10**400, 32], [110, 32], [110, 33], [10**400, 32]]]},
        {"type": "Polygon", "coordinates": [[[109], [110, 32], [110, 33], [109]]]},
        {"type": "Polygon", "coordinates": {"0": 1}},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "MultiPolygon", "coordinates": [7]},
        {"type": "Polygon", "coordinates": [[[0, 0]] * (MOST_CORNERS + 1)]},
        [],
        7,
    ],
    ids=lambda geometry: str(geometry)[:60],
)
def test_geometries_that_bound_no_land_are_refused(geometry: object) -> None:
    assert refused(collection(feature("A", None, geometry)))[0].startswith("row 1 (A): ")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"PK\x03\x04", "begins as an .xlsx"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type": "FeatureCollection", "features": [NaN]}', "NaN is no JSON number"),
        (b"[]", "FeatureCollection"),
        (b'{"type": "Feature"}', "FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": []}', "no features"),
        (b'{"type": "FeatureCollection", "features": {"a": 1}}', "no features"),
        (
            b'{"type": "FeatureCollection", "crs": {"properties": {"name": "EPSG:3857"}}, "features": [1]}',
            "not WGS-84",
        ),
        (b'{"type": "FeatureCollection", "crs": 5, "features": [1]}', "not WGS-84"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_grid_file_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        parse_grids(data)


def test_wgs84_may_be_named() -> None:
    for name in ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4490"):
        document = {**collection(feature("A")), "crs": {"type": "name", "properties": {"name": name}}}
        assert len(parse_grids(document)) == 1


@pytest.mark.parametrize(
    "row", [None, 7, "x", [], {}, {"type": "Feature"}, {"type": "Feature", "properties": []}], ids=repr
)
def test_rows_that_are_no_features_are_named(row: object) -> None:
    assert refused(collection(row))[0].startswith("row 1: ")


def test_a_file_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="20 MiB"):
        parse_grids(b" " * (MOST_BYTES + 1))
    with pytest.raises(TooLarge, match=str(MOST_GRIDS)):
        parse_grids(collection(*[{}] * (MOST_GRIDS + 1)))


def test_the_demo_tree_puts_the_plaza_and_the_gate_in_leaves_of_their_own() -> None:
    grids = parse_grids((Path(ops.__file__).parent / "demo_grids.geojson").read_bytes())
    assert max(grid.level for grid in grids) == 5
    index, plane = GridIndex(grids), LocalPlane(GeoPoint(109.0293, 32.6845))
    plaza, gate = index.locate(plane.to_geo(0, 0), 20.0), index.locate(plane.to_geo(150, 0), 1.0)
    assert (plaza.candidates, gate.candidates) == (("610902001001005",), ("610902001001006",))
    leaves = [grid for grid in grids if grid.level == 5]
    for grid in leaves:
        west_south, east_north = grid.polygon["coordinates"][0][0], grid.polygon["coordinates"][0][2]  # type: ignore[index]
        size_m = LocalPlane(GeoPoint(*west_south)).to_m(GeoPoint(*east_north))
        assert all(100 <= side <= 200 for side in size_m)
