"""A list as an Excel workbook, written row by row: numbers and dates keep their types, and text stays text."""

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
from service.core.exports.cells import DATE, DATETIME, Cell, in_excel, is_guessed
from service.core.exports.declared import Column, ExportList, ordered_columns
from service.core.values.times import TOKYO

# Excel's own limit is 1,048,576 rows a sheet; further rows go to the next sheet.
ROWS_PER_SHEET = 1_000_000
_FETCH_SIZE = 2_000
_WIDTHS = {"text": 24, "choice": 14, "number": 12, "date": 13, "moment": 18}
_TEXT_FORMAT = "@"


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


def fill_rows(
    title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, datetime_form: str = DATETIME
) -> Book:
    """As `csv_file.write_rows`: rows of any source, on one sheet."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title)
    _write_header(sheet, [(label, _WIDTHS["text"]) for label in header])
    count = 0
    for row in rows:
        sheet.append([_typed(sheet, value, datetime_form if isinstance(value, datetime) else None) for value in row])
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
    return _typed(sheet, str(value) if column.type == "text" else value, column.form)


def _typed(sheet: Any, value: Any, form: str | None) -> Any:
    if isinstance(value, str):
        return _text(sheet, in_excel(value))
    if isinstance(value, datetime):
        # Excel has no time zones.
        return _formatted(sheet, value.astimezone(TOKYO).replace(tzinfo=None), form or DATETIME)
    return _formatted(sheet, value, form or DATE) if isinstance(value, date) else value


def _formatted(sheet: Any, value: Any, form: str) -> Any:
    cell = WriteOnlyCell(sheet, value)
    cell.number_format = form.replace("HH24", "hh").replace("MI", "mm").lower()
    return cell


def _text(sheet: Any, text: str) -> Any:
    """A cell that is text, and stays text when it is edited."""
    if not is_guessed(text):
        return text
    cell = WriteOnlyCell(sheet, text)
    cell.data_type, cell.number_format = "s", _TEXT_FORMAT
    return cell
