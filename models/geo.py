"""Places: WGS-84 points, polygons, and the ground that a camera sees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """A place read off a picture, and how far it may be off, in metres: 19 in 20 are nearer."""

    place: GeoPoint
    accuracy_m: float


FOOT_PX = 2.0
"""Standard error of a foot point in a picture, along each axis."""
CLICK_PX, CLICK_HEIGHT_PX = 1.5, 1080
"""Standard error of a control point that a person marks, along each axis of a picture of that height."""
SURVEY_M = 0.3
"""Least standard error of a control point's place, east and north: as read off an orthophoto."""
CERTAIN = 2.0
"""Standard errors within which 19 in 20 lie: 1.96 of an error along one line, 1.73 (of the two axes' sum of squares) of
one that is alike all round."""


@dataclass(frozen=True, eq=False)
class GroundPlane:
    """The homography from picture fractions (0..1) to metres on a local plane, with the residual of its fit.

    ``variants``: the homographies that a standard error in one number of the fit would give instead; how far they lie
    apart is how far a place may be off (first-order propagation: Hartley & Zisserman, section 5.2). Source of the fit:
    Multiple View Geometry, 2nd ed., algorithm 4.2 (normalised DLT).
    """

    matrix: NDArray[np.float64]
    plane: LocalPlane
    residual_m: float
    variants: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3, 3)))

    @classmethod
    def fit(cls, points: Sequence[ControlPoint], *, with_variants: bool = True) -> Self:
        """From four or more control points, no three on a line. Raises InvalidInput if they do not fix a plane.

        Without variants it is sooner done, and its places say nothing of the fit's own error.
        """
        if len(points) < 4:
            raise InvalidInput(f"a ground plane needs at least 4 control points, {len(points)} were given")
        plane = LocalPlane(points[0].place)
        pixels = np.array([[p.x, p.y] for p in points])
        ground = np.array([plane.to_m(p.place) for p in points])
        matrix = _homographies(pixels[None], ground[None])[0]
        squares = np.sum((_apply(matrix, pixels) - ground) ** 2, axis=1)
        residual_m = float(np.sqrt(squares.mean()))
        if not with_variants:
            return cls(matrix, plane, residual_m)
        free = 2 * len(points) - 8
        survey_m = max(SURVEY_M, math.sqrt(float(squares.sum()) / free)) if free else SURVEY_M
        return cls(matrix, plane, residual_m, _variants(pixels, ground, survey_m))

    def ground_m(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) picture fractions to (n, 2) metres east, north; NaN on and above the horizon."""
        homogeneous = np.c_[xy, np.ones(len(xy))] @ self.matrix.T
        seen = homogeneous[:, 2:] > 1e-9 * np.abs(self.matrix).max()
        return np.where(seen, homogeneous[:, :2] / np.where(seen, homogeneous[:, 2:], 1.0), np.nan)

    def locate(self, x: float, y: float, height_px: int) -> Located:
        """The place under a picture point. Raises InvalidInput on and above the horizon, and so near to it that what
        the ground plane is not sure of may lift the point over it.

        The accuracy joins what the fit is not sure of with the error of the foot point, pushed through the homography,
        so that it grows with distance.
        """
        step = FOOT_PX / height_px
        at = self.ground_m(np.array([[x, y], [x + step, y], [x, y + step]]))
        others = _apply_each(self.variants, np.array([x, y, 1.0]))
        if not (np.isfinite(at).all() and np.isfinite(others).all()):
            raise InvalidInput("that point lies on or above the horizon")
        square = float(np.sum((at[1:] - at[0]) ** 2) + np.sum((others - at[0]) ** 2))
        return Located(self.plane.to_geo(float(at[0, 0]), float(at[0, 1])), CERTAIN * math.sqrt(square))

    def area_m2(self, polygon: Sequence[tuple[float, float]]) -> float:
        """Ground area of a polygon of picture fractions, m². Raises InvalidInput where it reaches the horizon."""
        ground = self.ground_m(np.array(polygon, dtype=np.float64))
        if not np.isfinite(ground).all():
            raise InvalidInput("the zone reaches the horizon: draw it on the ground only")
        x, y = ground.T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _homographies(pixels: NDArray[np.float64], ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrices (k, 3, 3) that map each of (k, n, 2) picture fractions onto (k, n, 2) metres, the ground in view on
    their positive side. Normalised as the first: the others lie near it."""
    to_unit_p, to_unit_g = _normaliser(pixels[0]), _normaliser(ground[0])
    p, g = (points * unit[0, 0] + unit[:2, 2] for points, unit in ((pixels, to_unit_p), (ground, to_unit_g)))
    rows = np.zeros((len(p), 2 * p.shape[1], 9))
    rows[:, 0::2, 0:2] = rows[:, 1::2, 3:5] = -p
    rows[:, 0::2, 2] = rows[:, 1::2, 5] = -1
    rows[:, :, 6:8] = np.repeat(p, 2, axis=1) * g.reshape(len(g), -1, 1)
    rows[:, :, 8] = g.reshape(len(g), -1)
    _, singular, vt = np.linalg.svd(rows, full_matrices=rows.shape[1] < 9)  # the ninth vector is wanted in any case
    if (singular[:, 7] < 1e-6 * singular[:, 0]).any():
        raise InvalidInput("the control points lie on a line or on one spot: spread them over the ground")
    matrices = np.linalg.inv(to_unit_g) @ vt[:, -1].reshape(-1, 3, 3) @ to_unit_p
    # The sign is chosen so that the ground in view has a positive third coordinate: beyond the horizon it flips.
    seen = np.einsum("ki,kni->k", matrices[:, 2], np.dstack([pixels, np.ones(pixels.shape[:2])]))
    signs = np.where(seen < 0, -1.0, 1.0) / np.linalg.norm(matrices, axis=(1, 2))
    return np.asarray(matrices * signs[:, None, None])


def _variants(pixels: NDArray[np.float64], ground: NDArray[np.float64], survey_m: float) -> NDArray[np.float64]:
    """(4 n, 3, 3): each coordinate of each control point a standard error off, in the picture and on the ground."""
    n = pixels.size
    one_by_one = np.eye(n).reshape(n, *pixels.shape)
    still = np.zeros_like(one_by_one)
    marked = np.concatenate([still, one_by_one * (CLICK_PX / CLICK_HEIGHT_PX)])
    surveyed = np.concatenate([one_by_one * survey_m, still])
    return _homographies(pixels + marked, ground + surveyed)


def _apply_each(matrices: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) metres that each of (n, 3, 3) homographies makes of one point (3,); NaN on and above its horizon."""
    mapped = matrices @ point
    seen = mapped[:, 2:] > 1e-9
    return np.where(seen, mapped[:, :2] / np.where(seen, mapped[:, 2:], 1.0), np.nan)


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
