"""The grid tree at rest: read within an actor's sight, changed by whole imports, indexed for look-up."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, case, func, insert, or_, select, update

from alerts.database import reading, writing
from alerts.grids import GridIndex
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight, in_subtrees
from models.errors import Fault, InvalidInput, NotFound
from models.people import Actor, Grid, Permission
from models.tables import grids

INDEX_MAX_AGE_S = 3.0
"""How long a process may look places up in a grid tree that another process has changed."""


class GridRegistry:
    """Grids. ``clock`` gives Unix seconds for what is written."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._index_lock = threading.Lock()
        self._index: GridIndex | None = None
        self._index_stamp: Row[Any] | None = None
        self._index_checked_s = -math.inf

    def grid(self, code: str, actor: Actor) -> Grid:
        """Raises NotFound where there is none or the actor may not see it."""
        with reading(self._engine) as connection:
            found = grid_of(connection, code)
        check(actor, Permission.GRID_READ, found.path, sight=Permission.GRID_READ)
        return found

    def grids(self, actor: Actor, under: str | None = None, limit: int = 100, after: str | None = None) -> Page[Grid]:
        """Grids in sight, each after the one above it; ``under``: that grid and all below it."""
        query = select(grids).where(in_sight(grids.c.path, actor, Permission.GRID_READ)).order_by(grids.c.path)
        if under is not None:
            query = query.where(in_subtrees(grids.c.path, [self.grid(under, actor).path]))
        if after is not None:
            query = query.where(grids.c.path > checked_key(after))
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(checked_limit(limit) + 1)).all()
        items = tuple(_grid(row) for row in rows[:limit])
        return Page(items, items[-1].path if len(rows) > limit else None)

    def tree(self, actor: Actor) -> list[Grid]:
        """Every grid in sight, each after the one above it: what a new file's parents may be among."""
        query = select(grids).where(in_sight(grids.c.path, actor, Permission.GRID_READ)).order_by(grids.c.path)
        with reading(self._engine) as connection:
            return [_grid(row) for row in connection.execute(query)]

    def import_grids(self, new: Sequence[Grid], actor: Actor) -> int:
        """Adds and changes grids, all or none, parents before children; how many differed from what was there.

        A grid's name, scheme, polygon and time may change, its place in the tree may not: the log of past cases names
        it. Grids that are not named stay as they are. Raises NotFound, Forbidden, InvalidInput with every fault.
        """
        with writing(self._engine) as connection:
            # Rises with each import also where clocks differ: other processes tell by it that the tree has changed.
            last_s = connection.execute(select(func.max(grids.c.changed_s))).scalar() or 0.0
            changed_s = max(self._clock(), last_s + 0.001)
            there = {row.code: _grid(row) for row in connection.execute(select(grids))}
            changed = [grid for grid in new if grid != there.get(grid.code)]
            for grid in changed:
                check(actor, Permission.GRID_WRITE, grid.path, sight=Permission.GRID_READ)
            _check_places(new, there)
            for grid in changed:
                values = {**vars(grid), "changed_s": changed_s}
                if grid.code in there:
                    connection.execute(update(grids).where(grids.c.code == grid.code).values(values))
                else:
                    connection.execute(insert(grids).values(values))
        with self._index_lock:
            self._index_checked_s = -math.inf
        return len(changed)

    def grid_index(self, now_s: float) -> GridIndex:
        """The grids that are valid now, for look-ups; at most INDEX_MAX_AGE_S behind. Cheap to ask per incident."""
        with self._index_lock:
            if self._index is None or abs(now_s - self._index_checked_s) >= INDEX_MAX_AGE_S:
                self._index = self._current_index(now_s)
                self._index_checked_s = now_s
            return self._index

    def _current_index(self, now_s: float) -> GridIndex:
        begun = or_(grids.c.valid_from_s.is_(None), grids.c.valid_from_s <= now_s)
        ended = grids.c.valid_to_s <= now_s
        # Each part of the stamp only grows with time, so that no two states of the tree look the same.
        stamp = select(
            func.count(),
            func.max(grids.c.changed_s),
            func.sum(case((begun, 1), else_=0)),
            func.sum(case((ended, 1), else_=0)),
        ).select_from(grids)
        with reading(self._engine) as connection:
            found = connection.execute(stamp).one()
            if self._index is not None and found == self._index_stamp:
                return self._index
            rows = connection.execute(select(grids).where(begun, or_(grids.c.valid_to_s.is_(None), ~ended))).all()
        self._index_stamp = found
        return GridIndex([_grid(row) for row in rows])


def grid_of(connection: Connection, code: str) -> Grid:
    """Raises NotFound."""
    row = connection.execute(select(grids).where(grids.c.code == checked_key(code))).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_THING)
    return _grid(row)


def _grid(row: Row[Any]) -> Grid:
    return Grid(
        code=row.code,
        scheme=row.scheme,
        name=row.name,
        parent=row.parent,
        level=row.level,
        path=row.path,
        polygon=row.polygon,
        valid_from_s=row.valid_from_s,
        valid_to_s=row.valid_to_s,
    )


def _check_places(new: Sequence[Grid], there: Mapping[str, Grid]) -> None:
    """Raises InvalidInput for grids that would move, and for those whose parent is not above them."""
    faults = []
    placed = dict(there)
    for grid in new:
        above = "/" if grid.parent is None else placed[grid.parent].path if grid.parent in placed else None
        if above is None or grid.path != f"{above}{grid.code}/":
            faults.append(Fault(grid.code, "its parent is not there, or not above it"))
        elif grid.code in there and there[grid.code].path != grid.path:
            faults.append(Fault(grid.code, "it stands elsewhere in the tree already; a grid does not move"))
        placed[grid.code] = grid
    if faults:
        raise InvalidInput(f"no grid was imported; the first fault: {faults[0]}", faults)
