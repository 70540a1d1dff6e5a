"""A list as an Excel workbook, written row by row: numbers and dates keep their types, text is neutralised."""

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

from service.core.access.auth import Actor
from service.core.exports.cells import for_excel
from service.core.exports.declared import Column, ExportList, ordered_columns
from service.core.values.times import TOKYO

# Excel's own limit is 1,048,576 rows a sheet; further rows go to the next sheet.
ROWS_PER_SHEET = 1_000_000
_FETCH_SIZE = 2_000
_WIDTHS = {"text": 24, "choice": 14, "number": 12, "date": 13, "moment": 18}
_FORMATS = {"date": "yyyy/mm/dd", "moment": "yyyy/mm/dd hh:mm"}


@dataclass(frozen=True)
class Book:
    """Rows that have been read from the database; they are in openpyxl's temporary files."""

    workbook: Workbook
    rows: int

    def save(self, out: IO[bytes]) -> None:
        """Writes the workbook. It takes about as long as reading the rows, and needs no transaction."""
        self.workbook.save(out)


def fill(
    db: Session, by: Actor, export_list: ExportList, filters: Any, report_rows: Callable[[int], None] = lambda _: None
) -> Book:
    """Reads the list into a workbook. `report_rows` is called with the rows read so far, every few thousand."""
    workbook = Workbook(write_only=True)
    statement = export_list.statement(by, filters)
    sources = [source for _, source in ordered_columns(export_list, statement)]
    query = statement.with_only_columns(*sources, maintain_column_froms=True)
    rows = 0
    sheet = _sheet(workbook, export_list, 1)
    for chunk in db.execute(query.execution_options(yield_per=_FETCH_SIZE)).partitions(_FETCH_SIZE):
        for values in chunk:
            if rows and rows % ROWS_PER_SHEET == 0:
                sheet = _sheet(workbook, export_list, rows // ROWS_PER_SHEET + 1)
            cells = zip(export_list.columns, values, strict=True)
            sheet.append([_cell(sheet, column, value) for column, value in cells])
            rows += 1
        report_rows(rows)
    return Book(workbook, rows)


def fill_rows(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Book:
    """As `csv_file.write_rows`: texts of any source, neutralised, on one sheet."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title)
    _write_header(sheet, [(label, _WIDTHS["text"]) for label in header])
    count = 0
    for row in rows:
        sheet.append([for_excel(text) for text in row])
        count += 1
    return Book(workbook, count)


def _sheet(workbook: Workbook, export_list: ExportList, number: int) -> Any:
    sheet = workbook.create_sheet(export_list.title if number == 1 else f"{export_list.title}（{number}）")
    _write_header(sheet, [(column.label, _WIDTHS[column.type]) for column in export_list.columns])
    return sheet


def _write_header(sheet: Any, columns: Sequence[tuple[str, int]]) -> None:
    """Writes the header, which is frozen, and sets the columns' widths."""
    sheet.freeze_panes = "A2"
    header = []
    for position, (label, width) in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(position)].width = width
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
            value = value.astimezone(TOKYO).replace(tzinfo=None)  # Excel has no time zones
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = _FORMATS[column.type]
        return cell
    return for_excel(str(value))
