"""The public form for questions. It says the same whatever is known of a reservation or a shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.addresses import source_of
from service.core.auth import client_address
from service.core.db import Db, Scopes, set_scopes
from service.core.pages import forms, shell
from service.core.problems import field_errors
from service.reservations.enquiries import actions, rules, schemas
from service.reservations.rules import AREA
from service.reservations.rules import CONTACT_PAGE as PATH
from service.reservations.settings import settings

# Nobody is known here; what is stored is the area's.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
# More than any field holds: what is too long is said at its field.
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
# In the words of whoever fills it in.
_WORDS = {
    "party": "選んでください。",
    "category": "選んでください。",
    "mail": "メールアドレスの形式で入力してください（例: hanako@example.jp）。",
}
router = APIRouter(include_in_schema=False)


@router.get(PATH)
def contact(request: Request, code: str = "", shop: str = "") -> Response:
    """`code` and `shop` are what a page that led here knew."""
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
        # Browsers send two characters for the end of a line.
        "content": content.replace("\r\n", "\n"),
        "category": category,
        "reservation": reservation,
        "shop": shop,
    }
    try:
        new = schemas.FormEnquiry.model_validate(typed)
    except ValidationError as error:
        return _page(request, typed, _complaints(error, typed))
    set_scopes(db, WHOLE_AREA)
    actions.arrive(db, new, source_of(client_address(request)))
    return RedirectResponse(f"{PATH}/done", 303, {"Cache-Control": "no-store"})


@router.get(f"{PATH}/done")
def done() -> Response:
    return shell.page("reservations/contact_done.html", support=settings(), hours=rules.HOURS)


def _complaints(error: ValidationError, typed: Mapping[str, str]) -> dict[str, str]:
    """By field; of a field that was left empty, just that."""
    found = {}
    for place, message in field_errors(error.errors()):
        name = place.partition(".")[0]
        found[name] = _WORDS.get(name, message) if typed.get(name, "").strip() else _WORDS_EMPTY.get(name, "")
        found[name] = found[name] or "入力してください。"
    return found


_WORDS_EMPTY = {"party": "選んでください。", "category": "選んでください。"}


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
        parties=rules.PARTY_WORDS,
        categories=rules.CATEGORY_WORDS,
        support=settings(),
        hours=rules.HOURS,
    )
    forms.remember(response, secret)
    return response
