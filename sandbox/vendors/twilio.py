"""Twilio's Messages API as its SDK uses it: a form in, JSON out, status callbacks signed over their URL.

There is no idempotency: a repeat is a second SMS. The script of the number decides the result. Without a script,
`+8190000` and an error code is a number with that result (`+819000021610` is refused, `+819000030005` is not reached),
and Twilio's own magic numbers behave as at Twilio.
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

from sandbox.connections import AbortedResponse
from sandbox.faults import ActiveSwitch
from sandbox.scripts import Answer
from sandbox.services import SandboxServices
from sandbox.store import Message
from sandbox.vendor_objects import VendorObjects
from sandbox.vendors import Card

CALLBACK = "callback"
MAX_CHARACTERS = 1600
# Twilio's default and maximum.
MAX_VALIDITY_SECONDS = 36_000
CALLBACK_STATUSES = ("sent", "delivered", "undelivered", "failed")
SMS_STATUS_TITLES = {
    "queued": "送信待ち",
    "sent": "送信済み",
    "delivered": "届いた",
    "undelivered": "届かなかった",
    "failed": "送信できなかった",
}
# Errors for a recipient's number, and Twilio's magic numbers that cause them.
NUMBER_ERRORS = {
    21211: "The 'To' number {to} is not a valid phone number.",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {from}",
    21614: "To number: {to}, is not a mobile number",
    21635: "Destination phone number is a landline: {to}",
}
MAGIC_NUMBERS = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
DELIVERY_ERRORS = {
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
    operations: tuple[str, ...] = (
        "messages.create",
        "messages.list",
        "messages.get",
        CALLBACK,
        *(f"{CALLBACK}:{status}" for status in CALLBACK_STATUSES),
    )

    def __init__(self, services: SandboxServices, account_sid: str, auth_token: str) -> None:
        self._services, self._account, self._token = services, account_sid, auth_token
        self._objects = VendorObjects(services.store, self.name)

    def routes(self) -> list[BaseRoute]:
        # Twilio does not retry a status callback that was not accepted.
        self._services.webhooks.register_signer(self.name, self._sign, retry_delays=())
        self._services.scheduler.register_handler(self.name, self._run_step)
        root = "/2010-04-01/Accounts/{account}"
        return [
            Route(f"{root}/Messages.json", self._create, methods=["POST"]),
            Route(f"{root}/Messages.json", self._list),
            Route(f"{root}/Messages/{{sid}}.json", self._get),
        ]

    async def _create(self, request: Request) -> Response:
        async with request.form() as form:
            parameters = {name: value for name, value in form.items() if isinstance(value, str)}

        def work(hold: bool) -> tuple[str, Response]:
            error = (
                self._authentication_error(request) or _parameter_error(parameters) or self._number_error(parameters)
            )
            if error:
                return "断った", error
            resource = self._accept(parameters, hold)
            return f"SMS {resource['sid']} を受け付けた", JSONResponse(resource, 201)

        return await self._handle("messages.create", parameters, work)

    async def _list(self, request: Request) -> Response:
        query = dict(request.query_params)

        def work(_: bool) -> tuple[str, Response]:
            error = self._authentication_error(request)
            if error:
                return "断った", error
            try:
                page = self._list_page(request.url.path, query)
            except ValueError:
                return "断った", _error_response(400, 20001, "Invalid parameter")
            return f"SMS {len(page['messages'])}件を見せた", JSONResponse(page)

        return await self._handle("messages.list", query, work)

    async def _get(self, request: Request) -> Response:
        sid = request.path_params["sid"]

        def work(_: bool) -> tuple[str, Response]:
            sms = self._objects.get("sms", sid)
            error = self._authentication_error(request)
            if error or sms is None:
                missing = f"The requested resource {request.url.path} was not found"
                return "断った", error or _error_response(404, 20404, missing)
            return f"SMS {sid} を見せた", JSONResponse(sms["resource"])

        return await self._handle("messages.get", {"sid": sid}, work)

    async def _handle(self, operation: str, parameters: Mapping[str, Any], work: Any) -> Response:
        answer = await self._services.faults.handle_request(
            self.name, operation, parameters, work, _fault_response, _response_text
        )
        return AbortedResponse() if answer is None else answer

    def _authentication_error(self, request: Request) -> Response | None:
        expected = base64.b64encode(f"{self._account}:{self._token}".encode()).decode()
        is_valid = request.headers.get("authorization") == f"Basic {expected}"
        if is_valid and request.path_params["account"] == self._account:
            return None
        return _error_response(401, 20003, "Authenticate")

    def _number_error(self, parameters: Mapping[str, str]) -> Response | None:
        """The error for a recipient's number that Twilio refuses."""
        to = parameters["To"]
        answer = self._services.scripts.peek("sms", to)
        code = MAGIC_NUMBERS.get(to)
        if answer.kind == "refused":
            answer = self._services.scripts.take_next("sms", to)
            code = answer.code or 21610
        elif to.startswith("+819000021"):
            code = int(to.removeprefix("+8190000"))
        if code is None:
            return None
        if code == 20429:
            return _error_response(429, code, "Too Many Requests")
        message = NUMBER_ERRORS.get(code, "The message could not be sent").format(
            **{"to": to, "from": parameters.get("From", "")}
        )
        return _error_response(400, code, message)

    def _accept(self, parameters: Mapping[str, str], hold: bool) -> dict[str, Any]:
        to, body, at = parameters["To"], parameters["Body"], self._services.clock.utc_now()
        sid = f"SM{secrets.token_hex(16)}"
        uri = f"/2010-04-01/Accounts/{self._account}/Messages/{sid}"
        resource = {
            "account_sid": self._account,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": _format_time(at),
            "date_sent": None,
            "date_updated": _format_time(at),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": parameters.get("From"),
            "messaging_service_sid": parameters.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": str(_count_segments(body)),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to,
            "uri": f"{uri}.json",
        }
        callback = parameters.get("StatusCallback", "")
        effect = next(iter(parse_qs(urlsplit(callback).query).get("effect", [])), "")
        answer = self._draw_result(to)
        sms: dict[str, Any] = {
            "resource": resource,
            "created": at.timestamp(),
            "callback": callback,
            "effect": effect,
            "validity": int(parameters.get("ValidityPeriod") or MAX_VALIDITY_SECONDS),
            "outcome": answer.model_dump(),
            "history": [{"at": at.timestamp(), "status": "queued"}],
        }
        self._objects.add("sms", sid, sms, to)
        content = {"sid": sid, "to": to, "body": body, "effect": effect}
        self._services.store.add_message(self.name, effect or f"{to} {body}", content, f"{to} {body}", hold=hold)
        pace = self._pace(sms)
        sent_at = at.timestamp() + (pace / 2 if answer.kind != "failed" else pace)
        self._services.scheduler.add(self.name, sent_at, "failed" if answer.kind == "failed" else "sent", sid)
        self._services.scheduler.add(self.name, at.timestamp() + sms["validity"], "expired", sid)
        return resource

    def _draw_result(self, to: str) -> Answer:
        answer = self._services.scripts.take_next("sms", to)
        if answer.kind == "delivered" and to.startswith("+819000030"):
            return Answer(kind="undelivered", code=int(to.removeprefix("+8190000")))
        return answer

    def _pace(self, sms: Mapping[str, Any]) -> float:
        seconds = sms["outcome"]["seconds"]
        return float(self._services.pace.sms if seconds is None else seconds)

    def _run_step(self, step: str, sid: str) -> None:
        """queued → sent → delivered or undelivered, or failed. An SMS that is not delivered within its validity is
        given up."""
        sms = self._objects.get("sms", sid)
        if sms is None or sms["resource"]["status"] in ("delivered", "undelivered", "failed"):
            return
        result, was_sent = sms["outcome"], sms["resource"]["status"] == "sent"
        if step == "expired":
            self._set_status(sid, sms, "undelivered" if was_sent else "failed", 30036)
        elif step == "failed":
            self._set_status(sid, sms, "failed", result["code"] or 30008)
        elif step == "sent":
            self._set_status(sid, sms, "sent")
            if result["kind"] != "stuck":
                self._services.scheduler.add(
                    self.name, self._services.clock.now() + self._pace(sms) / 2, "arrived", sid
                )
        elif result["kind"] == "undelivered":
            self._set_status(sid, sms, "undelivered", result["code"] or 30003)
        else:
            self._set_status(sid, sms, "delivered")

    def _set_status(self, sid: str, sms: dict[str, Any], status: str, code: int | None = None) -> None:
        at, resource = self._services.clock.utc_now(), sms["resource"]
        resource |= {
            "status": status,
            "date_updated": _format_time(at),
            "date_sent": resource["date_sent"] or _format_time(at),
        }
        if code:
            resource |= {"error_code": code, "error_message": DELIVERY_ERRORS.get(code, "Unknown error")}
        sms["history"].append({"at": at.timestamp(), "status": status})
        self._objects.update("sms", sid, sms)
        if status != "sent":
            self._services.scheduler.cancel(self.name, sid)
        callback = {
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
            callback["ErrorCode"] = str(code)
        if status == "delivered":
            callback["RawDlrDoneDate"] = f"{at:%y%m%d%H%M}"
        request = {"sid": sid, "to": resource["to"], "effect": sms["effect"], "status": status, "error_code": code}
        self._services.store.add_log_entry(
            self.name, "message", request, [], [f"SMSが「{SMS_STATUS_TITLES[status]}」になった"], "－"
        )
        if sms["callback"]:
            operation = f"{CALLBACK}:{status}"
            self._services.webhooks.enqueue(self.name, operation, sms["callback"], urlencode(callback).encode())

    def _sign(self, url: str, body: bytes, _: int) -> dict[str, str]:
        pairs = sorted(set(parse_qsl(body.decode(), keep_blank_values=True)))
        signed = url + "".join(name + value for name, value in pairs)
        token = next(iter(self._services.targets.secrets(self.name)), self._token)
        digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": hashlib.sha256(body).hexdigest()[:32],
            "X-Twilio-Signature": base64.b64encode(digest).decode(),
        }

    def _list_page(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        size = min(int(query.get("PageSize") or 50), 1000)
        number = int(query.get("Page") or 0)
        after, before = _parse_time(query.get("DateSent>")), _parse_time(query.get("DateSent<"))
        date = query.get("DateSent")
        matches = [
            sms["resource"]
            for sms in self._objects.newest("sms", query.get("To"))
            if query.get("From") in (None, sms["resource"]["from"])
            and (after is None or sms["created"] >= after)
            and (before is None or sms["created"] <= before)
            and (not date or datetime.fromtimestamp(sms["created"], UTC).date().isoformat() == date[:10])
        ]

        def uri(page: int) -> str:
            parameters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
            token = {"PageToken": f"PA{matches[page * size - 1]['sid'][2:]}"} if page else {}
            return f"{path}?{urlencode(parameters | {'PageSize': size, 'Page': page} | token)}"

        messages = matches[number * size : (number + 1) * size]
        return {
            "first_page_uri": uri(0),
            "end": number * size + max(len(messages) - 1, 0),
            "previous_page_uri": uri(number - 1) if number else None,
            "messages": messages,
            "uri": uri(number),
            "page_size": size,
            "start": number * size,
            "next_page_uri": uri(number + 1) if len(matches) > (number + 1) * size else None,
            "page": number,
        }

    def sms(self, to: str | None = None) -> list[dict[str, Any]]:
        """All SMS, oldest first, with their status."""
        return [
            sms["resource"] | {name: sms[name] for name in ("effect", "created", "validity", "callback", "history")}
            for sms in reversed(self._objects.newest("sms", to))
        ]

    def card(self, message: Message) -> Card:
        content = message.content
        sms = self._objects.get("sms", content["sid"])
        status = sms["resource"]["status"] if sms else ""
        code = sms["resource"]["error_code"] if sms else None
        return Card(
            title=content["body"].split("\n")[0][:80],
            where=content["to"],
            preview=content["body"].partition("\n")[2].replace("\n", " "),
            text=content["body"],
            facts=[("宛先", content["to"]), ("MessageSid", content["sid"]), ("識別キー", content["effect"])],
            state=SMS_STATUS_TITLES.get(status, "") + (f"（{code}）" if code else ""),
            bad=status in ("undelivered", "failed"),
            counter="回目",
            link=(f"/phones/{content['to']}", "この番号のやり取りを見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def _parameter_error(parameters: Mapping[str, str]) -> Response | None:
    """The error for a request that Twilio refuses."""
    to, body = parameters.get("To", ""), parameters.get("Body", "")
    if not to:
        return _error_response(400, 21604, "A 'To' phone number is required.")
    if not parameters.get("From") and not parameters.get("MessagingServiceSid"):
        return _error_response(400, 21603, "A 'From' phone number is required.")
    if not body.strip():
        return _error_response(400, 21602, "Message body is required.")
    if not re.fullmatch(r"\+[1-9]\d{7,14}", to):
        return _error_response(400, 21211, NUMBER_ERRORS[21211].format(to=to))
    if len(body) > MAX_CHARACTERS:
        return _error_response(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    validity = parameters.get("ValidityPeriod", "1")
    if not validity.isdecimal() or not 1 <= int(validity) <= MAX_VALIDITY_SECONDS:
        return _error_response(
            400, 20001, f"ValidityPeriod {validity} is invalid, must be between 1 and {MAX_VALIDITY_SECONDS}"
        )
    callback = parameters.get("StatusCallback")
    if callback and urlsplit(callback).scheme not in ("http", "https"):
        return _error_response(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")
    return None


def _error_response(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status, headers)


def _fault_response(fault: ActiveSwitch) -> Response:
    if fault.status == 429:
        return _error_response(429, 20429, "Too Many Requests", {"Retry-After": str(fault.retry_after or 1)})
    if fault.code.isdecimal():
        code = int(fault.code)
        return _error_response(
            fault.status,
            code,
            NUMBER_ERRORS.get(code, DELIVERY_ERRORS.get(code, "Error")).format_map(_PlaceholderNumbers()),
        )
    if fault.status == 401:
        return _error_response(401, 20003, "Authenticate")
    return _error_response(fault.status, 20500, fault.code or "Internal Server Error")


class _PlaceholderNumbers(dict[str, str]):
    def __missing__(self, _: str) -> str:
        return "+00"


def _response_text(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"


def _format_time(at: datetime) -> str:
    return format_datetime(at)


def _parse_time(value: str | None) -> float | None:
    if not value:
        return None
    time = datetime.fromisoformat(value)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _count_segments(body: str) -> int:
    single_limit, part_limit = (160, 153) if body.isascii() else (70, 67)
    units = len(body.encode("utf-16-le")) // 2
    return 1 if units <= single_limit else -(-units // part_limit)
