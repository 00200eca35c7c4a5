"""Patterns that surfaces are painted with, made of noise and grids: no picture of anything real goes in."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from bench.train_street import PATTERN_PX, UNIT, Pattern, Pixels, Reals, Rng, Vector

Patterns = Mapping[str, Sequence[Pattern]]
"""By kind of surface."""
OF_A_KIND = 12


def noise(rng: Rng, slope: float, side: int = PATTERN_PX) -> Reals:
    """(side, side), mean 0, deviation 1, amplitude falling with frequency to the power ``slope``; seamless.

    Natural pictures have a slope near 1 (Field 1987, J. Opt. Soc. Am. A 4, 2379).
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(side, side))) / frequency**slope
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, (side, side))
    return np.asarray(values / values.std(), np.float32)


def make_patterns(seed: int) -> Patterns:
    """Twelve of each kind. Training and held-out pairs are made with different seeds, so they share none."""
    rng = np.random.default_rng(seed)
    return {kind: [_halved(make(rng)) for _ in range(OF_A_KIND)] for kind, make in _KINDS.items()}


def colour(rng: Rng, vivid: float = 0.5, low: float = 40, high: float = 215) -> Vector:
    """BGR of a painted surface: a grey with as much colour as ``vivid`` (0..1) says."""
    grey = rng.uniform(low, high)
    tint = rng.normal(0, 1, 3) * (vivid if rng.random() < vivid else 0.12)
    warm = rng.normal(0.06, 0.1) * np.array((-1, 0, 1))
    values = np.clip(grey * (1 + warm + 0.45 * (tint - tint.mean()) * (1, 0.6, 1)), 8, 250)
    return float(values[0]), float(values[1]), float(values[2])


def leaves(rng: Rng, patterns: Patterns, height_px: int, width_px: int) -> Pixels:
    """A picture of overlapping patterned shapes of all sizes, whose statistics are those of natural pictures.

    The dead leaves model: radii r with density r^-3 (Lee, Mumford, Huang 2001, IJCV 41, 35).
    """
    every = [pattern for kind in patterns.values() for pattern in kind]
    picture = np.full((height_px, width_px, 3), colour(rng), np.float32)
    for _ in range(260):
        radius = 11 / np.sqrt(rng.uniform(0.008, 1))
        count = int(rng.integers(3, 8))
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        reach = radius * rng.uniform(0.6, 1.4, (count, 1))
        centre = rng.uniform(0, (width_px, height_px))
        outline = centre + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        left, top = np.clip(outline.min(axis=0), 0, (width_px - 1, height_px - 1)).astype(int)
        right, bottom = np.clip(outline.max(axis=0) + 1, 1, (width_px, height_px)).astype(int)
        mask = np.zeros((max(1, bottom - top), max(1, right - left)), np.uint8)
        cv2.fillPoly(mask, [np.round(outline - (left, top)).astype(np.int32)], 1)
        pattern = every[int(rng.integers(len(every)))][int(rng.integers(3))]
        shift = rng.integers(0, len(pattern), 2)
        rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
        value = pattern[(rows + shift[0]) % len(pattern), (columns + shift[1]) % len(pattern)]
        painted = value[..., None] * (np.array(colour(rng), np.float32) / UNIT)
        view = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
        view[mask > 0] = painted[mask > 0]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _halved(pattern: Reals) -> Pattern:
    levels = [np.clip(pattern * UNIT, 0, 255).astype(np.uint8)]
    for _ in range(3):
        half = len(levels[-1]) // 2
        levels.append(np.asarray(cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(levels)


def _rough(rng: Rng) -> Reals:
    return 1 + rng.uniform(0.03, 0.16) * noise(rng, rng.uniform(0.3, 1.4))


def _every(rng: Rng, choices: Sequence[int]) -> int:
    return int(choices[int(rng.integers(len(choices)))])


def _grid(rng: Rng, row_px: int, column_px: int, line_px: int, dim: float, *, bond: bool = False) -> Reals:
    pattern = _rough(rng)
    rows, columns = np.mgrid[:PATTERN_PX, :PATTERN_PX]
    if bond:
        columns = columns + (rows // row_px % 2) * (column_px // 2)
    pattern[(rows % row_px < line_px) | (columns % column_px < line_px)] *= dim
    return pattern


def _brick(rng: Rng) -> Reals:
    return _grid(rng, _every(rng, (4, 8)), _every(rng, (8, 16)), 1, rng.uniform(0.6, 1.35), bond=True)


def _paving(rng: Rng) -> Reals:
    side = _every(rng, (8, 16, 32, 64))
    return _grid(rng, side, side * _every(rng, (1, 1, 2)), 1, rng.uniform(0.65, 1.2), bond=bool(rng.random() < 0.5))


def _corrugated(rng: Rng) -> Reals:
    wave = np.sin(np.arange(PATTERN_PX) * 2 * np.pi / _every(rng, (4, 8, 8, 16)))
    return np.asarray(_rough(rng) * (1 + rng.uniform(0.06, 0.25) * wave[None]), np.float32)


def _planks(rng: Rng) -> Reals:
    width = _every(rng, (4, 8, 16))
    pattern = _rough(rng) * np.repeat(rng.uniform(0.75, 1.2, PATTERN_PX // width), width)[None]
    pattern[:, ::width] *= 0.6
    return np.asarray(pattern if rng.random() < 0.6 else pattern.T, np.float32)


def _windows(rng: Rng) -> Reals:
    """Storeys of about 2.7 m with windows; some are lighter, some darker than the wall."""
    pattern = _rough(rng)
    storey, bay = 64, _every(rng, (32, 64))
    width, height, sill = int(bay * rng.uniform(0.35, 0.8)), int(rng.uniform(22, 40)), int(rng.uniform(8, 20))
    for top in range(0, PATTERN_PX, storey):
        for left in range(0, PATTERN_PX, bay):
            pane = pattern[top + sill : top + sill + height, left + 4 : left + 4 + min(width, bay - 5)]
            pane[:] = rng.uniform(0.15, 0.75) if rng.random() < 0.85 else rng.uniform(0.9, 1.3)
            pane[:2], pane[:, :2] = 1.25, 1.25
    if rng.random() < 0.5:
        pattern[::storey] *= 0.7
    return pattern


def _foliage(rng: Rng) -> Reals:
    return np.asarray(np.clip(1 + rng.uniform(0.25, 0.5) * noise(rng, rng.uniform(0.4, 1.0)), 0.1, 2.2), np.float32)


def _grass(rng: Rng) -> Reals:
    return np.asarray(np.clip(1 + rng.uniform(0.08, 0.3) * noise(rng, rng.uniform(0.1, 0.9)), 0.2, 1.9), np.float32)


def _netting(rng: Rng) -> Reals:
    step = _every(rng, (2, 4, 16))
    return _grid(rng, step, step, 1, rng.uniform(0.6, 0.9)) * (1 + 0.1 * noise(rng, 1.5))


def _patches(rng: Rng) -> Reals:
    """Signs, lettering, repairs: a few rectangles and short strokes."""
    pattern = _rough(rng)
    for _ in range(int(rng.integers(4, 24))):
        top, left = rng.integers(0, PATTERN_PX - 4, 2)
        height, width = rng.integers(2, (24, 48))
        pattern[top : top + height, left : left + width] = rng.uniform(0.3, 1.5)
    return pattern


_KINDS: Mapping[str, Callable[[Rng], Reals]] = {
    "plain": _rough,
    "brick": _brick,
    "paving": _paving,
    "corrugated": _corrugated,
    "planks": _planks,
    "windows": _windows,
    "foliage": _foliage,
    "grass": _grass,
    "netting": _netting,
    "patches": _patches,
}
