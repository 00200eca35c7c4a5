"""The count: what was promised to sources and phones, against what the ledger holds. Receipts are compared."""

import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from alerts.audit import audit
from alerts.database import reading
from bench.loss_clients import Told
from models import tables

_SHOWN = 5


@dataclass(frozen=True)
class Promised:
    """What a spool acknowledged, as its source wrote it down: (source, seq) to receipt."""

    receipts: Mapping[tuple[str, int], str]

    @classmethod
    def read(cls, journals: Iterable[Path]) -> "Promised":
        """A last line without its end was being written when the source was killed: nobody had been told yet."""
        found = {}
        for journal in journals:
            for line in journal.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    source, seq, receipt = line.split()
                    found[source, int(seq)] = receipt
        return cls(found)


@dataclass(frozen=True)
class Held:
    """What the ledger holds: (source, seq, receipt, alert id, zone) of each incident; events by their texts."""

    incidents: Sequence[tuple[str, int, str, str | None, str]]
    notes: Counter[str]
    acknowledged: Counter[str]
    """Alert ids, once for each acknowledgement in their logs."""
    events: int
    positions: Sequence[int]
    unpublished: int
    chain: str | None
    """What is wrong with it."""


@dataclass
class Count:
    """``lost`` and ``duplicates`` name what they count, the first few; ``faults`` is everything else that is wrong."""

    incidents: int = 0
    alerts: int = 0
    commands: int = 0
    positions: int = 0
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.duplicates or self.faults)


def hold(engine: Engine, anchors: Sequence[Path]) -> Held:
    """Reads the ledger, its chain, and where that is anchored."""
    kept, events = tables.incidents.c, tables.events.c
    with reading(engine) as connection:
        incidents = [
            (row.source, row.seq, _receipt(row.body), row.alert_id, str(row.body.get("zone_id")))
            for row in connection.execute(select(kept.source, kept.seq, kept.alert_id, kept.body))
        ]
        noted = connection.execute(select(events.data).where(events.type == "noted")).scalars()
        notes = Counter(str(data.get("text")) for data in noted)
        acknowledged = Counter(
            connection.execute(select(events.alert_id).where(events.type == "acknowledged")).scalars()
        )
        total = connection.execute(select(func.count()).select_from(tables.events)).scalar_one()
        positions = list(
            connection.execute(select(tables.seals.c.position).order_by(tables.seals.c.position)).scalars()
        )
        unpublished = connection.execute(
            select(func.count()).select_from(tables.outbox).where(tables.outbox.c.published_s.is_(None))
        ).scalar_one()
    fault = audit(engine, [path for path in anchors if path.exists()], socket.gethostname()).fault
    return Held(incidents, notes, acknowledged, total, positions, unpublished, str(fault) if fault else None)


def _receipt(body: Mapping[str, Any]) -> str:
    measure = body.get("measure")
    return str(measure.get("receipt")) if isinstance(measure, Mapping) else ""


def compare(promised: Promised, made: Mapping[str, int], told: Told, held: Held, seen: Sequence[int]) -> Count:
    """``made``: how many incidents each maker's spool took, by its name; ``seen``: positions, as a reader got them."""
    count = Count(len(held.incidents), 0, len(told.done), len(held.positions))
    _incidents(count, promised, made, held)
    _commands(count, told, held)
    last = held.positions[-1] if held.positions else 0
    if list(held.positions) != list(range(1, last + 1)) or last != held.events:
        count.faults.append(f"positions are not 1 to {held.events}: {len(held.positions)} of them, the last is {last}")
    if held.unpublished:
        count.faults.append(f"{held.unpublished} events were never published")
    if held.chain:
        count.faults.append(f"the chain is broken: {held.chain}")
    times = Counter(seen)
    count.lost += [f"position {n}, by the live reader" for n in range(1, last + 1) if n not in times]
    count.duplicates += [f"position {n}, {times[n]} times to the live reader" for n in times if times[n] > 1]
    if list(seen) != sorted(seen):
        count.faults.append("the live reader got positions out of order")
    return count


def _incidents(count: Count, promised: Promised, made: Mapping[str, int], held: Held) -> None:
    ledger = {(source, seq): receipt for source, seq, receipt, _, _ in held.incidents}
    for key, receipt in promised.receipts.items():
        if ledger.get(key) != receipt:
            count.lost.append(f"incident {receipt}, acknowledged as {key[0]} {key[1]}")
    times = Counter(receipt for _, _, receipt, _, _ in held.incidents)
    known = set(promised.receipts.values())
    for name, most in made.items():  # in the spool, but its source died before it could write that down
        missing = (f"{name}-{n}" for n in range(1, most + 1) if not times[f"{name}-{n}"])
        count.lost += [f"incident {receipt}, in the spool" for receipt in missing if receipt not in known]
    count.duplicates += [f"incident {receipt}, {n} times" for receipt, n in times.items() if n > 1]
    alerts: dict[str, set[str]] = {}
    for _, _, receipt, alert_id, zone in held.incidents:
        if alert_id is None:
            count.faults.append(f"incident {receipt} is in no alert")
        else:
            alerts.setdefault(zone, set()).add(alert_id)
    count.duplicates += [f"alert of zone {zone}, {len(ids)} of them" for zone, ids in alerts.items() if len(ids) > 1]
    count.alerts = len(alerts)


def _commands(count: Count, told: Told, held: Held) -> None:
    for key, what in told.done.items():
        times = held.notes[key] if what == "note" else held.acknowledged[what]
        if times == 0:
            count.lost.append(f"command {key}, answered with 2xx")
        elif times > 1:
            count.duplicates.append(f"command {key}, {times} times in the log")
    count.faults += [f"command {key} was refused, and carried out" for key in sorted(told.refused & set(held.notes))]
    count.faults += [f"command {key} never had a clear answer" for key in sorted(told.unanswered)]


def shown(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = len(names) - _SHOWN
    return "; ".join(names[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
