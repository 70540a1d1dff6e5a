"""When a site is reminded of a loan, and the text of the mail."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from service.loaners.history.rules import read_label
from service.loaners.lending import rules
from service.loaners.lending.rules import DueLoan

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("days", "step"),
    [(4, None), (3, "before"), (1, "before"), (0, "due"), (-1, "overdue.1"), (-7, "overdue.1"), (-8, "overdue.2")],
)
def test_reminders_go_out_before_on_and_weekly_after_the_due_day(days: int, step: str | None) -> None:
    assert rules.reminder_step(TODAY + timedelta(days=days), TODAY, 3) == step


def test_the_mail_names_the_longest_overdue_first() -> None:
    loans = [
        DueLoan(1, 1, "OSAKA_Laptop_A_B_001", "A", "青空商事", TODAY + timedelta(days=2), "before"),
        DueLoan(2, 2, "OSAKA_Laptop_A_C_001", "A", "", TODAY - timedelta(days=9), "overdue.2"),
    ]

    subject, body = rules.reminder_mail("大阪", loans, TODAY, "https://genba.example/lending")

    assert subject == "【代替機管理】大阪: 返却予定日を過ぎた代替機が1台あります"
    assert body.index("OSAKA_Laptop_A_C_001") < body.index("OSAKA_Laptop_A_B_001")
    assert "返却予定日: 2026/11/12（木）　9日超過" in body
    assert "貸出先: 未登録" in body


@pytest.mark.parametrize(
    "scanned",
    [
        "OSAKA_SV_ThinkPad_ABC_001",
        " OSAKA_SV_ThinkPad_ABC_001\n",
        "https://genba.example/d/OSAKA_SV_ThinkPad_ABC_001",
        "https://genba.example/d/OSAKA_SV_ThinkPad_ABC_001/?from=label",
        "ＯＳＡＫＡ＿ＳＶ＿ＴｈｉｎｋＰａｄ＿ＡＢＣ＿００１",
    ],
)
def test_a_scanner_may_read_the_number_or_the_url(scanned: str) -> None:
    assert read_label(scanned) == "OSAKA_SV_ThinkPad_ABC_001"
