"""What the fleet decides, without database or web."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.fleet import rules
from service.fleet.rules import AlertType, NewAlert


@pytest.mark.parametrize(("interval", "minutes"), [(300, 11), (30, 2), (60, 3)])
def test_silence_is_allowed_for_two_intervals_and_a_minute(interval: int, minutes: int) -> None:
    assert rules.silence_allowed(interval) == timedelta(minutes=minutes)


def alert(store: str = "新宿店") -> NewAlert:
    return NewAlert(1, "ABC商事", store, "TC200-000001", AlertType.OFFLINE, "最終通信は 2026/11/21 09:05 です。")


def test_the_mail_about_one_alert_says_everything_in_its_subject() -> None:
    subject, text = rules.alert_mail([alert()], "2026/11/21（土）9:16", "http://desk/dashboard")

    assert subject == "【Genba】ABC商事 - 新宿店: オフライン"
    assert text == (
        "2026/11/21（土）9:16 に、次の1件のアラートを検知しました。\n"
        "5分以内に初動確認をお願いします。\n\n"
        "・ABC商事 - 新宿店（TC200-000001）\n  オフライン: 最終通信は 2026/11/21 09:05 です。\n\n"
        "ダッシュボード: http://desk/dashboard\n"
    )


def test_the_mail_about_many_alerts_names_the_first_and_counts_the_rest() -> None:
    subject, text = rules.alert_mail([alert("新宿店"), alert("渋谷店"), alert("池袋店")], "今", "u")

    assert subject == "【Genba】ABC商事 - 新宿店: オフライン ほか2件"
    assert text.count("・ABC商事") == 3


def test_every_type_of_alert_has_its_word() -> None:
    assert set(rules.ALERT_WORDS) == set(AlertType)


def test_a_viewer_sees_reports_but_no_lists_and_only_an_admin_registers() -> None:
    assert rules.AREA.roles["viewer"].permissions == {"fleet:report:read"}
    assert [role for role, held in rules.AREA.roles.items() if held.permissions & rules.MANAGE] == ["admin"]
