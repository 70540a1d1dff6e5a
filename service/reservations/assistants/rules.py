"""How assistants write moments and codes, and what they are told about the service. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from service.core.texts import plain
from service.core.times import TOKYO
from service.reservations.cases.rules import CANCEL_BEFORE, PAY_MINUTES

CANCEL_HOURS = CANCEL_BEFORE // timedelta(hours=1)
# 2026-11-21T14:00, with or without seconds and a zone. A day alone would be midnight to Python.
_MOMENT = re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")

# `guides`: where customers can read how it works.
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

# Document 3.1.3: who uses it for the first time is told how it goes.
_GUIDE = """\
はじめてのご利用ですので、予約の流れをご案内します。
1. ご希望（サービス、サイズ、日時）、お名前、携帯電話番号を伺い、予約を受け付けます。受付の確認がSMSで届きます。
2. 提携店に、順番に電話で確認します。数分から数時間かかることがあります。
3. お店が決まると、お支払いのリンクがSMSで届きます。{pay_minutes}分以内にカードでお支払いいただくと、予約が確定します。
4. キャンセルは、予約日時の{cancel_hours}時間前まで全額返金で承ります。SMSのキャンセル用リンクからも手続きできます。
よくある質問と詳しい手順は、ご利用ガイド {guides} でご覧いただけます。"""


def instructions(guides: str) -> str:
    """What a model is told about the service when it connects. `guides`: the address of what customers can read."""
    return _INSTRUCTIONS.format(pay_minutes=PAY_MINUTES, guides=guides)


def guide(guides: str) -> str:
    """What a first answer explains."""
    return _GUIDE.format(pay_minutes=PAY_MINUTES, cancel_hours=CANCEL_HOURS, guides=guides)


def crowded(name: str, whose: str, limit: str) -> str:
    """What Slack is told when an assistant asks for more than is taken."""
    return (
        f"アシスタント「{name}」からの予約リクエストが上限に達したため、受け付けを止めています\n"
        f"{whose}: {limit}まで。心当たりがなければ、アシスタント連携でトークンを失効してください。"
    )


def received(code: str, what: str, *, is_new: bool) -> str:
    """What a request is answered with first. `what`: service, size, time and price."""
    said = "予約のリクエストを受け付けました" if is_new else "この予約のリクエストは、すでに受け付けています"
    return f"{said}（予約ID: {code}、{what}）。"


def asked_about_hours(asks: str) -> str:
    """`asks`: what is odd about the time, and that the customer is to be asked."""
    return (
        f"{asks}まだ申し込みを受け付けていません。この時刻で間違いなければ、hours_confirmed を true にして、"
        "もう一度申し込んでください。"
    )


def moment(text: str) -> datetime | None:
    """What an assistant wrote as a date and a time; without a zone it is Tokyo's. None when it is none."""
    if not _MOMENT.fullmatch(written := plain(text)):
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=TOKYO)


def iso(moment: datetime) -> str:
    """In Tokyo's time, to the second."""
    return moment.astimezone(TOKYO).isoformat(timespec="seconds")


def code(text: str) -> str:
    """A reservation's id, however it was typed."""
    return plain(text).upper()[:12]
