"""The rota at rest: shifts, absences with stand-ins; who can be asked at a time, and why others cannot."""

import math
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from alerts.candidates import Absence, Missing, Shift, Worker, fit, off_shift, present
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.person_registry import PersonRegistry, administered, in_hand, may_work, stored_person
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_limit
from models import tables
from models.errors import InvalidInput, NotFound
from models.people import PERMISSIONS, Actor, Duty, Permission, Role
from models.tables import absences, duties, people
from models.text import checked_text

LONGEST_DUTY_S = 31 * 86_400.0
LONGEST_ABSENCE_S = 366 * 86_400.0
LOOK_AHEAD_S = 14 * 86_400.0
"""How far ahead someone's next shift is looked for."""

_WORKING = [role.value for role in Role if Permission.ALERT_WORK in PERMISSIONS[role]]


class ShiftRegistry(PersonRegistry):
    """Who is to be asked, where and when."""

    def put_on_duty(
        self, actor: Actor, person_id: str, grid_code: str, starts_s: float, ends_s: float, rank: int = 0
    ) -> Shift:
        """On duty in that grid from ``starts_s`` until before ``ends_s``; rank 0 is asked first, 1 is the backup.

        A shift that is there already, to the second, is not written twice. Raises NotFound, Forbidden; InvalidInput for
        no time, or for a person who may not work on alerts there.
        """
        with writing(self._engine) as connection:
            return add_shift(connection, actor, person_id, grid_code, starts_s, ends_s, rank)[0]

    def end_shift(self, actor: Actor, shift_id: int) -> None:
        """Takes a shift out of the rota from now on: one that has begun ends now, one to come is gone.

        Raises NotFound, Forbidden.
        """
        now_s = self._clock()
        with writing(self._engine) as connection:
            row = connection.execute(select(duties).where(duties.c.id == shift_id)).one_or_none()
            if row is None:
                raise NotFound(NO_SUCH_THING)
            path = grid_of(connection, row.grid_code).path
            check(actor, Permission.DUTY_WRITE, path, sight=Permission.PEOPLE_READ)
            if row.starts_s >= now_s:
                connection.execute(delete(duties).where(duties.c.id == shift_id))
            elif row.ends_s > now_s:
                connection.execute(duties.update().where(duties.c.id == shift_id).values(ends_s=now_s))

    def shifts(
        self, actor: Actor, grid_code: str, from_s: float, to_s: float, *, limit: int = 100, after: str | None = None
    ) -> Page[tuple[Shift, str]]:
        """The rota of one grid between two times, with each person's name, in order of entry."""
        grid = self.grid(grid_code, actor)
        check(actor, Permission.PEOPLE_READ, grid.path, sight=Permission.GRID_READ)
        query = (
            select(duties, people.c.name)
            .join(people, people.c.id == duties.c.person_id)
            .where(duties.c.grid_code == grid.code, duties.c.starts_s < to_s, duties.c.ends_s > from_s)
            .order_by(duties.c.id)
        )
        if after is not None:
            query = query.where(duties.c.id > _number(after))
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
        items = tuple((_shift(row), row.name) for row in rows[:limit])
        return Page(items, str(items[-1][0].id) if len(rows) > limit else None)

    def add_absence(
        self, actor: Actor, person_id: str, starts_s: float, ends_s: float, reason: str, stand_in_id: str | None = None
    ) -> Absence:
        """Leave, from ``starts_s`` until before ``ends_s``: the person's shifts then are the stand-in's, or nobody's.

        The stand-in must be allowed to work wherever the person is. Raises NotFound, Forbidden, InvalidInput.
        """
        _check_span(starts_s, ends_s, LONGEST_ABSENCE_S, "an absence")
        reason = checked_text(reason, "the reason")
        with writing(self._engine) as connection:
            person = administered(connection, actor, person_id, Permission.DUTY_WRITE)
            if stand_in_id is not None:
                stand_in = stored_person(connection, stand_in_id)
                working = [grant for grant in person.grants if Permission.ALERT_WORK in PERMISSIONS[grant.role]]
                if stand_in.id == person.id or not all(may_work(stand_in, grant.grid_path) for grant in working):
                    raise InvalidInput("the stand-in must be another person who may work wherever this one does")
            values: dict[str, Any] = {
                "person_id": person.id,
                "starts_s": starts_s,
                "ends_s": ends_s,
                "stand_in_id": stand_in_id,
                "reason": reason,
            }
            entered = {"entered_by": actor.id, "entered_s": self._clock()}
            made = connection.execute(insert(absences).values(**values, **entered).returning(absences.c.id))
            return Absence(made.scalar_one(), **values)

    def end_absence(self, actor: Actor, absence_id: int) -> None:
        """The person is back: one that has begun ends now, one to come is gone. Raises NotFound, Forbidden."""
        now_s = self._clock()
        with writing(self._engine) as connection:
            row = connection.execute(select(absences).where(absences.c.id == absence_id)).one_or_none()
            if row is None:
                raise NotFound(NO_SUCH_THING)
            administered(connection, actor, row.person_id, Permission.DUTY_WRITE)
            if row.starts_s >= now_s:
                connection.execute(delete(absences).where(absences.c.id == absence_id))
            elif row.ends_s > now_s:
                connection.execute(absences.update().where(absences.c.id == absence_id).values(ends_s=now_s))

    def absences(self, actor: Actor, grid_code: str, from_s: float, to_s: float) -> list[tuple[Absence, str]]:
        """Who of that grid's own people is away between two times, with names; at most 500."""
        grid = self.grid(grid_code, actor)
        check(actor, Permission.PEOPLE_READ, grid.path, sight=Permission.GRID_READ)
        with reading(self._engine) as connection:
            of = select(tables.grants.c.person_id).where(tables.grants.c.grid_code == grid.code)
            query = (
                select(absences, people.c.name)
                .join(people, people.c.id == absences.c.person_id)
                .where(absences.c.person_id.in_(of), absences.c.starts_s < to_s, absences.c.ends_s > from_s)
                .order_by(absences.c.starts_s, absences.c.id)
                .limit(500)
            )
            return [(_absence(row), row.name) for row in connection.execute(query)]

    def duties(self, codes: Collection[str], now_s: float) -> list[Duty]:
        """Who is on duty now in any of those grids, first to be asked first, with how many cases each has in hand."""
        with reading(self._engine) as connection:
            return on_rota(connection, codes, now_s)[0]

    def roster(
        self, actor: Actor, grid_code: str, at_s: float, needs: Collection[str] = ()
    ) -> tuple[list[Duty], list[Missing]]:
        """Who of a grid can be asked at a time, for what needs those skills; and who cannot, each with the reason.

        Raises NotFound, Forbidden.
        """
        grid = self.grid(grid_code, actor)
        check(actor, Permission.PEOPLE_READ, grid.path, sight=Permission.GRID_READ)
        with reading(self._engine) as connection:
            there, gone = on_rota(connection, [grid.code], at_s)
            able, unfit = fit(there, needs)
            posted = _posted(connection, grid.code)
            coming = _shifts(connection, [grid.code], at_s, at_s + LOOK_AHEAD_S)
            workers = _workers(connection, posted)
        off = off_shift({grid.code: posted}, workers, (s for s in coming if s.starts_s > at_s), [*there, *gone])
        return able, [*gone, *unfit, *off]


def add_shift(
    connection: Connection, actor: Actor, person_id: str, grid_code: str, starts_s: float, ends_s: float, rank: int
) -> tuple[Shift, bool]:
    """The shift, and whether it is new. Raises as ``put_on_duty``."""
    _check_span(starts_s, ends_s, LONGEST_DUTY_S, "a duty")
    if not 0 <= rank <= 9:
        raise InvalidInput("a duty's rank is 0 to 9")
    grid = grid_of(connection, grid_code)
    check(actor, Permission.DUTY_WRITE, grid.path, sight=Permission.GRID_READ)
    person = stored_person(connection, person_id)
    if not may_work(person, grid.path):
        raise InvalidInput(f"that person may not work on alerts in grid {grid_code}: grant it first")
    values: dict[str, Any] = {
        "person_id": person.id,
        "grid_code": grid.code,
        "rank": rank,
        "starts_s": starts_s,
        "ends_s": ends_s,
    }
    there = connection.execute(select(duties).filter_by(**values).limit(1)).one_or_none()
    if there is not None:
        return _shift(there), False
    made = connection.execute(insert(duties).values(values).returning(duties.c.id)).scalar_one()
    return Shift(made, **values), True


def _check_span(starts_s: float, ends_s: float, longest_s: float, what: str) -> None:
    if not (math.isfinite(starts_s) and math.isfinite(ends_s) and 0 < ends_s - starts_s <= longest_s):
        raise InvalidInput(f"{what} ends after it starts, and within {longest_s / 86_400:.0f} days")


def _number(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput("after must be what a page gave as next, unchanged")
    return int(after)


def on_rota(connection: Connection, codes: Collection[str], now_s: float) -> tuple[list[Duty], list[Missing]]:
    """Who is on duty in those grids by the rota now, stand-ins in their places; and who of it is not there."""
    shifts = _shifts(connection, codes, now_s, now_s)
    ids = {shift.person_id for shift in shifts}
    away = _away(connection, ids, now_s)
    stand_ins = {absence.stand_in_id for absence in away if absence.stand_in_id is not None} - ids
    away += _away(connection, stand_ins, now_s)
    return present(shifts, away, _workers(connection, ids | stand_ins), now_s)


def _shifts(connection: Connection, codes: Collection[str], from_s: float, to_s: float) -> list[Shift]:
    where = (duties.c.grid_code.in_(codes), duties.c.starts_s <= to_s, duties.c.ends_s > from_s)
    return [_shift(row) for row in connection.execute(select(duties).where(*where).order_by(duties.c.id))]


def _away(connection: Connection, ids: Collection[str], now_s: float) -> list[Absence]:
    if not ids:
        return []
    where = (absences.c.person_id.in_(ids), absences.c.starts_s <= now_s, absences.c.ends_s > now_s)
    return [_absence(row) for row in connection.execute(select(absences).where(*where))]


def _posted(connection: Connection, grid_code: str) -> set[str]:
    """Those who hold a working grant in just that grid."""
    held = tables.grants.c
    query = select(held.person_id).where(held.grid_code == grid_code, held.role.in_(_WORKING))
    return set(connection.execute(query).scalars())


def _workers(connection: Connection, ids: Collection[str]) -> dict[str, Worker]:
    if not ids:
        return {}
    columns = people.c
    busy = in_hand(connection, ids)
    reachable = or_(columns.unreachable_s.is_(None), columns.last_seen_s > columns.unreachable_s)
    query = select(
        columns.id,
        columns.name,
        columns.active,
        columns.skills,
        columns.organisation_code,
        reachable.label("reachable"),
    ).where(columns.id.in_(ids))
    return {
        row.id: Worker(
            row.id,
            row.name,
            row.active,
            bool(row.reachable),
            tuple(row.skills or ()),
            row.organisation_code,
            busy.get(row.id, 0),
        )
        for row in connection.execute(query)
    }


def _shift(row: Any) -> Shift:
    return Shift(row.id, row.person_id, row.grid_code, row.rank, row.starts_s, row.ends_s)


def _absence(row: Any) -> Absence:
    return Absence(row.id, row.person_id, row.starts_s, row.ends_s, row.stand_in_id, row.reason)
