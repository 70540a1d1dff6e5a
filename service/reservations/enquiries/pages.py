"""The public enquiry form. Its answer does not reveal whether a reservation or a shop exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.access.auth import client_address
from service.core.database.session import Db, Scopes, set_scopes
from service.core.http.addresses import source_of
from service.core.http.problem_responses import field_errors
from service.core.pages import forms, shell
from service.reservations.enquiries import actions, rules, schemas
from service.reservations.rules import AREA
from service.reservations.rules import CONTACT_PAGE as PATH
from service.reservations.settings import settings

# The form has no signed-in user; the enquiry is stored for the whole area.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
# Longer than any field allows, so that an error of length is shown at its field.
Typed = Annotated[str, Form(max_length=20000)]
EMPTY = dict.fromkeys(schemas.FormEnquiry.model_fields, "")
LABELS = {
    "party": "ご利用の立場",
    "sender_name": "お名前",
    "mail": "メールアドレス",
    "phone": "電話番号",
    "topic": "件名",
    "content": "お問い合わせ内容",
    "category": "お問い合わせの種類",
    "reservation": "予約ID",
    "shop": "提携店ID",
}
_EMPTY_MESSAGES = {"party": "選んでください。", "category": "選んでください。"}
# Messages for customers instead of those of the schema.
_MESSAGES = _EMPTY_MESSAGES | {"mail": "メールアドレスの形式で入力してください（例: hanako@example.jp）。"}
router = APIRouter(include_in_schema=False)


@router.get(PATH)
def contact(request: Request, code: str = "", shop: str = "") -> Response:
    """`code` and `shop` are filled in by the page that links here."""
    party = rules.Party.SHOP.value if shop else rules.Party.CUSTOMER.value
    return _page(request, EMPTY | {"party": party, "reservation": code[:30], "shop": shop[:30]}, {})


@router.post(PATH)
def send(
    request: Request,
    db: Db,
    form_token: Typed = "",
    party: Typed = "",
    sender_name: Typed = "",
    mail: Typed = "",
    phone: Typed = "",
    topic: Typed = "",
    content: Typed = "",
    category: Typed = "",
    reservation: Typed = "",
    shop: Typed = "",
) -> Response:
    forms.check(request, form_token)
    typed = {
        "party": party,
        "sender_name": sender_name,
        "mail": mail.strip(),
        "phone": phone,
        "topic": topic,
        # Browsers send CRLF.
        "content": content.replace("\r\n", "\n"),
        "category": category,
        "reservation": reservation,
        "shop": shop,
    }
    try:
        new = schemas.FormEnquiry.model_validate(typed)
    except ValidationError as error:
        return _page(request, typed, _error_messages(error, typed))
    set_scopes(db, WHOLE_AREA)
    actions.receive_form(db, new, source_of(client_address(request)))
    return RedirectResponse(f"{PATH}/done", 303, {"Cache-Control": "no-store"})


@router.get(f"{PATH}/done")
def done() -> Response:
    return shell.page("reservations/contact_done.html", support=settings(), hours=rules.HOURS)


def _error_messages(error: ValidationError, typed: Mapping[str, str]) -> dict[str, str]:
    """Error messages by field; an empty field only gets a message that it is empty."""
    messages = {}
    for path, message in field_errors(error.errors()):
        name = path.partition(".")[0]
        is_empty = not typed.get(name, "").strip()
        messages[name] = _EMPTY_MESSAGES.get(name, "入力してください。") if is_empty else _MESSAGES.get(name, message)
    return messages


def _page(request: Request, typed: Mapping[str, str], complaints: Mapping[str, str]) -> HTMLResponse:
    secret = forms.browser_secret(request)
    response = shell.page(
        "reservations/contact.html",
        422 if complaints else 200,
        action=PATH,
        form_token=forms.token(secret, PATH),
        typed=typed,
        complaints=complaints,
        labels=LABELS,
        parties=rules.Party.labels(),
        categories=rules.Category.labels(),
        support=settings(),
        hours=rules.HOURS,
    )
    forms.remember(response, secret)
    return response
