"""Signing in: passwords checked, attempts limited, sessions that the server can end.

Only hashes are stored: of a password by argon2id, of a session's token by SHA-256 (it is random, 256 bits).
"""

import hashlib
import ipaddress
import math
import re
import secrets
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from alerts.database import reading, writing
from alerts.passwords import check_password, hash_password, one_time_password, verify_password
from models.errors import InvalidInput, TooManyAttempts, Unauthenticated, Unavailable
from models.people import Actor, Grant, Role
from models.tables import grants, grids, people, sessions, sign_in_failures

USERNAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,63}")
"""In lower case: "Admin" is nobody else than "admin"."""
MOST_FAILURES = 5
FAILURE_WINDOW_S = 300.0
"""After MOST_FAILURES within this time, an account or an address waits until the oldest of them is over."""
MOST_CHECKS = 4
"""Passwords that a process checks at once: each takes 19 MiB, and an address may be ahead of its count by so many."""
CHECK_WAIT_S = 5.0

_checking = threading.BoundedSemaphore(MOST_CHECKS)


@dataclass(frozen=True)
class Person:
    """Someone who may sign in."""

    id: str
    username: str
    name: str
    grants: tuple[Grant, ...]
    active: bool
    must_change_password: bool
    created_s: float
    organisation: str | None = None
    skills: tuple[str, ...] = ()
    last_seen_s: float | None = None
    unreachable_s: float | None = None
    unreachable_reason: str | None = None

    @property
    def reachable(self) -> bool:
        """Whoever was marked unreachable is so until they are seen alive again."""
        return self.unreachable_s is None or (self.last_seen_s is not None and self.last_seen_s > self.unreachable_s)


@dataclass(frozen=True)
class Session:
    """A new sign-in. ``token`` is told once; ``csrf_token`` must come back with each change that a browser asks for."""

    token: str = field(repr=False)
    csrf_token: str = field(repr=False)
    expires_s: float
    person: Person


@dataclass(frozen=True)
class SignedIn:
    """Who a request comes from."""

    actor: Actor
    person_id: str
    csrf_token: str = field(repr=False)
    must_change_password: bool
    expires_s: float


def grants_of(connection: Connection, person_id: str) -> tuple[Grant, ...]:
    """What a person may do, and where."""
    query = (
        select(grants.c.role, grids.c.code, grids.c.path)
        .join(grids, grids.c.code == grants.c.grid_code)
        .where(grants.c.person_id == person_id)
        .order_by(grids.c.path, grants.c.role)
    )
    return tuple(Grant(Role(role), code, path) for role, code, path in connection.execute(query))


def person_of(connection: Connection, row: Row[Any]) -> Person:
    """The person of a row of ``people``."""
    return Person(
        id=row.id,
        username=row.username,
        name=row.name,
        grants=grants_of(connection, row.id),
        active=row.active,
        must_change_password=row.must_change_password,
        created_s=row.created_s,
        organisation=row.organisation_code,
        skills=tuple(row.skills or ()),
        last_seen_s=row.last_seen_s,
        unreachable_s=row.unreachable_s,
        unreachable_reason=row.unreachable_reason,
    )


def sign_in(engine: Engine, username: str, password: str, address: str, session_s: float, now_s: float) -> Session:
    """A session for ``session_s`` seconds. ``address`` is the caller's IP address.

    Raises Unauthenticated, in the same time and words whether the user, the password or neither is known; and
    TooManyAttempts for an account or address that failed too often, however right the password is; and Unavailable.
    """
    username = username.strip().lower()
    account = _account(username)
    if not _checking.acquire(timeout=CHECK_WAIT_S):
        raise Unavailable("too many sign in at once; try again shortly", 5)
    try:
        row = _identified(engine, username, password, _origin(address), now_s)
    finally:
        _checking.release()
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    expires_s = now_s + session_s
    with writing(engine) as connection:
        connection.execute(delete(sign_in_failures).where(sign_in_failures.c.subject == account))
        connection.execute(delete(sessions).where(sessions.c.person_id == row.id, sessions.c.expires_s < now_s))
        connection.execute(update(people).where(people.c.id == row.id).values(last_seen_s=now_s))
        connection.execute(
            insert(sessions).values(
                token_sha256=_sha256(token),
                person_id=row.id,
                csrf_token=csrf_token,
                created_s=now_s,
                expires_s=expires_s,
            )
        )
        return Session(token, csrf_token, expires_s, person_of(connection, row))


def _identified(engine: Engine, username: str, password: str, origin: str, now_s: float) -> Row[Any]:
    _begin_attempt(engine, _account(username), origin, now_s)
    row = _find(engine, username)
    # For an unknown user a password is checked all the same: the answer takes as long.
    right = verify_password(password, row.password_hash if row else _nobodys_hash())
    if row is None or not right or not row.active:
        with writing(engine) as connection:
            connection.execute(insert(sign_in_failures).values(subject=origin, at_s=now_s))
        raise Unauthenticated("user name or password is wrong")
    return row


def _find(engine: Engine, username: str) -> Row[Any] | None:
    if USERNAME.fullmatch(username) is None:  # nobody's, and perhaps with characters that a database refuses
        return None
    with reading(engine) as connection:
        return connection.execute(select(people).where(people.c.username == username)).one_or_none()


def session_of(engine: Engine, token: str, now_s: float) -> SignedIn:
    """Who holds that token. Raises Unauthenticated when nobody does, or no longer."""
    query = (
        select(people, sessions.c.csrf_token, sessions.c.expires_s)
        .join(sessions, sessions.c.person_id == people.c.id)
        .where(
            sessions.c.token_sha256 == _sha256(token),
            sessions.c.revoked_s.is_(None),
            sessions.c.expires_s > now_s,
            people.c.active,
        )
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            raise Unauthenticated("nobody is signed in, or the sign-in has ended: sign in again")
        actor = Actor(row.id, row.name, grants_of(connection, row.id))
    return SignedIn(actor, row.id, row.csrf_token, row.must_change_password, row.expires_s)


def sign_out(engine: Engine, token: str, now_s: float) -> None:
    """Ends that session; nothing happens when it has ended already."""
    with writing(engine) as connection:
        connection.execute(
            update(sessions)
            .where(sessions.c.token_sha256 == _sha256(token), sessions.c.revoked_s.is_(None))
            .values(revoked_s=now_s)
        )


def change_password(engine: Engine, token: str, current: str, new: str, now_s: float) -> None:
    """The person who holds ``token`` chooses a password; their other sessions end.

    Raises Unauthenticated; InvalidInput when ``current`` is wrong or ``new`` breaks the rule; TooManyAttempts.
    """
    signed_in = session_of(engine, token, now_s)
    with reading(engine) as connection:
        row = connection.execute(select(people).where(people.c.id == signed_in.person_id)).one()
    check_password(new, row.username)
    if new == current:
        raise InvalidInput("the new password must differ from the current one")
    account = _account(row.username)
    _begin_attempt(engine, account, None, now_s)
    if not verify_password(current, row.password_hash):
        raise InvalidInput("the current password is wrong")
    new_hash = hash_password(new)
    with writing(engine) as connection:
        connection.execute(delete(sign_in_failures).where(sign_in_failures.c.subject == account))
        store_password(connection, row.id, new_hash, now_s, must_change=False, keep_token=token)


def store_password(
    connection: Connection,
    person_id: str,
    password_hash: str,
    now_s: float,
    *,
    must_change: bool,
    keep_token: str | None = None,
) -> None:
    """Sets a password's hash and ends the person's sessions, but for that of ``keep_token``."""
    connection.execute(
        update(people)
        .where(people.c.id == person_id)
        .values(password_hash=password_hash, must_change_password=must_change)
    )
    revoke(connection, person_id, now_s, keep_token)


def revoke(connection: Connection, person_id: str, now_s: float, keep_token: str | None = None) -> None:
    """Ends the person's sessions, in the caller's transaction; that of ``keep_token`` goes on."""
    kept = "" if keep_token is None else _sha256(keep_token)
    connection.execute(
        update(sessions)
        .where(sessions.c.person_id == person_id, sessions.c.revoked_s.is_(None), sessions.c.token_sha256 != kept)
        .values(revoked_s=now_s)
    )


def _begin_attempt(engine: Engine, account: str, origin: str | None, now_s: float) -> None:
    """Counts the attempt as a failure of the account before it is looked at.

    So that a hundred tries at the same moment are limited like a hundred one after the other. Raises TooManyAttempts.
    """
    with writing(engine) as connection:
        connection.execute(delete(sign_in_failures).where(sign_in_failures.c.at_s <= now_s - FAILURE_WINDOW_S))
        for subject in (account, origin):
            wait_s = _wait_s(connection, subject, now_s)
            if wait_s > 0:
                raise TooManyAttempts(f"too many failed sign-ins: try again in {wait_s} s", wait_s)
        connection.execute(insert(sign_in_failures).values(subject=account, at_s=now_s))


def _wait_s(connection: Connection, subject: str | None, now_s: float) -> int:
    """Seconds until the subject may try again; 0 at once."""
    failed = sign_in_failures.c
    count, oldest_s = connection.execute(
        select(func.count(), func.min(failed.at_s)).where(failed.subject == subject)
    ).one()
    return math.ceil(oldest_s + FAILURE_WINDOW_S - now_s) if count >= MOST_FAILURES else 0


def _account(username: str) -> str:
    # Hashed: people type their password into the wrong field.
    return f"account:{_sha256(username.strip().lower())}"


def _origin(address: str) -> str:
    """One subscriber: an IPv4 address, or the /64 that an IPv6 one is from, of which each has plenty."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{_sha256(address)}"
    if isinstance(ip, ipaddress.IPv6Address):
        mapped = ip.ipv4_mapped
        return f"address:{mapped or ipaddress.ip_network((int(ip), 64), strict=False)}"
    return f"address:{ip}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _nobodys_hash() -> str:
    return hash_password(one_time_password())
