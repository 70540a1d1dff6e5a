"""Texts that exported tables must keep from a spreadsheet's guesses."""

from __future__ import annotations

# Written as they are: no spreadsheet shows them differently.
AS_SHOWN = (
    "03-1234-5678",
    "0120-123-456",
    "03-0000-1111-2222-3333-4444",
    "-5,500円/年(税込)",
    "5,500円/年(税込)",
    "TC200-000042",
    "1234567890",
    "150-0001",
    "山田花子",
)
# Numbers and dates to a spreadsheet, which would show 12, 7.12346E+12, 1.1, 1月2日….
CHANGED = (
    "0012",
    "７１２３４５６７８９０１２",
    "7123456789012",
    "12345678901",
    "12345678901.50",
    "0300001111222233334444",
    "1.10",
    "2.3.1",
    "1e5",
    "+81 90-1234-5678",
    "1-2",
    "1-2-3",
    "12/2026",
    "2026-11",
    "DEC1",
)
FORMULAS = (
    "=1+1",
    '=HYPERLINK("http://evil.example","クリック")',
    "+1+1",
    "-1+1",
    "-1+cmd|' /C calc'!A0",
    "-5円|x!A1",
    "-5円(A1)",
    "@SUM(1)",
    "\t=1+1",
    "＝1+1",
    "＠x",
)
