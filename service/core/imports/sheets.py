"""Any file that people call a table, as plain rows of text, within limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from service.core.problems import Invalid, TooLarge

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 200
MOST_CELLS = 1_000_000
LONGEST_CELL = 5_000
SPLIT = "行を分けて、複数回に分けて取り込んでください。"


@dataclass(frozen=True)
class Row:
    """`number` is the row's number as a spreadsheet shows it; the header is usually row 1."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Sheet:
    """`format` says what the file was, in words; `sheets` are the names of a workbook's sheets."""

    format: str
    headers: list[str]
    rows: list[Row]
    sheets: list[str] = field(default_factory=list)


def build(format: str, numbered: Iterable[tuple[int, list[str]]], sheets: list[str] | None = None) -> Sheet:
    """From rows with their numbers; empty ones are left out, the first with anything in it is the header.

    Raises:
        TooLarge: more rows, columns or cells than one import may have.
        Invalid: no header, no rows, or a cell that is too long.
    """
    headers: list[str] | None = None
    rows: list[Row] = []
    cells = 0
    for number, row in numbered:
        if not any(cell.strip() for cell in row):
            continue
        _refuse_long(number, row)
        if headers is None:
            headers = _trimmed(row)
            if len(headers) > MOST_COLUMNS:
                raise TooLarge(
                    f"列は{MOST_COLUMNS}列までです（{len(headers):,}列あります）。不要な列を削除してください。"
                )
            continue
        if any(cell.strip() for cell in row[len(headers) :]):
            raise Invalid(f"{number}行目に、見出しのない列の値があります。1行目の見出しと列の数をそろえてください。")
        rows.append(Row(number, (row + [""] * len(headers))[: len(headers)]))
        cells += len(headers)
        if len(rows) > MOST_ROWS:
            raise TooLarge(f"一度に取り込めるのは{MOST_ROWS:,}行までです。{SPLIT}")
        if cells > MOST_CELLS:
            raise TooLarge(f"一度に取り込めるのは{MOST_CELLS:,}セルまでです。{SPLIT}")
    if headers is None:
        raise Invalid("ファイルに何も入力されていません。見出しの行とデータの行があるファイルを選んでください。")
    if not rows:
        raise Invalid("見出しの行しかありません。2行目から、取り込むデータを入力してください。")
    return Sheet(format, headers, rows, sheets or [])


def _refuse_long(number: int, row: list[str]) -> None:
    if any(len(cell) > LONGEST_CELL for cell in row):
        raise TooLarge(
            f"{number}行目に{LONGEST_CELL:,}文字を超えるセルがあります。"
            '引用符（"）の閉じ忘れがないか、ファイルを確認してください。'
        )


def _trimmed(row: list[str]) -> list[str]:
    """Spreadsheets leave empty columns at the end."""
    last = max(place for place, cell in enumerate(row, 1) if cell.strip())
    return [cell.strip() for cell in row[:last]]


def pack(sheet: Sheet) -> bytes:
    """The rows, small; what was read once need not be read as a spreadsheet again."""
    listed = [[row.number, *row.cells] for row in sheet.rows]
    return zlib.compress(json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode(), 3)


def unpack(content: bytes) -> list[Row]:
    listed: list[list[Any]] = json.loads(zlib.decompress(content))
    return [Row(number, cells) for number, *cells in listed]
