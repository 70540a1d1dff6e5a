"""What a test says to the sandbox: how the world answers, what time it is, who pays; and what there truly is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.sandbox.house import House
from tests.sandbox.scripts import Answer, Script
from tests.sandbox.vendors.bland import Bland
from tests.sandbox.vendors.payments import Refused
from tests.sandbox.vendors.stripe import Stripe
from tests.sandbox.vendors.twilio import Twilio

LONGEST_REST_SECONDS = 10


class Target(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    secrets: list[str] | None = None


class Moved(BaseModel):
    """`shift`: how far the clock is moved altogether; `advance`: how much further."""

    model_config = ConfigDict(extra="forbid")

    shift: float | None = None
    advance: float = 0


class Control:
    def __init__(self, house: House, twilio: Twilio, bland: Bland, stripe: Stripe) -> None:
        self._house, self._twilio, self._bland, self._stripe = house, twilio, bland, stripe

    def routes(self) -> list[Route]:
        def post(path: str, do: Callable[[Request, Any], Any]) -> Route:
            async def answer(request: Request) -> Response:
                try:
                    given = await request.json()
                    with self._house.store.whole():
                        return JSONResponse(do(request, given))
                except (ValueError, KeyError, Refused) as error:
                    return JSONResponse({"error": str(error)}, 422)

            return Route(f"/_control/{path}", answer, methods=["POST"])

        def get(path: str, do: Callable[[Request], Any]) -> Route:
            async def answer(request: Request) -> Response:
                return JSONResponse(do(request))

            return Route(f"/_control/{path}", answer)

        def tag(request: Request) -> str | None:
            return request.query_params.get("to")

        payments = self._stripe.payments
        return [
            post("script", self._script),
            get("script", lambda _: self._scripts()),
            Route("/_control/script", self._forget_scripts, methods=["DELETE"]),
            post("clock", self._move_clock),
            get("clock", lambda _: self._clock()),
            Route("/_control/rest", self._rest, methods=["POST"]),
            Route("/_control/reset", self._reset, methods=["POST"]),
            post("targets", self._targets),
            get("webhooks", lambda request: self._house.webhooks.listed(request.query_params.get("vendor"))),
            post("webhooks/{webhook_id:int}/again", self._again),
            get("sms", lambda request: self._twilio.sms(tag(request))),
            get("calls", lambda request: self._bland.calls.listed(tag(request))),
            post("calls/{call_id}/answer", self._answer),
            get("sessions", lambda _: payments.sessions()),
            get("refunds", lambda _: payments.refunds()),
            get("events", lambda _: list(reversed(payments.things.newest("event")))),
            post("stripe/pay", lambda _, given: payments.pay(given["session_id"], given.get("card", "ok"))),
            post("stripe/dispute", self._dispute),
        ]

    def _script(self, _: Request, given: Any) -> Any:
        script = Script.model_validate(given)
        self._house.scripts.set(script)
        return script.model_dump()

    def _scripts(self) -> Any:
        return [script.model_dump() for script in self._house.scripts.all()]

    async def _forget_scripts(self, _: Request) -> Response:
        self._house.scripts.forget()
        return Response(status_code=204)

    def _move_clock(self, _: Request, given: Any) -> Any:
        moved = Moved.model_validate(given)
        shift = self._house.clock.shift if moved.shift is None else moved.shift
        self._house.clock.move(shift + moved.advance)
        return self._clock()

    def _clock(self) -> Any:
        return {"shift": self._house.clock.shift, "now": self._house.clock.now()}

    async def _rest(self, request: Request) -> Response:
        """Answers when there is nothing more to do nor to tell within so many seconds; whether there was."""
        seconds, begun = float((await request.json())["seconds"]), time.monotonic()
        waited = False
        while self._house.agenda.ahead(seconds) + self._house.webhooks.ahead(seconds):
            waited = True
            if time.monotonic() > begun + LONGEST_REST_SECONDS:
                break
            await asyncio.sleep(0.005)
        return JSONResponse({"waited": waited})

    async def _reset(self, _: Request) -> Response:
        """Empty and sound; what the vendors were just telling has been heard, and they tell no more."""
        self._house.store.empty()
        for fault in self._house.faults.switched_on():
            self._house.faults.switch_off(fault.id)
        self._house.clock.move(0)
        while self._house.webhooks.under_way:
            await asyncio.sleep(0.005)
        return Response(status_code=204)

    def _targets(self, _: Request, given: Any) -> Any:
        for vendor, target in given.items():
            if vendor not in ("twilio", "bland", "stripe"):
                raise ValueError(f"no such vendor: {vendor}")
            self._house.targets.set(vendor, Target.model_validate(target).model_dump(exclude_none=True))
        return {"ok": True}

    def _again(self, request: Request, given: Any) -> Any:
        webhook_id, times = request.path_params["webhook_id"], int(given.get("times", 1))
        return {"sent": sum(self._house.webhooks.again(webhook_id) for _ in range(times))}

    def _answer(self, request: Request, given: Any) -> Any:
        answered = self._bland.calls.answer(request.path_params["call_id"], Answer.model_validate(given))
        return {"answered": answered}

    def _dispute(self, _: Request, given: Any) -> Any:
        payments = self._stripe.payments
        intent = given.get("payment_intent")
        if not intent:
            intent = payments.session(given["session_id"])["session"]["payment_intent"]
        return payments.dispute(str(intent), given.get("reason", "fraudulent"))
