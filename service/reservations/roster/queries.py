"""Reads of the on-call roster."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.database.clock import app_now, now_sql
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.problems import Invalid, NotFound
from service.core.values import phones
from service.reservations.roster import schemas
from service.reservations.roster.models import Shift
from service.reservations.rules import AREA

# Roles that can be on call.
RESPONDERS = ("admin", "operator")

SHIFTS = Listing(
    select(
        Shift.id,
        Shift.version,
        Shift.user_id,
        User.name,
        Shift.phone,
        phones.format_phone_column(Shift.phone).label("phone_shown"),
        Shift.starts_at,
        Shift.ends_at,
        and_(Shift.starts_at <= now_sql(), Shift.ends_at > now_sql()).label("is_now"),
    )
    .join(User, User.id == Shift.user_id)
    .where(Shift.archived_at.is_(None)),
    model=schemas.ShiftItem,
    unique=Shift.id,
    keys={"starts_at": Key(Shift.starts_at)},
    default="starts_at",
    filters={"is_coming": when_true(Shift.ends_at > now_sql()), "user_id": equals(Shift.user_id)},
)


def shifts(
    db: Session, _: Actor, limit: int, cursor: str | None, filters: schemas.ShiftFilters
) -> Page[schemas.ShiftItem]:
    is_coming = filters.state == "coming"
    return SHIFTS.read(db, limit, cursor, filters.sort, is_coming=is_coming, user_id=filters.user_id)


def on_call(db: Session) -> Shift | None:
    """The current shift."""
    now = app_now(db)
    statement = select(Shift).where(Shift.archived_at.is_(None), Shift.starts_at <= now, Shift.ends_at > now)
    return db.scalars(statement.order_by(Shift.starts_at.desc(), Shift.id).limit(1)).one_or_none()


def on_call_now(db: Session) -> schemas.OnCall:
    shift = on_call(db)
    return schemas.OnCall(as_of=app_now(db), shift=SHIFTS.read_one(db, shift.id) if shift is not None else None)


def responders(db: Session) -> list[schemas.Person]:
    """The users of the area who can be on call and own 手動対応, ordered by name."""
    statement = (
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, Membership.area == AREA.name, Membership.role.in_(RESPONDERS))
        .order_by(User.name, User.id)
    )
    return [schemas.Person(**row) for row in db.execute(statement).mappings()]


def responder(db: Session, user_id: int) -> schemas.Person:
    """Raises Invalid for a user who cannot be on call."""
    people = {person.id: person for person in responders(db)}
    if user_id not in people:
        raise Invalid.at_field("user_id", "運営担当者か予約運用管理者の中から選んでください。")
    return people[user_id]


def get(db: Session, shift_id: int, *, lock: bool = False) -> Shift:
    """Raises NotFound."""
    shift = db.get(Shift, shift_id, with_for_update=lock, populate_existing=lock)
    if shift is None or shift.archived_at is not None:
        raise NotFound("指定された当番は見つかりません。一覧を開き直してください。")
    return shift


def overlapping_shift(
    db: Session, starts_at: datetime, ends_at: datetime, exclude_id: int | None = None
) -> tuple[Shift, str] | None:
    """The first other shift in that time, and the name of its user."""
    statement = (
        select(Shift, User.name)
        .join(User, User.id == Shift.user_id)
        .where(Shift.archived_at.is_(None), Shift.starts_at < ends_at, Shift.ends_at > starts_at)
        .order_by(Shift.starts_at, Shift.id)
        .limit(1)
    )
    if exclude_id is not None:
        statement = statement.where(Shift.id != exclude_id)
    row = db.execute(statement).one_or_none()
    return (row[0], row[1]) if row is not None else None
