"""Spots: where something stands, known again by place and look, not by a track.

What stands is a box that stays where it is and looks as it did. Another thing on the same spot looks otherwise and
begins anew. Shared by rules; pure: time is the frame clock's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from detectors.course import finite
from models.frame import Pixels

SAME_SPOT_IOU = 0.5
"""Boxes of one standing thing overlap by more than this from look to look; a vehicle half a length on does not."""
SAME_LOOK = 0.5
"""Least correlation of two looks at one thing; a lamp or a shadow changes less, another vehicle more."""
LOOK_SIDE = 8
MOST_SPOTS = 32
FOLLOW = 0.2
"""Share by which a spot's box follows what is seen, so that jitter does not carry it away."""

Look = tuple[int, ...]
"""LOOK_SIDE² grey means of a box, 0..255, row by row."""


@dataclass(frozen=True)
class Spot:
    """Where something stands. ``box``: left, top, right, bottom in picture fractions; times in Unix seconds."""

    box: tuple[float, float, float, float]
    since_s: float
    seen_s: float
    score: float
    look: Look

    @property
    def stood_s(self) -> float:
        return self.seen_s - self.since_s

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "box": list(self.box), "look": list(self.look)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spot":
        """Raises KeyError, TypeError, ValueError."""
        left, top, right, bottom = (finite(value) for value in data["box"])
        look = tuple(map(int, data["look"]))
        if len(look) not in (0, LOOK_SIDE**2):
            raise ValueError("not a look")
        return cls(
            (left, top, right, bottom), finite(data["since_s"]), finite(data["seen_s"]), finite(data["score"]), look
        )


def seen_spots(
    before: Sequence[Spot],
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    at_s: float,
    bgr: Pixels | None,
    keep_s: float,
) -> tuple[Spot, ...]:
    """The spots after a look that found ``boxes`` (n, 4), picture fractions, with ``scores`` (n,).

    One that is not seen is kept for ``keep_s``: something may stand before it.
    """
    free = np.ones(len(boxes), dtype=bool)
    after: list[Spot] = []
    for spot in sorted(before, key=lambda item: item.since_s):  # who has stood longest chooses first
        overlap = np.where(free, iou(np.array(spot.box, np.float32), boxes), 0.0) if len(boxes) else np.zeros(0)
        best = int(overlap.argmax()) if len(boxes) else -1
        if best < 0 or overlap[best] < SAME_SPOT_IOU:
            if at_s - spot.seen_s < keep_s:
                after.append(spot)
            continue
        free[best] = False
        after.append(_seen_again(spot, boxes[best], float(scores[best]), at_s, bgr))
    new = [_begun(box, float(score), at_s, bgr) for box, score in zip(boxes[free], scores[free], strict=True)]
    new.sort(key=lambda spot: -spot.score)
    return tuple([*after, *new][:MOST_SPOTS])


def _begun(box: NDArray[np.float32], score: float, at_s: float, bgr: Pixels | None) -> Spot:
    left, top, right, bottom = box.tolist()
    return Spot((left, top, right, bottom), at_s, at_s, score, look_at(bgr, box))


def _seen_again(spot: Spot, box: NDArray[np.float32], score: float, at_s: float, bgr: Pixels | None) -> Spot:
    look = look_at(bgr, np.array(spot.box, np.float32))
    if not alike(spot.look, look):
        return _begun(box, score, at_s, bgr)
    left, top, right, bottom = (old + FOLLOW * (new - old) for old, new in zip(spot.box, box.tolist(), strict=True))
    return replace(spot, box=(left, top, right, bottom), seen_s=at_s, score=score, look=drawn(spot.look, look))


def drawn(before: Look, now: Look) -> Look:
    """The look follows what is seen: the sun moves on. It follows slowly, so that another thing is not learned."""
    return tuple(round(old + FOLLOW * (new - old)) for old, new in zip(before, now, strict=False))


def look_at(bgr: Pixels | None, box: NDArray[np.float32]) -> Look:
    """Grey means over a grid on the box; () without a picture, or for a box of a few pixels."""
    if bgr is None:
        return ()
    height_px, width_px = bgr.shape[:2]
    left, top, right, bottom = np.clip(box, 0, 1) * (width_px, height_px, width_px, height_px)
    x = np.linspace(left, right, 2 * LOOK_SIDE + 1)[1::2].astype(int)
    y = np.linspace(top, bottom, 2 * LOOK_SIDE + 1)[1::2].astype(int)
    if right - left < LOOK_SIDE or bottom - top < LOOK_SIDE:
        return ()
    half = max(1, int(min(right - left, bottom - top)) // (2 * LOOK_SIDE))
    grey = np.zeros((LOOK_SIDE, LOOK_SIDE))
    for dy in (-half // 2, 0, half // 2):
        for dx in (-half // 2, 0, half // 2):
            rows, columns = np.clip(y + dy, 0, height_px - 1), np.clip(x + dx, 0, width_px - 1)
            grey += bgr[np.ix_(rows, columns)].sum(axis=2) / 27
    return tuple(int(value) for value in grey.ravel())


def alike(before: Look, now: Look, least: float = SAME_LOOK) -> bool:
    """Whether two looks may be at one thing: they correlate by ``least``; what cannot be compared, or has no texture,
    may."""
    if not before or not now:
        return True
    a, b = np.array(before, np.float64), np.array(now, np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return norm < LOOK_SIDE**2 * 4.0 or float(a @ b) / norm >= least
