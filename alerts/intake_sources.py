"""Who may report what is no camera's: registered sources with a token of their own, and people who are signed in."""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from alerts import ledger
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import checked_key, in_sight
from models.errors import Conflict, Fault, InvalidInput, NotFound, Unauthenticated
from models.geo import GeoPoint
from models.incident import KINDS, kind_of
from models.people import Actor, Permission
from models.tables import cameras, grids, intake_sources
from models.text import checked_text
from models.ulid import new_ulid

TOKEN_MARK = "wgi_"  # noqa: S105 - what a token begins with, so that it is told from a session's
MOST_SOURCES = 20_000
FASTEST_PER_S = 10_000.0
PERSON_PER_S, PERSON_AT_ONCE = 0.2, 20.0
"""What one person may report: 12 a minute, 20 after a pause."""
SOURCE_PER_S = 20.0
BURST = 500.0
"""A source may always send one full batch after a pause."""


class SourceKind(StrEnum):
    """What a source is; the figures count by it. A signed-in person's own report is of the kind "worker"."""

    RESIDENT = "resident"  # a channel by which residents report, such as a hotline or a mini-program
    SENSOR = "sensor"
    DEVICE = "device"  # such as a gate
    OTHER = "other"


AUTOMATIC = frozenset({(SourceKind.SENSOR, "geohazard")})
"""What may be dispatched without an operator: the allow-list. All else waits for a person."""


@dataclass(frozen=True)
class IntakeSource:
    """A registered source. ``kinds``: of incidents, that it may report. ``responsible_id``: whom its warnings go to."""

    id: str
    name: str
    kind: SourceKind
    grid_code: str
    kinds: tuple[str, ...]
    camera_id: str | None
    place: GeoPoint | None
    responsible_id: str | None
    rate_per_s: float
    active: bool
    created_s: float


@dataclass(frozen=True)
class NewSource:
    """What an administrator says of a source."""

    name: str
    kind: SourceKind
    grid_code: str
    kinds: Collection[str]
    camera_id: str | None = None
    place: GeoPoint | None = None
    responsible_id: str | None = None
    rate_per_s: float = SOURCE_PER_S


@dataclass(frozen=True)
class Reporter:
    """Whoever sends reports. ``source`` names them in the ledger; ``home`` is the grid (code, path) of a registered
    source, in which and below which it may report. ``actor``: a signed-in person, who may report where they may act."""

    source: str
    name: str
    kinds: frozenset[str]
    rate_per_s: float
    at_once: float
    home: tuple[str, str]
    actor: Actor | None = None
    kind: SourceKind | None = None
    camera_id: str | None = None
    place: GeoPoint | None = None
    responsible_id: str | None = None

    @property
    def id(self) -> str:
        """As it stands in addresses."""
        return self.source.partition(":")[2]


@dataclass(frozen=True)
class Registered:
    """``token`` is told this once and kept nowhere."""

    source: IntakeSource
    token: str = field(repr=False)


class IntakeSources:
    """The sources at rest. Each method is scoped to the grids in which the actor may see to them."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine, self._clock = engine, clock

    def add(self, actor: Actor, new: NewSource) -> Registered:
        """Raises NotFound, Forbidden, InvalidInput, Conflict (too many)."""
        now_s, token = self._clock(), _new_token()
        name = checked_text(new.name, "the name")
        with writing(self._engine) as connection:
            grid = grid_of(connection, new.grid_code)
            check(actor, Permission.INTAKE_WRITE, grid.path, sight=Permission.GRID_READ)
            faults = _faults(connection, new, grid.path)
            if faults:
                raise InvalidInput(f"the source was refused: {faults[0]}", faults)
            if len(connection.execute(select(intake_sources.c.id).limit(MOST_SOURCES)).all()) >= MOST_SOURCES:
                raise Conflict(f"there are {MOST_SOURCES} sources already")
            place = new.place or _camera_place(connection, new.camera_id)
            source_id = new_ulid(now_s)
            row = {
                "id": source_id,
                "name": name,
                "kind": new.kind.value,
                "grid_code": grid.code,
                "kinds": sorted(set(new.kinds)),
                "camera_id": new.camera_id,
                "lon_deg": place.lon_deg if place else None,
                "lat_deg": place.lat_deg if place else None,
                "responsible_id": new.responsible_id,
                "rate_per_s": new.rate_per_s,
                "active": True,
            }
            secret = {"token_sha256": _sha256(token), "created_s": now_s, "created_by": actor.id}
            connection.execute(insert(intake_sources).values(**row, **secret))
            return Registered(_found(connection, source_id), token)

    def all(self, actor: Actor) -> list[IntakeSource]:
        """By age."""
        query = (
            select(intake_sources)
            .join(grids, grids.c.code == intake_sources.c.grid_code)
            .where(in_sight(grids.c.path, actor, Permission.INTAKE_WRITE))
            .order_by(intake_sources.c.id)
        )
        with reading(self._engine) as connection:
            return [_source(row) for row in connection.execute(query)]

    def set_active(self, actor: Actor, source_id: str, active: bool) -> IntakeSource:
        """One that is not active reports nothing more; what it reported stays. Raises NotFound."""
        with writing(self._engine) as connection:
            self._check(connection, actor, source_id)
            connection.execute(update(intake_sources).where(intake_sources.c.id == source_id).values(active=active))
            return _found(connection, source_id)

    def renew(self, actor: Actor, source_id: str) -> Registered:
        """A new token; the old one is worth nothing from now on. Raises NotFound."""
        token = _new_token()
        with writing(self._engine) as connection:
            self._check(connection, actor, source_id)
            connection.execute(
                update(intake_sources).where(intake_sources.c.id == source_id).values(token_sha256=_sha256(token))
            )
            return Registered(_found(connection, source_id), token)

    def _check(self, connection: Connection, actor: Actor, source_id: str) -> None:
        path = grid_of(connection, _found(connection, source_id).grid_code).path
        check(actor, Permission.INTAKE_WRITE, path, sight=Permission.INTAKE_WRITE)

    def reporter(self, token: str) -> Reporter:
        """Whose token that is. Raises Unauthenticated."""
        query = (
            select(intake_sources, grids.c.path)
            .join(grids, grids.c.code == intake_sources.c.grid_code)
            .where(intake_sources.c.token_sha256 == _sha256(token), intake_sources.c.active)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise Unauthenticated("this token is no source's, or no longer: ask your administrator for a new one")
        source = _source(row)
        return Reporter(
            source=f"{source.kind.value}:{source.id}",
            name=source.name,
            kinds=frozenset(source.kinds),
            rate_per_s=source.rate_per_s,
            at_once=max(BURST, source.rate_per_s),
            home=(source.grid_code, row.path),
            kind=source.kind,
            camera_id=source.camera_id,
            place=source.place,
            responsible_id=source.responsible_id,
        )


def seal_name(source: str, external_id: str) -> str:
    """What the seal of a reporter's contact is bound to."""
    return f"{source}/{external_id}"


def person_as_reporter(actor: Actor) -> Reporter:
    """A signed-in person, who may report of every kind wherever they hold ALERT_REPORT."""
    grant = next(g for g in actor.grants if actor.role_for(Permission.ALERT_REPORT, g.grid_path))
    home = (grant.grid_code, grant.grid_path)
    return Reporter(f"worker:{actor.id}", actor.name, frozenset(KINDS), PERSON_PER_S, PERSON_AT_ONCE, home, actor)


def _faults(connection: Connection, new: NewSource, path: str) -> Sequence[Fault]:
    faults = []
    if not new.kinds:
        faults.append(Fault("kinds", "name at least one kind of incident"))
    for kind in new.kinds:
        try:
            kind_of(kind)
        except InvalidInput as error:
            faults.append(Fault("kinds", str(error)))
    if new.camera_id is not None:
        stands = connection.execute(
            select(cameras.c.grid_path).where(cameras.c.id == checked_key(new.camera_id))
        ).scalar_one_or_none()
        if stands is None or not stands.startswith(path):
            faults.append(Fault("camera_id", f"there is no such camera within grid {new.grid_code}"))
    if new.responsible_id is not None:
        if not any((new.kind, kind) in AUTOMATIC for kind in new.kinds):
            said = ", ".join(f"{source} of {kind}" for source, kind in sorted(AUTOMATIC))
            faults.append(Fault("responsible_id", f"only this is dispatched without an operator: {said}"))
        elif not ledger.workers(connection, [checked_key(new.responsible_id)], path):
            faults.append(Fault("responsible_id", f"nobody of that id may work on cases in grid {new.grid_code}"))
    if not 0.01 <= new.rate_per_s <= FASTEST_PER_S:
        faults.append(Fault("rate_per_s", f"0.01 to {FASTEST_PER_S:g} reports a second"))
    return faults


def _camera_place(connection: Connection, camera_id: str | None) -> GeoPoint | None:
    """Where a device stands that has a camera beside it."""
    query = select(cameras.c.lon_deg, cameras.c.lat_deg).where(cameras.c.id == camera_id)
    row = connection.execute(query).one_or_none() if camera_id else None
    return row and GeoPoint(row.lon_deg, row.lat_deg)


def _found(connection: Connection, source_id: str) -> IntakeSource:
    row = connection.execute(select(intake_sources).where(intake_sources.c.id == checked_key(source_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return _source(row)


def _source(row: Row[Any]) -> IntakeSource:
    return IntakeSource(
        id=row.id,
        name=row.name,
        kind=SourceKind(row.kind),
        grid_code=row.grid_code,
        kinds=tuple(row.kinds),
        camera_id=row.camera_id,
        place=None if row.lon_deg is None else GeoPoint(row.lon_deg, row.lat_deg),
        responsible_id=row.responsible_id,
        rate_per_s=row.rate_per_s,
        active=row.active,
        created_s=row.created_s,
    )


def _new_token() -> str:
    return TOKEN_MARK + secrets.token_urlsafe(32)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
