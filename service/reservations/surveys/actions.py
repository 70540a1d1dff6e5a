"""Writes of satisfaction surveys: sent once, one reminder, closed after a week."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.database.session import violates
from service.core.outbox import queue
from service.core.pages import shell
from service.core.problems import Conflict, Invalid, Stale
from service.core.values.times import format_local_datetime
from service.reservations.enquiries.rules import signature
from service.reservations.rules import AREA, SURVEY_PATH
from service.reservations.settings import settings
from service.reservations.surveys import queries, rules, schemas
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import Quarter

SUBJECT = "survey"
_UNIQUE_QUARTER = "uq_reservations_surveys_year_quarter"


def create(db: Session, by: Actor, new: schemas.NewSurvey) -> Survey:
    """Creates a survey without sending it.

    Raises:
        Invalid: the quarter is not over, or ended more than a year ago.
        Conflict: the quarter has a survey already.
    """
    quarter = rules.parse_quarter(new.quarter)
    if not rules.may_have_survey(quarter, app_now(db)):
        raise Invalid.at_field("quarter", "終わった四半期のうち、直近1年の中から選んでください。")
    survey = Survey(year=quarter.year, quarter=quarter.quarter, created_at=app_now(db), created_by=by.name[:100])
    try:
        with db.begin_nested():
            db.add(survey)
    except IntegrityError as error:
        if not violates(error, _UNIQUE_QUARTER):
            raise
        raise Conflict(f"{quarter.words}の満足度調査はすでにあります。画面を更新してください。") from None
    audit.record(db, by, "create", AREA.name, SUBJECT, survey.id, after={"quarter": str(quarter)})
    return survey


def send(db: Session, by: Actor, survey_id: int, new: schemas.Sending) -> int:
    """Sends a mail or an SMS to each customer of the quarter. Returns the number of recipients.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it was sent already, or the number of recipients differs from the one the sender confirmed.
        Invalid: it is night, when an SMS would disturb customers.
    """
    survey = queries.get(db, survey_id, lock=True)
    if survey.sent_at is not None:
        raise Conflict(
            f"この調査は{format_local_datetime(survey.sent_at)}に{survey.sent_by}が送信しました。画面を更新してください。"
        )
    _refuse_stale(survey, new)
    now, quarter = app_now(db), Quarter(survey.year, survey.quarter)
    recipients = queries.recipients(db, quarter)
    if recipients.count != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients:,}人から{recipients.count:,}人に変わりました。まだ送信していません。"
            "人数を確認して、もう一度送信してください。"
        )
    if not rules.is_daytime(now):
        raise Invalid("お客様の迷惑にならないよう、9:00〜20:00の間に送信してください。まだ送信していません。")
    survey.sent_at, survey.sent_by, survey.closes_at = now, by.name[:100], now + rules.OPEN_DURATION
    survey.version += 1
    addresses = [("mail", address) for address in recipients.mails] + [("sms", phone) for phone in recipients.phones]
    invitations = [Invitation(survey_id=survey.id, channel=channel, address=to) for channel, to in addresses]
    # Anonymity: rows are stored in random order and messages are sent by address, so that neither order shows whose
    # answer a row is.
    secrets.SystemRandom().shuffle(invitations)
    db.add_all(invitations)
    db.flush()
    for invitation in sorted(invitations, key=_address):
        _send_invitation(db, survey, invitation, again=False)
    after = {"quarter": str(quarter), "recipients": len(invitations)}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, survey.id, after=after)
    return len(invitations)


def close(db: Session, by: Actor, survey_id: int, new: edits.Edit) -> None:
    """Closes a survey before its week is over.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it is not open.
    """
    survey = queries.get(db, survey_id, lock=True)
    if survey.sent_at is None or survey.closed_at is not None:
        raise Conflict("この調査は実施中ではありません。画面を更新してください。")
    _refuse_stale(survey, new)
    _close(db, survey, app_now(db))
    audit.record(db, by, "status_change", AREA.name, SUBJECT, survey.id, after={"closed": True})


def process_due(db: Session, limit: int = 10) -> int:
    """Closes surveys whose week is over, and sends reminders. Returns the number of surveys that were changed."""
    now, changed = app_now(db), 0
    for survey in db.scalars(queries.due_surveys(now, limit).execution_options(populate_existing=True)).all():
        if survey.closes_at is not None and survey.closes_at <= now:
            _close(db, survey, now)
            changed += 1
        elif rules.is_daytime(now):
            unanswered = queries.unanswered(db, survey.id)
            for invitation in unanswered:
                _send_invitation(db, survey, invitation, again=True)
            survey.reminded_at, survey.reminded = now, len(unanswered)
            survey.version += 1
            changed += 1
    db.flush()
    return changed


def answer(db: Session, token: str, stars: int, comment: str) -> bool:
    """Stores the answer of a customer; a later answer replaces it while the survey is open. Returns False when the
    survey is closed. Raises NotFound for an unknown link."""
    survey, invitation = queries.find_by_token(db, token, lock=True)
    now = app_now(db)
    if not queries.is_open(survey, now):
        return False
    invitation.stars, invitation.comment = stars, comment.strip()
    invitation.answered_at = now
    return True


def _address(invitation: Invitation) -> str:
    return invitation.address or ""


def _close(db: Session, survey: Survey, now: datetime) -> None:
    """Closes a survey and deletes links and addresses: answers are anonymous from then on."""
    survey.closed_at = now
    survey.version += 1
    invitation_ids = select(Invitation.id).where(Invitation.survey_id == survey.id)
    db.execute(delete(SurveyLink).where(SurveyLink.invitation_id.in_(invitation_ids)))
    db.execute(update(Invitation).where(Invitation.survey_id == survey.id).values(address=None))


def _send_invitation(db: Session, survey: Survey, invitation: Invitation, *, again: bool) -> None:
    """Queues a mail or SMS with a new link. The message expires when the survey closes."""
    token = secrets.token_urlsafe(16)
    db.add(SurveyLink(token_hash=hash_token(token), invitation_id=invitation.id))
    url, quarter = f"{shell.address()}{SURVEY_PATH}/{token}", Quarter(survey.year, survey.quarter)
    to, closes_at = _address(invitation), survey.closes_at or app_now(db)
    about = (SUBJECT, str(quarter))
    if invitation.channel == "mail":
        config = settings()
        mail_signature = signature(config.support_phone, config.support_mail)
        title, body = rules.build_mail(url, quarter, closes_at, mail_signature, again=again)
        queue.publish_mail(db, [to], title, body, area=AREA.name, about=about, expires_at=closes_at)
    else:
        body = rules.build_sms(url, closes_at, again=again)
        queue.publish_sms(db, to, body, area=AREA.name, about=about, title="満足度調査のお願い", expires_at=closes_at)


def _refuse_stale(survey: Survey, new: edits.Edit) -> None:
    if new.version != survey.version:
        raise Stale(
            "ほかの人が先にこの満足度調査を更新しました。まだ実行していません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current={"version": survey.version},
        )
