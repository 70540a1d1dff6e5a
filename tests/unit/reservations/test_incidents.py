"""Flows of incidents (5.1, 5.2): the steps of each level, with the specified names and times."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from service.core.values.times import TOKYO
from service.core.values.working_time import calendar
from service.reservations.incidents import rules
from service.reservations.incidents.rules import Facts, Level, Mark
from tests.sms import sms_segments

# Monday, Coming of Age Day.
HOLIDAYS = frozenset({date(2031, 1, 13)})


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2031, 1, day, hour, minute, tzinfo=TOKYO)


def due_times(level: Level, detected: datetime, now: datetime | None = None) -> dict[str, datetime]:
    days = calendar(rules.calendar_of(level), HOLIDAYS)
    return {due.mark.value: due.due_at for due in rules.step_deadlines(level, detected, now or detected, days)}


def test_critical_counts_every_hour_of_night_and_holiday() -> None:
    saturday = at(11, 2)

    assert due_times(Level.CRITICAL, saturday) == {
        "detected": at(11, 2),
        "first_look": at(11, 2, 5),
        "stopgap": at(11, 2, 30),
        "recovery": at(11, 2, 45),
        "management": at(11, 2),
        "report": at(12, 2),
    }


def test_high_and_medium_count_business_hours() -> None:
    friday = at(10, 17, 30)

    assert due_times(Level.HIGH, friday) == {
        "detected": friday,
        "first_look": at(10, 17, 45),
        "stopgap": at(14, 9, 30),
        "recovery": at(14, 10),
        "management": at(14, 10, 30),
        # Half an hour of Friday and five days, then the rest of 48 hours.
        "report": at(21, 11, 30),
    }
    assert due_times(Level.MEDIUM, at(8, 10)) == {
        "detected": at(8, 10),
        "first_look": at(8, 10, 30),
        "stopgap": at(8, 12),
        "management": at(10, 16),
        "weekly": at(10, 18),
    }


def test_low_is_shared_in_the_report_of_the_week() -> None:
    assert due_times(Level.LOW, at(8, 10))["weekly"] == at(10, 18)
    assert due_times(Level.LOW, at(10, 18, 1))["weekly"] == at(17, 18)
    assert set(due_times(Level.LOW, at(8, 10))) == {"detected", "stopgap", "weekly"}


def test_management_is_notified_shortly_before_the_target_or_at_once_if_critical() -> None:
    def management_times(level: Level, now: datetime) -> tuple[datetime, datetime]:
        days = calendar(rules.calendar_of(level), HOLIDAYS)
        [due] = [due for due in rules.step_deadlines(level, at(8, 10), now, days) if due.mark is Mark.MANAGEMENT]
        return due.notify_at, due.due_at

    assert management_times(Level.HIGH, at(8, 10)) == (at(8, 11, 55), at(8, 12))
    # Recorded an hour after it was detected.
    assert management_times(Level.CRITICAL, at(8, 11)) == (at(8, 11), at(8, 11))


@pytest.mark.parametrize("level", Level)
def test_the_report_template_has_every_item(level: Level) -> None:
    template = rules.report_template(Facts("INC-0001", level, "SMSが送れない", at(8, 10), impact="SMSの送信、約30人"))

    for item in ("発生日時", "レベル", "影響範囲", "原因", "対応内容", "復旧日時", "再発防止策"):
        assert f"## {item}\n" in template
    assert "約30人" in template
    assert "2031/1/8（水）10:00" in template


def test_the_report_has_the_specified_title() -> None:
    def first_line(level: Level) -> str:
        return rules.report_template(Facts("INC-0001", level, "停止", at(8, 10))).splitlines()[0]

    assert first_line(Level.CRITICAL) == "# ポストモーテム: INC-0001 停止"
    assert first_line(Level.HIGH) == "# インシデントレポート: INC-0001 停止"


def test_the_status_text_fits_into_three_sms_segments() -> None:
    for is_over in (False, True):
        text = rules.status_text(is_over, "03-1234-5678")
        assert text.startswith("【QRV】")
        assert text.endswith("お問い合わせ: 03-1234-5678")
        assert ("復旧しました" in text) is is_over
        assert sms_segments(text) <= 3
    assert "お問い合わせ" not in rules.status_text(False, "")


def test_the_lead_time_is_shorter_than_every_management_target() -> None:
    targets = [flow[Mark.MANAGEMENT].target for flow in rules.FLOWS.values() if Mark.MANAGEMENT in flow]

    assert [target.span for target in targets if target and target.span and target.span <= rules.REPORT_LEAD_TIME] == []
    assert timedelta() in [target.span for target in targets if target]
