"""Places of an answer in the map system that its reader's map takes: ``?coordinates=gcj02`` or ``bd09``.

Within and at rest all is WGS-84. One layer around all routes turns the places of an answer, so that no route can forget
to: geometries of GeoJSON, pairs of ``lon`` and ``lat``, and ``place`` as [longitude, latitude].
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import of_core
from models.errors import InvalidInput
from models.map_systems import MapSystem, from_wgs84

PARAMETER, HEADER, MEMBER = "coordinates", b"wangge-coordinates", "map_system"
STREAMS = frozenset({"/v1/events"})
"""Answers that never end: in WGS-84 alone."""
DIGITS = 7
"""Of a degree: a centimetre."""
_GEOMETRIES = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"})
_Set = Callable[[list[float]], None]


class Coordinates:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(PARAMETER)
        if scope["type"] != "http" or not asked:
            await self._app(scope, receive, send)
            return
        try:
            system = _system(asked[-1], scope["path"])
        except InvalidInput as error:
            await of_core(Request(scope), error)(scope, receive, send)
            return
        if system is MapSystem.WGS84:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Turned(system, send).hear)


class _Turned:
    """One answer: kept until it is whole if it is JSON, passed on as it comes if not."""

    def __init__(self, system: MapSystem, send: Send) -> None:
        self._system, self._send = system, send
        self._start: Message | None = None
        self._body = bytearray()

    async def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message["headers"]):
            self._start = message
            return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = turned(bytes(self._body), self._system)
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        headers += [(b"content-length", str(len(body)).encode()), (HEADER, self._system.value.encode())]
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def turned(body: bytes, system: MapSystem) -> bytes:
    """A JSON document with all its places in ``system``, which it names if it is an object."""
    document = json.loads(body)
    found = list(places(document))
    if found:
        pairs = from_wgs84(np.array([pair for pair, _ in found], np.float64), system).round(DIGITS)
        for (_, put), pair in zip(found, pairs.tolist(), strict=True):
            put(pair)
    if isinstance(document, dict):
        document[MEMBER] = system.value
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def places(value: Any) -> Iterator[tuple[list[float], _Set]]:
    """Each longitude and latitude in a document, and what puts another pair there."""
    if isinstance(value, list):
        for each in value:
            yield from places(each)
    if not isinstance(value, dict):
        return
    if _is_pair([value.get("lon"), value.get("lat")]):
        yield [value["lon"], value["lat"]], lambda pair: value.update(lon=pair[0], lat=pair[1])
    for name, inner in value.items():
        if name == "place" and _is_pair(inner):
            yield inner, _into(inner)
        elif name == "coordinates" and value.get("type") in _GEOMETRIES:
            yield from _positions(inner)
        else:
            yield from places(inner)


def places_in_schema(schema: Mapping[str, Any], known: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> bool:
    """Whether answers of that OpenAPI schema may hold places. ``known``: the document's schemas by name."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return name not in seen and places_in_schema(known[name], known, seen | {name})
    properties = schema.get("properties", {})
    if {"lon", "lat"} <= properties.keys() or properties.keys() & {"coordinates", "place", "geometry"}:
        return True
    inner = [*properties.values(), schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    inner += [*schema.get("oneOf", ()), *schema.get("allOf", ()), *schema.get("prefixItems", ())]
    return any(isinstance(each, dict) and places_in_schema(each, known, seen) for each in inner)


def declare(document: dict[str, Any]) -> None:
    """The parameter, in the OpenAPI document, of each operation whose answer may hold places."""
    known = document["components"]["schemas"]
    parameter = {
        "name": PARAMETER,
        "in": "query",
        "required": False,
        "description": "what the places of the answer are stated in; it names it as `map_system`",
        "schema": {"type": "string", "enum": [system.value for system in MapSystem], "default": MapSystem.WGS84.value},
    }
    for path, item in document["paths"].items():
        for operation in item.values() if path not in STREAMS else ():
            answers = [answer for code, answer in operation["responses"].items() if code.startswith("2")]
            schemas = [each.get("schema", {}) for answer in answers for each in answer.get("content", {}).values()]
            if any(places_in_schema(schema, known) for schema in schemas):
                operation.setdefault("parameters", []).append(parameter)


def _system(asked: str, path: str) -> MapSystem:
    if asked not in {system.value for system in MapSystem}:
        raise InvalidInput(f"{PARAMETER} is one of {', '.join(MapSystem)}, not {asked[:20]!r}")
    if path in STREAMS and asked != MapSystem.WGS84:
        raise InvalidInput(f"the stream is in {MapSystem.WGS84} alone: turn its places yourself, or ask for the alert")
    return MapSystem(asked)


def _is_json(headers: list[tuple[bytes, bytes]]) -> bool:
    given = next((value for name, value in headers if name.lower() == b"content-type"), b"").partition(b";")[0]
    return given == b"application/json" or given == b"application/geo+json"


def _positions(value: Any) -> Iterator[tuple[list[float], _Set]]:
    if _is_pair(value[:2] if isinstance(value, list) else value):
        yield value[:2], _into(value)
    elif isinstance(value, list):
        for each in value:
            yield from _positions(each)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(each) in (int, float) for each in value)


def _into(pair: list[float]) -> _Set:
    def put(other: list[float]) -> None:
        pair[:2] = other

    return put
