"""What a camera does to a scene: it shakes, sags, is out of focus, wet, noisy, jumps in exposure, and writes JPEG.

All of it comes after everything was put into the picture, so that nothing made stands out by its sharpness.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.structures_ground import HEIGHT_PX, WIDTH_PX
from bench.structures_places import Split
from bench.structures_sky import DAY_S, START_S, Air
from models.frame import Pixels

_FIELDS = 3
_MARGIN_PX = 64


@dataclass(frozen=True)
class Temper:
    """A camera's own faults, drawn from its seed. ``sag_px``: how far it sinks in 30 days, ``turn_deg``: and turns."""

    shake_px: float
    sag_px: float
    turn_deg: float
    blur_px: float
    noise_grey: float
    jpeg_quality: int
    jumps: float

    @classmethod
    def drawn(cls, split: Split, seed: int) -> "Temper":
        chance = np.random.default_rng([seed, 41])
        worse = 1.0 if split is Split.TUNING else 1.25
        return cls(
            shake_px=float(chance.uniform(0.1, 0.8) * worse),
            sag_px=float(chance.uniform(-4, 4) * worse),
            turn_deg=float(chance.uniform(-0.25, 0.25)),
            blur_px=float(chance.uniform(0.4, 1.0) * worse),
            noise_grey=float(chance.uniform(1.2, 3.5) * worse),
            jpeg_quality=int(chance.integers(55, 88)),
            jumps=float(chance.uniform(0.0, 0.05) * worse),
        )


class Lens:
    def __init__(self, split: Split, seed: int) -> None:
        self.temper = Temper.drawn(split, seed)
        chance = np.random.default_rng([seed, 43])
        shape = (HEIGHT_PX + _MARGIN_PX, WIDTH_PX + _MARGIN_PX, 3)
        self._noise = [chance.standard_normal(shape, np.float32) for _ in range(_FIELDS)]
        self._drops = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
        for x, y in chance.uniform((0, 0), (WIDTH_PX, HEIGHT_PX), (int(chance.integers(3, 8)), 2)).astype(int).tolist():
            size = int(chance.integers(9, 26))
            cv2.ellipse(self._drops, (x, y), (size, int(size * 1.3)), 0, 0, 360, 1.0, -1)
        self._drops = np.asarray(cv2.blur(self._drops, (9, 9)), np.float32)
        self._is_wet_lens = bool(chance.random() < 0.5)

    def moved(self, at_s: float, chance: np.random.Generator) -> NDArray[np.float64]:
        """(2, 3) affine matrix: where the picture has gone at ``at_s``, in pixels."""
        share = (at_s - START_S) / DAY_S / 30
        middle = (WIDTH_PX / 2, HEIGHT_PX / 2)
        turn = np.asarray(cv2.getRotationMatrix2D(middle, self.temper.turn_deg * share, 1.0), np.float64)
        turn[:, 2] += chance.normal(0, self.temper.shake_px, 2) + np.array([0.3, 1.0]) * self.temper.sag_px * share
        return turn

    def take(self, lit: NDArray[np.float32], air: Air, gain: float, at_s: float, chance: np.random.Generator) -> Pixels:
        """The picture that comes out. ``lit`` (360, 640, 3) float32, light times reflectance, 0..255 and more; ``gain``
        is the exposure that was chosen, and makes the noise."""
        moved = cv2.warpAffine(
            lit,
            self.moved(at_s, chance),
            (WIDTH_PX, HEIGHT_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        blurred = cv2.GaussianBlur(moved, (5, 5), self.temper.blur_px)
        if self._is_wet_lens and air.wet > 0.2:
            smeared = cv2.resize(cv2.resize(blurred, (40, 24), interpolation=cv2.INTER_AREA), (WIDTH_PX, HEIGHT_PX))
            blurred += (smeared - blurred) * (self._drops * min(1.0, air.wet))[:, :, None]
        jump = chance.uniform(0.72, 1.35) if chance.random() < self.temper.jumps else chance.normal(1, 0.015)
        x, y = chance.integers(0, _MARGIN_PX, 2)
        noise = self._noise[int(chance.integers(_FIELDS))][y : y + HEIGHT_PX, x : x + WIDTH_PX]
        strength = self.temper.noise_grey * max(1.0, gain) ** 0.7
        exposed = cv2.addWeighted(blurred, gain * jump, noise, strength, 0)
        coded = cv2.imencode(
            ".jpg", np.clip(exposed, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, self.temper.jpeg_quality]
        )
        return np.asarray(cv2.imdecode(coded[1], cv2.IMREAD_COLOR), np.uint8)
