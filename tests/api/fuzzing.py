"""Requests made from the API's own OpenAPI document, by schemathesis and by hand, against a world of their own.

By hand, longer: ``PYTHONPATH=.:tests:tests/api python tests/api/fuzzing.py --examples 50``.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from world import NORTH, World, running_world

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
LEFT_OUT = {("GET", "/v1/events"), ("DELETE", "/v1/sessions/current"), ("POST", "/v1/me/password")}
"""What does not end, and what would sign the fuzzing person out."""
HOSTILE: tuple[Any, ...] = (
    10**400,
    -(2**63) - 1,
    float("nan"),
    float("inf"),
    1e308,
    "\0",
    "\ud800",
    "x" * 100_000,
    "../../etc/passwd",
    "' OR 1=1 --",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    None,
    [],
    {},
    {"\ud800": "\0"},
    [[[[[[[[[[]]]]]]]]]],
    True,
)
HOSTILE_TEXTS = ("\0", "9" * 400, "-1", "NaN", "1e999", "\ufffe", "%", "' OR 1=1 --", "../..", "x" * 4000, "", "~")


@dataclass
class Found:
    """What a run saw: statuses counted, and each fault as one line."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    tried: int = 0
    unchecked: set[str] = field(default_factory=set)

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if (method.upper(), path) not in LEFT_OUT:
                yield method.upper(), path, operation


def things_of(world: World) -> dict[str, Any]:
    """What there is, by the names of path parameters: else nearly every request ends at 404."""
    return {
        "code": NORTH,
        "alert_id": world.raise_alert(),
        "camera_id": world.cameras[NORTH],
        "person_id": world.people["grid_worker"],
        "kind": "crowding",
    }


def by_schema(world: World, who: str | None, examples: int, seed: int = 1) -> Found:
    """So many good and so many bad requests for every operation, as schemathesis makes them; answers are checked."""
    found = Found()
    with world.client(who) as client:
        document = client.get("/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        things = things_of(world)
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            if (operation.method.upper(), operation.path) in LEFT_OUT:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _try_all(client, world, operation, mode, things, examples, seed, found)
    return found


def _try_all(
    client: httpx.Client,
    world: World,
    operation: Any,
    mode: GenerationMode,
    things: dict[str, Any],
    examples: int,
    seed: int,
    found: Found,
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(mode))
    def attempt(case: Any) -> None:
        parameters = dict(case.path_parameters or {})
        if found.tried % 3:
            parameters |= {name: value for name, value in things.items() if name in parameters}
        case.path_parameters = parameters
        found.tried += 1
        asked = case.as_transport_kwargs(base_url=world.base_url)
        headers = {name: str(value) for name, value in (asked.get("headers") or {}).items()}
        if "Idempotency-Key" in headers and mode is GenerationMode.POSITIVE:
            headers |= world.new_key()
        try:
            request = client.build_request(
                asked["method"],
                asked["url"],
                params=asked.get("params"),
                json=asked.get("json"),
                content=asked.get("data") if isinstance(asked.get("data"), str | bytes) else None,
                files=asked.get("files"),
                headers=_sendable(headers) | dict(client.headers),
            )
            request.read()
        except (ValueError, TypeError, AttributeError, httpx.InvalidURL):
            return  # what no client can put on a wire, such as a number as a file, reaches no server
        answer = client.send(request)
        found.statuses[answer.status_code] += 1
        try:
            # 502 and 503 are answers too: a camera, or a part of the product, that is away.
            checks = CHECKS[1:] if answer.status_code in (502, 503) else CHECKS
            case.validate_response(answer, checks=checks)
        except InvalidSchema:
            found.unchecked.add(operation.path)  # schemathesis 4 turns 3.1's prefixItems into what no draft knows
        except (Failure, FailureGroup) as fault:
            faults = fault.exceptions if isinstance(fault, FailureGroup) else [fault]
            for each in faults:
                name = f"{operation.method.upper()} {operation.path}: {type(each).__name__}"
                found.faults.setdefault(name, f"{answer.status_code} {each} {answer.text[:300]}")

    with suppress(hypothesis.errors.Unsatisfiable):  # an operation without parameters has no bad request
        attempt()


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if value.isascii() and value.isprintable() and name.lower() not in ("authorization", "content-length", "host")
    }


def by_hand(world: World, who: str | None, every: int = 1) -> Found:
    """Each value of each example body, and each parameter, replaced by each hostile one; of these, one in ``every``."""
    found = Found()
    things = things_of(world)
    number = 0
    with world.client(who) as client:
        document = client.get("/openapi.json").json()
        for method, path, operation in operations(document):
            for target, content, media in _hostile(document, path, operation, things):
                number += 1
                if number % every:
                    continue
                headers = world.new_key() | ({"Content-Type": media} if media else {})
                answer = client.request(method, target, content=content, headers=headers)
                found.statuses[answer.status_code] += 1
                typed = answer.headers.get("content-type", "")
                problem = answer.status_code < 400 or typed == "application/problem+json"
                if answer.status_code in (500, 501) or not problem:
                    sent = (content or b"")[:200]
                    found.faults.setdefault(f"{method} {path}: {answer.status_code}", f"{target[:200]} {sent!r}")
    return found


def _hostile(
    document: dict[str, Any], path: str, operation: dict[str, Any], things: dict[str, Any]
) -> Iterator[tuple[str, bytes | None, str | None]]:
    parameters = operation.get("parameters", [])
    filled = path
    for name, value in things.items():
        filled = filled.replace("{" + name + "}", str(value))
    plain = "".join("x" if part.startswith("{") else part for part in _split(filled))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    example = _example(document, body["schema"]) if body else None
    good = json.dumps(example).encode() if body else None
    media = "application/json" if body else None
    for parameter in parameters:
        for text in HOSTILE_TEXTS:
            if parameter["in"] == "query":
                yield f"{plain}?{parameter['name']}={quote(text, safe='')}", good, media
            elif parameter["in"] == "path" and text not in ("", "../.."):
                put = path.replace("{" + parameter["name"] + "}", quote(text, safe=""))
                yield "".join("x" if part.startswith("{") else part for part in _split(put)), good, media
    if body:
        for changed in _changed(example):
            yield plain, json.dumps(changed).encode(), media


def _split(path: str) -> list[str]:
    parts, rest = [], path
    while "{" in rest:
        before, _, after = rest.partition("{")
        name, _, rest = after.partition("}")
        parts += [before, "{" + name + "}"]
    return [*parts, rest]


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("examples"):
        return schema["examples"][0]
    return {}


def _changed(value: Any) -> Iterator[Any]:
    """The value with each part of it replaced by each hostile one."""
    yield from HOSTILE
    if isinstance(value, dict):
        for name in value:
            for changed in _changed(value[name]):
                yield value | {name: changed}
        yield value | {"\ud800": 1}
    elif isinstance(value, list):
        for index in range(min(len(value), 1)):
            for changed in _changed(value[index]):
                yield [changed, *value[1:]]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--who", default="admin,operator,")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    faults: dict[str, str] = {}
    for who in [name or None for name in asked.who.split(",")]:
        with tempfile.TemporaryDirectory() as folder, running_world(Path(folder) / "data") as world:
            for name, found in (
                ("schema", by_schema(world, who, asked.examples, asked.seed)),
                ("hand", by_hand(world, who, asked.every)),
            ):
                print(who, name, found.cases, "cases", dict(sorted(found.statuses.items())), found.unchecked)  # noqa: T201
                faults |= found.faults
    for name, said in faults.items():
        print("FAULT", name, " ".join(said.split()))  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
