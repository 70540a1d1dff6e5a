"""Queries of drafts: only of the user's own."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, select
from sqlalchemy.orm import Session

from service.agencies.drafts.models import Draft
from service.agencies.drafts.rules import Form
from service.agencies.drafts.schemas import Content, DraftFilters, DraftItem
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, Page, equals

DRAFTS = Listing(
    select(Draft.id, Draft.form, Draft.subject, Draft.number, Draft.updated_at).where(
        Draft.user_id == bindparam("user_id", type_=BigInteger),
        Draft.agency_id.is_not_distinct_from(bindparam("agency_id", type_=BigInteger)),
    ),
    model=DraftItem,
    unique=Draft.id,
    keys={"updated_at": Key(Draft.updated_at)},
    default="-updated_at",
    filters={"form": equals(Draft.form)},
)


def drafts(db: Session, by: Actor, limit: int, cursor: str | None, filters: DraftFilters) -> Page[DraftItem]:
    parameters = {"user_id": by.user_id, "agency_id": by.tenant_in(AREA.name)}
    return DRAFTS.read(db, limit, cursor, filters.sort, parameters=parameters, form=filters.form)


def own(by: Actor, form: Form, subject: str) -> ColumnElement[bool]:
    """The condition for the user's own draft in their current agency."""
    return and_(
        Draft.user_id == by.user_id,
        Draft.agency_id.is_not_distinct_from(by.tenant_in(AREA.name)),
        Draft.form == form.value,
        Draft.subject == subject,
    )


def content(db: Session, by: Actor, form: Form, subject: str) -> Content:
    statement = select(Draft.values, Draft.number, Draft.updated_at).where(own(by, form, subject))
    row = db.execute(statement).mappings().one_or_none()
    return Content(**row) if row else Content(values={}, number=0, updated_at=None)
