"""When months are counted and reports are sent, and the content of a report."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from service.core.reports import BarChart, ShareBar, Table
from service.core.values.times import TOKYO, Month
from service.reservations.figures.rules import Counts, Rate, format_percent, format_yen, monday
from service.reservations.management import rules
from service.reservations.management.rules import Facts, MonthFigures, NamedCounts

SEPTEMBER, OCTOBER, NOVEMBER = Month(2026, 9), Month(2026, 10), Month(2026, 11)


def tokyo(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc, arg-type]


def test_months_are_counted_at_half_past_two() -> None:
    assert rules.last_counting_time(tokyo(2026, 11, 22, 2, 29, 59)) == tokyo(2026, 11, 21, 2, 30)
    assert rules.last_counting_time(tokyo(2026, 11, 22, 2, 30)) == tokyo(2026, 11, 22, 2, 30)
    # In UTC it is still the day before.
    assert rules.last_counting_time(tokyo(2027, 1, 1, 3, 0)) == tokyo(2027, 1, 1, 2, 30)


@pytest.mark.parametrize(
    ("now", "month"),
    [
        (tokyo(2026, 11, 22, 2, 30), NOVEMBER),
        (tokyo(2026, 11, 1, 2, 30), OCTOBER),
        (tokyo(2026, 11, 2, 2, 30), NOVEMBER),
        (tokyo(2027, 1, 1, 2, 30), Month(2026, 12)),
        (tokyo(2028, 2, 29, 2, 30), Month(2028, 2)),
        (tokyo(2028, 3, 1, 2, 30), Month(2028, 2)),
    ],
)
def test_the_newest_month_has_at_least_one_full_day(now: datetime, month: Month) -> None:
    assert rules.newest_month(now) == month


def test_a_night_counts_the_newest_month_and_the_two_before() -> None:
    months = rules.months_to_count(tokyo(2026, 11, 22, 2, 30), Month(2025, 1), NOVEMBER)
    assert months == [SEPTEMBER, OCTOBER, NOVEMBER]
    # Across the end of a year.
    assert rules.months_to_count(tokyo(2027, 1, 1, 2, 30), Month(2025, 1), Month(2026, 12))[0] == OCTOBER
    assert rules.months_to_count(tokyo(2027, 1, 2, 2, 30), Month(2025, 1), Month(2027, 1))[-1] == Month(2027, 1)


def test_months_missed_during_downtime_are_counted() -> None:
    assert rules.months_to_count(tokyo(2026, 11, 22, 2, 30), Month(2025, 1), Month(2026, 3))[0] == Month(2026, 3)


def test_the_first_night_counts_all_months_since_the_first_reservation() -> None:
    assert len(rules.months_to_count(tokyo(2026, 11, 22, 2, 30), Month(2025, 12), None)) == 12
    assert rules.months_to_count(tokyo(2026, 11, 22, 2, 30), OCTOBER, NOVEMBER) == [OCTOBER, NOVEMBER]
    # The first reservation was made on the first of a month, which has no full day yet.
    assert rules.months_to_count(tokyo(2026, 11, 1, 2, 30), NOVEMBER, None) == [OCTOBER]


def test_last_months_report_is_sent_in_the_first_week() -> None:
    assert rules.month_to_send(tokyo(2026, 11, 1, 2, 30)) == OCTOBER
    assert rules.month_to_send(tokyo(2027, 1, 1, 2, 30)) == Month(2026, 12)
    assert rules.month_to_send(tokyo(2026, 11, 7, 23, 59)) == OCTOBER
    assert rules.month_to_send(tokyo(2026, 11, 8)) is None


def test_a_week_begins_on_monday() -> None:
    assert monday(date(2026, 11, 22)) == monday(date(2026, 11, 16)) == date(2026, 11, 16)


def test_a_rate_is_never_rounded_to_0_or_100() -> None:
    texts = [
        format_percent(Rate(part, whole)) for part, whole in ((0, 0), (0, 4), (3, 4), (1999, 2000), (5, 5), (1, 3))
    ]
    assert texts == ["–", "0%", "75%", "99.9%", "100%", "33.3%"]


def test_a_negative_amount_has_its_sign() -> None:
    assert [format_yen(amount) for amount in (1234567, 0, -5500)] == ["¥1,234,567", "¥0", "-¥5,500"]


def named(name: str, confirmed: int, paid: int = 0, code: str = "") -> NamedCounts:
    return NamedCounts(name, Counts(requested=confirmed + 1, confirmed=confirmed, paid=paid), code)


def test_equal_shops_share_a_rank_and_the_next_rank_is_skipped() -> None:
    ranking = rules.rank_shops([named("A", 3), named("B", 5), named("C", 3, 100), named("D", 1)])

    assert [(rank, shop.name) for rank, shop in ranking] == [(1, "B"), (2, "C"), (2, "A"), (4, "D")]


FIRST_NIGHT = tokyo(2026, 11, 1, 2, 30)


def facts(counted_at: datetime = FIRST_NIGHT, month: Month = OCTOBER) -> Facts:
    now = Counts(requested=60, confirmed=45, failed=5, completed=38, cancelled=2, links_paid=45, paid=240000)
    return Facts(
        month,
        counted_at,
        [MonthFigures(month.plus(-1), Counts(requested=48, paid=200000), 4), MonthFigures(month, now, 7)],
        [named("花束", 30, 160000), named("ホールケーキ", 13, 80000)],
        [named("フラワー銀座", 25, code="S001"), named("花工房みどり", 18, code="S002")],
        [(month.first, Counts(requested=2)), (month.first + timedelta(days=4), Counts(requested=9))],
    )


def test_a_report_states_its_results() -> None:
    report = rules.build_report(facts())

    assert report.period == "2026年10月（10/1 〜 10/31）"
    titles = [block.title for section in report.sections for block in section.blocks if isinstance(block, BarChart)]
    assert titles == [
        "2026年10月の予約は60件（前月比 +25%）です",
        "2026年10月の売上は¥240,000（前月比 +20%）です",
        "最も多かったのは10/5の9件です",
    ]
    [shares] = [block for section in report.sections for block in section.blocks if isinstance(block, ShareBar)]
    assert shares.title == "最も多いのは花束で69%です"
    tables = [block for section in report.sections for block in section.blocks if isinstance(block, Table)]
    assert tables[1].rows[0] == [1, "S001", "フラワー銀座", 25, "58.1%", "¥0"]
    assert tables[2].rows[0] == ["2026年10月", 60, 45, "90%", "100%", "5%", 7, "¥240,000"]


def test_a_current_month_ends_with_the_last_full_day() -> None:
    report = rules.build_report(facts(tokyo(2026, 11, 22, 2, 30), NOVEMBER))

    assert report.period == "2026年11月（11/1 〜 11/21）"
    charts = [block for section in report.sections for block in section.blocks if isinstance(block, BarChart)]
    assert [chart.last_unfinished for chart in charts] == [True, True, False]
    assert len(charts[-1].labels) == 21
    assert charts[0].title == "2026年11月の予約は60件です（11/21まで）"


def test_a_report_without_data_can_be_built() -> None:
    empty = Facts(OCTOBER, tokyo(2026, 11, 1, 2, 30), [MonthFigures(OCTOBER, Counts())], [], [], [])

    assert rules.build_report(empty).sections
    assert "・売上: ¥0\n・予約成功率: –" in rules.build_mail(empty)[1]


def test_a_note_names_the_number_of_omitted_shops() -> None:
    shops = [named(f"店{number}", 100 - number) for number in range(25)]
    table, note = rules._shops(shops)

    assert isinstance(table, Table)
    assert len(table.rows) == rules.MAX_PRINTED_SHOPS
    assert "ほか5店は省きました" in note.text  # type: ignore[union-attr]


def test_the_mail_summarises_the_month() -> None:
    subject, body = rules.build_mail(facts())

    assert subject == "経営レポート（2026年10月）"
    assert "・売上: ¥240,000" in body
    assert "2026/11/1（日）2:30 時点の集計です" in body
