"""Flows of incidents (5.1, 5.2): each level's steps with the document's names and times."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from service.core.values.times import TOKYO
from service.core.values.working_time import calendar
from service.reservations.incidents import rules
from service.reservations.incidents.rules import Facts, Level, Mark
from service.reservations.message_texts.rules import sms_segments

# Monday, Coming of Age Day.
HOLIDAYS = frozenset({date(2031, 1, 13)})


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2031, 1, day, hour, minute, tzinfo=TOKYO)


def dues(level: Level, detected: datetime, now: datetime | None = None) -> dict[str, datetime]:
    days = calendar(rules.calendar_of(level), HOLIDAYS)
    return {due.mark.value: due.due_at for due in rules.step_deadlines(level, detected, now or detected, days)}


def test_critical_counts_every_hour_of_night_and_holiday() -> None:
    saturday = at(11, 2)

    assert dues(Level.CRITICAL, saturday) == {
        "detected": at(11, 2),
        "first_look": at(11, 2, 5),
        "stopgap": at(11, 2, 30),
        "recovery": at(11, 2, 45),
        "management": at(11, 2),
        "report": at(12, 2),
    }


def test_high_and_medium_count_the_hours_in_which_people_are_at_their_desks() -> None:
    friday = at(10, 17, 30)

    assert dues(Level.HIGH, friday) == {
        "detected": friday,
        "first_look": at(10, 17, 45),
        "stopgap": at(14, 9, 30),
        "recovery": at(14, 10),
        "management": at(14, 10, 30),
        # Half an hour of Friday and five days, then the rest of 48 hours.
        "report": at(21, 11, 30),
    }
    assert dues(Level.MEDIUM, at(8, 10)) == {
        "detected": at(8, 10),
        "first_look": at(8, 10, 30),
        "stopgap": at(8, 12),
        "management": at(10, 16),
        "weekly": at(10, 18),
    }


def test_low_is_shared_in_the_report_of_the_week() -> None:
    assert dues(Level.LOW, at(8, 10))["weekly"] == at(10, 18)
    assert dues(Level.LOW, at(10, 18, 1))["weekly"] == at(17, 18)
    assert set(dues(Level.LOW, at(8, 10))) == {"detected", "stopgap", "weekly"}


def test_management_is_told_a_little_before_the_target_and_of_critical_at_once() -> None:
    def told(level: Level, now: datetime) -> tuple[datetime, datetime]:
        days = calendar(rules.calendar_of(level), HOLIDAYS)
        [due] = [due for due in rules.step_deadlines(level, at(8, 10), now, days) if due.mark is Mark.MANAGEMENT]
        return due.notify_at, due.due_at

    assert told(Level.HIGH, at(8, 10)) == (at(8, 11, 55), at(8, 12))
    # Recorded an hour after it was detected.
    assert told(Level.CRITICAL, at(8, 11)) == (at(8, 11), at(8, 11))


@pytest.mark.parametrize("level", Level)
def test_a_report_begins_with_every_item_of_the_record(level: Level) -> None:
    written = rules.report_template(Facts("INC-0001", level, "SMSが送れない", at(8, 10), impact="SMSの送信、約30人"))

    for item in ("発生日時", "レベル", "影響範囲", "原因", "対応内容", "復旧日時", "再発防止策"):
        assert f"## {item}\n" in written
    assert "約30人" in written
    assert "2031/1/8（水）10:00" in written


def test_the_report_is_called_as_the_document_calls_it() -> None:
    def first_line(level: Level) -> str:
        return rules.report_template(Facts("INC-0001", level, "停止", at(8, 10))).splitlines()[0]

    assert first_line(Level.CRITICAL) == "# ポストモーテム: INC-0001 停止"
    assert first_line(Level.HIGH) == "# インシデントレポート: INC-0001 停止"


def test_the_text_to_customers_is_short_enough_for_a_telephone_and_says_when_it_is_over() -> None:
    for is_over in (False, True):
        text = rules.status_text(is_over, "03-1234-5678")
        assert text.startswith("【QRV】")
        assert text.endswith("お問い合わせ: 03-1234-5678")
        assert ("復旧しました" in text) is is_over
        assert sms_segments(text) <= 3
    assert "お問い合わせ" not in rules.status_text(False, "")


def test_lead_is_shorter_than_any_time_in_which_management_is_told() -> None:
    spans = [flow[Mark.MANAGEMENT].target for flow in rules.FLOWS.values() if Mark.MANAGEMENT in flow]

    assert [one.span for one in spans if one and one.span and one.span <= rules.REPORT_LEAD_TIME] == []
    assert timedelta() in [one.span for one in spans if one]
