"""The customers' pages: paying and cancelling. The link is the key.

Looking changes nothing: programs that scan messages open links, too. What changes something is a form."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.clock import app_now
from service.core.db import Db, Scopes, set_scopes
from service.core.pages import forms, shell
from service.reservations.events.rules import CancelAsked, LateCancelAsked
from service.reservations.flow import actions, queries, rules
from service.reservations.flow.models import Payment, Reservation
from service.reservations.rules import AREA, CONTACT_PAGE
from service.reservations.settings import settings

# A link is looked up before anybody is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
LONGEST_NOTE = 1000
FormToken = Annotated[str, Form(max_length=200)]
Note = Annotated[str, Form(max_length=LONGEST_NOTE, pattern=r"^[^\x00]*$")]

router = APIRouter(include_in_schema=False)


@router.get("/pay/{token}")
def pay(request: Request, db: Db, token: str) -> Response:
    reservation = _opened(db, "pay", token)
    return _page(request, db, reservation, *_to_pay(db, reservation))


@router.post("/pay/{token}")
def go_and_pay(request: Request, db: Db, token: str, form_token: FormToken = "") -> Response:
    """To Stripe, as long as it can be paid; otherwise the page says how it stands."""
    forms.check(request, form_token)
    view, payment = _to_pay(db, _opened(db, "pay", token))
    to_stripe = payment is not None and payment.url is not None and view.offer == "pay"
    return _see(str(payment.url) if payment and to_stripe else f"/pay/{token}")


@router.get("/pay/{token}/done")
def done(request: Request, db: Db, token: str) -> Response:
    """Back from Stripe. It is asked at once how the payment stands."""
    reservation = _opened(db, "pay", token)
    actions.look_at_payment(db, reservation)
    case, payment = queries.case_of(reservation), queries.payment(db, reservation)
    return _page(request, db, reservation, rules.paid(case, queries.is_open(payment), app_now(db)), payment)


@router.get("/cancel/{token}")
def cancel(request: Request, db: Db, token: str) -> Response:
    reservation = _opened(db, "cancel", token)
    asked = queries.has_late_enquiry(db, reservation.id)
    return _page(request, db, reservation, rules.to_cancel(queries.case_of(reservation), asked, app_now(db)), None)


@router.post("/cancel/{token}")
def do_cancel(request: Request, db: Db, token: str, form_token: FormToken = "") -> Response:
    forms.check(request, form_token)
    actions.happen(db, _opened(db, "cancel", token).id, CancelAsked(by="customer"), source="customer")
    return _see(f"/cancel/{token}")


@router.post("/cancel/{token}/enquiry")
def enquire(request: Request, db: Db, token: str, form_token: FormToken = "", note: Note = "") -> Response:
    """After the time limit: people decide."""
    forms.check(request, form_token)
    actions.happen(db, _opened(db, "cancel", token).id, LateCancelAsked(), source="customer", note=note.strip())
    return _see(f"/cancel/{token}")


def _opened(db: Session, purpose: str, token: str) -> Reservation:
    set_scopes(db, WHOLE_AREA)
    return queries.opened(db, purpose, token)


def _to_pay(db: Session, reservation: Reservation) -> tuple[rules.View, Payment | None]:
    payment = queries.payment(db, reservation)
    return rules.to_pay(queries.case_of(reservation), queries.is_open(payment), app_now(db)), payment


def _see(address: str) -> RedirectResponse:
    """By GET, so that loading it anew sends nothing twice."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _page(
    request: Request, db: Session, reservation: Reservation, view: rules.View, payment: Payment | None
) -> HTMLResponse:
    secret = forms.browser_secret(request)
    path = request.url.path + ("/enquiry" if view.offer == "enquire" else "")
    response = shell.page(
        "reservations/reservation.html",
        view=view,
        facts=queries.shown(db, reservation),
        phone=queries.SHOP_PHONE,
        action=path,
        form_token=forms.token(secret, path),
        support=settings(),
        contact=f"{CONTACT_PAGE}?{urlencode({'code': reservation.code})}",
        longest=LONGEST_NOTE,
    )
    if view.offer is not None:
        forms.remember(response, secret)
    if view.offer == "pay" and payment is not None and payment.url is not None:
        # The form is sent here, and leads on from here: browsers hold both against the policy.
        there = urlsplit(payment.url)
        policy = shell.HEADERS["Content-Security-Policy"]
        ours = "form-action 'self'"
        response.headers["Content-Security-Policy"] = policy.replace(ours, f"{ours} {there.scheme}://{there.netloc}")
    return response
