"""Lists of alerts, by keyset: all in sight, newest first; and the queue of a grid, most urgent first."""

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, Text, bindparam, func, select, tuple_

from alerts.ledger import grid_path
from alerts.policy import NO_SUCH_THING, check
from alerts.projection import alert_from_json
from alerts.queries import Page, checked_limit, in_subtrees
from alerts.triage import urgent_s
from models import tables
from models.alert import Alert, State
from models.errors import InvalidInput, NotFound
from models.incident import Severity
from models.people import Actor, Permission

QUEUED = (State.DISPATCHED, State.ACCEPTED, State.ON_SCENE, State.RETURNED, State.REOPENED)
"""States of the cases that stand in a grid's queue: someone there, or an operator for them, has yet to act."""

_ALERTS = tables.alerts.c

FEW = 5000
"""Up to this many alerts are sorted for a page. Where more fit each filter, a walk over all of them, newest first,
fills the page soon: of a million, it passes some 10,000 index entries for 50 that one in 200 is like."""

_Filter = Callable[[Callable[[ColumnElement[Any]], ColumnElement[Any]]], ColumnElement[bool]]
"""A condition on columns that are each shown as the function says."""

_BODIES = select(_ALERTS.id, _ALERTS.body).where(_ALERTS.id.in_(bindparam("ids", expanding=True)))


def newest(
    connection: Connection,
    actor: Actor,
    *,
    states: Collection[State] | None,
    kinds: Collection[str] | None,
    severity: Severity | None,
    grid_code: str | None,
    practice: bool,
    limit: int,
    after: str | None,
) -> Page[Alert]:
    """Raises InvalidInput (limit, after), NotFound (a grid out of sight)."""
    subtrees = None if actor.is_system else actor.paths_for(Permission.ALERT_READ)
    if grid_code is not None:  # in sight as a whole
        subtrees = (_path_in_sight(connection, grid_code, actor),)
    filters: list[_Filter] = []
    if subtrees is not None:
        filters.append(lambda shown: in_subtrees(shown(_ALERTS.grid_path), subtrees))
    if states is not None:
        filters.append(lambda shown: shown(_ALERTS.state).in_([state.value for state in states]))
    if kinds is not None or severity is not None:
        filters.append(lambda shown: _of_sort(shown, kinds, severity))
    # The one index to go by is chosen here, and the others are hidden: a planner that takes the wrong one reads all.
    sought = next((each for each in filters if _few(connection, each(_sorted))), None)
    created_s = _ALERTS.created_s if sought is None else _unsorted(_ALERTS.created_s)
    query = select(_ALERTS.id).where(_ALERTS.practice == practice).order_by(created_s.desc(), _ALERTS.id.desc())
    for each in filters:
        query = query.where(each(_sorted if each is sought else _unsorted))
    if after is not None:
        query = query.where(tuple_(created_s, _ALERTS.id) < tuple_(*read_key(after, 1)))
    return _page(connection, query, limit, lambda alert: f"{alert.created_s!r}~{alert.id}")


def queue(
    connection: Connection, grid_code: str, actor: Actor, now_s: float, *, practice: bool, limit: int, after: str | None
) -> Page[Alert]:
    """The subtree's queued cases by ``triage.urgent_s``: red first, then by deadline. A claim that has run out is none.

    Raises as ``newest`` does.
    """
    path = _path_in_sight(connection, grid_code, actor)
    order = (_ALERTS.urgent_s, _ALERTS.id)
    # Along the index of what is queued, which is short: the subtree is looked at, not sought.
    wanted = (tables.QUEUED, _ALERTS.practice == practice, in_subtrees(_unsorted(_ALERTS.grid_path), [path]))
    query = select(_ALERTS.id).where(*wanted).order_by(*order)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*read_key(after, 1)))
    page = _page(connection, query, limit, lambda alert: f"{urgent_s(alert.severity, alert.created_s)!r}~{alert.id}")
    return Page(tuple(_as_of(alert, now_s) for alert in page.items), page.next)


def _of_sort(
    shown: Callable[[ColumnElement[Any]], ColumnElement[Any]], kinds: Collection[str] | None, severity: Severity | None
) -> ColumnElement[bool]:
    """Of those kinds and that severity. Their one index begins with the severity: for any, each is named."""
    of_severity = shown(_ALERTS.severity).in_([int(each) for each in Severity if severity in (None, each)])
    return of_severity if kinds is None else of_severity & shown(_ALERTS.kind).in_(list(kinds))


def _few(connection: Connection, fits: ColumnElement[bool]) -> bool:
    """Whether at most FEW alerts fit."""
    some = select(_ALERTS.id).where(fits).limit(FEW + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= FEW


def _sorted(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column as it is, which an index may serve."""
    return column


def _unsorted(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column's value, by which no index is sorted."""
    return column + ("" if isinstance(column.type, String | Text) else 0)


def _as_of(alert: Alert, now_s: float) -> Alert:
    return replace(alert, claim=None) if alert.claim and alert.claim.until_s <= now_s else alert


def _page(connection: Connection, query: Select[Any], limit: int, key: Callable[[Alert], str]) -> Page[Alert]:
    """``query`` gives ids in order."""
    ids = connection.execute(query.limit(checked_limit(limit) + 1)).scalars().all()
    bodies = {row.id: row.body for row in connection.execute(_BODIES, {"ids": ids[:limit]})}
    items = tuple(alert_from_json(bodies[alert_id]) for alert_id in ids[:limit])
    return Page(items, key(items[-1]) if len(ids) > limit else None)


def _path_in_sight(connection: Connection, grid_code: str, actor: Actor) -> str:
    path = grid_path(connection, grid_code)
    if path is None:
        raise NotFound(NO_SUCH_THING)
    check(actor, Permission.ALERT_READ, path, Permission.ALERT_READ)
    return path


def read_key(after: str, numbers: int) -> list[Any]:
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
