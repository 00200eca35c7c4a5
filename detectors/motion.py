"""What moves in a camera's view: its small grey picture against how the scene usually looks. Pure.

For masking: whatever comes and goes may be somebody, whether a detector names it or not. What came and lies still is
left: it may be what an alert is about, and nobody stands as still as a bag.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

USUAL_S = 120.0
"""What stands for a few minutes belongs to the scene: the time constant of its mean."""
RESTED_S = 15.0
"""What has not changed from picture to picture for so long lies still."""
MOVED = 10.0
"""Grey levels, 0..255, of difference that is not noise; from the usual, in a noisy place, more (``NOISES`` times its
mean deviation)."""
NOISES = 4.0
ALL_MOVED = 0.6
"""From this share of the picture on it is the light or the camera that changed, and says nothing of who moved."""

Luma = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scene:
    """How a view usually looks: ``mean`` and mean deviation ``noise``, (rows, columns) float32 grey levels; its
    ``last`` picture; ``since_s``: from when on each cell has looked as it does there, Unix seconds.
    """

    mean: NDArray[np.float32]
    noise: NDArray[np.float32]
    last: Luma
    since_s: NDArray[np.float64]
    at_s: float

    @classmethod
    def first(cls, luma: Luma, at_s: float) -> "Scene":
        mean, noise = luma.astype(np.float32), np.zeros(luma.shape, np.float32)
        return cls(mean, noise, luma, np.full(luma.shape, at_s), at_s)

    def after(self, luma: Luma, at_s: float) -> "Scene":
        """One picture later; begun anew where the view is another one."""
        difference = _difference(luma, self.mean)
        if self._unusual(difference).mean() >= ALL_MOVED:
            return Scene.first(luma, at_s)
        share = np.float32(1 - math.exp(-min(max(at_s - self.at_s, 0.0), USUAL_S) / USUAL_S))
        # What passes is no noise: of a great difference only so much counts.
        deviation = np.minimum(np.abs(difference), np.float32(MOVED))
        mean = self.mean + share * (luma - self.mean)
        return Scene(mean, self.noise + share * (deviation - self.noise), luma, self._since_s(luma, at_s), at_s)

    def moved(self, luma: Luma, at_s: float) -> NDArray[np.bool_]:
        """Where a picture is not as usual and not at rest, with a margin of a cell; nowhere if nearly all is so."""
        unusual = self._unusual(_difference(luma, self.mean))
        if unusual.mean() >= ALL_MOVED:
            return np.zeros_like(unusual)
        found = unusual & (at_s - self._since_s(luma, at_s) < RESTED_S)
        tall = found.copy()
        tall[1:] |= found[:-1]
        tall[:-1] |= found[1:]
        wide = tall.copy()
        wide[:, 1:] |= tall[:, :-1]
        wide[:, :-1] |= tall[:, 1:]
        return wide

    def _unusual(self, difference: NDArray[np.float32]) -> NDArray[np.bool_]:
        level = np.maximum(np.float32(MOVED), NOISES * self.noise)
        result: NDArray[np.bool_] = np.abs(difference) > level
        return result

    def _since_s(self, luma: Luma, at_s: float) -> NDArray[np.float64]:
        changed = np.abs(_difference(luma, self.last.astype(np.float32))) > MOVED
        return np.where(changed, at_s, self.since_s)


def _difference(luma: Luma, other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey levels, without what a change of exposure makes of all of the picture."""
    difference = luma.astype(np.float32) - other
    result: NDArray[np.float32] = difference - np.median(difference)
    return result
