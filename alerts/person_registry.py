"""People at rest: who may sign in, what they may do where, and who is on duty."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from alerts.accounts import USERNAME, Person, person_of, store_password
from alerts.database import reading, writing
from alerts.grid_registry import GridRegistry, grid_of
from alerts.passwords import check_password, hash_password, one_time_password
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight
from models import tables
from models.alert import State
from models.errors import Conflict, InvalidInput, NotFound
from models.people import Actor, Duty, Permission, Role
from models.tables import alerts, duties, grids, people
from models.text import checked_text
from models.ulid import new_ulid

LONGEST_DUTY_S = 31 * 86_400.0
MOST_GRANTS = 100
_IN_HAND = (State.ACCEPTED, State.ON_SCENE, State.REOPENED)
"""States in which an alert's assignee has work to do."""


class PersonRegistry(GridRegistry):
    """People and duties, and the grids that they belong to."""

    def person(self, person_id: str) -> Person:
        """For the product itself: asks no policy. Raises NotFound."""
        with reading(self._engine) as connection:
            return _person(connection, person_id)

    def people(self, actor: Actor, *, limit: int = 100, after: str | None = None) -> Page[Person]:
        """Those who hold a grant where the actor administers people, by user name; each with those grants only."""
        held = select(tables.grants.c.person_id).join(grids, grids.c.code == tables.grants.c.grid_code)
        query = (
            select(people)
            .where(people.c.id.in_(held.where(in_sight(grids.c.path, actor, Permission.PEOPLE_WRITE))))
            .order_by(people.c.username)
        )
        if after is not None:
            query = query.where(people.c.username > checked_key(after))
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
            items = tuple(_seen_by(actor, person_of(connection, row)) for row in rows[:limit])
        return Page(items, items[-1].username if len(rows) > limit else None)

    def add_person(
        self, actor: Actor, username: str, name: str, password: str | None, grants: Sequence[tuple[Role, str]]
    ) -> tuple[Person, str | None]:
        """The person, and the one-time password where none is given: told once, to be changed after it is used.

        ``grants``: each a permission set and the code of the grid that it holds in, with all below it. The actor must
        administer people in every grid named. Raises NotFound, Forbidden, InvalidInput; Conflict for a taken user name.
        """
        username, name = username.strip().lower(), checked_text(name, "the name")
        if USERNAME.fullmatch(username) is None:
            raise InvalidInput("a user name is 1 to 64 of a-z, 0-9, '.', '-' or '_', and begins with a letter or digit")
        if not 1 <= len(grants) <= MOST_GRANTS:
            raise InvalidInput(f"name 1 to {MOST_GRANTS} grants, each a role in a grid")
        one_time = one_time_password() if password is None else None
        if password is not None:
            check_password(password, username)
        now_s = self._clock()
        person_id, password_hash = new_ulid(now_s), hash_password(password or one_time or "")
        with writing(self._engine) as connection:
            for _, code in grants:
                path = grid_of(connection, code).path
                check(actor, Permission.PEOPLE_WRITE, path, sight=Permission.GRID_READ)
            values = {
                "id": person_id,
                "username": username,
                "name": name,
                "password_hash": password_hash,
                "must_change_password": one_time is not None,
                "active": True,
                "created_s": now_s,
            }
            try:
                connection.execute(insert(people).values(values))
            except IntegrityError:
                raise Conflict(f"the user name {username} is taken") from None
            held = [
                {"person_id": person_id, "role": role.value, "grid_code": code} for role, code in dict.fromkeys(grants)
            ]
            connection.execute(insert(tables.grants), held)
            return _person(connection, person_id), one_time

    def reset_password(self, actor: Actor, person_id: str) -> str:
        """An administrator's reset: ends the person's sessions; returns the one-time password.

        The actor must administer people in every grid in which the person holds a grant: who holds more than the
        actor can give is not the actor's to reset. Raises NotFound, Forbidden.
        """
        one_time = one_time_password()
        password_hash = hash_password(one_time)
        with writing(self._engine) as connection:
            person = _person(connection, person_id)
            if not actor.is_system and not any(
                actor.role_for(Permission.PEOPLE_WRITE, grant.grid_path) for grant in person.grants
            ):
                raise NotFound(NO_SUCH_THING)
            for grant in person.grants:
                check(actor, Permission.PEOPLE_WRITE, grant.grid_path, sight=Permission.GRID_READ)
            store_password(connection, person_id, password_hash, self._clock(), must_change=True)
        return one_time

    def put_on_duty(
        self, actor: Actor, person_id: str, grid_code: str, starts_s: float, ends_s: float, rank: int = 0
    ) -> Duty:
        """On duty in that grid from ``starts_s`` until before ``ends_s``; rank 0 is asked first, 1 is the backup.

        Raises NotFound, Forbidden; InvalidInput for no time, or for a person who may not work on alerts there.
        """
        if not (math.isfinite(starts_s) and math.isfinite(ends_s) and 0 < ends_s - starts_s <= LONGEST_DUTY_S):
            raise InvalidInput(f"a duty ends after it starts, and within {LONGEST_DUTY_S / 86_400:.0f} days")
        if not 0 <= rank <= 9:
            raise InvalidInput("a duty's rank is 0 to 9")
        with writing(self._engine) as connection:
            grid = grid_of(connection, grid_code)
            check(actor, Permission.PEOPLE_WRITE, grid.path, sight=Permission.GRID_READ)
            person = _person(connection, person_id)
            worker = Actor(person.id, person.name, person.grants)
            if not person.active or worker.role_for(Permission.ALERT_WORK, grid.path) is None:
                raise InvalidInput(f"that person may not work on alerts in grid {grid_code}: grant it first")
            values = {
                "person_id": person_id,
                "grid_code": grid_code,
                "rank": rank,
                "starts_s": starts_s,
                "ends_s": ends_s,
            }
            connection.execute(insert(duties).values(values))
        return Duty(person.id, person.name, grid_code, rank, starts_s, ends_s)

    def duties(self, codes: Collection[str], now_s: float) -> list[Duty]:
        """Who is on duty now in any of those grids, first to be asked first, with how many cases each has in hand."""
        query = (
            select(duties, people.c.name)
            .join(people, people.c.id == duties.c.person_id)
            .where(duties.c.grid_code.in_(codes), duties.c.starts_s <= now_s, duties.c.ends_s > now_s, people.c.active)
            .order_by(duties.c.grid_code, duties.c.rank, duties.c.person_id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
            in_hand = _in_hand(connection) if rows else {}
        return [
            Duty(
                row.person_id,
                row.name,
                row.grid_code,
                row.rank,
                row.starts_s,
                row.ends_s,
                in_hand.get(row.person_id, 0),
            )
            for row in rows
        ]


def _person(connection: Connection, person_id: str) -> Person:
    row = connection.execute(select(people).where(people.c.id == checked_key(person_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return person_of(connection, row)


def _seen_by(actor: Actor, person: Person) -> Person:
    if actor.is_system:
        return person
    held = [grant for grant in person.grants if actor.role_for(Permission.PEOPLE_WRITE, grant.grid_path)]
    return replace(person, grants=tuple(held))


def _in_hand(connection: Connection) -> dict[str, int]:
    """How many cases each assignee has in hand."""
    assignee: Any = alerts.c.body["assignee"].as_string()
    query = select(assignee, func.count()).where(alerts.c.state.in_(_IN_HAND), assignee.is_not(None)).group_by(assignee)
    return {row[0]: row[1] for row in connection.execute(query)}
