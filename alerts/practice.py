"""演练 Exercises: a made alert that goes the whole way, in no figure and no notification, listed where asked for."""

from typing import Any

import shapely
from sqlalchemy import Connection, select

from alerts.policy import NO_SUCH_THING, check
from alerts.queries import checked_key
from models.alert import Event, EventType
from models.errors import InvalidInput, NotFound
from models.geo import GeoPoint
from models.incident import kind_of
from models.people import Actor, Permission
from models.tables import grids
from models.text import checked_text
from models.ulid import new_ulid

LONGEST_TEXT = 500


def exercise(
    connection: Connection, actor: Actor, grid_code: str, kind: str, text: str, place: GeoPoint | None, now_s: float
) -> Event:
    """The first event of an exercise in that grid; ``place`` None: a point within the grid.

    It folds with nothing: what a camera sees there meanwhile is an alert of its own. Raises NotFound, Forbidden,
    InvalidInput (kind, text, a grid without a polygon and no place given).
    """
    about = kind_of(kind)
    text = checked_text(text, "the text", LONGEST_TEXT)
    query = select(grids.c.path, grids.c.polygon).where(grids.c.code == checked_key(grid_code))
    grid = connection.execute(query).one_or_none()
    if grid is None:
        raise NotFound(NO_SUCH_THING)
    role = check(actor, Permission.PRACTICE_RUN, grid.path, sight=Permission.ALERT_READ)
    if place is None and grid.polygon is None:
        raise InvalidInput("this grid has no land of its own: say where the exercise is")
    if place is None:
        point = shapely.geometry.shape(grid.polygon).representative_point()
        place = GeoPoint(point.x, point.y)
    alert_id = new_ulid(now_s)
    data: dict[str, Any] = {
        "practice": True,
        "kind": kind,
        "severity": int(about.severity),
        "fold_key": f"practice/{alert_id}",
        "camera_id": None,
        "zone_id": None,
        "place": [place.lon_deg, place.lat_deg],
        "accuracy_m": 0.0,
        "grid_code": grid_code,
        "grid_path": grid.path,
        "candidates": [grid_code],
        "confidence": 1.0,
        "model": None,
        "measure": {},
        "detected_reason": f"演练 / exercise: {text}",
        "evidence": [],
        "started_s": now_s,
        "last_seen_s": now_s,
    }
    return Event(alert_id, 1, EventType.DETECTED, actor.id, actor.name, role, now_s, data)
