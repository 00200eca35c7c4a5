"""Organisations at rest: departments, units with an inbox of their own, contractors with a workforce of their own."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.arguments import code as checked_code
from alerts.database import reading, writing
from alerts.grid_registry import GridRegistry, grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight
from models.errors import Conflict, InvalidInput, NotFound
from models.people import Actor, Permission
from models.tables import grids, organisations
from models.text import checked_text


class OrganisationKind(StrEnum):
    DEPARTMENT = "department"  # 部门
    UNIT = "unit"  # 专业处置单位
    CONTRACTOR = "contractor"  # 外包单位
    COMMUNITY = "community"  # 村、社区


@dataclass(frozen=True)
class Organisation:
    """``grid_code``: where it works, with all below. People belong to at most one."""

    code: str
    name: str
    kind: OrganisationKind
    grid_code: str
    active: bool


class OrganisationRegistry(GridRegistry):
    """Organisations, within the grids that they work in."""

    def organisations(self, actor: Actor, *, limit: int = 100, after: str | None = None) -> Page[Organisation]:
        """Those whose grid is in sight, by code."""
        query = (
            select(organisations)
            .join(grids, grids.c.code == organisations.c.grid_code)
            .where(in_sight(grids.c.path, actor, Permission.PEOPLE_READ))
            .order_by(organisations.c.code)
        )
        if after is not None:
            query = query.where(organisations.c.code > checked_key(after))
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
        items = tuple(_organisation(row) for row in rows[:limit])
        return Page(items, items[-1].code if len(rows) > limit else None)

    def add_organisation(
        self, actor: Actor, code: str, name: str, kind: OrganisationKind, grid_code: str
    ) -> Organisation:
        """Raises NotFound, Forbidden, InvalidInput; Conflict for a code that is taken."""
        code, name = checked_code(code), checked_text(name, "the name")
        with writing(self._engine) as connection:
            grid = grid_of(connection, grid_code)
            check(actor, Permission.PEOPLE_WRITE, grid.path, sight=Permission.GRID_READ)
            values = {"code": code, "name": name, "kind": kind.value, "grid_code": grid.code, "active": True}
            try:
                connection.execute(insert(organisations).values(**values, created_s=self._clock()))
            except IntegrityError:
                raise Conflict(f"the code {code} is taken by another organisation") from None
        return Organisation(code, name, kind, grid.code, True)

    def change_organisation(
        self, actor: Actor, code: str, *, name: str | None = None, active: bool | None = None
    ) -> Organisation:
        """One that is not active takes no more people and no more cases. Raises NotFound, Forbidden, InvalidInput."""
        with writing(self._engine) as connection:
            found = organisation_of(connection, code)
            path = grid_of(connection, found.grid_code).path
            check(actor, Permission.PEOPLE_WRITE, path, sight=Permission.PEOPLE_READ)
            values: dict[str, Any] = {} if name is None else {"name": checked_text(name, "the name")}
            if active is not None:
                values["active"] = active
            if values:
                connection.execute(update(organisations).where(organisations.c.code == code).values(values))
            return organisation_of(connection, code)


def organisation_of(connection: Connection, code: str) -> Organisation:
    """Raises NotFound."""
    row = connection.execute(select(organisations).where(organisations.c.code == checked_key(code))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return _organisation(row)


def joinable(connection: Connection, actor: Actor, code: str) -> str:
    """The code, if the actor may put people into that organisation. Raises InvalidInput."""
    try:
        found = organisation_of(connection, code)
        check(actor, Permission.PEOPLE_WRITE, grid_of(connection, found.grid_code).path, sight=Permission.PEOPLE_WRITE)
    except NotFound:
        raise InvalidInput(f"there is no organisation {code} that you may put people into") from None
    if not found.active:
        raise InvalidInput(f"the organisation {code} is not active any more")
    return found.code


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(row.code, row.name, OrganisationKind(row.kind), row.grid_code, row.active)
