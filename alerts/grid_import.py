"""Reading a grid tree from GeoJSON (RFC 7946): the whole file, or nothing and every fault with its row."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
import shapely.geometry

from models.errors import Fault, InvalidInput, TooLarge
from models.people import Grid
from models.text import checked_text

MOST_BYTES = 20 * 1024 * 1024
MOST_GRIDS = 20_000
MOST_CORNERS = 50_000
"""Per grid. A whole province's border, drawn finely, has fewer."""
DEEPEST_LEVEL = 12
MOST_FAULTS = 200
"""More are counted, not listed."""

_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._\-]{0,63}")
_SYSTEMS = re.compile(r"(.*\W)?(CRS:?84|4326|4490)")
"""WGS-84 by its names, and CGCS2000, which is the same to within centimetres."""


@dataclass(frozen=True)
class _Row:
    """One feature, read but not yet placed in the tree."""

    where: str
    code: str
    scheme: str
    name: str
    parent: str | None
    polygon: dict[str, Any] | None


def parse_grids(data: bytes | Mapping[str, Any], scheme: str = "local", known: Iterable[Grid] = ()) -> list[Grid]:
    """The grids of a GeoJSON FeatureCollection, parents before children.

    Each feature's properties state ``code``, ``name``, ``parent`` (missing or null for a root) and perhaps ``scheme``;
    its geometry is a Polygon, a MultiPolygon or null, WGS-84 longitude first. ``known`` are grids that parents may be
    among beside those of the file. Raises InvalidInput with a fault for each thing wrong; TooLarge.
    """
    document = _document(data) if isinstance(data, bytes) else data
    features = _features(document)
    faults: list[Fault] = []
    rows: list[_Row] = []
    for number, feature in enumerate(features, start=1):
        row = _row(number, feature, scheme, faults)
        if row is not None:
            rows.append(row)
    # What could not be read is not also reported as an unknown parent of others.
    stated = {code for feature in features if (code := _stated_code(feature)) is not None}
    faults += _repeated(rows)
    placed = _placed(rows, {grid.code: grid for grid in known}, stated, faults)
    if faults:
        raise _refusal(faults)
    return placed


def _refusal(faults: Sequence[Fault]) -> InvalidInput:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    listed = list(faults[:MOST_FAULTS])
    if len(faults) > MOST_FAULTS:
        listed.append(Fault("file", f"{len(faults) - MOST_FAULTS} more faults"))
    return InvalidInput(f"no grid was imported: {count}, the first: {faults[0]}", listed)


def _document(data: bytes) -> Any:
    if len(data) > MOST_BYTES:
        raise TooLarge(f"a grid file holds at most {MOST_BYTES // 1024**2} MiB; split it by district")
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InvalidInput("not GeoJSON: the file is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise InvalidInput(f"not GeoJSON: {why}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _features(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("type") != "FeatureCollection":
        raise InvalidInput('not GeoJSON: the file must be a {"type": "FeatureCollection", "features": [...]}')
    features = document.get("features")
    if not isinstance(features, list) or not features:
        raise InvalidInput("the file holds no features: a grid is a Feature of the FeatureCollection")
    if len(features) > MOST_GRIDS:
        raise TooLarge(f"a grid file holds at most {MOST_GRIDS} grids, this one {len(features)}; split it by district")
    system = document.get("crs")
    if system is not None and not _is_wgs84(system):
        raise InvalidInput("the file names a coordinate system that is not WGS-84 (EPSG:4326): convert it first")
    return features


def _is_wgs84(system: Any) -> bool:
    properties = system.get("properties") if isinstance(system, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else None
    return isinstance(name, str) and _SYSTEMS.fullmatch(name) is not None


def _stated_code(feature: Any) -> str | None:
    properties = feature.get("properties") if isinstance(feature, Mapping) else None
    return _code(properties.get("code")) if isinstance(properties, Mapping) else None


def _code(value: Any) -> str | None:
    """A code as text. Tables often hand codes over as numbers: whole ones are taken as they read."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


def _row(number: int, feature: Any, scheme: str, faults: list[Fault]) -> _Row | None:
    code = _stated_code(feature)
    where = f"row {number}" + (f" ({code})" if code else "")
    before = len(faults)
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        faults.append(Fault(where, "it is no GeoJSON Feature"))
        return None
    properties = feature.get("properties")
    if not isinstance(properties, Mapping):
        faults.append(Fault(where, "it has no properties: code, name and parent are stated there"))
        return None
    if code is None:
        what = "no code" if properties.get("code") in (None, "") else "a code that cannot be used"
        faults.append(Fault(where, f"it has {what}: 1 to 64 letters, digits, '.', '-' or '_'"))
    name = _text(properties.get("name"), "the name", where, faults)
    scheme = _text(properties.get("scheme") or scheme, "the scheme", where, faults, longest=32)
    stated = properties.get("parent")
    parent = None if stated in (None, "") else _code(stated)
    if parent is None and stated not in (None, ""):
        faults.append(Fault(where, "its parent is no grid code"))
    polygon = None
    if feature.get("geometry") is not None:
        try:
            polygon = _polygon(feature["geometry"])
        except InvalidInput as error:
            faults.append(Fault(where, str(error)))
    if len(faults) > before or code is None:
        return None
    return _Row(where, code, scheme, name, parent, polygon)


def _text(value: Any, what: str, where: str, faults: list[Fault], longest: int = 200) -> str:
    try:
        return checked_text(value, what, longest)
    except InvalidInput as error:
        faults.append(Fault(where, str(error)))
        return ""


def _polygon(geometry: Any) -> dict[str, Any]:
    """The geometry in two dimensions. Raises InvalidInput for what bounds no piece of land."""
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
    shape = shapely.geometry.shape({"type": kind, "coordinates": coordinates})
    if not shape.is_valid:
        raise InvalidInput(f"its polygon is faulty: {_why_invalid(shape)}")
    if shape.area == 0:
        raise InvalidInput("its polygon covers no land")
    return {"type": kind, "coordinates": coordinates}


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


def _repeated(rows: Sequence[_Row]) -> Iterator[Fault]:
    counts = Counter(row.code for row in rows)
    first: dict[str, str] = {}
    for row in rows:
        if counts[row.code] > 1 and row.code in first:
            yield Fault(row.where, f"the code is taken already by {first[row.code]}")
        first.setdefault(row.code, row.where)


def _placed(rows: Sequence[_Row], known: Mapping[str, Grid], stated: set[str], faults: list[Fault]) -> list[Grid]:
    """Grids with level and path, roots first; adds faults for unknown parents, cycles and trees too deep."""
    by_code = {row.code: row for row in rows}
    children: dict[str, list[_Row]] = {}
    placed: dict[str, Grid] = {}
    for row in by_code.values():
        if row.parent is not None and row.parent not in stated and row.parent not in known:
            faults.append(Fault(row.where, f"its parent {row.parent} is neither in the file nor known already"))
        elif row.parent is None:
            placed[row.code] = _grid(row, None)
        elif row.parent in stated:
            children.setdefault(row.parent, []).append(row)
        else:
            placed[row.code] = _grid(row, known[row.parent])
    waiting = list(placed)
    for code in waiting:  # grows while it is walked: breadth first
        for row in children.get(code, ()):
            placed[row.code] = _grid(row, placed[code])
            waiting.append(row.code)
    faults.extend(
        Fault(row.where, f"it would stand on level {grid.level}; trees are at most {DEEPEST_LEVEL} levels deep")
        for row in rows
        if (grid := placed.get(row.code)) is not None and grid.level > DEEPEST_LEVEL
    )
    faults.extend(_cycles(by_code))
    return [placed[code] for code in waiting]


def _grid(row: _Row, parent: Grid | None) -> Grid:
    level, above = (parent.level + 1, parent.path) if parent else (1, "/")
    return Grid(row.code, row.scheme, row.name, row.parent, level, f"{above}{row.code}/", row.polygon)


def _cycles(by_code: Mapping[str, _Row]) -> Iterator[Fault]:
    """One fault for each row that stands above itself."""
    settled: set[str] = set()
    for start in by_code:
        trail: dict[str, None] = {}
        code: str | None = start
        while code is not None and code in by_code and code not in settled and code not in trail:
            trail[code] = None
            code = by_code[code].parent
        if code in trail:
            ring = list(trail)[list(trail).index(code) :]
            shown = " → ".join([*ring[:5], "…"] if len(ring) > 5 else [*ring, ring[0]])
            yield from (Fault(by_code[each].where, f"it stands above itself: {shown}") for each in ring)
        settled.update(trail)
