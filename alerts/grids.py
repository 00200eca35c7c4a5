"""Which grid a place lies in: the look-up by polygon."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.geo import EARTH_RADIUS_M, GeoPoint
from models.people import Grid

MOST_CANDIDATES = 20
"""A place so vague that more grids than this are in question is told by its accuracy, not by a longer list."""

MOST_REMEMBERED = 10_000
"""Places whose grid an index remembers."""


@dataclass(frozen=True)
class Candidate:
    """A grid that a place may lie in. ``distance_m``: from the place to its border, 0 where it contains it."""

    grid: Grid
    distance_m: float


@dataclass(frozen=True)
class Location:
    """Where a place lies in the grid tree.

    ``code`` and ``path`` are of the deepest grid that contains it (else of the nearest leaf within its accuracy; else
    None and ""). ``candidates`` begins with that grid; other leaf grids within the accuracy follow, nearest first, at
    most MOST_CANDIDATES in all, for a person to choose from.
    """

    code: str | None
    path: str
    candidates: tuple[str, ...]


NOWHERE = Location(None, "", ())


class GridIndex:
    """A snapshot of the grid tree, for many look-ups: WGS-84 polygons in an STR-tree (Leutenegger et al., 1997).

    Safe to use from several threads. Grids without a polygon are never found.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self._grids = tuple(grid for grid in grids if grid.polygon is not None)
        self._shapes = np.array([shapely.geometry.shape(grid.polygon) for grid in self._grids], dtype=object)
        self._tree = shapely.STRtree(self._shapes)
        parents = {grid.parent for grid in self._grids}
        self._is_leaf = [grid.code not in parents for grid in self._grids]
        self._located: dict[tuple[GeoPoint, float], Location] = {}

    def locate(self, point: GeoPoint, accuracy_m: float) -> Location:
        """``accuracy_m``: how far the place may be off, metres, 0 or more. Raises InvalidInput for other numbers."""
        # A camera does not move: it asks for the same place again and again.
        located = self._located.get((point, accuracy_m))
        if located is None:
            found = self.candidates(point, accuracy_m)
            home = found[0].grid if found else None
            codes = tuple(candidate.grid.code for candidate in found)
            located = NOWHERE if home is None else Location(home.code, home.path, codes)
            if len(self._located) < MOST_REMEMBERED:
                self._located[point, accuracy_m] = located
        return located

    def candidates(self, point: GeoPoint, accuracy_m: float) -> list[Candidate]:
        """As ``locate``, with each grid and how far it is away."""
        if not (math.isfinite(accuracy_m) and accuracy_m >= 0):
            raise InvalidInput(f"an accuracy is 0 metres or more, not {accuracy_m}")
        north = math.radians(1) * EARTH_RADIUS_M
        east = north * max(math.cos(math.radians(point.lat_deg)), 1e-6)
        near = self._near(point, accuracy_m / east, accuracy_m / north)
        scale = np.array([east, north])
        here = np.array([point.lon_deg, point.lat_deg])
        flat = shapely.transform(self._shapes[near], lambda degrees: (degrees - here) * scale)
        away_m = dict(zip(near.tolist(), shapely.distance(flat, shapely.Point(0, 0)).tolist(), strict=True))
        containing = [i for i, m in away_m.items() if m == 0]
        home = min(
            containing, key=lambda i: (-self._grids[i].level, not self._is_leaf[i], self._grids[i].code), default=None
        )
        leaves = [i for i, m in away_m.items() if m <= accuracy_m and self._is_leaf[i] and i != home]
        leaves.sort(key=lambda i: (away_m[i], self._grids[i].code))
        found = ([] if home is None else [home]) + leaves
        return [Candidate(self._grids[i], away_m[i]) for i in found[:MOST_CANDIDATES]]

    def _near(self, point: GeoPoint, east_deg: float, north_deg: float) -> NDArray[np.intp]:
        box = shapely.box(
            point.lon_deg - east_deg, point.lat_deg - north_deg, point.lon_deg + east_deg, point.lat_deg + north_deg
        )
        found: NDArray[np.intp] = self._tree.query(box)
        return found
