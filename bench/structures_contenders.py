"""Who is measured on the set: the simple ways to see a change, each tried at several thresholds at once.

All of them look by day only, compare with nine accepted looks from nine times of the accepted days and keep the least
difference, ask for a change to last two days (in 70 % of the looks), and for cells that hang together over 0.7 % of the
picture. So what separates them from the product is what they look at and how it comes, not patience.
"""

from collections import deque
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_score import Contender, Suspicion
from bench.structures_sky import DAY_S, START_S
from detectors.boxes import Tiling
from detectors.perception import Perception
from detectors.zoo.manifest import read_zoo
from models.camera import CameraPoint
from models.frame import Pixels

REFERENCES = 9
LASTS_DAYS = 2.0
QUANTILE = 0.3
LEAST_SHARE = 0.007
_JUDGED_EACH_S = DAY_S / 2
_DAY_H = (8.0, 17.0)
"""Local time within which these contenders look."""
_CELLS = (40, 22)
LEVELS: dict[str, tuple[float, ...]] = {
    "absdiff": tuple(float(level) for level in range(4, 100, 2)),
    "ssim": tuple(round(0.2 + 0.02 * step, 2) for step in range(55)),
    "features": tuple(round(0.04 + 0.02 * step, 2) for step in range(50)),
}
"""The thresholds that each is tried at."""

Cells = NDArray[np.float32]


class Differing:
    """A contender made of a description of a picture and a difference between two descriptions.

    ``describe`` takes (h, w, 3) uint8; ``differ`` gives (22, 40) float32 cells, the more the further apart.
    """

    def __init__(
        self,
        name: str,
        describe: Callable[[Pixels], NDArray[np.float32]],
        differ: Callable[[NDArray[np.float32], NDArray[np.float32]], Cells],
    ) -> None:
        self.name = name
        self._describe, self._differ, self._levels = describe, differ, LEVELS[name]

    def begin(self, _: CameraPoint, accepted_s: float) -> None:
        self._accepted_s = accepted_s
        self._references: list[NDArray[np.float32]] = []
        self._recent: deque[tuple[float, Cells]] = deque()
        self._raised: dict[float, NDArray[np.bool_]] = {
            level: np.zeros((_CELLS[1], _CELLS[0]), bool) for level in self._levels
        }
        self._next_judged_s = accepted_s + LASTS_DAYS * DAY_S

    def look(self, at_s: float, bgr: Pixels) -> list[Suspicion]:
        if not _DAY_H[0] <= (at_s - START_S) % DAY_S / 3600 < _DAY_H[1]:
            return []
        if at_s < self._accepted_s:
            each_s = (self._accepted_s - START_S) / REFERENCES
            if (at_s - START_S) // each_s >= len(self._references):
                self._references.append(self._describe(bgr))
            return []
        described = self._describe(bgr)
        least = np.min([self._differ(reference, described) for reference in self._references], axis=0)
        self._recent.append((at_s, least))
        while self._recent[0][0] < at_s - LASTS_DAYS * DAY_S:
            self._recent.popleft()
        if at_s < self._next_judged_s:
            return []
        self._next_judged_s = at_s + _JUDGED_EACH_S
        return self._judge(at_s)

    def _judge(self, at_s: float) -> list[Suspicion]:
        lasting = np.quantile(np.stack([cells for _, cells in self._recent]), QUANTILE, axis=0)
        said = []
        for level in self._levels:
            count, labels = cv2.connectedComponents((lasting >= level).astype(np.uint8))
            for number in range(1, count):
                region = labels == number
                known = self._raised[level]
                if region.mean() >= LEAST_SHARE and (region & known).sum() < 0.3 * region.sum():
                    said.append(Suspicion(f"{level:g}:{at_s:.0f}:{number}", region, at_s, level=level))
                    known |= region
                elif (region & known).any():
                    known |= region
        return said


def absdiff() -> Contender:
    """Mean absolute difference of brightness, the exposure matched by one gain."""
    return Differing("absdiff", _grey, _absdiff)


def ssim() -> Contender:
    """1 - structural similarity (Wang et al., 2004), windows of 7 x 7 on half the size."""
    return Differing("ssim", _grey, _dissimilar)


def nanodet_features() -> Contender:
    """Cosine distance of the detector's stride-8 features, each look centred on its own median."""
    perception = Perception.load(read_zoo()["nanodet-g-416"])

    def describe(bgr: Pixels) -> NDArray[np.float32]:
        fine = perception.look(bgr, Tiling(), 0.5).features[0]
        # The rows below see what the picture is filled up with.
        return fine.values[:, : int(bgr.shape[0] / fine.stride_px)]

    return Differing("features", describe, _cosine)


SIMPLE: Mapping[str, Callable[[], Contender]] = {"absdiff": absdiff, "ssim": ssim, "features": nanodet_features}


def _grey(bgr: Pixels) -> NDArray[np.float32]:
    half = cv2.resize(bgr, (320, 180), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(half, cv2.COLOR_BGR2GRAY), np.float32)


def _cells(values: NDArray[np.float32]) -> Cells:
    return np.asarray(cv2.resize(values, _CELLS, interpolation=cv2.INTER_AREA), np.float32)


def _absdiff(reference: NDArray[np.float32], now: NDArray[np.float32]) -> Cells:
    gain = float(np.median(reference)) / max(float(np.median(now)), 1.0)
    return _cells(np.abs(now * np.float32(gain) - reference))


def _dissimilar(reference: NDArray[np.float32], now: NDArray[np.float32]) -> Cells:
    mean_a, mean_b = cv2.blur(reference, (7, 7)), cv2.blur(now, (7, 7))
    var_a = cv2.blur(reference * reference, (7, 7)) - mean_a**2
    var_b = cv2.blur(now * now, (7, 7)) - mean_b**2
    both = cv2.blur(reference * now, (7, 7)) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return _cells(np.asarray(1 - alike, np.float32))


def _cosine(reference: NDArray[np.float32], now: NDArray[np.float32]) -> Cells:
    norms = np.linalg.norm(reference, axis=0) * np.linalg.norm(now, axis=0)
    apart = 1 - (reference * now).sum(axis=0) / np.maximum(norms, 1e-6)
    return _cells(np.asarray(apart - np.median(apart), np.float32))
