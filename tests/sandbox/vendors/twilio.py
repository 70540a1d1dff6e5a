"""Twilio's Messages as its SDK speaks them: a form in, JSON out, status callbacks signed over their address.

There is no idempotency: a repeat is a second SMS. What becomes of one says the script of its number; without a script
`+8190000` and an error code is a number with that fate (`+819000021610` is refused, `+819000030005` is not reached),
and Twilio's own magic numbers are what they are at Twilio.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.sandbox.faults import Set
from tests.sandbox.house import House
from tests.sandbox.scripts import Answer
from tests.sandbox.store import Message
from tests.sandbox.things import Things
from tests.sandbox.vendors import Card
from tests.sandbox.wire import Cut

CALLBACK = "callback"
MOST_CHARACTERS = 1600
# Twilio's own, where the request names none.
VALID_SECONDS = 36_000
LATER = ("sent", "delivered", "undelivered", "failed")
IN_WORDS = {
    "queued": "送信待ち",
    "sent": "送信済み",
    "delivered": "届いた",
    "undelivered": "届かなかった",
    "failed": "送信できなかった",
}
# What Twilio says of a number, and its magic numbers for it.
REFUSALS = {
    21211: "The 'To' number {to} is not a valid phone number.",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {from}",
    21614: "To number: {to}, is not a mobile number",
    21635: "Destination phone number is a landline: {to}",
}
MAGIC = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
FATES = {
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Carrier violation",
    30008: "Unknown error",
    30022: "US A2P 10DLC - Rate Limits Exceeded",
    30036: "Validity Period Expired",
}


class Twilio:
    name, title = "twilio", "SMS"
    doors: tuple[str, ...] = (
        "messages.create",
        "messages.list",
        "messages.get",
        CALLBACK,
        *(f"{CALLBACK}:{status}" for status in LATER),
    )

    def __init__(self, house: House, account_sid: str, auth_token: str) -> None:
        self._house, self._account, self._token = house, account_sid, auth_token
        self._things = Things(house.store, self.name)

    def routes(self) -> list[BaseRoute]:
        # Twilio does not repeat a status callback that was not taken.
        self._house.webhooks.signed_by(self.name, self._sign, retries=())
        self._house.agenda.done_by(self.name, self._step)
        root = "/2010-04-01/Accounts/{account}"
        return [
            Route(f"{root}/Messages.json", self._create, methods=["POST"]),
            Route(f"{root}/Messages.json", self._list),
            Route(f"{root}/Messages/{{sid}}.json", self._get),
        ]

    async def _create(self, request: Request) -> Response:
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}

        def work(hold: bool) -> tuple[str, Response]:
            refused = self._unknown(request) or _wrong(given) or self._refusal(given)
            if refused:
                return "断った", refused
            resource = self._accept(given, hold)
            return f"SMS {resource['sid']} を受け付けた", JSONResponse(resource, 201)

        return await self._pass("messages.create", given, work)

    async def _list(self, request: Request) -> Response:
        asked = dict(request.query_params)

        def work(_: bool) -> tuple[str, Response]:
            refused = self._unknown(request)
            if refused:
                return "断った", refused
            try:
                page = self._page(request.url.path, asked)
            except ValueError:
                return "断った", _problem(400, 20001, "Invalid parameter")
            return f"SMS {len(page['messages'])}件を見せた", JSONResponse(page)

        return await self._pass("messages.list", asked, work)

    async def _get(self, request: Request) -> Response:
        sid = request.path_params["sid"]

        def work(_: bool) -> tuple[str, Response]:
            sms = self._things.get("sms", sid)
            refused = self._unknown(request)
            if refused or sms is None:
                missing = f"The requested resource {request.url.path} was not found"
                return "断った", refused or _problem(404, 20404, missing)
            return f"SMS {sid} を見せた", JSONResponse(sms["resource"])

        return await self._pass("messages.get", {"sid": sid}, work)

    async def _pass(self, door: str, given: Mapping[str, Any], work: Any) -> Response:
        answer = await self._house.faults.passing(self.name, door, given, work, _fault, _in_words)
        return Cut() if answer is None else answer

    def _unknown(self, request: Request) -> Response | None:
        expected = base64.b64encode(f"{self._account}:{self._token}".encode()).decode()
        known = request.headers.get("authorization") == f"Basic {expected}"
        if known and request.path_params["account"] == self._account:
            return None
        return _problem(401, 20003, "Authenticate")

    def _refusal(self, given: Mapping[str, str]) -> Response | None:
        """What Twilio says no to because of the number."""
        to = given["To"]
        answer = self._house.scripts.peek("sms", to)
        code = MAGIC.get(to)
        if answer.kind == "refused":
            answer = self._house.scripts.draw("sms", to)
            code = answer.code or 21610
        elif to.startswith("+819000021"):
            code = int(to.removeprefix("+8190000"))
        if code is None:
            return None
        if code == 20429:
            return _problem(429, code, "Too Many Requests")
        words = REFUSALS.get(code, "The message could not be sent").format(**{"to": to, "from": given.get("From", "")})
        return _problem(400, code, words)

    def _accept(self, given: Mapping[str, str], hold: bool) -> dict[str, Any]:
        to, body, at = given["To"], given["Body"], self._house.clock.moment()
        sid = f"SM{secrets.token_hex(16)}"
        uri = f"/2010-04-01/Accounts/{self._account}/Messages/{sid}"
        resource = {
            "account_sid": self._account,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": _when(at),
            "date_sent": None,
            "date_updated": _when(at),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": given.get("From"),
            "messaging_service_sid": given.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": str(_segments(body)),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to,
            "uri": f"{uri}.json",
        }
        callback = given.get("StatusCallback", "")
        effect = next(iter(parse_qs(urlsplit(callback).query).get("effect", [])), "")
        answer = self._fate(to)
        sms: dict[str, Any] = {
            "resource": resource,
            "created": at.timestamp(),
            "callback": callback,
            "effect": effect,
            "validity": int(given.get("ValidityPeriod") or VALID_SECONDS),
            "fate": answer.model_dump(),
            "history": [{"at": at.timestamp(), "status": "queued"}],
        }
        self._things.add("sms", sid, sms, to)
        shown = {"sid": sid, "to": to, "body": body, "effect": effect}
        self._house.store.add(self.name, effect or f"{to} {body}", shown, f"{to} {body}", hold=hold)
        pace = self._pace(sms)
        sent_at = at.timestamp() + (pace / 2 if answer.kind != "failed" else pace)
        self._house.agenda.add(self.name, sent_at, "failed" if answer.kind == "failed" else "sent", sid)
        self._house.agenda.add(self.name, at.timestamp() + sms["validity"], "expired", sid)
        return resource

    def _fate(self, to: str) -> Answer:
        answer = self._house.scripts.draw("sms", to)
        if answer.kind == "delivered" and to.startswith("+819000030"):
            return Answer(kind="undelivered", code=int(to.removeprefix("+8190000")))
        return answer

    def _pace(self, sms: Mapping[str, Any]) -> float:
        given = sms["fate"]["seconds"]
        return float(self._house.pace.sms if given is None else given)

    def _step(self, step: str, sid: str) -> None:
        """queued → sent → delivered or undelivered; or failed; what has not arrived in time is given up."""
        sms = self._things.get("sms", sid)
        if sms is None or sms["resource"]["status"] in ("delivered", "undelivered", "failed"):
            return
        fate, was_sent = sms["fate"], sms["resource"]["status"] == "sent"
        if step == "expired":
            self._become(sid, sms, "undelivered" if was_sent else "failed", 30036)
        elif step == "failed":
            self._become(sid, sms, "failed", fate["code"] or 30008)
        elif step == "sent":
            self._become(sid, sms, "sent")
            if fate["kind"] != "stuck":
                self._house.agenda.add(self.name, self._house.clock.now() + self._pace(sms) / 2, "arrived", sid)
        elif fate["kind"] == "undelivered":
            self._become(sid, sms, "undelivered", fate["code"] or 30003)
        else:
            self._become(sid, sms, "delivered")

    def _become(self, sid: str, sms: dict[str, Any], status: str, code: int | None = None) -> None:
        at, resource = self._house.clock.moment(), sms["resource"]
        resource |= {"status": status, "date_updated": _when(at), "date_sent": resource["date_sent"] or _when(at)}
        if code:
            resource |= {"error_code": code, "error_message": FATES.get(code, "Unknown error")}
        sms["history"].append({"at": at.timestamp(), "status": status})
        self._things.put("sms", sid, sms)
        if status != "sent":
            self._house.agenda.drop(self.name, sid)
        told = {
            "SmsSid": sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": resource["to"],
            "MessageSid": sid,
            "AccountSid": self._account,
            "From": resource["from"] or "",
            "ApiVersion": "2010-04-01",
        }
        if code:
            told["ErrorCode"] = str(code)
        if status == "delivered":
            told["RawDlrDoneDate"] = f"{at:%y%m%d%H%M}"
        request = {"sid": sid, "to": resource["to"], "effect": sms["effect"], "status": status, "error_code": code}
        self._house.store.note(self.name, "message", request, [], [f"SMSが「{IN_WORDS[status]}」になった"], "－")
        if sms["callback"]:
            door = f"{CALLBACK}:{status}"
            self._house.webhooks.enqueue(self.name, door, sms["callback"], urlencode(told).encode())

    def _sign(self, url: str, body: bytes, _: int) -> dict[str, str]:
        pairs = sorted(set(parse_qsl(body.decode(), keep_blank_values=True)))
        signed = url + "".join(name + value for name, value in pairs)
        token = next(iter(self._house.targets.secrets(self.name)), self._token)
        digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": hashlib.sha256(body).hexdigest()[:32],
            "X-Twilio-Signature": base64.b64encode(digest).decode(),
        }

    def _page(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        size = min(int(asked.get("PageSize") or 50), 1000)
        number = int(asked.get("Page") or 0)
        after, before = _moment(asked.get("DateSent>")), _moment(asked.get("DateSent<"))
        exactly = asked.get("DateSent")
        found = [
            sms["resource"]
            for sms in self._things.newest("sms", asked.get("To"))
            if asked.get("From") in (None, sms["resource"]["from"])
            and (after is None or sms["created"] >= after)
            and (before is None or sms["created"] <= before)
            and (not exactly or datetime.fromtimestamp(sms["created"], UTC).date().isoformat() == exactly[:10])
        ]

        def uri(page: int) -> str:
            kept = {name: value for name, value in asked.items() if name not in ("Page", "PageToken", "PageSize")}
            token = {"PageToken": f"PA{found[page * size - 1]['sid'][2:]}"} if page else {}
            return f"{path}?{urlencode(kept | {'PageSize': size, 'Page': page} | token)}"

        shown = found[number * size : (number + 1) * size]
        return {
            "first_page_uri": uri(0),
            "end": number * size + max(len(shown) - 1, 0),
            "previous_page_uri": uri(number - 1) if number else None,
            "messages": shown,
            "uri": uri(number),
            "page_size": size,
            "start": number * size,
            "next_page_uri": uri(number + 1) if len(found) > (number + 1) * size else None,
            "page": number,
        }

    def sms(self, to: str | None = None) -> list[dict[str, Any]]:
        """All there are, oldest first, with where they stand."""
        return [
            sms["resource"] | {name: sms[name] for name in ("effect", "created", "validity", "callback", "history")}
            for sms in reversed(self._things.newest("sms", to))
        ]

    def card(self, message: Message) -> Card:
        kept = message.content
        found = self._things.get("sms", kept["sid"])
        status = found["resource"]["status"] if found else ""
        code = found["resource"]["error_code"] if found else None
        return Card(
            title=kept["body"].split("\n")[0][:80],
            where=kept["to"],
            preview=kept["body"].partition("\n")[2].replace("\n", " "),
            text=kept["body"],
            facts=[("宛先", kept["to"]), ("MessageSid", kept["sid"]), ("識別キー", kept["effect"])],
            state=IN_WORDS.get(status, "") + (f"（{code}）" if code else ""),
            bad=status in ("undelivered", "failed"),
            counter="回目",
            link=(f"/phones/{kept['to']}", "この番号のやり取りを見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def _wrong(given: Mapping[str, str]) -> Response | None:
    """What Twilio says no to because of the request."""
    to, body = given.get("To", ""), given.get("Body", "")
    if not to:
        return _problem(400, 21604, "A 'To' phone number is required.")
    if not given.get("From") and not given.get("MessagingServiceSid"):
        return _problem(400, 21603, "A 'From' phone number is required.")
    if not body.strip():
        return _problem(400, 21602, "Message body is required.")
    if not re.fullmatch(r"\+[1-9]\d{7,14}", to):
        return _problem(400, 21211, REFUSALS[21211].format(to=to))
    if len(body) > MOST_CHARACTERS:
        return _problem(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    validity = given.get("ValidityPeriod", "1")
    if not validity.isdecimal() or not 1 <= int(validity) <= VALID_SECONDS:
        return _problem(400, 20001, f"ValidityPeriod {validity} is invalid, must be between 1 and {VALID_SECONDS}")
    callback = given.get("StatusCallback")
    if callback and urlsplit(callback).scheme not in ("http", "https"):
        return _problem(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")
    return None


def _problem(status: int, code: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": words, "more_info": more, "status": status}, status, headers)


def _fault(fault: Set) -> Response:
    if fault.status == 429:
        return _problem(429, 20429, "Too Many Requests", {"Retry-After": str(fault.retry_after or 1)})
    if fault.code.isdecimal():
        code = int(fault.code)
        return _problem(fault.status, code, REFUSALS.get(code, FATES.get(code, "Error")).format_map(_Blank()))
    if fault.status == 401:
        return _problem(401, 20003, "Authenticate")
    return _problem(fault.status, 20500, fault.code or "Internal Server Error")


class _Blank(dict[str, str]):
    def __missing__(self, _: str) -> str:
        return "+00"


def _in_words(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"


def _when(at: datetime) -> str:
    return format_datetime(at)


def _moment(given: str | None) -> float | None:
    if not given:
        return None
    moment = datetime.fromisoformat(given)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _segments(body: str) -> int:
    alone, each = (160, 153) if body.isascii() else (70, 67)
    units = len(body.encode("utf-16-le")) // 2
    return 1 if units <= alone else -(-units // each)
