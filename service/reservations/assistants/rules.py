"""Parses times and codes from assistants, and the texts for them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from service.core.values.texts import half_width
from service.core.values.times import TOKYO
from service.reservations.state_machine.case import CANCEL_BEFORE, PAY_MINUTES

CANCEL_HOURS = CANCEL_BEFORE // timedelta(hours=1)
# 2026-11-21T14:00, with or without seconds and time zone. Python would read a date alone as midnight.
_DATE_TIME = re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")

# `guides`: the URL of the customers' guides.
_INSTRUCTIONS = """\
提携店の予約を、お客様に代わって手配する日本のサービスです。お客様の言葉（ふつうは日本語）で、丁寧に案内してください。

進め方
1. search_services で、サービス・サイズ・料金と、予約できる日時の範囲を確認します。
2. サービス、サイズ、日時、お名前、SMSを受け取れる電話番号をお客様に確認し、内容を復唱して了承を得ます。
3. request_reservation で申し込みます。すぐに受付だけが済み、予約はまだ確定しません。
4. お店への電話確認には数分から数時間かかります。お客様に尋ねられたら get_reservation_status で確認します。
   続けて何度も問い合わせる必要はありません。結果はSMSでもお客様に届きます。
5. お店が決まると、お客様の電話にお支払いのリンクがSMSで届きます。{pay_minutes}分以内のお支払いで予約が確定します。
   カード番号などは尋ねないでください。お支払いは、お客様がご自分でなさいます。
6. 取りやめるときは、お客様の意思を確かめてから cancel_reservation を使います。

各回答の message は、そのままお客様に伝えられる文です。断られたときも、その理由と次にできることが書いてあります。
日時は日本時間（+09:00）です。
使い方やキャンセルの決まりを詳しく知りたいお客様には、ご利用ガイド {guides} をご案内ください。"""

# Document 3.1.3: the steps are explained at the first use.
_GUIDE = """\
はじめてのご利用ですので、予約の流れをご案内します。
1. ご希望（サービス、サイズ、日時）、お名前、携帯電話番号を伺い、予約を受け付けます。受付の確認がSMSで届きます。
2. 提携店に、順番に電話で確認します。数分から数時間かかることがあります。
3. お店が決まると、お支払いのリンクがSMSで届きます。{pay_minutes}分以内にカードでお支払いいただくと、予約が確定します。
4. キャンセルは、予約日時の{cancel_hours}時間前まで全額返金で承ります。SMSのキャンセル用リンクからも手続きできます。
よくある質問と詳しい手順は、ご利用ガイド {guides} でご覧いただけます。"""


def instructions(guides: str) -> str:
    """The instructions for the model when it connects. `guides`: the URL of the customers' guides."""
    return _INSTRUCTIONS.format(pay_minutes=PAY_MINUTES, guides=guides)


def first_use_guide(guides: str) -> str:
    """The guide in the first answer."""
    return _GUIDE.format(pay_minutes=PAY_MINUTES, cancel_hours=CANCEL_HOURS, guides=guides)


def rate_limit_notice(name: str, limited_subject: str, limit: str) -> str:
    """The Slack text when an assistant reaches a rate limit."""
    return (
        f"アシスタント「{name}」からの予約リクエストが上限に達したため、受け付けを止めています\n"
        f"{limited_subject}: {limit}まで。心当たりがなければ、アシスタント連携でトークンを失効してください。"
    )


def received_text(code: str, summary: str, *, is_new: bool) -> str:
    """The first sentence of the answer to a request. `summary`: service, size, time and price."""
    sentence = "予約のリクエストを受け付けました" if is_new else "この予約のリクエストは、すでに受け付けています"
    return f"{sentence}（予約ID: {code}、{summary}）。"


def confirm_hours_text(question: str) -> str:
    """`question`: why the time is unusual and that the customer has to confirm it."""
    return (
        f"{question}まだ申し込みを受け付けていません。この時刻で間違いなければ、hours_confirmed を true にして、"
        "もう一度申し込んでください。"
    )


def parse_time(text: str) -> datetime | None:
    """Parses an assistant's date and time; default time zone Tokyo. None when it is not one."""
    if not _DATE_TIME.fullmatch(written := half_width(text)):
        return None
    try:
        parsed = datetime.fromisoformat(written)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=TOKYO)


def iso(at: datetime) -> str:
    """ISO 8601 in Tokyo time, to the second."""
    return at.astimezone(TOKYO).isoformat(timespec="seconds")


def normalize_code(text: str) -> str:
    """Normalises a 予約ID."""
    return half_width(text).upper()[:12]
