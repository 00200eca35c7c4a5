"""Who uses the API while it is killed: phones that give commands and write each answer down, a reader of the stream."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from models.errors import Unavailable

PAUSE_S = 0.02
TRY_AGAIN_S = 0.1
CLEAR_WITHIN_S = 120.0
"""A command that has no clear answer after this long is counted as unanswered, which the check does not forgive."""


def sign_in(url: str, username: str, password: str, within_s: float) -> str:
    """A session's token, as soon as the API answers. Raises Unavailable."""
    until = time.monotonic() + within_s
    body = {"username": username, "password": password}
    while time.monotonic() < until:
        try:
            answer = httpx.post(f"{url}/v1/sessions", json=body, timeout=10, trust_env=False)
            return str(answer.json()["token"])
        except (httpx.TransportError, KeyError, ValueError):
            time.sleep(0.05)
    raise Unavailable("the API does not come up; --keep FOLDER leaves its log")


@dataclass
class Told:
    """What the phones remember: keys answered with 2xx, refused ones, those never clearly answered; tries, in all."""

    done: dict[str, str] = field(default_factory=dict)
    """Key to ``note`` or the id of the alert that was acknowledged."""
    refused: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    tries: int = 0


class Phone:
    """Acknowledges new alerts and writes notes on them; one of ``phones``, and ``number`` says which alerts are its."""

    def __init__(self, url: str, token: str, number: int, phones: int, journal: Path, name: str = "") -> None:
        self._url, self._token, self._number, self._phones, self._journal = url, token, number, phones, journal
        self._stop = threading.Event()
        self._name, self._keys = name or f"phone-{number}", 0
        self.told = Told()
        self.thread = threading.Thread(target=self._run, name=f"phone-{number}")

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with (
            httpx.Client(base_url=self._url, headers=headers, timeout=20, trust_env=False) as client,
            self._journal.open("a") as journal,
        ):
            while not self._stop.wait(PAUSE_S):
                for alert in self._mine(client):
                    if self._stop.is_set():
                        return
                    self._handle(client, journal.fileno(), alert)

    def _mine(self, client: httpx.Client) -> list[dict[str, Any]]:
        try:
            answer = client.get("/v1/alerts", params={"state": "new", "limit": 20})
        except httpx.TransportError:
            self._stop.wait(TRY_AGAIN_S)
            return []
        if answer.status_code != 200:
            self._stop.wait(TRY_AGAIN_S)
            return []
        found = answer.json()["features"]
        return [alert for alert in found if sum(alert["id"].encode()) % self._phones == self._number]

    def _handle(self, client: httpx.Client, journal: int, alert: dict[str, Any]) -> None:
        version = alert["properties"]["version"]
        for kind in ("acknowledge", "note"):
            self._keys += 1
            key = f"{self._name}-{self._keys}"
            body: dict[str, Any] = {"type": kind, "expected_version": version}
            if kind == "note":
                body["arguments"] = {"text": key}
            answer = self._until_clear(client, alert["id"], key, body)
            if answer is None:
                self.told.unanswered.add(key)
                return
            if not answer.is_success:
                self.told.refused.add(key)
                return
            version = answer.json()["properties"]["version"]
            what = "note" if kind == "note" else str(alert["id"])
            os.write(journal, (json.dumps([key, what, version]) + "\n").encode())
            os.fsync(journal)
            self.told.done[key] = what
            self._stop.wait(PAUSE_S)

    def _until_clear(
        self, client: httpx.Client, alert_id: str, key: str, body: dict[str, Any]
    ) -> httpx.Response | None:
        """The first clear answer to that key: 2xx, or a refusal. What was not clear is asked again, by the same key."""
        until = time.monotonic() + CLEAR_WITHIN_S
        while time.monotonic() < until:
            self.told.tries += 1
            try:
                answer = client.post(f"/v1/alerts/{alert_id}/commands", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                time.sleep(TRY_AGAIN_S)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            time.sleep(TRY_AGAIN_S)
        return None


class Reader:
    """Follows the live stream from its beginning, over every death of the API; ``positions`` as they came."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._stop = threading.Event()
        self.positions: list[int] = []
        self.connections = 0
        self.thread = threading.Thread(target=self._run, name="reader")

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        last = "0"
        while not self._stop.is_set():
            headers = {"Authorization": f"Bearer {self._token}", "Last-Event-ID": last}
            try:
                # The stream says something every 10 s: a silence twice as long is a lost connection.
                with httpx.stream(
                    "GET", f"{self._url}/v1/events", headers=headers, timeout=20, trust_env=False
                ) as answer:
                    if answer.status_code == 200:
                        self.connections += 1
                        for event_id, name in _events(answer.iter_lines()):
                            last = event_id or last
                            if name == "alert":
                                self.positions.append(int(event_id))
                            if self._stop.is_set():
                                return
            except httpx.TransportError:
                pass
            self._stop.wait(TRY_AGAIN_S)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Id and name of each event of a stream; a block without data has the name of a comment, ''."""
    event_id = name = ""
    for line in lines:
        if not line:
            yield event_id, name
            event_id = name = ""
        elif line.startswith("id:"):
            event_id = line[3:].strip()
        elif line.startswith("event:"):
            name = line[6:].strip()
