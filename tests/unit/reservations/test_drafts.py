"""週次レポート and 月次レポート: their periods, and the text of their PDFs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import jpholiday
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.reports.render import render
from service.core.values.times import TOKYO
from service.reservations.drafts import rules
from service.reservations.drafts.rules import Contents, Days, Kind, Numbers, Share
from tests import pdfs

HOLIDAYS = frozenset(day for year in range(2025, 2034) for day, _ in jpholiday.year_holidays(year))
FRIDAY = 5


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


def week(now: datetime) -> tuple[date, date]:
    period = rules.week_to_report(now, FRIDAY, HOLIDAYS)
    return period.first, period.last


def month(now: datetime) -> tuple[date, date]:
    period = rules.month_to_report(now, 5, HOLIDAYS)
    return period.first, period.last


def test_on_friday_at_eight_the_seven_days_before_are_reported() -> None:
    assert week(at(2026, 11, 20, 8, 0)) == (date(2026, 11, 13), date(2026, 11, 19))
    assert week(at(2026, 11, 20, 7, 59)) == (date(2026, 11, 6), date(2026, 11, 12))
    assert week(at(2026, 11, 26, 23, 59)) == (date(2026, 11, 13), date(2026, 11, 19))


def test_if_friday_is_a_holiday_the_report_is_due_on_the_next_business_day() -> None:
    # 2030/5/3（金） is 憲法記念日, 5/6（月） a holiday as well.
    assert week(at(2030, 5, 3, 12)) == week(at(2030, 5, 7, 7, 59)) == (date(2030, 4, 19), date(2030, 4, 25))
    assert week(at(2030, 5, 7, 8, 0)) == (date(2030, 4, 26), date(2030, 5, 2))


def test_on_the_fifth_business_day_at_eight_the_month_before_is_reported() -> None:
    # 2027/1/1（金） is a holiday: the fifth business day is Friday the 8th.
    assert month(at(2027, 1, 8, 7, 59)) == (date(2026, 11, 1), date(2026, 11, 30))
    assert month(at(2027, 1, 8, 8, 0)) == (date(2026, 12, 1), date(2026, 12, 31))
    assert month(at(2028, 3, 31, 23, 59)) == (date(2028, 2, 1), date(2028, 2, 29))


def test_a_period_is_compared_with_the_one_before() -> None:
    assert rules.previous_period(Kind.WEEKLY, Days(date(2026, 11, 13), date(2026, 11, 19))) == Days(
        date(2026, 11, 6), date(2026, 11, 12)
    )
    assert rules.previous_period(Kind.MONTHLY, Days(date(2028, 3, 1), date(2028, 3, 31))) == Days(
        date(2028, 2, 1), date(2028, 2, 29)
    )


@given(day=st.dates(date(2026, 1, 1), date(2033, 1, 1)), clock=st.times(timezones=st.just(TOKYO)))
def test_weeks_follow_one_another_without_a_gap_and_are_always_over(day: date, clock: time) -> None:
    now = datetime.combine(day, clock)
    period = rules.week_to_report(now, FRIDAY, HOLIDAYS)

    assert (period.last - period.first).days == 6
    assert period.bounds()[1] <= now
    later = rules.week_to_report(now + timedelta(days=7), FRIDAY, HOLIDAYS)
    assert later.first >= period.first
    assert (later.first - period.first).days % 7 == 0


def test_periods_and_figures_are_formatted_in_japanese() -> None:
    over_new_year = Days(date(2030, 12, 27), date(2031, 1, 2))
    assert rules.format_period(Kind.WEEKLY, over_new_year) == "2030/12/27（金）〜2031/1/2（木）"
    assert rules.format_period(Kind.MONTHLY, Days(date(2030, 12, 1), date(2030, 12, 31))) == "2030年12月"
    assert rules.file_name(Kind.WEEKLY, over_new_year) == "予約運用_週次レポート_20301227-20310102.pdf"


def draft(contents: Contents, **texts: str | None) -> rules.PrintableReport:
    values = {"findings": "", "issues": "", "next_steps": "", "finished_by": None} | texts
    days = Days(date(2026, 11, 13), date(2026, 11, 19))
    return rules.PrintableReport(Kind.WEEKLY, days, at(2026, 11, 20, 8), contents, **values)  # type: ignore[arg-type]


def test_the_pdf_has_the_figures_of_both_periods_and_the_written_texts() -> None:
    contents = Contents(
        now=Numbers(
            requested=25,
            success=Share(23, 25),
            payment=Share(20, 22),
            cancelled=Share(1, 20),
            paid=120_000,
            refunded=5_500,
            operations=4,
            incidents=1,
            enquiries=6,
            satisfaction=4.2,
            answers=9,
        ),
        before=Numbers(requested=20, success=Share(15, 20), paid=80_000),
        by_service={"花束": 15, "ホールケーキ": 10},
        operations=[rules.OperationLine("all_shops_refused", 3, 2, 3, 1, 25, 1)],
        incidents=[rules.IncidentLine("INC-0007", "電話がつながらない", "low", at(2026, 11, 16, 9), None, True, True)],
        chores=rules.Chores(30, 27, 2, 95, [rules.ChoreLine("ログ確認", "運営担当者", 1, 0, "")]),
    )
    text = "".join(
        pdfs.page_texts(render(rules.build_report(draft(contents, findings="予約は好調でした。\n来週は連休です。"))))
    )
    flat = text.replace("\n", "").replace(" ", "")

    # Not formatted: a line for each block of the report.
    for expected in (
        "2026/11/13（金）〜11/19（木）", "下書き（まだ完成していません）", "92%", "前週75%（23/25件）", "¥114,500",
        "前週¥80,000", "4.2", "予約は好調でした。", "来週は連休です。", "まだ書かれていません。",
        "全店舗予約NG", "1/3件", "25分",
        "15〜30分", "INC-0007", "対応中", "期限を迎えた30件のうち、27件を実施しました（うち期限後2件）。", "ログ確認",
    ):  # fmt: skip
        assert expected in flat, expected


@pytest.mark.parametrize("finished_by", [None, "運営 太郎"])
def test_the_pdf_of_a_week_without_events_says_so(finished_by: str | None) -> None:
    text = "".join(
        pdfs.page_texts(render(rules.build_report(draft(Contents(Numbers(), Numbers()), finished_by=finished_by))))
    )
    flat = text.replace("\n", "").replace(" ", "")

    assert "期間中のインシデントはありません。" in flat
    assert "期間中に発生した手動対応はありません。" in flat
    assert ("完成:運営太郎" in flat) is (finished_by is not None)


def test_the_mail_has_the_most_important_figures() -> None:
    days = Days(date(2026, 11, 13), date(2026, 11, 19))
    contents = Contents(Numbers(requested=25, success=Share(23, 25), paid=100_000), Numbers())
    subject, body = rules.build_mail(Kind.WEEKLY, days, contents, "https://genba.example/reservations-reports")

    assert subject == "【予約運用】週次レポート 2026/11/13（金）〜11/19（木）"
    assert "・予約成功率: 92%\n" in body
    assert "・売上: ¥100,000\n" in body
