"""People at rest: who may sign in, what they may do where, which organisation and skills they have."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.accounts import USERNAME, Person, person_of, revoke, store_password
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.organisations import OrganisationRegistry, joinable
from alerts.passwords import check_password, hash_password, one_time_password
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight
from models import tables
from models.errors import Conflict, InvalidInput, NotFound
from models.people import PERMISSIONS, Actor, Permission, Role
from models.tables import alerts, grids, people
from models.text import checked_text
from models.ulid import new_ulid

MOST_GRANTS = 100
MOST_SKILLS = 20
_SKILL = re.compile(r"[a-z0-9][a-z0-9_\-]{0,31}")


class PersonRegistry(OrganisationRegistry):
    """People, and the grids and organisations that they belong to."""

    def person(self, person_id: str) -> Person:
        """For the product itself: asks no policy. Raises NotFound."""
        with reading(self._engine) as connection:
            return stored_person(connection, person_id)

    def person_named(self, username: str) -> Person:
        """By user name; for the product itself: asks no policy. Raises NotFound."""
        with reading(self._engine) as connection:
            row = connection.execute(select(people).where(people.c.username == checked_key(username))).one_or_none()
            if row is None:
                raise NotFound(f"there is no user {username}")
            return person_of(connection, row)

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
            return stored_person(connection, person_id), one_time

    def reset_password(self, actor: Actor, person_id: str) -> str:
        """An administrator's reset: ends the person's sessions; returns the one-time password.

        The actor must administer people in every grid in which the person holds a grant: who holds more than the
        actor can give is not the actor's to reset. Raises NotFound, Forbidden.
        """
        one_time = one_time_password()
        password_hash = hash_password(one_time)
        with writing(self._engine) as connection:
            administered(connection, actor, person_id, Permission.PEOPLE_WRITE)
            store_password(connection, person_id, password_hash, self._clock(), must_change=True)
        return one_time

    def change_person(
        self,
        actor: Actor,
        person_id: str,
        *,
        name: str | None = None,
        active: bool | None = None,
        organisation: str | None = None,
        skills: Collection[str] | None = None,
    ) -> tuple[Person, int]:
        """The person after the changes, and how many cases they have in hand: who leaves them is to be asked.

        ``organisation`` "" is none. One who is no longer active is signed out, is on no duty, and their past stays.
        As for ``reset_password``, the actor must administer people in every grid in which the person holds a grant.
        Raises NotFound, Forbidden, InvalidInput; Conflict for deactivating oneself.
        """
        if active is False and actor.id == person_id:
            raise Conflict("nobody deactivates themselves: ask another administrator")
        values: dict[str, Any] = {} if name is None else {"name": checked_text(name, "the name")}
        if skills is not None:
            values["skills"] = checked_skills(skills)
        with writing(self._engine) as connection:
            administered(connection, actor, person_id, Permission.PEOPLE_WRITE)
            if active is not None:
                values["active"] = active
            if organisation is not None:
                values["organisation_code"] = joinable(connection, actor, organisation) if organisation else None
            if values:
                connection.execute(update(people).where(people.c.id == person_id).values(values))
            if active is False:
                revoke(connection, person_id, self._clock())
            return stored_person(connection, person_id), in_hand(connection, [person_id]).get(person_id, 0)

    def mark_reachable(self, actor: Actor, person_id: str, reachable: bool, reason: str = "") -> Person:
        """Someone tried to reach the person: marked so until they are seen alive again, or marked otherwise.

        ``reason``: how it was tried; needed for unreachable. The actor may mark whoever holds a grant in their grids.
        Raises NotFound, InvalidInput.
        """
        now_s = self._clock()
        values = {
            "unreachable_s": None if reachable else now_s,
            "unreachable_reason": None if reachable else checked_text(reason, "the reason"),
        }
        with writing(self._engine) as connection:
            person = stored_person(connection, person_id)
            if not actor.is_system and not any(
                actor.role_for(Permission.PEOPLE_REACH, grant.grid_path) for grant in person.grants
            ):
                raise NotFound(NO_SUCH_THING)
            connection.execute(update(people).where(people.c.id == person.id).values(values))
            return stored_person(connection, person.id)

    def seen_alive(self, person_id: str) -> None:
        """The person's phone or console has shown itself."""
        with writing(self._engine) as connection:
            connection.execute(update(people).where(people.c.id == person_id).values(last_seen_s=self._clock()))


def checked_skills(skills: Collection[str]) -> list[str]:
    """Skills are codes such as "electrician", each once, in order. Raises InvalidInput."""
    if len(skills) > MOST_SKILLS or not all(isinstance(skill, str) and _SKILL.fullmatch(skill) for skill in skills):
        raise InvalidInput(f"at most {MOST_SKILLS} skills, each 1 to 32 of a-z, 0-9, '-' or '_'")
    return sorted(set(skills))


def administered(connection: Connection, actor: Actor, person_id: str, permission: Permission) -> Person:
    """The person, if the actor holds the permission in every grid in which the person holds a grant.

    Who holds more than the actor can give is not the actor's to change. Raises NotFound, Forbidden.
    """
    person = stored_person(connection, person_id)
    if not actor.is_system and not any(actor.role_for(permission, grant.grid_path) for grant in person.grants):
        raise NotFound(NO_SUCH_THING)
    for grant in person.grants:
        check(actor, permission, grant.grid_path, sight=Permission.GRID_READ)
    return person


def may_work(person: Person, grid_path: str) -> bool:
    """Whether the person is active and may work on cases in the grid of that path."""
    return person.active and any(
        grid_path.startswith(grant.grid_path) and Permission.ALERT_WORK in PERMISSIONS[grant.role]
        for grant in person.grants
    )


def stored_person(connection: Connection, person_id: str) -> Person:
    """Raises NotFound."""
    row = connection.execute(select(people).where(people.c.id == checked_key(person_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return person_of(connection, row)


def _seen_by(actor: Actor, person: Person) -> Person:
    if actor.is_system:
        return person
    held = [grant for grant in person.grants if actor.role_for(Permission.PEOPLE_WRITE, grant.grid_path)]
    return replace(person, grants=tuple(held))


def in_hand(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """How many cases each of these people has in hand; those who have none are left out."""
    query = select(alerts.c.held_by, func.count()).where(alerts.c.held_by.in_(ids)).group_by(alerts.c.held_by)
    return {row[0]: row[1] for row in connection.execute(query)}
