"""The customers' page of a survey. The link is the key; looking at it changes nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.clock import app_now, in_words
from service.core.db import Db, Scopes, set_scopes
from service.core.pages import forms, shell
from service.reservations.rules import AREA
from service.reservations.rules import SURVEY_PATH as PATH
from service.reservations.surveys import actions, queries, rules
from service.reservations.surveys.models import Invitation, Survey
from service.reservations.surveys.rules import Quarter

# A link is looked up before anybody is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
FormToken = Annotated[str, Form(max_length=200)]
Stars = Annotated[str, Form(max_length=5)]
Comment = Annotated[str, Form(max_length=2 * rules.LONGEST_COMMENT, pattern=r"^[^\x00]*$")]

router = APIRouter(include_in_schema=False)


@router.get(PATH + "/{token}")
def survey(request: Request, db: Db, token: str) -> Response:
    set_scopes(db, WHOLE_AREA)
    return _page(request, db, *queries.opened(db, token))


@router.post(PATH + "/{token}")
def answer(
    request: Request, db: Db, token: str, form_token: FormToken = "", stars: Stars = "", comment: Comment = ""
) -> Response:
    """Then by GET, so that loading it anew sends nothing twice."""
    forms.check(request, form_token)
    set_scopes(db, WHOLE_AREA)
    written = comment.replace("\r\n", "\n")
    if stars not in map(str, rules.STARS) or len(written) > rules.LONGEST_COMMENT:
        complaint = (
            f"コメントは{rules.LONGEST_COMMENT:,}文字以内で入力してください。"
            if stars in map(str, rules.STARS)
            else "満足度を選んでください。"
        )
        return _page(request, db, *queries.opened(db, token), complaint=complaint, written=written, chosen=stars)
    actions.answer(db, token, int(stars), written)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(f"{PATH}/{token}", 303, headers)


def _page(
    request: Request,
    db: Session,
    survey: Survey,
    invitation: Invitation,
    *,
    complaint: str = "",
    written: str | None = None,
    chosen: str | None = None,
) -> HTMLResponse:
    secret, is_open = forms.browser_secret(request), queries.is_open(survey, app_now(db))
    response = shell.page(
        "reservations/survey.html",
        422 if complaint and is_open else 200,
        is_open=is_open,
        quarter=Quarter(survey.year, survey.quarter).words,
        closes_at=in_words(survey.closes_at) if survey.closes_at else "",
        stars=rules.STARS,
        chosen=chosen if chosen is not None else str(invitation.stars or ""),
        comment=written if written is not None else invitation.comment,
        is_answered=invitation.answered_at is not None,
        complaint=complaint,
        longest=rules.LONGEST_COMMENT,
        action=request.url.path,
        form_token=forms.token(secret, request.url.path),
    )
    if is_open:
        forms.remember(response, secret)
    return response
