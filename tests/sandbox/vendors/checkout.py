"""Stripe's hosted page: what a customer sees behind a session's address, and pays on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.sandbox.faults import Set
from tests.sandbox.house import House
from tests.sandbox.vendors.payments import Payments, Refused
from tests.sandbox.view import View
from tests.sandbox.wire import Cut


class Checkout:
    def __init__(self, house: House, payments: Payments, view: View) -> None:
        self._house, self._payments, self._view = house, payments, view

    def routes(self) -> list[Route]:
        return [
            Route("/checkout/c/pay/{session_id}", self.page),
            Route("/checkout/c/pay/{session_id}", self.pay, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        return self._shown(request.path_params["session_id"])

    async def pay(self, request: Request) -> Response:
        session_id = request.path_params["session_id"]
        async with request.form() as form:
            card = "declined" if form.get("card") == "declined" else "ok"

        def work(_: bool) -> tuple[str, Response]:
            return pressed(self._payments, session_id, card, self._shown)

        asked = {"session_id": session_id, "card": card}
        answer = await self._house.faults.passing("stripe", "pay", asked, work, _fault, _in_words)
        return Cut() if answer is None else answer

    def _shown(self, session_id: str, problem: str = "", status: int = 200) -> Response:
        try:
            kept = self._payments.session(session_id)
        except Refused:
            return self._view.page("pay.html", 404, session=None)
        session = kept["session"]
        return self._view.page(
            "pay.html",
            status,
            session=session,
            description=kept["description"],
            seconds=max(round(session["expires_at"] - self._house.clock.now()), 0),
            back=_filled(session, "success_url"),
            problem=problem,
        )


def pressed(payments: Payments, session_id: str, card: str, shown: Any) -> tuple[str, Response]:
    """支払う was pressed: what came of it, and the page after it."""
    try:
        done = payments.pay(session_id, card)
    except Refused:
        return "断った", shown(session_id)
    if done["paid"]:
        return "支払われた", RedirectResponse(_filled(done["session"], "success_url"), 303)
    if done["reason"] == "card_declined":
        problem = "カードが拒否されました。別のカードをお試しください。"
        return "カードを拒否した", shown(session_id, problem, 402)
    return "支払われなかった", shown(session_id, "", 409)


def _filled(session: dict[str, Any], name: str) -> str:
    return str(session[name]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _fault(fault: Set) -> Response:
    return Response("upstream error", fault.status, media_type="text/plain")


def _in_words(response: Response) -> str:
    return str(response.status_code)
