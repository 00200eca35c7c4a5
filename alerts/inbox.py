"""The inbox of a unit: the cases that were given to an organisation, most urgent first."""

from sqlalchemy import Engine, and_, or_, select

from alerts.database import reading
from alerts.grid_registry import grid_of
from alerts.organisations import organisation_of
from alerts.policy import check
from alerts.projection import alert_from_json
from alerts.queries import Page, checked_limit, in_sight
from models.alert import ENDED, Alert
from models.errors import InvalidInput
from models.people import Actor, Permission
from models.tables import alerts

_ENDED = [state.value for state in ENDED]


def inbox(engine: Engine, actor: Actor, code: str, *, limit: int = 50, after: str | None = None) -> Page[Alert]:
    """The open cases of that organisation within the actor's sight: severity first, then the oldest.

    Raises NotFound for one whose grid is out of sight, InvalidInput.
    """
    stored = alerts.c
    wanted = [
        stored.unit == code,
        stored.state.not_in(_ENDED),
        in_sight(stored.grid_path, actor, Permission.ALERT_READ),
    ]
    with reading(engine) as connection:
        path = grid_of(connection, organisation_of(connection, code).grid_code).path
        check(actor, Permission.ALERT_READ, path, sight=Permission.ALERT_READ)
        if after is not None:
            severity, created_s, last = _key(after)
            older = or_(stored.created_s > created_s, and_(stored.created_s == created_s, stored.id > last))
            wanted.append(or_(stored.severity > severity, and_(stored.severity == severity, older)))
        query = select(stored.body).where(*wanted).order_by(stored.severity, stored.created_s, stored.id)
        bodies = connection.execute(query.limit(checked_limit(limit) + 1)).scalars().all()
    items = tuple(alert_from_json(body) for body in bodies[:limit])
    if len(bodies) <= limit:
        return Page(items)
    end = items[-1]
    return Page(items, f"{int(end.severity)}~{end.created_s!r}~{end.id}")


def _key(after: str) -> tuple[int, float, str]:
    severity, _, rest = after[:100].partition("~")
    created_s, _, last = rest.partition("~")
    try:
        if last.isascii() and last.isalnum() and severity in "1234":
            seconds = float(created_s)
            if 0 <= seconds < 1e11:
                return int(severity), seconds, last
    except ValueError:
        pass
    raise InvalidInput("after must be what a page gave as next, unchanged")
