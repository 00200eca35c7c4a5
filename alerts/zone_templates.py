"""Zone templates: levels, those of the night, and hours that the zones of many cameras share.

A template belongs to a grid; cameras in that grid and below it may name it. What it says is looked up when the worker
is told of the cameras, so that a change reaches them all and no camera is changed for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, or_, select, update

from alerts.camera_checks import check_shared
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight, in_subtrees
from models.camera import Shared, Zone, check_template_code, shared_from_json, shared_to_json
from models.errors import Conflict, Fault, InvalidInput, NotFound, StaleVersion
from models.people import Actor, Grid, Permission
from models.tables import cameras, zone_templates
from models.text import checked_text

MOST = 500
"""Whenever the worker reads the cameras, it reads all templates."""

_NAMED = 3
"""Cameras that a refusal names."""


@dataclass(frozen=True)
class ZoneTemplate:
    """``changed_s``: Unix seconds."""

    code: str
    name: str
    grid_code: str
    shared: Shared
    version: int
    changed_s: float


@dataclass(frozen=True)
class TemplateAsked:
    """``expected_version``: the one that was seen; None for a new one."""

    name: str
    grid_code: str
    shared: Shared
    expected_version: int | None = None


def templates_of(engine: Engine, actor: Actor, *, limit: int = 100, after: str | None = None) -> Page[ZoneTemplate]:
    """Those of the grids in the actor's sight, and of the grids above, which cameras there may name too; by code."""
    above = {path for own in actor.paths_for(Permission.CAMERA_READ) for path in _up_from(own)}
    path = zone_templates.c.grid_path
    query = select(zone_templates).where(or_(in_sight(path, actor, Permission.CAMERA_READ), path.in_(above)))
    if after is not None:
        query = query.where(zone_templates.c.code > checked_key(after))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(zone_templates.c.code).limit(checked_limit(limit) + 1)).all()
    items = tuple(_template(row) for row in rows[:limit])
    return Page(items, items[-1].code if len(rows) > limit else None)


def put(engine: Engine, actor: Actor, code: str, asked: TemplateAsked, now_s: float) -> ZoneTemplate:
    """Makes it or, with an expected version, changes it; all zones that name it go by it from then on.

    Raises NotFound, Forbidden, InvalidInput, StaleVersion; Conflict for a code that is taken and for one too many.
    """
    check_template_code(code)
    check_shared(asked.shared)
    name = checked_text(asked.name, "the name")
    with writing(engine) as connection:
        grid = grid_of(connection, asked.grid_code)
        check(actor, Permission.CAMERA_WRITE, grid.path, sight=Permission.CAMERA_READ)
        row = connection.execute(select(zone_templates).where(zone_templates.c.code == code)).one_or_none()
        said = {"name": name, "body": shared_to_json(asked.shared), "changed_s": now_s}
        if row is None:
            _add(connection, code, asked, grid, said)
        else:
            _change(connection, row, asked, said)
        return _template(_row(connection, code))


def remove(engine: Engine, actor: Actor, code: str) -> None:
    """Raises NotFound, Forbidden; Conflict while a zone names it."""
    with writing(engine) as connection:
        row = _row(connection, checked_key(code))
        check(actor, Permission.CAMERA_WRITE, row.grid_path, sight=Permission.CAMERA_READ)
        if using := _using(connection, row):
            names = ", ".join(list(using)[:_NAMED]) + (", …" if len(using) > _NAMED else "")
            raise Conflict(
                f"the zone template {code} is in use, zones: {sum(using.values())}, cameras: {len(using)} ({names}). "
                "Name another one there, or none, then delete it"
            )
        connection.execute(delete(zone_templates).where(zone_templates.c.code == code))


def bodies(connection: Connection) -> Mapping[str, Any]:
    """What every template says, by code, as JSON."""
    return {row.code: row.body for row in connection.execute(select(zone_templates.c.code, zone_templates.c.body))}


def bodies_for(connection: Connection, grid_path: str) -> Mapping[str, Any]:
    """What the templates of that grid and of those above it say, by code, as JSON."""
    own = zone_templates.c.grid_path.in_(_up_from(grid_path))
    query = select(zone_templates.c.code, zone_templates.c.body).where(own)
    return {row.code: row.body for row in connection.execute(query)}


def resolved(zones: Sequence[Zone], templates: Mapping[str, Any]) -> tuple[Zone, ...]:
    """The zones with what their templates say. Raises InvalidInput for a template that is not among ``templates``.

    One that is not there and one of another grid are told alike: see ``policy.NO_SUCH_THING``.
    """
    faults = [
        Fault(
            f"zones[{zone.id}]",
            f"there is no zone template {zone.template} in the camera's grid or one above it: "
            "`wangge camera templates` and GET /v1/zone-templates list them, PUT /v1/zone-templates/CODE makes one",
        )
        for zone in zones
        if zone.template is not None and zone.template not in templates
    ]
    if faults:
        raise InvalidInput(str(faults[0]), faults)
    return tuple(
        replace(zone, shared=None if zone.template is None else shared_from_json(templates[zone.template]))
        for zone in zones
    )


def _up_from(grid_path: str) -> list[str]:
    """The paths of that grid and of those above it."""
    steps = grid_path.split("/")
    return ["/".join(steps[:end]) + "/" for end in range(2, len(steps))]


def _add(connection: Connection, code: str, asked: TemplateAsked, grid: Grid, said: Mapping[str, Any]) -> None:
    if asked.expected_version is not None:
        raise NotFound(f"there is no zone template {code} to change: leave out expected_version to make it")
    if len(connection.execute(select(zone_templates.c.code)).all()) >= MOST:
        raise Conflict(f"there are {MOST} zone templates already: delete some first")
    where = {"code": code, "grid_code": grid.code, "grid_path": grid.path}
    connection.execute(insert(zone_templates).values(**where, **said, version=1))


def _change(connection: Connection, row: Row[Any], asked: TemplateAsked, said: Mapping[str, Any]) -> None:
    if asked.grid_code != row.grid_code:
        raise Conflict(
            f"the code {row.code} is taken in another grid, and a zone template stays in its own: choose another"
        )
    if asked.expected_version is None:
        raise Conflict(
            f"there is a zone template {row.code} already, at version {row.version}: look at it, then name that "
            "version as expected_version to change it, or choose another code"
        )
    if asked.expected_version != row.version:
        raise StaleVersion(asked.expected_version, row.version, "the zone template")
    there = zone_templates.c.code == row.code
    connection.execute(update(zone_templates).where(there).values(**said, version=row.version + 1))


def _using(connection: Connection, template: Row[Any]) -> dict[str, int]:
    """How many zones name it, by camera code."""
    below = in_subtrees(cameras.c.grid_path, [template.grid_path])
    rows = connection.execute(select(cameras.c.code, cameras.c.zones).where(below).order_by(cameras.c.code))
    counts = {row.code: sum(zone.get("template") == template.code for zone in row.zones) for row in rows}
    return {code: count for code, count in counts.items() if count}


def _row(connection: Connection, code: str) -> Row[Any]:
    row = connection.execute(select(zone_templates).where(zone_templates.c.code == code)).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return row


def _template(row: Row[Any]) -> ZoneTemplate:
    shared = shared_from_json(row.body)
    return ZoneTemplate(row.code, row.name, row.grid_code, shared, row.version, row.changed_s)
