"""Leases between processes, in SQL: what one process at a time may do, and signs of life."""

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.database import reading, writing
from models.tables import leases

FORGOTTEN_AFTER_S = 3600.0


def take(connection: Connection, name: str, holder: str, now_s: float, lease_s: float) -> bool:
    """Whether ``holder`` has the lease now: it was free, had run out, or was its own, which it thereby prolongs.

    Within the caller's transaction, so that what the holder writes in it is written under the lease.
    """
    row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one_or_none()
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(leases).values(name=name, holder=holder, fence=1, until_s=now_s + lease_s))
        except IntegrityError:  # another process was first this very moment
            return False
        return True
    if row.holder != holder and row.until_s > now_s:
        return False
    fence = row.fence if row.holder == holder else row.fence + 1
    connection.execute(
        update(leases).where(leases.c.name == name).values(holder=holder, fence=fence, until_s=now_s + lease_s)
    )
    return True


def beat(engine: Engine, role: str, holder: str, now_s: float, lease_s: float) -> None:
    """A sign of life of one process of that role, good for ``lease_s``. Drops the signs of those long gone."""
    with writing(engine, beside=True) as connection:
        take(connection, f"{role}:{holder}"[:64], holder, now_s, lease_s)
        connection.execute(
            delete(leases).where(
                leases.c.name.startswith(f"{role}:", autoescape=True), leases.c.until_s < now_s - FORGOTTEN_AFTER_S
            )
        )


def alive(engine: Engine, role: str, now_s: float) -> bool:
    """Whether any process of that role has given a sign of life that still holds."""
    with reading(engine) as connection:
        row = connection.execute(
            select(leases.c.name).where(leases.c.name.startswith(f"{role}:", autoescape=True), leases.c.until_s > now_s)
        ).first()
    return row is not None
