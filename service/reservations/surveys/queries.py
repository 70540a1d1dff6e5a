"""Every read of surveys, and of how good support is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Literal

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.identity import hash_token
from service.core.paging import Key, Listing, equals, when
from service.core.phones import is_mobile
from service.core.problems import NotFound
from service.core.times import DAY, at, local_date
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.models import Enquiry
from service.reservations.enquiries.rules import GOAL_OF_SATISFACTION, Party
from service.reservations.enquiries.schemas import Kpis, Measure
from service.reservations.events.rules import State
from service.reservations.flow.models import Reservation
from service.reservations.surveys import rules, schemas
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import Quarter, Status

# Of these a customer can say how it was; what was cancelled after it was paid for is refunded.
SERVED = (State.COMPLETED, State.CANCELLED, State.REFUNDED)
WEEKS, QUARTERS = 12, 5
GONE = (
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
_place = Survey.year * 4 + Survey.quarter


def _of_survey(what: Any) -> Any:
    return select(what).where(Invitation.survey_id == Survey.id).correlate(Survey).scalar_subquery()


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
    keys={"quarter": Key(_place)},
    default="-quarter",
)

ANSWERS = Listing(
    select(
        Invitation.id,
        _quarter.label("quarter"),
        # As `rules.Quarter.words` writes it.
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
        "is_commented": when(Invitation.comment != ""),
    },
)


def _as_seen(row: dict[str, Any]) -> dict[str, Any]:
    seen = dict(row)
    quarter = Quarter(seen.pop("year"), seen.pop("number"))
    distribution = [seen.pop(f"of_{stars}") for stars in rules.STARS]
    mean = seen.pop("mean")
    return seen | {
        "quarter": str(quarter),
        "title": quarter.words,
        "mean": None if mean is None else round(float(mean), 2),
        "distribution": distribution,
    }


def surveys(db: Session, limit: int, cursor: str | None, filters: schemas.SurveyFilters) -> dict[str, Any]:
    return SURVEYS.page(db, limit, cursor, filters.sort, item=_as_seen)


def answers(db: Session, limit: int, cursor: str | None, filters: schemas.AnswerFilters) -> dict[str, Any]:
    return ANSWERS.page(db, limit, cursor, filters.sort, **_cut(filters))


def answers_to_take_along(_: object, filters: schemas.AnswerFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    return ANSWERS.all(filters.sort, **_cut(filters))


def _cut(filters: schemas.AnswerFilters) -> dict[str, Any]:
    return {"quarter": filters.quarter, "stars": filters.stars, "is_commented": filters.commented}


def get(db: Session, survey_id: int, *, lock: bool = False) -> Survey:
    """Raises NotFound, in words."""
    found = db.get(Survey, survey_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定された満足度調査は見つかりません。一覧を開き直してください。")
    return found


def of_quarter(db: Session, quarter: Quarter) -> Survey | None:
    found = select(Survey).where(Survey.year == quarter.year, Survey.quarter == quarter.quarter)
    return db.scalars(found).one_or_none()


def survey_in_full(db: Session, survey_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    db.flush()
    survey = get(db, survey_id)
    row = _as_seen(dict(db.execute(SURVEYS.rows.where(Survey.id == survey.id)).one()._mapping))
    asked = recipients(db, Quarter(survey.year, survey.quarter)) if survey.sent_at is None else None
    waits = survey.sent_at is not None and survey.closed_at is None and survey.reminded_at is None
    return row | {
        "recipients": asked.counted if asked else None,
        "reminder_at": survey.sent_at + rules.REMINDER_AFTER if waits and survey.sent_at else None,
    }


def overview(db: Session) -> dict[str, Any]:
    """The survey that is open, the last one that is over, and whether it is time for another."""
    now = app_now(db)
    last_quarter = rules.quarter_of(now).plus(-1)
    known = of_quarter(db, last_quarter) is not None
    return {
        "as_of": now,
        "goal": GOAL_OF_SATISFACTION,
        "open": _newest(db, Status.OPEN),
        "last": _newest(db, Status.CLOSED),
        "next_quarter": None if known else str(last_quarter),
        "next_title": None if known else last_quarter.words,
    }


def _newest(db: Session, status: Status) -> dict[str, Any] | None:
    found = db.execute(SURVEYS.rows.where(_status == status.value).order_by(_place.desc()).limit(1)).one_or_none()
    return None if found is None else _as_seen(dict(found._mapping))


@dataclass(frozen=True)
class Asked:
    """Who is asked about a quarter, one letter each: mail addresses, and mobile numbers of those without. `without`:
    how many can be written to neither way."""

    mails: tuple[str, ...]
    phones: tuple[str, ...]
    without: int

    @property
    def count(self) -> int:
        return len(self.mails) + len(self.phones)

    @property
    def counted(self) -> schemas.Recipients:
        return schemas.Recipients(mail=len(self.mails), sms=len(self.phones), without=self.without)


def recipients(db: Session, quarter: Quarter) -> Asked:
    """Customers whose reservation ended, or who asked something, in the quarter. Somebody with a mail address and a
    telephone number is one person, wherever either stands."""
    since, until = quarter.bounds()
    served = select(Reservation.mail, Reservation.phone).where(
        Reservation.closed_at >= since,
        Reservation.closed_at < until,
        Reservation.state.in_([state.value for state in SERVED]),
    )
    asked = select(Enquiry.mail, Enquiry.phone).where(
        Enquiry.received_at >= since, Enquiry.received_at < until, Enquiry.party == Party.CUSTOMER.value
    )
    found = db.execute(served.union(asked)).all()
    mails = {mail.lower() for mail, _ in found if mail}
    reached = {phone for mail, phone in found if mail and phone}
    others = {phone for mail, phone in found if not mail and phone} - reached
    mobile = {phone for phone in others if is_mobile(phone)}
    return Asked(tuple(sorted(mails)), tuple(sorted(mobile)), len(others - mobile))


def opened(db: Session, token: str, *, lock: bool = False) -> tuple[Survey, Invitation]:
    """What a link opens. Raises NotFound, alike for links that are unknown or too old."""
    statement = (
        select(Survey, Invitation)
        .join(Invitation, Invitation.survey_id == Survey.id)
        .join(SurveyLink, SurveyLink.invitation_id == Invitation.id)
        .where(SurveyLink.token_hash == hash_token(token))
    )
    if lock:
        # The survey first, as whoever closes it does: an answer comes in time or not at all.
        statement = statement.with_for_update(of=[Survey, Invitation])
    found = db.execute(statement, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise NotFound(GONE)
    return found[0], found[1]


def is_open(survey: Survey, now: datetime) -> bool:
    return survey.closed_at is None and survey.closes_at is not None and now < survey.closes_at


def due(now: datetime, limit: int) -> Select[Survey]:
    """Surveys that are over, or in which those who have not answered are asked once more."""
    is_over = Survey.closes_at <= now
    is_time = Survey.reminded_at.is_(None) & (Survey.sent_at <= now - rules.REMINDER_AFTER)
    return (
        select(Survey)
        .where(Survey.sent_at.is_not(None), Survey.closed_at.is_(None), is_over | is_time)
        .order_by(Survey.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def silent(db: Session, survey_id: int) -> Sequence[Invitation]:
    """Who has not answered."""
    found = select(Invitation).where(Invitation.survey_id == survey_id, Invitation.answered_at.is_(None))
    return db.scalars(found.order_by(Invitation.address, Invitation.id)).all()


def satisfaction(db: Session, since: datetime, until: datetime) -> schemas.Satisfaction:
    """What was answered in [since, until), on the product's clock."""
    found = db.execute(
        select(Invitation.stars, func.count())
        .where(Invitation.answered_at >= since, Invitation.answered_at < until)
        .group_by(Invitation.stars)
    )
    return _satisfaction({stars: count for stars, count in found if stars is not None})


def _satisfaction(counted: dict[int, int]) -> schemas.Satisfaction:
    distribution = {stars: counted.get(stars, 0) for stars in rules.STARS}
    count = sum(distribution.values())
    mean = sum(stars * many for stars, many in distribution.items()) / count if count else None
    return schemas.Satisfaction(count, None if mean is None else round(mean, 2), distribution)


def quality(db: Session, by: Literal["week", "quarter"]) -> dict[str, Any]:
    """The KPI of 7.3.1 by week or by quarter, with the satisfaction that customers of the quarter told of."""
    now = app_now(db)
    stretches = _weeks(now) if by == "week" else _quarters(now)
    told = _told(db) if by == "quarter" else {}
    found = enquiries.trend(db, [(since, until) for _, since, until in stretches])
    periods = [
        _period(title, since, until, kpis, told.get(rules.quarter_of(since)) if by == "quarter" else None)
        for (title, since, until), kpis in zip(stretches, found, strict=True)
    ]
    _, since, until = stretches[-1]
    return {
        "as_of": now,
        "goal": GOAL_OF_SATISFACTION,
        "periods": periods,
        "categories": enquiries.kpis(db, since, until).categories,
    }


def _weeks(now: datetime) -> list[tuple[str, datetime, datetime]]:
    day = local_date(now)
    monday = day - day.weekday() * DAY
    starts = [monday - 7 * back * DAY for back in reversed(range(WEEKS))]
    return [(f"{one.month}/{one.day}", at(one, time.min), at(one + 7 * DAY, time.min)) for one in starts]


def _quarters(now: datetime) -> list[tuple[str, datetime, datetime]]:
    this = rules.quarter_of(now)
    return [(one.words, *one.bounds()) for one in (this.plus(-back) for back in reversed(range(QUARTERS)))]


def _told(db: Session) -> dict[Quarter, schemas.Satisfaction]:
    """By the quarter that was asked about."""
    found = db.execute(
        select(Survey.year, Survey.quarter, Invitation.stars, func.count())
        .join(Invitation, Invitation.survey_id == Survey.id)
        .where(Invitation.stars.is_not(None))
        .group_by(Survey.year, Survey.quarter, Invitation.stars)
    )
    counted: dict[Quarter, dict[int, int]] = {}
    for year, quarter, stars, count in found:
        counted.setdefault(Quarter(year, quarter), {})[int(stars or 0)] = count
    return {quarter: _satisfaction(stars) for quarter, stars in counted.items()}


def _period(
    title: str, since: datetime, until: datetime, kpis: Kpis, told: schemas.Satisfaction | None
) -> dict[str, Any]:
    mail, phone = kpis.by_channel.values()
    return {
        "title": title,
        "since": since,
        "until": until,
        "count": kpis.count,
        "mail": mail,
        "phone": phone,
        "unresolved": kpis.unresolved,
        "first_mail": _measure(kpis.first_mail),
        "first_phone": _measure(kpis.first_phone),
        "resolution": _measure(kpis.resolution),
        "satisfaction": told.mean if told else None,
        "answers": told.count if told else 0,
    }


def _measure(found: Measure) -> dict[str, Any]:
    return {"due": found.due, "met": found.met, "share": found.share, "median_minutes": found.median_minutes}
