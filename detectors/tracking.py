"""Who is who from look to look: boxes joined into tracks, in memory alone. Pure: time is the frame clock's.

Intersection over union and the assignment that makes their sum greatest (Kuhn, 1955), the strong boxes first and the
weak ones for whoever is left (Zhang et al., ByteTrack, 2022), each track going on as it went (constant velocity,
Kalman, 1960). A look may come a fifth of a second or two seconds after the last one: what a track may have done in
between grows with the time, and its box is widened by that before it is compared (Yang et al., C-BIoU, 2023).

A track's number says nothing of who somebody is. It lives for seconds and stands in no state, store or answer.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from detectors.boxes import Boxes
from models.errors import InvalidInput

STRONG, WEAK = 0.35, 0.2
"""Scores: from STRONG on a box may begin a track, from WEAK on it may keep one."""
HITS = 2
"""Boxes after which a track is somebody: a box that no other look shows is background."""
LOST_S = 2.0
"""Longer unseen, and who comes out at the other end may be another one."""
LEAST_IOU = 0.3
MOST_BOXES = 500
"""The strongest of a look; joining costs with their square."""
SEEN_OFF, ACCELERATES, WALKS = 0.06, 1.0, 1.0
"""In heights of the box, which for a person is 1.7 m: standard deviation of where a box is seen, of a change of speed
in a second, and of the speed of someone of whom nothing is known."""
SIZE_SHARE = 0.3
"""Of a newly seen size, in the size that is believed."""
WIDEST = 0.4
"""A box is widened by at most so much of its height."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tracks:
    """n tracks at ``at_s``, Unix seconds of the frame clock; each array has a row for each.

    ``middles`` (n, 2) and ``sizes`` (n, 2) in pixels, x and y: where a track is held to be. ``speeds`` (n, 2) in pixels
    a second. ``spreads`` (n, 3): variance of place, covariance of place and speed, variance of speed, in squared
    heights. ``seen_s`` (n,): when it was seen last; ``hits`` (n,): boxes that it had; ``scores`` (n,): of the last one.
    """

    at_s: float = -math.inf
    next_id: int = 1
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    middles: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    sizes: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    speeds: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    spreads: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    seen_s: Floats = field(default_factory=lambda: np.zeros(0))
    hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n,) Those that are somebody, and in this very look."""
        result: NDArray[np.bool_] = (self.hits >= HITS) & (self.seen_s == self.at_s)
        return result

    @property
    def feet_px(self) -> Floats:
        """(n, 2) The middle of each lower edge."""
        return self.middles + self.sizes * (0.0, 0.5)

    @property
    def boxes_px(self) -> Floats:
        """(n, 4) left, top, right, bottom."""
        return np.concatenate([self.middles - self.sizes / 2, self.middles + self.sizes / 2], axis=1)

    def _where(self, keep: NDArray[np.bool_]) -> "Tracks":
        rows = {name: getattr(self, name)[keep] for name in _ROWS}
        return replace(self, **rows)


_ROWS = ("ids", "middles", "sizes", "speeds", "spreads", "seen_s", "hits", "scores")


def track(tracks: Tracks, at_s: float, boxes_px: Boxes, scores: NDArray[np.float32]) -> Tracks:
    """One look further: boxes (n, 4) with scores (n,) 0..1, of one kind of thing.

    Raises InvalidInput for a time that is not after the last one's: what came late cannot be put in.
    """
    if not tracks.at_s < at_s < math.inf:
        raise InvalidInput("a look is tracked after those before it")
    best = np.argsort(-scores, kind="stable")[:MOST_BOXES]
    best = best[scores[best] >= WEAK]
    boxes, sure = boxes_px[best].astype(np.float64), scores[best].astype(np.float64)
    tracks = _on(tracks._where(at_s - tracks.seen_s <= LOST_S), at_s)
    strong = sure >= STRONG
    rows, columns = _pair(tracks, np.arange(len(tracks)), boxes, np.flatnonzero(strong))
    # A weak box is no reason to believe in what was seen once; whoever is known may be half hidden.
    left = np.setdiff1d(np.flatnonzero(tracks.hits >= HITS), rows)
    more, weak = _pair(tracks, left, boxes, np.flatnonzero(~strong))
    tracks = _seen(tracks, np.append(rows, more), boxes, sure, np.append(columns, weak))
    new = np.setdiff1d(np.flatnonzero(strong), columns)
    return _begun(tracks, boxes[new], sure[new])


def _on(tracks: Tracks, at_s: float) -> Tracks:
    """Where they are held to be, and how sure that is, at ``at_s``: the middle goes on at its speed."""
    if not len(tracks):
        return replace(tracks, at_s=at_s)
    dt = at_s - tracks.at_s
    place, both, speed = tracks.spreads.T
    noise = ACCELERATES**2
    spreads = np.stack(
        [
            place + 2 * dt * both + dt**2 * speed + noise * dt**4 / 4,
            both + dt * speed + noise * dt**3 / 2,
            speed + noise * dt**2,
        ],
        axis=1,
    )
    return replace(tracks, at_s=at_s, middles=tracks.middles + dt * tracks.speeds, spreads=spreads)


def _pair(
    tracks: Tracks, rows: NDArray[np.intp], boxes: Floats, columns: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of the tracks ``rows`` is which of the boxes ``columns``: (k,) and (k,)."""
    if not len(rows) or not len(columns):
        return rows[:0], columns[:0]
    heights = tracks.sizes[rows, 1]
    wider = np.minimum(np.sqrt(tracks.spreads[rows, 0]) - SEEN_OFF, WIDEST).clip(0) * heights
    alike = _widened_iou(tracks.boxes_px[rows], wider, boxes[columns])
    found, taken = linear_sum_assignment(alike, maximize=True)
    near = alike[found, taken] >= LEAST_IOU
    return rows[found[near]], columns[taken[near]]


def _widened_iou(known: Floats, wider: Floats, boxes: Floats) -> Floats:
    """(n, m) Intersection over union of (n, 4) with (m, 4), each pair widened on all sides by the row's ``wider``."""
    by = wider[:, None]
    lows = [np.maximum(known[:, None, i], boxes[None, :, i]) - by for i in (0, 1)]
    highs = [np.minimum(known[:, None, i], boxes[None, :, i]) + by for i in (2, 3)]
    shared = (highs[0] - lows[0]).clip(0) * (highs[1] - lows[1]).clip(0)
    sizes, others = known[:, 2:] - known[:, :2], boxes[:, 2:] - boxes[:, :2]
    own = (sizes + 2 * wider[:, None]).prod(axis=1)[:, None]
    other = (others[None, :, 0] + 2 * by) * (others[None, :, 1] + 2 * by)
    result: Floats = shared / np.maximum(own + other - shared, 1e-9)
    return result


def _seen(tracks: Tracks, rows: NDArray[np.intp], boxes: Floats, scores: Floats, columns: NDArray[np.intp]) -> Tracks:
    """The tracks ``rows`` were seen as the boxes ``columns``: Kalman's step, one for both axes."""
    if not len(rows):
        return tracks
    found = boxes[columns]
    place, both, speed = tracks.spreads[rows].T
    certain = place + SEEN_OFF**2
    by_place, by_speed = place / certain, both / certain
    off = (found[:, :2] + found[:, 2:]) / 2 - tracks.middles[rows]
    after = replace(tracks, **{name: getattr(tracks, name).copy() for name in _ROWS})
    after.middles[rows] += by_place[:, None] * off
    after.speeds[rows] += by_speed[:, None] * off
    after.sizes[rows] += SIZE_SHARE * (found[:, 2:] - found[:, :2] - tracks.sizes[rows])
    after.spreads[rows] = np.stack([(1 - by_place) * place, (1 - by_place) * both, speed - by_speed * both], axis=1)
    after.seen_s[rows], after.scores[rows] = tracks.at_s, scores[columns]
    after.hits[rows] += 1
    return after


def _begun(tracks: Tracks, boxes: Floats, scores: Floats) -> Tracks:
    """And a track for each box that nobody known accounts for."""
    count = len(scores)
    if not count:
        return tracks
    new = Tracks(
        ids=np.arange(tracks.next_id, tracks.next_id + count),
        middles=(boxes[:, :2] + boxes[:, 2:]) / 2,
        sizes=np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0),
        speeds=np.zeros((count, 2)),
        spreads=np.tile([SEEN_OFF**2, 0.0, WALKS**2], (count, 1)),
        seen_s=np.full(count, tracks.at_s),
        hits=np.ones(count, np.int64),
        scores=scores,
    )
    rows: dict[str, Any] = {name: np.concatenate([getattr(tracks, name), getattr(new, name)]) for name in _ROWS}
    return replace(tracks, next_id=tracks.next_id + count, **rows)
