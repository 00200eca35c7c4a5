"""The cells of a zone: its rectangle as a grid of SIDE x SIDE, how a picture looks in it, what boxes cover. Pure."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.frame import Pixels
from models.geo import inside

SIDE = 48
SAMPLES = 3
"""Points a cell and direction: the mean of nine is free of most noise, and costs what a small picture does."""

Cells = NDArray[np.bool_]
"""(SIDE, SIDE)."""
Box = tuple[float, float, float, float]
"""left, top, right, bottom in picture fractions."""


def frame_of(polygon: Sequence[tuple[float, float]]) -> Box:
    x, y = zip(*polygon, strict=True)
    return min(x), min(y), max(x), max(y)


def view_of(bgr: Pixels, frame: Box) -> NDArray[np.float32]:
    """(SIDE, SIDE, 3) float32: mean colours of the cells of ``frame``."""
    height_px, width_px = bgr.shape[:2]
    y, x = _points(frame, height_px, width_px)
    picked = np.take(bgr.reshape(height_px, width_px * 3)[y], x, axis=1, mode="clip").reshape(SAMPLES, SIDE, -1)
    rows = picked.sum(axis=0, dtype=np.uint16).reshape(SIDE, SAMPLES, SIDE * 3)
    view: NDArray[np.float32] = rows.sum(axis=1, dtype=np.uint16).reshape(SIDE, SIDE, 3) / np.float32(SAMPLES**2)
    return view


@lru_cache(maxsize=1024)
def _points(frame: Box, height_px: int, width_px: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of a picture that are looked at, and the values of a row: the first point of each cell, then the second,
    then the third, so that the points of a cell lie apart and cells beside each other are added up together."""
    steps = ((np.arange(SIDE * SAMPLES) + 0.5) / (SIDE * SAMPLES)).reshape(SIDE, SAMPLES).T
    y = np.minimum((frame[1] + (frame[3] - frame[1]) * steps) * height_px, height_px - 1).astype(np.intp)
    x = np.minimum((frame[0] + (frame[2] - frame[0]) * steps) * width_px, width_px - 1).astype(np.intp)
    return y.ravel(), (x[..., None] * 3 + np.arange(3)).ravel()


@lru_cache(maxsize=1024)
def cells_of(polygon: tuple[tuple[float, float], ...]) -> Cells:
    """The cells whose middle lies in the polygon, in the grid of its own rectangle."""
    frame, steps = frame_of(polygon), (np.arange(SIDE) + 0.5) / SIDE
    x, y = np.meshgrid(frame[0] + (frame[2] - frame[0]) * steps, frame[1] + (frame[3] - frame[1]) * steps)
    found = inside(polygon, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(SIDE, SIDE)
    found.flags.writeable = False
    return found


def cells_in(frame: Box, boxes: NDArray[np.floating[Any]]) -> Cells:
    """The cells that any of (n, 4) boxes in picture fractions touches."""
    found = np.zeros((SIDE, SIDE), dtype=bool)
    size = np.array([frame[2] - frame[0], frame[3] - frame[1]] * 2)
    ends = np.minimum(np.maximum((boxes - np.array(frame[:2] * 2)) / size * SIDE, 0), SIDE)
    ends[:, 2:] = np.ceil(ends[:, 2:])
    for left, top, right, bottom in ends.astype(int).tolist():
        found[top:bottom, left:right] = True
    return found


def cells_under(frame: Box, box: Box) -> tuple[slice, slice]:
    """The cells that one box in picture fractions touches, rows and columns."""
    wide, high = frame[2] - frame[0], frame[3] - frame[1]
    left, right = ((x - frame[0]) / wide * SIDE for x in (box[0], box[2]))
    top, bottom = ((y - frame[1]) / high * SIDE for y in (box[1], box[3]))
    rows, columns = ((min(max(a, 0), SIDE), min(max(b, 0), SIDE)) for a, b in ((top, bottom), (left, right)))
    return slice(int(rows[0]), math.ceil(rows[1])), slice(int(columns[0]), math.ceil(columns[1]))
