"""Reads server-sent events (WHATWG HTML, 9.2.6) as a test needs them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Heard:
    event: str
    id: str
    data: Any


@contextmanager
def stream(client: httpx.Client, read_s: float = 8.0, **how: Any) -> Iterator[Iterator[Heard]]:
    """The live events; ends when the server ends them, fails when nothing comes for ``read_s``."""
    with client.stream("GET", "/v1/events", timeout=httpx.Timeout(5, read=read_s), **how) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _heard(answer.iter_lines())


def _heard(lines: Iterator[str]) -> Iterator[Heard]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line:
            if "data" in fields:
                yield Heard(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
