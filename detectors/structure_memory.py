"""How the accepted scene looks in each light, and for the last days how far each cell of it looked otherwise.

A change network compares a look with the accepted pictures that were taken in the light most like its own; a cell looks
otherwise as far as none of them explains it. Means of two hours of that are kept for days: what passes falls out of
them, and in what manner a thing came can be read from them. Pure: time is the frame clock's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.structure_album import Album
from detectors.structure_view import Cells, View, grey_of, light_of, offset, shifted
from models.frame import Pixels

DAY_S = 86_400.0
MOST_ACCEPTED, MOST_RECENT = 16, 8
"""Pictures that are kept of the accepted scene, and of the last days."""
COMPARED = 3
"""Accepted pictures that a look is compared with: those whose light is most like its own."""
TRUSTED_S = 10 * DAY_S
"""What was to be seen so long ago and has not been told of since is how the scene looks: seasons are followed."""
BLOCK_S, LOG_S = 7200.0, 9 * DAY_S
LEAST_BLOCKS, LEAST_LOOKS = 3, 2
"""Of a day, and looks of a block, in which a cell must have been seen."""
LEARNS_S = DAY_S
"""The scene is learned for so long before anything is told, accepted or not: its light changes by the hour."""
MOST_SURE = 6.0
"""Log-odds at which the network's word is cut off."""
LEAST_USUAL = -4.0
"""Log-odds: what the network says of an unchanged cell at the least."""
USUAL_SHARE = 0.005
CROWDED = 0.5
"""Share of looks from which on it is usual that people stand before a cell."""
OTHERWISE = 2.0
"""Log-odds above the usual from which a cell looks otherwise."""
TOO_MUCH = 0.4
"""Share of what is seen; if more looks otherwise, it is snow, fog or another view, and the look counts for nothing."""

Numbers = NDArray[np.float32]
"""(rows, columns) of the change network's map."""
Find = Callable[[Pixels, Pixels], Numbers]
"""A change network: reference and look to (kinds, rows, columns), 0..1; the first kind is what was built."""


@dataclass(frozen=True, eq=False)
class Memory:
    """``accepted``: the scene as a person said it should be; ``recent``: looks of the last days. ``usual``: what the
    network says of each cell on the mean while nothing is there, log-odds, of ``looks`` looks; ``crowded``: the share
    of them in which people stood before it. ``log``: (n, rows, columns) float16, log-odds above the usual, NaN where it
    could not be seen; ``vehicles``: of the same shape, the share of looks that showed a vehicle there; ``log_s``: (n,)
    when each block began. ``sums``: (3, rows, columns) of the block that is open since ``block_s``: evidence, looks,
    vehicles. ``begun_s``: the first look, ``at_s`` the last; ``accepted_s``: as of when a person said that this is how
    it should look. Times are Unix seconds of the frame clock."""

    accepted: Album
    recent: Album
    usual: Numbers
    crowded: Numbers
    log: NDArray[np.float16]
    vehicles: NDArray[np.float16]
    log_s: NDArray[np.float64]
    sums: Numbers
    block_s: float
    begun_s: float
    at_s: float
    looks: int = 0
    accepted_s: float | None = None

    @classmethod
    def first(cls, height_px: int, at_s: float) -> "Memory":
        none = np.zeros((0, 0), np.float32)
        return cls(
            accepted=Album.empty(height_px),
            recent=Album.empty(height_px),
            usual=none,
            crowded=none,
            log=none[None].astype(np.float16)[:0],
            vehicles=none[None].astype(np.float16)[:0],
            log_s=np.zeros(0),
            sums=np.zeros((3, 0, 0), np.float32),
            block_s=at_s,
            begun_s=at_s,
            at_s=at_s,
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns; (0, 0) before the first comparison."""
        rows, columns = self.usual.shape
        return rows, columns

    @property
    def is_learned(self) -> bool:
        return len(self.accepted) >= COMPARED and self.at_s - self.begun_s >= LEARNS_S

    def as_accepted(self, at_s: float) -> "Memory":
        """As it looks now, so it should look: the looks of the last days are accepted before those of old."""
        accepted = self.accepted
        if self.accepted_s is not None:
            accepted = self.recent.filled(accepted, MOST_ACCEPTED)
        return replace(
            self,
            accepted=accepted,
            accepted_s=at_s,
            log=self.log[:0],
            vehicles=self.vehicles[:0],
            log_s=self.log_s[:0],
            sums=np.zeros_like(self.sums),
        )

    def level(self) -> Numbers:
        """(rows, columns): by how much each cell looked otherwise in the last day, log-odds; NaN where it could not be
        told."""
        day = self.log[self.log_s > self.at_s - DAY_S - BLOCK_S].astype(np.float32)
        known = ~np.isnan(day)
        count = known.sum(axis=0)
        total = np.where(known, day, 0).sum(axis=0)
        level: Numbers = np.where(count >= LEAST_BLOCKS, total / np.maximum(count, 1), np.nan).astype(np.float32)
        return level


@dataclass(frozen=True, eq=False)
class Around:
    """Cells of the zones, of those for which a permit holds, and those before which people and vehicles are."""

    zoned: Cells
    permitted: Cells
    people: Cells
    vehicles: Cells


@dataclass(frozen=True, eq=False)
class Compared:
    """``share`` of what is seen that looks otherwise in this look; ``is_told`` False: it counts for nothing."""

    memory: Memory
    share: float
    is_told: bool


def compare(
    memory: Memory,
    picture: Pixels,
    masked: Pixels,
    at_s: float,
    around: Callable[[tuple[int, int]], Around],
    find: Find,
) -> Compared:
    """One look further, (height, WIDTH_PX, 3), and the same with heads and plates hidden, which is what is kept.
    ``around``: from the grid's rows and columns."""
    memory, light = _closed(memory, at_s), light_of(picture)
    if memory.accepted_s is None and at_s < memory.begun_s:  # else it would be learned until that day comes again
        memory = replace(memory, begun_s=at_s)
    near = memory.accepted.nearest(light, COMPARED)
    if len(near):
        shift_px = offset(grey_of(memory.accepted.pictures[near[0]]), grey_of(picture))
        picture, masked = shifted(picture, shift_px), shifted(masked, shift_px)
    view = View(masked, light)
    if len(near) < COMPARED:
        return Compared(_learned(memory, view, at_s), 0.0, False)
    sure = np.min([find(memory.accepted.pictures[number], picture)[0] for number in near], axis=0)
    least = 1 / (1 + np.exp(MOST_SURE))
    sure = np.clip(sure, least, 1 - least)
    odds: Numbers = np.log(sure / (1 - sure)).astype(np.float32)
    if memory.usual.shape != odds.shape:
        memory = _with_grid(memory, odds.shape)
    cells = around(memory.grid)
    if memory.accepted_s is None:
        part = np.float32(1 / (memory.looks + 1))
        memory = replace(
            memory,
            usual=memory.usual + part * (odds - memory.usual),
            crowded=memory.crowded + part * (cells.people - memory.crowded),
            looks=memory.looks + 1,
        )
        return Compared(_learned(memory, view, at_s), 0.0, True)
    # Where somebody always stands, or what is taken for somebody, the usual says what that does.
    visible = (~cells.people | (memory.crowded > CROWDED)) & ~cells.permitted
    over = odds - np.maximum(memory.usual, LEAST_USUAL)
    level = memory.level()
    quiet = visible & ~(level > OTHERWISE)
    share = float((over[quiet & cells.zoned] > OTHERWISE).mean()) if (quiet & cells.zoned).any() else 0.0
    if share > TOO_MUCH:
        return Compared(replace(memory, at_s=at_s), share, False)
    calm = np.float32(USUAL_SHARE) * (quiet & (over < OTHERWISE))
    sums = memory.sums + np.stack([over * visible, visible, cells.vehicles]).astype(np.float32)
    memory = replace(memory, usual=memory.usual + calm * (odds - memory.usual), sums=sums, looks=memory.looks + 1)
    memory = _renewed(_learned(memory, view, at_s), level)
    if cells.permitted.any():
        # Beside it nothing is accepted: what is begun there now is not yet known to look otherwise.
        beside = ~(cv2.dilate(cells.permitted.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        accepted = _with_newer(memory.accepted, view, at_s, beside)
        memory = replace(memory, accepted=accepted)
    return Compared(memory, share, True)


def _with_grid(memory: Memory, grid: tuple[int, int]) -> Memory:
    zeros = np.zeros(grid, np.float32)
    none = np.zeros((0, *grid), np.float16)
    return replace(
        memory,
        usual=zeros + np.float32(LEAST_USUAL),
        crowded=zeros,
        log=none,
        vehicles=none,
        log_s=np.zeros(0),
        sums=np.zeros((3, *grid), np.float32),
    )


def _closed(memory: Memory, at_s: float) -> Memory:
    """With the open block closed if its time is over, or has not come: a camera's clock may be set back."""
    if memory.block_s <= at_s < memory.block_s + BLOCK_S:
        return memory
    evidence, looks, vehicles = memory.sums
    began_s, kept = memory.block_s, (memory.log_s > at_s - LOG_S) & (memory.log_s < at_s)
    memory = replace(
        memory,
        log=memory.log[kept],
        vehicles=memory.vehicles[kept],
        log_s=memory.log_s[kept],
        sums=np.zeros_like(memory.sums),
        block_s=at_s - at_s % BLOCK_S,
    )
    if not looks.any() or began_s > at_s:
        return memory
    mean = np.where(looks >= LEAST_LOOKS, evidence / np.maximum(looks, 1), np.nan)
    return replace(
        memory,
        log=np.concatenate([memory.log, mean[None].astype(np.float16)]),
        vehicles=np.concatenate([memory.vehicles, (vehicles / looks.max())[None].astype(np.float16)]),
        log_s=np.append(memory.log_s, began_s),
    )


def _learned(memory: Memory, view: View, at_s: float) -> Memory:
    if memory.accepted_s is None:
        return replace(memory, accepted=memory.accepted.with_look(view, at_s, MOST_ACCEPTED), at_s=at_s)
    return replace(memory, recent=memory.recent.with_look(view, at_s, MOST_RECENT), at_s=at_s)


def _renewed(memory: Memory, level: Numbers) -> Memory:
    """What has been recent for long is accepted, save for what looks otherwise in it; not while that is not known, as
    after days without pictures."""
    if np.isnan(level).all():
        return memory
    old, accepted = memory.recent.taken_s <= memory.at_s - TRUSTED_S, memory.accepted
    for number in np.flatnonzero(old):
        taken_s = float(memory.recent.taken_s[number])
        accepted = _with_newer(accepted, memory.recent.view(int(number)), taken_s, level > OTHERWISE / 2)
    return replace(memory, accepted=accepted, recent=memory.recent.only(~old))


def _with_newer(accepted: Album, view: View, taken_s: float, save: Cells) -> Album:
    before = accepted.pictures[accepted.nearest(view.light, 1)[0]]
    picture = np.where(_spread(save, before.shape)[..., None], before, view.picture)
    return accepted.with_newer(replace(view, picture=picture), taken_s, MOST_ACCEPTED)


def _spread(cells: Cells, shape: tuple[int, ...]) -> Cells:
    """Cells and those around them, as pixels of the small picture."""
    wide = cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.resize(wide, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)) > 0
