"""Timers at rest: rows that are set and dropped in the transaction of the event that sets or overtakes them.

What an alert's timers are is a function of the alert (``sla.timers``); the rows only make it findable. So a row that an
alert no longer names has lost its meaning, whatever its time.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from alerts.draft import Draft
from alerts.sla import timers as timers_of
from models.alert import Alert, EventType
from models.tables import timers


@dataclass(frozen=True)
class Timer:
    """``version`` is the alert's after the event that set it; ``due_s`` Unix seconds."""

    id: int
    version: int
    kind: str
    due_s: float


def keep(draft: Draft, before: Alert | None, after: Alert) -> None:
    """The rows after an event of an alert."""
    was, now = timers_of(before), timers_of(after)
    for kind, due_s in was - now:
        draft.end_timer(after, kind, due_s)
    for kind, due_s in sorted(now - was):
        draft.set_timer(after, kind, due_s)


def alerts_due(connection: Connection, now_s: float, limit: int) -> list[str]:
    """Alerts that have a timer due, the longest overdue first."""
    rows = timers.c
    query = select(rows.alert_id).where(rows.fired_s.is_(None), rows.due_s <= now_s).order_by(rows.due_s).limit(limit)
    return list(dict.fromkeys(connection.execute(query).scalars()))


def due(connection: Connection, alert: Alert, now_s: float) -> tuple[list[Timer], list[Timer]]:
    """The alert's timers that are due: those that it still names, and those that were overtaken.

    The caller has locked the alert, so that no other process sees the same ones.
    """
    rows = timers.c
    query = (
        select(rows.id, rows.version, rows.kind, rows.due_s)
        .where(rows.alert_id == alert.id, rows.fired_s.is_(None), rows.due_s <= now_s)
        .order_by(rows.due_s, rows.id)
    )
    named = timers_of(alert)
    found = [Timer(*row) for row in connection.execute(query)]
    return [t for t in found if (t.kind, t.due_s) in named], [t for t in found if (t.kind, t.due_s) not in named]


def mark(connection: Connection, done: Collection[Timer], now_s: float, effect: EventType | None) -> None:
    """Those timers had that effect; none where they were overtaken."""
    values = {"fired_s": now_s, "effect": effect.value if effect else None}
    connection.execute(update(timers).where(timers.c.id.in_([timer.id for timer in done])).values(values))
