"""The audit: whether the log of all alerts is the one that was sealed and noted outside the database, to the end."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from alerts.anchor import Mark, marks_in, sha256_of
from alerts.database import reading
from alerts.sealer import last_position, verify_chain
from models.errors import Fault
from models.tables import anchors, seals

_BATCH = 500

Known = dict[str, Mapping[str, Any]]
"""What the database says of each file, by its id."""


@dataclass(frozen=True)
class Restored:
    """The ledger was brought back to ``position`` at ``at_s``, from a backup made at ``made_s``; ``noted`` is the last
    position that the file had noted by then: what lies between is lost, and is said."""

    position: int
    noted: int
    at_s: float
    made_s: float


@dataclass(frozen=True)
class Anchored:
    """What one anchor file holds."""

    path: Path
    lines: int
    position: int
    at_s: float
    restored: tuple[Restored, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """``fault`` is the first thing wrong, None for nothing; ``elsewhere``: anchors that were kept on other machines."""

    fault: Fault | None
    sealed: int
    anchored: tuple[Anchored, ...] = ()
    elsewhere: tuple[str, ...] = ()


def audit(engine: Engine, files: Sequence[Path], host: str) -> Verdict:
    """Reads all of the log, and each anchor file. ``host`` is the name of this machine. Raises Unavailable, OSError."""
    # The database's word on the files comes first: meanwhile, lines and positions are only added.
    with reading(engine) as connection:
        known: Known = {row["id"]: dict(row) for row in connection.execute(select(anchors)).mappings()}
    fault = verify_chain(engine)
    found: list[Anchored] = []
    for path in files if fault is None else ():
        if path.exists():
            fault = _file_fault(engine, path, known, found)
        if fault is not None:
            break
    if fault is None:
        fault = next((_gone(row) for row in known.values() if row["place"].partition(":")[0] == host), None)
    elsewhere = tuple(sorted(row["place"] for row in known.values()))
    return Verdict(fault, last_position(engine), tuple(found), elsewhere)


def moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _gone(row: Mapping[str, Any]) -> Fault:
    where = row["place"].partition(":")[2]
    said = f"the anchor file is gone: {row['lines']} lines were in it, up to position {row['position']}"
    return Fault(where, f"{said} ({moment(row['at_s'])})")


def _file_fault(engine: Engine, path: Path, known: Known, found: list[Anchored]) -> Fault | None:
    """The first thing wrong with the file, or between it and the log. Adds it to ``found``, takes it off ``known``."""
    held, row, before = Anchored(path, 0, 0, 0.0), None, None
    with path.open("rb") as file:
        for mark in marks_in(file):
            if before is None:
                row = known.pop(mark.previous, None)
            if fault := _line_fault(path, mark, before, row):
                return fault
            held, before = _with(held, mark), mark
    found.append(held)
    if row is not None and held.lines < row["lines"]:
        said = f"the anchor was cut off: {row['lines']} lines were in it, up to position {row['position']}"
        return Fault(f"{path} line {held.lines + 1}", f"{said} ({moment(row['at_s'])})")
    with closing(_log_faults(engine, held)) as faults:
        return next(faults, None)


def _with(held: Anchored, mark: Mark) -> Anchored:
    restored = held.restored
    if mark.restored is not None:
        restored += (Restored(mark.position, held.position, mark.at_s, mark.restored["made_s"]),)
    return replace(held, lines=mark.number, position=mark.position, at_s=mark.at_s, restored=restored)


def _line_fault(path: Path, mark: Mark, before: Mark | None, row: Mapping[str, Any] | None) -> Fault | None:
    number = before.number + 1 if before else 1
    where = f"{path} line {number}"
    follows = mark.number == number and (before is None or mark.previous == sha256_of(before.line()))
    if not follows or (before is not None and mark.restored is None and mark.position <= before.position):
        return Fault(where, "the anchor was changed here: a line was edited, deleted, swapped or put in")
    if row is not None and row["lines"] == number and row["sha256"] != sha256_of(mark.line()):
        return Fault(where, "the anchor was changed here: this is not the line that the database knows")
    return None


def _log_faults(engine: Engine, held: Anchored) -> Generator[Fault]:
    """Where the log is not what the file noted, leaving out what a restore is known to have taken away."""
    if held.lines == 0:
        return
    agreed = 0
    with held.path.open("rb") as file, reading(engine) as connection:
        last = _last(connection)
        left = list(held.restored)
        marks = (mark for mark in marks_in(file) if mark.number <= held.lines)
        while batch := list(islice(marks, _BATCH)):
            hashes = _hashes(connection, [mark.position for mark in batch])
            for mark in batch:
                if mark.restored is not None:
                    left.pop(0)
                if mark.position > min((item.position for item in left), default=mark.position):
                    continue
                if mark.position > last:
                    yield Fault(f"position {last + 1}", _cut_off(mark, last))
                elif mark.position and hashes.get(mark.position) != mark.hash:
                    said = f"the log was rewritten: it is not as noted outside on {moment(mark.at_s)} at position"
                    yield Fault(f"position {agreed + 1}", f"{said} {mark.position}")
                agreed = max(agreed, mark.position)


def _cut_off(mark: Mark, last: int) -> str:
    return (
        f"the log was cut off, or brought back to an older state by other means than `wangge restore`, which says so: "
        f"position {mark.position} was noted outside on {moment(mark.at_s)}, the log ends at {last}"
    )


def _last(connection: Connection) -> int:
    query = select(seals.c.position).order_by(seals.c.position.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none() or 0


def _hashes(connection: Connection, positions: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(select(seals.c.position, seals.c.hash).where(seals.c.position.in_(positions)))
    return {row.position: row.hash for row in rows}
