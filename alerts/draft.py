"""What a transaction is about to write to the ledger, gathered, so that each table is written at once.

Statements are made once, as constants: to build one anew for each row costs more than to run it. No decision is made
here, and nothing is read.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update

from alerts.projection import alert_to_json, apply
from alerts.triage import urgent_s
from models import tables
from models.alert import ENDED, IN_HAND, Alert, Event
from models.errors import StaleVersion

_ALERTS, _TIMERS, _SHARED, _CURSORS = tables.alerts, tables.timers, tables.co_assignees, tables.source_cursors

_INSERTED = (tables.timers, tables.co_assignees, tables.evidence, tables.incidents, tables.source_cursors)
_INSERT = {table: insert(table) for table in (_ALERTS, tables.outbox, *_INSERTED)}
_LOG = insert(tables.events).returning(tables.events.c.seq, sort_by_parameter_order=True)
_CHANGE = update(_ALERTS).where(_ALERTS.c.id == bindparam("of_id"), _ALERTS.c.version == bindparam("of_version"))
_END_TIMER = update(_TIMERS).where(
    _TIMERS.c.alert_id == bindparam("of_alert"),
    _TIMERS.c.kind == bindparam("of_kind"),
    _TIMERS.c.due_s == bindparam("of_due_s"),
    _TIMERS.c.fired_s.is_(None),
)
_UNSHARE = _SHARED.delete().where(
    _SHARED.c.alert_id == bindparam("of_alert"), _SHARED.c.person_id == bindparam("of_person")
)
_MOVE_CURSOR = update(_CURSORS).where(_CURSORS.c.source == bindparam("of_source"))


class Draft:
    """Events of alerts with all that moves together with them. Nothing is written before ``write``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._latest: dict[str, Alert] = {}
        self._found_at: dict[str, int] = {}
        self._events: list[dict[str, Any]] = []
        self._rows: defaultdict[Table, list[dict[str, Any]]] = defaultdict(list)
        self._ended_timers: list[dict[str, Any]] = []
        self._unshared: list[dict[str, Any]] = []
        self._cursors: dict[str, int] = {}
        self._folded: Counter[str] = Counter()

    def add(self, alert: Alert | None, event: Event) -> Alert:
        """The alert after the event. ``alert`` is as it was found in the database, or as an earlier ``add`` made it."""
        after = apply(alert, event)
        if alert is not None:
            self._found_at.setdefault(alert.id, alert.version)
        else:
            self._found_at[after.id] = 0
        self._latest[after.id] = after
        self._events.append({**vars(event), "type": event.type.value, "data": dict(event.data)})
        for item in after.evidence[len(alert.evidence) if alert else 0 :]:
            about = {"alert_id": after.id, "added_by": event.actor_id, "added_s": event.at_s}
            self._rows[tables.evidence].append({**vars(item), **about})
        return after

    def latest(self, alert_id: str) -> Alert | None:
        """The alert as it will be written; None if no event of it waits here."""
        return self._latest.get(alert_id)

    def set_timer(self, alert: Alert, kind: str, due_s: float) -> None:
        about = {"alert_id": alert.id, "version": alert.version, "kind": kind, "due_s": due_s}
        self._rows[_TIMERS].append({**about, "fired_s": None})

    def end_timer(self, alert: Alert, kind: str, due_s: float) -> None:
        """A timer that the alert no longer names."""
        for row in self._rows[_TIMERS]:
            if (row["alert_id"], row["kind"], row["due_s"], row["fired_s"]) == (alert.id, kind, due_s, None):
                row["fired_s"] = alert.changed_s
                return
        about = {"of_alert": alert.id, "of_kind": kind, "of_due_s": due_s}
        self._ended_timers.append({**about, "fired_s": alert.changed_s})

    def share(self, alert: Alert, person_id: str) -> None:
        """A new co-assignee."""
        self._rows[_SHARED].append({"alert_id": alert.id, "person_id": person_id})

    def unshare(self, alert: Alert, person_id: str) -> None:
        """No longer a co-assignee."""
        row = {"alert_id": alert.id, "person_id": person_id}
        if row in self._rows[_SHARED]:
            self._rows[_SHARED].remove(row)
        else:
            self._unshared.append({"of_alert": alert.id, "of_person": person_id})

    def keep(self, incident: Mapping[str, Any]) -> None:
        """A row of ``incidents``."""
        self._rows[tables.incidents].append(dict(incident))
        self._folded[incident["alert_id"]] += 1

    def folded(self, alert_id: str) -> int:
        """How many incidents of that alert wait here."""
        return self._folded[alert_id]

    def move_cursor(self, source: str, seq: int, *, known: bool) -> None:
        """``known``: the database has a cursor of that source."""
        if known:
            self._cursors[source] = seq
        else:
            self._rows[_CURSORS] = [row for row in self._rows[_CURSORS] if row["source"] != source]
            self._rows[_CURSORS].append({"source": source, "seq": seq})

    def write(self) -> None:
        """Once, at the end. Raises StaleVersion if another transaction changed an alert first; IntegrityError if a
        second alert opens at one fold key, or another transaction was first to write one of these rows."""
        write = self._connection.execute
        self._write_alerts()
        if self._events:
            seqs = write(_LOG, self._events).scalars().all()
            write(_INSERT[tables.outbox], [{"event_seq": seq, "published_s": None} for seq in seqs])
        if self._ended_timers:
            write(_END_TIMER, self._ended_timers)
        if self._unshared:
            write(_UNSHARE, self._unshared)
        for table in _INSERTED:
            if self._rows[table]:
                write(_INSERT[table], self._rows[table])
        if self._cursors:
            write(_MOVE_CURSOR, [{"of_source": source, "seq": seq} for source, seq in sorted(self._cursors.items())])

    def _write_alerts(self) -> None:
        new = [
            {"id": alert_id, **_values(alert)}
            for alert_id, alert in self._latest.items()
            if not self._found_at[alert_id]
        ]
        if new:
            self._connection.execute(_INSERT[_ALERTS], new)
        changed = [alert for alert_id, alert in self._latest.items() if self._found_at[alert_id]]
        if changed:
            rows = [{**_values(a), "of_id": a.id, "of_version": self._found_at[a.id]} for a in changed]
            if self._connection.execute(_CHANGE, rows).rowcount != len(rows):
                raise StaleVersion(self._found_at[changed[0].id], changed[0].version)


def _values(alert: Alert) -> dict[str, Any]:
    """All but the id: where an update names it, SQLite looks through every table that refers to it."""
    return {
        "version": alert.version,
        "state": alert.state.value,
        "kind": alert.kind,
        "severity": int(alert.severity),
        "fold_key": alert.fold_key,
        "open_fold_key": None if alert.state in ENDED else alert.fold_key,
        "camera_id": alert.camera_id,
        "grid_code": alert.grid_code,
        "grid_path": alert.grid_path,
        "lon_deg": alert.place.lon_deg,
        "lat_deg": alert.place.lat_deg,
        "created_s": alert.created_s,
        "changed_s": alert.changed_s,
        "claim_until_s": alert.claim.until_s if alert.claim else None,
        "unit": alert.unit,
        "practice": alert.practice,
        "case_id": alert.case_id,
        "held_by": alert.assignee if alert.state in IN_HAND else None,
        "urgent_s": urgent_s(alert.severity, alert.created_s),
        "body": alert_to_json(alert),
    }
