"""A grid tree as a map: overlaps, gaps, land outside the parent, each with its area."""

import time

import pytest
import shapely
from registry_scene import city, collection, feature, square

from alerts.grid_check import MOST_FINDINGS, Finding, Findings, area_m2, examine
from alerts.grid_import import parse_grids


def look(*features: object, at_s: float = 0.0) -> Findings:
    tree = parse_grids(collection(*features))
    return examine(tree, {grid.code for grid in tree}, at_s)


def only(findings: Findings, kind: str) -> Finding:
    (found,) = [item for item in findings.items if item.kind == kind]
    return found


def test_a_tree_that_fits_has_no_findings() -> None:
    tree = parse_grids(city())
    assert examine(tree, {grid.code for grid in tree}, 0.0) == Findings((), {}, complete=True)


def test_an_overlap_has_its_area_and_its_share_of_the_smaller() -> None:
    found = only(look(feature("A", None, square(0, 1000)), feature("B", "A", square(0, 600)),
                      feature("C", "A", square(500, 1000))), "overlap")  # fmt: skip
    assert {found.grid, found.other} == {"B", "C"}
    # The flat squares of the scene and the ellipsoid differ by a third of a percent.
    assert found.area_m2 == pytest.approx(100_000, rel=0.005)
    assert found.share == pytest.approx(0.2, rel=0.001)
    assert found.place is not None
    assert "overlaps" in found.said_en
    assert "重叠" in found.said_zh


def test_a_gap_and_land_outside_are_measured_against_the_parent() -> None:
    findings = look(feature("A", None, square(0, 1000)), feature("A1", "A", square(-100, 700)))
    gap, outside = only(findings, "gap"), only(findings, "outside")
    assert (gap.grid, outside.grid, outside.other) == ("A", "A1", "A")
    assert gap.area_m2 == pytest.approx(300_000, rel=0.005)
    assert gap.share == pytest.approx(0.3, rel=0.001)
    assert outside.area_m2 == pytest.approx(100_000, rel=0.005)
    assert outside.share == pytest.approx(0.125, rel=0.001)
    assert findings.counts == {"gap": 1, "outside": 1}


def test_grids_that_touch_or_that_hold_each_other_do_not_overlap() -> None:
    findings = look(feature("A", None, square(0, 1000)), feature("A1", "A", square(0, 500)),
                    feature("A2", "A", square(500, 1000)), feature("U", "A"))  # fmt: skip
    assert findings.items == ()


def test_a_second_root_and_a_child_of_what_is_over_are_orphans() -> None:
    ended = feature("B", "A")
    ended["properties"]["valid_to"] = "2020-01-01"  # type: ignore[index]
    findings = look(feature("A"), ended, feature("B1", "B"), feature("Z"), at_s=1.8e9)
    assert {item.grid: item.other for item in findings.items} == {"A": None, "Z": None, "B1": "B"}


def test_only_what_the_file_concerns_is_looked_at() -> None:
    west = (feature("A", None, square(0, 1000)), feature("A1", "A", square(0, 700)))
    east = (feature("B", None, square(2000, 3000)), feature("B1", "B", square(2000, 2500)))
    tree = parse_grids(collection(*west, *east))
    assert {item.grid for item in examine(tree, {"B1"}, 0.0).items} == {"B"}


def test_areas_are_those_of_the_ellipsoid() -> None:
    # A degree square at the equator; Karney's algorithm by GeographicLib's Planimeter: 12308.778361469 km².
    assert area_m2(shapely.box(0, 0, 1, 1)) == pytest.approx(12_308_778_361.469, rel=1e-6)


def test_a_file_drawn_on_top_of_itself_is_told_soon() -> None:
    begun_s = time.perf_counter()
    findings = look(*(feature(f"X{i}", None, square(0, 1000)) for i in range(3000)))
    assert time.perf_counter() - begun_s < 10.0
    assert not findings.complete
    assert len(findings.items) == MOST_FINDINGS
