"""What a picture shows cell by cell, whatever its light: brightness, colour and edges, laid over the accepted scene.

A picture becomes a grid of COLUMNS cells across. Each look is brought to the same middle and spread as all others, cell
features against the whole scene, so that the light's strength and colour, rain and thin fog fall out. Pure.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.frame import Pixels

COLUMNS = 64
FINE = 4
"""Points of the small picture along a side of a cell; edges are told on it."""
FEATURES = 7
"""Brightness, two of colour, and how strong the edges are in four directions."""
DARK = 8.0
"""Added to every grey level before its logarithm is taken: noise in the dark is no change."""
WEIGHTS = np.array([0.5, 1.0, 1.0, 0.8, 0.8, 0.8, 0.8], np.float32)
"""Brightness counts least: that is what shadows change."""
MOST = 8.0
"""Features are cut off at so many spreads of the scene."""
MAX_SHIFT = 12
"""Points of the small picture, a twentieth of its width, by which a look may be off and still be laid over."""
LEAST_ALIKE = 0.25
"""Correlation of edges below which a look shows another view, or none."""

Grid = NDArray[np.float32]
"""(rows, COLUMNS, FEATURES)."""
Cells = NDArray[np.bool_]
"""(rows, COLUMNS)."""
Fine = NDArray[np.float32]
"""(rows * FINE, COLUMNS * FINE): grey levels of the small picture."""


@dataclass(frozen=True, eq=False)
class View:
    """``features`` of a look that was laid over the anchor. ``shift_px``: by how many points of the small picture it
    was off, down and right; ``alike``: how alike its edges are to the anchor's."""

    features: Grid
    shift_px: tuple[float, float]
    alike: float


def rows_of(bgr: Pixels) -> int:
    return max(4, round(COLUMNS * int(bgr.shape[0]) / int(bgr.shape[1])))


def small(bgr: Pixels) -> NDArray[np.float32]:
    """(rows * FINE, COLUMNS * FINE, 3) float32 grey levels, 0..255: means of four points each."""
    height, width = rows_of(bgr) * FINE, COLUMNS * FINE
    y = ((np.arange(2 * height) + 0.5) * bgr.shape[0] / (2 * height)).astype(int)
    x = ((np.arange(2 * width) + 0.5) * bgr.shape[1] / (2 * width)).astype(int)
    picked = bgr[y][:, x].astype(np.uint16)
    four = picked[::2, ::2] + picked[1::2, ::2] + picked[::2, 1::2] + picked[1::2, 1::2]
    result: NDArray[np.float32] = four.astype(np.float32) / 4
    return result


def grey_of(picture: NDArray[np.float32]) -> Fine:
    result: Fine = picture.mean(axis=2)
    return result


def view_of(picture: NDArray[np.float32], anchor: Fine) -> View:
    """A small picture laid over the anchor, its grey levels when the scene was seen first."""
    shift, alike = offset(anchor, grey_of(picture))
    if max(map(abs, shift)) > 0.05:
        picture = ndimage.shift(picture, (*shift, 0), order=1, mode="nearest")
    return View(features_of(picture), shift, alike)


def features_of(picture: NDArray[np.float32]) -> Grid:
    log = np.log(picture + DARK)
    brightness = log.mean(axis=2)
    down, right = np.gradient(ndimage.uniform_filter(brightness, 2))
    size = np.hypot(down, right)
    cubed = size * size * size + np.float32(1e-9)
    turns = [k * math.pi / 4 for k in range(4)]
    squares = [np.square(right * np.float32(math.cos(turn)) + down * np.float32(math.sin(turn))) for turn in turns]
    directions = [square * square / cubed for square in squares]
    channels = [brightness, log[..., 0] - brightness, log[..., 2] - brightness]
    fine = np.stack([*channels, *directions], axis=2)
    rows, columns = fine.shape[0] // FINE, fine.shape[1] // FINE
    tall = fine.reshape(rows, FINE, columns * FINE, FEATURES).mean(axis=1)
    cells = tall.reshape(rows, columns, FINE, FEATURES).mean(axis=2)
    cells[..., 3:] = np.log(ndimage.uniform_filter(cells[..., 3:], (3, 3, 1)) + 0.01)
    flat = cells.reshape(-1, FEATURES)
    middle = np.median(flat, axis=0)
    spread = 1.48 * np.median(np.abs(flat - middle), axis=0)
    spread = np.maximum(spread, (0.1, 0.03, 0.03, 0.2, 0.2, 0.2, 0.2))
    result: Grid = np.clip((cells - middle) / spread, -MOST, MOST).astype(np.float32)
    return result


def distance(a: Grid, b: Grid) -> NDArray[np.float32]:
    """How far cells are apart, in spreads of the scene; (…, rows, COLUMNS)."""
    result: NDArray[np.float32] = np.sqrt((((a - b) * WEIGHTS) ** 2).mean(axis=-1))
    return result


def offset(anchor: Fine, now: Fine) -> tuple[tuple[float, float], float]:
    """By how many points ``now`` must be moved down and right to lie over the anchor, and how alike their edges are
    then.

    Source: Kuglin & Hines, The phase correlation image alignment method (1975); the peak between points by a parabola.
    """
    a, b = _edges(anchor), _edges(now)
    window = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1]))
    cross = np.fft.rfft2((a - a.mean()) * window) * np.conj(np.fft.rfft2((b - b.mean()) * window))
    peaks = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9) ** 0.5, s=a.shape)
    peaks = np.roll(peaks, (MAX_SHIFT, MAX_SHIFT), (0, 1))[: 2 * MAX_SHIFT + 1, : 2 * MAX_SHIFT + 1]
    y, x = np.unravel_index(int(peaks.argmax()), peaks.shape)
    down, right = _between(peaks[:, x], int(y)) - MAX_SHIFT, _between(peaks[y], int(x)) - MAX_SHIFT
    shift, inner = (down, right), (slice(MAX_SHIFT, -MAX_SHIFT),) * 2
    moved = ndimage.shift(b, (round(down), round(right)), order=0, mode="nearest")
    there, here = _alike(a[inner], moved[inner]), _alike(a[inner], b[inner])
    # The peak may be chance: then the look is where it was.
    return (shift, there) if there > here + 0.02 or there == here else ((0.0, 0.0), here)


def _alike(a: Fine, b: Fine) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _between(values: NDArray[np.float64], at: int) -> float:
    """The peak of the parabola through a highest value and its neighbours."""
    if not 0 < at < len(values) - 1:
        return float(at)
    before, here, after = values[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(at + 0.5 * (before - after) / bend) if bend < 0 else float(at)


def _edges(grey: Fine) -> Fine:
    down, right = np.gradient(np.log(grey + DARK))
    size = np.hypot(down, right)
    result: Fine = np.minimum(size, np.quantile(size, 0.95)).astype(np.float32) + np.float32(1e-6)
    return result
