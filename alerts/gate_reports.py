"""What gates reported, for the cameras that see them: read on from where it was read to, straight from the ledger.

A gate is a source of the kind "device" that is registered with a camera. Its passes are incidents like any other, so
they are there once a report was answered with 2xx, and the ledger's numbers without gaps say what is new.
"""

from collections.abc import Mapping
from functools import reduce

from sqlalchemy import Connection, Engine, select

from alerts.database import reading
from alerts.intake_sources import SourceKind
from models import tables
from models.errors import InvalidInput
from models.gate import KIND, GateLog, GateSignal, signal_of

MOST_AT_ONCE = 500
"""Reports of one gate that are read in one go, and looked back for at first."""
MOST_GATES = 2000

_SOURCES, _INCIDENTS, _CURSORS = tables.intake_sources.c, tables.incidents.c, tables.source_cursors.c


class GateReports:
    """Keeps what it has read; one thread only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read: dict[str, int] = {}
        self._logs: dict[str, GateLog] = {}

    def read(self) -> Mapping[str, GateLog]:
        """By camera. Raises Unavailable."""
        with reading(self._engine) as connection:
            gates = _gates(connection)
            for source in self._logs.keys() - gates.keys():
                del self._logs[source], self._read[source]
            cursors = _cursors(connection, list(gates))
            for source in gates:
                newest = cursors.get(source, 0)
                seen = self._read.get(source, max(0, newest - MOST_AT_ONCE))
                signals, seen = _signals(connection, source, seen) if newest > seen else ([], seen)
                self._logs[source] = self._logs.get(source, GateLog()).after(signals)
                self._read[source] = seen
        found: dict[str, list[GateLog]] = {}
        for source, camera_id in gates.items():
            found.setdefault(camera_id, []).append(self._logs[source])
        return {camera_id: reduce(GateLog.joined, logs) for camera_id, logs in found.items()}


def _gates(connection: Connection) -> dict[str, str]:
    """Their cameras, by the name that they have in the ledger."""
    query = (
        select(_SOURCES.id, _SOURCES.camera_id, _SOURCES.kinds)
        .where(_SOURCES.kind == SourceKind.DEVICE.value, _SOURCES.active, _SOURCES.camera_id.is_not(None))
        .order_by(_SOURCES.id)
        .limit(MOST_GATES)
    )
    rows = connection.execute(query)
    return {f"{SourceKind.DEVICE.value}:{row.id}": row.camera_id for row in rows if KIND in row.kinds}


def _cursors(connection: Connection, sources: list[str]) -> dict[str, int]:
    query = select(_CURSORS.source, _CURSORS.seq).where(_CURSORS.source.in_(sources))
    return {row.source: row.seq for row in connection.execute(query)}


def _signals(connection: Connection, source: str, after: int) -> tuple[list[GateSignal], int]:
    """What the gate said after its report of that number; and the number of the last one read."""
    query = (
        select(_INCIDENTS.seq, _INCIDENTS.kind, _INCIDENTS.at_s, _INCIDENTS.body)
        .where(_INCIDENTS.source == source, _INCIDENTS.seq > after)
        .order_by(_INCIDENTS.seq)
        .limit(MOST_AT_ONCE)
    )
    signals = []
    for row in connection.execute(query):
        after = row.seq
        try:
            signal = signal_of(row.body.get("measure", {}), row.at_s) if row.kind == KIND else None
        except InvalidInput:  # taken in before such reports were checked
            continue
        if signal is not None:
            signals.append(signal)
    return signals, after
