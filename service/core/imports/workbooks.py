"""Excel workbooks (.xlsx): the first sheet or the one chosen, as a person sees its cells."""

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
from service.core.imports.sheets import MOST_COLUMNS, MOST_ROWS, SPLIT, Sheet, build
from service.core.imports.text_files import one_newline
from service.core.problems import Invalid, TooLarge

# A workbook is a zip file of XML; ten megabytes of it can unpack to ten gigabytes.
MOST_UNPACKED = 200 * 1024 * 1024
BROKEN = "Excelファイルを読み取れません。壊れているか、途中で切れています。Excelで開いて保存し直してください。"
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z0-9:]{1,30})"')
_ZEROS = re.compile("0{2,20}")
_CHUNK = 1024 * 1024


def read(content: bytes, sheet: str | None = None) -> Sheet:
    """Raises Invalid or TooLarge, in words."""
    _refuse_bombs(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of styles and extensions it does not keep
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
        # A file made to break readers has many ways; each of them is the file's fault.
        raise Invalid(BROKEN) from None


def _refuse_bombs(content: bytes) -> None:
    """Once more, and closer than when it was sent. The zip reader hands out no more than the sizes a file declares."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            listed = parts.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Invalid(BROKEN) from None
    refuse_bombs(listed, MOST_UNPACKED)


def _read(content: bytes, sheet: str | None) -> Sheet:
    workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        names = [found.title for found in workbook.worksheets]
        if not names:
            raise Invalid("Excelファイルにシートがありません。データのあるファイルを選んでください。")
        if sheet is not None and sheet not in names:
            raise Invalid(f"シート「{sheet[:40]}」がありません。選べるシートは {'、'.join(names[:20])} です。")
        chosen = workbook.worksheets[names.index(sheet) if sheet is not None else 0]
        # openpyxl has no public word for it, and none for merged cells when it streams.
        _refuse_merged(content, str(getattr(chosen, "_worksheet_path", "")).lstrip("/"))
        return build(f"Excel（{chosen.title}）", _rows(chosen), names)
    finally:
        workbook.close()


def _refuse_merged(content: bytes, path: str) -> None:
    """A merged cell has one value for several rows or columns; which is meant, nobody can tell."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts, parts.open(path) as sheet:
        before = b""
        while chunk := sheet.read(_CHUNK):
            if found := _MERGED.search(before + chunk):
                raise Invalid(
                    f"セル {found[1].decode()} が結合されています。結合を解除し、それぞれのセルに値を入力してください。"
                )
            before = chunk[-200:]


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    # Some programs declare a sheet of a million empty rows; only what is there is read.
    sheet.reset_dimensions()
    for count, row in enumerate(sheet.iter_rows()):
        if count > 5 * MOST_ROWS:
            raise TooLarge(f"一度に取り込めるのは{MOST_ROWS:,}行までです。{SPLIT}")
        filled = [cell for cell in row if cell.value is not None]
        if not filled:
            continue
        if filled[-1].column > MOST_COLUMNS:
            raise TooLarge(f"列は{MOST_COLUMNS}列までです。不要な列を削除してください。")
        yield filled[0].row, [_text(cell) for cell in row[:MOST_COLUMNS]]


def _text(cell: Any) -> str:
    """As it stands in the cell; numbers without a thousands separator, dates as year/month/day."""
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


def _number(value: float, shown_as: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a number")
    text = f"{Decimal(repr(value)):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    # 0012 typed into a cell formatted as 0000 is the number 12, but not for the person who sees it.
    return text.zfill(len(shown_as)) if _ZEROS.fullmatch(shown_as) and text.isdecimal() else text
