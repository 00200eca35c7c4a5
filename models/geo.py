"""Places: WGS-84 points, polygons, and the ground that a camera sees."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
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


class MapSystem(StrEnum):
    """What a pair of degrees is stated in. GCJ-02 taken for WGS-84 is off by hundreds of metres: the wrong grid."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


_GCJ_AXIS_M = 6_378_245.0
_GCJ_E2 = 0.00669342162296594323
"""Semi-major axis and eccentricity² of the ellipsoid that the formula of GCJ-02 takes (Krasovsky 1940)."""
_GCJ_WEST_EAST, _GCJ_SOUTH_NORTH = (72.004, 137.8347), (0.8293, 55.8271)
"""The box, in degrees, outside which published code shifts nothing."""
_INVERSE_ROUNDS = 6
"""Each leaves about a hundredth of the error; after the sixth it is that of the arithmetic (measured over China)."""


def wgs84_to_gcj02(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) degrees WGS-84 to GCJ-02, the Chinese maps' system; unchanged outside China.

    The formula was never published officially; this is the one that is in general use (wandergis/coordtransform and
    googollee/eviltransform, after coolypf's EvilTransform of 2013), good to a few metres of what maps show.
    """
    lon, lat = lon_lat[:, 0], lon_lat[:, 1]
    x, y, pi = lon - 105.0, lat - 35.0, np.pi
    wave = 20 * np.sin(6 * x * pi) + 20 * np.sin(2 * x * pi)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north += (wave + 20 * np.sin(y * pi) + 40 * np.sin(y / 3 * pi)) * 2 / 3
    north += (160 * np.sin(y / 12 * pi) + 320 * np.sin(y * pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east += (wave + 20 * np.sin(x * pi) + 40 * np.sin(x / 3 * pi)) * 2 / 3
    east += (150 * np.sin(x / 12 * pi) + 300 * np.sin(x / 30 * pi)) * 2 / 3
    magic = 1 - _GCJ_E2 * np.sin(np.radians(lat)) ** 2
    north = np.degrees(north / (_GCJ_AXIS_M * (1 - _GCJ_E2) / magic**1.5))
    east = np.degrees(east / (_GCJ_AXIS_M / np.sqrt(magic) * np.cos(np.radians(lat))))
    inside_china = (_GCJ_WEST_EAST[0] <= lon) & (lon <= _GCJ_WEST_EAST[1])
    inside_china &= (_GCJ_SOUTH_NORTH[0] <= lat) & (lat <= _GCJ_SOUTH_NORTH[1])
    shifted: NDArray[np.float64] = np.where(inside_china[:, None], np.c_[lon + east, lat + north], lon_lat)
    return shifted


def gcj02_to_bd09(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) degrees GCJ-02 to BD-09, Baidu's system (formula as in wandergis/coordtransform)."""
    lon, lat = lon_lat[:, 0], lon_lat[:, 1]
    x_pi = np.pi * 3000 / 180
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * x_pi)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * x_pi)
    result: NDArray[np.float64] = np.c_[radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006]
    return result


def gcj02_to_wgs84(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) degrees GCJ-02 to WGS-84, by fixed-point iteration: back and forth agree to less than a millimetre."""
    return _inverse(wgs84_to_gcj02, lon_lat)


def bd09_to_gcj02(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) degrees BD-09 to GCJ-02, by fixed-point iteration (the usual closed form is off by up to a metre)."""
    return _inverse(gcj02_to_bd09, lon_lat)


def to_wgs84(lon_lat: NDArray[np.float64], system: MapSystem) -> NDArray[np.float64]:
    """(n, 2) degrees, longitude first, stated in ``system``, as WGS-84."""
    if system is MapSystem.BD09:
        lon_lat = bd09_to_gcj02(lon_lat)
    return lon_lat if system is MapSystem.WGS84 else gcj02_to_wgs84(lon_lat)


def from_wgs84(lon_lat: NDArray[np.float64], system: MapSystem) -> NDArray[np.float64]:
    """(n, 2) degrees WGS-84, longitude first, in ``system``: for display on maps that need it, never to be stored."""
    if system is MapSystem.WGS84:
        return lon_lat
    shifted = wgs84_to_gcj02(lon_lat)
    return gcj02_to_bd09(shifted) if system is MapSystem.BD09 else shifted


def place_of(lon_deg: float, lat_deg: float, system: MapSystem) -> GeoPoint:
    """The place that someone stated in ``system``. Raises InvalidInput as GeoPoint does."""
    stated = GeoPoint(lon_deg, lat_deg)
    lon_deg, lat_deg = to_wgs84(np.array([[stated.lon_deg, stated.lat_deg]]), system)[0].tolist()
    return GeoPoint(lon_deg, lat_deg)


def _inverse(
    forward: Callable[[NDArray[np.float64]], NDArray[np.float64]], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What ``forward`` maps onto ``wanted``: x ← x + (wanted − forward(x)) contracts, the shifts being smooth."""
    found = wanted
    for _ in range(_INVERSE_ROUNDS):
        found = found + (wanted - forward(found))
    # Where the shift begins and ends, at the border of its box, there is no such place: as it was stated, then.
    settled = np.abs(forward(found) - wanted).max(axis=1) < 1e-9
    return np.where(settled[:, None], found, wanted)
