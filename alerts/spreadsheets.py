"""Tables that people send, CSV and xlsx, as rows of named cells. A file is hostile until it is read to its end.

Caps come before reading: an xlsx is a zip archive, and one of a few kilobytes may unpack to terabytes.
"""

import csv
import io
import threading
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import openpyxl

from models.errors import Fault, InvalidInput, TooLarge
from models.text import checked_text

MOST_BYTES = 20 * 1024 * 1024
MOST_UNPACKED_BYTES = 64 * 1024 * 1024
MOST_PARTS = 1000
MOST_ROWS = 20_000
MOST_ROWS_LOOKED_AT = 100_000
"""Empty rows among them: a sheet may say that its next row is the millionth."""
MOST_COLUMNS = 200

XLSX_BEGINS = b"PK\x03\x04"
_XLS_BEGINS = b"\xd0\xcf\x11\xe0"
_DELIMITERS = (",", "\t", ";")
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_one_at_a_time = threading.Lock()
"""Holds for xlsx: what one costs in memory is bounded, and Python's warning filters are the process's."""

Cell = str | int | float | bool | date | datetime


@dataclass(frozen=True)
class Row:
    """``where`` counts as the spreadsheet does: the header is row 1. Cells by field; empty ones are left out."""

    where: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """``faults``: cells whose content cannot be known. ``ignored``: columns whose names say nothing to us."""

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    encoding: str
    ignored: tuple[str, ...]


def read_sheet(data: bytes, names: Mapping[str, Sequence[str]], needed: Collection[str]) -> Sheet:
    """The first sheet of an xlsx, or a CSV (comma, tab, semicolon) in UTF-8 or GB18030.

    ``names``: the headers that each field may go by, in ``plain_name``'s spelling. Raises InvalidInput where a column
    of ``needed`` is missing or named twice, and for what is no table; TooLarge.
    """
    if len(data) > MOST_BYTES:
        raise TooLarge(f"a table holds at most {MOST_BYTES // 1024**2} MiB; split it by district")
    if data.startswith(_XLS_BEGINS):
        raise InvalidInput(
            "this is an old .xls, or an encrypted workbook: save it as .xlsx without password, or as CSV"
        )
    if data.startswith(XLSX_BEGINS):
        with _one_at_a_time:
            return _sheet(_xlsx_lines(data), "xlsx", names, needed)
    text, encoding = decoded(data)
    return _sheet(_csv_lines(text), encoding, names, needed)


def decoded(data: bytes) -> tuple[str, str]:
    """The text, and its encoding: UTF-8 if it is that to the last byte, else GB18030 (with it GBK and GB2312).

    Raises InvalidInput for what is neither.
    """
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise InvalidInput("the file is not UTF-8 text and not GBK or GB18030 text: save it as CSV UTF-8, or as .xlsx")


def plain_name(name: object) -> str:
    """A header as it is compared: without case, width, blanks, '_', '-' and a remark in brackets."""
    text = unicodedata.normalize("NFKC", str(name)).casefold().partition("(")[0]
    return "".join(c for c in text if not c.isspace() and c not in "_-\ufeff*")


def number_as_shown(value: float) -> str:
    """As spreadsheets show a long number: 6.10902E+19."""
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _sheet(
    lines: Iterator[Sequence[Cell | Fault | None]],
    encoding: str,
    names: Mapping[str, Sequence[str]],
    needed: Collection[str],
) -> Sheet:
    header = next(lines, None)
    if not header:
        raise InvalidInput("the table is empty: its first row must name the columns")
    fields, ignored = _fields(header, names, needed)
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines, start=2):
        if number > MOST_ROWS_LOOKED_AT:
            raise TooLarge(f"the table has more than {MOST_ROWS_LOOKED_AT} rows, empty ones counted: delete those")
        cells: dict[str, Any] = {}
        for field, value in zip(fields, line, strict=False):
            if field is None or value is None or (isinstance(value, str) and not value.strip()):
                continue
            if isinstance(value, Fault):
                faults.append(Fault(f"row {number}", f"{field}: {value.what}"))
            else:
                cells[field] = value.strip() if isinstance(value, str) else value
        if not cells:
            continue
        if len(rows) >= MOST_ROWS:
            raise TooLarge(f"a table holds at most {MOST_ROWS} rows; split it by district")
        rows.append(Row(f"row {number}", cells))
    if not rows and not faults:
        raise InvalidInput("the table has a header and no rows")
    return Sheet(tuple(rows), tuple(faults), encoding, ignored)


def _fields(
    header: Sequence[Cell | Fault | None], names: Mapping[str, Sequence[str]], needed: Collection[str]
) -> tuple[list[str | None], tuple[str, ...]]:
    by_name = {name: field for field, spellings in names.items() for name in (plain_name(field), *spellings)}
    fields = [by_name.get(plain_name(name)) if isinstance(name, str) else None for name in header]
    twice = sorted({field for field in fields if field is not None and fields.count(field) > 1})
    missing = [field for field in names if field in needed and field not in fields]
    if missing or twice:
        said = [f"no column {field} ({' / '.join(names[field][:2])})" for field in missing]
        said += [f"two columns for {field}" for field in twice]
        raise InvalidInput(f"the table's first row names {'; '.join(said)}")
    unknown = (str(name)[:40] for name, field in zip(header, fields, strict=True) if name and field is None)
    return fields, tuple(_shown(name) for name in unknown)


def _shown(name: str) -> str:
    """A header as a message may repeat it."""
    try:
        return checked_text(name, "a header", 40)
    except InvalidInput:
        return "?"


def _csv_lines(text: str) -> Iterator[Sequence[Cell | Fault | None]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(MOST_BYTES)  # the process's: a border is longer than the 128 KiB that it begins with
    try:
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if len(line) > MOST_COLUMNS:
                raise TooLarge(f"a table holds at most {MOST_COLUMNS} columns")
            yield [_csv_cell(value) for value in line]
    except csv.Error as error:
        raise InvalidInput(f"the CSV cannot be read: {error}") from None


def _csv_cell(value: str) -> str | Fault:
    if not value.startswith("="):
        return value
    if len(value) > 3 and value[1] == value[-1] == '"' and '"' not in value[2:-1]:
        return value[2:-1]  # ="610902001001": how people keep a spreadsheet from making a number of it
    return Fault("", "a formula: its value cannot be known, paste it as a value")


def _xlsx_lines(data: bytes) -> Iterator[Sequence[Cell | Fault | None]]:
    _refuse_bomb(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that say nothing about what cells hold
        try:
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
            try:
                sheet = book.worksheets[0]
                sheet.reset_dimensions()  # what it says of its own size is not to be believed
                for line in sheet.iter_rows():
                    if len(line) > MOST_COLUMNS:
                        raise TooLarge(f"a table holds at most {MOST_COLUMNS} columns: delete those to the right")
                    yield [_xlsx_cell(cell) for cell in line]
            finally:
                book.close()
        except TooLarge:
            raise
        except Exception as error:  # noqa: BLE001 - what it raises for a broken file is listed nowhere
            raise InvalidInput(f"the workbook cannot be read ({type(error).__name__}): save it anew as .xlsx") from None


def _xlsx_cell(cell: Any) -> Cell | Fault | None:
    if cell.data_type == "f":
        return Fault("", "a formula: its value cannot be known, paste it as a value")
    if cell.data_type == "e":
        return Fault("", f"the spreadsheet's error {str(cell.value)[:20]}")
    value: Cell | None = cell.value
    return value if isinstance(value, Cell) else None


def _refuse_bomb(data: bytes) -> None:
    """Raises for an archive that unpacks to too much, is encrypted, or whose XML defines entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            # zipfile reads no more of a part than its entry here says.
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
                raise TooLarge(f"the workbook unpacks to more than {MOST_UNPACKED_BYTES // 1024**2} MiB")
            if any(part.flag_bits & 1 for part in parts):
                raise InvalidInput("the workbook is encrypted: save it without password")
            if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
                raise InvalidInput("the workbook is packed in a way that no spreadsheet program packs")
            for part in parts:
                content = archive.read(part)
                if any(word in content for word in _DOCTYPES):
                    raise InvalidInput("the workbook holds XML that no spreadsheet program writes (DOCTYPE)")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError, ValueError, RuntimeError):
        raise InvalidInput("the file begins as an .xlsx does, and is none or is damaged: save it anew") from None
