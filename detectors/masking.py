"""Masking: heads and number plates made unrecognisable before a picture leaves the worker. Where unsure, mask.

What is hidden is replaced by a few blocks of mean colour. A blur could be undone in part; a mean of a quarter of a face
cannot. Nothing here reads plates or tells persons apart: every person's head and every vehicle's lower half is taken,
every face where a face model is installed, and whatever moves and is neither.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from models.frame import Pixels

MIN_SCORE = 0.15
"""Boxes from this score on are masked: far below what counts as seen. Larger boxes are not looked for down to here: of
a whole picture such ones hide what there is to be seen of an incident."""
SURE_SCORE = 0.35
"""A body or vehicle from this score on accounts for what moves within its box (its head or plate is masked); what moves
elsewhere is masked whole."""
PERSONS = frozenset({"person"})
VEHICLES = frozenset({"car", "truck", "bus", "motorcycle"})
CLOSED = frozenset({"car", "truck", "bus"})
"""Whoever is in them is behind glass; a rider is not, and is masked as what moves if not as a person."""
FACES = frozenset({"face"})
HEAD_SHARE, HEAD_WIDTHS, HEAD_SIDE, HEAD_ABOVE = 0.35, 0.7, 0.2, 0.12
"""Of a person's box: the upper share that is hidden, at least so many of its widths (who stands near or sits shows more
head than legs), and what is added at each side (of its width) and above (of its height), because boxes of small or
leaning people sit a little off."""
PLATE_SHARE, PLATE_SIDE, PLATE_BELOW = 0.5, 0.05, 0.05
FACE_MARGIN = 0.3
"""Added to each side of a face, of its size: hair and ears are a person's too."""
MAX_BLOCKS = 3
MIN_BLOCK_PX = 6
MOSAIC = 16
"""What moves is replaced by the mean colours of blocks, so many along the picture's longer side."""


def unmasked(labels: Sequence[str]) -> str | None:
    """A sentence about what a detector with these labels leaves to be seen, None for one that knows vehicles."""
    if CLOSED & set(labels):
        return None
    known = ", ".join(sorted(CLOSED))
    return f"it has no label {known}: number plates are not masked unless they move, and no rule sees such a vehicle"


def mask(
    bgr: Pixels,
    detections: Detections,
    faces: Detections | None = None,
    moved: NDArray[np.bool_] | None = None,
) -> Pixels:
    """A copy of the picture, shape (height, width, 3) uint8, with heads and plates hidden.

    ``moved``: where something moves, (rows, columns) over the whole picture.
    """
    masked = bgr.copy()
    if moved is not None:
        _hide_moved(masked, moved, detections)
    for left, top, right, bottom in detections.of(PERSONS, MIN_SCORE).boxes_px.tolist():
        width, height = right - left, bottom - top
        sides, head = HEAD_SIDE * width, max(HEAD_SHARE * height, min(HEAD_WIDTHS * width, height))
        _hide(masked, left - sides, top - HEAD_ABOVE * height, right + sides, top + head)
    for left, top, right, bottom in detections.of(VEHICLES, MIN_SCORE).boxes_px.tolist():
        width, height = right - left, bottom - top
        sides = PLATE_SIDE * width
        _hide(masked, left - sides, bottom - PLATE_SHARE * height, right + sides, bottom + PLATE_BELOW * height)
    if faces is not None:
        for left, top, right, bottom in faces.of(FACES, MIN_SCORE).boxes_px.tolist():
            sides, ends = FACE_MARGIN * (right - left), FACE_MARGIN * (bottom - top)
            _hide(masked, left - sides, top - ends, right + sides, bottom + ends)
    return masked


def _hide_moved(bgr: Pixels, moved: NDArray[np.bool_], detections: Detections) -> None:
    """In place: all that moved and no sure body or vehicle accounts for."""
    height_px, width_px = bgr.shape[:2]
    where = cv2.resize(moved.astype(np.uint8), (width_px, height_px), interpolation=cv2.INTER_NEAREST)
    for left, top, right, bottom in detections.of(PERSONS | CLOSED, SURE_SCORE).boxes_px.round().astype(int).tolist():
        where[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
    if not where.any():
        return
    scale = MOSAIC / max(height_px, width_px)
    blocks = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    means = cv2.resize(bgr, blocks, interpolation=cv2.INTER_AREA)
    np.copyto(
        bgr, cv2.resize(means, (width_px, height_px), interpolation=cv2.INTER_NEAREST), where=where[..., None] > 0
    )


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
