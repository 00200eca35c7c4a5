"""Reports over HTTP to a real API process: what stands before and after the ledger is in these figures."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from alerts.database import open_database, upgrade, writing
from alerts.intake_sources import IntakeSources, NewSource, SourceKind
from bench.loss_town import free_port
from bench.town import Leaf, furnish
from models.incident import Phase
from models.people import SYSTEM
from models.settings import read_settings
from ops.product import to_environ

CLIENTS = 4
UP_WITHIN_S = 60.0


def measure(url: str, folder: Path, grids: int, phases: Sequence[Phase], reports: int, batch: int) -> dict[str, float]:
    """Reports a second, one by one and in batches, each client waiting for its answer before it sends the next."""
    engine = open_database(url)
    try:
        upgrade(engine)
        with writing(engine) as connection:
            leaves = furnish(connection, grids, grids)
        source = NewSource("a bench", SourceKind.OTHER, "c", ("dumping",), rate_per_s=10_000.0)
        tokens = [IntakeSources(engine, time.time).add(SYSTEM, source).token for _ in range(2 * CLIENTS)]
    finally:
        engine.dispose()
    (folder / "data").mkdir()
    rates = {}
    with _api(url, folder) as api:
        for name, size, senders in (("http, single", 1, tokens[:CLIENTS]), ("http, batched", batch, tokens[CLIENTS:])):
            each = max(1, (reports if size > 1 else reports // 10) // CLIENTS // len(phases)) * len(phases)
            bodies = [_bodies(leaves, phases, each, size, number) for number in range(CLIENTS)]
            began_s = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(_send, [api] * CLIENTS, senders, bodies))
            rates[name] = CLIENTS * each / (time.perf_counter() - began_s)
    return rates


def _bodies(leaves: list[Leaf], phases: Sequence[Phase], reports: int, size: int, client: int) -> list[bytes]:
    """What one client sends: what goes on has a key, by which its reports fold."""
    events: list[dict[str, Any]] = []
    for number in range(reports):
        scene, step = divmod(number, len(phases))
        place = leaves[(scene * CLIENTS + client) % len(leaves)].place()
        said = {"kind": "dumping", "key": f"s{scene}", "phase": phases[step].value, "text": "两袋建筑垃圾"}
        feature = {"type": "Feature", "geometry": place.geojson(), "properties": said}
        about = {"specversion": "1.0", "type": "wangge.report", "id": f"{size}-{client}-{number}"}
        events.append({**about, "data": feature})
    parts = [events[first : first + size] for first in range(0, reports, size)]
    return [json.dumps(part if size > 1 else part[0]).encode() for part in parts]


def _send(api: str, token: str, bodies: list[bytes]) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=api, headers=headers, timeout=30, trust_env=False) as client:
        for body in bodies:
            answer = client.post("/v1/intake", content=body)
            told = answer.json().get("results", [{"status": answer.status_code}]) if answer.is_success else []
            assert told, f"{answer.status_code}: {answer.text[:300]}"
            assert {each["status"] for each in told} == {201}, answer.text[:300]


@contextmanager
def _api(url: str, folder: Path) -> Iterator[str]:
    port = free_port()
    asked = {"WANGGE_DATA": str(folder / "data"), "WANGGE_DATABASE_URL": url, "WANGGE_PORT": str(port)}
    settings = read_settings({**asked, "WANGGE_LOG_LEVEL": "warning"})
    root = Path(__file__).resolve().parents[1]
    with (
        (folder / "api.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "api"], cwd=root, env={**os.environ, **to_environ(settings)}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            api = f"http://127.0.0.1:{port}"
            _wait_for(api)
            yield api
        finally:
            process.terminate()


def _wait_for(api: str) -> None:
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{api}/openapi.json", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the API does not come up")
