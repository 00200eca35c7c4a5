"""What is no camera's, into the same ledger: reports become incidents, and take the way of every other incident.

A report is known by (source, its own id): sent again, it changes nothing. The ledger numbers a source's incidents
without gaps, and a person's phone does not; so each new id is given the source's next number in the transaction that
takes it in, and ``intake_items`` keeps which. A source's rate is a token bucket in SQL, whose row also keeps two
requests of one source apart.

What folds: reports of a sensor or device by the key that it names, else by itself; those of people by kind and a cell
of the map, since no two phones name a place alike; those of kind "other" never.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from alerts import inquiry, ledger
from alerts.clockwork import Clockwork, Duties
from alerts.database import reading, transact
from alerts.identity import name_of_a_person, number_of_a_person
from alerts.intake_sources import AUTOMATIC, Reporter, seal_name
from alerts.lifecycle import decide
from alerts.reception import Grids, OutOfOrder, Reception
from alerts.storms import Storms
from alerts.vault import Vault
from models import tables
from models.alert import Alert, Command, CommandType, State
from models.errors import Fault, InvalidInput, RateLimited, TooLarge
from models.gate import KIND as GATE_EVENT
from models.gate import signal_of
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity, kind_of
from models.people import SYSTEM, Permission

MOST_AT_ONCE = 500
CELL_DEG = 0.0005
"""Of the map by which reports fold: some 50 m."""
LATE_S, AHEAD_S = 30 * 86_400.0, 300.0
"""A report may be so old, and a phone's clock so far ahead."""
PHONE_ACCURACY_M = 20.0

_ITEMS, _RATES = tables.intake_items, tables.intake_rates
_KNOWN = (
    select(_ITEMS.c.external_id, tables.incidents.c.alert_id, tables.incidents.c.disposition)
    .join(
        tables.incidents,
        (tables.incidents.c.source == _ITEMS.c.source) & (tables.incidents.c.seq == _ITEMS.c.seq),
    )
    .where(_ITEMS.c.source == bindparam("of_source"), _ITEMS.c.external_id.in_(bindparam("ids", expanding=True)))
)


class Places(Duties, Protocol):
    """The grid map as it is now, and who is on duty in some grids."""

    def grid_index(self, now_s: float) -> Grids: ...


@dataclass(frozen=True, kw_only=True)
class Report:
    """One thing reported. ``place`` None: where its source stands. ``at_s`` None: now. ``key``: the source's own name
    of what goes on. ``contact``: how to reach whoever reported it; sealed, and in no log."""

    external_id: str
    kind: str
    text: str | None = None
    place: GeoPoint | None = None
    accuracy_m: float = PHONE_ACCURACY_M
    severity: Severity | None = None
    phase: Phase = Phase.ONSET
    key: str | None = None
    at_s: float | None = None
    measure: dict[str, Any] | None = None
    contact: str | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Taken:
    """What became of a report. ``disposition``: as triage put it. ``faults``: why it was not taken; nothing of it is
    kept then, and it may be sent again under its id."""

    external_id: str
    alert_id: str | None
    disposition: str | None
    duplicate: bool = False
    faults: tuple[Fault, ...] = ()


class Intake:
    """``vault`` seals the reporters' contacts."""

    def __init__(self, engine: Engine, places: Places, vault: Vault, storms: Storms | None = None) -> None:
        self._engine, self._places, self._vault, self._storms = engine, places, vault, storms
        self._clockwork = Clockwork(engine, places)

    def take(self, reporter: Reporter, reports: Sequence[Report], now_s: float) -> list[Taken]:
        """All in one transaction, in order: what is taken is on disk when it returns, each refusal says why.

        Raises RateLimited, TooLarge (more at once than the source may ever send), Unavailable.
        """
        grids = self._places.grid_index(now_s)
        return transact(self._engine, lambda connection: self._take(connection, reporter, reports, grids, now_s))

    def refuse_early(self, reporter: Reporter, report: Report, now_s: float) -> None:
        """Raises for what ``take`` would refuse, before work is done for it; charges nothing."""
        with reading(self._engine) as connection:
            _left(connection, reporter, 1, now_s)
        faults = _faults(report, reporter, self._places.grid_index(now_s), now_s)
        if faults:
            raise InvalidInput(f"the report was refused: {faults[0]}", faults)

    def _take(
        self, connection: Connection, reporter: Reporter, reports: Sequence[Report], grids: Grids, now_s: float
    ) -> list[Taken]:
        charge(connection, reporter, len(reports), now_s)
        ids = {report.external_id for report in reports}
        known = {
            row.external_id: Taken(row.external_id, row.alert_id, row.disposition, duplicate=True)
            for row in connection.execute(_KNOWN, {"of_source": reporter.source, "ids": sorted(ids)})
        }
        last = ledger.cursors(connection, [reporter.source]).get(reporter.source, 0)
        told: list[Taken | None] = []
        fresh: dict[str, tuple[Report, Incident]] = {}
        for report in reports:
            if report.external_id in known or report.external_id in fresh:
                told.append(known.get(report.external_id))
            elif faults := _faults(report, reporter, grids, now_s):
                told.append(Taken(report.external_id, None, None, faults=faults))
            else:
                fresh[report.external_id] = (report, _incident(report, reporter, last + len(fresh) + 1, now_s))
                told.append(None)
        taken = self._record(connection, reporter, list(fresh.values()), grids, now_s)
        first: set[str] = set()
        return [found or _of(report.external_id, taken, first) for report, found in zip(reports, told, strict=True)]

    def _record(
        self,
        connection: Connection,
        reporter: Reporter,
        fresh: Sequence[tuple[Report, Incident]],
        grids: Grids,
        now_s: float,
    ) -> dict[str, Taken]:
        if not fresh:
            return {}
        reception = Reception(connection, self._clockwork, grids, now_s, self._storms)
        receipts = reception.take_in([incident for _, incident in fresh], {reporter.source: reporter.home})
        taken, rows = {}, []
        for (report, incident), receipt in zip(fresh, receipts, strict=True):
            if isinstance(receipt, OutOfOrder):  # not while the source's row is locked
                raise receipt
            taken[report.external_id] = Taken(report.external_id, receipt.alert_id, receipt.disposition)
            sealed = None
            if report.contact is not None:
                sealed = self._vault.seal(
                    json.dumps(report.contact).encode(), seal_name(reporter.source, report.external_id)
                )
            about = {"source": reporter.source, "external_id": report.external_id, "seq": incident.seq}
            rows.append({**about, "contact": sealed, "evaluated_s": None})
        connection.execute(insert(_ITEMS), rows)
        if reporter.kind is not None and reporter.responsible_id is not None:
            at_once = {
                taken[report.external_id].alert_id for report, _ in fresh if (reporter.kind, report.kind) in AUTOMATIC
            }
            for alert_id in sorted(at_once - {None}, key=str):
                self._dispatch(connection, str(alert_id), reporter.responsible_id, now_s)
        return taken

    def _dispatch(self, connection: Connection, alert_id: str, responsible_id: str, now_s: float) -> None:
        """A warning goes to whoever answers for the sensor, at once; again when it gets worse before they took it."""
        alert = ledger.load(connection, alert_id, lock=True)
        if alert is None or not (alert.state is State.NEW or _is_worse(connection, alert)):
            return
        if alert.state is State.NEW:
            alert = self._clockwork.append(connection, alert, decide(alert, _by_rule(CommandType.ACKNOWLEDGE), now_s))
        book, command = self._clockwork.policies.book(now_s), _by_rule(CommandType.DISPATCH, person_id=responsible_id)
        gone = None
        try:
            facts = inquiry.look_up(connection, self._places, book, alert, command, now_s, 0.0)
        except InvalidInput:
            command = _by_rule(CommandType.DISPATCH)
            facts = inquiry.look_up(connection, self._places, book, alert, command, now_s, 0.0)
            gone = "登记的责任人已不能接案 / the person registered for this source takes no cases any more"
        event = decide(alert, command, now_s, facts)
        data = {**event.data, "automatic": True}
        if gone is not None:
            data["shortfall"] = "; ".join(filter(None, (gone, data["shortfall"])))
        self._clockwork.append(connection, alert, replace(event, data=data))


def _of(external_id: str, taken: dict[str, Taken], first: set[str]) -> Taken:
    """The second of two with one id in a batch is a duplicate."""
    found = replace(taken[external_id], duplicate=external_id in first)
    first.add(external_id)
    return found


def _by_rule(kind: CommandType, **arguments: Any) -> Command:
    return Command(kind, SYSTEM, arguments)


def _is_worse(connection: Connection, alert: Alert) -> bool:
    """Whether its last event made a case worse that is offered, and that nobody is about to accept."""
    last = ledger.log(connection, alert.id, alert.version - 1)
    return alert.state is State.DISPATCHED and alert.claim is None and "severity" in last[-1].data


def charge(connection: Connection, reporter: Reporter, reports: int, now_s: float) -> None:
    """Takes the reports off what the source may send. Raises RateLimited, with when this very request would be taken;
    TooLarge, where it never would. Locks the source until the transaction ends, where the database locks rows."""
    left, known = _left(connection, reporter, reports, now_s, lock=True)
    values = {"tokens": left - reports, "at_s": now_s}
    if known:
        connection.execute(update(_RATES).where(_RATES.c.source == reporter.source).values(**values))
    else:
        connection.execute(insert(_RATES).values(source=reporter.source, **values))


def _left(
    connection: Connection, reporter: Reporter, reports: int, now_s: float, *, lock: bool = False
) -> tuple[float, bool]:
    """What the source may send at once, and whether it has a row. Raises as ``charge``."""
    most = int(min(MOST_AT_ONCE, reporter.at_once))
    if reports > most:
        raise TooLarge(f"at most {most} reports at once: send them in several requests")
    query = select(_RATES.c.tokens, _RATES.c.at_s).where(_RATES.c.source == reporter.source)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    left = reporter.at_once
    if row is not None:
        left = min(reporter.at_once, row.tokens + max(0.0, now_s - row.at_s) * reporter.rate_per_s)
    if left < reports:
        wait_s = math.ceil((reports - left) / reporter.rate_per_s)
        raise RateLimited(f"this source may send {reporter.rate_per_s:g} reports a second: wait {wait_s} s", wait_s)
    return left, row is not None


def _faults(report: Report, reporter: Reporter, grids: Grids, now_s: float) -> tuple[Fault, ...]:
    faults = []
    if report.kind not in reporter.kinds:
        faults.append(Fault("kind", f"{reporter.name} may report: {', '.join(sorted(reporter.kinds))}"))
    if report.at_s is not None and not now_s - LATE_S <= report.at_s <= now_s + AHEAD_S:
        faults.append(Fault("time", "it lies ahead, or more than 30 days back: set the device's clock"))
    words = {"key": report.key or "", **{f"measure.{name}": value for name, value in (report.measure or {}).items()}}
    named = ((where, name_of_a_person(word)) for where, word in words.items())
    faults += [Fault(where, f"it is {said}: name things otherwise") for where, said in named if said is not None]
    told = number_of_a_person(report.text or "")
    if told is not None:
        faults.append(Fault("text", f"it holds {told}: what reaches the reporter goes into reporter.contact"))
    if report.kind == GATE_EVENT:
        try:
            signal_of(report.measure or {}, now_s)
        except InvalidInput as error:
            faults.append(Fault("measure", str(error)))
    place = report.place or reporter.place
    if place is None:
        faults.append(Fault("geometry", "say where: this source has no registered place"))
    elif not _may_report(reporter, grids.locate(place, report.accuracy_m).path):
        faults.append(Fault("geometry", "that place lies outside the grids that you may report in"))
    return tuple(faults)


def _may_report(reporter: Reporter, path: str | None) -> bool:
    """``path``: of the grid that the place lies in; a registered source's own grid stands in where it lies in none."""
    if reporter.actor is not None:
        return bool(path) and reporter.actor.role_for(Permission.ALERT_REPORT, path or "") is not None
    return not path or path.startswith(reporter.home[1])


def _incident(report: Report, reporter: Reporter, seq: int, now_s: float) -> Incident:
    kind = kind_of(report.kind)
    place = report.place or reporter.place
    if place is None:
        raise InvalidInput("a report says where")
    at_s = now_s if report.at_s is None else report.at_s
    return Incident(
        source=reporter.source,
        seq=seq,
        kind=kind.code,
        phase=report.phase,
        camera_id=reporter.camera_id,
        zone_id=None,
        place_key=_place_key(report, reporter, place),
        severity=report.severity or kind.severity,
        confidence=1.0,
        place=place,
        accuracy_m=report.accuracy_m,
        onset_s=at_s,
        at_s=at_s,
        measure=report.measure or {},
        reason=f"{reporter.name}: {report.text or f'{kind.name_zh} / {kind.name_en}'}",
        evidence=report.evidence,
    )


def _place_key(report: Report, reporter: Reporter, place: GeoPoint) -> str:
    if report.key is not None:
        return f"{reporter.id}/{report.key}"
    if reporter.place is not None or reporter.camera_id is not None:
        return reporter.id
    if report.kind == "other":
        return f"{reporter.id}/={report.external_id}"
    return f"{round(place.lon_deg / CELL_DEG)}:{round(place.lat_deg / CELL_DEG)}"
