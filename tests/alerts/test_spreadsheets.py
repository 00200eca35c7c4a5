"""Tables that people send: what is read of them, and what hostile ones come to."""

import io
import time
import zipfile
from datetime import datetime

import pytest
from workbooks import csv_bytes, repacked, xlsx_bytes

from alerts.spreadsheets import MOST_BYTES, MOST_ROWS, Sheet, read_sheet
from models.errors import InvalidInput, TooLarge

NAMES = {"code": ("编码",), "name": ("名称",)}
TABLE = [["编码", "名称"], ["610902", "安康"], ["", ""], ["610903", "汉滨"]]
SHEET = "xl/worksheets/sheet1.xml"


def read(data: bytes) -> Sheet:
    return read_sheet(data, NAMES, ("code",))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (csv_bytes(TABLE), "utf-8"),
        (csv_bytes(TABLE, "utf-8-sig"), "utf-8"),
        (csv_bytes(TABLE, "gbk"), "gb18030"),
        (csv_bytes(TABLE, "gb18030", "\t"), "gb18030"),
        (csv_bytes(TABLE, delimiter=";"), "utf-8"),
        (xlsx_bytes(TABLE), "xlsx"),
    ],
)
def test_the_same_table_in_each_form_reads_the_same(data: bytes, encoding: str) -> None:
    sheet = read(data)
    assert sheet.encoding == encoding
    assert [(row.where, dict(row.cells)) for row in sheet.rows] == [
        ("row 2", {"code": "610902", "name": "安康"}),
        ("row 4", {"code": "610903", "name": "汉滨"}),
    ]


def test_headers_are_taken_without_case_width_blanks_and_remarks() -> None:
    sheet = read(csv_bytes([["* CODE（必填）", " n_a m-e ", "备注"], ["1", "x", "y"]]))
    assert dict(sheet.rows[0].cells) == {"code": "1", "name": "x"}
    assert sheet.ignored == ("备注",)


def test_a_column_that_is_missing_or_there_twice_is_named() -> None:
    with pytest.raises(InvalidInput, match="no column code"):
        read(csv_bytes([["cod", "名称"], ["1", "x"]]))
    with pytest.raises(InvalidInput, match="two columns for code"):
        read(csv_bytes([["code", "编码"], ["1", "2"]]))


def test_formulas_and_errors_are_faults_and_quoted_text_is_text() -> None:
    sheet = read(csv_bytes([["code", "name"], ['="610902001001"', '=cmd|"/c calc"!A1'], ["1", "x"]]))
    assert sheet.rows[0].cells["code"] == "610902001001"
    assert [fault.where for fault in sheet.faults] == ["row 2"]
    sheet = read(xlsx_bytes([["code", "name"], ["=1+1", "x"], ["#N/A", "y"], [datetime(2026, 1, 2), 3.5]]))  # noqa: DTZ001
    assert [str(fault) for fault in sheet.faults] == [
        "row 2: code: a formula: its value cannot be known, paste it as a value",
        "row 3: code: the spreadsheet's error #N/A",
    ]
    assert dict(sheet.rows[-1].cells) == {"code": datetime(2026, 1, 2), "name": 3.5}  # noqa: DTZ001


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"\n\n", "empty|no column"),
        (b"code\n", "no rows"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old .xls"),
        (b"\xff\xfea\0", "not UTF-8"),
        (b'code\n"never closed', "cannot be read"),
        (b"PK\x03\x04garbage", "damaged"),
        (xlsx_bytes(TABLE)[:-40], "damaged"),
        (xlsx_bytes([]), "empty"),
        (repacked(xlsx_bytes(TABLE), SHEET, b"<worksheet", b"<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet"), "DOCTYPE"),
        (repacked(xlsx_bytes(TABLE), SHEET, b"</worksheet>", b""), "workbook cannot be read"),
        (repacked(xlsx_bytes(TABLE), "xl/workbook.xml", b"<sheets>", b"<sheetz>"), "workbook cannot be read"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_table_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read(data)


def test_a_zip_that_is_no_workbook_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InvalidInput, match="workbook cannot be read"):
        read(packed.getvalue())


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(SHEET, "w", force_zip64=True) as part,
    ):
        for _ in range(80):
            part.write(b"\0" * 1024**2)
    assert len(bomb.getvalue()) < 200_000
    begun_s = time.perf_counter()
    with pytest.raises(TooLarge, match="unpacks"):
        read(bomb.getvalue())
    assert time.perf_counter() - begun_s < 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'r="4"', b'r="900000000"'), (b'r="A4"', b'r="XFD4"')],
    ids=["the next row is the 900 millionth", "the next cell is in the last column"],
)
def test_a_sheet_that_lies_about_its_size_is_refused_soon(old: bytes, new: bytes) -> None:
    plain = xlsx_bytes([["code"], ["1"], ["2"], ["3"]])
    content = zipfile.ZipFile(io.BytesIO(plain)).read(SHEET)
    if old not in content:  # openpyxl's writer leaves cell references out where it may
        pytest.fail(content.decode())
    begun_s = time.perf_counter()
    with pytest.raises(TooLarge):
        read(repacked(plain, SHEET, old, new))
    assert time.perf_counter() - begun_s < 2.0


def test_caps() -> None:
    with pytest.raises(TooLarge, match="20 MiB"):
        read(b"x" * (MOST_BYTES + 1))
    with pytest.raises(TooLarge, match=str(MOST_ROWS)):
        read(b"code\n" + b"1\n" * (MOST_ROWS + 1))
    with pytest.raises(TooLarge, match="columns"):
        read(b"code" + b",x" * 300 + b"\n1\n")
