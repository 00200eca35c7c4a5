"""A month's ledger as a spreadsheet: one row per case that was raised in it, for whoever reads the audit.

Read page by page, each in a transaction of its own, so that no writer waits: a case stands as it was when its page was
read. Text stays text: what begins like a formula is none.
"""

import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter
from sqlalchemy import Connection, Engine, func, select, tuple_

from alerts import ledger
from alerts.clock_policies import ClockPolicies
from alerts.database import reading
from alerts.policy import NO_SUCH_THING, check
from alerts.projection import alert_from_json
from alerts.queries import in_subtrees
from alerts.words import SEVERITIES, STATES, coded, said
from models.alert import Alert, EventType
from models.errors import Forbidden, InvalidInput, NotFound, Unavailable
from models.incident import KINDS
from models.people import Actor, Permission
from models.tables import alerts, cameras, events, grids, people

MOST_CASES = 50_000
"""Rows of one file. A city that has more in a month asks district by district."""
LONGEST_CELL = 2000
PAGE = 500
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold."""


@dataclass(frozen=True)
class Row:
    """A case with what its log adds: by type, how often, first and last (Unix seconds); and names by id or code."""

    alert: Alert
    told: Mapping[str, tuple[int, float, float]]
    names: Mapping[str, str]
    language: str
    zone: ZoneInfo

    def words(self, pair: tuple[str, str]) -> str:
        return said(pair, self.language)

    def yes(self, value: object) -> str:
        return self.words(("是", "yes")) if value else ""

    def at(self, at_s: float | None) -> datetime | None:
        """Local, without its zone, which a spreadsheet's times do not have."""
        return None if at_s is None else datetime.fromtimestamp(int(at_s), self.zone).replace(tzinfo=None)

    def last(self, kind: EventType) -> datetime | None:
        return self.at(self.told[kind][2]) if kind in self.told else None

    def first(self, kind: EventType) -> datetime | None:
        return self.at(self.told[kind][1]) if kind in self.told else None

    def times(self, *kinds: EventType) -> int:
        return sum(self.told[kind][0] for kind in kinds if kind in self.told)

    def name(self, key: str | None) -> str | None:
        return None if key is None else self.names.get(key, key)


_E = EventType
COLUMNS: Sequence[tuple[str, str, int, Callable[[Row], object]]] = (
    ("编号", "case", 30, lambda row: row.alert.id),
    ("类别", "kind", 16, lambda row: row.words((KINDS[row.alert.kind].name_zh, KINDS[row.alert.kind].name_en))),
    ("等级", "severity", 8, lambda row: row.words(SEVERITIES[row.alert.severity])),
    ("状态", "state", 12, lambda row: row.words(STATES[row.alert.state])),
    ("网格编码", "grid code", 24, lambda row: row.alert.grid_code),
    ("网格", "grid", 20, lambda row: row.name(row.alert.grid_code)),
    ("经度（WGS-84）", "longitude (WGS-84)", 12, lambda row: round(row.alert.place.lon_deg, 6)),
    ("纬度（WGS-84）", "latitude (WGS-84)", 12, lambda row: round(row.alert.place.lat_deg, 6)),
    ("摄像机编码", "camera", 24, lambda row: row.name(row.alert.camera_id)),
    ("发现依据", "detected because", 40, lambda row: row.alert.detected_reason),
    ("检测次数", "times detected", 9, lambda row: row.alert.incidents),
    ("发现时间", "raised", 19, lambda row: row.at(row.alert.created_s)),
    ("受理时间", "acknowledged", 19, lambda row: row.first(_E.ACKNOWLEDGED)),
    ("派遣时间", "dispatched (last)", 19, lambda row: row.last(_E.DISPATCHED)),
    ("接单时间", "accepted (last)", 19, lambda row: row.last(_E.ACCEPTED)),
    ("到场时间", "on scene (last)", 19, lambda row: row.last(_E.ARRIVED)),
    ("处置时间", "handled (last)", 19, lambda row: row.last(_E.HANDLED)),
    ("核查时间", "verified (last)", 19, lambda row: row.last(_E.VERIFIED)),
    ("结案时间", "closed", 19, lambda row: row.at(row.alert.closed_s)),
    ("结案方式", "outcome", 20, lambda row: coded(row.alert.outcome, row.language)),
    ("责任人", "assignee", 14, lambda row: row.name(row.alert.assignee)),
    ("处置人", "handled by", 14, lambda row: row.name(row.alert.handled_by)),
    ("核查人", "verified by", 14, lambda row: row.name(row.alert.verified_by)),
    ("部门", "unit", 14, lambda row: row.alert.unit),
    ("退回次数", "returned", 9, lambda row: row.times(_E.RETURNED)),
    ("返工次数", "reworked", 9, lambda row: row.times(_E.REJECTED, _E.REOPENED)),
    ("升级次数", "escalated", 9, lambda row: row.times(_E.ESCALATED)),
    ("挂账（小时）", "suspended (h)", 10, lambda row: round(row.alert.suspended_s / 3600, 2)),
    ("督办", "supervised", 8, lambda row: row.yes(row.alert.supervision)),
    ("评价", "rating", 8, lambda row: row.alert.evaluation.rating if row.alert.evaluation else None),
    ("全程超时", "overdue as a whole", 9, lambda row: row.yes(row.alert.whole_overdue_s)),
    ("记录数", "events", 8, lambda row: row.alert.version),
)
"""Heading in Chinese and English, width in characters, and what stands there."""


class Exports:
    """Makes one file at a time: each costs seconds of a core."""

    def __init__(
        self, engine: Engine, policies: ClockPolicies, *, most_cases: int = MOST_CASES, page: int = PAGE
    ) -> None:
        self._engine, self._policies, self._most_cases, self._page = engine, policies, most_cases, page
        self._busy = threading.Lock()

    def month(
        self, actor: Actor, year: int, month: int, language: str, now_s: float, grid_code: str | None = None
    ) -> IO[bytes]:
        """An xlsx file, at its beginning; closed, it is gone.

        The month is that of the time zone of the calendar of the grid, or of the actor's first one; the file names it.
        Raises NotFound or Forbidden (the grid), InvalidInput (too many cases), Unavailable (one is being made).
        """
        with reading(self._engine) as connection:
            paths = _paths(connection, actor, grid_code)
            zone = ZoneInfo(self._policies.book(now_s).calendar(paths[0]).zone)
            start_s = datetime(year, month, 1, tzinfo=zone).timestamp()
            end_s = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).timestamp()
            where = (
                alerts.c.created_s >= start_s,
                alerts.c.created_s < end_s,
                in_subtrees(alerts.c.grid_path, paths),
                ~alerts.c.practice,
            )
            some = select(alerts.c.id).where(*where).limit(self._most_cases + 1).subquery()
            if connection.execute(select(func.count()).select_from(some)).scalar_one() > self._most_cases:
                raise InvalidInput(f"that month holds more than {self._most_cases} cases there: name a grid below")
        if not self._busy.acquire(blocking=False):
            raise Unavailable("another ledger is being written: ask again", 15)
        try:
            notes = (
                (("月份（按发现时间）", "month in which the cases were raised"), f"{year:04d}-{month:02d}"),
                (("时间所属时区", "time zone of all times"), zone.key),
                (
                    ("网格（含下级）", "grid, with all below it"),
                    grid_code or said(("本人全部网格", "all of mine"), language),
                ),
                (("导出人", "made by"), actor.name),
                (("导出时间", "made at"), datetime.fromtimestamp(int(now_s), zone).replace(tzinfo=None)),
            )
            return _written(self._rows(where, language, zone), language, notes)
        finally:
            self._busy.release()

    def _rows(self, where: tuple[Any, ...], language: str, zone: ZoneInfo) -> Iterator[Row]:
        after: tuple[float, str] = (0.0, "")
        key = tuple_(alerts.c.created_s, alerts.c.id)
        while True:
            query = select(alerts.c.created_s, alerts.c.id, alerts.c.body).where(*where, key > tuple_(*after))
            with reading(self._engine) as connection:
                page = connection.execute(query.order_by(alerts.c.created_s, alerts.c.id).limit(self._page)).all()
                found = [alert_from_json(row.body) for row in page]
                told = _told(connection, [alert.id for alert in found])
                names = _names(connection, found)
            yield from (Row(alert, told.get(alert.id, {}), names, language, zone) for alert in found)
            if len(page) < self._page:
                return
            after = (page[-1].created_s, page[-1].id)


def _paths(connection: Connection, actor: Actor, grid_code: str | None) -> tuple[str, ...]:
    if grid_code is None:
        paths = actor.paths_for(Permission.AUDIT_READ)
        if not paths:
            raise Forbidden("none of your roles may read the audit")
        return paths
    path = ledger.grid_path(connection, grid_code)
    if path is None:
        raise NotFound(NO_SUCH_THING)
    check(actor, Permission.AUDIT_READ, path, sight=Permission.ALERT_READ)
    return (path,)


def _told(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, tuple[int, float, float]]]:
    columns = (events.c.alert_id, events.c.type)
    counted = select(*columns, func.count().label("times"), func.min(events.c.at_s), func.max(events.c.at_s))
    found: dict[str, dict[str, tuple[int, float, float]]] = {}
    for alert_id, kind, times, first_s, last_s in connection.execute(
        counted.where(events.c.alert_id.in_(ids)).group_by(*columns)
    ):
        found.setdefault(alert_id, {})[kind] = (times, first_s, last_s)
    return found


def _names(connection: Connection, found: Sequence[Alert]) -> dict[str, str]:
    """Of people and cameras by id, of grids by code."""
    who = {person for alert in found for person in (alert.assignee, alert.handled_by, alert.verified_by) if person}
    where = {alert.grid_code for alert in found}
    seen_by = {alert.camera_id for alert in found if alert.camera_id}
    queries = (
        select(people.c.id, people.c.name).where(people.c.id.in_(who)),
        select(grids.c.code, grids.c.name).where(grids.c.code.in_(where)),
        select(cameras.c.id, cameras.c.code).where(cameras.c.id.in_(seen_by)),
    )
    return {key: name for query in queries for key, name in connection.execute(query)}


def _written(rows: Iterator[Row], language: str, notes: Sequence[tuple[tuple[str, str], object]]) -> IO[bytes]:
    with _workbook() as (book, sheets):
        sheet = book.create_sheet(said(("台账", "ledger"), language))
        sheets.append(sheet)
        sheet.freeze_panes = "B2"
        for number, (_, _, width, _) in enumerate(COLUMNS, 1):
            sheet.column_dimensions[get_column_letter(number)].width = width
        sheet.append([said((zh, en), language) for zh, en, _, _ in COLUMNS])
        count = 0
        for row in rows:
            sheet.append([_cell(sheet, value(row)) for *_, value in COLUMNS])
            count += 1
        about = book.create_sheet(said(("说明", "about"), language))
        sheets.append(about)
        about.column_dimensions["A"].width = about.column_dimensions["B"].width = 40
        for pair, value in (*notes, (("案件数", "cases"), count)):
            about.append([said(pair, language), _cell(about, value)])
        file = tempfile.TemporaryFile(prefix="wangge-ledger-")  # noqa: SIM115 - the caller's to close
        book.save(file)
    file.seek(0)
    return file


@contextmanager
def _workbook() -> Iterator[tuple[Workbook, list[Any]]]:
    """A workbook that is written as it grows; where that breaks off, its drafts are removed. Its sheets are listed."""
    book = Workbook(write_only=True)
    sheets: list[Any] = []
    try:
        yield book, sheets
    except BaseException:
        for sheet in sheets:
            sheet.close()
            sheet._writer.cleanup()  # the library does so at the end of the process only
        raise


def _cell(sheet: Any, value: object) -> object:
    """What a spreadsheet would take for a formula or an error is marked as text, also for whoever edits it there."""
    if not isinstance(value, str):
        return value
    text = _NOT_TEXT.sub("\ufffd", value)[:LONGEST_CELL]
    if text.lstrip()[:1] not in ("=", "+", "-", "@", "#"):
        return text
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell
