"""A list as an Excel workbook, written row by row: numbers and dates stay what they are, text is made harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import TOKYO
from service.core.exports.cells import for_excel
from service.core.exports.declared import Column, List, ordered_columns

# Excel's own limit is 1,048,576 rows a sheet; what comes after goes to the next one.
ROWS_A_SHEET = 1_000_000
_FETCH = 2_000
_WIDTHS = {"text": 24, "choice": 14, "number": 12, "date": 13, "moment": 18}
_FORMATS = {"date": "yyyy/mm/dd", "moment": "yyyy/mm/dd hh:mm"}


@dataclass(frozen=True)
class Book:
    """Rows that have left the database; they wait in temporary files of openpyxl's."""

    workbook: Workbook
    rows: int

    def save(self, out: IO[bytes]) -> None:
        """Packs it. It takes about as long as reading the rows did, and needs no transaction."""
        self.workbook.save(out)


def fill(db: Session, by: Actor, listed: List, filters: Any, seen: Callable[[int], None] = lambda _: None) -> Book:
    """`seen` hears how many rows were read so far, every few thousand."""
    workbook = Workbook(write_only=True)
    found = listed.statement(by, filters)
    sources = [source for _, source in ordered_columns(listed, found)]
    asked = found.with_only_columns(*sources, maintain_column_froms=True)
    rows = 0
    sheet = _sheet(workbook, listed, 1)
    for chunk in db.execute(asked.execution_options(yield_per=_FETCH)).partitions(_FETCH):
        for values in chunk:
            if rows and rows % ROWS_A_SHEET == 0:
                sheet = _sheet(workbook, listed, rows // ROWS_A_SHEET + 1)
            cells = zip(listed.columns, values, strict=True)
            sheet.append([_cell(sheet, column, value) for column, value in cells])
            rows += 1
        seen(rows)
    return Book(workbook, rows)


def fill_rows(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Book:
    """As `csv_file.write_rows`: texts of ours or anybody's, made harmless, on one sheet."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title)
    _begin(sheet, [(label, _WIDTHS["text"]) for label in header])
    count = 0
    for row in rows:
        sheet.append([for_excel(text) for text in row])
        count += 1
    return Book(workbook, count)


def _sheet(workbook: Workbook, listed: List, number: int) -> Any:
    sheet = workbook.create_sheet(listed.title if number == 1 else f"{listed.title}（{number}）")
    _begin(sheet, [(column.label, _WIDTHS[column.type]) for column in listed.columns])
    return sheet


def _begin(sheet: Any, columns: Sequence[tuple[str, int]]) -> None:
    """The header, which stays in sight, and the columns' widths."""
    sheet.freeze_panes = "A2"
    header = []
    for place, (label, width) in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
        cell = WriteOnlyCell(sheet, label)
        cell.font = Font(bold=True)
        header.append(cell)
    sheet.append(header)


def _cell(sheet: Any, column: Column, value: Any) -> Any:
    if value is None or column.type == "number":
        return value
    if column.type == "choice":
        return (column.words or {}).get(value, str(value))
    if isinstance(value, date):
        if isinstance(value, datetime):
            value = value.astimezone(TOKYO).replace(tzinfo=None)  # Excel knows no time zones
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = _FORMATS[column.type]
        return cell
    return for_excel(str(value))
