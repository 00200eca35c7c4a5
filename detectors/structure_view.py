"""A look as new structures are looked for in it: small, laid over the accepted scene, and in what light it was taken.
Pure."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from models.frame import Pixels

WIDTH_PX = 320
"""Of the small picture."""
DARK = 8.0
"""Added to every grey level before its logarithm is taken: noise in the dark is no edge."""
MAX_SHIFT_PX = 15
"""A twentieth of the small picture's width, by which a look may be off and still be laid over."""
LIGHT_COLUMNS, LIGHT_ROWS = 20, 12
LIGHT_SPREAD = 20.0

Cells = NDArray[np.bool_]
"""(rows, columns) of the change network's map."""
Fine = NDArray[np.float32]
"""(height, WIDTH_PX): grey levels of the small picture."""
Light = NDArray[np.float32]
"""(LIGHT_ROWS * LIGHT_COLUMNS * 3,): brightness and colour part by part, the whole picture's brightness taken out."""


@dataclass(frozen=True, eq=False)
class View:
    """A look laid over the accepted scene, (height, WIDTH_PX, 3) with heads and plates hidden, and its light."""

    picture: Pixels
    light: Light


def small(bgr: Pixels) -> Pixels:
    """(height, WIDTH_PX, 3), of the same shape as the picture."""
    height = max(16, round(WIDTH_PX * bgr.shape[0] / bgr.shape[1]))
    return np.asarray(cv2.resize(bgr, (WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


def grey_of(picture: Pixels) -> Fine:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float32)


def shifted(picture: Pixels, shift_px: tuple[float, float]) -> Pixels:
    """A small picture moved down and right."""
    down, right = shift_px
    if max(abs(down), abs(right)) <= 0.05:
        return picture
    moved = np.array([[1, 0, right], [0, 1, down]])
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, moved, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def light_of(picture: Pixels) -> Light:
    """What tells sun from shade, noon from evening, snow from rain; two looks in one light are close."""
    few = cv2.resize(picture, (LIGHT_COLUMNS, LIGHT_ROWS), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(few, cv2.COLOR_BGR2LAB).astype(np.float32)
    lab[..., 0] = (lab[..., 0] - lab[..., 0].mean()) / (lab[..., 0].std() + 5) * LIGHT_SPREAD
    result: Light = lab.ravel()
    return result


def offset(anchor: Fine, now: Fine) -> tuple[float, float]:
    """By how many pixels ``now`` must be moved down and right to lie over the anchor.

    Source: Kuglin & Hines, The phase correlation image alignment method (1975); the peak between pixels by a parabola.
    """
    a, b = _edges(anchor), _edges(now)
    window = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1])).astype(np.float32)
    cross = fft.rfft2((a - a.mean()) * window) * np.conj(fft.rfft2((b - b.mean()) * window))
    peaks = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9) ** 0.5, s=a.shape)
    side = 2 * MAX_SHIFT_PX + 1
    peaks = np.roll(peaks, (MAX_SHIFT_PX, MAX_SHIFT_PX), (0, 1))[:side, :side]
    y, x = np.unravel_index(int(peaks.argmax()), peaks.shape)
    down, right = _between(peaks[:, x], int(y)) - MAX_SHIFT_PX, _between(peaks[y], int(x)) - MAX_SHIFT_PX
    shift, inner = (down, right), (slice(MAX_SHIFT_PX, -MAX_SHIFT_PX),) * 2
    moved = ndimage.shift(b, (round(down), round(right)), order=0, mode="nearest")
    there, here = _alike(a[inner], moved[inner]), _alike(a[inner], b[inner])
    # The peak may be chance: then the look is where it was.
    return shift if there > here + 0.02 else (0.0, 0.0)


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
