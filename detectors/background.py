"""How a zone looks with nothing new in it: learned over time in its light, and what stands out from it.

A cell of the zone (see ``cells``) is compared by brightness and colour with a tolerance of one cell each way, so that a
little shake is nothing; the light as a whole falls out by the median of all cells. What stands out is told apart: a
shadow or a patch of sun changes brightness alone and evenly; what was taken away leaves its edges in the old look and
not in the new one. Pure: time is the frame clock's.
"""

import base64
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.cells import SIDE, Box, Cells
from detectors.course import finite, time_or_none

FIRST_LOOKS, FIRST_S = 5, 2.0
"""A cell is known after so many looks, so far apart."""
LEARN_S, LEARN_SHARE = 30.0, 0.2
"""A known cell follows what is seen by this share in so many seconds: the sun moves on."""
CHANGED_SHARE = 0.08
"""Of that, for cells in another light: what looks like shade may be the plain side of a thing."""
BRIGHTER, COLOURED = 0.22, 0.13
"""Steps of log brightness and log colour from which on a cell has changed: 25 % and 14 %."""
DARK = 8.0
"""Added to every grey level before its logarithm is taken: noise in the dark is no change."""
MIN_CELLS = 4
SHADE_COLOUR, SHADE_SPREAD, SHADE_DEPTH = 0.09, 0.1, 1.1
"""Light alone: colour changed by less, brightness by the same all over (1.48 times the median deviation), and not by
more than a factor of 3."""
TAKEN_AWAY = 1.4
"""By so much a place stood out more in the old look than in the new one – by the edges around it times the step from
inside to outside – where something was taken away."""
DIM = 0.05
"""Added to the step, so that one that is hardly there does not decide."""
TOO_MUCH = 0.5
"""Share of what can be seen; if more has changed, it is not a thing that came but the light or the camera."""

_CROSS = ndimage.generate_binary_structure(2, 1)
"""Cells are one place that touch by a side."""
_ALL, _FIRST, _LAST = slice(None), slice(None, -1), slice(1, None)
_NEXT = (
    ((..., _LAST, _ALL), (..., _FIRST, _ALL)),
    ((..., _FIRST, _ALL), (..., _LAST, _ALL)),
    ((..., _ALL, _LAST), (..., _ALL, _FIRST)),
    ((..., _ALL, _FIRST), (..., _ALL, _LAST)),
)
"""Cells that have a neighbour above, below, to the left, to the right; and that neighbour."""

Grid = NDArray[np.float32]
"""(3, SIDE, SIDE): brightness and two colour differences, logarithms of grey levels."""


@dataclass(frozen=True, eq=False)
class Background:
    """``bgr``: (SIDE, SIDE, 3) float32, 0..255; ``looks``: (SIDE, SIDE) uint8, how many each cell was learned from, at
    most FIRST_LOOKS. ``frame``: the zone's rectangle. ``learned_s``: Unix seconds, frame clock."""

    frame: Box
    bgr: NDArray[np.float32]
    looks: NDArray[np.uint8]
    learned_s: float | None = None

    @classmethod
    def unknown(cls, frame: Box) -> "Background":
        return cls(frame, np.zeros((SIDE, SIDE, 3), np.float32), np.zeros((SIDE, SIDE), np.uint8))

    @property
    def known(self) -> Cells:
        return self.looks >= FIRST_LOOKS

    def to_json(self) -> dict[str, Any]:
        raw = np.clip(np.rint(self.bgr), 0, 255).astype(np.uint8).tobytes() + self.looks.tobytes()
        return {"frame": list(self.frame), "learned_s": self.learned_s, "cells": base64.b64encode(raw).decode()}

    @classmethod
    def from_json(cls, data: Any) -> "Background":
        """Raises KeyError, TypeError, ValueError."""
        left, top, right, bottom = (finite(value) for value in data["frame"])
        raw = np.frombuffer(base64.b64decode(data["cells"], validate=True), np.uint8)
        bgr, looks = raw[: SIDE * SIDE * 3].reshape(SIDE, SIDE, 3), raw[SIDE * SIDE * 3 :].reshape(SIDE, SIDE)
        return cls((left, top, right, bottom), bgr.astype(np.float32), looks, time_or_none(data["learned_s"]))

    def without(self, cells: Cells) -> "Background":
        """Nothing is known of ``cells``."""
        return replace(self, looks=np.where(cells, 0, self.looks).astype(np.uint8))

    def showing(self, view: NDArray[np.float32], cells: Cells) -> "Background":
        """``cells`` look as ``view`` does, from now on."""
        if not cells.any():
            return self
        looks = np.where(cells, FIRST_LOOKS, self.looks).astype(np.uint8)
        return replace(self, bgr=np.where(cells[..., None], view, self.bgr), looks=looks)

    def learned(self, view: NDArray[np.float32], cells: Cells, changed: Cells, at_s: float) -> "Background":
        """``cells`` drawn towards ``view``, those of them that have ``changed`` slowly, if it is time."""
        waited_s = np.inf if self.learned_s is None else at_s - self.learned_s
        first = cells & ~self.known
        if waited_s < FIRST_S or (waited_s < LEARN_S and not first.any()):
            return self
        follow = LEARN_SHARE * min(waited_s / LEARN_S, 1.0) * np.where(changed, CHANGED_SHARE, 1.0)
        share = np.where(first, 1 / (self.looks + 1.0), follow) * cells
        bgr = self.bgr + share[..., None].astype(np.float32) * (view - self.bgr)
        return replace(
            self, bgr=bgr, looks=np.minimum(self.looks + cells, FIRST_LOOKS).astype(np.uint8), learned_s=at_s
        )


@dataclass(frozen=True, eq=False)
class Blob:
    """Something that stands out. ``strength``: how far over the steps that count as changed, 1 and more."""

    cells: Cells
    box: Box
    strength: float


@dataclass(frozen=True, eq=False)
class Compared:
    """``new``: what came; ``gone``: cells of what was taken away; ``attended``: cells of what somebody stands beside.
    ``changed``: all of these and what only the light has changed. ``changed_share`` of what is known and can be seen;
    above TOO_MUCH nothing else is told."""

    new: tuple[Blob, ...]
    gone: Cells
    attended: Cells
    changed: Cells
    changed_share: float


def compare(background: Background, view: NDArray[np.float32], zone: Cells, hidden: Cells) -> Compared:
    """What stands out in the cells of ``zone`` that are not ``hidden``, because nobody stands before them."""
    none = np.zeros((SIDE, SIDE), dtype=bool)
    seen = zone & ~hidden & background.known
    if not seen.any():
        return Compared((), none, none, none, 0.0)
    then, now = _features(background.bgr), _features(view)
    some = np.flatnonzero(seen)[::3]
    now = now - _median(now.reshape(3, -1)[:, some] - then.reshape(3, -1)[:, some])[:, None, None]
    beyond = np.abs(_beyond(now, then))
    strength = np.maximum(beyond[0] / BRIGHTER, np.maximum(beyond[1], beyond[2]) / COLOURED)
    changed = seen & (strength > 1)
    share = float(changed.sum() / seen.sum())
    if share > TOO_MUCH:
        return Compared((), none, none, changed, share)
    labels, count = ndimage.label(_without_specks(changed), _CROSS)
    is_attended = np.zeros(count + 1, dtype=bool)
    is_attended[labels[_grown(hidden)]] = True
    is_attended[0] = False
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    found = [number for number in range(1, count + 1) if sizes[number] >= MIN_CELLS and not is_attended[number]]
    edges = (_edges(then), _edges(now)) if found else (strength, strength)
    new, gone = list[Blob](), none.copy()
    for number in found:
        cells = labels == number
        if _is_light(now[:, cells] - then[:, cells]):
            continue
        if _is_taken_away(cells, edges[0], edges[1], then, now):
            gone |= cells
        else:
            new.append(Blob(cells, _box(background.frame, cells), float(strength[cells].mean())))
    return Compared(tuple(new), gone, is_attended[labels], changed, share)


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(k, n) to (k,). ``np.median`` says the same and takes four times as long over so few."""
    n = values.shape[1]
    low, high = (n - 1) // 2, n // 2
    ordered = np.partition(values, (low, high), axis=1)
    result: NDArray[np.float32] = (ordered[:, low] + ordered[:, high]) / np.float32(2)
    return result


def _without_specks(cells: Cells) -> Cells:
    """What squares of two by two cells cover: an opening."""
    whole = cells[:-1, :-1] & cells[1:, :-1] & cells[:-1, 1:] & cells[1:, 1:]
    kept = np.zeros_like(cells)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            kept[rows, columns] |= whole
    return kept


def _grown(cells: Cells) -> Cells:
    """With the neighbours above, below and beside."""
    grown = cells.copy()
    grown[1:] |= cells[:-1]
    grown[:-1] |= cells[1:]
    grown[:, 1:] |= cells[:, :-1]
    grown[:, :-1] |= cells[:, 1:]
    return grown


def _features(bgr: NDArray[np.float32]) -> Grid:
    log: Grid = np.log(np.ascontiguousarray(bgr.transpose(2, 0, 1)) + np.float32(DARK))
    brightness = (log[0] + log[1] + log[2]) / 3
    return np.stack([brightness, log[0] - brightness, log[2] - brightness])


def _beyond(now: Grid, then: Grid) -> Grid:
    """By how much each cell is outside of what its neighbourhood showed then."""
    low, high = then.copy(), then.copy()
    for here, there in _NEXT:
        np.minimum(low[here], then[there], out=low[here])
        np.maximum(high[here], then[there], out=high[here])
    result: Grid = np.maximum(now - high, 0) + np.minimum(now - low, 0)
    return result


def _is_light(step: NDArray[np.float32]) -> bool:
    """``step``: (3, n), by how much the cells of one place have changed."""
    middle = _median(step)
    brighter, coloured = float(middle[0]), float(np.abs(middle[1:]).max())
    spread = 1.48 * float(_median(np.abs(step[:1] - middle[0]))[0])
    return coloured < SHADE_COLOUR and spread < SHADE_SPREAD and abs(brighter) < SHADE_DEPTH


def _is_taken_away(
    cells: Cells, old_edges: NDArray[np.float32], new_edges: NDArray[np.float32], then: Grid, now: Grid
) -> bool:
    inside, outside = cells & _grown(~cells), _grown(cells) & ~cells
    rim = inside | outside

    def stands_out(edges: NDArray[np.float32], features: Grid) -> float:
        step = 0.0
        if outside.any():
            step = np.abs(features[:, inside].mean(axis=1) - features[:, outside].mean(axis=1)).sum()
        return float(edges[rim].mean() * (step + DIM))

    return stands_out(old_edges, then) > TAKEN_AWAY * stands_out(new_edges, now)


def _edges(features: Grid) -> NDArray[np.float32]:
    size = np.zeros((SIDE, SIDE), np.float32)
    for here, there in _NEXT:
        step = np.abs(features[here] - features[there])
        size[here] += step[0] + step[1] + step[2]
    return size


def _box(frame: Box, cells: Cells) -> Box:
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    width, height = (frame[2] - frame[0]) / SIDE, (frame[3] - frame[1]) / SIDE
    return (
        frame[0] + float(columns[0]) * width,
        frame[1] + float(rows[0]) * height,
        frame[0] + float(columns[-1] + 1) * width,
        frame[1] + float(rows[-1] + 1) * height,
    )
