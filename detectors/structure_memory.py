"""How a scene looks in each light, cell by cell, and since when a cell has looked otherwise.

Up to VIEWS looks are kept, chosen to differ: sun and shade by the hour, rain, snow. A cell has changed as far as it is
away from all of them, beyond what this very cell (leaves, a flag, a shop's screen) did while the scene was well. What
has changed is not learned, all else is, so that seasons are followed. Pure: time is the frame clock's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.structure_view import FEATURES, Cells, Fine, Grid, View, distance

VIEWS = 24
FIRST_VIEWS = 6
"""So many looks are kept as they come; after that one that is like none."""
NEW_VIEW = 1.0
"""Times the usual distance from all views that a look needs to become one."""
FOLLOW = 0.15
"""Share by which the nearest view follows what is seen."""
NOISE_SHARE = 0.03
NOISES, STEP = 2.2, 0.55
"""A cell has changed from its usual distance and so many of its deviations on, fully at STEP spreads more."""
LEAST_NOISE = 0.12
EVIDENCE_S = 3 * 3600.0
"""Watched time in which what is seen outweighs what was seen before; a look counts for LONGEST_LOOK_S at most."""
LONGEST_LOOK_S = 1800.0
LEARNS, BEGINS, ENTERS, LEAVES = 0.12, 0.25, 0.55, 0.3
"""Evidence up to which a cell is learned, and from which on its change has begun, is said, and no more said."""
WIDEST = 0.35
"""Share of the zones that one thing covers at most; what is wider is learned."""
STRANGE = 0.5
"""What a look shows that is so far from all that is known waits: it is learned only if it goes away by itself."""
TOO_MUCH = 0.4
"""Share of what is seen; if more has changed, it is snow, fog or another view, and nothing is told."""

Numbers = NDArray[np.float32]
"""(rows, COLUMNS)."""


@dataclass(frozen=True, eq=False)
class Memory:
    """``views``: (n, rows, COLUMNS, FEATURES) float16; ``used_s``: (n,) when each was like a look last. ``usual`` and
    ``deviation``: of the distance of each cell from its nearest view. ``evidence``: 0..1 per cell; ``since_s``: when
    its change began, NaN where nothing has changed; ``since_watched_s``: the same in seconds that were watched until
    then, nights and blind hours left out, of which there have been ``watched_s``. ``accepted_s``: as of when a person
    said that this is how it should look.
    Times are Unix seconds of the frame clock."""

    anchor: Fine
    views: NDArray[np.float16]
    used_s: NDArray[np.float64]
    usual: Numbers
    deviation: Numbers
    evidence: Numbers
    changed: Cells
    since_s: NDArray[np.float64]
    since_watched_s: NDArray[np.float64]
    at_s: float
    watched_s: float = 0.0
    looks: int = 0
    accepted_s: float | None = None

    @classmethod
    def first(cls, anchor: Fine, rows: int, columns: int, at_s: float) -> "Memory":
        zeros = np.zeros((rows, columns), np.float32)
        return cls(
            anchor=anchor,
            views=np.zeros((0, rows, columns, FEATURES), np.float16),
            used_s=np.zeros(0),
            usual=zeros + np.float32(0.5),
            deviation=zeros + np.float32(0.3),
            evidence=zeros,
            changed=zeros > 0,
            since_s=np.full((rows, columns), np.nan),
            since_watched_s=np.full((rows, columns), np.nan),
            at_s=at_s,
        )

    def accepted(self, at_s: float) -> "Memory":
        """As it looks now, so it should look: what has changed is changed no more, and is learned."""
        return replace(self.forgiven(np.ones_like(self.changed)), accepted_s=at_s)

    def forgiven(self, cells: Cells) -> "Memory":
        """What has changed in ``cells`` may be so, and is learned."""
        return replace(
            self,
            evidence=np.where(cells, 0, self.evidence).astype(np.float32),
            changed=self.changed & ~cells,
            since_s=np.where(cells, np.nan, self.since_s),
            since_watched_s=np.where(cells, np.nan, self.since_watched_s),
        )


@dataclass(frozen=True, eq=False)
class Compared:
    """``now``: (rows, COLUMNS) 0..1, how far each cell of this look is from all that is known. ``share`` of what is
    seen that has changed more than the structures told of before; ``is_told`` False: this look says nothing."""

    memory: Memory
    now: Numbers
    share: float
    is_told: bool


def compare(memory: Memory, view: View, at_s: float, visible: Cells, more: Numbers | None = None) -> Compared:
    """One look further. ``visible``: cells of the zones before which nobody stands. ``more``: what a change network
    says, 0..1 per cell."""
    if not (visible & ~memory.changed).any():
        return Compared(replace(memory, at_s=at_s), memory.evidence * 0, 1.0, False)
    if len(memory.views) < FIRST_VIEWS:
        return Compared(_learned(memory, view.features, np.ones_like(visible), at_s), memory.evidence * 0, 0.0, False)
    apart = np.stack([distance(view.features, known.astype(np.float32)) for known in memory.views])
    apart -= np.median(apart[:, visible & ~memory.changed], axis=1)[:, None, None] - np.float32(0.4)
    nearest = apart.min(axis=0)
    deviation = np.maximum(memory.deviation, LEAST_NOISE)
    now = np.clip((nearest - memory.usual - NOISES * deviation) / STEP + 0.5, 0, 1).astype(np.float32)
    if more is not None:
        now = np.maximum(now, more)
    quiet = visible & ~memory.changed
    share = float((now[quiet] > 0.5).mean()) if quiet.any() else 1.0
    if share > TOO_MUCH:
        return Compared(_learned(memory, view.features, quiet, at_s), now, share, False)
    if memory.accepted_s is not None:
        memory = _followed(memory, now, at_s, visible, 1 - share / TOO_MUCH)
        calm = visible & (memory.evidence < LEARNS) & (now < STRANGE)
    else:
        calm = visible
    memory = _noted(memory, nearest, calm)
    return Compared(_learned(memory, view.features, calm, at_s), now, share, True)


def _followed(memory: Memory, now: Numbers, at_s: float, visible: Cells, weight: float) -> Memory:
    """Evidence, drawn towards what is seen by the time that was watched."""
    watched_s = min(max(at_s - memory.at_s, 0.0), LONGEST_LOOK_S) * weight
    share = np.float32(1 - np.exp(-watched_s / EVIDENCE_S)) * visible
    evidence = memory.evidence + share * (now - memory.evidence)
    evidence[_too_wide(memory.changed, visible)] = 0.0
    changed = np.where(memory.changed, evidence > LEAVES, evidence > ENTERS)
    is_quiet, is_new = evidence < BEGINS, np.isnan(memory.since_s)
    return replace(
        memory,
        evidence=evidence.astype(np.float32),
        changed=changed,
        since_s=np.where(is_quiet, np.nan, np.where(is_new, at_s, memory.since_s)),
        since_watched_s=np.where(is_quiet, np.nan, np.where(is_new, memory.watched_s, memory.since_watched_s)),
        watched_s=memory.watched_s + watched_s,
        at_s=at_s,
    )


def _too_wide(changed: Cells, visible: Cells) -> Cells:
    """Cells of what is too wide to be built at once: snow that lies, a season, another light."""
    labels, count = ndimage.label(changed, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    wide = sizes > WIDEST * visible.sum()
    result: Cells = wide[labels] | (changed if changed.sum() > TOO_MUCH * visible.sum() else False)
    return result


def _noted(memory: Memory, nearest: Numbers, calm: Cells) -> Memory:
    """What each cell usually does."""
    share = max(NOISE_SHARE, 1 / (memory.looks + 1 - FIRST_VIEWS)) * calm
    usual = memory.usual + share * (nearest - memory.usual)
    off = np.minimum(np.abs(nearest - usual), 1.5)
    deviation = memory.deviation + share * (off - memory.deviation)
    return replace(memory, usual=usual.astype(np.float32), deviation=deviation.astype(np.float32))


def _learned(memory: Memory, features: Grid, calm: Cells, at_s: float) -> Memory:
    """Only ``calm`` cells; of the others the view goes on showing what its nearest one did."""
    memory = replace(memory, looks=memory.looks + 1, at_s=at_s)
    if not calm.any():
        return memory
    if not len(memory.views):
        return replace(memory, views=features[None].astype(np.float16), used_s=np.array([at_s]))
    apart = np.array([distance(features, known.astype(np.float32))[calm].mean() for known in memory.views])
    best = int(apart.argmin())
    nearest = memory.views[best].astype(np.float32)
    usual = float(memory.usual[calm].mean())
    is_new = len(memory.views) < FIRST_VIEWS or apart[best] > NEW_VIEW * usual
    share = np.float32(1.0 if is_new else FOLLOW) * calm[..., None]
    drawn = (nearest + share * (features - nearest)).astype(np.float16)[None]
    if not is_new:
        views = np.concatenate([memory.views[:best], drawn, memory.views[best + 1 :]])
        used = np.where(np.arange(len(memory.used_s)) == best, at_s, memory.used_s)
        return replace(memory, views=views, used_s=used)
    kept = np.sort(np.argsort(memory.used_s)[-(VIEWS - 1) :])
    return replace(
        memory, views=np.concatenate([memory.views[kept], drawn]), used_s=np.append(memory.used_s[kept], at_s)
    )
