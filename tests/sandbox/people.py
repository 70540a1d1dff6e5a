"""Pages of the sandbox on which a visitor is the customer, the shop and the one who pays."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.sandbox.house import House
from tests.sandbox.scripts import ANYBODY, KINDS, Answer, Script, What
from tests.sandbox.vendors.calls import STATES, Calls
from tests.sandbox.vendors.payments import Payments, Refused
from tests.sandbox.vendors.stripe import REFUND_STATES
from tests.sandbox.vendors.stripe import STATES as SESSION_STATES
from tests.sandbox.vendors.talk import Wish
from tests.sandbox.vendors.twilio import IN_WORDS, Twilio
from tests.sandbox.view import View

SHOWN = 100
# What Genba asks Bland's model to find out, and what it may find.
FOUND = {
    "answer": "店舗の回答",
    "quote": "決め手の発言",
    "confirmed_time": "確定した日時",
    "staff_name": "店舗の担当者",
    "requested_change": "希望された変更",
}
ANSWERS = {"ok": "承諾", "refused": "お断り", "vague": "あいまい", "change_requested": "変更の希望"}


class People:
    def __init__(self, house: House, twilio: Twilio, calls: Calls, payments: Payments, view: View) -> None:
        self._house, self._twilio, self._calls, self._payments = house, twilio, calls, payments
        self._page = view.page

    def routes(self) -> list[Route]:
        return [
            Route("/phones", self.phones),
            Route("/phones/{phone}", self.phone),
            Route("/calls", self.calls),
            Route("/calls/{call_id}", self.call),
            Route("/calls/{call_id}/answer", self.answer, methods=["POST"]),
            Route("/shops", self.shops),
            Route("/shops", self.script, methods=["POST"]),
            Route("/phones/{phone}/fate", self.sms_fate, methods=["POST"]),
            Route("/payments", self.payments),
            Route("/payments/fate", self.refund_fate, methods=["POST"]),
            Route("/payments/{intent}/dispute", self.dispute, methods=["POST"]),
            Route("/clock", self.move_clock, methods=["POST"]),
        ]

    async def phones(self, _: Request) -> Response:
        listed = sorted(self._twilio.sms(), key=lambda sms: str(sms["to"]))
        threads = [list(thread) for _, thread in groupby(listed, key=lambda sms: sms["to"])]
        threads.sort(key=lambda thread: float(thread[-1]["created"]), reverse=True)
        return self._page("phones.html", threads=threads[:SHOWN])

    async def phone(self, request: Request) -> Response:
        phone = request.path_params["phone"]
        thread = self._twilio.sms(phone)
        seen: dict[tuple[str, str], int] = {}
        for sms in thread:
            identity = (sms["effect"], sms["body"])
            seen[identity] = sms["times"] = seen.get(identity, 0) + 1
        fate = self._house.scripts.peek("sms", phone)
        return self._page(
            "phone.html", phone=phone, thread=thread[-SHOWN:], states=IN_WORDS, kinds=KINDS["sms"], fate=fate
        )

    async def sms_fate(self, request: Request) -> Response:
        phone = request.path_params["phone"]
        return self._decided("sms", phone, await _given(request), f"/phones/{phone}")

    async def refund_fate(self, request: Request) -> Response:
        return self._decided("refund", ANYBODY, await _given(request), "/payments")

    def _decided(self, what: What, phone: str, given: dict[str, Any], page: str) -> Response:
        """From now on it is so; a form that was tampered with changes nothing."""
        with suppress(ValidationError):
            self._house.scripts.set(Script.model_validate({"what": what, "phone": phone, "then": given}))
        return RedirectResponse(page, 303)

    async def dispute(self, request: Request) -> Response:
        with suppress(Refused):
            self._payments.dispute(request.path_params["intent"], "fraudulent")
        return RedirectResponse("/payments", 303)

    async def move_clock(self, request: Request) -> Response:
        minutes = (await _given(request)).get("minutes", "")
        shift = self._house.clock.shift + 60 * int(minutes) if minutes.isdecimal() and len(minutes) < 6 else 0
        self._house.clock.move(shift)
        return RedirectResponse("/faults", 303)

    async def calls(self, _: Request) -> Response:
        listed = list(reversed(self._calls.listed()))[:SHOWN]
        wishes = {call["call_id"]: Wish.of(call["request_data"].get("request_data") or {}) for call in listed}
        return self._page("calls.html", calls=listed, wishes=wishes, states=STATES, kinds=KINDS["shop"])

    async def call(self, request: Request) -> Response:
        return self._call(request.path_params["call_id"])

    async def answer(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]
        given = await _given(request)
        try:
            answer = Script.model_validate({"what": "shop", "next": [given]}).next[0]
        except ValidationError:
            return self._call(call_id, "応対できませんでした。時刻は 14:30 のように入力してください。", 422)
        if answer.kind == "ask" or not self._calls.answer(call_id, answer):
            return self._call(call_id, "この電話はもう鳴っていません。", 409)
        return RedirectResponse(f"/calls/{call_id}", 303)

    def _call(self, call_id: str, problem: str = "", status: int = 200) -> Response:
        call = next((one for one in self._calls.listed() if one["call_id"] == call_id), None)
        if call is None:
            return self._page("gone.html", 404)
        wish = Wish.of(call["request_data"].get("request_data") or {})
        return self._page(
            "call.html",
            status,
            call=call,
            wish=wish,
            states=STATES,
            kinds={kind: words for kind, words in KINDS["shop"].items() if kind not in ("ask", "slow")},
            found=FOUND,
            answers=ANSWERS,
            problem=problem,
        )

    async def shops(self, request: Request, problem: str = "", status: int = 200) -> Response:
        scripts = self._house.scripts.of("shop")
        called = {call["to"]: call["request_data"].get("request_data") or {} for call in self._calls.listed()}
        rows = []
        for phone in [ANYBODY, *sorted((set(scripts) | set(called)) - {ANYBODY})]:
            script = scripts.get(phone)
            rows.append(
                {
                    "phone": phone,
                    "shop": Wish.of(called.get(phone, {})).shop,
                    "next": script.next if script else [],
                    "then": script.then if script else None,
                    "now": self._house.scripts.peek("shop", phone),
                }
            )
        ringing = [call for call in self._calls.listed() if call["status"] == "ringing" and _is_ours(call)]
        return self._page(
            "shops.html",
            status,
            rows=rows,
            kinds=KINDS["shop"],
            ringing=ringing,
            asked=request.query_params.get("phone", ""),
            problem=problem,
        )

    async def script(self, request: Request) -> Response:
        given = await _given(request)
        phone, once = given.pop("phone", ANYBODY), given.pop("often", "") == "once"
        before = self._house.scripts.of("shop").get(phone)
        queue = before.next if before else []
        try:
            answer = Answer.model_validate(given)
            checked = Script.model_validate({"what": "shop", "phone": phone, "next": [answer]})
        except ValidationError:
            return await self.shops(request, "設定できませんでした。時刻は 14:30 のように入力してください。", 422)
        then = None if once else checked.next[0]
        self._house.scripts.set(Script(what="shop", phone=phone, next=[*queue, answer] if once else [], then=then))
        return RedirectResponse("/shops", 303)

    async def payments(self, _: Request) -> Response:
        return self._page(
            "payments.html",
            sessions=list(reversed(self._payments.sessions()))[:SHOWN],
            refunds=list(reversed(self._payments.refunds()))[:SHOWN],
            now=self._house.clock.now(),
            states=SESSION_STATES,
            refund_states=REFUND_STATES,
            kinds=KINDS["refund"],
            fate=self._house.scripts.peek("refund", ANYBODY),
            disputed={dispute["payment_intent"] for dispute in self._payments.things.newest("dispute")},
        )


def _is_ours(call: dict[str, Any]) -> bool:
    return bool(call["answer"] and call["answer"]["kind"] == "ask")


async def _given(request: Request) -> dict[str, Any]:
    async with request.form() as form:
        return {name: value.strip() for name, value in form.items() if isinstance(value, str) and value.strip()}
