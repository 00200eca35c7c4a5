"""What has changed, as things: cells that hang together, since when, in what manner they came, and how large it is."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.structure_memory import OTHERWISE, Memory, Numbers
from detectors.structure_view import Cells
from models.geo import GroundPlane

SMALLEST = 0.011
"""Share of the picture: what is smaller is not watched."""
WITHIN = 2
"""Blocks in which what comes at once has come."""
GROWN = 0.08
"""Share of what grows that came beside its two largest steps: two lorries side by side are two steps."""
GROWN_CELLS = 3
SLIM = 0.6
"""Depth of what shows one side only, of its width. Our own choice."""
UNSEEN = -0.5
"""What a block counts for in which a cell could not be seen: nothing is taken to have stood longer for that."""
STANDS = 0.5
"""Share of a thing's lower edge that lies in a zone in which it stands; above, it may reach beyond."""
EDGE, THIN = 0.5, 0.45
"""Shares of the level inside at which a thing ends, and of its usual height below which its ends are left out."""
FINER = 4
"""Parts of a cell's side to which the outline of a thing is told."""
_AROUND = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, eq=False)
class Region:
    """Cells that have changed and hang together. ``since_s``: when the first quarter of it had come; ``whole``: the
    largest share of it that came at once; ``later``: what came beside its two largest steps; ``evidence``: mean
    log-odds above the usual; ``vehicles``: share of looks in which the detector took it for a vehicle; ``outline``: the
    thing on a grid FINER times as fine."""

    cells: Cells
    since_s: float
    whole: float
    later: float
    evidence: float
    vehicles: float
    outline: Cells

    @property
    def share(self) -> float:
        """Of the picture."""
        return float(self.cells.mean())

    @property
    def is_growing(self) -> bool:
        return self.later >= GROWN and self.later * self.cells.sum() >= GROWN_CELLS

    @property
    def density(self) -> float:
        """Share of its rectangle that it fills."""
        rows, columns = np.nonzero(self.cells)
        return float(len(rows) / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))


def regions(memory: Memory, level: Numbers, zone: Cells, known: Cells) -> list[Region]:
    """What has changed besides what is ``known``, stands in a zone and is not too small, the largest first."""
    changed = (level > OTHERWISE) & ~known
    labels, count = ndimage.label(ndimage.binary_closing(changed, _AROUND) | changed, _AROUND)
    found = []
    for number in range(1, count + 1):
        cells = (labels == number) & changed
        if cells.sum() >= SMALLEST * cells.size and zone[_foot(cells)].mean() >= STANDS:
            found.append(_region(memory, level, cells))
    return sorted(found, key=lambda region: -region.share)


def _region(memory: Memory, level: Numbers, cells: Cells) -> Region:
    came, first = _came(memory.log[:, cells].astype(np.float32), level[cells])
    since_s = float(memory.log_s[int(np.quantile(came, 0.25))])
    seen = memory.vehicles[first:, cells].astype(np.float32)
    whole, later = _steps(came)
    return Region(cells, since_s, whole, later, float(level[cells].mean()), float(seen.mean()), outline(level, cells))


def _came(log: Numbers, level: NDArray[np.float32]) -> tuple[NDArray[np.intp], int]:
    """In which block each cell began to look otherwise and has since, by the largest sum from there on of what is above
    half its level (CUSUM; Page, Continuous inspection schemes, 1954); and the first of them.
    """
    above = np.nan_to_num(log - level / 2, nan=UNSEEN)
    came = np.cumsum(above[::-1], axis=0)[::-1].argmax(axis=0)
    return came, int(came.min())


def _steps(came: NDArray[np.intp]) -> tuple[float, float]:
    """The largest share that came within WITHIN blocks, and what came neither with it nor with the next largest."""
    count = np.bincount(came, minlength=1).astype(float)
    shares = []
    for _ in range(2):
        sums = np.convolve(count, np.ones(WITHIN))
        at = int(sums.argmax())
        shares.append(float(sums[at]) / len(came))
        count[max(at - WITHIN + 1, 0) : at + 1] = 0
    return shares[0], 1 - sum(shares)


def _foot(cells: Cells) -> Cells:
    """The lowest of each column."""
    below = np.vstack([cells[1:], np.zeros((1, cells.shape[1]), bool)])
    return cells & ~np.flip(np.maximum.accumulate(np.flip(below, 0), 0), 0)


def outline(level: Numbers, cells: Cells) -> Cells:
    """(rows, columns) * FINER: to a part of a cell where the level falls to EDGE of what it is inside, for the network
    sees a thing from beside it too; without the ends that thin out."""
    size = (cells.shape[1] * FINER, cells.shape[0] * FINER)
    if not cells.any():
        return np.zeros(size[::-1], np.bool_)
    near = cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8))
    smooth = cv2.resize(np.nan_to_num(level, nan=0.0), size, interpolation=cv2.INTER_LINEAR)
    within = np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST)) > 0
    labels, _ = ndimage.label(within & (smooth > EDGE * float(np.median(level[cells]))))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = labels == sizes.argmax()
    tall = largest.sum(axis=0)
    result: Cells = largest & (tall >= THIN * np.median(tall[tall > 0]))
    return result


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
