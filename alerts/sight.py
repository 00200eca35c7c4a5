"""Who may see what belongs to an alert: its evidence, and its events as they are sent out live."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, or_, select

from alerts.database import reading
from alerts.queries import in_sight
from models import tables
from models.errors import Erased, NotFound
from models.incident import Evidence
from models.people import Actor, Permission


@dataclass(frozen=True)
class Head:
    """What a list needs of an alert to place one of its events. ``grid_path`` decides who may see it."""

    state: str
    kind: str
    severity: int
    camera_id: str | None
    grid_code: str
    grid_path: str


def heads(engine: Engine, alert_ids: Collection[str]) -> Mapping[str, Head]:
    """The heads of those alerts as they are now, by id."""
    stored = tables.alerts.c
    columns = (stored.state, stored.kind, stored.severity, stored.camera_id, stored.grid_code, stored.grid_path)
    with reading(engine) as connection:
        rows = connection.execute(select(stored.id, *columns).where(stored.id.in_(set(alert_ids)))).all()
    return {alert_id: Head(*rest) for alert_id, *rest in rows}


def evidence_in_sight(engine: Engine, sha256: str, actor: Actor) -> Evidence:
    """What is known of a picture that belongs to an alert in the actor's sight, or on which they are co-assignee.

    Raises NotFound for any other, Erased for one that was erased from all of them.
    """
    kept, shared = tables.evidence.c, tables.co_assignees.c
    theirs = select(shared.alert_id).where(shared.person_id == actor.id)
    sight = in_sight(tables.alerts.c.grid_path, actor, Permission.ALERT_READ)
    query = (
        select(kept.sha256, kept.kind, kept.media_type, kept.at_s, kept.erased_s, kept.alert_id)
        .join(tables.alerts, tables.alerts.c.id == kept.alert_id)
        .where(kept.sha256 == sha256, or_(sight, tables.alerts.c.id.in_(theirs)))
        .order_by(kept.erased_s.is_not(None), kept.added_s)
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no evidence {sha256} within the grids that you may see")
    if row.erased_s is not None:
        raise Erased(f"this picture was erased; the log of {row.alert_id} says by whom, when and why")
    return Evidence(*row[:4])
