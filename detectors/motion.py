"""What moves in a camera's view: its small grey picture against how the scene usually looks. Pure.

For masking: whatever comes and goes may be somebody, whether a detector names it or not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

USUAL_S = 120.0
"""What stands for a few minutes belongs to the scene: the time constant of its mean."""
MOVED = 10.0
"""Grey levels, 0..255, of difference from the usual that is not noise; in a noisy place more (``NOISES`` times its
mean deviation)."""
NOISES = 4.0
ALL_MOVED = 0.6
"""From this share of the picture on it is the light or the camera that changed, and says nothing of who moved."""


@dataclass(frozen=True, eq=False)
class Scene:
    """How a view usually looks: ``mean`` and mean deviation ``noise``, (rows, columns) float32 grey levels."""

    mean: NDArray[np.float32]
    noise: NDArray[np.float32]
    at_s: float

    @classmethod
    def first(cls, luma: NDArray[np.uint8], at_s: float) -> "Scene":
        return cls(luma.astype(np.float32), np.zeros(luma.shape, np.float32), at_s)

    def after(self, luma: NDArray[np.uint8], at_s: float) -> "Scene":
        """One picture later; begun anew where the view is another one."""
        difference = self._difference(luma)
        if self._moved(difference).mean() >= ALL_MOVED:
            return Scene.first(luma, at_s)
        share = np.float32(1 - math.exp(-min(max(at_s - self.at_s, 0.0), USUAL_S) / USUAL_S))
        # What passes is no noise: of a great difference only so much counts.
        deviation = np.minimum(np.abs(difference), np.float32(MOVED))
        return Scene(self.mean + share * (luma - self.mean), self.noise + share * (deviation - self.noise), at_s)

    def moved(self, luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where a picture is not as usual, with a margin of one cell; nowhere if nearly all of it is not."""
        found = self._moved(self._difference(luma))
        if found.mean() >= ALL_MOVED:
            return np.zeros_like(found)
        wide = found.copy()
        wide[1:] |= found[:-1]
        wide[:-1] |= found[1:]
        wider = wide.copy()
        wider[:, 1:] |= wide[:, :-1]
        wider[:, :-1] |= wide[:, 1:]
        return wider

    def _difference(self, luma: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Without what a change of exposure makes of all of it."""
        difference = luma.astype(np.float32) - self.mean
        result: NDArray[np.float32] = difference - np.median(difference)
        return result

    def _moved(self, difference: NDArray[np.float32]) -> NDArray[np.bool_]:
        level = np.maximum(np.float32(MOVED), NOISES * self.noise)
        result: NDArray[np.bool_] = np.abs(difference) > level
        return result
