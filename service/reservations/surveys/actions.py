"""Asking customers of a quarter how content they were: sent once, reminded once, closed after a week."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.db import violates
from service.core.identity import hash_token
from service.core.pages import shell
from service.core.problems import Conflict, Invalid, Stale
from service.reservations.enquiries.rules import signature
from service.reservations.rules import AREA, SURVEY_PATH
from service.reservations.settings import settings
from service.reservations.surveys import queries, rules, schemas
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import Quarter

SUBJECT = "survey"
_ONE_OF_A_QUARTER = "uq_reservations_surveys_year_quarter"


def create(db: Session, by: Actor, new: schemas.NewSurvey) -> Survey:
    """Nobody is written to yet.

    Raises:
        Invalid: the quarter is not over, or has been for a year.
        Conflict: it has a survey.
    """
    quarter = rules.parse_quarter(new.quarter)
    if not rules.may_be_asked_about(quarter, app_now(db)):
        message = "終わった四半期のうち、直近1年の中から選んでください。"
        raise Invalid(message, [("quarter", message)])
    survey = Survey(year=quarter.year, quarter=quarter.quarter, created_at=app_now(db), created_by=by.name[:100])
    try:
        with db.begin_nested():
            db.add(survey)
    except IntegrityError as error:
        if not violates(error, _ONE_OF_A_QUARTER):
            raise
        raise Conflict(f"{quarter.words}の満足度調査はすでにあります。画面を更新してください。") from None
    audit.record(db, by, "create", AREA.name, SUBJECT, survey.id, after={"quarter": str(quarter)})
    return survey


def send(db: Session, by: Actor, survey_id: int, new: schemas.Sending) -> int:
    """To everybody of the quarter, a mail or an SMS each. How many they were.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it was sent, or they are not as many as the sender has confirmed.
        Invalid: at night, when an SMS would wake people.
    """
    survey = queries.get(db, survey_id, lock=True)
    if survey.sent_at is not None:
        raise Conflict(
            f"この調査は{in_words(survey.sent_at)}に{survey.sent_by}が送信しました。画面を更新してください。"
        )
    _refuse_stale(survey, new)
    now, quarter = app_now(db), Quarter(survey.year, survey.quarter)
    asked = queries.recipients(db, quarter)
    if asked.count != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients:,}人から{asked.count:,}人に変わりました。まだ送信していません。"
            "人数を確認して、もう一度送信してください。"
        )
    if not rules.may_disturb(now):
        raise Invalid("お客様の迷惑にならないよう、9:00〜20:00の間に送信してください。まだ送信していません。")
    survey.sent_at, survey.sent_by, survey.closes_at = now, by.name[:100], now + rules.OPEN_FOR
    survey.version += 1
    letters = [("mail", address) for address in asked.mails] + [("sms", phone) for phone in asked.phones]
    invitations = [Invitation(survey_id=survey.id, channel=channel, address=to) for channel, to in letters]
    # Letters go by address, rows as it happens: the order of neither tells whose an answer is.
    secrets.SystemRandom().shuffle(invitations)
    db.add_all(invitations)
    db.flush()
    for invitation in sorted(invitations, key=_to):
        _invite(db, survey, invitation, again=False)
    after = {"quarter": str(quarter), "recipients": len(invitations)}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, survey.id, after=after)
    return len(invitations)


def close(db: Session, by: Actor, survey_id: int, new: schemas.Edit) -> None:
    """Before its week is over.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is not open.
    """
    survey = queries.get(db, survey_id, lock=True)
    if survey.sent_at is None or survey.closed_at is not None:
        raise Conflict("この調査は実施中ではありません。画面を更新してください。")
    _refuse_stale(survey, new)
    _close(db, survey, app_now(db))
    audit.record(db, by, "status_change", AREA.name, SUBJECT, survey.id, after={"closed": True})


def tend(db: Session, limit: int = 10) -> int:
    """Ends surveys whose week is over, and asks once more who has not answered. How many surveys that concerned."""
    now, tended = app_now(db), 0
    for survey in db.scalars(queries.due(now, limit).execution_options(populate_existing=True)).all():
        if survey.closes_at is not None and survey.closes_at <= now:
            _close(db, survey, now)
            tended += 1
        elif rules.may_disturb(now):
            silent = queries.silent(db, survey.id)
            for invitation in silent:
                _invite(db, survey, invitation, again=True)
            survey.reminded_at, survey.reminded = now, len(silent)
            survey.version += 1
            tended += 1
    db.flush()
    return tended


def answer(db: Session, token: str, stars: int, comment: str) -> bool:
    """What the link's owner thinks; another answer takes its place until the survey is over. Whether it came in time.
    Raises NotFound for a link that opens nothing."""
    survey, invitation = queries.opened(db, token, lock=True)
    now = app_now(db)
    if not queries.is_open(survey, now):
        return False
    invitation.stars, invitation.comment = stars, comment.strip()
    invitation.answered_at = now
    return True


def _to(invitation: Invitation) -> str:
    return invitation.address or ""


def _close(db: Session, survey: Survey, now: datetime) -> None:
    """From here on nobody can say whose answer an answer is."""
    survey.closed_at = now
    survey.version += 1
    mine = select(Invitation.id).where(Invitation.survey_id == survey.id)
    db.execute(delete(SurveyLink).where(SurveyLink.invitation_id.in_(mine)))
    db.execute(update(Invitation).where(Invitation.survey_id == survey.id).values(address=None))


def _invite(db: Session, survey: Survey, invitation: Invitation, *, again: bool) -> None:
    """A letter with a link of its own. It is of no use when the survey is over."""
    token = secrets.token_urlsafe(16)
    db.add(SurveyLink(token_hash=hash_token(token), invitation_id=invitation.id))
    url, quarter = f"{shell.address()}{SURVEY_PATH}/{token}", Quarter(survey.year, survey.quarter)
    to, closes_at = _to(invitation), survey.closes_at or app_now(db)
    payload: dict[str, Any]
    if invitation.channel == "mail":
        config = settings()
        signed = signature(config.support_phone, config.support_mail)
        title, body = rules.mail(url, quarter, closes_at, signed, again=again)
        topic, payload = "mail", {"to": [to], "subject": title, "body": body}
    else:
        title = "満足度調査のお願い"
        body = rules.sms(url, closes_at, again=again)
        topic, payload = "sms", {"to": to, "body": body, "validity_seconds": None}
    outbox.publish(
        db,
        topic,
        payload,
        area=AREA.name,
        recipient=to,
        title=title,
        about=(SUBJECT, str(quarter)),
        expires_at=closes_at,
    )


def _refuse_stale(survey: Survey, new: schemas.Edit) -> None:
    if new.version != survey.version:
        raise Stale(
            "ほかの人が先にこの満足度調査を更新しました。まだ実行していません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current={"version": survey.version},
        )
