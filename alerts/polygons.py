"""Grid borders as files state them – GeoJSON geometry or WKT, in a named map system – read into checked WGS-84."""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import shapely
import shapely.errors
import shapely.geometry
from numpy.typing import NDArray

from models.errors import InvalidInput
from models.map_systems import MapSystem, to_wgs84

MOST_CORNERS = 50_000
"""Per grid. A whole province's border, drawn finely, has fewer."""

_WKT = re.compile(r"\s*(?:SRID=(?P<srid>\d+);)?\s*(?P<wkt>(?:MULTI)?POLYGON\s*(?:Z|M|ZM)?\s*\(.*\)\s*)", re.I | re.S)
"""Of all WKT only these: GEOS reads nested collections by recursion, and a deep enough one ends the process."""
_EPSG = re.compile(r"(?:.*\W)?(?:CRS:?84|4326|4490)")
_SYSTEMS: Mapping[str, MapSystem] = {
    **dict.fromkeys(("wgs84", "cgcs2000", "crs84", "2000国家大地坐标系", "国家2000"), MapSystem.WGS84),
    **dict.fromkeys(("gcj02", "gcj", "火星", "火星坐标", "火星坐标系", "高德", "高德坐标", "腾讯"), MapSystem.GCJ02),
    **dict.fromkeys(("bd09", "bd09ll", "百度", "百度坐标", "百度坐标系"), MapSystem.BD09),
}
"""CGCS2000 is WGS-84 to within centimetres. BD-09 in metres ("bd09mc") is none of these."""


def read_system(name: Any) -> MapSystem:
    """The map system of that name, or of a GeoJSON ``crs`` that names WGS-84. Raises InvalidInput."""
    if isinstance(name, str) and len(name) <= 100:
        if _EPSG.fullmatch(name.strip()):
            return MapSystem.WGS84
        found = _SYSTEMS.get("".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c not in " -_"))
        if found is not None:
            return found
    raise InvalidInput("its coordinate system must be named wgs84, gcj02 or bd09; convert any other first")


def read_polygon(stated: Any, system: MapSystem) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A GeoJSON Polygon or MultiPolygon, flat, in WGS-84; and as it was stated, where that is in another system.

    ``stated``: such a geometry, or text that holds one as GeoJSON or WKT. Raises InvalidInput for what bounds no land.
    """
    geometry = _geometry_of_text(stated) if isinstance(stated, str) else stated
    raw = _flat(geometry)
    polygon = raw if system is MapSystem.WGS84 else _converted(raw, system)
    shape = shapely.geometry.shape(polygon)
    if not shape.is_valid:
        raise InvalidInput(f"its polygon is faulty: {_why_invalid(shape)}")
    if shape.area == 0:
        raise InvalidInput("its polygon covers no land")
    return polygon, None if system is MapSystem.WGS84 else raw


def _geometry_of_text(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidInput("its polygon is no GeoJSON geometry: the text may have been cut off") from None
    found = _WKT.fullmatch(text)
    if found is None:
        cut = (
            "; a spreadsheet's cell holds 32,767 characters, and it may have been cut off" if len(text) > 32_000 else ""
        )
        raise InvalidInput(f"its polygon must be WKT (POLYGON or MULTIPOLYGON) or a GeoJSON geometry{cut}")
    if found["srid"] not in (None, "4326", "4490"):
        raise InvalidInput("its polygon's SRID is not 4326 (WGS-84): convert it first")
    try:
        return json.loads(shapely.to_geojson(shapely.from_wkt(found["wkt"])))
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise InvalidInput(f"its polygon is faulty: {str(error).splitlines()[0][:100]}") from None


def _flat(geometry: Any) -> dict[str, Any]:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise InvalidInput("its geometry must be a Polygon or a MultiPolygon")
    parts = geometry.get("coordinates")
    if not isinstance(parts, list) or not parts:
        raise InvalidInput("its polygon has no coordinates")
    rings = [_list(part) for part in (parts if kind == "MultiPolygon" else [parts])]
    if sum(len(_list(ring)) for part in rings for ring in part) > MOST_CORNERS:
        raise InvalidInput(f"its polygon has more than {MOST_CORNERS} corners")
    polygons = [[_ring(ring) for ring in part] for part in rings]
    if not all(polygons):
        raise InvalidInput("its polygon has no coordinates")
    coordinates: list[Any] = polygons if kind == "MultiPolygon" else polygons[0]
    return {"type": kind, "coordinates": coordinates}


def _converted(raw: dict[str, Any], system: MapSystem) -> dict[str, Any]:
    def ring(corners: list[list[float]]) -> list[list[float]]:
        # To a tenth of a millimetre: the same file gives the same grid on every machine.
        degrees: NDArray[np.float64] = to_wgs84(np.array(corners, dtype=np.float64), system).round(9)
        return degrees.tolist()  # type: ignore[no-any-return]

    return {"type": raw["type"], "coordinates": _each_ring(raw, ring)}


def _each_ring(raw: dict[str, Any], change: Callable[[list[list[float]]], list[list[float]]]) -> list[Any]:
    if raw["type"] == "Polygon":
        return [change(ring) for ring in raw["coordinates"]]
    return [[change(ring) for ring in part] for part in raw["coordinates"]]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput("its polygon's coordinates are not nested as GeoJSON nests them")
    return value


def _ring(ring: list[Any]) -> list[list[float]]:
    """Positions [longitude, latitude], the last as the first. Raises InvalidInput."""
    corners = [_position(position) for position in ring]
    if len(corners) < 4 or corners[0] != corners[-1]:
        raise InvalidInput("a ring of its polygon is not closed: at least 4 positions, the last as the first")
    return corners


def _position(position: Any) -> list[float]:
    if not isinstance(position, list) or not 2 <= len(position) <= 3:
        raise InvalidInput("a corner of its polygon is not [longitude, latitude]")
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in position):
        raise InvalidInput("a corner of its polygon is not made of numbers")
    try:
        lon_deg, lat_deg = float(position[0]), float(position[1])
    except OverflowError:
        lon_deg = lat_deg = math.inf
    if not (-180 <= lon_deg <= 180 and -90 <= lat_deg <= 90):
        swapped = "; latitude and longitude look swapped" if abs(lon_deg) <= 90 and abs(lat_deg) <= 180 else ""
        raise InvalidInput(f"a corner at {lon_deg:g}, {lat_deg:g} is not longitude, latitude in degrees{swapped}")
    return [lon_deg, lat_deg]


def _why_invalid(shape: Any) -> str:
    """GEOS says "Self-intersection[109.03 32.68]"."""
    what, _, place = str(shapely.is_valid_reason(shape)).partition("[")
    sentence = {"Self-intersection": "it crosses itself", "Ring Self-intersection": "a ring touches itself"}.get(
        what, what
    )
    return f"{sentence} at {place.rstrip(']')}" if place else sentence
