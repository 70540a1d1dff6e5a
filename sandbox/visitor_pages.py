"""Pages on which a visitor plays the customer, the shop and the payer."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.scripts import ANSWER_KINDS, ANY_PHONE, Answer, Script, ScriptSubject
from sandbox.services import SandboxServices
from sandbox.vendors.calls import CALL_STATUS_TITLES, Calls
from sandbox.vendors.conversations import RequestedReservation
from sandbox.vendors.payments import Payments, StripeRequestError
from sandbox.vendors.stripe import REFUND_STATUS_TITLES
from sandbox.vendors.stripe import SESSION_STATUS_TITLES as SESSION_STATES
from sandbox.vendors.twilio import SMS_STATUS_TITLES, Twilio
from sandbox.view import PageRenderer

MAX_ROWS = 100
# Fields of the analysis that Genba requests from Bland's model, and the values of `answer`.
ANALYSIS_TITLES = {
    "answer": "店舗の回答",
    "quote": "決め手の発言",
    "confirmed_time": "確定した日時",
    "staff_name": "店舗の担当者",
    "requested_change": "希望された変更",
}
ANALYSIS_ANSWER_TITLES = {"ok": "承諾", "refused": "お断り", "vague": "あいまい", "change_requested": "変更の希望"}


class VisitorPages:
    def __init__(
        self, services: SandboxServices, twilio: Twilio, calls: Calls, payments: Payments, view: PageRenderer
    ) -> None:
        self._services, self._twilio, self._calls, self._payments = services, twilio, calls, payments
        self._render = view.render

    def routes(self) -> list[Route]:
        return [
            Route("/phones", self.phones),
            Route("/phones/{phone}", self.phone),
            Route("/calls", self.calls),
            Route("/calls/{call_id}", self.call),
            Route("/calls/{call_id}/answer", self.answer, methods=["POST"]),
            Route("/shops", self.shops),
            Route("/shops", self.script, methods=["POST"]),
            Route("/phones/{phone}/outcome", self.set_sms_outcome, methods=["POST"]),
            Route("/payments", self.payments),
            Route("/payments/outcome", self.set_refund_outcome, methods=["POST"]),
            Route("/payments/{intent}/dispute", self.dispute, methods=["POST"]),
            Route("/clock", self.move_clock, methods=["POST"]),
        ]

    async def phones(self, _: Request) -> Response:
        messages = sorted(self._twilio.sms(), key=lambda sms: str(sms["to"]))
        threads = [list(thread) for _, thread in groupby(messages, key=lambda sms: sms["to"])]
        threads.sort(key=lambda thread: float(thread[-1]["created"]), reverse=True)
        return self._render("phones.html", threads=threads[:MAX_ROWS])

    async def phone(self, request: Request) -> Response:
        phone = request.path_params["phone"]
        thread = self._twilio.sms(phone)
        counts: dict[tuple[str, str], int] = {}
        for sms in thread:
            identity = (sms["effect"], sms["body"])
            counts[identity] = sms["times"] = counts.get(identity, 0) + 1
        outcome = self._services.scripts.peek("sms", phone)
        return self._render(
            "phone.html",
            phone=phone,
            thread=thread[-MAX_ROWS:],
            states=SMS_STATUS_TITLES,
            kinds=ANSWER_KINDS["sms"],
            outcome=outcome,
        )

    async def set_sms_outcome(self, request: Request) -> Response:
        phone = request.path_params["phone"]
        return self._save_outcome("sms", phone, await _form_values(request), f"/phones/{phone}")

    async def set_refund_outcome(self, request: Request) -> Response:
        return self._save_outcome("refund", ANY_PHONE, await _form_values(request), "/payments")

    def _save_outcome(self, subject: ScriptSubject, phone: str, values: dict[str, Any], path: str) -> Response:
        """Saves the answer to everything from now on. A form that was tampered with changes nothing."""
        with suppress(ValidationError):
            self._services.scripts.save(Script.model_validate({"what": subject, "phone": phone, "then": values}))
        return RedirectResponse(path, 303)

    async def dispute(self, request: Request) -> Response:
        with suppress(StripeRequestError):
            self._payments.dispute(request.path_params["intent"], "fraudulent")
        return RedirectResponse("/payments", 303)

    async def move_clock(self, request: Request) -> Response:
        minutes = (await _form_values(request)).get("minutes", "")
        shift = self._services.clock.shift + 60 * int(minutes) if minutes.isdecimal() and len(minutes) < 6 else 0
        self._services.clock.move(shift)
        return RedirectResponse("/faults", 303)

    async def calls(self, _: Request) -> Response:
        calls = list(reversed(self._calls.list_all()))[:MAX_ROWS]
        requested = {
            call["call_id"]: RequestedReservation.of(call["request_data"].get("request_data") or {}) for call in calls
        }
        return self._render(
            "calls.html", calls=calls, requested=requested, states=CALL_STATUS_TITLES, kinds=ANSWER_KINDS["shop"]
        )

    async def call(self, request: Request) -> Response:
        return self._render_call(request.path_params["call_id"])

    async def answer(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]
        values = await _form_values(request)
        try:
            answer = Script.model_validate({"what": "shop", "next": [values]}).next[0]
        except ValidationError:
            return self._render_call(call_id, "応対できませんでした。時刻は 14:30 のように入力してください。", 422)
        if answer.kind == "ask" or not self._calls.answer(call_id, answer):
            return self._render_call(call_id, "この電話はもう鳴っていません。", 409)
        return RedirectResponse(f"/calls/{call_id}", 303)

    def _render_call(self, call_id: str, problem: str = "", status: int = 200) -> Response:
        call = next((call for call in self._calls.list_all() if call["call_id"] == call_id), None)
        if call is None:
            return self._render("gone.html", 404)
        requested = RequestedReservation.of(call["request_data"].get("request_data") or {})
        return self._render(
            "call.html",
            status,
            call=call,
            requested=requested,
            states=CALL_STATUS_TITLES,
            kinds={kind: title for kind, title in ANSWER_KINDS["shop"].items() if kind not in ("ask", "slow")},
            analysis_titles=ANALYSIS_TITLES,
            answers=ANALYSIS_ANSWER_TITLES,
            problem=problem,
        )

    async def shops(self, request: Request, problem: str = "", status: int = 200) -> Response:
        scripts = self._services.scripts.by_phone("shop")
        request_data = {call["to"]: call["request_data"].get("request_data") or {} for call in self._calls.list_all()}
        rows = []
        for phone in [ANY_PHONE, *sorted((set(scripts) | set(request_data)) - {ANY_PHONE})]:
            script = scripts.get(phone)
            rows.append(
                {
                    "phone": phone,
                    "shop": RequestedReservation.of(request_data.get(phone, {})).shop,
                    "next": script.next if script else [],
                    "then": script.then if script else None,
                    "now": self._services.scripts.peek("shop", phone),
                }
            )
        ringing = [
            call for call in self._calls.list_all() if call["status"] == "ringing" and _is_answered_by_visitor(call)
        ]
        return self._render(
            "shops.html",
            status,
            rows=rows,
            kinds=ANSWER_KINDS["shop"],
            ringing=ringing,
            phone=request.query_params.get("phone", ""),
            problem=problem,
        )

    async def script(self, request: Request) -> Response:
        values = await _form_values(request)
        phone, is_once = values.pop("phone", ANY_PHONE), values.pop("often", "") == "once"
        current = self._services.scripts.by_phone("shop").get(phone)
        queue = current.next if current else []
        try:
            answer = Answer.model_validate(values)
            checked = Script.model_validate({"what": "shop", "phone": phone, "next": [answer]})
        except ValidationError:
            return await self.shops(request, "設定できませんでした。時刻は 14:30 のように入力してください。", 422)
        then = None if is_once else checked.next[0]
        self._services.scripts.save(
            Script(what="shop", phone=phone, next=[*queue, answer] if is_once else [], then=then)
        )
        return RedirectResponse("/shops", 303)

    async def payments(self, _: Request) -> Response:
        return self._render(
            "payments.html",
            sessions=list(reversed(self._payments.sessions()))[:MAX_ROWS],
            refunds=list(reversed(self._payments.refunds()))[:MAX_ROWS],
            now=self._services.clock.now(),
            states=SESSION_STATES,
            refund_states=REFUND_STATUS_TITLES,
            kinds=ANSWER_KINDS["refund"],
            outcome=self._services.scripts.peek("refund", ANY_PHONE),
            disputed={dispute["payment_intent"] for dispute in self._payments.objects.newest("dispute")},
        )


def _is_answered_by_visitor(call: dict[str, Any]) -> bool:
    return bool(call["answer"] and call["answer"]["kind"] == "ask")


async def _form_values(request: Request) -> dict[str, Any]:
    async with request.form() as form:
        return {name: value.strip() for name, value in form.items() if isinstance(value, str) and value.strip()}
