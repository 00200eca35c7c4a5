"""A client of our own HTTP API, as the demo's people use it: signed in, patient while a process is on its way back."""

import json
import math
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from models.errors import WanggeError

PATIENCE_S = 30.0
"""How long one request is tried again while the API does not answer: a killed process is back in a few seconds."""

Json = dict[str, Any]


class ApiRefused(WanggeError):
    """The API answered, and it was a no. ``status`` and ``problem`` are its answer (RFC 9457)."""

    code = "api_refused"

    def __init__(self, what: str, status: int, problem: Json) -> None:
        said = problem.get("detail") or problem.get("title") or "no reason given"
        super().__init__(f"{what}: {status} {problem.get('code', '')}: {said}")
        self.status, self.problem = status, problem


class TripFailed(WanggeError):
    """The case did not get to its end; the sentence says where it stopped and what was last seen."""

    code = "trip_failed"


@dataclass(frozen=True)
class StreamEvent:
    """One server-sent event: ``id`` is the sealed position to resume after."""

    id: str
    data: Json


class Client:
    """One signed-in person. Requests are sent again for ``patience_s`` while the API is away or asks to wait.

    That is safe because nothing is done twice that was asked once: a command carries an idempotency key, a photo is
    named by its hash, the rest reads.
    """

    def __init__(
        self,
        base_url: str,
        username: str,
        password: str,
        patience_s: float = PATIENCE_S,
        deadline: float = math.inf,
        ca: Path | None = None,
    ) -> None:
        """``deadline``: monotonic seconds after which nothing is sent again. ``ca``: whom its HTTPS is certified by."""
        verify = True if ca is None else ssl.create_default_context(cafile=ca)
        self._http = httpx.Client(base_url=base_url, timeout=10.0, trust_env=False, verify=verify)
        self._username, self._password = username, password
        self._patience_s, self._deadline = patience_s, deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def sign_in(self) -> None:
        """Raises ApiRefused for a wrong password, TripFailed when nobody answers."""
        body = {"username": self._username, "password": self._password}
        answer = self.send("POST", "/v1/sessions", json=body)
        self._http.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    def get(self, path: str, **parameters: str | int) -> Json:
        return dict(self.send("GET", path, params=parameters).json())

    def picture(self, path: str) -> bytes:
        return self.send("GET", path).content

    def upload(self, path: str, name: str, jpeg: bytes) -> Json:
        """A photo as evidence. The same one sent again is added once."""
        return dict(self.send("POST", path, files={"photo": (name, jpeg, "image/jpeg")}).json())

    def command(self, alert_id: str, type_: str, arguments: Callable[[Json], Json]) -> Json:
        """Looks at the alert, then commands it. Looks again when it moved on between the two (409 stale version).

        ``arguments`` are made from the alert as it was seen. Returns the alert as it is after.
        """
        path = f"/v1/alerts/{alert_id}"
        while True:
            seen = self.get(path)["properties"]
            body = {"type": type_, "expected_version": seen["version"], "arguments": arguments(seen)}
            key = secrets.token_urlsafe(18)
            try:
                answer = self.send("POST", f"{path}/commands", json=body, headers={"Idempotency-Key": key})
            except ApiRefused as refused:
                if refused.problem.get("code") == "stale_version":
                    continue
                raise
            return dict(answer.json())

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One request, patiently. Raises ApiRefused (4xx, 5xx other than 503), TripFailed when patience ends."""
        started = time.monotonic()
        until = min(started + self._patience_s, self._deadline)
        while True:
            try:
                answer = self._http.request(method, path, **how)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if answer.status_code not in (429, 503):
                    return _good(f"{method} {path}", answer)
                why = f"{answer.status_code} {_problem(answer).get('detail', '')}"
            if time.monotonic() > until:
                raise TripFailed(f"{method} {path} had no answer for {time.monotonic() - started:.0f} s: {why}")
            time.sleep(0.3)

    @contextmanager
    def events(self, after: str, read_timeout_s: float) -> Iterator[Iterator[StreamEvent]]:
        """The live stream from after that position. Ends, or raises httpx.TransportError, when the API goes away."""
        headers = {"Last-Event-ID": after} if after else {}
        timeout = httpx.Timeout(10.0, read=read_timeout_s)
        with self._http.stream("GET", "/v1/events", headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200:
                answer.read()
                _good("GET /v1/events", answer)
            yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[StreamEvent]:
    """Server-sent events (WHATWG HTML 9.2.6), comments left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield StreamEvent(fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value


def _good(what: str, answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise ApiRefused(what, answer.status_code, _problem(answer))


def _problem(answer: httpx.Response) -> Json:
    try:
        problem: Mapping[str, Any] = answer.json()
    except ValueError:
        return {}
    return dict(problem) if isinstance(problem, dict) else {}
