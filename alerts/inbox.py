"""The inbox of a unit: the cases that were given to an organisation, most urgent first."""

from sqlalchemy import Engine, select, tuple_

from alerts.database import reading
from alerts.grid_registry import grid_of
from alerts.listing import read_key
from alerts.organisations import organisation_of
from alerts.policy import check
from alerts.projection import alert_from_json
from alerts.queries import Page, checked_limit, in_sight
from alerts.triage import urgent_s
from models.alert import ENDED, Alert
from models.people import Actor, Permission
from models.tables import alerts

_ENDED = [state.value for state in ENDED]


def inbox(engine: Engine, actor: Actor, code: str, *, limit: int = 50, after: str | None = None) -> Page[Alert]:
    """The open cases of that organisation within the actor's sight, exercises apart, by ``triage.urgent_s``.

    Raises NotFound for one whose grid is out of sight, InvalidInput.
    """
    stored = alerts.c
    order = (stored.urgent_s, stored.id)
    wanted = [
        stored.unit == code,
        stored.state.not_in(_ENDED),
        ~stored.practice,
        in_sight(stored.grid_path, actor, Permission.ALERT_READ),
    ]
    if after is not None:
        wanted.append(tuple_(*order) > tuple_(*read_key(after, 1)))
    with reading(engine) as connection:
        path = grid_of(connection, organisation_of(connection, code).grid_code).path
        check(actor, Permission.ALERT_READ, path, sight=Permission.ALERT_READ)
        query = select(stored.body).where(*wanted).order_by(*order)
        bodies = connection.execute(query.limit(checked_limit(limit) + 1)).scalars().all()
    items = tuple(alert_from_json(body) for body in bodies[:limit])
    if len(bodies) <= limit:
        return Page(items)
    end = items[-1]
    return Page(items, f"{urgent_s(end.severity, end.created_s)!r}~{end.id}")
