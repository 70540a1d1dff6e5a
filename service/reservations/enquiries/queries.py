"""Reads of enquiries, and their KPIs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, literal, or_, select, values
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.database.clock import app_now, now_sql
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, at_least, before, equals, when_true
from service.core.holidays import calendar_named
from service.core.outbox.records import OutboxMessage
from service.core.values import phones
from service.core.values.targets import Reading, State, Target, read
from service.core.values.times import day_bounds, local_date
from service.reservations.enquiries import rules, schemas
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import Channel, Faq, Party, Status
from service.reservations.models import Reservation, Shop
from service.reservations.operations.models import Operation
from service.reservations.phone_filter import text_or_phone
from service.reservations.roster.schemas import Person
from service.reservations.rules import AREA
from service.reservations.settings import settings

# Roles that can own an enquiry: customer support, and the roles that work with reservations.
OWNER_ROLES = ("admin", "operator", "support")
FIRST_RESPONSE_TITLE, RESOLUTION_TITLE = "初回応答", "解決"

_owner = aliased(User)
_is_open = Enquiry.resolved_at.is_(None)
_is_unanswered = and_(_is_open, Enquiry.first_response_at.is_(None))
_digits = cast(Enquiry.id, String)
# As `rules.enquiry_number` formats it.
_code = literal("ENQ-") + func.lpad(_digits, func.greatest(func.length(_digits), 4), "0")
# Of the next target.
_next_due_at = case((~_is_open, None), (_is_unanswered, Enquiry.first_due_at), else_=Enquiry.resolution_due_at)
_next_warn_at = case((~_is_open, None), (_is_unanswered, Enquiry.first_warn_at), else_=Enquiry.resolution_warn_at)
_is_late = or_(
    Enquiry.first_due_at < func.coalesce(Enquiry.first_response_at, Enquiry.resolved_at, now_sql()),
    Enquiry.resolution_due_at < func.coalesce(Enquiry.resolved_at, now_sql()),
)
_SEARCH = text_or_phone(
    _code,
    Enquiry.topic,
    Enquiry.content,
    Enquiry.sender_name,
    Enquiry.mail,
    Enquiry.reservation_given,
    Reservation.code,
    phone=Enquiry.phone,
)

ENQUIRIES = Listing(
    select(
        Enquiry.id,
        Enquiry.version,
        _code.label("code"),
        Enquiry.party,
        Enquiry.channel,
        Enquiry.is_from_form,
        Enquiry.sender_name,
        phones.format_phone_column(Enquiry.phone).label("phone_shown"),
        Enquiry.mail,
        Enquiry.topic,
        Enquiry.category,
        Enquiry.level,
        Enquiry.status,
        Enquiry.faq,
        Enquiry.owner_id,
        _owner.name.label("owner_name"),
        Reservation.code.label("reservation_code"),
        Shop.name.label("shop_name"),
        Enquiry.received_at,
        Enquiry.first_due_at,
        Enquiry.first_response_at,
        Enquiry.resolution_due_at,
        Enquiry.resolved_at,
        _next_due_at.label("due_at"),
    )
    .outerjoin(Reservation, Reservation.id == Enquiry.reservation_id)
    .outerjoin(Shop, Shop.id == Enquiry.shop_id)
    .outerjoin(_owner, _owner.id == Enquiry.owner_id),
    unique=Enquiry.id,
    keys={
        "due_at": Key(_next_due_at, nullable=True),
        "received_at": Key(Enquiry.received_at),
        "resolved_at": Key(Enquiry.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when_true(_is_open),
        "status": equals(Enquiry.status),
        "party": equals(Enquiry.party),
        "channel": equals(Enquiry.channel),
        "category": equals(Enquiry.category),
        "level": equals(Enquiry.level),
        "faq": equals(Enquiry.faq),
        "owner_id": equals(Enquiry.owner_id),
        "is_unclaimed": when_true(Enquiry.owner_id.is_(None)),
        "is_unanswered": when_true(_is_unanswered),
        "is_late": when_true(_is_late),
        "since": at_least(Enquiry.received_at, lambda day: day_bounds(day)[0]),
        "until": before(Enquiry.received_at, lambda day: day_bounds(day)[1]),
        "q": _SEARCH,
    },
    model=schemas.EnquiryItem,
)


def _filter_values(by: Actor, filters: schemas.EnquiryFilters) -> dict[str, Any]:
    owner: dict[str, Any] = {}
    if filters.owner == "none":
        owner["is_unclaimed"] = True
    elif filters.owner is not None:
        owner["owner_id"] = by.user_id if filters.owner == "me" else int(filters.owner)
    codes = {
        name: code.value
        for name in ("party", "channel", "category", "level", "faq")
        if (code := getattr(filters, name)) is not None
    }
    return (
        owner
        | codes
        | {
            "is_open": filters.state == "open",
            "status": filters.state if filters.state in list(Status) else None,
            "is_unanswered": filters.unanswered,
            "is_late": filters.late,
            "since": filters.since,
            "until": filters.until,
            "q": filters.q,
        }
    )


def enquiries(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.EnquiryFilters
) -> Page[schemas.EnquiryItem]:
    """By default, the next due enquiry comes first."""
    now = app_now(db)
    return ENQUIRIES.read(
        db, limit, cursor, filters.sort, item=lambda row: _enquiry_item(db, row, now), **_filter_values(by, filters)
    )


def enquiries_export(by: Actor, filters: schemas.EnquiryFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return ENQUIRIES.all(filters.sort, **_filter_values(by, filters)).add_columns(
        Enquiry.content, Enquiry.way, Enquiry.outcome, Enquiry.first_minutes, Enquiry.resolution_minutes,
        Enquiry.resolved_by,
    )  # fmt: skip


def _enquiry_item(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    item = dict(row)
    owner_id, name = item.pop("owner_id"), item.pop("owner_name")
    item |= {
        "owner": {"id": owner_id, "name": name} if owner_id is not None else None,
        "due_title": None,
        "response": None,
        "left_seconds": None,
    }
    if item["resolved_at"] is not None:
        item["response"] = State.MISSED if _was_late(item) else State.MET
    elif item["due_at"] is not None:
        is_first = item["first_response_at"] is None
        target = (
            rules.FIRST_RESPONSE_TARGETS[Party(item["party"]), Channel(item["channel"])]
            if is_first
            else rules.RESOLUTION_TARGET
        )
        reading = _read_target(db, target, item["due_at"], now, None)
        item |= {
            "due_title": FIRST_RESPONSE_TITLE if is_first else RESOLUTION_TITLE,
            "response": reading.state,
            "left_seconds": reading.left_seconds,
        }
    return item


def _was_late(item: dict[str, Any]) -> bool:
    first, resolution = item["first_response_at"] or item["resolved_at"], item["resolution_due_at"]
    return bool(first > item["first_due_at"] or (resolution and item["resolved_at"] > resolution))


def _read_target(db: Session, target: Target, due_at: datetime, now: datetime, done_at: datetime | None) -> Reading:
    return read(target, due_at, now, calendar_named(db, target.calendar), done_at)


def counts(db: Session, by: Actor) -> schemas.Counts:
    now = app_now(db)
    today, _ = day_bounds(local_date(now))
    late = and_(_is_open, _next_due_at < now)
    row = db.execute(
        select(
            func.count().filter(_is_open).label("open"),
            func.count().filter(_is_open, Enquiry.owner_id == by.user_id).label("mine"),
            func.count().filter(_is_open, Enquiry.owner_id.is_(None)).label("unclaimed"),
            func.count().filter(_is_unanswered).label("unanswered"),
            func.count().filter(Enquiry.status == Status.WAITING).label("waiting"),
            func.count().filter(_is_open, _next_warn_at <= now, _next_due_at >= now).label("near"),
            func.count().filter(late).label("overdue"),
            func.count().filter(Enquiry.faq == Faq.WANTED).label("for_faq"),
            func.count().filter(Enquiry.resolved_at >= today).label("resolved_today"),
        )
    ).one()
    return schemas.Counts(as_of=now, **row._mapping)


def get(db: Session, enquiry_id: int, *, lock: bool = False) -> Enquiry:
    """Raises NotFound."""
    return get_or_404(db, Enquiry, enquiry_id, "問い合わせ", lock=lock)


def enquiry_detail(db: Session, enquiry_id: int) -> schemas.EnquiryDetail:
    """An enquiry with its history. Raises NotFound."""
    db.flush()
    enquiry, now = get(db, enquiry_id), app_now(db)
    row = dict(db.execute(ENQUIRIES.rows.where(Enquiry.id == enquiry.id)).one()._mapping)
    config, party = settings(), Party(enquiry.party)
    operation = db.get_one(Operation, enquiry.operation_id) if enquiry.operation_id else None
    return schemas.EnquiryDetail(
        **_enquiry_item(db, row, now),
        phone=enquiry.phone,
        content=enquiry.content,
        reservation_given=enquiry.reservation_given,
        shop_given=enquiry.shop_given,
        shop_id=enquiry.shop_id,
        received_by=enquiry.received_by,
        first=_first_response(db, enquiry, now),
        resolution=_resolution(db, enquiry, now),
        way=rules.Way(enquiry.way) if enquiry.way else None,
        outcome=enquiry.outcome,
        is_known_contact=_is_known_contact(db, enquiry),
        operation=schemas.OperationLink.model_validate(operation) if operation else None,
        operations=[schemas.OperationLink.model_validate(item) for item in open_operations(db, enquiry)],
        events=_events(db, enquiry.id),
        answer_subject=rules.answer_subject(enquiry.id, enquiry.topic),
        answer_body=rules.answer_body(party, enquiry.sender_name, config.support_phone, config.support_mail),
    )


def _first_response(db: Session, enquiry: Enquiry, now: datetime) -> schemas.Standing:
    target = rules.FIRST_RESPONSE_TARGETS[Party(enquiry.party), Channel(enquiry.channel)]
    reading = _read_target(db, target, enquiry.first_due_at, now, enquiry.first_response_at)
    return schemas.Standing(
        due_at=enquiry.first_due_at,
        done_at=enquiry.first_response_at,
        done_by=enquiry.first_response_by,
        response=reading.state,
        left_seconds=reading.left_seconds,
        minutes=enquiry.first_minutes,
    )


def _resolution(db: Session, enquiry: Enquiry, now: datetime) -> schemas.Standing | None:
    if enquiry.resolution_due_at is None:
        return None
    reading = _read_target(db, rules.RESOLUTION_TARGET, enquiry.resolution_due_at, now, enquiry.resolved_at)
    return schemas.Standing(
        due_at=enquiry.resolution_due_at,
        done_at=enquiry.resolved_at,
        done_by=enquiry.resolved_by,
        response=reading.state,
        left_seconds=reading.left_seconds,
        minutes=enquiry.resolution_minutes,
    )


def open_operations(db: Session, enquiry: Enquiry) -> Sequence[Operation]:
    """The open 手動対応 of its reservation."""
    if enquiry.reservation_id is None:
        return []
    statement = select(Operation).where(
        Operation.reservation_id == enquiry.reservation_id, Operation.resolved_at.is_(None)
    )
    return db.scalars(statement.order_by(Operation.due_at, Operation.id)).all()


def _is_known_contact(db: Session, enquiry: Enquiry) -> bool | None:
    """Whether the sender's phone or mail is that of the reservation (of the shop); staff must not disclose it to
    others."""
    contact: Reservation | Shop | None = None
    if enquiry.party == Party.SHOP:
        contact = db.get(Shop, enquiry.shop_id) if enquiry.shop_id is not None else None
    elif enquiry.reservation_id is not None:
        contact = db.get(Reservation, enquiry.reservation_id)
    if contact is None:
        return None
    by_mail = bool(enquiry.mail) and enquiry.mail.lower() == contact.mail.lower()
    return by_mail or (bool(enquiry.phone) and enquiry.phone == contact.phone)


def _events(db: Session, enquiry_id: int) -> list[schemas.EventItem]:
    sending = case(
        (OutboxMessage.id.is_(None), None),
        (OutboxMessage.sent_at.is_not(None), "sent"),
        (OutboxMessage.dead_at.is_not(None), "failed"),
        else_="waiting",
    )
    statement = (
        select(
            EnquiryEvent.id,
            EnquiryEvent.at,
            EnquiryEvent.kind,
            EnquiryEvent.by,
            EnquiryEvent.text,
            sending.label("sending"),
        )
        .outerjoin(OutboxMessage, OutboxMessage.key == EnquiryEvent.message_key)
        .where(EnquiryEvent.enquiry_id == enquiry_id)
        .order_by(EnquiryEvent.id.desc())
    )
    return [schemas.EventItem(**event._mapping) for event in db.execute(statement)]


def possible_owners(db: Session) -> list[Person]:
    """The users who can own an enquiry, ordered by name."""
    statement = (
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, Membership.area == AREA.name, Membership.role.in_(OWNER_ROLES))
        .where(~Membership.is_suspended)
        .order_by(User.name, User.id)
    )
    return [Person(**row._mapping) for row in db.execute(statement)]


def shop_id_by_code(db: Session, code: str) -> int | None:
    return db.scalars(select(Shop.id).where(func.lower(Shop.code) == code.lower()).limit(1)).one_or_none()


def find_duplicate(db: Session, new: schemas.FormEnquiry, since: datetime) -> Enquiry | None:
    """The enquiry that the form sent before: after a double click, or the back button."""
    statement = select(Enquiry).where(
        Enquiry.is_from_form,
        Enquiry.received_at > since,
        Enquiry.mail == new.mail,
        Enquiry.topic == new.topic,
        Enquiry.content == new.content,
    )
    return db.scalars(statement.order_by(Enquiry.id).limit(1)).one_or_none()


def due_for_notification(now: datetime, limit: int) -> Select[Enquiry, str | None]:
    """Open enquiries with a near or missed target that was not reported yet, with the owner's name."""
    first = and_(
        Enquiry.first_response_at.is_(None),
        or_(
            and_(Enquiry.first_warn_at <= now, Enquiry.first_warned_at.is_(None)),
            and_(Enquiry.first_due_at < now, Enquiry.first_breached_at.is_(None)),
        ),
    )
    resolution = or_(
        and_(Enquiry.resolution_warn_at <= now, Enquiry.resolution_warned_at.is_(None)),
        and_(Enquiry.resolution_due_at < now, Enquiry.resolution_breached_at.is_(None)),
    )
    return (
        select(Enquiry, _owner.name)
        .outerjoin(_owner, _owner.id == Enquiry.owner_id)
        .where(_is_open, first | resolution)
        .order_by(Enquiry.id)
        .limit(limit)
        .with_for_update(of=Enquiry, skip_locked=True)
    )


def _median(column: Any, *of: ColumnElement[bool]) -> ColumnElement[int | None]:
    return func.round(func.percentile_cont(0.5).within_group(column).filter(column.is_not(None), *of))


def _was_due(done_at: Any, due_at: Any) -> ColumnElement[bool]:
    """Done, or overdue. An enquiry that was resolved earlier without it (a repeated one) does not count."""
    return or_(done_at.is_not(None), due_at < func.coalesce(Enquiry.resolved_at, now_sql()))


def _kpi_columns() -> tuple[ColumnElement[Any], ...]:
    """The KPI columns of a group of enquiries."""
    columns: list[ColumnElement[Any]] = [func.count(Enquiry.id).label("count")]
    for channel in Channel:
        of_channel = Enquiry.channel == channel.value
        response, due = Enquiry.first_response_at, Enquiry.first_due_at
        columns += [
            func.count(Enquiry.id).filter(of_channel).label(channel.value),
            func.count(Enquiry.id).filter(of_channel, _was_due(response, due)).label(f"{channel}_due"),
            func.count(Enquiry.id).filter(of_channel, response <= due).label(f"{channel}_met"),
            _median(Enquiry.first_minutes, of_channel).label(f"{channel}_minutes"),
        ]
    resolution_due_at, resolved_at = Enquiry.resolution_due_at, Enquiry.resolved_at
    was_due = or_(and_(resolution_due_at.is_not(None), resolved_at.is_not(None)), resolution_due_at < now_sql())
    return (
        *columns,
        func.count(Enquiry.id).filter(was_due).label("resolution_due"),
        func.count(Enquiry.id).filter(resolved_at <= resolution_due_at).label("resolution_met"),
        _median(Enquiry.resolution_minutes, resolution_due_at.is_not(None)).label("resolution_minutes"),
        func.count(Enquiry.id).filter(resolved_at.is_(None)).label("unresolved"),
    )


def _measure(row: Any, name: str) -> schemas.Measure:
    minutes = row[f"{name}_minutes"]
    return schemas.Measure(row[f"{name}_due"], row[f"{name}_met"], int(minutes) if minutes is not None else None)


def kpis(db: Session, since: datetime, until: datetime) -> schemas.Kpis:
    """Current KPIs (7.3.1) of the enquiries received in [since, until)."""
    received = and_(Enquiry.received_at >= since, Enquiry.received_at < until)
    row = db.execute(select(*_kpi_columns()).where(received)).one()._mapping
    categories = db.execute(
        select(Enquiry.category, func.count())
        .where(received)
        .group_by(Enquiry.category)
        .order_by(func.count().desc(), Enquiry.category)
    ).all()
    for_faq = db.execute(
        select(_code, Enquiry.topic).where(received, Enquiry.faq == Faq.WANTED).order_by(Enquiry.id)
    ).all()
    return _kpis_of_row(
        row,
        categories=tuple((rules.Category(code).label, count) for code, count in categories),
        for_faq=tuple((code, subject) for code, subject in for_faq),
    )


def _kpis_of_row(
    row: Any, categories: tuple[tuple[str, int], ...], for_faq: tuple[tuple[str, str], ...]
) -> schemas.Kpis:
    return schemas.Kpis(
        count=row["count"],
        by_channel={channel.label: row[channel.value] for channel in Channel},
        first_mail=_measure(row, Channel.MAIL.value),
        first_phone=_measure(row, Channel.PHONE.value),
        resolution=_measure(row, "resolution"),
        unresolved=row["unresolved"],
        categories=categories,
        for_faq=for_faq,
    )


def trend(db: Session, periods: Sequence[tuple[datetime, datetime]]) -> list[schemas.Kpis]:
    """KPIs of several periods in one statement, without `categories` and `for_faq`."""
    timestamp = TIMESTAMP(timezone=True)
    period_table = (
        values(
            sql_column("place", Enquiry.version.type),
            sql_column("since", timestamp),
            sql_column("until", timestamp),
            name="stretches",
        )
        .data([(place, since, until) for place, (since, until) in enumerate(periods)])
        .alias("stretches")
    )
    received = and_(Enquiry.received_at >= period_table.c.since, Enquiry.received_at < period_table.c.until)
    rows = db.execute(
        select(*_kpi_columns())
        .select_from(period_table.outerjoin(Enquiry, received))
        .group_by(period_table.c.place)
        .order_by(period_table.c.place)
    )
    return [_kpis_of_row(row._mapping, (), ()) for row in rows]
