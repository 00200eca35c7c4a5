"""Camera points at rest: read within an actor's sight, credentials sealed and never read back but by the worker."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.camera_checks import NewCamera
from alerts.database import reading, writing
from alerts.grid_registry import GridRegistry, grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight, in_subtrees
from alerts.vault import Vault
from alerts.zone_templates import bodies, bodies_for, resolved
from models.camera import (
    CameraPoint,
    Credentials,
    SourceUrl,
    Zone,
    zone_from_json,
    zone_to_json,
)
from models.errors import Conflict, Fault, InvalidInput, NotFound, StaleVersion, WanggeError
from models.geo import GeoPoint
from models.people import Actor, Grid, Permission
from models.presets import control_point_from_json, control_point_to_json
from models.tables import cameras
from models.text import checked_text
from models.ulid import new_ulid
from models.vision import Vision, vision_from_json, vision_to_json

_CHANGEABLE = frozenset(field.name for field in fields(NewCamera))


@dataclass(frozen=True)
class Opened:
    """All cameras that can be watched, by code; and a fault for each other one, ``where`` its code."""

    cameras: tuple[CameraPoint, ...]
    faults: tuple[Fault, ...]


class CameraRegistry(GridRegistry):
    """Camera points, and the grids that they stand in."""

    def __init__(self, engine: Engine, vault: Vault, clock: Callable[[], float] = time.time) -> None:
        super().__init__(engine, clock)
        self._vault = vault

    def camera(self, camera_id: str, actor: Actor) -> CameraPoint:
        """Without credentials. Raises NotFound where there is none or the actor may not see it."""
        with reading(self._engine) as connection:
            return _point(_row(connection, camera_id, actor))

    def camera_named(self, code: str, actor: Actor) -> CameraPoint:
        """Without credentials. Raises NotFound."""
        with reading(self._engine) as connection:
            found = connection.execute(select(cameras.c.id).where(cameras.c.code == checked_key(code))).scalar()
            if found is None:
                raise NotFound(f"no camera has the code {code}: `wangge camera list` names them")
            return _point(_row(connection, found, actor))

    def cameras(
        self, actor: Actor, *, under: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[CameraPoint]:
        """Cameras in sight by code, without credentials; ``under``: those in that grid and all below it."""
        query = select(cameras).where(in_sight(cameras.c.grid_path, actor, Permission.CAMERA_READ))
        if under is not None:
            query = query.where(in_subtrees(cameras.c.grid_path, [self.grid(under, actor).path]))
        if after is not None:
            query = query.where(cameras.c.code > checked_key(after))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(cameras.c.code).limit(checked_limit(limit) + 1)).all()
        items = tuple(_point(row) for row in rows[:limit])
        return Page(items, items[-1].code if len(rows) > limit else None)

    def all_cameras(self) -> Opened:
        """Every camera with its credentials and what its zones' templates say: for the camera worker's parent only.

        One whose credentials do not open is left out and said; the others do not suffer for it.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(select(cameras).order_by(cameras.c.code)).all()
            templates = bodies(connection)
        points, faults = [], []
        for row in rows:
            try:
                point = _point(row, self._opened(row.id, row.credentials))
                points.append(replace(point, zones=resolved(point.zones, templates)))
            except WanggeError as error:
                faults.append(Fault(row.code, str(error)))
        return Opened(tuple(points), tuple(faults))

    def zone_with_template(self, camera_id: str, zone: Zone, actor: Actor) -> Zone:
        """With what its template would say at that camera. Raises NotFound; InvalidInput for one it may not name."""
        with reading(self._engine) as connection:
            row = _row(connection, camera_id, actor)
            return resolved((zone,), bodies_for(connection, row.grid_path))[0]

    def add_camera(self, actor: Actor, new: NewCamera) -> CameraPoint:
        """Raises NotFound, Forbidden; InvalidInput outside every grid; Conflict for a code that is taken."""
        now_s = self._clock()
        camera_id = new_ulid(now_s)
        with writing(self._engine) as connection:
            grid = self._grid_for(connection, new, now_s)
            check(actor, Permission.CAMERA_WRITE, grid.path, sight=Permission.CAMERA_READ)
            values = {
                **_values(connection, new, grid),
                "id": camera_id,
                "credentials": self._sealed(camera_id, new.url.credentials),
                "version": 1,
                "created_s": now_s,
                "changed_s": now_s,
            }
            _write(connection, insert(cameras).values(values), new.code)
            return _point(_row(connection, camera_id, actor))

    def change_camera(
        self, actor: Actor, camera_id: str, changes: Mapping[str, Any], expected_version: int
    ) -> CameraPoint:
        """Changes the fields of NewCamera that ``changes`` names, each with its type there.

        A new ``place`` moves the camera to the grid there, if there is one and ``grid_code`` is not named. A ``url``
        without credentials keeps those that are stored if it leads to the same host, port and scheme; to any other
        it sends none. ``vision.view`` counts up by itself (see ``_view``). Raises NotFound, Forbidden, InvalidInput,
        StaleVersion; Conflict for a code that is taken.
        """
        unknown = sorted(set(changes) - _CHANGEABLE)
        if unknown:
            raise InvalidInput(f"a camera has no {', '.join(map(repr, unknown))}")
        now_s = self._clock()
        with writing(self._engine) as connection:
            row = _row(connection, camera_id, actor)
            check(actor, Permission.CAMERA_WRITE, row.grid_path, sight=Permission.CAMERA_READ)
            if row.version != expected_version:
                raise StaleVersion(expected_version, row.version, "the camera")
            changed = replace(_entered(row), **changes)
            if "place" in changes and "grid_code" not in changes:
                here = self.grid_index(now_s).locate(changed.place, 0.0).code
                changed = replace(changed, grid_code=here or row.grid_code)
            changed = replace(changed, vision=replace(changed.vision, view=_view(row, changes, changed.vision)))
            grid = self._grid_for(connection, changed, now_s)
            check(actor, Permission.CAMERA_WRITE, grid.path, sight=Permission.CAMERA_READ)
            values = {**_values(connection, changed, grid), "version": row.version + 1, "changed_s": now_s}
            if changed.url.credentials is not None or not _same_door(changed.url, _shown_url(row)):
                values["credentials"] = self._sealed(camera_id, changed.url.credentials)
            _write(connection, update(cameras).where(cameras.c.id == camera_id).values(values), changed.code)
            return _point(_row(connection, camera_id, actor))

    def _grid_for(self, connection: Connection, camera: NewCamera, now_s: float) -> Grid:
        if camera.grid_code is not None:
            return grid_of(connection, camera.grid_code)
        code = self.grid_index(now_s).locate(camera.place, 0.0).code
        if code is None:
            raise InvalidInput("the camera stands outside every grid: name the grid_code that it belongs to")
        return grid_of(connection, code)

    def _sealed(self, camera_id: str, credentials: Credentials | None) -> bytes | None:
        if credentials is None:
            return None
        return self._vault.seal(json.dumps([credentials.username, credentials.password]).encode(), camera_id)

    def _opened(self, camera_id: str, sealed: bytes | None) -> Credentials | None:
        return None if sealed is None else Credentials(*json.loads(self._vault.open(sealed, camera_id)))


def _row(connection: Connection, camera_id: str, actor: Actor) -> Row[Any]:
    row = connection.execute(select(cameras).where(cameras.c.id == checked_key(camera_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    check(actor, Permission.CAMERA_READ, row.grid_path, sight=Permission.CAMERA_READ)
    return row


_OF_VIEW = {"url", "place", "zones", "control_points"}


def _view(row: Row[Any], changes: Mapping[str, Any], now: Vision) -> int:
    """Whoever says where the camera stands, or what lies where in its picture, says that its view is right. Of one that
    has presets that says nothing of the home view: it may stand at any of them."""
    known = _point(row).vision.view
    given: Vision | None = changes.get("vision")
    confirmed = given is not None and given.view > known
    return known + (confirmed or not (now.presets or _OF_VIEW.isdisjoint(changes)))


def _write(connection: Connection, statement: Any, code: str) -> None:
    try:
        connection.execute(statement)
    except IntegrityError:
        raise Conflict(f"another camera has the code {code} already") from None


def _values(connection: Connection, camera: NewCamera, grid: Grid) -> dict[str, Any]:
    """Raises InvalidInput for a zone template that is not of its grid or of one above it."""
    if any(zone.template for zone in camera.zones):
        resolved(camera.zones, bodies_for(connection, grid.path))
    return {
        "code": camera.code,
        "name": checked_text(camera.name, "the name"),
        "lon_deg": camera.place.lon_deg,
        "lat_deg": camera.place.lat_deg,
        "url": camera.url.shown,
        "purpose": checked_text(camera.purpose, "the purpose"),
        "grid_code": grid.code,
        "grid_path": grid.path,
        "zones": [zone_to_json(replace(zone, shared=None)) for zone in camera.zones],
        "control_points": [control_point_to_json(point) for point in camera.control_points],
        "enabled": camera.enabled,
        "site": camera.site,
        "upstream": camera.upstream,
        "vision": vision_to_json(camera.vision),
    }


def _entered(row: Row[Any]) -> NewCamera:
    point = _point(row)
    return NewCamera(
        code=point.code,
        name=point.name,
        place=point.place,
        url=point.source,
        purpose=point.purpose,
        grid_code=point.grid_code,
        zones=point.zones,
        control_points=point.control_points,
        enabled=point.enabled,
        site=point.site,
        upstream=point.upstream,
        vision=point.vision,
    )


def _point(row: Row[Any], credentials: Credentials | None = None) -> CameraPoint:
    return CameraPoint(
        id=row.id,
        code=row.code,
        name=row.name,
        place=GeoPoint(row.lon_deg, row.lat_deg),
        source=replace(_shown_url(row), credentials=credentials),
        purpose=row.purpose,
        grid_code=row.grid_code,
        zones=tuple(zone_from_json(zone) for zone in row.zones),
        control_points=tuple(control_point_from_json(point) for point in row.control_points),
        enabled=row.enabled,
        version=row.version,
        site=row.site,
        upstream=row.upstream,
        vision=vision_from_json(row.vision or {}),
    )


def _shown_url(row: Row[Any]) -> SourceUrl:
    return SourceUrl.parse(row.url)


def _same_door(a: SourceUrl, b: SourceUrl) -> bool:
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)
