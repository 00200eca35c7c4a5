"""Whose land is whose: an admin of a part of the tree draws borders within it, and takes no land from neighbours. Pure.

A place is looked up by polygons alone, so land that a neighbour drew over would send its cases to the neighbour.
"""

from collections.abc import Mapping, Sequence

import shapely

from models.errors import Fault
from models.people import Grid

TOLERATED = 0.02
"""Share of a grid's land that may lie outside: borders of one line, surveyed twice, are never quite the same."""


def trespasses(new: Sequence[Grid], there: Mapping[str, Grid], writable: Sequence[str]) -> list[Fault]:
    """A fault for each grid whose border is not the actor's to draw. ``writable``: paths of the subtrees that are."""
    faults = []
    bounds: dict[str, _Bounds] = {}
    for grid in new:
        if grid.polygon is None or (grid.code in there and there[grid.code].polygon == grid.polygon):
            continue
        path = min((path for path in writable if grid.path.startswith(path)), key=len, default="")
        top = there.get(path.rstrip("/").rpartition("/")[2])
        if top is None or top.parent is None:
            continue  # the whole tree's admin; or not theirs at all, which is refused elsewhere
        if top.code not in bounds:
            bounds[top.code] = _Bounds(top, there)
        said = bounds[top.code].refusal(grid)
        if said is not None:
            faults.append(Fault(grid.code, said))
    return faults


class _Bounds:
    """The land of the subtree below ``top``: its polygon, or whatever no other grid covers."""

    def __init__(self, top: Grid, there: Mapping[str, Grid]) -> None:
        self._top = top
        others = [
            grid.polygon
            for grid in there.values()
            if top.polygon is None
            and grid.polygon is not None
            and not (grid.path.startswith(top.path) or top.path.startswith(grid.path))
        ]
        self._others = shapely.STRtree([shapely.geometry.shape(polygon) for polygon in others])
        self._own = None if top.polygon is None else shapely.geometry.shape(top.polygon)

    def refusal(self, grid: Grid) -> str | None:
        if grid.code == self._top.code:
            return "its border is drawn by an admin of the grid above, since its neighbours' borders meet it"
        drawn = shapely.geometry.shape(grid.polygon)
        if self._own is not None:
            outside = drawn.difference(self._own).area / drawn.area
            said = f"{outside:.0%} of its land lies outside {self._top.code}, which is yours"
        else:
            near = self._others.geometries[self._others.query(drawn, predicate="intersects")]
            outside = drawn.intersection(shapely.union_all(near)).area / drawn.area
            said = f"{outside:.0%} of its land lies in grids that are not yours"
        return said if outside > TOLERATED else None
