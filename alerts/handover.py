"""The hand-over of a desk: what is open, what was promised, signed by whoever goes and by whoever comes.

The sheet is written down once, when the outgoing person signs; the incoming one signs its SHA-256. Promises live on
their own until they are kept, so that none is lost between two sheets.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from alerts import silences
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_subtrees
from models.alert import ENDED
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.people import Actor, Grid, Permission
from models.tables import alerts, handovers, people, promises
from models.text import checked_text
from models.ulid import new_ulid

MOST_CASES = 500
"""Open cases that a sheet lists, the most urgent first; all are counted."""
MOST_PROMISES = 200
LONGEST_TEXT = 1000
LONGEST_PROMISE_S = 366 * 86_400.0

_ENDED = [state.value for state in ENDED]


@dataclass(frozen=True)
class Promise:
    """Something the desk said it would do by ``due_s``. Unix seconds."""

    id: str
    grid_code: str
    alert_id: str | None
    text: str
    due_s: float
    made_by: str
    made_by_name: str
    made_s: float
    kept_by: str | None
    kept_s: float | None


@dataclass(frozen=True)
class Handover:
    """``sheet``: what both sign; ``sha256`` is of its canonical JSON. No ``incoming_id`` until the second signs."""

    id: str
    grid_code: str
    sheet: dict[str, Any]
    sha256: str
    outgoing_id: str
    outgoing_s: float
    incoming_id: str | None
    incoming_name: str | None
    incoming_s: float | None
    remark: str | None


def make_promise(
    engine: Engine, actor: Actor, grid_code: str, text: str, due_s: float, alert_id: str | None, now_s: float
) -> Promise:
    """Raises NotFound, Forbidden, InvalidInput; Conflict where the desk has promised too much already."""
    text = checked_text(text, "the text", LONGEST_TEXT)
    if not now_s < due_s <= now_s + LONGEST_PROMISE_S:
        raise InvalidInput("a promise is due in the future, and within 366 days")
    with writing(engine) as connection:
        grid = _desk(connection, actor, grid_code, Permission.DESK_HANDOVER)
        if alert_id is not None:
            where = (alerts.c.id == checked_key(alert_id), in_subtrees(alerts.c.grid_path, [grid.path]))
            if connection.execute(select(alerts.c.id).where(*where)).one_or_none() is None:
                raise InvalidInput(f"there is no case {alert_id} in grid {grid.code}")
        if len(_open_promises(connection, grid.code)) >= MOST_PROMISES:
            raise Conflict(f"this desk has {MOST_PROMISES} promises open: keep some first")
        promise = Promise(
            new_ulid(now_s), grid.code, alert_id, text, due_s, actor.id, actor.name, now_s, kept_by=None, kept_s=None
        )
        connection.execute(insert(promises).values(vars(promise)))
    return promise


def keep_promise(engine: Engine, actor: Actor, promise_id: str, now_s: float) -> Promise:
    """It is done; a second time changes nothing. Raises NotFound, Forbidden."""
    with writing(engine) as connection:
        found = select(promises).where(promises.c.id == checked_key(promise_id))
        row = connection.execute(found).one_or_none()
        if row is None:
            raise NotFound(NO_SUCH_THING)
        _desk(connection, actor, row.grid_code, Permission.DESK_HANDOVER)
        if row.kept_s is None:
            values = {"kept_by": actor.id, "kept_s": now_s}
            connection.execute(update(promises).where(promises.c.id == row.id).values(values))
            row = connection.execute(found).one()
        return Promise(*row)


def open_promises(engine: Engine, actor: Actor, grid_code: str) -> list[Promise]:
    """Those of that desk that are not kept yet, the first due first. Raises NotFound."""
    with reading(engine) as connection:
        return _open_promises(connection, _desk(connection, actor, grid_code, Permission.ALERT_READ).code)


def hand_over(engine: Engine, actor: Actor, grid_code: str, remark: str, now_s: float) -> Handover:
    """The outgoing person's signature, under the sheet as things stand now.

    Raises NotFound, Forbidden, InvalidInput.
    """
    remark = checked_text(" ".join(remark.split()), "the remark", LONGEST_TEXT) if remark.strip() else ""
    with writing(engine) as connection:
        grid = _desk(connection, actor, grid_code, Permission.DESK_HANDOVER)
        if actor.is_system:
            raise Forbidden("a hand-over is signed by a person")
        sheet = {
            "grid": {"code": grid.code, "name": grid.name},
            "outgoing": {"id": actor.id, "name": actor.name},
            "at_s": now_s,
            "remark": remark,
            "open_cases": _open_cases(connection, grid),
            "promises": [vars(promise) for promise in _open_promises(connection, grid.code)],
            "silences": silences.on_desk(connection, grid.path, now_s),
        }
        text = json.dumps(sheet, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        values: dict[str, Any] = {
            "id": new_ulid(now_s),
            "grid_code": grid.code,
            "sheet": text,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "outgoing_id": actor.id,
            "outgoing_s": now_s,
        }
        connection.execute(insert(handovers).values(values))
        return _found(connection, values["id"])


def take_over(
    engine: Engine, actor: Actor, handover_id: str, sha256: str, remark: str | None, now_s: float
) -> Handover:
    """The incoming person's signature under the sheet of that SHA-256.

    Raises NotFound, Forbidden (not for this desk, or by whoever handed over), Conflict (signed already, another sheet).
    """
    said = None if remark is None else checked_text(" ".join(remark.split()), "the remark", LONGEST_TEXT)
    with writing(engine) as connection:
        found = _found(connection, handover_id)
        _desk(connection, actor, found.grid_code, Permission.DESK_HANDOVER)
        if actor.id == found.outgoing_id or actor.is_system:
            raise Forbidden("a hand-over is signed by two persons, each signed in as themselves")
        if sha256 != found.sha256:
            raise Conflict("that is not the sheet that was handed over: read it again, then sign")
        where = (handovers.c.id == found.id) & handovers.c.incoming_id.is_(None)
        values = {"incoming_id": actor.id, "incoming_s": now_s, "remark": said}
        if connection.execute(update(handovers).where(where).values(values)).rowcount != 1:
            raise Conflict("this hand-over is signed by two persons already")
        return _found(connection, found.id)


def handover(engine: Engine, actor: Actor, handover_id: str) -> Handover:
    """Raises NotFound."""
    with reading(engine) as connection:
        found = _found(connection, handover_id)
        _desk(connection, actor, found.grid_code, Permission.ALERT_READ)
        return found


def handovers_of(
    engine: Engine, actor: Actor, grid_code: str, *, limit: int = 50, after: str | None = None
) -> Page[Handover]:
    """Those of a desk, newest first. Raises NotFound."""
    with reading(engine) as connection:
        grid = _desk(connection, actor, grid_code, Permission.ALERT_READ)
        query = _SIGNED.where(handovers.c.grid_code == grid.code).order_by(handovers.c.id.desc())
        if after is not None:
            query = query.where(handovers.c.id < checked_key(after))
        rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
    items = tuple(_handover(row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


_SIGNED = select(handovers, people.c.name.label("incoming_name")).outerjoin(
    people, people.c.id == handovers.c.incoming_id
)


def _desk(connection: Connection, actor: Actor, grid_code: str, permission: Permission) -> Grid:
    grid = grid_of(connection, grid_code)
    check(actor, permission, grid.path, sight=Permission.ALERT_READ)
    return grid


def _found(connection: Connection, handover_id: str) -> Handover:
    row = connection.execute(_SIGNED.where(handovers.c.id == checked_key(handover_id))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return _handover(row)


def _handover(row: Row[Any]) -> Handover:
    return Handover(
        id=row.id,
        grid_code=row.grid_code,
        sheet=json.loads(row.sheet),
        sha256=row.sha256,
        outgoing_id=row.outgoing_id,
        outgoing_s=row.outgoing_s,
        incoming_id=row.incoming_id,
        incoming_name=row.incoming_name,
        incoming_s=row.incoming_s,
        remark=row.remark,
    )


def _open_promises(connection: Connection, grid_code: str) -> list[Promise]:
    where = (promises.c.grid_code == grid_code, promises.c.kept_s.is_(None))
    query = select(promises).where(*where).order_by(promises.c.due_s, promises.c.id)
    return [Promise(*row) for row in connection.execute(query)]


def _open_cases(connection: Connection, grid: Grid) -> dict[str, Any]:
    stored = alerts.c
    where = (in_subtrees(stored.grid_path, [grid.path]), stored.state.not_in(_ENDED), ~stored.practice)
    counted = connection.execute(select(stored.state, func.count()).where(*where).group_by(stored.state))
    counts: dict[str, int] = {row[0]: row[1] for row in counted}
    columns = (
        stored.id,
        stored.version,
        stored.state,
        stored.kind,
        stored.severity,
        stored.grid_code,
        stored.created_s,
    )
    query = select(*columns).where(*where).order_by(stored.severity, stored.created_s, stored.id).limit(MOST_CASES)
    listed = [dict(row._mapping) for row in connection.execute(query)]
    return {"total": sum(counts.values()), "counts": counts, "cases": listed}
