"""Excel workbooks (.xlsx): the first or the chosen sheet, with cells as Excel shows them."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl

from service.core.files.content import refuse_bombs
from service.core.imports.sheets import MAX_COLUMNS, MAX_ROWS, SPLIT_ADVICE, Sheet, build
from service.core.imports.text_files import one_newline
from service.core.problems import Invalid, TooLarge

# A workbook is a zip file of XML; ten megabytes can unpack to ten gigabytes.
MAX_UNPACKED = 200 * 1024 * 1024
BROKEN = "Excelファイルを読み取れません。壊れているか、途中で切れています。Excelで開いて保存し直してください。"
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z0-9:]{1,30})"')
_ZEROS = re.compile("0{2,20}")
_CHUNK = 1024 * 1024


def read(content: bytes, sheet: str | None = None) -> Sheet:
    """Raises Invalid or TooLarge, with a message for the user."""
    _refuse_bombs(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that it does not support
            return _read(content, sheet)
    except (Invalid, TooLarge):
        raise
    except (
        zipfile.BadZipFile,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        OSError,
    ):
        # A malicious file can raise any of these in openpyxl: all count as errors of the file.
        raise Invalid(BROKEN) from None


def _refuse_bombs(content: bytes) -> None:
    """Checks the size again, with a lower limit than at the upload. The zip reader never unpacks more than a file
    declares."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            part_infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Invalid(BROKEN) from None
    refuse_bombs(part_infos, MAX_UNPACKED)


def _read(content: bytes, sheet: str | None) -> Sheet:
    workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        names = [worksheet.title for worksheet in workbook.worksheets]
        if not names:
            raise Invalid("Excelファイルにシートがありません。データのあるファイルを選んでください。")
        if sheet is not None and sheet not in names:
            raise Invalid(f"シート「{sheet[:40]}」がありません。選べるシートは {'、'.join(names[:20])} です。")
        selected = workbook.worksheets[names.index(sheet) if sheet is not None else 0]
        # openpyxl has no public name for the path, and no merged cells in read-only mode.
        _refuse_merged(content, str(getattr(selected, "_worksheet_path", "")).lstrip("/"))
        return build(f"Excel（{selected.title}）", _rows(selected), names)
    finally:
        workbook.close()


def _refuse_merged(content: bytes, path: str) -> None:
    """Raises Invalid for merged cells: one value for several rows or columns is ambiguous."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(path) as sheet:
        previous = b""
        while chunk := sheet.read(_CHUNK):
            if match := _MERGED.search(previous + chunk):
                raise Invalid(
                    f"セル {match[1].decode()} が結合されています。結合を解除し、それぞれのセルに値を入力してください。"
                )
            previous = chunk[-200:]


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    # Some programs declare a million empty rows; without the declared size only existing rows are read.
    sheet.reset_dimensions()
    for count, row in enumerate(sheet.iter_rows()):
        if count > 5 * MAX_ROWS:
            raise TooLarge(f"一度に取り込めるのは{MAX_ROWS:,}行までです。{SPLIT_ADVICE}")
        filled = [cell for cell in row if cell.value is not None]
        if not filled:
            continue
        if filled[-1].column > MAX_COLUMNS:
            raise TooLarge(f"列は{MAX_COLUMNS}列までです。不要な列を削除してください。")
        yield filled[0].row, [_text(cell) for cell in row[:MAX_COLUMNS]]


def _text(cell: Any) -> str:
    """The cell's text; numbers without a thousands separator, dates as year/month/day."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        raise Invalid(f"セル {cell.coordinate} がエラー（{value}）になっています。正しい値を入力してください。")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return f"{value:%Y/%m/%d}" if value.time() == time() else f"{value:%Y/%m/%d %H:%M:%S}"
    if isinstance(value, date):
        return f"{value:%Y/%m/%d}"
    if isinstance(value, time):
        return f"{value:%H:%M:%S}"
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    return one_newline(str(value))


def _number(value: float, number_format: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a number")
    text = f"{Decimal(repr(value)):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    # In a cell with the format 0000 the number 12 is shown as 0012, and that is what the user has typed.
    return text.zfill(len(number_format)) if _ZEROS.fullmatch(number_format) and text.isdecimal() else text
