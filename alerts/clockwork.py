"""Events with their clocks, and what the clocks do by themselves: the shell around ``sla`` and ``ladder``.

An event, what it does to the clocks and the timers' rows are one transaction. A timer has its effect once, over
restarts and several dispatchers: whoever fires it has locked the alert, looks again whether the alert still names it,
and commits the effect together with the mark.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from alerts import ladder, ledger, timers
from alerts.clock_policies import ClockPolicies
from alerts.database import reading, writing
from alerts.draft import Draft
from alerts.ladder import Rota
from alerts.projection import apply
from alerts.sla import with_clocks
from models import tables
from models.alert import ENDED, Alert, Event, EventType
from models.errors import RetryLater, WanggeError
from models.people import Duty, Role

Failed = Callable[[Exception], None]
"""Told why an alert's timer could not be fired. It is tried again at the next tick."""

_ASKED = (Role.OPERATOR, Role.VERIFIER, Role.SUPERVISOR)


class Duties(Protocol):
    """Who is on duty in some grids."""

    def duties(self, codes: Collection[str], now_s: float) -> Sequence[Duty]: ...


class Clockwork:
    """Appends events to the ledger with their clocks, and fires timers."""

    def __init__(self, engine: Engine, duties: Duties) -> None:
        self._engine, self._duties = engine, duties
        self.policies = ClockPolicies(engine)

    def append(self, connection: Connection, alert: Alert | None, event: Event) -> Alert:
        """As ``ledger.append``; and where a case is dispatched and nobody is there, the climb at once."""
        draft = Draft(connection)
        after = self.add(draft, alert, event)
        if event.type is EventType.DISPATCHED and after.shortfall is not None:
            climbed = ladder.nobody_there(after, self._rota(connection, after, event.at_s), event.at_s)
            if climbed is not None:
                after = self.add(draft, after, climbed)
        draft.write()
        return after

    def add(self, draft: Draft, alert: Alert | None, event: Event) -> Alert:
        """The alert after the event and what it does to the clocks; the draft is the caller's to write."""
        event = with_clocks(alert, apply(alert, event), event, self.policies.book(event.at_s))
        after = draft.add(alert, event)
        timers.keep(draft, alert, after)
        was, now = set(alert.co_assignees if alert else ()), set(after.co_assignees)
        for person_id in sorted(was - now):
            draft.unshare(after, person_id)
        for person_id in sorted(now - was):
            draft.share(after, person_id)
        return after

    def tick(self, now_s: float, failed: Failed | None = None, limit: int = 200) -> int:
        """Fires what is due; how many timers had an effect. Raises Unavailable.

        One alert that cannot be moved, through a fault of its own or of ours, does not keep the others waiting: where
        ``failed`` is given, it hears of it.
        """
        with reading(self._engine) as connection:  # the write lock is not for looking
            waiting = timers.alerts_due(connection, now_s, limit)
        effects = 0
        for alert_id in waiting:
            try:
                effects += self._fire(alert_id, now_s)
            except RetryLater:
                raise
            except (WanggeError, SQLAlchemyError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                if failed is None:
                    raise
                failed(error)
        return effects

    def _fire(self, alert_id: str, now_s: float) -> int:
        with writing(self._engine) as connection:
            alert = ledger.load(connection, alert_id, lock=True)
            if alert is None:
                return 0
            due, overtaken = timers.due(connection, alert, now_s)
            if overtaken:
                timers.mark(connection, overtaken, now_s, None)
            if not due:
                return 0
            # One at a time: what the first one does may overtake the second, which then is looked at again.
            event = ladder.fired(alert, due[0].kind, self._rota(connection, alert, now_s), now_s)
            timers.mark(connection, due[:1], now_s, event.type)
            self.append(connection, alert, replace(event, data={**event.data, "timer": due[0].version}))
            return 1

    def _rota(self, connection: Connection, alert: Alert, now_s: float) -> Rota:
        chain = tuple(code for code in reversed(alert.grid_path.split("/")) if code)
        duties = self._duties.duties(chain, now_s)
        able = ledger.workers(connection, [duty.person_id for duty in duties], alert.grid_path)
        latest = ledger.latest_of(connection, alert.fold_key)
        twin = latest.id if latest is not None and latest.id != alert.id and latest.state not in ENDED else None
        present = [duty for duty in duties if duty.person_id in able]
        return Rota(chain, present, {role: _holders(connection, role, chain) for role in _ASKED}, twin)


def _holders(connection: Connection, role: Role, chain: Sequence[str]) -> tuple[str, ...]:
    """Active people with that role in the nearest grid of the chain that has any."""
    granted, people = tables.grants.c, tables.people.c
    query = (
        select(granted.grid_code, granted.person_id)
        .join(tables.people, people.id == granted.person_id)
        .where(granted.role == role.value, granted.grid_code.in_(chain), people.active)
        .order_by(granted.person_id)
    )
    found = [(row.grid_code, row.person_id) for row in connection.execute(query)]
    nearest = next((code for code in chain if any(code == grid_code for grid_code, _ in found)), None)
    return tuple(person for code, person in found if code == nearest)
