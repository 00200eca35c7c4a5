"""A month's ledger as a spreadsheet: whose cases, which month, and text that stays text."""

import zipfile
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from desk_scene import ACTORS, do, handled, raised
from openpyxl.worksheet._writer import ALL_TEMP_FILES
from sqlalchemy import Engine, event, update

from alerts.calendars import Calendar
from alerts.clock_policies import ClockPolicies
from alerts.database import writing
from alerts.desk import Desk
from alerts.workbook import COLUMNS, Exports
from models import tables
from models.errors import Forbidden, InvalidInput, NotFound, Unavailable
from models.geo import GeoPoint

NOW = 1_800_000_000.0  # 2027-01-15 16:00 in Shanghai


def month_of(at_s: float) -> tuple[int, int]:
    local = datetime.fromtimestamp(at_s, ZoneInfo("Asia/Shanghai"))
    return local.year, local.month


@pytest.fixture
def exports(town: Engine) -> Exports:
    return Exports(town, ClockPolicies(town))


def sheets(exports: Exports, who: str = "aud", language: str = "en", grid: str | None = None, **at: int) -> Any:
    year, month = month_of(NOW)
    with exports.month(ACTORS[who], at.get("year", year), at.get("month", month), language, NOW + 99, grid) as file:
        return openpyxl.load_workbook(file)


def cases(book: Any) -> list[dict[str, Any]]:
    head, *rows = book.worksheets[0].iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.both_databases
def test_a_case_stands_in_it_as_its_log_tells(desk: Desk, exports: Exports) -> None:
    alert = handled(desk, raised(desk))
    alert = do(desk, alert, "ver", "reject", NOW + 20, reason="照片不清")
    raised(desk, 2, zone_id="y")
    first, second = cases(sheets(exports))
    assert (first["case"], first["state"], first["kind"], first["grid code"]) == (
        alert.id,
        "reopened",
        "Crowding",
        "g1",
    )
    assert first["raised"] == datetime(2027, 1, 15, 16, 0, 1)  # noqa: DTZ001 - a spreadsheet's times have no zone
    assert first["handled (last)"] == datetime(2027, 1, 15, 16, 0, 10)  # noqa: DTZ001
    assert (first["handled by"], first["camera"], first["reworked"], first["closed"]) == ("W1", "cam1", 1, None)
    assert (first["severity"], first["times detected"], first["events"]) == ("orange", 1, alert.version)
    assert (second["state"], second["acknowledged"], second["reworked"]) == ("new", None, 0)


def test_headings_in_both_languages_and_the_zone_named(desk: Desk, exports: Exports, town: Engine) -> None:
    raised(desk)
    zh = sheets(exports, language="zh")
    assert [cell.value for cell in zh.worksheets[0][1]] == [column[0] for column in COLUMNS]
    assert zh.sheetnames == ["台账", "说明"]
    about = dict(zh.worksheets[1].iter_rows(values_only=True))
    assert (about["时间所属时区"], about["案件数"], about["导出人"]) == ("Asia/Shanghai", 1, "Aud")
    desk.policies.set_calendar("d", Calendar("d", zone="America/New_York", country=""), ACTORS["admin"])
    there = sheets(Exports(town, ClockPolicies(town)), grid="g1")
    assert dict(there.worksheets[1].iter_rows(values_only=True))["time zone of all times"] == "America/New_York"
    assert cases(there)[0]["raised"] == datetime(2027, 1, 15, 3, 0, 1)  # noqa: DTZ001


def test_a_month_is_a_month_of_the_local_calendar(desk: Desk, exports: Exports, town: Engine) -> None:
    alert = raised(desk)
    walls = ("2026-12-31T23:59:59", "2027-01-01T00:00:00", "2027-01-31T23:59:59", "2027-02-01T00:00:00")
    for wall, listed in zip(walls, (0, 1, 1, 0), strict=True):
        at_s = datetime.fromisoformat(f"{wall}+08:00").timestamp()
        with writing(town) as connection:
            connection.execute(update(tables.alerts).values(created_s=at_s))
        assert len(cases(sheets(exports))) == listed, wall
    assert [row["case"] for row in cases(sheets(exports, year=2027, month=2))] == [alert.id]


@pytest.mark.both_databases
def test_nobody_sees_more_than_is_theirs(desk: Desk, exports: Exports) -> None:
    raised(desk)
    raised(desk, 2, camera_id="cam3", place=GeoPoint(3.0, 1.0))
    assert {row["grid code"] for row in cases(sheets(exports))} == {"g1", "g3"}
    assert {row["grid code"] for row in cases(sheets(exports, grid="e"))} == {"g3"}
    for who in ("op", "w1", "admin"):
        with pytest.raises(Forbidden):
            sheets(exports, who)
    with pytest.raises(NotFound):
        sheets(exports, "w1", grid="e")
    with pytest.raises(NotFound):
        sheets(exports, grid="nowhere")


def test_exercises_are_left_out(desk: Desk, exports: Exports, town: Engine) -> None:
    raised(desk)
    with writing(town) as connection:
        connection.execute(update(tables.alerts).values(practice=True))
    assert cases(sheets(exports)) == []


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', " =1", "#N/A", "20270115160000000001", "\x07=cmd"],
)
def test_text_stays_text(desk: Desk, exports: Exports, text: str) -> None:
    raised(desk, reason=text)
    year, month = month_of(NOW)
    with exports.month(ACTORS["aud"], year, month, "en", NOW) as file:
        column = next(number for number, (_, name, *_) in enumerate(COLUMNS, 1) if name == "detected because")
        cell = openpyxl.load_workbook(file).worksheets[0].cell(2, column)
        assert (cell.data_type, cell.value) == ("s", text.replace("\x07", "\ufffd"))
        if text.strip()[0] in "=+-@#":
            assert cell.quotePrefix  # nor does it become one for whoever edits the cell
        file.seek(0)
        with zipfile.ZipFile(file) as parts:
            assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")


def test_too_many_cases_are_refused_before_anything_is_written(desk: Desk, town: Engine) -> None:
    exports = Exports(town, ClockPolicies(town), most_cases=5, page=2)
    for seq in range(1, 6):
        raised(desk, seq, zone_id=f"z{seq}")
    assert len(cases(sheets(exports))) == 5  # in more than one page
    raised(desk, 6, zone_id="z6")
    with pytest.raises(InvalidInput, match="name a grid"):
        sheets(exports)


def test_one_at_a_time_and_what_breaks_off_leaves_nothing(desk: Desk, town: Engine) -> None:
    exports = Exports(town, ClockPolicies(town), page=1)
    first, second = raised(desk), raised(desk, 2, zone_id="y")
    refused: list[str] = []

    @event.listens_for(town, "before_cursor_execute")
    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "alerts.body" in statement and not refused:
            refused.append(statement)
            with pytest.raises(Unavailable, match="another ledger"):
                sheets(exports)

    with writing(town) as connection:
        broken = update(tables.alerts).where(tables.alerts.c.id == second.id).values(body={})
        connection.execute(broken)
    with pytest.raises(KeyError):
        sheets(exports)
    assert len(refused) == 1
    assert ALL_TEMP_FILES == []
    with writing(town) as connection:
        connection.execute(update(tables.alerts).where(tables.alerts.c.id == second.id).values(practice=True))
    assert [row["case"] for row in cases(sheets(exports))] == [first.id]
