"""The public page of a survey. The token in the link is the authorization; GET changes nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.core.database.clock import app_now
from service.core.database.session import Db, Scopes, set_scopes
from service.core.pages import forms, shell
from service.core.values.texts import NO_NUL
from service.core.values.times import format_local_datetime
from service.reservations.rules import AREA
from service.reservations.rules import SURVEY_PATH as PATH
from service.reservations.surveys import actions, queries, rules
from service.reservations.surveys.models import Invitation, Survey
from service.reservations.surveys.rules import Quarter

# The page has no signed-in user; the link is looked up in the whole area.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
FormToken = Annotated[str, Form(max_length=200)]
Stars = Annotated[str, Form(max_length=5)]
Comment = Annotated[str, Form(max_length=2 * rules.MAX_COMMENT_LENGTH, pattern=NO_NUL)]

router = APIRouter(include_in_schema=False)


@router.get(PATH + "/{token}")
def survey(request: Request, db: Db, token: str) -> Response:
    set_scopes(db, WHOLE_AREA)
    return _page(request, db, *queries.find_by_token(db, token))


@router.post(PATH + "/{token}")
def answer(
    request: Request, db: Db, token: str, form_token: FormToken = "", stars: Stars = "", comment: Comment = ""
) -> Response:
    """Redirects to GET, so that a reload does not send the form again."""
    forms.check(request, form_token)
    set_scopes(db, WHOLE_AREA)
    text = comment.replace("\r\n", "\n")
    if stars not in map(str, rules.STARS) or len(text) > rules.MAX_COMMENT_LENGTH:
        complaint = (
            f"コメントは{rules.MAX_COMMENT_LENGTH:,}文字以内で入力してください。"
            if stars in map(str, rules.STARS)
            else "満足度を選んでください。"
        )
        return _page(request, db, *queries.find_by_token(db, token), complaint=complaint, written=text, chosen=stars)
    actions.answer(db, token, int(stars), text)
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
        closes_at=format_local_datetime(survey.closes_at) if survey.closes_at else "",
        stars=rules.STARS,
        chosen=chosen if chosen is not None else str(invitation.stars or ""),
        comment=written if written is not None else invitation.comment,
        is_answered=invitation.answered_at is not None,
        complaint=complaint,
        longest=rules.MAX_COMMENT_LENGTH,
        action=request.url.path,
        form_token=forms.token(secret, request.url.path),
    )
    if is_open:
        forms.remember(response, secret)
    return response
