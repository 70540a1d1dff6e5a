"""Every read of enquiries, and what they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, case, cast, func, literal, or_, select, values
from sqlalchemy import column as named
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core import phones
from service.core.auth import Actor
from service.core.clock import app_now, now_sql
from service.core.holidays import calendar_named
from service.core.identity import Membership, User
from service.core.outbox import OutboxMessage
from service.core.paging import Filter, Key, Listing, at_least, before, contains, equals, when
from service.core.problems import NotFound
from service.core.targets import State, Target, read
from service.core.times import day_bounds, local_date
from service.reservations.enquiries import rules, schemas
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import CATEGORY_WORDS, CHANNEL_WORDS, Channel, Faq, Party, Status
from service.reservations.flow.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.shops.models import Shop

# Who can have an enquiry: customer support, and whoever works with reservations.
ANSWERERS = ("admin", "operator", "support")
FIRST_TITLE, RESOLUTION_TITLE = "初回応答", "解決"

_owner = aliased(User)
_is_open = Enquiry.resolved_at.is_(None)
_is_unanswered = and_(_is_open, Enquiry.first_response_at.is_(None))
_digits = cast(Enquiry.id, String)
# As `rules.number` writes it.
_code = literal("ENQ-") + func.lpad(_digits, func.greatest(func.length(_digits), 4), "0")
# Of the target that is next.
_due = case((~_is_open, None), (_is_unanswered, Enquiry.first_due_at), else_=Enquiry.resolution_due_at)
_warn = case((~_is_open, None), (_is_unanswered, Enquiry.first_warn_at), else_=Enquiry.resolution_warn_at)
_missed = or_(
    Enquiry.first_due_at < func.coalesce(Enquiry.first_response_at, Enquiry.resolved_at, now_sql()),
    Enquiry.resolution_due_at < func.coalesce(Enquiry.resolved_at, now_sql()),
)
_APART = "\x1f"
_SEARCHED = (
    _code,
    Enquiry.topic,
    Enquiry.content,
    Enquiry.sender_name,
    Enquiry.mail,
    Enquiry.reservation_given,
    Reservation.code,
)


def _found_by(name: str) -> ColumnElement[bool]:
    """Two texts in one parameter: what is looked for in words, and the digits in telephone numbers, or nothing."""
    text, digits = (func.split_part(bindparam(name, type_=String), _APART, place) for place in (1, 2))
    return or_(
        *(func.lower(column).like(func.lower(text), escape="/") for column in _SEARCHED),
        # Nothing is like nothing: who has no number would be found by every text.
        phones.behind(Enquiry.phone).like(func.nullif(digits, "")),
    )


def _looked_for(asked: str) -> str | None:
    text, digits = contains(Enquiry.topic).value(asked.strip()), phones.part(asked)
    return f"{text}{_APART}{f'%{digits}%' if digits else ''}" if text else None


ENQUIRIES = Listing(
    select(
        Enquiry.id,
        Enquiry.version,
        _code.label("code"),
        Enquiry.party,
        Enquiry.channel,
        Enquiry.is_from_form,
        Enquiry.sender_name,
        phones.shown_column(Enquiry.phone).label("phone_shown"),
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
        _due.label("due_at"),
    )
    .outerjoin(Reservation, Reservation.id == Enquiry.reservation_id)
    .outerjoin(Shop, Shop.id == Enquiry.shop_id)
    .outerjoin(_owner, _owner.id == Enquiry.owner_id),
    unique=Enquiry.id,
    keys={
        "due_at": Key(_due, nullable=True),
        "received_at": Key(Enquiry.received_at),
        "resolved_at": Key(Enquiry.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when(_is_open),
        "status": equals(Enquiry.status),
        "party": equals(Enquiry.party),
        "channel": equals(Enquiry.channel),
        "category": equals(Enquiry.category),
        "level": equals(Enquiry.level),
        "faq": equals(Enquiry.faq),
        "owner_id": equals(Enquiry.owner_id),
        "is_unclaimed": when(Enquiry.owner_id.is_(None)),
        "is_unanswered": when(_is_unanswered),
        "is_late": when(_missed),
        "since": at_least(Enquiry.received_at, lambda day: day_bounds(day)[0]),
        "until": before(Enquiry.received_at, lambda day: day_bounds(day)[1]),
        "q": Filter(_found_by, _looked_for),
    },
)


def _cut(by: Actor, filters: schemas.EnquiryFilters) -> dict[str, Any]:
    whose: dict[str, Any] = {}
    if filters.owner == "none":
        whose["is_unclaimed"] = True
    elif filters.owner is not None:
        whose["owner_id"] = by.user_id if filters.owner == "me" else int(filters.owner)
    codes = {
        name: code.value
        for name in ("party", "channel", "category", "level", "faq")
        if (code := getattr(filters, name)) is not None
    }
    return (
        whose
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
) -> dict[str, Any]:
    """What is due next comes first."""
    found = ENQUIRIES.page(db, limit, cursor, filters.sort, **_cut(by, filters))
    now = app_now(db)
    found["items"] = [_as_seen(db, row, now) for row in found["items"]]
    return found


def enquiries_to_take_along(by: Actor, filters: schemas.EnquiryFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    return ENQUIRIES.all(filters.sort, **_cut(by, filters)).add_columns(
        Enquiry.content, Enquiry.way, Enquiry.outcome, Enquiry.first_minutes, Enquiry.resolution_minutes,
        Enquiry.resolved_by,
    )  # fmt: skip


def _as_seen(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    seen = dict(row)
    owner_id, name = seen.pop("owner_id"), seen.pop("owner_name")
    seen |= {
        "owner": {"id": owner_id, "name": name} if owner_id is not None else None,
        "due_title": None,
        "response": None,
        "left_seconds": None,
    }
    if seen["resolved_at"] is not None:
        seen["response"] = State.MISSED if _was_late(seen) else State.MET
    elif seen["due_at"] is not None:
        is_first = seen["first_response_at"] is None
        target = rules.FIRST[Party(seen["party"]), Channel(seen["channel"])] if is_first else rules.RESOLUTION
        seen |= {"due_title": FIRST_TITLE if is_first else RESOLUTION_TITLE}
        seen |= _stands(db, target, seen["due_at"], now, None)
    return seen


def _was_late(settled: dict[str, Any]) -> bool:
    first, resolution = settled["first_response_at"] or settled["resolved_at"], settled["resolution_due_at"]
    return bool(first > settled["first_due_at"] or (resolution and settled["resolved_at"] > resolution))


def _stands(db: Session, target: Target, due_at: datetime, now: datetime, done_at: datetime | None) -> dict[str, Any]:
    found = read(target, due_at, now, calendar_named(db, target.calendar), done_at)
    return {"response": found.state, "left_seconds": int(found.remaining.total_seconds())}


def counts(db: Session, by: Actor) -> dict[str, Any]:
    now = app_now(db)
    today, _ = day_bounds(local_date(now))
    late = and_(_is_open, _due < now)
    row = db.execute(
        select(
            func.count().filter(_is_open).label("open"),
            func.count().filter(_is_open, Enquiry.owner_id == by.user_id).label("mine"),
            func.count().filter(_is_open, Enquiry.owner_id.is_(None)).label("unclaimed"),
            func.count().filter(_is_unanswered).label("unanswered"),
            func.count().filter(Enquiry.status == Status.WAITING).label("waiting"),
            func.count().filter(_is_open, _warn <= now, _due >= now).label("near"),
            func.count().filter(late).label("overdue"),
            func.count().filter(Enquiry.faq == Faq.WANTED).label("for_faq"),
            func.count().filter(Enquiry.resolved_at >= today).label("resolved_today"),
        )
    ).one()
    return {"as_of": now, **row._mapping}


def get(db: Session, enquiry_id: int, *, lock: bool = False) -> Enquiry:
    """Raises NotFound, in words."""
    found = db.get(Enquiry, enquiry_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定された問い合わせは見つかりません。一覧を開き直してください。")
    return found


def enquiry_in_full(db: Session, enquiry_id: int) -> dict[str, Any]:
    """With all that was done about it. Raises NotFound."""
    db.flush()
    enquiry, now = get(db, enquiry_id), app_now(db)
    row = dict(db.execute(ENQUIRIES.rows.where(Enquiry.id == enquiry.id)).one()._mapping)
    config, party = settings(), Party(enquiry.party)
    first = rules.FIRST[party, Channel(enquiry.channel)]
    return _as_seen(db, row, now) | {
        "phone": enquiry.phone,
        "content": enquiry.content,
        "reservation_given": enquiry.reservation_given,
        "shop_given": enquiry.shop_given,
        "shop_id": enquiry.shop_id,
        "received_by": enquiry.received_by,
        "first": _standing(
            db, first, enquiry.first_due_at, now, enquiry.first_response_at, enquiry.first_response_by,
            enquiry.first_minutes,
        ),
        "resolution": None
        if enquiry.resolution_due_at is None
        else _standing(
            db, rules.RESOLUTION, enquiry.resolution_due_at, now, enquiry.resolved_at, enquiry.resolved_by,
            enquiry.resolution_minutes,
        ),
        "way": enquiry.way,
        "outcome": enquiry.outcome,
        "is_known_contact": _is_known_contact(db, enquiry),
        "operation": _operation(db.get(Operation, enquiry.operation_id)) if enquiry.operation_id else None,
        "operations": [_operation(one) for one in open_operations(db, enquiry)],
        "events": _events(db, enquiry.id),
        "answer_subject": rules.answer_subject(enquiry.id, enquiry.topic),
        "answer_body": rules.answer_body(party, enquiry.sender_name, config.support_phone, config.support_mail),
    }  # fmt: skip


def _standing(
    db: Session,
    target: Target,
    due_at: datetime,
    now: datetime,
    done_at: datetime | None,
    done_by: str | None,
    minutes: int | None,
) -> dict[str, Any]:
    done = {"due_at": due_at, "done_at": done_at, "done_by": done_by, "minutes": minutes}
    return done | _stands(db, target, due_at, now, done_at)


def _operation(operation: Operation | None) -> dict[str, Any] | None:
    if operation is None:
        return None
    return {name: getattr(operation, name) for name in schemas.OperationLink.model_fields}


def open_operations(db: Session, enquiry: Enquiry) -> Sequence[Operation]:
    """The 手動対応 of its reservation that people still have to do."""
    if enquiry.reservation_id is None:
        return []
    found = select(Operation).where(Operation.reservation_id == enquiry.reservation_id, Operation.resolved_at.is_(None))
    return db.scalars(found.order_by(Operation.due_at, Operation.id)).all()


def _is_known_contact(db: Session, enquiry: Enquiry) -> bool | None:
    """Whether whoever asks is who the reservation (the shop) is known by: nothing of it is told to anybody else."""
    known: Reservation | Shop | None = None
    if enquiry.party == Party.SHOP:
        known = db.get(Shop, enquiry.shop_id) if enquiry.shop_id is not None else None
    elif enquiry.reservation_id is not None:
        known = db.get(Reservation, enquiry.reservation_id)
    if known is None:
        return None
    by_mail = bool(enquiry.mail) and enquiry.mail.lower() == known.mail.lower()
    return by_mail or (bool(enquiry.phone) and enquiry.phone == known.phone)


def _events(db: Session, enquiry_id: int) -> list[dict[str, Any]]:
    sending = case(
        (OutboxMessage.id.is_(None), None),
        (OutboxMessage.sent_at.is_not(None), "sent"),
        (OutboxMessage.dead_at.is_not(None), "failed"),
        else_="waiting",
    )
    found = (
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
    return [dict(one._mapping) for one in db.execute(found)]


def answerers(db: Session) -> list[dict[str, Any]]:
    """Who can have an enquiry, by name."""
    found = (
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, Membership.area == AREA.name, Membership.role.in_(ANSWERERS))
        .where(~Membership.is_suspended)
        .order_by(User.name, User.id)
    )
    return [dict(row._mapping) for row in db.execute(found)]


def reservation_named(db: Session, code: str) -> int | None:
    return db.scalars(select(Reservation.id).where(Reservation.code == code.upper())).one_or_none()


def shop_named(db: Session, code: str) -> int | None:
    return db.scalars(select(Shop.id).where(func.lower(Shop.code) == code.lower()).limit(1)).one_or_none()


def same_from_form(db: Session, new: schemas.FormEnquiry, since: datetime) -> Enquiry | None:
    """What was sent twice: by a second click, or by going back."""
    found = select(Enquiry).where(
        Enquiry.is_from_form,
        Enquiry.received_at > since,
        Enquiry.mail == new.mail,
        Enquiry.topic == new.topic,
        Enquiry.content == new.content,
    )
    return db.scalars(found.order_by(Enquiry.id).limit(1)).one_or_none()


def due_to_be_told(now: datetime, limit: int) -> Select[Enquiry, str | None]:
    """Open ones of which people have to hear that a target comes near, or has passed; with the owner's name."""
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
    """Done, or should have been; what was closed before without it (a repeat, say) does not count."""
    return or_(done_at.is_not(None), due_at < func.coalesce(Enquiry.resolved_at, now_sql()))


def _figures() -> tuple[ColumnElement[Any], ...]:
    """What a group of enquiries amounts to."""
    found: list[ColumnElement[Any]] = [func.count(Enquiry.id).label("count")]
    for channel in Channel:
        mine = Enquiry.channel == channel.value
        response, due = Enquiry.first_response_at, Enquiry.first_due_at
        found += [
            func.count(Enquiry.id).filter(mine).label(channel.value),
            func.count(Enquiry.id).filter(mine, _was_due(response, due)).label(f"{channel}_due"),
            func.count(Enquiry.id).filter(mine, response <= due).label(f"{channel}_met"),
            _median(Enquiry.first_minutes, mine).label(f"{channel}_minutes"),
        ]
    settle_by, resolved = Enquiry.resolution_due_at, Enquiry.resolved_at
    was_due = or_(and_(settle_by.is_not(None), resolved.is_not(None)), settle_by < now_sql())
    return (
        *found,
        func.count(Enquiry.id).filter(was_due).label("resolution_due"),
        func.count(Enquiry.id).filter(resolved <= settle_by).label("resolution_met"),
        _median(Enquiry.resolution_minutes, settle_by.is_not(None)).label("resolution_minutes"),
        func.count(Enquiry.id).filter(resolved.is_(None)).label("unresolved"),
    )


def _measure(row: Any, name: str) -> schemas.Measure:
    minutes = row[f"{name}_minutes"]
    return schemas.Measure(row[f"{name}_due"], row[f"{name}_met"], int(minutes) if minutes is not None else None)


def kpis(db: Session, since: datetime, until: datetime) -> schemas.Kpis:
    """What was received in [since, until) amounts to (7.3.1), as it stands now."""
    received = and_(Enquiry.received_at >= since, Enquiry.received_at < until)
    row = db.execute(select(*_figures()).where(received)).one()._mapping
    categories = db.execute(
        select(Enquiry.category, func.count())
        .where(received)
        .group_by(Enquiry.category)
        .order_by(func.count().desc(), Enquiry.category)
    ).all()
    for_faq = db.execute(
        select(_code, Enquiry.topic).where(received, Enquiry.faq == Faq.WANTED).order_by(Enquiry.id)
    ).all()
    return _kpis(
        row,
        categories=tuple((CATEGORY_WORDS[rules.Category(code)], count) for code, count in categories),
        for_faq=tuple((code, subject) for code, subject in for_faq),
    )


def _kpis(row: Any, categories: tuple[tuple[str, int], ...], for_faq: tuple[tuple[str, str], ...]) -> schemas.Kpis:
    return schemas.Kpis(
        count=row["count"],
        by_channel={CHANNEL_WORDS[channel]: row[channel.value] for channel in Channel},
        first_mail=_measure(row, Channel.MAIL.value),
        first_phone=_measure(row, Channel.PHONE.value),
        resolution=_measure(row, "resolution"),
        unresolved=row["unresolved"],
        categories=categories,
        for_faq=for_faq,
    )


def trend(db: Session, stretches: Sequence[tuple[datetime, datetime]]) -> list[schemas.Kpis]:
    """The same of several stretches in one statement, without categories and marks."""
    moment = TIMESTAMP(timezone=True)
    asked = (
        values(named("place", Enquiry.version.type), named("since", moment), named("until", moment), name="stretches")
        .data([(place, since, until) for place, (since, until) in enumerate(stretches)])
        .alias("stretches")
    )
    received = and_(Enquiry.received_at >= asked.c.since, Enquiry.received_at < asked.c.until)
    found = db.execute(
        select(*_figures())
        .select_from(asked.outerjoin(Enquiry, received))
        .group_by(asked.c.place)
        .order_by(asked.c.place)
    )
    return [_kpis(row._mapping, (), ()) for row in found]
