"""Stripe's hosted payment page, which a customer opens by a session's URL."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.connections import AbortedResponse
from sandbox.faults import ActiveSwitch
from sandbox.services import SandboxServices
from sandbox.vendors.payments import Payments, StripeRequestError
from sandbox.view import PageRenderer


class Checkout:
    def __init__(self, services: SandboxServices, payments: Payments, view: PageRenderer) -> None:
        self._services, self._payments, self._view = services, payments, view

    def routes(self) -> list[Route]:
        return [
            Route("/checkout/c/pay/{session_id}", self.show),
            Route("/checkout/c/pay/{session_id}", self.pay, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        return self._render_session(request.path_params["session_id"])

    async def pay(self, request: Request) -> Response:
        session_id = request.path_params["session_id"]
        async with request.form() as form:
            card = "declined" if form.get("card") == "declined" else "ok"

        def work(_: bool) -> tuple[str, Response]:
            return pay_and_render(self._payments, session_id, card, self._render_session)

        parameters = {"session_id": session_id, "card": card}
        answer = await self._services.faults.handle_request(
            "stripe", "pay", parameters, work, _fault_response, _response_text
        )
        return AbortedResponse() if answer is None else answer

    def _render_session(self, session_id: str, problem: str = "", status: int = 200) -> Response:
        try:
            stored = self._payments.session(session_id)
        except StripeRequestError:
            return self._view.render("pay.html", 404, session=None)
        session = stored["session"]
        return self._view.render(
            "pay.html",
            status,
            session=session,
            description=stored["description"],
            seconds=max(round(session["expires_at"] - self._services.clock.now()), 0),
            back=_return_url(session, "success_url"),
            problem=problem,
        )


def pay_and_render(payments: Payments, session_id: str, card: str, render_session: Any) -> tuple[str, Response]:
    """The customer pressed 支払う: pays and returns what was done and the next page."""
    try:
        result = payments.pay(session_id, card)
    except StripeRequestError:
        return "断った", render_session(session_id)
    if result["paid"]:
        return "支払われた", RedirectResponse(_return_url(result["session"], "success_url"), 303)
    if result["reason"] == "card_declined":
        problem = "カードが拒否されました。別のカードをお試しください。"
        return "カードを拒否した", render_session(session_id, problem, 402)
    return "支払われなかった", render_session(session_id, "", 409)


def _return_url(session: dict[str, Any], name: str) -> str:
    return str(session[name]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _fault_response(fault: ActiveSwitch) -> Response:
    return Response("upstream error", fault.status, media_type="text/plain")


def _response_text(response: Response) -> str:
    return str(response.status_code)
