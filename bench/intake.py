"""How many incidents a second the desk takes into the ledger, each on disk before it is answered.

``python -m bench.intake [--incidents N] [--batch N] [--rounds N] [--database both] [--http] [--json] [--check]``

A scene is what a camera tells of one happening: its onset (an alert is raised), three times that it goes on (merged and
counted) and that it is clear (merged, and told in the alert's log). Rounds run A B A B over the databases, so that
what else the machine does falls on both. ``--http`` posts reports of scenes like that to an API process besides.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import Engine

from alerts.database import open_database, upgrade, writing
from alerts.desk import Desk
from alerts.registry import Registry
from alerts.vault import Vault
from bench import intake_http
from bench.postgresql import postgresql_server
from bench.town import NOW, Leaf, furnish, scenes
from models.incident import Incident, Phase

GRIDS, SOURCES = 900, 4
WHOLE = (Phase.ONSET, Phase.CONTINUING, Phase.CONTINUING, Phase.CONTINUING, Phase.CLEARED)
TARGETS = {"single": 300.0, "batched": 3000.0, "http, single": 300.0, "http, batched": 3000.0}
"""Incidents a second (reliability.md, promises), asked of SQLite."""


@contextmanager
def installation(url: str, grids: int) -> Iterator[tuple[Engine, Desk, list[Leaf]]]:
    """An empty ledger of a city with two cameras in each grid, and its desk."""
    engine = open_database(url)
    try:
        upgrade(engine)
        with writing(engine) as connection:
            leaves = furnish(connection, grids, 2 * grids)
        with tempfile.TemporaryDirectory() as folder:
            yield engine, Desk(engine, Registry(engine, Vault(Path(folder) / "key")), claim_lease_s=120), leaves
    finally:
        engine.dispose()


def _mixed(leaves: list[Leaf], incidents: int, told: tuple[Phase, ...]) -> list[Incident]:
    """Scenes of several sources, interleaved as a stream brings them."""
    each = max(1, incidents // len(told) // SOURCES)
    streams = [list(scenes(f"worker:{n}", each, leaves, 2 * len(leaves), told)) for n in range(SOURCES)]
    return [incident for row in zip(*streams, strict=True) for incident in row]


def measure(url: str, grids: int, incidents: int, batch: int) -> dict[str, float]:
    """Incidents per second: raised one by one, mixed one by one, raised in batches, mixed in batches."""
    rates = {}
    cases = (("raised, single", 1, WHOLE[:1]), ("single", 1, WHOLE), ("raised, batched", batch, WHOLE[:1]))
    for name, size, told in (*cases, ("batched", batch, WHOLE)):
        with _fresh(url) as fresh, installation(fresh, grids) as (_, desk, leaves):
            coming = _mixed(leaves, incidents if size > 1 else max(SOURCES * len(told), incidents // 10), told)
            desk.report_batch([], NOW)  # what is read once, is read
            began = time.perf_counter()
            for first in range(0, len(coming), size):
                desk.report_batch(coming[first : first + size], NOW + first * 0.001)
            rates[name] = len(coming) / (time.perf_counter() - began)
    return rates


def measure_http(url: str, grids: int, incidents: int, batch: int) -> dict[str, float]:
    """Reports per second over HTTP: one by one, and in batches."""
    with _fresh(url) as fresh, tempfile.TemporaryDirectory() as folder:
        return intake_http.measure(fresh, Path(folder), grids, WHOLE, incidents, batch)


@contextmanager
def _fresh(url: str) -> Iterator[str]:
    if url.startswith("sqlite"):
        with tempfile.TemporaryDirectory(dir=url.removeprefix("sqlite:///")) as folder:
            yield f"sqlite:///{folder}/ledger.db"
        return
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
        yield url.replace("/postgres?", "/bench?")
        connection.execute("DROP DATABASE bench WITH (FORCE)")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--incidents", type=int, default=6000, help="per measurement; a tenth of it one by one")
    parser.add_argument("--grids", type=int, default=GRIDS)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where SQLite's files lie")
    parser.add_argument("--http", action="store_true", help="measure POST /v1/intake as well")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 unless SQLite reaches what is promised")
    asked = parser.parse_args(arguments)
    with ExitStack() as closing:
        urls = {"sqlite": f"sqlite:///{asked.folder}"}
        if asked.database != "sqlite":
            urls["postgresql"] = closing.enter_context(postgresql_server(durable=True))
        if asked.database == "postgresql":
            del urls["sqlite"]
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in urls}
        for _ in range(asked.rounds):
            for kind, url in urls.items():
                wanted = (url, asked.grids, asked.incidents, asked.batch)
                found[kind].append(measure(*wanted) | (measure_http(*wanted) if asked.http else {}))
    report: dict[str, Any] = {
        kind: {name: [round(each[name], 1) for each in rounds] for name in rounds[0]} for kind, rounds in found.items()
    }
    missed = [
        f"sqlite {name}: {median(report['sqlite'][name]):.0f}/s, promised {least:.0f}/s"
        for name, least in TARGETS.items()
        if name in report.get("sqlite", {}) and median(report["sqlite"][name]) < least
    ]
    if asked.json:
        print(json.dumps({"incidents_per_s": report, "missed": missed}))
    else:
        for kind, rates in report.items():
            for name, rounds in rates.items():
                print(f"{kind:<11} {name:<16} {median(rounds):8.0f} incidents/s   rounds: {rounds}")
        print(*missed, sep="\n")
    return 1 if asked.check and missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
