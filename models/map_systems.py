"""What Chinese maps make of WGS-84: GCJ-02 and BD-09, in and out. For the edge only: within, all is WGS-84."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.geo import GeoPoint


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
