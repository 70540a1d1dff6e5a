"""SMS by Twilio's Messages API. Twilio has no idempotency key, but can list the SMS to a number. The message's key is
in the URL of the status webhook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import VendorHttp, not_configured, rate_limited, webhook_url
from service.core.outbox import MESSAGE_KEY
from service.core.outbox.records import Claimed
from service.core.settings import settings

# Three retries, as the requirements say.
BACK_OFF = [timedelta(minutes=minutes) for minutes in (1, 5, 15)]
# Pages of 1,000 SMS; when a number received more, the outcome is unknown.
MAX_PAGES = 5
# Tolerance for clocks that differ.
CLOCK_TOLERANCE = timedelta(minutes=1)
_CALL = "電話で連絡してください。"
_FROM = "送信元（TWILIO_FROM）を確認してください。"
_SUSPENDED = "Twilio のアカウントが停止されています。Twilio の管理画面を確認してください。"
_NUMBER = f"電話番号が正しくありません。予約の電話番号を確認し、{_CALL}"
_LANDLINE = f"SMSを受け取れない番号です（固定電話など）。{_CALL}"
ERROR_TEXTS = {
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
# Temporary errors of the telephone or the network: the same SMS may arrive later.
TEMPORARY_ERRORS = {
    "14107": "送信の間隔が短すぎます。",
    "30001": "Twilio の送信待ちがいっぱいです。",
    "30003": "相手の電話の電源が入っていないか、圏外です。",
    "30008": "通信会社で原因不明の問題が起きています。",
    "30022": "通信会社の送信数の上限に達しました。",
}


def send(message: Claimed) -> Sent:
    """Sends the payload's `body` to its `to` (+81…), valid for `validity_seconds` if given. Returns Twilio's id (SM…).

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Twilio answers, or the connection fails.
    """
    config, payload = settings(), message.payload
    form = {
        "To": payload["to"],
        "Body": payload["body"],
        "MessagingServiceSid" if config.twilio_from.startswith("MG") else "From": config.twilio_from,
        "StatusCallback": webhook_url("twilio", **{MESSAGE_KEY: str(message.key)}),
    }
    if payload.get("validity_seconds"):
        form["ValidityPeriod"] = str(payload["validity_seconds"])
    response = _call(VendorHttp("Twilio"), "POST", _messages(), data=form)
    if not response.get("sid"):
        raise OutcomeUnknown("Twilio の応答にSMSの番号がありません。届いたかどうかは分かりません。")
    return _sent(response)


def reconcile(message: Claimed) -> Sent | NotSent | Unknown:
    """Looks for the same text to the same number since the message was created.

    Twilio's filter by sent date is not used: an SMS that is still queued there has no sent date.
    """
    http, payload = VendorHttp("Twilio"), message.payload
    page: str | None = f"{_messages()}?{httpx2.QueryParams({'To': payload['to'], 'PageSize': 1000})}"
    for _ in range(MAX_PAGES):
        response_page = _call(http, "GET", str(page))
        for sms in response_page.get("messages", ()):
            if _is_text(sms, payload["body"]) and _created(sms) >= message.created_at - CLOCK_TOLERANCE:
                return _sent(sms)
        page = response_page.get("next_page_uri")
        if not page:
            return NotSent()
    return Unknown()


def details(sid: str) -> Mapping[str, Any]:
    """The current state of an SMS at Twilio: its `status`, and its `error_code` if it did not arrive.

    Raises:
        PermanentFailure: it does not exist (code 20404), or Twilio refuses the credentials.
        RateLimited, VendorFailure: Twilio cannot be queried now.
    """
    return _call(VendorHttp("Twilio"), "GET", _messages().replace(".json", f"/{sid}.json"))


def _sent(sms: Mapping[str, Any]) -> Sent:
    return Sent(str(sms["sid"]), {"status": sms.get("status")})


def _is_text(sms: Mapping[str, Any], body: str) -> bool:
    """Whether the SMS has this text; a trial account puts its own text before it."""
    return " ".join(str(sms.get("body")).split()).endswith(" ".join(body.split()))


def _created(sms: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(str(sms["date_created"]))


def _messages() -> str:
    return f"/2010-04-01/Accounts/{settings().twilio_account_sid}/Messages.json"


def _call(http: VendorHttp, method: str, path: str, **options: Any) -> Mapping[str, Any]:
    config = settings()
    account, token = config.twilio_account_sid, config.twilio_auth_token.get_secret_value()
    if not (account and token and config.twilio_from):
        raise not_configured("Twilio", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")
    url = config.twilio_base_url + path
    response: Mapping[str, Any] = http.json(method, url, _refusal, auth=(account, token), **options)
    return response


def _refusal(answer: httpx2.Response) -> VendorFailure:
    """The error with our own text: Twilio's texts contain the telephone number."""
    try:
        code = str(answer.json()["code"])[:20]
    except (ValueError, KeyError, TypeError):
        code = ""
    if code == "20429":
        return rate_limited("Twilio", answer.headers)
    if answer.status_code in (401, 403) or code == "20003":
        text = "Twilio に接続する権限がありません。TWILIO_ACCOUNT_SIDとTWILIO_AUTH_TOKENを確認してください。"
        return PermanentFailure(_with(text, code or str(answer.status_code)), code=code or "20003")
    if answer.is_redirect or answer.status_code in (404, 405):
        text = "Twilio の窓口が見つかりません。TWILIO_ACCOUNT_SIDとTWILIO_BASE_URLを確認してください。"
        return PermanentFailure(_with(text, code or str(answer.status_code)), code=code or None)
    if code in TEMPORARY_ERRORS:
        return VendorFailure(_with(TEMPORARY_ERRORS[code], code), code=code)
    text = ERROR_TEXTS.get(code, f"Twilio に拒否されました。エラーの番号を Twilio の資料で確認し、{_CALL}")
    return PermanentFailure(_with(text, code or str(answer.status_code)), code=code or None)


def _with(text: str, code: str) -> str:
    return f"{text}（{code}）"


VENDOR = Vendor(send, reconcile, when_unknown="send", back_off=BACK_OFF)
