"""CSV and Excel files: read as intended, or refused with a message. Never an exception of a library."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from service.core.exports.cells import in_csv, original
from service.core.imports import records, sheets
from service.core.imports.sheets import Sheet
from service.core.problems import Invalid, TooLarge
from service.core.values.texts import visible

HEADER = ["番号", "名前", "メモ"]
# Any text that XML can hold; of line breaks only \n, because they are normalised.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\n\t\",;'=+-@＝ "), max_size=20)
JAPANESE = st.text(st.sampled_from("あアｱ亜①㈱髙﨑～―∥－￠￡￢ ABC123,;\"\n\t'"), max_size=20)
PLAIN = settings(max_examples=60, deadline=None)


def rows_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    row = st.lists(text, min_size=3, max_size=3).filter(lambda cells: any(cell.strip() for cell in cells))
    return st.lists(row, min_size=1, max_size=6)


def as_csv(rows: Iterable[list[str]], delimiter: str = ",") -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows([HEADER, *rows])
    return buffer.getvalue()


def as_workbook(rows: Iterable[list[Any]], header: list[Any] | None = None) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("表")
    for row in [header or HEADER, *rows]:
        cells = [WriteOnlyCell(sheet, value) for value in row]
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # openpyxl reads a text that begins with = as a formula
        sheet.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def cells(sheet: Sheet) -> list[list[str]]:
    return [row.cells for row in sheet.rows]


def refusal(content: bytes) -> str:
    with pytest.raises((Invalid, TooLarge)) as refused:
        records.read(content)
    assert refused.value.detail.endswith("。")
    return refused.value.detail


@PLAIN
@given(
    rows_of(TEXT),
    st.sampled_from([("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16-le", "\ufeff")]),
    st.sampled_from(",\t;"),
)
def test_a_written_csv_file_is_read_back(rows: list[list[str]], encoding: tuple[str, str], delimiter: str) -> None:
    codec, mark = encoding

    sheet = records.read((mark + as_csv(rows, delimiter)).encode(codec))

    assert sheet.headers == HEADER
    assert cells(sheet) == rows
    assert sheets.unpack(sheets.pack(sheet)) == sheet.rows


@PLAIN
@given(rows_of(JAPANESE))
def test_a_csv_file_of_japanese_excel_is_read_as_shift_jis(rows: list[list[str]]) -> None:
    sheet = records.read(as_csv(rows).encode("cp932"))

    assert sheet.format == "CSV（Shift_JIS）"
    assert cells(sheet) == rows


@settings(max_examples=25, deadline=None)
@given(rows_of(TEXT))
def test_a_written_workbook_is_read_back(rows: list[list[str]]) -> None:
    sheet = records.read(as_workbook(rows))

    assert sheet.headers == HEADER
    assert cells(sheet) == rows


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"PK\x03\x04" + rest))
def test_any_bytes_are_a_table_or_refused_with_a_message(content: bytes) -> None:
    with contextlib.suppress(Invalid, TooLarge):
        records.read(content)


@given(st.text(max_size=10) | st.text("0123456789-/.+eE０９円= ", max_size=14))
def test_an_exported_cell_can_be_restored(text: str) -> None:
    assert original(in_csv(text)) == visible(text) or text.startswith("'")


def test_cells_of_a_workbook_are_read_as_excel_shows_them() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["番号", "日付", "日時", "数", "小数", "真偽"])
    sheet.append(["0012", date(2026, 11, 21), datetime.fromisoformat("2026-11-21T09:05"), 1234567, 0.1, True])
    sheet["A3"] = 12
    sheet["A3"].number_format = "0000"
    sheet["D3"] = 1e15
    buffer = io.BytesIO()
    book.save(buffer)

    parsed = records.read(buffer.getvalue())

    assert cells(parsed) == [
        ["0012", "2026/11/21", "2026/11/21 09:05:00", "1234567", "0.1", "TRUE"],
        ["0012", "", "", "1000000000000000", "", ""],
    ]


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    """Empty rows count, a line break inside a cell does not."""
    text = '\r\n名前,メモ\r\n青木,"1行目\r\n2行目"\r\n\r\n小林,\r\n'

    sheet = records.read(text.encode())

    assert [(row.number, row.cells) for row in sheet.rows] == [(3, ["青木", "1行目\n2行目"]), (5, ["小林", ""])]


def test_too_many_columns_are_refused() -> None:
    wide = ["x"] * sheets.MAX_COLUMNS
    assert len(cells(records.read(as_workbook([wide], wide)))[0]) == sheets.MAX_COLUMNS
    assert "列までです" in refusal(as_workbook([[*wide, "y"]], wide))


def test_a_sheet_is_chosen_by_name() -> None:
    book = Workbook()
    first, second = book.active, book.create_sheet("二枚目")
    assert first is not None
    first.title = "一枚目"
    for sheet in (first, second):
        sheet.append(["名前"])
        sheet.append([sheet.title])
    buffer = io.BytesIO()
    book.save(buffer)

    assert cells(records.read(buffer.getvalue())) == [["一枚目"]]
    chosen = records.read(buffer.getvalue(), "二枚目")
    assert (cells(chosen), chosen.sheets, chosen.format) == ([["二枚目"]], ["一枚目", "二枚目"], "Excel（二枚目）")
    with pytest.raises(Invalid, match="選べるシートは 一枚目、二枚目"):
        records.read(buffer.getvalue(), "三枚目")


def test_merged_cells_are_refused_by_name() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["名前", "メモ"])
    sheet.append(["青木", "x"])
    sheet.merge_cells("A2:A4")
    buffer = io.BytesIO()
    book.save(buffer)

    assert "セル A2:A4 が結合されています" in refusal(buffer.getvalue())


def test_a_cell_with_an_error_is_named() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["名前"])
    sheet.append(["#N/A"])
    sheet["A2"].data_type = "e"
    buffer = io.BytesIO()
    book.save(buffer)

    assert "セル A2 がエラー（#N/A）" in refusal(buffer.getvalue())


def zip_of(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_hostile_files_are_refused_with_a_message() -> None:
    valid = as_workbook([["1", "2", "3"]])
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w") as part,
    ):
        for _ in range(201):
            part.write(b" " * 1024 * 1024)

    assert "NUL" in refusal("名前\n青\x00木".encode())
    assert "2行目付近の文字を読み取れません" in refusal(b"a,b\n\x81\xff\xfe,x")
    assert "200列まで" in refusal((",".join(f"列{n}" for n in range(100_000)) + "\n1").encode())
    assert "20,000行まで" in refusal(b"a\n" + b"1\n" * 20_001)
    assert "5,000文字を超える" in refusal(b'a,b\n"' + b"x" * 6_000 + b'",1\n')
    assert "5,000文字を超える" in refusal(b'a,b\n"' + b"x\n" * 150_000)
    assert "引用符" in refusal(b'a,b\n"x"y,1\n')
    assert "見出しのない列" in refusal(b"a,b\n1,2,3\n")
    assert "見出しの行しか" in refusal(b"a,b\n")
    assert "何も入力されていません" in refusal(b"\r\n \r\n")
    assert "10MBまで" in refusal(b"a" * (sheets.MAX_BYTES + 1))
    assert "壊れている" in refusal(valid[: len(valid) // 2])
    assert "壊れている" in refusal(zip_of(**{"word/document.xml": b"<x/>"}))
    assert "中身が大きすぎます" in refusal(bomb.getvalue())
    assert ".xlsx 形式で" in refusal(b"\xd0\xcf\x11\xe0" + b"\x00" * 600)
