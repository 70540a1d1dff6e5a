"""A table file of any format as plain rows of text, within limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from service.core.problems import Invalid, TooLarge

MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 20_000
MAX_COLUMNS = 200
MAX_CELLS = 1_000_000
MAX_CELL_LENGTH = 5_000
SPLIT_ADVICE = "行を分けて、複数回に分けて取り込んでください。"


@dataclass(frozen=True)
class Row:
    """`number` is the row number that a spreadsheet shows; the header is usually row 1."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Sheet:
    """`format` describes the file's format for users; `sheets` are the names of a workbook's sheets."""

    format: str
    headers: list[str]
    rows: list[Row]
    sheets: list[str] = field(default_factory=list)


def build(format: str, numbered: Iterable[tuple[int, list[str]]], sheets: list[str] | None = None) -> Sheet:
    """Builds a sheet from numbered rows. Empty rows are left out; the first other row is the header.

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
            if len(headers) > MAX_COLUMNS:
                raise TooLarge(
                    f"列は{MAX_COLUMNS}列までです（{len(headers):,}列あります）。不要な列を削除してください。"
                )
            continue
        if any(cell.strip() for cell in row[len(headers) :]):
            raise Invalid(f"{number}行目に、見出しのない列の値があります。1行目の見出しと列の数をそろえてください。")
        rows.append(Row(number, (row + [""] * len(headers))[: len(headers)]))
        cells += len(headers)
        if len(rows) > MAX_ROWS:
            raise TooLarge(f"一度に取り込めるのは{MAX_ROWS:,}行までです。{SPLIT_ADVICE}")
        if cells > MAX_CELLS:
            raise TooLarge(f"一度に取り込めるのは{MAX_CELLS:,}セルまでです。{SPLIT_ADVICE}")
    if headers is None:
        raise Invalid("ファイルに何も入力されていません。見出しの行とデータの行があるファイルを選んでください。")
    if not rows:
        raise Invalid("見出しの行しかありません。2行目から、取り込むデータを入力してください。")
    return Sheet(format, headers, rows, sheets or [])


def _refuse_long(number: int, row: list[str]) -> None:
    if any(len(cell) > MAX_CELL_LENGTH for cell in row):
        raise TooLarge(
            f"{number}行目に{MAX_CELL_LENGTH:,}文字を超えるセルがあります。"
            '引用符（"）の閉じ忘れがないか、ファイルを確認してください。'
        )


def _trimmed(row: list[str]) -> list[str]:
    """The header without the empty columns that spreadsheets leave at the end."""
    last = max(position for position, cell in enumerate(row, 1) if cell.strip())
    return [cell.strip() for cell in row[:last]]


def pack(sheet: Sheet) -> bytes:
    """The rows, compressed, so that the file need not be read as a spreadsheet again."""
    row_lists = [[row.number, *row.cells] for row in sheet.rows]
    return zlib.compress(json.dumps(row_lists, ensure_ascii=False, separators=(",", ":")).encode(), 3)


def unpack(content: bytes) -> list[Row]:
    row_lists: list[list[Any]] = json.loads(zlib.decompress(content))
    return [Row(number, cells) for number, *cells in row_lists]
