"""Masking: heads and number plates made unrecognisable before a picture leaves the worker. Where unsure, mask.

What is hidden is replaced by a few blocks of mean colour. A blur could be undone in part; a mean of a quarter of a face
cannot. Nothing here looks for faces or reads plates: every person's head and every vehicle's lower half is taken.
"""

import cv2
import numpy as np

from models.detections import Detections
from models.frame import Pixels

MIN_SCORE = 0.2
"""Boxes from this score on are masked: far below what counts as seen, since a spot too many costs nothing."""
PERSONS = frozenset({"person"})
VEHICLES = frozenset({"car", "truck", "bus", "motorcycle"})
HEAD_SHARE, HEAD_SIDE, HEAD_ABOVE = 0.35, 0.2, 0.12
"""Of a person's box: the upper share that is hidden, and what is added at each side (of its width) and above (of its
height), because boxes of small or leaning people sit a little off."""
PLATE_SHARE, PLATE_SIDE, PLATE_BELOW = 0.5, 0.05, 0.05
MAX_BLOCKS = 3
MIN_BLOCK_PX = 6


def mask(bgr: Pixels, detections: Detections) -> Pixels:
    """A copy of the picture, shape (height, width, 3) uint8, with heads and plates hidden.

    ``detections`` must have been looked for down to ``MIN_SCORE``.
    """
    masked = bgr.copy()
    for left, top, right, bottom in detections.of(PERSONS, MIN_SCORE).boxes_px.tolist():
        width, height = right - left, bottom - top
        sides = HEAD_SIDE * width
        _hide(masked, left - sides, top - HEAD_ABOVE * height, right + sides, top + HEAD_SHARE * height)
    for left, top, right, bottom in detections.of(VEHICLES, MIN_SCORE).boxes_px.tolist():
        width, height = right - left, bottom - top
        sides = PLATE_SIDE * width
        _hide(masked, left - sides, bottom - PLATE_SHARE * height, right + sides, bottom + PLATE_BELOW * height)
    return masked


def _hide(bgr: Pixels, left: float, top: float, right: float, bottom: float) -> None:
    """Replaces the rectangle, as far as it lies in the picture, by at most 3 x 3 blocks of mean colour, in place."""
    height_px, width_px = bgr.shape[:2]
    x1, y1 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x2, y2 = min(width_px, int(np.ceil(right))), min(height_px, int(np.ceil(bottom)))
    if x1 >= x2 or y1 >= y2:
        return
    size = (x2 - x1, y2 - y1)
    blocks = tuple(min(MAX_BLOCKS, max(1, side // MIN_BLOCK_PX)) for side in size)
    means = cv2.resize(bgr[y1:y2, x1:x2], blocks, interpolation=cv2.INTER_AREA)
    bgr[y1:y2, x1:x2] = cv2.resize(means, size, interpolation=cv2.INTER_NEAREST)
