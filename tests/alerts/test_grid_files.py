"""Grids from tables: codes that spreadsheets damage, borders as text, map systems, times."""

import json
from typing import Any

import pytest
from registry_scene import collection, feature, square
from workbooks import csv_bytes, xlsx_bytes

from alerts.grid_import import parse_grids, plan_grids
from models.errors import InvalidInput
from models.geo import GeoPoint, distance_m
from models.map_systems import MapSystem, place_of

HEADER = ["编码", "名称", "上级编码", "边界", "坐标系"]
WKT = "POLYGON((109.02 32.68, 109.03 32.68, 109.03 32.69, 109.02 32.68))"


def faults_of(data: Any, system: MapSystem | None = None) -> list[str]:
    return [str(fault) for fault in plan_grids(data, system=system).faults]


def test_one_tree_of_six_levels_from_three_kinds_of_file_is_the_same() -> None:
    rows = [
        [f"6109{level}", f"第{level}级", f"6109{level - 1}" if level > 1 else "", WKT, "wgs84"] for level in range(1, 7)
    ]
    ring = [[109.02, 32.68], [109.03, 32.68], [109.03, 32.69], [109.02, 32.68]]
    border = {"type": "Polygon", "coordinates": [ring]}
    features = [feature(row[0], row[2] or None, border, row[1]) for row in rows]
    trees = [
        parse_grids(data)
        for data in (
            csv_bytes([HEADER, *rows], "gbk"),
            xlsx_bytes([HEADER, *rows]),
            json.dumps(collection(*features), ensure_ascii=False).encode("gb18030"),
        )
    ]
    assert trees[0] == trees[1] == trees[2]
    assert (trees[0][-1].level, trees[0][-1].name, trees[0][-1].polygon) == (6, "第6级", border)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("6.10902E+19", "6.10902E+19"), (6.10902001310000000e19, "6.10902E+19"), (61090200131000000000, "6.10902E+19"),
     (2**53, "9.0072E+15"), (1e15, "1E+15"), ("6E+19", "6E+19")],
)  # fmt: skip
def test_a_code_that_a_spreadsheet_took_for_a_number_is_named_as_such(cell: object, shown: str) -> None:
    said = f"{shown} was turned into a number by a spreadsheet: format the column as text and enter it anew"
    for parent in ("", cell):
        faults = faults_of(xlsx_bytes([HEADER[:3], ["R", "根", ""], [cell, "甲", parent]]))
        assert faults[0] == f"row 3: code {said}"
    assert faults[1] == f"row 3: its parent {said}"
    assert faults_of(collection(feature(cell)))[0] == f"row 1: code {said}"


def test_codes_that_only_look_like_numbers_are_kept() -> None:
    rows = [["61090200131000000001", "甲", ""], ["1E5", "乙", ""], ["007", "丙", ""]]
    assert [grid.code for grid in parse_grids(csv_bytes([HEADER[:3], *rows]))] == ["61090200131000000001", "1E5", "007"]
    numbers = xlsx_bytes([HEADER[:3], [610902001001, 3, ""], [610902001002.0, "乙", 610902001001]])
    assert [(grid.path, grid.name) for grid in parse_grids(numbers)] == [
        ("/610902001001/", "3"),
        ("/610902001001/610902001002/", "乙"),
    ]


def test_borders_in_chinese_map_systems_are_converted_and_kept_as_stated() -> None:
    rows = [
        ["A", "甲", "", WKT, "wgs84"],
        ["B", "乙", "", WKT, "火星坐标系"],
        ["C", "丙", "", WKT, "BD-09"],
        ["D", "丁", "", WKT, ""],
        ["E", "戊", "", "", ""],
    ]
    a, b, c, d, e = parse_grids(csv_bytes([HEADER, *rows]), system=MapSystem.GCJ02)
    assert (a.system, a.polygon_raw) == ("wgs84", None)
    assert (b.polygon_raw, c.polygon_raw, b.polygon) == (a.polygon, a.polygon, d.polygon)
    assert (e.polygon, e.polygon_raw) == (None, None)
    for grid, system in ((b, MapSystem.GCJ02), (c, MapSystem.BD09)):
        corner = GeoPoint(*grid.polygon["coordinates"][0][0])  # type: ignore[index]
        assert grid.system == system.value
        assert distance_m(corner, place_of(109.02, 32.68, system)) < 0.001
        assert distance_m(corner, GeoPoint(109.02, 32.68)) > 300


def test_a_border_in_no_named_or_an_unknown_system_is_a_fault() -> None:
    rows = [HEADER, ["A", "甲", "", WKT, ""], ["B", "乙", "", WKT, "西安80"]]
    faults = faults_of(csv_bytes(rows))
    assert faults[0] == "row 2 (A): nothing names the coordinate system of its polygon: wgs84, gcj02 or bd09"
    assert faults[1].startswith("row 3 (B): its coordinate system must be named")
    named = {**collection(feature("A", None, square(0, 100))), "crs": {"properties": {"name": "GCJ-02"}}}
    assert parse_grids(named)[0].system == "gcj02"


@pytest.mark.parametrize(
    ("border", "sentence"),
    [
        ("POINT(1 2)", "must be WKT"),
        ("GEOMETRYCOLLECTION(" * 100_000, "must be WKT"),
        ("POLYGON((" + "(" * 100_000 + ")", "faulty|must be WKT"),
        ("POLYGON((1 1, 2 2, 3 1, 1 2))", "faulty"),
        ("POLYGON((1 1, 2 2, 3", "must be WKT"),
        ("POLYGON((a b, c d))", "faulty"),
        ("POLYGON((109 95, 110 95, 110 96, 109 95))", "not longitude, latitude"),
        ("SRID=3857;" + WKT, "SRID"),
        ('{"type": "Polygon", "coordinates": [[[1,', "cut off"),
        ('{"a":' * 5000, "cut off"),
        ('{"type": "Point", "coordinates": [1, 2]}', "must be a Polygon"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_borders_that_bound_no_land_are_refused_by_row(border: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=rf"row 2 \(A\): .*({sentence})"):
        parse_grids(csv_bytes([HEADER, ["A", "甲", "", border, "wgs84"]]))


def test_wkt_with_holes_parts_and_heights_is_read() -> None:
    text = (
        "SRID=4490;MULTIPOLYGON Z (((0 0 5, 9 0 5, 9 9 5, 0 9 5, 0 0 5), (2 2 5, 2 3 5, 3 3 5, 2 2 5)), "
        "((20 20 1, 21 20 1, 21 21 1, 20 20 1)))"
    )
    (grid,) = parse_grids(csv_bytes([HEADER, ["A", "甲", "", text, "wgs84"]]))
    assert [len(part) for part in grid.polygon["coordinates"]] == [2, 1]  # type: ignore[index,union-attr,attr-defined]


def test_times_of_validity_are_read_and_a_level_that_differs_is_told() -> None:
    header = ["code", "name", "parent", "level", "valid_from", "valid_to"]
    rows = [["A", "甲", "", 1, "2026-01-01", "2027/1/1 8:00"], ["A1", "乙", "A", 4, "2026-06-01T00:00:00Z", ""]]
    plan = plan_grids(csv_bytes([header, *rows]))
    assert [str(fault) for fault in plan.jumps] == ["row 3 (A1): states level 4 and stands on level 2"]
    assert [(grid.valid_from_s, grid.valid_to_s) for grid in plan.grids] == [
        (1767196800.0, 1798761600.0),  # midnight and eight o'clock in China
        (1780272000.0, None),
    ]
    broken = [["B", "丙", "", "top", "soon", ""], ["C", "丁", "", "", "2026-01-02", "2026-01-01"]]
    said = " ".join(faults_of(csv_bytes([header, *broken])))
    for words in ("its level must be a number", "valid_from must be a day", "it ends before it begins"):
        assert words in said
