"""What is odd about a grid tree as a map: overlaps, gaps, land outside the parent. Pure; none of it forbids an import.

Borders are compared as they are stated, straight lines in longitude and latitude (RFC 7946, 3.1.1); areas are those on
the WGS-84 ellipsoid (Karney 2013, by pyproj).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from models.people import Grid

SMALLEST_M2 = 1.0
"""Less is what drawing and rounding leave behind."""
MOST_FINDINGS = 500
MOST_PAIRS = 200_000
"""Pairs of neighbours compared in all: a tree of 5,000 grids has some 30,000, one drawn on top of itself millions."""
MOST_OVERLAPS = 2000
"""Found in all, before it is plain that a file is drawn on top of itself."""
_CHUNK = 256
_SNAP_DEG = 1e-9
"""A tenth of a millimetre: overlays on a grid never fail for want of digits."""
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Finding:
    """One thing to look at. ``share`` is of the smaller grid (overlap), of the parent (gap), of the child (outside).

    ``other``: the other grid of an overlap, the parent of land outside it. ``place``: longitude, latitude within it.
    """

    kind: str
    grid: str
    said_zh: str
    said_en: str
    other: str | None = None
    area_m2: float | None = None
    share: float | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Findings:
    """``items``: the largest of each kind, MOST_FINDINGS in all; ``counts``: how many there are of each kind."""

    items: tuple[Finding, ...]
    counts: Mapping[str, int]
    complete: bool


def examine(tree: Sequence[Grid], fresh: Collection[str], at_s: float) -> Findings:
    """What is odd around the grids of ``fresh`` (codes) in ``tree``, which holds them and all others.

    The tree is looked at as it is valid at ``at_s``, Unix seconds; grids without a polygon only for their place in it.
    """
    valid = [grid for grid in tree if grid.is_valid(at_s)]
    by_code = {grid.code: grid for grid in valid}
    families: dict[str | None, list[Grid]] = {}
    for grid in valid:
        families.setdefault(grid.parent, []).append(grid)
    concerned = [
        parent
        for parent, children in families.items()
        if parent in fresh or any(child.code in fresh for child in children)
    ]
    found = list(_out_of_place(families, by_code, fresh))
    budget, overlapping = MOST_PAIRS, 0
    for parent in concerned:
        drawn = [grid for grid in families[parent] if grid.polygon is not None]
        shapes = np.array([shapely.geometry.shape(grid.polygon) for grid in drawn], dtype=object)
        pairs = _pairs(shapes, budget)
        budget -= len(pairs)
        overlaps = list(islice(_overlaps(drawn, shapes, pairs), MOST_OVERLAPS - overlapping))
        overlapping += len(overlaps)
        found += overlaps
        above = by_code.get(parent) if parent is not None else None
        if above is not None and above.polygon is not None and drawn:
            found += _against_parent(above, drawn, shapes)
    counts = Counter(finding.kind for finding in found)
    complete = budget > 0 and overlapping < MOST_OVERLAPS and len(found) <= MOST_FINDINGS
    found.sort(key=lambda finding: -(finding.area_m2 or 0.0))
    return Findings(tuple(found[:MOST_FINDINGS]), dict(counts), complete)


def _out_of_place(
    families: Mapping[str | None, Sequence[Grid]], by_code: Mapping[str, Grid], fresh: Collection[str]
) -> Iterator[Finding]:
    roots = families.get(None, ())
    for root in roots:
        if len(roots) > 1 and root.code in fresh:
            yield Finding(
                "orphan", root.code, "没有上级，而网格树另有根", "has no parent, and the tree has other roots"
            )
    for parent, children in families.items():
        if parent is not None and parent not in by_code:
            for child in children:
                if child.code in fresh:
                    said = f"其上级 {parent} 此时无效", f"its parent {parent} is not valid at that time"
                    yield Finding("orphan", child.code, *said, other=parent)


def _pairs(shapes: NDArray[Any], most: int) -> list[tuple[int, int]]:
    """Which of the shapes touch, each pair once; no more than ``most``."""
    tree = shapely.STRtree(shapes)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(shapes), _CHUNK):
        left, right = tree.query(shapes[start : start + _CHUNK], predicate="intersects")
        once = left + start < right
        pairs += zip((left[once] + start).tolist(), right[once].tolist(), strict=True)
        if len(pairs) >= most:
            return pairs[: max(most, 0)]
    return pairs


def _overlaps(drawn: Sequence[Grid], shapes: NDArray[Any], pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    for start in range(0, len(pairs), _CHUNK):
        some = pairs[start : start + _CHUNK]
        left, right = np.array(some).T
        shared = shapely.intersection(shapes[left], shapes[right], grid_size=_SNAP_DEG)
        for (i, j), common in zip(some, shared, strict=True):
            m2 = area_m2(common)
            if m2 >= SMALLEST_M2:
                yield _overlap(drawn[i].code, drawn[j].code, common, m2, min(area_m2(shapes[i]), area_m2(shapes[j])))


def _overlap(one: str, other: str, common: Any, m2: float, smaller_m2: float) -> Finding:
    share = m2 / max(smaller_m2, SMALLEST_M2)
    return Finding(
        "overlap",
        one,
        f"与 {other} 重叠 {m2:,.0f} 平方米（较小者的 {share:.1%}）",
        f"overlaps {other} by {m2:,.0f} m² ({share:.1%} of the smaller)",
        other,
        m2,
        share,
        _within(common),
    )


def _against_parent(above: Grid, drawn: Sequence[Grid], shapes: NDArray[Any]) -> Iterator[Finding]:
    land = shapely.geometry.shape(above.polygon)
    gap = shapely.difference(land, shapely.union_all(shapes, grid_size=_SNAP_DEG), grid_size=_SNAP_DEG)
    whole_m2, gap_m2 = area_m2(land), area_m2(gap)
    if gap_m2 >= SMALLEST_M2:
        share = gap_m2 / whole_m2
        yield Finding(
            "gap",
            above.code,
            f"有 {gap_m2:,.0f} 平方米不属于任何下级网格（{share:.1%}）",
            f"{gap_m2:,.0f} m² of it lie in no grid below it ({share:.1%})",
            None,
            gap_m2,
            share,
            _within(gap),
        )
    beyond = shapely.difference(shapes, land, grid_size=_SNAP_DEG)
    for grid, shape, rest in zip(drawn, shapes, beyond, strict=True):
        m2 = area_m2(rest)
        if m2 >= SMALLEST_M2:
            share = m2 / max(area_m2(shape), SMALLEST_M2)
            yield Finding(
                "outside",
                grid.code,
                f"有 {m2:,.0f} 平方米在上级 {above.code} 之外（{share:.1%}）",
                f"{m2:,.0f} m² of it lie outside its parent {above.code} ({share:.1%})",
                above.code,
                m2,
                share,
                _within(rest),
            )


def area_m2(shape: Any) -> float:
    """The land of a shape in degrees, m²; of points and lines none."""
    return sum(
        abs(_GEOD.geometry_area_perimeter(shapely.orient_polygons(part))[0])
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon" and part.area > 0
    )


def _within(shape: Any) -> tuple[float, float]:
    """A place in the largest part."""
    largest = max(shapely.get_parts(shape), key=lambda part: part.area)
    point = largest.representative_point()
    return round(point.x, 7), round(point.y, 7)
