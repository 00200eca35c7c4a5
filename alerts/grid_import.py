"""A grid tree from a file: the whole file, or nothing and every fault with its row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.grid_files import GridFile, GridRow, read_grid_file
from models.errors import Fault, InvalidInput
from models.map_systems import MapSystem
from models.people import Grid

DEEPEST_LEVEL = 12
MOST_FAULTS = 200
"""More are counted, not listed."""


@dataclass(frozen=True)
class GridPlan:
    """What a file would make of the tree. ``grids``: parents before children. ``jumps``: rows that state another level
    than the one they come to stand on. Nothing is imported while there are ``faults``."""

    grids: tuple[Grid, ...]
    faults: tuple[Fault, ...]
    jumps: tuple[Fault, ...]
    encoding: str
    ignored: tuple[str, ...]


def parse_grids(
    data: bytes | Mapping[str, Any], scheme: str = "local", known: Iterable[Grid] = (), system: MapSystem | None = None
) -> list[Grid]:
    """The grids of ``plan_grids``. Raises InvalidInput with a fault for each thing wrong; TooLarge."""
    plan = plan_grids(data, scheme, known, system)
    if plan.faults:
        raise refusal(plan.faults)
    return list(plan.grids)


def plan_grids(
    data: bytes | Mapping[str, Any], scheme: str = "local", known: Iterable[Grid] = (), system: MapSystem | None = None
) -> GridPlan:
    """What a GeoJSON FeatureCollection, CSV or xlsx would make of the tree, and all that is wrong with it.

    Each row states ``code``, ``name``, ``parent`` (empty for a root) and perhaps ``scheme``, ``level``, a polygon, its
    map ``system``, ``valid_from``, ``valid_to``. ``known`` are grids that parents may be among beside those of the
    file; ``system`` holds for rows that name none. Raises InvalidInput for what is no such file; TooLarge.
    """
    file = read_grid_file(data, scheme, system)
    faults = list(file.faults)
    faults += _repeated(file.rows)
    # What could not be read is not also reported as an unknown parent of others.
    placed = _placed(file, {grid.code: grid for grid in known}, faults)
    levels = {grid.code: grid.level for grid in placed}
    jumps = [
        Fault(row.where, f"states level {row.level} and stands on level {levels[row.code]}")
        for row in file.rows
        if row.level is not None and row.code in levels and row.level != levels[row.code]
    ]
    return GridPlan(tuple(placed), tuple(faults), tuple(jumps), file.encoding, file.ignored)


def refusal(faults: Sequence[Fault], what: str = "no grid was imported") -> InvalidInput:
    """The error that lists at most MOST_FAULTS of them and counts the rest."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    listed = list(faults[:MOST_FAULTS])
    if len(faults) > MOST_FAULTS:
        listed.append(Fault("file", f"{len(faults) - MOST_FAULTS} more faults"))
    return InvalidInput(f"{what}: {count}, the first: {faults[0]}", listed)


def _repeated(rows: Sequence[GridRow]) -> Iterator[Fault]:
    counts = Counter(row.code for row in rows)
    first: dict[str, str] = {}
    for row in rows:
        if counts[row.code] > 1 and row.code in first:
            yield Fault(row.where, f"the code is taken already by {first[row.code]}")
        first.setdefault(row.code, row.where)


def _placed(file: GridFile, known: Mapping[str, Grid], faults: list[Fault]) -> list[Grid]:
    """Grids with level and path, roots first; adds faults for unknown parents, cycles and trees too deep."""
    by_code = {row.code: row for row in file.rows}
    children: dict[str, list[GridRow]] = {}
    placed: dict[str, Grid] = {}
    for row in by_code.values():
        if row.parent is not None and row.parent not in file.stated and row.parent not in known:
            faults.append(Fault(row.where, f"its parent {row.parent} is neither in the file nor known already"))
        elif row.parent is None:
            placed[row.code] = _grid(row, None)
        elif row.parent in file.stated:
            children.setdefault(row.parent, []).append(row)
        else:
            placed[row.code] = _grid(row, known[row.parent])
    waiting = list(placed)
    for code in waiting:  # grows while it is walked: breadth first
        for row in children.get(code, ()):
            placed[row.code] = _grid(row, placed[code])
            waiting.append(row.code)
    faults.extend(
        Fault(row.where, f"it would stand on level {grid.level}; trees are at most {DEEPEST_LEVEL} levels deep")
        for row in file.rows
        if (grid := placed.get(row.code)) is not None and grid.level > DEEPEST_LEVEL
    )
    faults.extend(_cycles(by_code))
    return [placed[code] for code in waiting]


def _grid(row: GridRow, parent: Grid | None) -> Grid:
    level, above = (parent.level + 1, parent.path) if parent else (1, "/")
    return Grid(
        code=row.code,
        scheme=row.scheme,
        name=row.name,
        parent=row.parent,
        level=level,
        path=f"{above}{row.code}/",
        polygon=row.polygon,
        valid_from_s=row.valid_from_s,
        valid_to_s=row.valid_to_s,
        system=row.system.value,
        polygon_raw=row.polygon_raw,
    )


def _cycles(by_code: Mapping[str, GridRow]) -> Iterator[Fault]:
    """One fault for each row that stands above itself."""
    settled: set[str] = set()
    for start in by_code:
        trail: dict[str, None] = {}
        code: str | None = start
        while code is not None and code in by_code and code not in settled and code not in trail:
            trail[code] = None
            code = by_code[code].parent
        if code in trail:
            ring = list(trail)[list(trail).index(code) :]
            shown = " → ".join([*ring[:5], "…"] if len(ring) > 5 else [*ring, ring[0]])
            yield from (Fault(by_code[each].where, f"it stands above itself: {shown}") for each in ring)
        settled.update(trail)
