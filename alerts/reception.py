"""Incidents into the ledger, many in one transaction: what they need is read at once, each is decided by pure
functions, and what came of it is written at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection

from alerts import ledger, silences
from alerts.clockwork import Clockwork
from alerts.draft import Draft
from alerts.grouping import Grouping
from alerts.ledger import IncidentRow
from alerts.projection import detected, sighted
from alerts.silences import Silence
from alerts.storms import Storms
from alerts.triage import Action, Disposition, triage, unfit, worth_telling
from models import crash
from models.alert import Alert
from models.errors import Conflict, InvalidInput
from models.geo import GeoPoint
from models.incident import Incident, Phase
from models.ulid import new_ulid

_SOURCE = re.compile(r"[A-Za-z0-9_:.\-]{1,64}")


class Location(Protocol):
    """Where a place lies: the containing leaf grid (None outside all), its path, and all that come into question."""

    @property
    def code(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def candidates(self) -> tuple[str, ...]: ...


class Grids(Protocol):
    def locate(self, point: GeoPoint, accuracy_m: float) -> Location: ...


@dataclass(frozen=True)
class Receipt:
    """What became of an incident. ``duplicate``: the ledger had it already, and nothing changed."""

    disposition: str
    reason: str
    alert_id: str | None
    duplicate: bool


@dataclass(frozen=True)
class _Where:
    """Grid (code, path), all that come into question, and what there is to say of it."""

    grid: tuple[str, str]
    candidates: tuple[str, ...]
    said: str = ""


class OutOfOrder(Conflict):
    """An incident came before one that its source numbered lower: drop it, the spool sends both again."""

    code = "out_of_order"

    def __init__(self, source: str, seq: int, cursor: int) -> None:
        super().__init__(f"incident {seq} of {source} came, the ledger has those up to {cursor}")
        self.source, self.seq, self.cursor = source, seq, cursor


class Reception:
    """One transaction's incidents. Locks, where the database locks rows: their sources, and their open alerts."""

    def __init__(
        self, connection: Connection, clockwork: Clockwork, grids: Grids, now_s: float, storms: Storms | None = None
    ) -> None:
        self._connection, self._clockwork, self._grids, self._now_s = connection, clockwork, grids, now_s
        self._draft = Draft(connection)
        self._grouping = Grouping(connection, self._draft, clockwork, storms or Storms(), now_s)
        self._silences: tuple[Silence, ...] = ()
        self._held: list[tuple[Silence, Incident]] = []
        self._over: set[str] = set()
        self._known: dict[str, int] = {}
        self._cursors: dict[str, int] = {}
        self._homes: dict[str, tuple[str, str]] = {}
        self._reporters: Mapping[str, tuple[str, str]] = {}
        self._open: dict[str, Alert] = {}
        self._taken: dict[tuple[str, int], Receipt] = {}

    def take_in(
        self, incidents: Sequence[Incident], reporters: Mapping[str, tuple[str, str]] | None = None
    ) -> list[Receipt | OutOfOrder]:
        """``reporters``: grid (code, path) of the sources whose incidents no camera sees.

        Raises InvalidInput (a source's name that none can have), and what ``Draft.write`` raises.
        """
        self._reporters = reporters or {}
        faults = [unfit(incident) for incident in incidents]
        fit = [incident for incident, fault in zip(incidents, faults, strict=True) if fault is None]
        self._read_cursors({incident.source for incident in incidents})
        self._homes = ledger.camera_grids(self._connection, {i.camera_id for i in fit if i.camera_id})
        self._open = ledger.open_alerts(self._connection, {incident.fold_key for incident in fit})
        self._silences = silences.in_force(self._connection, self._now_s)
        told = [self._take(incident, fault) for incident, fault in zip(incidents, faults, strict=True)]
        self._write()
        crash.point("before-ledger-commit")
        return told

    def wake(self, incidents: Sequence[Incident]) -> int:
        """Raises what silences that are over held back, unless another one holds it, or it has an alert; how many."""
        self._homes = ledger.camera_grids(self._connection, {i.camera_id for i in incidents if i.camera_id})
        self._open = ledger.open_alerts(self._connection, {incident.fold_key for incident in incidents})
        self._silences = silences.in_force(self._connection, self._now_s)
        raised = []
        for incident in incidents:
            self._over.add(incident.fold_key)
            home = self._home(incident)
            if home is None or incident.fold_key in self._open:
                continue
            where = self._where(incident, home)
            if silence := self._holding(incident, where):
                self._held.append((silence, incident))
                continue
            alert_id = self._raise(incident, where, " (the silence is over, and it goes on / 静默已结束，情况仍在持续)")
            raised.append((incident, alert_id))
        self._write()
        for incident, alert_id in raised:
            silences.raised_late(self._connection, incident, alert_id)
        return len(raised)

    def _write(self) -> None:
        self._draft.write()
        self._grouping.write()
        silences.forget(self._connection, self._over)
        silences.hold(self._connection, self._held)

    def reject(self, row: IncidentRow, reason: str) -> Receipt | OutOfOrder:
        """Records what can never be processed, so that its source may go on. Raises as ``take_in``."""
        self._read_cursors({row.source})
        known = self._had(row.source, row.seq)
        if known is not None:
            return known
        receipt = self._record(row, Disposition(Action.REJECT, reason), None)
        self._draft.write()
        return receipt

    def _read_cursors(self, sources: set[str]) -> None:
        if not all(_SOURCE.fullmatch(source) for source in sources):
            raise InvalidInput("a source's name is 1 to 64 letters, digits, and _ : . -")
        self._known = ledger.cursors(self._connection, sources)
        self._cursors = dict(self._known)

    def _had(self, source: str, seq: int) -> Receipt | OutOfOrder | None:
        """None for the very incident that the source's cursor waits for."""
        done = self._cursors.get(source, 0)
        if seq > done + 1:
            return OutOfOrder(source, seq, done)
        if seq == done + 1:
            return None
        taken = self._taken.get((source, seq))
        if taken is not None:
            return Receipt(taken.disposition, taken.reason, taken.alert_id, duplicate=True)
        kept = ledger.recorded(self._connection, source, seq) or ("", "long ago", None)
        return Receipt(*kept, duplicate=True)

    def _take(self, incident: Incident, fault: str | None) -> Receipt | OutOfOrder:
        known = self._had(incident.source, incident.seq)
        if known is not None:
            return known
        home = None if fault else self._home(incident)
        if home is None:
            disposition = Disposition(Action.REJECT, fault or f"no camera {incident.camera_id} is registered")
            return self._record(IncidentRow.of(incident, fault), disposition, None)
        latest = self._latest(incident)
        disposition = triage(incident, latest, self._now_s)
        alert_id = None
        if disposition.action is not Action.MERGE:
            self._over.add(incident.fold_key)
        if disposition.action is Action.RAISE:
            where = self._where(incident, home)
            if silence := self._holding(incident, where):
                disposition = Disposition(Action.SUPPRESS, silence.said)
                self._held.append((silence, incident))
            else:
                alert_id = self._raise(incident, where)
        elif disposition.action is Action.MERGE and latest is not None:
            alert_id = latest.id
            if worth_telling(latest, incident):
                self._tell(latest, incident)
        return self._record(IncidentRow.of(incident, fault), disposition, alert_id)

    def _home(self, incident: Incident) -> tuple[str, str] | None:
        """Code and path of the grid of whoever saw it; None for a camera or source that is not registered."""
        if incident.camera_id is None:
            return self._reporters.get(incident.source)
        return self._homes.get(incident.camera_id)

    def _latest(self, incident: Incident) -> Alert | None:
        """The open alert of the incident's fold key; else, where triage asks for it, the newest that has ended."""
        latest = self._open.get(incident.fold_key)
        if latest is None and incident.phase is Phase.CONTINUING:
            return ledger.latest_of(self._connection, incident.fold_key)
        return latest

    def _where(self, incident: Incident, home: tuple[str, str]) -> _Where:
        """The grid of the incident's place; where that lies in none, the home of whoever saw it, and says so."""
        location = self._grids.locate(incident.place, incident.accuracy_m)
        if location.code is not None and location.path is not None:
            return _Where((location.code, location.path), location.candidates or (location.code,))
        said = f"; the place lies in no grid / 该位置不在任何网格内: {home[0]} is that of whoever saw it"
        return _Where(home, location.candidates or (home[0],), said)

    def _holding(self, incident: Incident, where: _Where) -> Silence | None:
        return next((each for each in self._silences if each.matches(incident, where.grid[1])), None)

    def _raise(self, incident: Incident, where: _Where, remark: str = "") -> str:
        """A new alert; its id."""
        alert_id, reason = new_ulid(self._now_s), f"{incident.reason}{where.said}{remark}"
        membership = self._grouping.take(alert_id, incident, where.grid[1])
        for other in membership.changed:
            if other.fold_key in self._open:
                self._open[other.fold_key] = other
        event = detected(alert_id, incident, where.grid, where.candidates, reason, self._now_s)
        event = replace(event, data={**event.data, **membership.data})
        self._open[incident.fold_key] = self._clockwork.add(self._draft, None, event)
        return alert_id

    def _tell(self, alert: Alert, incident: Incident) -> None:
        total = ledger.folded(self._connection, alert.id) + self._draft.folded(alert.id) + 1
        event = sighted(alert, incident, total, self._now_s)
        self._open[incident.fold_key] = self._clockwork.add(self._draft, alert, event)

    def _record(self, row: IncidentRow, disposition: Disposition, alert_id: str | None) -> Receipt:
        about = {"disposition": disposition.action.value, "disposition_reason": disposition.reason}
        self._draft.keep({**vars(row), **about, "alert_id": alert_id, "received_s": self._now_s})
        self._draft.move_cursor(row.source, row.seq, known=row.source in self._known)
        self._cursors[row.source] = row.seq
        receipt = Receipt(disposition.action.value, disposition.reason, alert_id, duplicate=False)
        self._taken[row.source, row.seq] = receipt
        return receipt
