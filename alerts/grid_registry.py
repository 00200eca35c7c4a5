"""The grid tree at rest: read within an actor's sight, changed by whole imports, indexed for look-up."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, case, func, insert, or_, select, update

from alerts.database import reading, writing
from alerts.grid_bounds import trespasses
from alerts.grid_check import Findings, examine
from alerts.grid_import import GridPlan, plan_grids, refusal
from alerts.grids import Candidate, GridIndex
from alerts.policy import NO_SUCH_THING, check
from alerts.queries import Page, checked_key, checked_limit, in_sight, in_subtrees
from models.errors import Fault, Forbidden, NotFound
from models.geo import GeoPoint
from models.map_systems import MapSystem
from models.people import SYSTEM, Actor, Grid, Permission
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

    def plan_import(
        self, data: bytes, actor: Actor, scheme: str = "local", system: MapSystem | None = None, *, look: bool = True
    ) -> tuple[GridPlan, Findings | None]:
        """What a file would make of the tree in sight; with ``look`` also what would be odd about it.

        Nothing is written. Looked at as of when the last of its grids begins to be valid, or now. Raises InvalidInput
        for what is no such file, TooLarge; Forbidden for one who may import nothing.
        """
        tree = self.tree(actor)
        if not (actor.is_system or actor.paths_for(Permission.GRID_WRITE)):
            raise Forbidden(f"this needs the permission {Permission.GRID_WRITE.value}")
        plan = plan_grids(data, scheme, tree, system)
        faults = list(plan.faults)
        if not faults:
            there = {grid.code: grid for grid in tree}
            faults += _misplaced(plan.grids, there)
            allowed = "/" if actor.is_system else actor.paths_for(Permission.GRID_WRITE)
            faults += [
                Fault(g.code, "not yours to write")
                for g in plan.grids
                if g != there.get(g.code) and not g.path.startswith(allowed)
            ]
            # Told from the whole tree, as the import itself is, though the fault names only what is in sight.
            faults += trespasses(plan.grids, {grid.code: grid for grid in self.tree(SYSTEM)}, _writable(actor))
        plan = replace(plan, faults=tuple(faults))
        if not look:
            return plan, None
        merged = {grid.code: grid for grid in (*tree, *plan.grids)}
        at_s = max([self._clock(), *(grid.valid_from_s for grid in plan.grids if grid.valid_from_s is not None)])
        return plan, examine(list(merged.values()), {grid.code for grid in plan.grids}, at_s)

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
            if faults := _misplaced(new, there) + trespasses(changed, there, _writable(actor)):
                raise refusal(faults)
            for grid in changed:
                values = {**vars(grid), "changed_s": changed_s}
                if grid.code in there:
                    connection.execute(update(grids).where(grids.c.code == grid.code).values(values))
                else:
                    connection.execute(insert(grids).values(values))
        with self._index_lock:
            self._index_checked_s = -math.inf
        return len(changed)

    def places(self, actor: Actor, point: GeoPoint, accuracy_m: float, at_s: float | None = None) -> list[Candidate]:
        """The grids in sight that a place may lie in, likeliest first, as the tree is now or was, or will be, ``at_s``.

        Raises InvalidInput.
        """
        index = self.grid_index(self._clock()) if at_s is None else self._index_of(at_s)
        return [
            candidate
            for candidate in index.candidates(point, accuracy_m)
            if actor.is_system or actor.role_for(Permission.GRID_READ, candidate.grid.path)
        ]

    def grid_index(self, now_s: float) -> GridIndex:
        """The grids that are valid now, for look-ups; at most INDEX_MAX_AGE_S behind. Cheap to ask per incident."""
        with self._index_lock:
            if self._index is None or abs(now_s - self._index_checked_s) >= INDEX_MAX_AGE_S:
                self._index = self._current_index(now_s)
                self._index_checked_s = now_s
            return self._index

    def _current_index(self, now_s: float) -> GridIndex:
        begun, ended = _begun(now_s), grids.c.valid_to_s <= now_s
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
        self._index_stamp = found
        return self._index_of(now_s)

    def _index_of(self, at_s: float) -> GridIndex:
        lasting = or_(grids.c.valid_to_s.is_(None), grids.c.valid_to_s > at_s)
        with reading(self._engine) as connection:
            rows = connection.execute(select(grids).where(_begun(at_s), lasting)).all()
        return GridIndex([_grid(row) for row in rows])


def _writable(actor: Actor) -> tuple[str, ...]:
    """Subtrees whose grids the actor may write; none for the system, which is bound by none."""
    return () if actor.is_system else actor.paths_for(Permission.GRID_WRITE)


def _begun(at_s: float) -> ColumnElement[bool]:
    return or_(grids.c.valid_from_s.is_(None), grids.c.valid_from_s <= at_s)


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
        system=row.system,
        polygon_raw=row.polygon_raw,
    )


def _misplaced(new: Sequence[Grid], there: Mapping[str, Grid]) -> list[Fault]:
    """A fault for each grid that would move, and for each whose parent is not above it."""
    faults = []
    placed = dict(there)
    for grid in new:
        above = "/" if grid.parent is None else placed[grid.parent].path if grid.parent in placed else None
        if above is None or grid.path != f"{above}{grid.code}/":
            faults.append(Fault(grid.code, "its parent is not there, or not above it"))
        elif grid.code in there and there[grid.code].path != grid.path:
            faults.append(Fault(grid.code, "it stands elsewhere in the tree already; a grid does not move"))
        placed[grid.code] = grid
    return faults
