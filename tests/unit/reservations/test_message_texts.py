"""The texts: the document's sentences to the letter, short enough for an SMS, with nothing left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from service.core.values.times import TOKYO
from service.reservations.events.rules import Purpose, Task
from service.reservations.message_texts import rules as letters
from service.reservations.message_texts.rules import Facts
from service.reservations.operations.rules import operation_notice

STARTS = datetime(2026, 11, 25, 14, 0, tzinfo=TOKYO)
FACTS = Facts(
    code="QRV-7KX2MP",
    service="花束",
    plan="M（約20本）",
    starts_at=STARTS,
    price=5500,
    customer_name="青木 花子",
    phone="+819012345678",
    wishes="赤いバラを入れてください",
    cancel_until=STARTS - timedelta(hours=48),
    shop="フラワー銀座",
    shop_phone="+81312340001",
    pay_url="https://yoyaku.qualfia.example/pay/q7_Z5yN0bK3sR1vX8cTwAg",
    cancel_url="https://yoyaku.qualfia.example/cancel/q7_Z5yN0bK3sR1vX8cTwAg",
    support_phone="03-1234-5678",
    support_mail="support@qualfia.example",
)
TO_CUSTOMERS = (
    Purpose.REQUEST_RECEIVED,
    Purpose.ALL_SHOPS_REFUSED,
    Purpose.PAYMENT_LINK,
    Purpose.PAYMENT_TIMEOUT,
    Purpose.CONFIRMED,
    Purpose.REMINDER,
    Purpose.CANCELLED,
    Purpose.REFUNDED,
)
TO_SHOPS = (Purpose.HELD, Purpose.BOOKED, Purpose.RELEASED, Purpose.DECLINED, Purpose.CORRECTED)


def test_customers_read_the_documents_own_sentences() -> None:
    """2.2.1 and 2.2.3."""
    refused = letters.customer_message(Purpose.ALL_SHOPS_REFUSED, FACTS).sms
    timed_out = letters.customer_message(Purpose.PAYMENT_TIMEOUT, FACTS).sms

    assert "現在、予約できませんでした。別の日時をご検討いただくか、カスタマーサポートまでご連絡ください" in refused
    assert "03-1234-5678" in refused
    assert "決済期限が切れました。再度予約をお願いします" in timed_out


def test_who_is_to_pay_reads_which_shop_keeps_it_and_its_telephone_once_it_is_paid() -> None:
    asked = letters.customer_message(Purpose.PAYMENT_LINK, FACTS).mail
    booked = letters.customer_message(Purpose.CONFIRMED, replace(FACTS, paid=5500)).mail

    assert "店舗: フラワー銀座" in asked
    assert "0312340001" not in asked
    assert "店舗の電話番号: 0312340001" in booked


def test_the_assistant_ends_calls_in_the_documents_own_words() -> None:
    """2.2.4 and 2.2.5."""
    task = letters.call_script(FACTS).task

    assert "「では、お電話を切らせていただきます。ご連絡お待ちしております」" in task
    assert "「承知しました。確認して折り返しご連絡いたします」" in task


def test_who_cancels_too_late_reads_the_documents_own_sentence() -> None:
    """2.2.6."""
    assert letters.TOO_LATE_TO_CANCEL == "キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください"


def test_slack_is_told_in_the_documents_own_words() -> None:
    """2.2.1, 2.2.2, 2.2.4, 2.2.5 and, of everything else, 4.3.1."""
    assert operation_notice(Task.ALL_SHOPS_REFUSED, "QRV-7KX2MP") == "予約ID: QRV-7KX2MP が全店NG"
    assert operation_notice(Task.SMS_FAILED, "QRV-7KX2MP") == "予約ID: QRV-7KX2MP のSMS送信が全て失敗"
    assert operation_notice(Task.VAGUE_ANSWER, "QRV-7KX2MP") == "予約ID: QRV-7KX2MP が曖昧な回答"
    assert operation_notice(Task.CHANGE_REQUESTED, "QRV-7KX2MP") == "予約ID: QRV-7KX2MP で変更依頼"
    for task in Task:
        assert operation_notice(task, "QRV-7KX2MP").startswith("予約ID: QRV-7KX2MP ")
    assert operation_notice(Task.DISPUTE, "QRV-7KX2MP") == "予約ID: QRV-7KX2MP で手動対応が必要\n支払いへの異議"


@pytest.mark.parametrize("purpose", TO_CUSTOMERS)
def test_an_sms_takes_three_segments_at_most_however_long_the_names_are(purpose: Purpose) -> None:
    long = replace(
        FACTS, service="ホールケーキ" * 10, plan="6号（6〜8名）" * 10, shop="パティスリー" * 16, paid=9999999
    )

    for facts in (FACTS, replace(FACTS, paid=5500), long):
        sms = letters.customer_message(purpose, facts).sms
        assert letters.sms_segments(sms) <= 3, f"{len(sms)} characters"


def test_segments_are_counted_as_networks_count_them() -> None:
    assert [letters.sms_segments("あ" * count) for count in (1, 70, 71, 134, 135, 201, 202)] == [1, 1, 2, 2, 3, 3, 4]
    assert letters.sms_segments("💐" * 35) == 1
    assert letters.sms_segments("💐" * 36) == 2


def test_the_link_to_pay_says_how_much_and_until_when() -> None:
    words = letters.customer_message(Purpose.PAYMENT_LINK, FACTS)

    for text in (words.sms, words.mail):
        assert FACTS.pay_url in text
        assert "10分以内に" in text
        assert "5,500円" in text
        assert "2026/11/25（水）14:00" in text
        assert "QRV-7KX2MP" in text


def test_a_confirmation_says_where_and_how_to_cancel() -> None:
    words = letters.customer_message(Purpose.CONFIRMED, replace(FACTS, paid=5500))

    for text in (words.sms, words.mail):
        assert "フラワー銀座" in text
        assert "0312340001" in text
        assert FACTS.cancel_url in text
        assert "2026/11/23（月）14:00まで" in text


def test_who_cancels_reads_what_becomes_of_the_money() -> None:
    unpaid = letters.customer_message(Purpose.CANCELLED, FACTS)
    paid = letters.customer_message(Purpose.CANCELLED, replace(FACTS, paid=5500))

    assert "代金はいただいていません" in unpaid.sms
    assert "返金" not in unpaid.sms
    assert "お支払いの5,500円は全額返金します" in paid.sms


@pytest.mark.parametrize(
    ("purpose", "is_booked", "title"),
    [
        (Purpose.HELD, False, "仮予約のお知らせ"),
        (Purpose.BOOKED, False, "予約確定のお知らせ"),
        (Purpose.RELEASED, False, "仮予約キャンセルのお知らせ"),
        (Purpose.RELEASED, True, "予約キャンセルのお知らせ"),
        (Purpose.DECLINED, False, "変更見送りのお知らせ"),
    ],
)
def test_a_shop_reads_in_the_title_what_it_is_about(purpose: Purpose, is_booked: bool, title: str) -> None:
    mail = letters.shop_mail(purpose, replace(FACTS, is_booked=is_booked))

    assert mail.title == f"【QRV】{title}（QRV-7KX2MP）"
    for told in (
        "フラワー銀座 御中",
        "花束 M（約20本）",
        "2026/11/25（水）14:00",
        "5,500円",
        "青木 花子 様",
        "赤いバラ",
    ):
        assert told in mail.body


def test_a_shop_learns_the_customers_number_only_once_it_is_paid_for() -> None:
    told = [purpose for purpose in TO_SHOPS if "09012345678" in letters.shop_mail(purpose, FACTS).body]

    assert told == [Purpose.BOOKED]
    assert "9012345678" not in str(letters.call_script(FACTS))


def test_a_call_says_all_that_the_shop_has_to_know_and_asks_for_what_is_read_from_it() -> None:
    script = letters.call_script(FACTS)

    for told in ("フラワー銀座", "花束 M（約20本）", "2026/11/25（水）14:00", "5,500円", "青木 花子 様", "赤いバラ"):
        assert told in script.task
    assert (script.request_data["date"], script.request_data["time"]) == ("2026-11-25", "14:00")
    assert list(script.analysis_schema) == ["answer", "quote", "confirmed_time", "staff_name", "requested_change"]


@pytest.mark.parametrize("purpose", TO_CUSTOMERS)
def test_mails_begin_with_the_name_and_end_with_whom_to_ask(purpose: Purpose) -> None:
    words = letters.customer_message(purpose, FACTS)

    assert words.mail.startswith("青木 花子 様\n")
    assert "カスタマーサポート 03-1234-5678 / support@qualfia.example" in words.mail
    assert words.title.endswith("（QRV-7KX2MP）")
    without = letters.customer_message(purpose, replace(FACTS, support_phone="", support_mail=""))
    assert "お問い合わせ:" not in without.mail
