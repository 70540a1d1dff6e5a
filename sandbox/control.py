"""The control API for tests: scripts, the clock, payments, webhooks, and the vendors' real state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.scripts import Answer, Script
from sandbox.services import SandboxServices
from sandbox.vendors.bland import Bland
from sandbox.vendors.payments import StripeRequestError
from sandbox.vendors.stripe import Stripe
from sandbox.vendors.twilio import Twilio

MAX_IDLE_WAIT_SECONDS = 10


class Target(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    secrets: list[str] | None = None


class ClockMove(BaseModel):
    """`shift`: the total shift of the clock. `advance`: seconds to add to the shift."""

    model_config = ConfigDict(extra="forbid")

    shift: float | None = None
    advance: float = 0


class ControlApi:
    def __init__(self, services: SandboxServices, twilio: Twilio, bland: Bland, stripe: Stripe) -> None:
        self._services, self._twilio, self._bland, self._stripe = services, twilio, bland, stripe

    def routes(self) -> list[Route]:
        def post(path: str, handler: Callable[[Request, Any], Any]) -> Route:
            async def endpoint(request: Request) -> Response:
                try:
                    body = await request.json()
                    with self._services.store.transaction():
                        return JSONResponse(handler(request, body))
                except (ValueError, KeyError, StripeRequestError) as error:
                    return JSONResponse({"error": str(error)}, 422)

            return Route(f"/_control/{path}", endpoint, methods=["POST"])

        def get(path: str, handler: Callable[[Request], Any]) -> Route:
            async def endpoint(request: Request) -> Response:
                return JSONResponse(handler(request))

            return Route(f"/_control/{path}", endpoint)

        def to_number(request: Request) -> str | None:
            return request.query_params.get("to")

        payments = self._stripe.payments
        return [
            post("script", self._script),
            get("script", lambda _: self._scripts()),
            Route("/_control/script", self._clear_scripts, methods=["DELETE"]),
            post("clock", self._move_clock),
            get("clock", lambda _: self._clock()),
            Route("/_control/rest", self._wait_until_idle, methods=["POST"]),
            Route("/_control/reset", self._reset, methods=["POST"]),
            post("targets", self._targets),
            get("webhooks", lambda request: self._services.webhooks.list_all(request.query_params.get("vendor"))),
            post("webhooks/{webhook_id:int}/again", self._send_again),
            get("sms", lambda request: self._twilio.sms(to_number(request))),
            get("calls", lambda request: self._bland.calls.list_all(to_number(request))),
            post("calls/{call_id}/answer", self._answer),
            get("sessions", lambda _: payments.sessions()),
            get("refunds", lambda _: payments.refunds()),
            get("events", lambda _: list(reversed(payments.objects.newest("event")))),
            post("stripe/pay", lambda _, body: payments.pay(body["session_id"], body.get("card", "ok"))),
            post("stripe/dispute", self._dispute),
        ]

    def _script(self, _: Request, body: Any) -> Any:
        script = Script.model_validate(body)
        self._services.scripts.save(script)
        return script.model_dump()

    def _scripts(self) -> Any:
        return [script.model_dump() for script in self._services.scripts.all()]

    async def _clear_scripts(self, _: Request) -> Response:
        self._services.scripts.clear()
        return Response(status_code=204)

    def _move_clock(self, _: Request, body: Any) -> Any:
        clock_move = ClockMove.model_validate(body)
        shift = self._services.clock.shift if clock_move.shift is None else clock_move.shift
        self._services.clock.move(shift + clock_move.advance)
        return self._clock()

    def _clock(self) -> Any:
        return {"shift": self._services.clock.shift, "now": self._services.clock.now()}

    async def _wait_until_idle(self, request: Request) -> Response:
        """Responds when no step and no webhook is due within so many seconds. `waited`: whether there was one."""
        seconds, started_at = float((await request.json())["seconds"]), time.monotonic()
        waited = False
        while self._services.scheduler.count_due_within(seconds) + self._services.webhooks.count_due_within(seconds):
            waited = True
            if time.monotonic() > started_at + MAX_IDLE_WAIT_SECONDS:
                break
            await asyncio.sleep(0.005)
        return JSONResponse({"waited": waited})

    async def _reset(self, _: Request) -> Response:
        """Deletes everything, switches the faults off, resets the clock, and waits for webhooks in flight."""
        self._services.store.clear()
        for fault in self._services.faults.active_switches():
            self._services.faults.switch_off(fault.id)
        self._services.clock.move(0)
        while self._services.webhooks.in_flight:
            await asyncio.sleep(0.005)
        return Response(status_code=204)

    def _targets(self, _: Request, body: Any) -> Any:
        for vendor, target in body.items():
            if vendor not in ("twilio", "bland", "stripe"):
                raise ValueError(f"no such vendor: {vendor}")
            self._services.targets.save(vendor, Target.model_validate(target).model_dump(exclude_none=True))
        return {"ok": True}

    def _send_again(self, request: Request, body: Any) -> Any:
        webhook_id, times = request.path_params["webhook_id"], int(body.get("times", 1))
        return {"sent": sum(self._services.webhooks.send_again(webhook_id) for _ in range(times))}

    def _answer(self, request: Request, body: Any) -> Any:
        answered = self._bland.calls.answer(request.path_params["call_id"], Answer.model_validate(body))
        return {"answered": answered}

    def _dispute(self, _: Request, body: Any) -> Any:
        payments = self._stripe.payments
        intent = body.get("payment_intent")
        if not intent:
            intent = payments.session(body["session_id"])["session"]["payment_intent"]
        return payments.dispute(str(intent), body.get("reason", "fraudulent"))
