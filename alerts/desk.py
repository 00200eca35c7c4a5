"""The desk: the one door to alerts. Incidents come in, commands are given, cases are looked at.

Every change is one transaction {incident, alert, event, outbox, cursor}; what it decides is decided by pure functions.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine

from alerts import erasure, idempotency, inquiry, late, ledger, listing, silences
from alerts.clockwork import Clockwork, Failed
from alerts.database import reading, transact, writing
from alerts.ledger import IncidentRow
from alerts.lifecycle import decide
from alerts.policy import NO_SUCH_THING, check_on
from alerts.practice import exercise
from alerts.projection import apply, claim_expired, evidence_added, outdates
from alerts.queries import Page
from alerts.reception import Grids, OutOfOrder, Receipt, Reception
from alerts.storms import Storms
from alerts.transitions import TRANSITIONS
from models import crash
from models.alert import ENDED, Alert, Command, Event, State
from models.errors import Conflict, Forbidden, NotFound, StaleVersion
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Severity
from models.people import Actor, Duty, Permission

MOST_EVIDENCE = 100
"""Pictures that one alert may hold."""
MOST_EXPIRED = 500


class Places(Protocol):
    """What the desk needs of the registry: the grid map as it is now, and who is on duty in some grids."""

    def grid_index(self, now_s: float) -> Grids: ...
    def duties(self, codes: Collection[str], now_s: float) -> Sequence[Duty]: ...


class Desk:
    """``claim_lease_s``: how long a claim holds an offer, seconds."""

    def __init__(self, engine: Engine, places: Places, *, claim_lease_s: float, storms: Storms | None = None) -> None:
        self._engine, self._places, self._claim_lease_s = engine, places, claim_lease_s
        self._storms = storms or Storms()
        self._clockwork = Clockwork(engine, places)
        self.policies = self._clockwork.policies

    def report(self, incident: Incident, now_s: float) -> Receipt:
        """Raises OutOfOrder, InvalidInput (a source's name that none can have), Unavailable."""
        (result,) = self.report_batch([incident], now_s)
        if isinstance(result, OutOfOrder):
            raise result
        return result

    def report_batch(self, incidents: Sequence[Incident], now_s: float) -> list[Receipt | OutOfOrder]:
        """As ``report``, for all in one transaction: all are on disk when it returns, or none is."""
        grids = self._places.grid_index(now_s)
        return transact(
            self._engine,
            lambda connection: Reception(connection, self._clockwork, grids, now_s, self._storms).take_in(incidents),
        )

    def reject(self, row: IncidentRow, reason: str, now_s: float) -> Receipt:
        """Records what can never be processed, so that its source may go on. Raises OutOfOrder, Unavailable."""
        grids = self._places.grid_index(now_s)
        receipt = transact(
            self._engine,
            lambda connection: Reception(connection, self._clockwork, grids, now_s).reject(row, reason),
        )
        if isinstance(receipt, OutOfOrder):
            raise receipt
        return receipt

    def execute(
        self,
        alert_id: str,
        command: Command,
        expected_version: int,
        now_s: float,
        remember: idempotency.Remember | None = None,
    ) -> Alert:
        """The alert after the command.

        Raises NotFound (no such alert in the actor's sight), Forbidden, StaleVersion, Conflict, InvalidInput,
        RetryLater (the same request is answered already), Unavailable.
        """
        try:
            return transact(
                self._engine,
                lambda connection: self._execute(connection, alert_id, command, expected_version, now_s, remember),
            )
        except (Conflict, Forbidden, NotFound):
            self._keep_late(alert_id, command, expected_version, now_s)
            raise

    def _execute(
        self,
        connection: Connection,
        alert_id: str,
        command: Command,
        expected_version: int,
        now_s: float,
        remember: idempotency.Remember | None,
    ) -> Alert:
        alert = _found(ledger.load(connection, alert_id, lock=True))
        check_on(alert, command.actor, TRANSITIONS[command.type].permission)
        if remember:
            idempotency.refuse_second(connection, remember)
        _refuse_stale(connection, alert, expected_version)
        book = self.policies.book(now_s)
        facts = inquiry.look_up(connection, self._places, book, alert, command, now_s, self._claim_lease_s)
        event = decide(alert, command, now_s, facts)
        if alert.state in ENDED and apply(alert, event).state not in ENDED:
            _refuse_twin(connection, alert)
        after = self._clockwork.append(connection, alert, event)
        if remember:
            idempotency.remember(connection, remember, after, now_s)
        crash.point("before-command-commit")
        return after

    def _keep_late(self, alert_id: str, command: Command, expected_version: int, now_s: float) -> None:
        """A submission of someone whose claim was lost is kept as a note, whatever they are answered."""
        if command.type not in late.KEPT:
            return
        with writing(self._engine, beside=True) as connection:
            alert = ledger.load(connection, alert_id, lock=True)
            if alert is None:
                return
            event = late.note(alert, ledger.log(connection, alert_id), command, expected_version, now_s)
            if event is not None:
                self._clockwork.append(connection, alert, event)

    def add_evidence(self, alert_id: str, actor: Actor, evidence: Evidence, now_s: float) -> Alert:
        """The alert with the picture; unchanged if it has it already. Raises NotFound, Forbidden, Conflict (full)."""
        with writing(self._engine, beside=True) as connection:
            alert = _found(ledger.load(connection, alert_id, lock=True))
            role = check_on(alert, actor, Permission.ALERT_NOTE)
            if evidence.sha256 in {item.sha256 for item in alert.evidence}:
                return alert
            if len(alert.evidence) >= MOST_EVIDENCE:
                raise Conflict(f"an alert holds at most {MOST_EVIDENCE} pictures")
            return self._clockwork.append(connection, alert, evidence_added(alert, actor, role, evidence, now_s))

    def erase_picture(self, alert_id: str, actor: Actor, sha256: str, reason: str, now_s: float) -> Alert:
        """Nobody is shown the picture any more; ``erasure.sweep`` then removes its bytes.

        Raises NotFound, Forbidden, InvalidInput (the reason).
        """
        with writing(self._engine) as connection:
            alert = _found(ledger.load(connection, alert_id, lock=True))
            role = check_on(alert, actor, Permission.EVIDENCE_ERASE)
            event = erasure.picture_erased(alert, actor, role, sha256, reason, now_s)
            if event is None:
                return alert
            erasure.mark_erased(connection, alert_id, sha256, now_s)
            return self._clockwork.append(connection, alert, event)

    def expire_claims(self, now_s: float) -> int:
        """Re-offers cases whose claim has run out, MOST_EXPIRED at a time; how many."""
        with reading(self._engine) as connection:  # the write lock is not for looking
            if not ledger.claims_over(connection, now_s):
                return 0
        with writing(self._engine, beside=True) as connection:
            over = ledger.with_claims_over(connection, now_s, MOST_EXPIRED)
            for alert in over:
                self._clockwork.append(connection, alert, claim_expired(alert, now_s))
        return len(over)

    def wake(self, now_s: float) -> int:
        """Raises what silences held back that are over by now, some at a time; how many alerts."""
        with reading(self._engine) as connection:  # the write lock is not for looking
            if not silences.ended(connection, now_s):
                return 0
        grids = self._places.grid_index(now_s)
        return transact(
            self._engine,
            lambda connection: Reception(connection, self._clockwork, grids, now_s, self._storms).wake(
                silences.ended(connection, now_s)
            ),
        )

    def tick(self, now_s: float, failed: Failed | None = None, limit: int = 200) -> int:
        """Fires the timers that are due; how many had an effect. ``failed`` hears of alerts that could not be moved."""
        return self._clockwork.tick(now_s, failed, limit)

    def alert(self, alert_id: str, actor: Actor) -> Alert:
        """Raises NotFound for what is not in the actor's sight."""
        with reading(self._engine) as connection:
            return _seen(connection, alert_id, actor)

    def log(self, alert_id: str, actor: Actor) -> tuple[Event, ...]:
        """The alert's whole log, in order. Raises NotFound for what is not in the actor's sight."""
        with reading(self._engine) as connection:
            return tuple(ledger.log(connection, _seen(connection, alert_id, actor).id))

    def alerts(
        self,
        actor: Actor,
        *,
        states: Collection[State] | None = None,
        kinds: Collection[str] | None = None,
        severity: Severity | None = None,
        grid_code: str | None = None,
        practice: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Alert]:
        """Those in the actor's sight, newest first; exercises alone where ``practice``, else none of them.

        Raises InvalidInput (limit, after), NotFound (the grid).
        """
        with reading(self._engine) as connection:
            return listing.newest(
                connection,
                actor,
                states=states,
                kinds=kinds,
                severity=severity,
                grid_code=grid_code,
                practice=practice,
                limit=limit,
                after=after,
            )

    def queue(
        self,
        grid_code: str,
        actor: Actor,
        now_s: float,
        *,
        practice: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Alert]:
        """The grid dispatch queue of that subtree, most urgent first; ``practice`` as in ``alerts``.

        Raises InvalidInput, NotFound.
        """
        with reading(self._engine) as connection:
            return listing.queue(connection, grid_code, actor, now_s, practice=practice, limit=limit, after=after)

    def practise(
        self, actor: Actor, grid_code: str, kind: str, text: str, place: GeoPoint | None, now_s: float
    ) -> Alert:
        """A new exercise. Raises as ``practice.exercise`` does, and Unavailable."""
        with writing(self._engine, beside=True) as connection:
            event = exercise(connection, actor, grid_code, kind, text, place, now_s)
            return self._clockwork.append(connection, None, event)


def _found(alert: Alert | None) -> Alert:
    if alert is None:
        raise NotFound(NO_SUCH_THING)
    return alert


def _seen(connection: Connection, alert_id: str, actor: Actor) -> Alert:
    alert = _found(ledger.load(connection, alert_id))
    check_on(alert, actor, Permission.ALERT_READ)
    return alert


def _refuse_stale(connection: Connection, alert: Alert, expected_version: int) -> None:
    if expected_version == alert.version:
        return
    since = ledger.log(connection, alert.id, expected_version) if 1 <= expected_version < alert.version else []
    if not since or any(outdates(event) for event in since):
        raise StaleVersion(expected_version, alert.version)


def _refuse_twin(connection: Connection, alert: Alert) -> None:
    latest = ledger.latest_of(connection, alert.fold_key)
    if latest is not None and latest.id != alert.id and latest.state not in ENDED:
        raise Conflict(f"a newer alert of this place is open: {latest.id}")
