"""How densely people stand, cell by cell: what a crowd counter gives instead of boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.geo import inside

MAX_CELLS = 32
"""Along a side: finer maps are added up, since an hour of them is kept and zones are no finer."""
PARTS = 4
"""A cell that a zone's edge cuts counts by the share of its PARTS x PARTS points that lie in the zone."""


@dataclass(frozen=True, eq=False)
class DensityMap:
    """Persons per cell, (rows, columns) float32, from the picture's top left corner on.

    ``cell`` is a cell's width and height as fractions of the picture. A head makes its density where it is seen, so a
    zone counts those whose heads it shows, not those who stand in it. ``model`` is name@version.
    """

    persons: NDArray[np.float32]
    cell: tuple[float, float]
    model: str

    def __post_init__(self) -> None:
        if self.persons.ndim != 2 or self.persons.size == 0 or not np.isfinite(self.persons).all():
            raise InvalidInput(f"a density map has finite rows and columns of cells, not {self.persons.shape}")

    @property
    def total(self) -> float:
        return float(self.persons.sum())

    def within(self, polygon: Sequence[tuple[float, float]]) -> float:
        """Persons in a polygon of picture fractions."""
        rows, columns = self.persons.shape
        return float((self.persons * _shares(tuple(polygon), rows, columns, self.cell)).sum())

    def coarser(self) -> "DensityMap":
        """The same persons in at most ``MAX_CELLS`` cells a side."""
        step = -(-max(self.persons.shape) // MAX_CELLS)
        if step == 1:
            return self
        rows, columns = (-(-side // step) for side in self.persons.shape)
        padded = np.zeros((rows * step, columns * step), np.float32)
        padded[: self.persons.shape[0], : self.persons.shape[1]] = self.persons
        added = padded.reshape(rows, step, columns, step).sum(axis=(1, 3))
        return DensityMap(added, (self.cell[0] * step, self.cell[1] * step), self.model)


@lru_cache(maxsize=256)
def _shares(
    polygon: tuple[tuple[float, float], ...], rows: int, columns: int, cell: tuple[float, float]
) -> NDArray[np.float64]:
    """(rows, columns) The share of each cell that lies in the polygon: what a look costs a hundred times of."""
    y, x = np.mgrid[: rows * PARTS, : columns * PARTS]
    points = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / PARTS * cell
    shares: NDArray[np.float64] = inside(polygon, points).reshape(rows, PARTS, columns, PARTS).mean(axis=(1, 3))
    shares.flags.writeable = False
    return shares
