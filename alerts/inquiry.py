"""What has to be looked up before a command is decided: the route of a dispatch, a grid, a unit, a person, the hour."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Connection, select

from alerts import ledger
from alerts.candidates import by_skill, in_brackets
from alerts.lifecycle import read_arguments
from alerts.queries import checked_key
from alerts.rota import skills_needed
from alerts.routing import Route, route
from alerts.sayings import Facts
from alerts.shifts import on_rota
from alerts.sla import PolicyBook
from models import tables
from models.alert import Alert, Command, CommandType
from models.errors import InvalidInput
from models.people import PERMISSIONS, Duty, Permission, Role

_WORKING = [role.value for role in Role if Permission.ALERT_WORK in PERMISSIONS[role]]
_C = CommandType


class Duties(Protocol):
    """Who is on duty in some grids."""

    def duties(self, codes: Collection[str], now_s: float) -> Sequence[Duty]: ...


def look_up(
    connection: Connection,
    duties: Duties,
    book: PolicyBook,
    alert: Alert,
    command: Command,
    now_s: float,
    lease_s: float,
) -> Facts:
    """The facts for that command. Raises InvalidInput for a grid or person that there is not, as the actor may see."""
    if command.type is _C.DISPATCH:
        return _dispatch(connection, duties, alert, command, now_s)
    if command.type in (_C.TRANSFER_UP, _C.ASSIGN_DOWN):
        grid_code = read_arguments(command)["grid_code"]
        return Facts(grid=(grid_code, ledger.grid_path(connection, grid_code) or ""))
    if command.type is _C.TRANSFER_ACROSS:
        return Facts(unit=_unit(connection, read_arguments(command)["unit"], alert.grid_path))
    if command.type in (_C.TAKE_OVER, _C.DECLINE):
        return Facts(organisation=_organisation(connection, command.actor.id))
    if command.type is _C.ADD_CO_ASSIGNEE:
        return Facts(known_person=_works(connection, read_arguments(command)["person_id"]))
    if command.type is _C.VOID_ALONE:
        return Facts(working_time=book.calendar(alert.grid_path).works_at(now_s))
    return Facts(lease_s=lease_s)


def _dispatch(connection: Connection, duties: Duties, alert: Alert, command: Command, now_s: float) -> Facts:
    arguments = read_arguments(command)
    grid_code: str = arguments.get("grid_code", alert.grid_code)
    path = ledger.grid_path(connection, grid_code)
    actor = command.actor
    if path is None or not (actor.is_system or actor.role_for(Permission.ALERT_DISPATCH, path)):
        raise InvalidInput(f"there is no grid {grid_code} that you may dispatch to")
    person_id: str | None = arguments.get("person_id")
    if person_id is not None:
        if person_id not in ledger.workers(connection, [person_id], path):
            raise InvalidInput(f"nobody of that id may work on cases in grid {grid_code}")
        return Facts(Route((person_id,), grid_code, None), (grid_code, path))
    upwards = [code for code in reversed(path.split("/")) if code]
    found = duties.duties(upwards, now_s)
    able = ledger.workers(connection, [duty.person_id for duty in found], path)
    skilled, lacking = by_skill(found, skills_needed(connection, path, alert.kind))
    taken = route(upwards, [duty for duty in skilled if duty.person_id in able], now_s)
    if taken.shortfall is not None:
        missing = [
            *on_rota(connection, [grid_code], now_s)[1],
            *(item for item in lacking if item.grid_code == grid_code),
        ]
        taken = replace(taken, shortfall=taken.shortfall + in_brackets(missing))
    return Facts(taken, (grid_code, path))


def _unit(connection: Connection, code: str, grid_path: str) -> str | None:
    """The code, if that is an active organisation whose grid the case lies in."""
    units = tables.organisations.c
    row = connection.execute(
        select(units.grid_code).where(units.code == checked_key(code), units.active)
    ).scalar_one_or_none()
    return code if row is not None and row in grid_path.split("/") else None


def _organisation(connection: Connection, person_id: str) -> str | None:
    people = tables.people.c
    return connection.execute(select(people.organisation_code).where(people.id == person_id)).scalar_one_or_none()


def _works(connection: Connection, person_id: str) -> bool:
    """Whether that is someone active who may work on cases, wherever it be: help may come from a neighbouring grid."""
    query = (
        select(tables.people.c.id)
        .join(tables.grants, tables.grants.c.person_id == tables.people.c.id)
        .where(tables.people.c.id == checked_key(person_id), tables.people.c.active)
        .where(tables.grants.c.role.in_(_WORKING))
    )
    return connection.execute(query).first() is not None
