"""Files of grids – GeoJSON (RFC 7946), CSV, xlsx – as rows with checked fields, and every fault with its row."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.polygons import read_polygon, read_system
from alerts.spreadsheets import MOST_BYTES, XLSX_BEGINS, Sheet, decoded, number_as_shown, plain_name, read_sheet
from models.errors import Fault, InvalidInput, TooLarge
from models.map_systems import MapSystem
from models.text import checked_text

MOST_GRIDS = 20_000
NAIVE_ZONE = ZoneInfo("Asia/Shanghai")
"""Of dates and times in files that name no zone of their own."""

NAMES: Mapping[str, Sequence[str]] = {
    "code": ("编码", "网格编码", "网格编号", "编号", "代码", "网格代码", "gridcode"),
    "name": ("名称", "网格名称", "gridname"),
    "parent": ("上级编码", "上级", "上级网格", "上级网格编码", "父级编码", "父级", "parentcode"),
    "scheme": ("编码体系", "编码规则"),
    "level": ("层级", "级别"),
    "polygon": ("边界", "范围", "多边形", "坐标串", "wkt", "geometry", "geom"),
    "system": ("坐标系", "坐标系统", "crs"),
    "valid_from": ("生效日期", "启用日期", "生效时间", "validfrom"),
    "valid_to": ("失效日期", "停用日期", "失效时间", "validto"),
}
"""The columns, and the properties of a GeoJSON Feature, by what they may be called."""

_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._\-]{0,63}")
_AS_NUMBER = re.compile(r"\d(?:\.\d+[eE]|[eE]\+)\+?\d+|\d\.\d+[eE]\+?\d+")
_LONGEST_NUMBER = 10**15
"""A spreadsheet keeps 15 digits of a number and makes the rest zeros; beyond 2^53 JavaScript rounds as well."""
_BY_FIELD = {name: field for field, names in NAMES.items() for name in (plain_name(field), *names)}


@dataclass(frozen=True)
class GridRow:
    """One row, read but not yet placed in the tree. ``level`` is as stated, to be compared with where it will stand."""

    where: str
    code: str
    scheme: str
    name: str
    parent: str | None
    polygon: dict[str, Any] | None
    polygon_raw: dict[str, Any] | None
    system: MapSystem
    level: int | None
    valid_from_s: float | None
    valid_to_s: float | None


@dataclass(frozen=True)
class GridFile:
    """What a file holds. ``stated``: every code that could be read, also of rows with faults."""

    rows: tuple[GridRow, ...]
    faults: tuple[Fault, ...]
    stated: frozenset[str]
    encoding: str
    ignored: tuple[str, ...] = ()


def read_grid_file(data: bytes | Mapping[str, Any], scheme: str, system: MapSystem | None) -> GridFile:
    """Every row of the file. ``system``: of the rows that name none; a GeoJSON is WGS-84 where nothing says otherwise.

    Raises InvalidInput for what is no such file, TooLarge.
    """
    if isinstance(data, bytes):
        if len(data) > MOST_BYTES:
            raise TooLarge(f"a grid file holds at most {MOST_BYTES // 1024**2} MiB; split it by district")
        if data.startswith(XLSX_BEGINS) or not _looks_like_json(data):
            return _of_sheet(read_sheet(data, NAMES, ("code", "name", "parent")), scheme, system)
        text, encoding = decoded(data)
        data = _document(text)
    else:
        encoding = "utf-8"
    return replace(_of_features(data, scheme, system), encoding=encoding)


def _looks_like_json(data: bytes) -> bool:
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _document(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise InvalidInput(f"not GeoJSON: {why}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _of_sheet(sheet: Sheet, scheme: str, system: MapSystem | None) -> GridFile:
    faults = list(sheet.faults)
    reader = _Reader(scheme, system, faults)
    rows = [found for row in sheet.rows if (found := reader.read(row.where, _with_text_name(row.cells))) is not None]
    return GridFile(tuple(rows), tuple(faults), frozenset(reader.stated), sheet.encoding, sheet.ignored)


def _with_text_name(cells: Mapping[str, Any]) -> Mapping[str, Any]:
    """A grid that is named "3" is a number to a spreadsheet."""
    name = cells.get("name")
    return {**cells, "name": str(name)} if type(name) is int else cells


def _of_features(document: Any, scheme: str, system: MapSystem | None) -> GridFile:
    if not isinstance(document, Mapping) or document.get("type") != "FeatureCollection":
        raise InvalidInput('not GeoJSON: the file must be a {"type": "FeatureCollection", "features": [...]}')
    features = document.get("features")
    if not isinstance(features, list) or not features:
        raise InvalidInput("the file holds no features: a grid is a Feature of the FeatureCollection")
    if len(features) > MOST_GRIDS:
        raise TooLarge(f"a grid file holds at most {MOST_GRIDS} grids, this one {len(features)}; split it by district")
    faults: list[Fault] = []
    reader = _Reader(scheme, system or _system_of(document.get("crs")), faults)
    rows = []
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
            faults.append(Fault(f"row {number}", "it is no GeoJSON Feature"))
            continue
        properties = feature.get("properties")
        if not isinstance(properties, Mapping):
            faults.append(Fault(f"row {number}", "it has no properties: code, name and parent are stated there"))
            continue
        cells = {field: value for name, value in properties.items() if (field := _BY_FIELD.get(plain_name(name)))}
        cells["polygon"] = feature.get("geometry")
        if (row := reader.read(f"row {number}", cells)) is not None:
            rows.append(row)
    return GridFile(tuple(rows), tuple(faults), frozenset(reader.stated), "utf-8")


def _system_of(crs: Any) -> MapSystem:
    if crs is None:
        return MapSystem.WGS84
    properties = crs.get("properties") if isinstance(crs, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else None
    try:
        return read_system(name)
    except InvalidInput:
        raise InvalidInput(
            "the file names a coordinate system that is not WGS-84, GCJ-02 or BD-09: convert it first"
        ) from None


class _Reader:
    """Reads one row after the other; adds to ``faults`` whatever is wrong with it, and to ``stated`` its code."""

    def __init__(self, scheme: str, system: MapSystem | None, faults: list[Fault]) -> None:
        self._scheme, self._system, self._faults = scheme, system, faults
        self.stated: set[str] = set()

    def read(self, where: str, cells: Mapping[str, Any]) -> GridRow | None:
        before = len(self._faults)
        damaged = damaged_code(cells.get("code"))
        code = None if damaged else read_code(cells.get("code"))
        if code is not None:
            self.stated.add(code)
            where += f" ({code})"
        elif damaged:
            self._faults.append(Fault(where, f"code {damaged}"))
        else:
            what = "no code" if cells.get("code") in (None, "") else "a code that cannot be used"
            self._faults.append(Fault(where, f"it has {what}: 1 to 64 letters, digits, '.', '-' or '_'"))
        name = self._text(where, cells.get("name", ""), "the name")
        scheme = self._text(where, cells.get("scheme") or self._scheme, "the scheme", longest=32)
        parent = self._parent(where, cells.get("parent"))
        system, polygon, raw = self._border(where, cells)
        level = self._level(where, cells.get("level"))
        valid_from_s = self._moment(where, cells.get("valid_from"), "valid_from")
        valid_to_s = self._moment(where, cells.get("valid_to"), "valid_to")
        if valid_from_s is not None and valid_to_s is not None and valid_from_s >= valid_to_s:
            self._faults.append(Fault(where, "it ends before it begins: valid_to must be after valid_from"))
        if len(self._faults) > before or code is None:
            return None
        return GridRow(where, code, scheme, name, parent, polygon, raw, system, level, valid_from_s, valid_to_s)

    def _text(self, where: str, value: Any, what: str, longest: int = 200) -> str:
        try:
            return checked_text(value, what, longest)
        except InvalidInput as error:
            self._faults.append(Fault(where, str(error)))
            return ""

    def _parent(self, where: str, value: Any) -> str | None:
        if value in (None, ""):
            return None
        damaged, code = damaged_code(value), read_code(value)
        if damaged or code is None:
            self._faults.append(Fault(where, f"its parent {damaged}" if damaged else "its parent is no grid code"))
            return None
        return code

    def _border(
        self, where: str, cells: Mapping[str, Any]
    ) -> tuple[MapSystem, dict[str, Any] | None, dict[str, Any] | None]:
        stated, named = cells.get("polygon"), cells.get("system")
        try:
            system = self._system if named in (None, "") else read_system(named)
            if stated is None:
                return system or MapSystem.WGS84, None, None
            if system is None:
                raise InvalidInput("nothing names the coordinate system of its polygon: wgs84, gcj02 or bd09")
            return (system, *read_polygon(stated, system))
        except InvalidInput as error:
            self._faults.append(Fault(where, str(error)))
            return MapSystem.WGS84, None, None

    def _level(self, where: str, value: Any) -> int | None:
        if value in (None, ""):
            return None
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,2}", text):
            self._faults.append(Fault(where, "its level must be a number, counted from 1 at the root"))
            return None
        return int(text)

    def _moment(self, where: str, value: Any, what: str) -> float | None:
        try:
            return None if value in (None, "") else read_moment(value)
        except InvalidInput as error:
            self._faults.append(Fault(where, f"{what} {error}"))
            return None


def read_code(value: Any) -> str | None:
    """A code as text. Tables often hand codes over as numbers: whole ones are taken as they read."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


def damaged_code(value: Any) -> str | None:
    """What became of a code that a spreadsheet took for a number, as a sentence; None for any other."""
    shown = None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _LONGEST_NUMBER:
        shown = number_as_shown(float(value)) if abs(value) < 1e300 else "∞"
    elif isinstance(value, str) and _AS_NUMBER.fullmatch(value):
        shown = value[:40]
    if shown is None:
        return None
    return f"{shown} was turned into a number by a spreadsheet: format the column as text and enter it anew"


def read_moment(value: Any) -> float:
    """Unix seconds of a spreadsheet's date, or of ISO 8601 text ("/" is taken for "-"). Raises InvalidInput."""
    if isinstance(value, str) and len(value) <= 40:
        text = value.strip().replace("/", "-")
        # As people type it: 2026-1-1 8:00.
        text = re.sub(r"(?<!\d)(\d)(?!\d)", r"0\1", text)
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - given its zone below
    if not isinstance(value, datetime) or not 1970 < value.year < 2286:
        raise InvalidInput("must be a day or a time, such as 2026-01-31 or 2026-01-31T08:00+08:00")
    seconds = (value if value.tzinfo else value.replace(tzinfo=NAIVE_ZONE)).astimezone(UTC).timestamp()
    if not math.isfinite(seconds):
        raise InvalidInput("must be a day or a time")
    return seconds
