"""The ground that a simulated camera sees: its pose, and points in metres put into the picture and back.

World: x metres to the right of the camera, y metres forward on the ground, z metres up; the camera stands at
(0, 0, height_m) and looks along +y, tilted down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.geo import ControlPoint, GeoPoint, LocalPlane

WIDTH_PX, HEIGHT_PX = 640, 360
ORIGIN = GeoPoint(121.47, 31.23)
"""Where the simulated cameras stand: any place would do."""
NEAREST_M = 0.5
"""Depth before the lens within which nothing is drawn."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """How a camera is mounted. ``heading_deg``: where it looks, clockwise from north."""

    height_m: float
    tilt_deg: float
    hfov_deg: float
    heading_deg: float = 0.0

    def project(self, world_m: Points) -> tuple[Points, NDArray[np.float64]]:
        """(n, 3) world metres to (n, 2) pixels of a 640 x 360 picture, and the depth in metres (may be negative)."""
        tilt, focal = math.radians(self.tilt_deg), self._focal_px()
        rel = np.asarray(world_m, np.float64) - (0.0, 0.0, self.height_m)
        down = -rel[:, 1] * math.sin(tilt) - rel[:, 2] * math.cos(tilt)
        depth = rel[:, 1] * math.cos(tilt) - rel[:, 2] * math.sin(tilt)
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        pixels = np.c_[WIDTH_PX / 2 + focal * rel[:, 0] / safe, HEIGHT_PX / 2 + focal * down / safe]
        return pixels, depth

    def on_ground(self, pixels: Points) -> Points:
        """(n, 2) pixels to (n, 2) metres right and forward; NaN on and above the horizon."""
        tilt, focal = math.radians(self.tilt_deg), self._focal_px()
        right = (pixels[:, 0] - WIDTH_PX / 2) / focal
        down = (pixels[:, 1] - HEIGHT_PX / 2) / focal
        falling = math.sin(tilt) + down * math.cos(tilt)
        reach = self.height_m / np.where(falling > 1e-3, falling, np.nan)
        return np.asarray(np.c_[right * reach, (math.cos(tilt) - down * math.sin(tilt)) * reach])

    def east_north(self, ground_m: Points) -> Points:
        """(n, 2) metres right and forward to (n, 2) metres east and north."""
        turn = math.radians(self.heading_deg)
        x, y = ground_m[:, 0], ground_m[:, 1]
        return np.asarray(np.c_[x * math.cos(turn) + y * math.sin(turn), -x * math.sin(turn) + y * math.cos(turn)])

    def control_points(self, top: float) -> tuple[ControlPoint, ...]:
        """Six that someone would have measured, from the picture's bottom up to the fraction ``top`` of its height."""
        low, high = 0.95, top + 0.25 * (1 - top)
        fractions = [(0.1, low), (0.9, low), (0.1, high), (0.9, high), (0.5, (low + high) / 2), (0.3, high)]
        pixels = np.array(fractions) * (WIDTH_PX, HEIGHT_PX)
        plane = LocalPlane(ORIGIN)
        places = [plane.to_geo(float(e), float(n)) for e, n in self.east_north(self.on_ground(pixels))]
        return tuple(ControlPoint(x, y, place) for (x, y), place in zip(fractions, places, strict=True))

    def _focal_px(self) -> float:
        return WIDTH_PX / 2 / math.tan(math.radians(self.hfov_deg) / 2)


def polygon_area_m2(corners: Points | Sequence[tuple[float, float]]) -> float:
    """By the shoelace formula."""
    x, y = np.asarray(corners, np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
