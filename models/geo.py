"""Places: WGS-84 points, polygons, and the ground that a camera sees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

EARTH_RADIUS_M = 6_378_137.0
"""WGS-84 semi-major axis."""


@dataclass(frozen=True)
class GeoPoint:
    """A place on WGS-84: longitude and latitude in degrees."""

    lon_deg: float
    lat_deg: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lon_deg) and math.isfinite(self.lat_deg)):
            raise InvalidInput("a place needs finite longitude and latitude")
        if not (-180 <= self.lon_deg <= 180 and -90 <= self.lat_deg <= 90):
            raise InvalidInput(
                f"longitude {self.lon_deg} / latitude {self.lat_deg} is not on Earth: longitude comes first, in degrees"
            )

    def geojson(self) -> dict[str, Any]:
        """A GeoJSON Point (RFC 7946)."""
        return {"type": "Point", "coordinates": [round(self.lon_deg, 7), round(self.lat_deg, 7)]}


@dataclass(frozen=True)
class LocalPlane:
    """A tangent plane at ``origin``: metres east and north. Good to centimetres within a few kilometres."""

    origin: GeoPoint

    def _m_per_deg(self) -> tuple[float, float]:
        per_deg = math.radians(1) * EARTH_RADIUS_M
        return per_deg * math.cos(math.radians(self.origin.lat_deg)), per_deg

    def to_m(self, point: GeoPoint) -> tuple[float, float]:
        east, north = self._m_per_deg()
        return (point.lon_deg - self.origin.lon_deg) * east, (point.lat_deg - self.origin.lat_deg) * north

    def to_geo(self, east_m: float, north_m: float) -> GeoPoint:
        east, north = self._m_per_deg()
        return GeoPoint(self.origin.lon_deg + east_m / east, self.origin.lat_deg + north_m / north)


def distance_m(a: GeoPoint, b: GeoPoint) -> float:
    """Metres between two places that are near each other."""
    return math.hypot(*LocalPlane(a).to_m(b))


@dataclass(frozen=True)
class ControlPoint:
    """A pixel whose place on the ground is known. ``x``, ``y`` are fractions of the picture's width and height."""

    x: float
    y: float
    place: GeoPoint


@dataclass(frozen=True, eq=False)
class Located:
    """A place read off a picture, and how far it may be off (68 %), in metres."""

    place: GeoPoint
    accuracy_m: float


@dataclass(frozen=True, eq=False)
class GroundPlane:
    """The homography from picture fractions (0..1) to metres on a local plane, with the residual of its fit.

    Source: Hartley & Zisserman, Multiple View Geometry, 2nd ed., algorithm 4.2 (normalised DLT).
    """

    matrix: NDArray[np.float64]
    plane: LocalPlane
    residual_m: float

    @classmethod
    def fit(cls, points: Sequence[ControlPoint]) -> Self:
        """From four or more control points, no three on a line. Raises InvalidInput if they do not fix a plane."""
        if len(points) < 4:
            raise InvalidInput(f"a ground plane needs at least 4 control points, {len(points)} were given")
        plane = LocalPlane(points[0].place)
        pixels = np.array([[p.x, p.y] for p in points])
        ground = np.array([plane.to_m(p.place) for p in points])
        to_unit_p, to_unit_g = _normaliser(pixels), _normaliser(ground)
        p, g = _apply(to_unit_p, pixels), _apply(to_unit_g, ground)
        rows = []
        for (x, y), (u, v) in zip(p, g, strict=True):
            rows.append([-x, -y, -1, 0, 0, 0, u * x, u * y, u])
            rows.append([0, 0, 0, -x, -y, -1, v * x, v * y, v])
        _, singular, vt = np.linalg.svd(np.array(rows))
        if singular[7] < 1e-6 * singular[0]:
            raise InvalidInput("the control points lie on a line or on one spot: spread them over the ground")
        matrix = np.linalg.inv(to_unit_g) @ vt[-1].reshape(3, 3) @ to_unit_p
        # The sign is chosen so that the ground in view has a positive third coordinate: beyond the horizon it flips.
        if np.mean(np.c_[pixels, np.ones(len(pixels))] @ matrix[2]) < 0:
            matrix = -matrix
        residual = _apply(matrix, pixels) - ground
        return cls(matrix, plane, float(np.sqrt(np.mean(np.sum(residual**2, axis=1)))))

    def ground_m(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) picture fractions to (n, 2) metres east, north; NaN on and above the horizon."""
        homogeneous = np.c_[xy, np.ones(len(xy))] @ self.matrix.T
        seen = homogeneous[:, 2:] > 1e-9 * np.abs(self.matrix).max()
        return np.where(seen, homogeneous[:, :2] / np.where(seen, homogeneous[:, 2:], 1.0), np.nan)

    def locate(self, x: float, y: float, height_px: int) -> Located:
        """The place under a picture point. Raises InvalidInput on and above the horizon.

        The accuracy joins the fit's residual with two pixels of error of the foot point, pushed through the
        homography, so that it grows with distance.
        """
        step = 2.0 / height_px
        at = self.ground_m(np.array([[x, y], [x + step, y], [x, y + step]]))
        if not np.isfinite(at).all():
            raise InvalidInput("that point lies on or above the horizon")
        foot = float(np.hypot(*(at[1] - at[0])) + np.hypot(*(at[2] - at[0])))
        return Located(self.plane.to_geo(float(at[0, 0]), float(at[0, 1])), float(math.hypot(self.residual_m, foot)))

    def area_m2(self, polygon: Sequence[tuple[float, float]]) -> float:
        """Ground area of a polygon of picture fractions, m². Raises InvalidInput where it reaches the horizon."""
        ground = self.ground_m(np.array(polygon, dtype=np.float64))
        if not np.isfinite(ground).all():
            raise InvalidInput("the zone reaches the horizon: draw it on the ground only")
        x, y = ground.T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _normaliser(points: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = points.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum((points - centre) ** 2, axis=1))))
    if spread == 0:
        raise InvalidInput("the control points lie on one spot: spread them over the ground")
    scale = math.sqrt(2) / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _apply(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mapped = np.c_[points, np.ones(len(points))] @ matrix.T
    result: NDArray[np.float64] = mapped[:, :2] / mapped[:, 2:]
    return result


def inside(polygon: Sequence[tuple[float, float]], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of (n, 2) points lie in the polygon: even-odd rule, both in the same space."""
    result = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y1 != y2:
            result ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return result
