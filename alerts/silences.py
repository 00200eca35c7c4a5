"""Silences and maintenance windows: what is held back for a while, by whom, why, and how much of it.

Each has an end, at most LONGEST_S away, and lies in one subtree of the grids. A change lifts it and makes another that
names it, so that who did what is kept. Red is never held back, nor what no camera is part of, such as a person's
report. What began meanwhile and goes on when the silence is over is raised then: see ``ended``.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select, update

from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight, in_subtrees
from models.errors import Conflict, InvalidInput, NotFound
from models.incident import Incident, Severity, kind_of
from models.incident_json import incident_from_json, incident_to_json
from models.people import Actor, Permission
from models.tables import cameras, held_back, incidents, silences
from models.text import checked_text
from models.ulid import new_ulid

LONGEST_S = 30 * 86_400.0
MOST = 500
"""Silences in force or to come at once: each incident is compared with all of them."""
LONGEST_REASON = 500
WHAT = ("silence", "maintenance")

_AT_ONCE = 200


@dataclass(frozen=True)
class Silence:
    """Holds back what matches all that it names, from ``starts_s`` until before ``ends_s`` or ``lifted_s`` (Unix s)."""

    id: str
    what: str
    grid_code: str
    grid_path: str
    kind: str | None
    camera_id: str | None
    zone_id: str | None
    reason: str
    starts_s: float
    ends_s: float
    made_by: str
    made_by_name: str
    made_s: float
    replaces: str | None = None
    lifted_by: str | None = None
    lifted_by_name: str | None = None
    lifted_s: float | None = None
    held: int = 0

    def in_force(self, now_s: float) -> bool:
        return self.lifted_s is None and self.starts_s <= now_s < self.ends_s

    def matches(self, incident: Incident, grid_path: str) -> bool:
        """``grid_path`` is that of the incident's place."""
        if incident.severity is Severity.RED or incident.camera_id is None:
            return False
        named = ((self.kind, incident.kind), (self.camera_id, incident.camera_id), (self.zone_id, incident.zone_id))
        # A camera that is named is in the subtree; what it sees may lie over the border.
        here = self.camera_id is not None or grid_path.startswith(self.grid_path)
        return here and all(wanted in (None, got) for wanted, got in named)

    @property
    def said(self) -> str:
        """Why an incident was held back, in a sentence."""
        return f"{self.what} {self.id} of {self.made_by_name}: {self.reason}"


@dataclass(frozen=True)
class SilenceAsked:
    """What someone wants to be held back. Times are Unix seconds."""

    what: str
    grid_code: str
    reason: str
    starts_s: float
    ends_s: float
    kind: str | None = None
    camera_id: str | None = None
    zone_id: str | None = None
    replaces: str | None = None


def make(engine: Engine, actor: Actor, asked: SilenceAsked, now_s: float) -> Silence:
    """A new one; the one that it ``replaces`` is lifted. Raises NotFound, Forbidden, InvalidInput, Conflict."""
    reason = checked_text(" ".join(asked.reason.split()), "the reason", LONGEST_REASON)
    starts_s = max(asked.starts_s, now_s)
    if asked.what not in WHAT:
        raise InvalidInput(f"what is one of {', '.join(WHAT)}")
    if not starts_s < asked.ends_s <= now_s + LONGEST_S:
        raise InvalidInput("it ends in the future, after it starts, and within 30 days")
    if asked.kind is not None:
        kind_of(asked.kind)
    if asked.zone_id is not None and asked.camera_id is None:
        raise InvalidInput("a zone is one of a camera: name the camera")
    with writing(engine) as connection:
        grid = grid_of(connection, asked.grid_code)
        check(actor, Permission.SILENCE_WRITE, grid.path, sight=Permission.ALERT_READ)
        if asked.camera_id is not None:
            _check_camera(connection, asked.camera_id, grid.path)
        if asked.replaces is not None:
            _lift(connection, actor, asked.replaces, now_s)
        if len(_open(connection, now_s)) >= MOST:
            raise Conflict(f"{MOST} silences are in force or to come: lift some first")
        values = vars(asked) | {"reason": reason, "starts_s": starts_s, "grid_path": grid.path}
        made = Silence(id=new_ulid(now_s), made_by=actor.id, made_by_name=actor.name, made_s=now_s, **values)
        connection.execute(insert(silences).values(vars(made)))
    return made


def lift(engine: Engine, actor: Actor, silence_id: str, now_s: float) -> Silence:
    """It holds nothing back from now on; lifting it again changes nothing. Raises NotFound, Forbidden."""
    with writing(engine) as connection:
        return _lift(connection, actor, silence_id, now_s)


def silence(engine: Engine, actor: Actor, silence_id: str) -> Silence:
    """Raises NotFound."""
    with reading(engine) as connection:
        return _found(connection, actor, silence_id, Permission.ALERT_READ)


def silences_of(
    engine: Engine, actor: Actor, now_s: float, *, over: bool = False, limit: int = 50, after: str | None = None
) -> Page[Silence]:
    """Those in force or to come in the actor's sight, newest first; with ``over``, those that have ended as well."""
    query = select(silences).where(in_sight(silences.c.grid_path, actor, Permission.ALERT_READ))
    if not over:
        query = query.where(silences.c.lifted_s.is_(None), silences.c.ends_s > now_s)
    if after is not None:
        query = query.where(silences.c.id < checked_key(after))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(silences.c.id.desc()).limit(checked_limit(limit) + 1)).all()
    items = tuple(_silence(row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def on_desk(connection: Connection, grid_path: str, now_s: float) -> list[dict[str, Any]]:
    """Those in force or to come that touch the subtree, for the sheet of a hand-over."""
    return [
        vars(each)
        for each in _open(connection, now_s)
        if each.grid_path.startswith(grid_path) or grid_path.startswith(each.grid_path)
    ]


def in_force(connection: Connection, now_s: float) -> tuple[Silence, ...]:
    return tuple(each for each in _open(connection, now_s) if each.in_force(now_s))


def hold(connection: Connection, held: Iterable[tuple[Silence, Incident]]) -> None:
    """Counts what was held back, and keeps the last of each happening, which may go on after the silence."""
    last: dict[str, tuple[Silence, Incident]] = {}
    for by, incident in held:
        connection.execute(_COUNT, {"of_id": by.id})
        last[incident.fold_key] = (by, incident)
    forget(connection, last)
    if last:
        rows = [
            {"fold_key": key, "silence_id": by.id, "body": incident_to_json(incident)}
            for key, (by, incident) in last.items()
        ]
        connection.execute(insert(held_back), rows)


def forget(connection: Connection, fold_keys: Collection[str]) -> None:
    """These happenings have cleared, or were raised."""
    if fold_keys:
        connection.execute(_FORGET, {"keys": sorted(fold_keys)})


def ended(connection: Connection, now_s: float) -> list[Incident]:
    """What was held back by a silence that is over by now, and never cleared; some of it at a time."""
    over = (silences.c.ends_s <= now_s) | silences.c.lifted_s.is_not(None)
    query = select(held_back.c.body).join(silences, silences.c.id == held_back.c.silence_id).where(over)
    return [incident_from_json(body) for body in connection.execute(query.limit(_AT_ONCE)).scalars()]


def raised_late(connection: Connection, incident: Incident, alert_id: str) -> None:
    """The incident, which was held back, belongs to that alert after all."""
    row = (incidents.c.source == incident.source, incidents.c.seq == incident.seq)
    connection.execute(update(incidents).where(*row).values(alert_id=alert_id))


_COUNT = update(silences).where(silences.c.id == bindparam("of_id")).values(held=silences.c.held + 1)
_FORGET = delete(held_back).where(held_back.c.fold_key.in_(bindparam("keys", expanding=True)))
_OPEN = select(silences).where(silences.c.lifted_s.is_(None), silences.c.ends_s > bindparam("now_s"))


def _open(connection: Connection, now_s: float) -> list[Silence]:
    rows = connection.execute(_OPEN.order_by(silences.c.ends_s, silences.c.id), {"now_s": now_s})
    return [_silence(row) for row in rows]


def _lift(connection: Connection, actor: Actor, silence_id: str, now_s: float) -> Silence:
    found = _found(connection, actor, silence_id, Permission.SILENCE_WRITE)
    who = {"lifted_by": actor.id, "lifted_by_name": actor.name, "lifted_s": now_s}
    there = (silences.c.id == found.id, silences.c.lifted_s.is_(None), silences.c.ends_s > now_s)
    connection.execute(update(silences).where(*there).values(who))
    return _found(connection, actor, silence_id, Permission.ALERT_READ)


def _found(connection: Connection, actor: Actor, silence_id: str, permission: Permission) -> Silence:
    row = connection.execute(select(silences).where(silences.c.id == checked_key(silence_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    check(actor, permission, row.grid_path, sight=Permission.ALERT_READ)
    return _silence(row)


def _check_camera(connection: Connection, camera_id: str, grid_path: str) -> None:
    where = (cameras.c.id == checked_key(camera_id), in_subtrees(cameras.c.grid_path, [grid_path]))
    if connection.execute(select(cameras.c.id).where(*where)).one_or_none() is None:
        raise InvalidInput(f"there is no camera {camera_id} in that grid")


def _silence(row: Row[Any]) -> Silence:
    return Silence(**row._mapping)
