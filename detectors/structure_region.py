"""What has changed, as things: cells that hang together, since when, in what manner they came, and how large it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.structure_memory import Memory
from detectors.structure_view import Cells
from models.geo import GroundPlane

DAY_S = 86_400.0
SMALLEST = 0.011
"""Share of the picture: what is smaller is not watched."""
AT_ONCE_S = 7200.0
WHOLE = 0.6
"""It came at once if more than this share of it came within AT_ONCE_S that were watched."""
CERTAIN = 0.7
"""Evidence of the cells whose beginnings tell in what manner it came."""
SLIM = 0.6
"""Depth of what shows one side only, of its width. Our own choice."""
_AROUND = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, eq=False)
class Region:
    """Cells that have changed and hang together. ``since_s``: when the first quarter of it had come; ``whole``: the
    largest share of it that came within AT_ONCE_S; ``evidence``: mean, 0..1."""

    cells: Cells
    since_s: float
    whole: float
    evidence: float

    @property
    def share(self) -> float:
        """Of the picture."""
        return float(self.cells.mean())

    @property
    def is_growing(self) -> bool:
        return self.whole <= WHOLE

    @property
    def density(self) -> float:
        """Share of its rectangle that it fills."""
        rows, columns = np.nonzero(self.cells)
        return float(len(rows) / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))


def regions(memory: Memory, zone: Cells) -> list[Region]:
    """What has changed in a zone and is not too small, the largest first."""
    changed = memory.changed & zone
    labels, count = ndimage.label(ndimage.binary_closing(changed, _AROUND) | changed, _AROUND)
    found = []
    for number in range(1, count + 1):
        cells = (labels == number) & changed
        certain = cells & (memory.evidence >= CERTAIN)
        if cells.sum() < SMALLEST * cells.size or not certain.any():
            continue
        came_s = np.sort(memory.since_watched_s[certain])
        evidence = float(memory.evidence[cells].mean())
        found.append(Region(cells, float(np.quantile(memory.since_s[certain], 0.25)), _whole(came_s), evidence))
    return sorted(found, key=lambda region: -region.share)


def footprint_m2(cells: Cells, ground: GroundPlane | None) -> float | None:
    """Ground that a thing covers, by its lower edge: from its left end over its nearest corner to its right end are two
    sides of what is taken for a parallelogram. None where the ground is not known or not seen below it.
    """
    if ground is None or not cells.any():
        return None
    rows, columns = cells.shape
    across = np.flatnonzero(cells.any(axis=0))
    lowest = rows - np.argmax(cells[::-1, across], axis=0)
    edge = np.stack([(across + 0.5) / columns, lowest / rows], axis=1)
    ends = np.array([[across[0] / columns, edge[0, 1]], [(across[-1] + 1) / columns, edge[-1, 1]]])
    points = ground.ground_m(np.concatenate([ends[:1], edge, ends[1:]]))
    if not np.isfinite(points).all():
        return None
    along = points[-1] - points[0]
    width = float(np.hypot(*along))
    if width == 0:
        return None
    depth = np.abs((points[:, 0] - points[0, 0]) * along[1] - (points[:, 1] - points[0, 1]) * along[0]) / width
    corner = float(depth.max())
    return round(width * (corner if corner > 0.2 * width else SLIM * width), 1)


def _whole(came_s: NDArray[np.float64]) -> float:
    """The largest share that came within AT_ONCE_S; ``came_s`` in order."""
    within = np.searchsorted(came_s, came_s + AT_ONCE_S, side="right") - np.arange(len(came_s))
    return float(within.max() / len(came_s))
