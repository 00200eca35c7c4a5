"""Boxes: how much two overlap, which of many are the same thing, and the tiles that a picture is looked at in."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

Boxes = NDArray[np.float32]
"""(n, 4): left, top, right, bottom in pixels."""

MOST_TILES = 8
"""Columns, and rows, of a tiling."""
SAME_IOU = 0.6
"""Above this two boxes of one label are one thing: the value that NanoDet was tuned with (its nms config)."""
SAME_SHARE = 0.6
"""Above this share of the smaller box, a box that a tile's edge cut is part of the other."""


@dataclass(frozen=True)
class Tiling:
    """Looks per picture: ``columns`` x ``rows`` tiles, each widened into its neighbours by ``overlap`` of its size.

    More tiles see smaller people and cost more. ``long_side_px`` scales each tile's longer side; None: as the model
    says.
    """

    columns: int = 1
    rows: int = 1
    overlap: float = 0.15
    long_side_px: int | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.columns <= MOST_TILES and 1 <= self.rows <= MOST_TILES and 0 <= self.overlap <= 0.5):
            raise InvalidInput(f"a tiling has 1 to {MOST_TILES} columns and rows that overlap by 0 to 0.5")
        if self.long_side_px is not None and not 32 <= self.long_side_px <= 4096:
            raise InvalidInput(f"a tile is scaled to 32 to 4096 pixels, not {self.long_side_px}")

    @classmethod
    def parse(cls, text: str) -> "Tiling":
        """From "2x1", columns x rows. Raises InvalidInput."""
        columns, _, rows = text.partition("x")
        if not (columns.isascii() and columns.isdigit() and rows.isascii() and rows.isdigit()):
            raise InvalidInput("a tiling is columns x rows, as in 2x1")
        return cls(int(columns), int(rows))

    def closer(self) -> "Tiling":
        """Twice as close, as far as there are tilings: each tile in four."""
        return replace(self, columns=min(2 * self.columns, MOST_TILES), rows=min(2 * self.rows, MOST_TILES))

    def tiles_px(self, width_px: int, height_px: int) -> list[tuple[int, int, int, int]]:
        """left, top, right, bottom of each tile, row by row; no tile is empty."""
        return [
            (left, top, right, bottom)
            for top, bottom in self._spans(height_px, self.rows)
            for left, right in self._spans(width_px, self.columns)
        ]

    def _spans(self, length_px: int, count: int) -> list[tuple[int, int]]:
        count = min(count, length_px)
        size = length_px / count
        margin = self.overlap * size
        starts = [max(0, math.floor(i * size - margin)) for i in range(count)]
        ends = [min(length_px, math.ceil((i + 1) * size + margin)) for i in range(count)]
        return list(zip(starts, ends, strict=True))


def intersection(box: Boxes, boxes: Boxes) -> NDArray[np.float32]:
    """(n,) square pixels that one box (4,) shares with each of (n, 4)."""
    size = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    result: NDArray[np.float32] = np.clip(size, 0, None).prod(axis=1)
    return result


def area(boxes: Boxes) -> NDArray[np.float32]:
    """(n,) square pixels."""
    result: NDArray[np.float32] = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return result


def iou(box: Boxes, boxes: Boxes) -> NDArray[np.float32]:
    """(n,) intersection over union of one box (4,) with each of (n, 4); 0 where both are empty."""
    shared = intersection(box, boxes)
    union = area(box[None]) + area(boxes) - shared
    result: NDArray[np.float32] = shared / np.maximum(union, np.float32(1e-6))
    return result


def cut_by(tile_px: tuple[int, int, int, int], boxes: Boxes, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Which boxes end at an edge of their tile that is not an edge of the picture: part of them is in the next tile."""
    left, top, right, bottom = tile_px
    near = 0.01 * max(right - left, bottom - top)
    cut = np.zeros(len(boxes), dtype=bool)
    if left > 0:
        cut |= boxes[:, 0] <= left + near
    if top > 0:
        cut |= boxes[:, 1] <= top + near
    if right < width_px:
        cut |= boxes[:, 2] >= right - near
    if bottom < height_px:
        cut |= boxes[:, 3] >= bottom - near
    return cut


def merge(
    boxes: Boxes,
    scores: NDArray[np.float32],
    labels: NDArray[np.int32],
    tile: NDArray[np.int32],
    cut: NDArray[np.bool_],
    is_final: bool = False,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """One box per thing: the indices of those kept, best first, and their scores.

    Greedy, class by class. Whole boxes go before those that a tile's edge cut (``cut``, ``tile``: (n,)); a whole box
    that hides a surer cut one takes its score, since it is the same thing seen better. ``is_final``: each tile's boxes
    are one per thing already, however much they overlap.
    """
    scores = scores.copy()
    areas, (left, top, right, bottom) = area(boxes), np.ascontiguousarray(boxes.T)
    kept: list[int] = []
    order = np.lexsort((-scores, cut))
    for label in np.unique(labels):
        queue = order[labels[order] == label]
        while len(queue):
            i, rivals = int(queue[0]), queue[1:]
            kept.append(i)
            # A thousand boxes of a crowd: only those beside box i are compared with it.
            across = np.minimum(right[rivals], right[i]) - np.maximum(left[rivals], left[i])
            beside = np.nonzero(across > 0)[0]
            near = rivals[beside]
            down = np.minimum(bottom[near], bottom[i]) - np.maximum(top[near], top[i])
            shared = across[beside] * np.maximum(down, 0)
            elsewhere = tile[near] != tile[i]
            same = (shared > SAME_IOU * (areas[i] + areas[near] - shared)) & (elsewhere | (not is_final))
            part = elsewhere & (cut[near] | cut[i]) & (shared > SAME_SHARE * np.minimum(areas[i], areas[near]))
            hidden = same | part
            queue = rivals
            if hidden.any():
                scores[i] = max(scores[i], scores[near[hidden]].max())
                left_over = np.ones(len(rivals), dtype=bool)
                left_over[beside[hidden]] = False
                queue = rivals[left_over]
    best = np.array(sorted(kept, key=lambda i: -scores[i]), dtype=np.intp)
    return best, scores[best]
