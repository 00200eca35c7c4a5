"""Lists of alerts, by keyset: all in sight, newest first; and the queue of a grid, most urgent first."""

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from alerts.ledger import grid_path
from alerts.policy import NO_SUCH_THING, check
from alerts.projection import alert_from_json
from alerts.queries import Page, checked_limit, in_sight, in_subtrees
from models import tables
from models.alert import Alert, State
from models.errors import InvalidInput, NotFound
from models.incident import Severity
from models.people import Actor, Permission

QUEUED = (State.DISPATCHED, State.ACCEPTED, State.ON_SCENE, State.RETURNED, State.REOPENED)
"""States of the cases that stand in a grid's queue: someone there, or an operator for them, has yet to act."""

_ALERTS = tables.alerts.c


def newest(
    connection: Connection,
    actor: Actor,
    *,
    states: Collection[State] | None,
    kinds: Collection[str] | None,
    severity: Severity | None,
    grid_code: str | None,
    limit: int,
    after: str | None,
) -> Page[Alert]:
    """Raises InvalidInput (limit, after), NotFound (a grid out of sight)."""
    wanted: list[ColumnElement[bool]] = [in_sight(_ALERTS.grid_path, actor, Permission.ALERT_READ)]
    if states is not None:
        wanted.append(_ALERTS.state.in_([state.value for state in states]))
    if kinds is not None:
        wanted.append(_ALERTS.kind.in_(list(kinds)))
    if severity is not None:
        wanted.append(_ALERTS.severity == int(severity))
    if grid_code is not None:
        wanted.append(in_subtrees(_ALERTS.grid_path, [_path_in_sight(connection, grid_code, actor)]))
    if after is not None:
        created_s, last_id = _read_key(after, 1)
        wanted.append(or_(_ALERTS.created_s < created_s, and_(_ALERTS.created_s == created_s, _ALERTS.id < last_id)))
    query = select(_ALERTS.body).where(*wanted).order_by(_ALERTS.created_s.desc(), _ALERTS.id.desc())
    return _page(connection, query, limit, lambda alert: f"{alert.created_s!r}~{alert.id}")


def queue(
    connection: Connection, grid_code: str, actor: Actor, now_s: float, *, limit: int, after: str | None
) -> Page[Alert]:
    """The subtree's queued cases: severity first, then the oldest. A claim that has run out is shown as none.

    Raises as ``newest`` does.
    """
    path = _path_in_sight(connection, grid_code, actor)
    wanted: list[ColumnElement[bool]] = [
        in_subtrees(_ALERTS.grid_path, [path]),
        _ALERTS.state.in_([state.value for state in QUEUED]),
    ]
    if after is not None:
        severity, created_s, last_id = _read_key(after, 2)
        older = or_(_ALERTS.created_s > created_s, and_(_ALERTS.created_s == created_s, _ALERTS.id > last_id))
        wanted.append(or_(_ALERTS.severity > severity, and_(_ALERTS.severity == severity, older)))
    query = select(_ALERTS.body).where(*wanted).order_by(_ALERTS.severity, _ALERTS.created_s, _ALERTS.id)
    page = _page(connection, query, limit, lambda alert: f"{int(alert.severity)}~{alert.created_s!r}~{alert.id}")
    return Page(tuple(_as_of(alert, now_s) for alert in page.items), page.next)


def _as_of(alert: Alert, now_s: float) -> Alert:
    return replace(alert, claim=None) if alert.claim and alert.claim.until_s <= now_s else alert


def _page(connection: Connection, query: Select[Any], limit: int, key: Callable[[Alert], str]) -> Page[Alert]:
    bodies = connection.execute(query.limit(checked_limit(limit) + 1)).scalars().all()
    items = tuple(alert_from_json(body) for body in bodies[:limit])
    return Page(items, key(items[-1]) if len(bodies) > limit else None)


def _path_in_sight(connection: Connection, grid_code: str, actor: Actor) -> str:
    path = grid_path(connection, grid_code)
    if path is None:
        raise NotFound(NO_SUCH_THING)
    check(actor, Permission.ALERT_READ, path, Permission.ALERT_READ)
    return path


def _read_key(after: str, numbers: int) -> list[Any]:
    """``numbers`` numbers and the last row's id, from what a page named as its ``next``."""
    parts = after.split("~") if len(after) <= 100 else []
    if len(parts) == numbers + 1 and parts[-1].isascii() and parts[-1].isalnum():
        try:
            values = [float(part) for part in parts[:-1]]
        except ValueError:
            values = [math.nan]
        if all(map(math.isfinite, values)):
            return [*values, parts[-1]]
    raise InvalidInput("after must be what a page gave as next, unchanged")
