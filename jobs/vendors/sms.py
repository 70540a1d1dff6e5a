"""SMS by Twilio's Messages. Twilio takes no key of ours that it would know a repeat by; it can be asked what went to a
number. The key is in the address that it tells us at what became of the SMS."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import Line, not_configured, rate_limited, webhook
from service.core.outbox import Claimed
from service.core.settings import settings

# As the requirements have it: three repeats.
BACK_OFF = [timedelta(minutes=minutes) for minutes in (1, 5, 15)]
# Pages of a thousand; a number that got more cannot be looked through.
PAGES = 5
# For clocks that differ.
SLACK = timedelta(minutes=1)
_CALL = "電話で連絡してください。"
_FROM = "送信元（TWILIO_FROM）を確認してください。"
_SUSPENDED = "Twilio のアカウントが停止されています。Twilio の管理画面を確認してください。"
_NUMBER = f"電話番号が正しくありません。予約の電話番号を確認し、{_CALL}"
_LANDLINE = f"SMSを受け取れない番号です（固定電話など）。{_CALL}"
WORDS = {
    "20005": _SUSPENDED,
    "21211": _NUMBER,
    "21217": _NUMBER,
    "21408": "この国・地域へのSMSが許可されていません。Twilio の設定（Geo Permissions）を確認してください。",
    "21602": "SMSの本文がありません。",
    "21603": _FROM,
    "21606": _FROM,
    "21608": "Twilio の試用アカウントでは、登録した番号にしか送れません。",
    "21609": "結果の通知先のURLが正しくありません。PUBLIC_BASE_URLを確認してください。",
    "21610": f"相手がSMSの受信を拒否しています。{_CALL}",
    "21612": f"この番号には、今の送信元からSMSを送れません。{_FROM}",
    "21614": _LANDLINE,
    "21617": "SMSの本文が長すぎます。",
    "21635": _LANDLINE,
    "21659": _FROM,
    "21701": _FROM,
    "21703": _FROM,
    "30002": _SUSPENDED,
    "30004": f"相手がSMSの受信を拒否しています。{_CALL}",
    "30005": f"使われていない番号です。予約の電話番号を確認し、{_CALL}",
    "30006": _LANDLINE,
    "30007": f"通信会社がSMSを止めました。{_CALL}",
}
# Of the number's telephone or the moment: the same SMS may arrive later.
PASSING = {
    "14107": "送信の間隔が短すぎます。",
    "30001": "Twilio の送信待ちがいっぱいです。",
    "30003": "相手の電話の電源が入っていないか、圏外です。",
    "30008": "通信会社で原因不明の問題が起きています。",
    "30022": "通信会社の送信数の上限に達しました。",
}


def send(message: Claimed) -> Sent:
    """The payload's `body` to its `to` (+81…), worth sending for `validity_seconds` if given; Twilio's SM….

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Twilio or the line to it has it.
    """
    config, payload = settings(), message.payload
    form = {
        "To": payload["to"],
        "Body": payload["body"],
        "MessagingServiceSid" if config.twilio_from.startswith("MG") else "From": config.twilio_from,
        "StatusCallback": webhook("twilio", effect=str(message.key)),
    }
    if payload.get("validity_seconds"):
        form["ValidityPeriod"] = str(payload["validity_seconds"])
    said = _call(Line("Twilio"), "POST", _messages(), data=form)
    if not said.get("sid"):
        raise OutcomeUnknown("Twilio の応答にSMSの番号がありません。届いたかどうかは分かりません。")
    return _sent(said)


def reconcile(message: Claimed) -> Sent | NotSent | Unknown:
    """Looks for the same text to the same number since the message was written.

    Not by the day it was sent, by which Twilio could search: an SMS that still waits there has none.
    """
    line, payload = Line("Twilio"), message.payload
    page: str | None = f"{_messages()}?{httpx2.QueryParams({'To': payload['to'], 'PageSize': 1000})}"
    for _ in range(PAGES):
        said = _call(line, "GET", str(page))
        for sms in said.get("messages", ()):
            if _is_text(sms, payload["body"]) and _created(sms) >= message.created_at - SLACK:
                return _sent(sms)
        page = said.get("next_page_uri")
        if not page:
            return NotSent()
    return Unknown()


def details(sid: str) -> Mapping[str, Any]:
    """The SMS as Twilio has it now: its `status`, and its `error_code` if it did not arrive.

    Raises:
        PermanentFailure: there is none (code 20404), or Twilio does not let us in.
        RateLimited, VendorFailure: it cannot be asked just now.
    """
    return _call(Line("Twilio"), "GET", _messages().replace(".json", f"/{sid}.json"))


def _sent(sms: Mapping[str, Any]) -> Sent:
    return Sent(str(sms["sid"]), {"status": sms.get("status")})


def _is_text(sms: Mapping[str, Any], body: str) -> bool:
    """A trial account puts words of its own before it."""
    return " ".join(str(sms.get("body")).split()).endswith(" ".join(body.split()))


def _created(sms: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(str(sms["date_created"]))


def _messages() -> str:
    return f"/2010-04-01/Accounts/{settings().twilio_account_sid}/Messages.json"


def _call(line: Line, method: str, path: str, **given: Any) -> Mapping[str, Any]:
    config = settings()
    account, token = config.twilio_account_sid, config.twilio_auth_token.get_secret_value()
    if not (account and token and config.twilio_from):
        raise not_configured("Twilio", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")
    url = config.twilio_base_url + path
    said: Mapping[str, Any] = line.json(method, url, _refusal, auth=(account, token), **given)
    return said


def _refusal(answer: httpx2.Response) -> VendorFailure:
    """In words of our own: Twilio's name the number."""
    try:
        code = str(answer.json()["code"])[:20]
    except (ValueError, KeyError, TypeError):
        code = ""
    if code == "20429":
        return rate_limited("Twilio", answer.headers)
    if answer.status_code in (401, 403) or code == "20003":
        what = "Twilio に接続する権限がありません。TWILIO_ACCOUNT_SIDとTWILIO_AUTH_TOKENを確認してください。"
        return PermanentFailure(_with(what, code or str(answer.status_code)), code=code or "20003")
    if answer.is_redirect or answer.status_code in (404, 405):
        what = "Twilio の窓口が見つかりません。TWILIO_ACCOUNT_SIDとTWILIO_BASE_URLを確認してください。"
        return PermanentFailure(_with(what, code or str(answer.status_code)), code=code or None)
    if code in PASSING:
        return VendorFailure(_with(PASSING[code], code), code=code)
    what = WORDS.get(code, f"Twilio に拒否されました。エラーの番号を Twilio の資料で確認し、{_CALL}")
    return PermanentFailure(_with(what, code or str(answer.status_code)), code=code or None)


def _with(what: str, code: str) -> str:
    return f"{what}（{code}）"


VENDOR = Vendor(send, reconcile, when_unknown="send", back_off=BACK_OFF)
