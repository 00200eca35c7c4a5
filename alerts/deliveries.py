"""What is to be delivered, to phones and to other systems: one row per message and receiver, until it is settled.

To one receiver a few go out at once, what tells of one alert strictly in order. One that fails gets one at a time, so
that it is not hurried by the next.
Before it goes out its next try is written down: whoever dies on the way leaves a row that is tried again, under the
same key.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, case, delete, func, or_, select, update

from alerts.database import reading, writing
from alerts.policy import NO_SUCH_THING
from alerts.queries import Page, checked_limit, in_sight
from models.errors import Conflict, InvalidInput, NotFound
from models.people import Actor, Permission
from models.tables import alerts, deliveries

NOTICE, WEBHOOK = "notice", "webhook"
WAITING, SENT, DROPPED, DEAD = "waiting", "sent", "dropped", "dead"
STATES = (WAITING, SENT, DROPPED, DEAD)
FAILED = "failed"

IN_FLIGHT_S = 60.0
"""Above what one message can take. After this it is taken for lost with whoever was sending it."""
AT_ONCE = 4
"""Messages on their way to one receiver."""
COUNTED_S = 86_400.0
"""How far back what is settled is counted."""


@dataclass(frozen=True)
class Delivery:
    """``attempts`` counts those begun. ``place`` is that of the channel among the person's; 0 where there is none."""

    id: int
    key: str
    purpose: str
    target_id: str | None
    person_id: str | None
    alert_id: str
    version: int
    position: int
    topic: str
    place: int
    on_duty_only: bool
    state: str
    said: str | None
    attempts: int
    made_s: float
    due_s: float
    settled_s: float | None

    @property
    def message_id(self) -> str:
        """What a receiver tells a duplicate by."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


def _of(row: Row[Any]) -> Delivery:
    return Delivery(**row._mapping)


def claim(engine: Engine, now_s: float, limit: int) -> list[Delivery]:
    """Up to ``limit`` that are to go out now, marked as begun: the oldest of each receiver."""
    kept = deliveries.c
    turns = _turns(now_s)
    due = select(deliveries).where(kept.id.in_(turns), kept.due_s <= now_s).order_by(kept.due_s, kept.id).limit(limit)
    with reading(engine) as connection:  # the write lock is not for looking
        if connection.execute(due.limit(1)).first() is None:
            return []
    with writing(engine) as connection:
        found = [_of(row) for row in connection.execute(due.with_for_update(skip_locked=True))]
        begun = update(deliveries).where(kept.id.in_([item.id for item in found]))
        connection.execute(begun.values(attempts=kept.attempts + 1, due_s=now_s + IN_FLIGHT_S))
    return [Delivery(**{**vars(item), "attempts": item.attempts + 1}) for item in found]


def _turns(now_s: float) -> Select[tuple[int]]:
    """Whose turn it is at each receiver, those included that are on their way or wait to be tried again."""
    kept = deliveries.c
    open_ = (kept.state == WAITING) & or_(kept.attempts > 0, kept.due_s <= now_s)
    failed = func.max(case((kept.said.is_not(None), 1), else_=0)).label("failed")
    first = func.min(kept.id).label("id")
    heads = select(kept.target_id, first, failed).where(open_).group_by(kept.target_id, kept.alert_id).subquery()
    failed_first = (heads.c.failed.desc(), heads.c.id)
    rank = func.row_number().over(partition_by=heads.c.target_id, order_by=failed_first).label("rank")
    any_failed = func.max(heads.c.failed).over(partition_by=heads.c.target_id).label("failed")
    ranked = select(heads.c.id, rank, any_failed).subquery()
    return select(ranked.c.id).where(ranked.c.rank <= case((ranked.c.failed == 1, 1), else_=AT_ONCE))


def settle(engine: Engine, item: Delivery, state: str, said: str | None, now_s: float) -> None:
    """It is sent, dropped or dead. A notification that is dead lets the person's next channel begin at once."""
    with writing(engine) as connection:
        if not _write(connection, item, {"state": state, "said": said, "settled_s": now_s}) or state != DEAD:
            return
        kept = deliveries.c
        nexts = select(func.min(kept.place)).where(*_siblings(item), kept.place > item.place, kept.state == WAITING)
        following = update(deliveries).where(*_siblings(item), kept.place == nexts.scalar_subquery())
        connection.execute(following.where(kept.due_s > now_s, kept.attempts == 0).values(due_s=now_s))


def _siblings(item: Delivery) -> tuple[Any, ...]:
    kept = deliveries.c
    same = kept.alert_id == item.alert_id, kept.version == item.version, kept.person_id == item.person_id
    return (*same, kept.purpose == NOTICE)


def postpone(engine: Engine, item: Delivery, said: str, due_s: float) -> None:
    """It failed, and is tried again then."""
    with writing(engine) as connection:
        _write(connection, item, {"said": said, "due_s": due_s})


def _write(connection: Connection, item: Delivery, values: Mapping[str, Any]) -> bool:
    """Whether it was still this attempt's to say: another one may have begun since."""
    mine = (deliveries.c.id == item.id, deliveries.c.state == WAITING, deliveries.c.attempts == item.attempts)
    return connection.execute(update(deliveries).where(*mine).values(**values)).rowcount == 1


def listed(
    engine: Engine, actor: Actor, *, state: str | None = None, limit: int = 100, after: str | None = None
) -> Page[Delivery]:
    """Those about alerts in grids where the actor may set policy, newest first. Raises InvalidInput."""
    if state is not None and state not in STATES:
        raise InvalidInput(f"a delivery is {', '.join(STATES)}")
    query = (
        select(deliveries)
        .join(alerts, alerts.c.id == deliveries.c.alert_id)
        .where(in_sight(alerts.c.grid_path, actor, Permission.POLICY_WRITE))
        .order_by(deliveries.c.id.desc())
    )
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if after is not None:
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise InvalidInput("after is the next of the page before")
        query = query.where(deliveries.c.id < int(after))
    with reading(engine) as connection:
        rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
    items = tuple(_of(row) for row in rows[:limit])
    return Page(items, str(items[-1].id) if len(rows) > limit else None)


def retry(engine: Engine, actor: Actor, delivery_id: int, now_s: float) -> Delivery:
    """A dead letter is tried anew; what is too old or has lost its meaning is then dropped, and says so.

    Raises NotFound, Conflict for one that is not dead.
    """
    mine = select(deliveries).join(alerts, alerts.c.id == deliveries.c.alert_id)
    mine = mine.where(deliveries.c.id == delivery_id, in_sight(alerts.c.grid_path, actor, Permission.POLICY_WRITE))
    with writing(engine) as connection:
        row = connection.execute(mine).one_or_none()
        if row is None:
            raise NotFound(NO_SUCH_THING)
        if row.state != DEAD:
            raise Conflict(f"it is {row.state}: only what is dead can be tried anew")
        values = {"state": WAITING, "attempts": 0, "due_s": now_s, "settled_s": None}
        connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
        return _of(connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one())


def prune(engine: Engine, before_s: float, dead_before_s: float, limit: int) -> int:
    """Forgets up to ``limit`` that last went out before then and were sent or dropped, or are dead letters from before
    ``dead_before_s``; how many. One step of a long way: it holds the write lock. Raises Unavailable.

    That nothing is told twice is the reader's cursor's doing, not these rows'.
    """
    kept = deliveries.c
    settled = select(kept.id).where(kept.state.in_((SENT, DROPPED)), kept.due_s < before_s)
    dead = select(kept.id).where(kept.state == DEAD, kept.due_s < dead_before_s)
    old: list[int] = []
    with reading(engine) as connection:  # the write lock is not for looking
        for query in (settled, dead):
            old += connection.execute(query.limit(limit - len(old))).scalars()
    if not old:
        return 0
    with writing(engine) as connection:  # one that is tried anew meanwhile waits, and stays
        return connection.execute(delete(deliveries).where(kept.id.in_(old), kept.state != WAITING)).rowcount


def dead_letters(engine: Engine) -> int:
    with reading(engine) as connection:
        dead = select(func.count()).select_from(deliveries).where(deliveries.c.state == DEAD)
        return connection.execute(dead).scalar_one()


def counts(engine: Engine, now_s: float) -> dict[tuple[str, str, str], int]:
    """How many of each purpose are in each state, and why: all that wait or are dead, and what was sent or dropped in
    the last ``COUNTED_S``. Why: the reason of what was dropped, without its particulars; ``failed`` for what waits to
    be tried again; else empty."""
    kept = deliveries.c
    said = case(
        (kept.state == DROPPED, kept.said), ((kept.state == WAITING) & kept.said.is_not(None), FAILED), else_=""
    ).label("reason")
    query = select(kept.purpose, kept.state, said, func.count()).group_by(kept.purpose, kept.state, said)
    open_ = query.where(kept.state.in_((WAITING, DEAD)))
    lately = query.where(kept.state.in_((SENT, DROPPED)), kept.due_s >= now_s - COUNTED_S)
    found: Counter[tuple[str, str, str]] = Counter()
    with reading(engine) as connection:
        for part in (open_, lately):  # apart: each walks the index of state and time
            for purpose, state, reason, count in connection.execute(part):
                found[purpose, state, reason.partition(":")[0]] += count
    return dict(found)
