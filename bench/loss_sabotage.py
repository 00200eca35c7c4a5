"""Two faults that the proof must find: a commit that is not on disk, and a cursor that runs ahead of the ledger."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from alerts import ledger
from alerts.database import writing
from alerts.desk import Desk
from alerts.reception import OutOfOrder, Receipt, Reception
from models import crash, tables
from models.incident import Incident


def no_fsync() -> None:
    """Every database that this process opens commits without waiting for the disk."""

    class Hasty(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous=FULL", "synchronous=OFF"), *arguments)

    honest = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return honest(*arguments, **options, factory=Hasty)

    sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]


def ack_before_commit() -> None:
    """Sources' cursors are committed before the incidents that they confirm: a kill in between loses those."""
    report_batch, had = Desk.report_batch, Reception._had
    confirmed: set[tuple[str, int]] = set()

    def hasty(self: Desk, incidents: Sequence[Incident], now_s: float) -> list[Receipt | OutOfOrder]:
        with writing(self._engine) as connection:
            confirmed.update(_confirm(connection, incidents))
        crash.point("before-ledger-commit")
        try:
            return report_batch(self, incidents, now_s)
        finally:
            confirmed.clear()

    def pretending(self: Reception, source: str, seq: int) -> Receipt | OutOfOrder | None:
        return None if (source, seq) in confirmed else had(self, source, seq)

    Desk.report_batch = hasty  # type: ignore[method-assign]
    Reception._had = pretending  # type: ignore[method-assign]


def _confirm(connection: Connection, incidents: Sequence[Incident]) -> set[tuple[str, int]]:
    """Moves the cursors as far as the batch goes on from them; those incidents that they pass."""
    passed: set[tuple[str, int]] = set()
    known = ledger.cursors(connection, {incident.source for incident in incidents})
    moved = dict(known)
    for incident in incidents:
        if incident.seq == moved.get(incident.source, 0) + 1:
            moved[incident.source] = incident.seq
            passed.add((incident.source, incident.seq))
    cursors = tables.source_cursors
    for source, seq in moved.items():
        if source in known:
            connection.execute(cursors.update().where(cursors.c.source == source).values(seq=seq))
        else:
            connection.execute(cursors.insert().values(source=source, seq=seq))
    return passed


SABOTAGES: Mapping[str, Callable[[], None]] = {"no-fsync": no_fsync, "ack-before-commit": ack_before_commit}
