"""Reads of surveys, and of the quality of support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Literal

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.problems import NotFound
from service.core.values.phones import is_mobile
from service.core.values.times import DAY, at, local_date
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.models import Enquiry
from service.reservations.enquiries.rules import SATISFACTION_GOAL, Party
from service.reservations.enquiries.schemas import Kpis
from service.reservations.models import Reservation
from service.reservations.state_machine.states import State
from service.reservations.surveys import rules, schemas
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import Quarter, Status

# States in which a customer was served. A reservation cancelled after payment is refunded.
SERVED = (State.COMPLETED, State.CANCELLED, State.REFUNDED)
WEEKS, QUARTERS = 12, 5
INVALID_LINK_MESSAGE = (
    "このリンクは使えません。アドレスが途中で切れているか、回答期限が過ぎています。"
    "SMSやメールのリンクをもう一度開いてください。"
)

_status = case(
    (Survey.sent_at.is_(None), Status.PREPARING.value),
    (Survey.closed_at.is_(None), Status.OPEN.value),
    else_=Status.CLOSED.value,
)
_quarter = func.concat(func.to_char(Survey.year, "FM0000"), "-Q", Survey.quarter)
_title = func.concat(Survey.year, "年", Survey.quarter * 3 - 2, "〜", Survey.quarter * 3, "月")
_quarter_order = Survey.year * 4 + Survey.quarter


def _of_survey(column: Any) -> Any:
    return select(column).where(Invitation.survey_id == Survey.id).correlate(Survey).scalar_subquery()


SURVEYS = Listing(
    select(
        Survey.id,
        Survey.version,
        Survey.year,
        Survey.quarter.label("number"),
        _status.label("status"),
        Survey.created_at,
        Survey.created_by,
        Survey.sent_at,
        Survey.sent_by,
        Survey.closes_at,
        Survey.reminded_at,
        Survey.reminded,
        Survey.closed_at,
        _of_survey(func.count()).label("invited"),
        _of_survey(func.count(Invitation.stars)).label("answered"),
        _of_survey(func.avg(Invitation.stars)).label("mean"),
        *(_of_survey(func.count().filter(Invitation.stars == stars)).label(f"of_{stars}") for stars in rules.STARS),
    ),
    unique=Survey.id,
    keys={"quarter": Key(_quarter_order)},
    default="-quarter",
    model=schemas.SurveyItem,
)

ANSWERS = Listing(
    select(
        Invitation.id,
        _quarter.label("quarter"),
        # As `rules.Quarter.words` formats it.
        _title.label("title"),
        Invitation.stars,
        Invitation.comment,
        Invitation.answered_at,
    )
    .join(Survey, Survey.id == Invitation.survey_id)
    .where(Invitation.answered_at.is_not(None)),
    unique=Invitation.id,
    keys={"answered_at": Key(Invitation.answered_at), "stars": Key(Invitation.stars)},
    default="-answered_at",
    filters={
        "quarter": equals(_quarter),
        "stars": equals(Invitation.stars),
        "is_commented": when_true(Invitation.comment != ""),
    },
    model=schemas.AnswerItem,
)


def _survey_item(row: dict[str, Any]) -> dict[str, Any]:
    item = dict(row)
    quarter = Quarter(item.pop("year"), item.pop("number"))
    distribution = [item.pop(f"of_{stars}") for stars in rules.STARS]
    mean = item.pop("mean")
    return item | {
        "quarter": str(quarter),
        "title": quarter.words,
        "mean": None if mean is None else round(float(mean), 2),
        "distribution": distribution,
    }


def surveys(db: Session, limit: int, cursor: str | None, filters: schemas.SurveyFilters) -> Page[schemas.SurveyItem]:
    return SURVEYS.read(db, limit, cursor, filters.sort, item=_survey_item)


def answers(db: Session, limit: int, cursor: str | None, filters: schemas.AnswerFilters) -> Page[schemas.AnswerItem]:
    return ANSWERS.read(db, limit, cursor, filters.sort, **_filter_values(filters))


def answers_export(_: object, filters: schemas.AnswerFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return ANSWERS.all(filters.sort, **_filter_values(filters))


def _filter_values(filters: schemas.AnswerFilters) -> dict[str, Any]:
    return {"quarter": filters.quarter, "stars": filters.stars, "is_commented": filters.commented}


def get(db: Session, survey_id: int, *, lock: bool = False) -> Survey:
    """Raises NotFound."""
    return get_or_404(db, Survey, survey_id, "満足度調査", lock=lock)


def survey_of_quarter(db: Session, quarter: Quarter) -> Survey | None:
    statement = select(Survey).where(Survey.year == quarter.year, Survey.quarter == quarter.quarter)
    return db.scalars(statement).one_or_none()


def survey_detail(db: Session, survey_id: int) -> schemas.SurveyDetail:
    """Raises NotFound."""
    db.flush()
    survey = get(db, survey_id)
    row = db.execute(SURVEYS.rows.where(Survey.id == survey.id)).one()
    recipient_list = recipients(db, Quarter(survey.year, survey.quarter)) if survey.sent_at is None else None
    is_waiting = survey.sent_at is not None and survey.closed_at is None and survey.reminded_at is None
    return schemas.SurveyDetail(
        **_survey_item(dict(row._mapping)),
        recipients=recipient_list.summary if recipient_list else None,
        reminder_at=survey.sent_at + rules.REMINDER_AFTER if is_waiting and survey.sent_at else None,
    )


def overview(db: Session) -> schemas.Overview:
    """The open survey, the last closed one, and the quarter for which a new one can be created."""
    now = app_now(db)
    last_quarter = rules.quarter_of(now).plus(-1)
    has_survey = survey_of_quarter(db, last_quarter) is not None
    return schemas.Overview(
        as_of=now,
        goal=SATISFACTION_GOAL,
        open=_newest(db, Status.OPEN),
        last=_newest(db, Status.CLOSED),
        next_quarter=None if has_survey else str(last_quarter),
        next_title=None if has_survey else last_quarter.words,
    )


def _newest(db: Session, status: Status) -> schemas.SurveyItem | None:
    row = db.execute(SURVEYS.rows.where(_status == status.value).order_by(_quarter_order.desc()).limit(1)).one_or_none()
    return None if row is None else schemas.SurveyItem(**_survey_item(dict(row._mapping)))


@dataclass(frozen=True)
class RecipientList:
    """The recipients for a quarter, one message each: mail addresses, and mobile numbers of customers without one.
    `without`: number of customers with neither."""

    mails: tuple[str, ...]
    phones: tuple[str, ...]
    without: int

    @property
    def count(self) -> int:
        return len(self.mails) + len(self.phones)

    @property
    def summary(self) -> schemas.Recipients:
        return schemas.Recipients(mail=len(self.mails), sms=len(self.phones), without=self.without)


def recipients(db: Session, quarter: Quarter) -> RecipientList:
    """Customers with a reservation that ended, or an enquiry, in the quarter. A mail address and a phone number that
    occur together are one customer in all rows."""
    since, until = quarter.bounds()
    served = select(Reservation.mail, Reservation.phone).where(
        Reservation.closed_at >= since,
        Reservation.closed_at < until,
        Reservation.state.in_([state.value for state in SERVED]),
    )
    enquired = select(Enquiry.mail, Enquiry.phone).where(
        Enquiry.received_at >= since, Enquiry.received_at < until, Enquiry.party == Party.CUSTOMER.value
    )
    contacts = db.execute(served.union(enquired)).all()
    mails = {mail.lower() for mail, _ in contacts if mail}
    phones_with_mail = {phone for mail, phone in contacts if mail and phone}
    phones_without_mail = {phone for mail, phone in contacts if not mail and phone} - phones_with_mail
    mobile = {phone for phone in phones_without_mail if is_mobile(phone)}
    return RecipientList(tuple(sorted(mails)), tuple(sorted(mobile)), len(phones_without_mail - mobile))


def find_by_token(db: Session, token: str, *, lock: bool = False) -> tuple[Survey, Invitation]:
    """The survey and invitation of a link. Raises NotFound, the same for unknown and expired links."""
    statement = (
        select(Survey, Invitation)
        .join(Invitation, Invitation.survey_id == Survey.id)
        .join(SurveyLink, SurveyLink.invitation_id == Invitation.id)
        .where(SurveyLink.token_hash == hash_token(token))
    )
    if lock:
        # Locks the survey first, as closing does: an answer is stored before the close, or not at all.
        statement = statement.with_for_update(of=[Survey, Invitation])
    row = db.execute(statement, execution_options={"populate_existing": True}).one_or_none()
    if row is None:
        raise NotFound(INVALID_LINK_MESSAGE)
    return row[0], row[1]


def is_open(survey: Survey, now: datetime) -> bool:
    return survey.closed_at is None and survey.closes_at is not None and now < survey.closes_at


def due_surveys(now: datetime, limit: int) -> Select[Survey]:
    """Surveys whose close or reminder is due."""
    is_over = Survey.closes_at <= now
    is_time = Survey.reminded_at.is_(None) & (Survey.sent_at <= now - rules.REMINDER_AFTER)
    return (
        select(Survey)
        .where(Survey.sent_at.is_not(None), Survey.closed_at.is_(None), is_over | is_time)
        .order_by(Survey.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def unanswered(db: Session, survey_id: int) -> Sequence[Invitation]:
    """Invitations without an answer."""
    statement = select(Invitation).where(Invitation.survey_id == survey_id, Invitation.answered_at.is_(None))
    return db.scalars(statement.order_by(Invitation.address, Invitation.id)).all()


def satisfaction(db: Session, since: datetime, until: datetime) -> schemas.Satisfaction:
    """Answers given in [since, until), on the product's clock."""
    rows = db.execute(
        select(Invitation.stars, func.count())
        .where(Invitation.answered_at >= since, Invitation.answered_at < until)
        .group_by(Invitation.stars)
    )
    return _satisfaction({stars: count for stars, count in rows if stars is not None})


def _satisfaction(counts: dict[int, int]) -> schemas.Satisfaction:
    distribution = {stars: counts.get(stars, 0) for stars in rules.STARS}
    count = sum(distribution.values())
    mean = sum(stars * number for stars, number in distribution.items()) / count if count else None
    return schemas.Satisfaction(count, None if mean is None else round(mean, 2), distribution)


def quality(db: Session, by: Literal["week", "quarter"]) -> schemas.Quality:
    """The KPIs of 7.3.1 by week or by quarter; by quarter with the satisfaction of its survey."""
    now = app_now(db)
    spans = _weeks(now) if by == "week" else _quarters(now)
    satisfaction_by_quarter = _satisfaction_by_quarter(db) if by == "quarter" else {}
    kpis_by_span = enquiries.trend(db, [(since, until) for _, since, until in spans])
    periods = [
        _period(
            title, since, until, kpis, satisfaction_by_quarter.get(rules.quarter_of(since)) if by == "quarter" else None
        )
        for (title, since, until), kpis in zip(spans, kpis_by_span, strict=True)
    ]
    _, since, until = spans[-1]
    return schemas.Quality(
        as_of=now,
        goal=SATISFACTION_GOAL,
        periods=periods,
        categories=list(enquiries.kpis(db, since, until).categories),
    )


def _weeks(now: datetime) -> list[tuple[str, datetime, datetime]]:
    today = local_date(now)
    monday = today - today.weekday() * DAY
    starts = [monday - 7 * back * DAY for back in reversed(range(WEEKS))]
    return [(f"{day.month}/{day.day}", at(day, time.min), at(day + 7 * DAY, time.min)) for day in starts]


def _quarters(now: datetime) -> list[tuple[str, datetime, datetime]]:
    current = rules.quarter_of(now)
    return [
        (quarter.words, *quarter.bounds()) for quarter in (current.plus(-back) for back in reversed(range(QUARTERS)))
    ]


def _satisfaction_by_quarter(db: Session) -> dict[Quarter, schemas.Satisfaction]:
    """Satisfaction by the quarter of the survey."""
    rows = db.execute(
        select(Survey.year, Survey.quarter, Invitation.stars, func.count())
        .join(Invitation, Invitation.survey_id == Survey.id)
        .where(Invitation.stars.is_not(None))
        .group_by(Survey.year, Survey.quarter, Invitation.stars)
    )
    counts: dict[Quarter, dict[int, int]] = {}
    for year, quarter, stars, count in rows:
        counts.setdefault(Quarter(year, quarter), {})[int(stars or 0)] = count
    return {quarter: _satisfaction(stars) for quarter, stars in counts.items()}


def _period(
    title: str, since: datetime, until: datetime, kpis: Kpis, survey_result: schemas.Satisfaction | None
) -> schemas.QualityPeriod:
    mail, phone = kpis.by_channel.values()
    return schemas.QualityPeriod(
        title=title,
        since=since,
        until=until,
        count=kpis.count,
        mail=mail,
        phone=phone,
        unresolved=kpis.unresolved,
        first_mail=schemas.MeasureItem.model_validate(kpis.first_mail),
        first_phone=schemas.MeasureItem.model_validate(kpis.first_phone),
        resolution=schemas.MeasureItem.model_validate(kpis.resolution),
        satisfaction=survey_result.mean if survey_result else None,
        answers=survey_result.count if survey_result else 0,
    )
