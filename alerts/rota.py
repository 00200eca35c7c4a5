"""Rotas from files, and the skills that kinds of cases need."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from alerts.accounts import USERNAME
from alerts.database import reading, writing
from alerts.grid_files import damaged_code, read_code, read_moment
from alerts.grid_import import refusal
from alerts.grid_registry import grid_of
from alerts.person_registry import checked_skills
from alerts.policy import check
from alerts.shifts import ShiftRegistry, add_shift
from alerts.spreadsheets import Row, read_sheet
from models.errors import Fault, Forbidden, InvalidInput, NotFound
from models.incident import KINDS
from models.people import Actor, Permission
from models.tables import people, skill_needs

NAMES: Mapping[str, Sequence[str]] = {
    "username": ("登录名", "用户名", "账号", "user"),
    "grid": ("网格编码", "网格", "网格编号", "gridcode"),
    "starts": ("开始", "开始时间", "上班时间", "start", "startsat"),
    "ends": ("结束", "结束时间", "下班时间", "end", "endsat"),
    "rank": ("顺序", "主备", "次序"),
}
_RANKS = {"主岗": 0, "主": 0, "备岗": 1, "备": 1}


@dataclass(frozen=True)
class RotaRow:
    where: str
    username: str
    grid_code: str
    starts_s: float
    ends_s: float
    rank: int


@dataclass(frozen=True)
class RotaImport:
    """``new``: shifts that were not there before; ``rows``: all of the file. Nothing is written in a dry run."""

    rows: int
    new: int
    encoding: str
    ignored: tuple[str, ...]


class RotaRegistry(ShiftRegistry):
    """The rota, as files and as what routing asks of it."""

    def import_rota(self, actor: Actor, data: bytes, *, dry_run: bool = False) -> RotaImport:
        """Shifts from a CSV or xlsx with user name, grid, start, end and perhaps rank: the whole file or nothing.

        Times without a zone are China's. Importing a file again changes nothing. Raises InvalidInput with every fault,
        TooLarge.
        """
        sheet = read_sheet(data, NAMES, ("username", "grid", "starts", "ends"))
        faults = list(sheet.faults)
        rows = [found for row in sheet.rows if (found := _read(row, faults)) is not None]
        new = 0
        with writing(self._engine) as connection:
            known = {row.username: row.id for row in connection.execute(select(people.c.username, people.c.id))}
            for row in rows:
                try:
                    _, fresh = add_shift(
                        connection,
                        actor,
                        known.get(row.username, ""),
                        row.grid_code,
                        row.starts_s,
                        row.ends_s,
                        row.rank,
                    )
                    new += fresh
                except NotFound:
                    faults.append(
                        Fault(row.where, f"no person {row.username}, or no grid {row.grid_code}, that is yours")
                    )
                except (InvalidInput, Forbidden) as error:
                    faults.append(Fault(row.where, str(error)))
            if faults:
                raise refusal(faults, "no shift was imported")
            if dry_run:
                connection.rollback()
        return RotaImport(len(rows), new, sheet.encoding, sheet.ignored)

    def set_needs(self, actor: Actor, grid_code: str, kind: str, skills: Collection[str]) -> tuple[str, ...]:
        """What cases of that kind need in that grid and all below it, in place of what was said there before.

        Raises NotFound, Forbidden, InvalidInput.
        """
        if kind not in KINDS:
            raise InvalidInput(f"there is no kind {kind!r}; the kinds are {', '.join(sorted(KINDS))}")
        wanted = checked_skills(skills)
        with writing(self._engine) as connection:
            grid = grid_of(connection, grid_code)
            check(actor, Permission.GRID_WRITE, grid.path, sight=Permission.GRID_READ)
            where = and_(skill_needs.c.grid_code == grid.code, skill_needs.c.kind == kind)
            connection.execute(delete(skill_needs).where(where))
            for skill in wanted:
                connection.execute(insert(skill_needs).values(grid_code=grid.code, kind=kind, skill=skill))
        return tuple(wanted)

    def needs(self, grid_path: str, kind: str) -> tuple[str, ...]:
        """As ``skills_needed``."""
        with reading(self._engine) as connection:
            return skills_needed(connection, grid_path, kind)

    def all_needs(self, actor: Actor, grid_code: str) -> dict[str, list[str]]:
        """What was said for just that grid: skills by kind. Raises NotFound."""
        grid = self.grid(grid_code, actor)
        query = select(skill_needs).where(skill_needs.c.grid_code == grid.code).order_by(skill_needs.c.skill)
        found: dict[str, list[str]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                found.setdefault(row.kind, []).append(row.skill)
        return found


def skills_needed(connection: Connection, grid_path: str, kind: str) -> tuple[str, ...]:
    """The skills that a case of that kind needs in the grid of that path: what it and each grid above it says."""
    query = (
        select(skill_needs.c.skill)
        .where(skill_needs.c.kind == kind, skill_needs.c.grid_code.in_(grid_path.strip("/").split("/")))
        .distinct()
        .order_by(skill_needs.c.skill)
    )
    return tuple(connection.execute(query).scalars())


def _read(row: Row, faults: list[Fault]) -> RotaRow | None:
    before = len(faults)
    username = str(row.cells.get("username", "")).lower()
    if USERNAME.fullmatch(username) is None:
        faults.append(Fault(row.where, "its user name is missing, or is none"))
    damaged, code = damaged_code(row.cells.get("grid")), read_code(row.cells.get("grid"))
    if damaged or code is None:
        faults.append(Fault(row.where, f"grid {damaged}" if damaged else "its grid is missing, or is no grid code"))
    starts_s, ends_s = _moment(row, "starts", faults), _moment(row, "ends", faults)
    rank = _rank(row.cells.get("rank", 0))
    if rank is None:
        faults.append(Fault(row.where, "its rank must be 0 (主岗, asked first) to 9; 1 is the backup (备岗)"))
    if len(faults) > before or code is None or rank is None:
        return None
    return RotaRow(row.where, username, code, starts_s, ends_s, rank)


def _moment(row: Row, field: str, faults: list[Fault]) -> float:
    try:
        return read_moment(row.cells.get(field))
    except InvalidInput as error:
        faults.append(Fault(row.where, f"{field} {error}"))
        return 0.0


def _rank(value: Any) -> int | None:
    if isinstance(value, str):
        return _RANKS.get(value, int(value) if value.isascii() and value.isdigit() and len(value) == 1 else None)
    return int(value) if isinstance(value, int | float) and value in range(10) else None
