"""Cases and the items that an operator works: a case is one however many members it has, a single alert is one.

A case has no state of its own: it waits while a member does, as urgent as the most urgent of those. Its members keep
their own lives; see ``give_all`` for what a command to a case is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, tuple_

from alerts.database import reading
from alerts.desk import Desk
from alerts.ledger import grid_path
from alerts.lifecycle import allowed
from alerts.listing import read_key
from alerts.policy import NO_SUCH_THING, check, role_on
from alerts.projection import alert_from_json
from alerts.queries import Page, checked_key, checked_limit, every, in_subtrees
from alerts.transitions import TRANSITIONS
from models import tables
from models.alert import Alert, Command, CommandType
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.people import Actor, Permission

WHOLE = (CommandType.ACKNOWLEDGE, CommandType.DISMISS)
"""What can be said of a whole case. Everything else is said to one alert."""

_ALERTS, _CASES = tables.alerts.c, tables.cases.c
_KEY = func.coalesce(_ALERTS.case_id, _ALERTS.id)


@dataclass(frozen=True)
class Case:
    """``states``: how many of its members, of those in sight, stand in each state. Times are Unix seconds."""

    id: str
    cause: str
    kind: str
    reason: str
    opened_s: float
    states: dict[str, int]


@dataclass(frozen=True)
class Item:
    """One thing to decide: ``alert`` is the most urgent of the ``waiting`` that wait. ``case`` None: it is single."""

    alert: Alert
    waiting: int
    case: Case | None


@dataclass(frozen=True)
class Given:
    """What came of a command to a case: members that it was carried out on, and why not on others."""

    done: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def items(
    engine: Engine, actor: Actor, *, grid_code: str | None = None, limit: int = 50, after: str | None = None
) -> Page[Item]:
    """What waits for an operator in the actor's sight, or in that subtree, the most urgent first (``triage.urgent_s``).

    Alerts new, acknowledged, returned or reopened. All that wait are looked at, along an index of them alone: in
    a storm, hundreds. Raises InvalidInput, NotFound (a grid out of sight).
    """
    with reading(engine) as connection:
        urgent_s = func.min(_ALERTS.urgent_s)
        query = select(_KEY.label("key"), urgent_s.label("urgent_s"), func.count().label("waiting"))
        query = query.where(tables.WAITING, ~_ALERTS.practice, *_scope(connection, actor, grid_code)).group_by(_KEY)
        if after is not None:
            query = query.having(tuple_(urgent_s, _KEY) > tuple_(*read_key(after, 1)))
        rows = connection.execute(query.order_by(urgent_s, _KEY).limit(checked_limit(limit) + 1)).all()
        cases = _cases(connection, actor, [row.key for row in rows[:limit]])
        found = tuple(_item(connection, actor, grid_code, row, cases.get(row.key)) for row in rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(found, f"{last.urgent_s!r}~{last.key}" if last else None)


def case(engine: Engine, actor: Actor, case_id: str) -> Case:
    """Raises NotFound where no member is in sight."""
    with reading(engine) as connection:
        found = _cases(connection, actor, [checked_key(case_id)])
    if not found:
        raise NotFound(NO_SUCH_THING)
    return found[case_id]


def cases(engine: Engine, actor: Actor, *, limit: int = 50, after: str | None = None) -> Page[Case]:
    """Those with a member in sight, newest first. Raises InvalidInput."""
    member = select(_ALERTS.id).where(_ALERTS.case_id == _CASES.id, *_scope(None, actor, None))
    query = select(_CASES.id).where(member.exists()).order_by(_CASES.id.desc())
    if after is not None:
        query = query.where(_CASES.id < checked_key(after))
    with reading(engine) as connection:
        ids = connection.execute(query.limit(checked_limit(limit) + 1)).scalars().all()
        found = _cases(connection, actor, ids[:limit])
    return Page(tuple(found[each] for each in ids[:limit]), ids[limit - 1] if len(ids) > limit else None)


def members(engine: Engine, actor: Actor, case_id: str, *, limit: int = 50, after: str | None = None) -> Page[Alert]:
    """The case's alerts in sight, in the order in which they were raised. Raises InvalidInput, NotFound."""
    with reading(engine) as connection:
        if not _cases(connection, actor, [checked_key(case_id)]):
            raise NotFound(NO_SUCH_THING)
        query = select(_ALERTS.body).where(_ALERTS.case_id == case_id, *_scope(connection, actor, None))
        if after is not None:
            query = query.where(_ALERTS.id > checked_key(after))
        bodies = connection.execute(query.order_by(_ALERTS.id).limit(checked_limit(limit) + 1)).scalars().all()
    found = tuple(alert_from_json(body) for body in bodies[:limit])
    return Page(found, found[-1].id if len(bodies) > limit else None)


def give_all(engine: Engine, desk: Desk, case_id: str, command: Command, now_s: float) -> Given:
    """The command to each member that it can be given to now, each in a transaction and with an event of its own.

    A member that someone moved on meanwhile is left as it is, and named. To give it again changes nothing more. Raises
    InvalidInput (what is not for a whole case), NotFound, Forbidden.
    """
    if command.type not in WHOLE:
        raise InvalidInput(f"to a whole case: {', '.join(WHOLE)}; all else to one of its alerts")
    everyone = list(every(lambda after: members(engine, command.actor, case_id, limit=500, after=after)))
    permission = TRANSITIONS[command.type].permission
    if not any(role_on(alert, command.actor, permission) for alert in everyone):
        raise Forbidden(f"this needs the permission {permission.value} in a grid of the case")
    done, refused = [], []
    for alert in everyone:
        if command.type not in allowed(alert, command.actor, now_s):
            continue
        try:
            desk.execute(alert.id, command, alert.version, now_s)
            done.append(alert.id)
        except (Conflict, Forbidden, NotFound) as error:
            refused.append((alert.id, str(error)))
    return Given(tuple(done), tuple(refused))


def _scope(connection: Connection | None, actor: Actor, grid_code: str | None) -> list[Any]:
    """The alerts in the actor's sight, or in that grid of it."""
    if grid_code is not None and connection is not None:
        path = grid_path(connection, grid_code)
        if path is None:
            raise NotFound(NO_SUCH_THING)
        check(actor, Permission.ALERT_READ, path, Permission.ALERT_READ)
        return [in_subtrees(_ALERTS.grid_path + "", [path])]
    if actor.is_system:
        return []
    return [in_subtrees(_ALERTS.grid_path + "", actor.paths_for(Permission.ALERT_READ))]


def _item(connection: Connection, actor: Actor, grid_code: str | None, row: Row[Any], of: Case | None) -> Item:
    query = select(_ALERTS.body).where(_ALERTS.id == row.key)
    if of is not None:
        mine = (tables.WAITING, ~_ALERTS.practice, *_scope(connection, actor, grid_code))
        query = select(_ALERTS.body).where(_ALERTS.case_id == row.key, *mine)
        query = query.order_by(_ALERTS.urgent_s, _ALERTS.id).limit(1)
    return Item(alert_from_json(connection.execute(query).scalar_one()), row.waiting, of)


def _cases(connection: Connection, actor: Actor, ids: Collection[str]) -> dict[str, Case]:
    """Those of them that are cases with a member in sight."""
    where = (_ALERTS.case_id.in_(ids), *_scope(connection, actor, None))
    counted = select(_ALERTS.case_id, _ALERTS.state, func.count()).where(*where)
    states: dict[str, dict[str, int]] = {}
    for case_id, state, count in connection.execute(counted.group_by(_ALERTS.case_id, _ALERTS.state)):
        states.setdefault(case_id, {})[state] = count
    rows = connection.execute(select(tables.cases).where(_CASES.id.in_(states)))
    return {row.id: Case(row.id, row.cause, row.kind, row.reason, row.opened_s, states[row.id]) for row in rows}
