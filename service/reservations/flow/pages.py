"""The customers' pages for payment and cancellation. The token in the link authorises.

GET never changes a reservation: programs that scan messages also open links. Changes are form posts; coming back from
Stripe only brings the next poll forward."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.database.clock import app_now
from service.core.database.session import Db, Scopes, set_scopes
from service.core.pages import forms, shell
from service.core.values.texts import NO_NUL
from service.reservations.flow import actions, queries, rules
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import poll_payment_now
from service.reservations.outgoing.models import Payment
from service.reservations.rules import AREA, CONTACT_PAGE
from service.reservations.settings import settings
from service.reservations.state_machine.events import CancelAsked, LateCancelAsked

# A link is looked up before the customer is known.
AREA_SCOPES = Scopes(frozenset({AREA.name}))
MAX_NOTE_LENGTH = 1000
FormToken = Annotated[str, Form(max_length=200)]
Note = Annotated[str, Form(max_length=MAX_NOTE_LENGTH, pattern=NO_NUL)]

router = APIRouter(include_in_schema=False)


@router.get("/pay/{token}")
def pay(request: Request, db: Db, token: str) -> Response:
    reservation = _reservation_by_link(db, "pay", token)
    return _page(request, db, reservation, *_to_pay(db, reservation))


@router.post("/pay/{token}")
def go_and_pay(request: Request, db: Db, token: str, form_token: FormToken = "") -> Response:
    """Redirects to Stripe while payment is possible; otherwise to the page that shows the state."""
    forms.check(request, form_token)
    view, payment = _to_pay(db, _reservation_by_link(db, "pay", token))
    can_pay = payment is not None and payment.url is not None and view.offer == "pay"
    return _redirect(str(payment.url) if payment and can_pay else f"/pay/{token}")


@router.get("/pay/{token}/done")
def done(request: Request, db: Db, token: str) -> Response:
    """Back from Stripe. The one GET that changes something: it brings the next poll of the payment forward to now."""
    reservation = _reservation_by_link(db, "pay", token)
    poll_payment_now(db, reservation.id)
    case, payment = queries.case_of(reservation), queries.current_payment(db, reservation)
    return _page(
        request, db, reservation, rules.after_payment_view(case, queries.is_payable(payment), app_now(db)), payment
    )


@router.get("/cancel/{token}")
def cancel(request: Request, db: Db, token: str) -> Response:
    reservation = _reservation_by_link(db, "cancel", token)
    is_enquired = queries.has_late_cancel_enquiry(db, reservation.id)
    return _page(
        request, db, reservation, rules.cancel_view(queries.case_of(reservation), is_enquired, app_now(db)), None
    )


@router.post("/cancel/{token}")
def do_cancel(request: Request, db: Db, token: str, form_token: FormToken = "") -> Response:
    forms.check(request, form_token)
    actions.record_event(
        db, _reservation_by_link(db, "cancel", token).id, CancelAsked(by="customer"), source="customer"
    )
    return _redirect(f"/cancel/{token}")


@router.post("/cancel/{token}/enquiry")
def enquire(request: Request, db: Db, token: str, form_token: FormToken = "", note: Note = "") -> Response:
    """After the time limit: operators decide."""
    forms.check(request, form_token)
    actions.record_event(
        db, _reservation_by_link(db, "cancel", token).id, LateCancelAsked(), source="customer", note=note.strip()
    )
    return _redirect(f"/cancel/{token}")


def _reservation_by_link(db: Session, purpose: str, token: str) -> Reservation:
    set_scopes(db, AREA_SCOPES)
    return queries.reservation_by_link(db, purpose, token)


def _to_pay(db: Session, reservation: Reservation) -> tuple[rules.View, Payment | None]:
    payment = queries.current_payment(db, reservation)
    return rules.payment_view(queries.case_of(reservation), queries.is_payable(payment), app_now(db)), payment


def _redirect(address: str) -> RedirectResponse:
    """Redirects to a GET, so that a reload sends no form twice."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _page(
    request: Request, db: Session, reservation: Reservation, view: rules.View, payment: Payment | None
) -> HTMLResponse:
    secret = forms.browser_secret(request)
    path = request.url.path + ("/enquiry" if view.offer == "enquire" else "")
    response = shell.page(
        "reservations/reservation.html",
        view=view,
        facts=queries.page_details(db, reservation),
        phone=queries.SHOP_PHONE,
        action=path,
        form_token=forms.token(secret, path),
        support=settings(),
        contact=f"{CONTACT_PAGE}?{urlencode({'code': reservation.code})}",
        longest=MAX_NOTE_LENGTH,
    )
    if view.offer is not None:
        forms.remember(response, secret)
    if view.offer == "pay" and payment is not None and payment.url is not None:
        # The form posts to this service, which redirects to Stripe: browsers check both against the policy.
        stripe_url = urlsplit(payment.url)
        policy = shell.HEADERS["Content-Security-Policy"]
        form_action = "form-action 'self'"
        response.headers["Content-Security-Policy"] = policy.replace(
            form_action, f"{form_action} {stripe_url.scheme}://{stripe_url.netloc}"
        )
    return response
