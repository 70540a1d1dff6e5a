"""Excel sheets with a long history of loaner devices."""

from __future__ import annotations

import io
from collections.abc import Sequence

from openpyxl import Workbook

TURNS = 20


def long_history(devices: int) -> tuple[bytes, bytes]:
    """端末マスタ of so many devices, and a collection sheet in which each device is lent and returned to its shelf in
    turns: TURNS rows for each device, every other one a loan."""
    number = "OSAKA_Desktop_OptiPlex-7090_I{:05}_001"
    header = ["拠点管理番号", "機種名", "カテゴリ", "製造番号", "資産管理番号", "作成日"]
    master_rows = [
        [number.format(index), "OptiPlex-7090", "Desktop", f"I{index:05}", "A", "2024/01/01 00:00:00"]
        for index in range(devices)
    ]
    history_header = ["タイムスタンプ", "拠点管理番号", "0-4.ステータス", "1-6.貸出先", "1-4.ユーザー機の預り有無"]
    history = [
        [f"2024/{turn // 2 + 1:02}/{turn % 2 * 10 + 1:02} 09:{index % 60:02}:00", number.format(index)]
        + (["3.社内にて保管中", "", ""] if turn % 2 else ["1.貸出中", f"客先{turn}", "有り"])
        for turn in range(TURNS)
        for index in range(devices)
    ]
    return _workbook([header, *master_rows]), _workbook([history_header, *history])


def _workbook(rows: Sequence[Sequence[str]]) -> bytes:
    book = Workbook()
    sheet = book.create_sheet(index=0)
    for row in rows:
        sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
