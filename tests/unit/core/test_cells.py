"""Cells of exported tables in a spreadsheet: as on the screen, and never a formula."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.exports import csv_file, excel_file
from service.core.exports.cells import AMOUNT, FORMULA, Cell, in_csv
from service.core.values.times import TOKYO
from tests.spreadsheets import AS_SHOWN, CHANGED, FORMULAS


@pytest.mark.parametrize("text", AS_SHOWN)
def test_a_text_that_every_spreadsheet_shows_is_written_as_it_is(text: str) -> None:
    assert in_csv(text) == text


@pytest.mark.parametrize("text", CHANGED)
def test_a_text_that_a_spreadsheet_would_change_is_written_as_a_constant(text: str) -> None:
    assert in_csv(text) == f'="{text}"'


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text: str) -> None:
    assert in_csv(text) == f"'{text}"


@given(st.text(max_size=12) | st.text("=+-@＝－0123456789円年月件%,./()|!'\"A ", max_size=12))
def test_nothing_that_somebody_typed_is_a_formula(text: str) -> None:
    cell = in_csv(text)

    constant = re.fullmatch(r'="[^"=]*"', cell)
    assert constant or cell[:1] not in set(FORMULA) or re.fullmatch(AMOUNT, cell)
    assert not re.search(r"[A-Za-z|!'\"=@+]", cell) or constant or cell[:1] not in set(FORMULA)


def test_rows_of_any_source_have_types() -> None:
    at = datetime(2026, 11, 21, 9, 5, 33, tzinfo=TOKYO)
    row: list[Cell] = ["0012", "=1+1", 12, Decimal("99.900"), date(2026, 4, 1), at, None]
    header, form = ["番号", "名前", "台数", "率", "日付", "日時", "なし"], "YYYY/MM/DD HH24:MI:SS"

    out = io.BytesIO()
    csv_file.write_rows(header, [row], out, datetime_form=form)
    lines = out.getvalue().decode("utf-8-sig").splitlines()
    assert lines[1] == '"=""0012""",\'=1+1,12,99.900,2026/04/01,2026/11/21 09:05:33,'
    cells = workbook(header, [row], form)[1]
    assert [cell.value for cell in cells[:5]] == ["0012", "=1+1", 12, 99.9, datetime.fromisoformat("2026-04-01")]
    assert [cell.data_type for cell in cells[:6]] == ["s", "s", "n", "n", "d", "d"]
    assert (cells[5].value, cells[5].number_format) == (at.replace(tzinfo=None), "yyyy/mm/dd hh:mm:ss")


def workbook(header: list[str], rows: list[list[Cell]], form: str) -> list[tuple[Any, ...]]:
    out = io.BytesIO()
    excel_file.fill_rows("一覧", header, rows, datetime_form=form).save(out)
    sheet = openpyxl.load_workbook(io.BytesIO(out.getvalue())).active
    assert sheet is not None
    return list(sheet.iter_rows())


@pytest.mark.skipif(
    shutil.which("soffice") is None,
    reason="LibreOffice (Debian: libreoffice-calc-nogui, 500 MB) is not part of the product's machines",
)
def test_libreoffice_shows_what_the_screen_shows(tmp_path: Path) -> None:
    texts = [*AS_SHOWN, *CHANGED, *(f"'{text}" for text in FORMULAS)]
    with (tmp_path / "list.csv").open("wb") as out:
        csv_file.write_rows(["番号", "値"], [[f"{index}番", text] for index, text in enumerate(texts)], out)

    # Comma, quotes, UTF-8, from the first line, columns as guessed, Japanese, numbers and formulas recognised.
    convert(tmp_path, "xlsx", "list.csv", "--infilter=CSV:44,34,76,1,,1041,false,true,false,false,false,-1,true")
    convert(tmp_path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,1041,false,true", "list.xlsx")

    shown = csv.reader(io.StringIO((tmp_path / "list.csv").read_text(encoding="utf-8-sig"), newline=""))
    assert [row[1] for row in shown][1:] == texts


def convert(folder: Path, target: str, source: str, *options: str) -> None:
    command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", *options]
    subprocess.run(
        [*command, "--convert-to", target, "--outdir", folder, folder / source],
        check=True,
        timeout=180,
        capture_output=True,
    )
