"""The night storm: a switch fails, headlights trip lines in the rain, and a square fills. What does the operator get?

``python -m bench.storm [--dark N] [--lights N] [--breaker N] [--json] [--check]``

Cameras behind one switch drop within half a minute, headlights raise intrusions all over five towns for ten minutes,
and at the height a red crowd gathers. The clock is simulated; desk, triage and SQLite are the real ones, the
dispatcher's loop and Redis are not in it. ``--breaker``: how many of a kind a town (or a switch) may have before they
fold.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, update

from alerts.cases import cases, items, members
from alerts.database import open_database, reading, upgrade, writing
from alerts.desk import Desk
from alerts.queries import Page, every
from alerts.registry import Registry
from alerts.storms import Storms
from alerts.vault import Vault
from bench.town import NOW, Leaf, furnish
from models import tables
from models.alert import Alert
from models.incident import KINDS, Incident, Phase, Severity
from models.people import Actor, Grant, Role

LEAVES = 540
"""Grids, with a camera each, in five towns."""
STORM_S, HEIGHT_S, DROP_S = 600.0, 300.0, 30.0
MOST_ITEMS = 12
RED_WITHIN_S = 5.0
"""Issue 3, "The night storm"."""
TOWN_LEVEL = 2
"""Of this city's tree: city, town, village, grid."""
OPERATOR = Actor("op", "Bench", (Grant(Role.OPERATOR, "c", "/c/"),))


def storm(leaves: Sequence[Leaf], dark: int, lights: int) -> list[Incident]:
    """All that is reported, in order: ``dark`` cameras, ``lights`` intrusions, one red crowd."""
    chance = random.Random(1)
    lit = range(dark, len(leaves))
    told = [(chance.uniform(0, DROP_S), number, "camera_offline") for number in range(dark)]
    told += [(STORM_S * number / lights, chance.choice(lit), "intrusion") for number in range(lights)]
    told.append((HEIGHT_S, lit[0], "crowding"))
    return [
        _incident(seq, leaves, *what, zone=None if what[2] == "camera_offline" else f"z{seq}")
        for seq, what in enumerate(sorted(told), 1)
    ]


def _incident(seq: int, leaves: Sequence[Leaf], at_s: float, camera: int, kind: str, zone: str | None) -> Incident:
    return Incident(
        source="bench:storm",
        seq=seq,
        kind=kind,
        phase=Phase.ONSET,
        camera_id=f"cam{camera}",
        zone_id=zone,
        severity=Severity.RED if kind == "crowding" else KINDS[kind].severity,
        confidence=0.7,
        place=leaves[camera].place(),
        accuracy_m=4.0,
        onset_s=NOW + at_s,
        at_s=NOW + at_s,
        measure={},
        reason="a made scene",
    )


def weather(engine: Engine, desk: Desk, told: Sequence[Incident]) -> Iterator[tuple[str, float]]:
    """Reports what comes in one second at once. Yields, each time that something red came, what kind heads the
    operator's list then, and the wall-clock seconds from the report until that was read."""
    for second, group in groupby(told, lambda incident: int(incident.at_s - NOW)):
        batch = list(group)
        began = time.perf_counter()
        desk.report_batch(batch, NOW + second + 1)
        if any(incident.severity is Severity.RED for incident in batch):
            (first,) = items(engine, OPERATOR, limit=1).items
            yield first.alert.kind, time.perf_counter() - began


def measure(dark: int, lights: int, storms: Storms) -> dict[str, Any]:
    """What the operator got, and whether all is there."""
    with tempfile.TemporaryDirectory(prefix="wangge-storm-") as folder:
        engine = open_database(f"sqlite:///{folder}/ledger.db")
        try:
            upgrade(engine)
            behind = [f"cam{number}" for number in range(dark)]
            with writing(engine) as connection:
                leaves = furnish(connection, LEAVES, LEAVES, 10)
                switched = update(tables.cameras).where(tables.cameras.c.id.in_(behind))
                connection.execute(switched.values(upstream="switch 3"))
            desk = Desk(engine, Registry(engine, Vault(Path(folder) / "key")), claim_lease_s=120, storms=storms)
            told = storm(leaves, dark, lights)
            ((head, red_s),) = weather(engine, desk, told)
            return {**_counted(engine, len(told)), "head_when_red_came": head, "red_first_s": round(red_s, 3)}
        finally:
            engine.dispose()


def _counted(engine: Engine, told: int) -> dict[str, Any]:
    found = list(every(lambda after: items(engine, OPERATOR, limit=500, after=after)))
    grouped = [case.id for case in every(lambda after: cases(engine, OPERATOR, limit=500, after=after))]
    inside = 0
    for case_id in grouped:
        inside += len(list(every(partial(_members, engine, case_id))))
    with reading(engine) as connection:
        raised = select(func.count()).where(tables.incidents.c.disposition == "raise")
        in_ledger = connection.execute(raised).scalar_one()
    single = sum(item.case is None for item in found)
    return {
        "told": told,
        "raised": in_ledger,
        "items": len(found),
        "waiting_in_items": sum(item.waiting for item in found),
        "single": single,
        "in_cases": inside,
        "cases": [f"{item.waiting} {item.case.kind}: {item.case.reason}" for item in found if item.case],
    }


def _members(engine: Engine, case_id: str, after: str | None) -> Page[Alert]:
    return members(engine, OPERATOR, case_id, limit=500, after=after)


def missed(report: dict[str, Any]) -> list[str]:
    """What was promised and is not so."""
    told = report["told"]
    lost = [name for name in ("raised", "waiting_in_items") if report[name] != told]
    return [
        *(f"{name}: {report[name]} of {told}" for name in lost),
        *([f"{report['items']} items, promised {MOST_ITEMS}"] if report["items"] > MOST_ITEMS else []),
        *([] if report["single"] + report["in_cases"] == told else ["cases and single alerts are not all there is"]),
        *([] if report["head_when_red_came"] == "crowding" else ["red does not stand first"]),
        *([f"red first after {report['red_first_s']} s"] if report["red_first_s"] > RED_WITHIN_S else []),
    ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--dark", type=int, default=125)
    parser.add_argument("--lights", type=int, default=300)
    parser.add_argument("--breaker", type=int, default=None, help="alerts that stay single; default: the product's")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 where what was promised is not so")
    asked = parser.parse_args(arguments)
    storms = Storms(town_level=TOWN_LEVEL)
    if asked.breaker is not None:
        storms = Storms(limit=asked.breaker, upstream_limit=asked.breaker, town_level=TOWN_LEVEL)
    report = measure(asked.dark, asked.lights, storms)
    faults = missed(report)
    if asked.json:
        print(json.dumps({**report, "missed": faults}, ensure_ascii=False))
    else:
        for name, value in report.items():
            print(f"{name:<20} {value}")
        print(*faults, sep="\n")
    return 1 if asked.check and faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
