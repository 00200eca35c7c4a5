"""A picture and when it was taken."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

Pixels = NDArray[np.uint8]
"""An image: shape (height, width, 3), dtype uint8, BGR order, 0..255."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture of a camera.

    ``at_s`` is the frame clock: Unix seconds that advance with the stream's own timestamps, so that dwell times
    are those of the scene and not of our arrival times. ``bgr`` has shape (height_px, width_px, 3), uint8. ``preset``:
    the token of the camera's preset that it shows, None its home view; ``arrived_s``: since when, None of a fixed one.
    """

    camera_id: str
    at_s: float
    bgr: Pixels
    preset: str | None = None
    arrived_s: float | None = None

    def __post_init__(self) -> None:
        if self.bgr.ndim != 3 or self.bgr.shape[2] != 3 or self.bgr.dtype != np.uint8 or self.bgr.size == 0:
            raise InvalidInput(f"a frame is (height, width, 3) uint8, not {self.bgr.shape} {self.bgr.dtype}")

    @property
    def width_px(self) -> int:
        return int(self.bgr.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.bgr.shape[0])
