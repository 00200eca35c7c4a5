"""Where the sun stands."""

import math

from models.geo import GeoPoint

DAY_S = 86_400.0


def sun_height_deg(place: GeoPoint, at_s: float) -> float:
    """Height of the sun over the horizon, within a degree.

    Source: Astronomical Almanac, low-precision formulas for the Sun (declination, equation of time left in).
    """
    days = at_s / DAY_S - 10957.5  # since noon of 1 January 2000
    mean, anomaly = math.radians(280.460 + 0.9856474 * days), math.radians(357.528 + 0.9856003 * days)
    along = mean + math.radians(1.915) * math.sin(anomaly) + math.radians(0.020) * math.sin(2 * anomaly)
    tilt = math.radians(23.439)
    declination = math.asin(math.sin(tilt) * math.sin(along))
    ascension = math.atan2(math.cos(tilt) * math.sin(along), math.cos(along))
    turned = math.radians((280.46062 + 360.98564737 * days + place.lon_deg) % 360) - ascension
    latitude = math.radians(place.lat_deg)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(turned)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))
