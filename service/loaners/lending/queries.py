"""Every read of open loans. What is overdue or forgotten is found here, whenever somebody looks: no job marks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, array
from sqlalchemy.orm import Session, aliased

from service.core.clock import app_now
from service.core.paging import Filter, Key, Listing, contains, equals, when
from service.core.times import TOKYO, local_date
from service.loaners.history.models import DeviceState, Loan
from service.loaners.lending import rules, schemas
from service.loaners.lending.models import Reminder
from service.loaners.lending.rules import Due, Stale
from service.loaners.lists.queries import unset
from service.loaners.models import Alias, Device, Model, Site
from service.loaners.rules import Deposit
from service.loaners.settings import settings

NOW = bindparam("now", type_=TIMESTAMP(timezone=True))
TODAY = bindparam("today", type_=Date)
_DAY = 86_400
SINCE = func.lower(Loan.during, type_=TIMESTAMP(timezone=True))
LAST = func.lower(DeviceState.during, type_=TIMESTAMP(timezone=True))
OVERDUE: ColumnElement[int] = cast(TODAY - Loan.due_on, Integer)


# As `history.rules.days_lent` says it, for many at once.
BEGUN: ColumnElement[date] = func.coalesce(Loan.lent_on, cast(func.timezone(TOKYO.key, SINCE), Date), type_=Date())
DAYS: ColumnElement[int] = cast(TODAY - BEGUN, Integer)


def _days_since(moment: ColumnElement[datetime]) -> ColumnElement[int]:
    return cast(func.floor(func.extract("epoch", NOW - moment) / _DAY), Integer)


_Before = aliased(DeviceState)
# Since when 返却可能 holds without a break: the end of what held before.
_returnable_since = func.coalesce(
    select(func.max(func.upper(_Before.during)))
    .where(
        _Before.device_id == Device.id,
        _Before.deposit.is_distinct_from(Deposit.RETURNABLE.value),
        ~func.upper_inf(_Before.during),
    )
    .correlate(Device)
    .scalar_subquery(),
    LAST,
    type_=TIMESTAMP(timezone=True),
)


def _is_stale() -> dict[Stale, ColumnElement[bool]]:
    returnable = bindparam("returnable_days", type_=Integer)
    silent = bindparam("silent_days", type_=Integer)
    return {
        Stale.RETURNABLE: and_(
            DeviceState.deposit == Deposit.RETURNABLE.value, _days_since(_returnable_since) > returnable
        ),
        Stale.UNSET: unset(),
        Stale.INACTIVE_SITE: Site.archived_at.is_not(None),
        Stale.SILENT: _days_since(LAST) > silent,
    }


STALE = _is_stale()
# Without 返却予定日 it is neither.
STATES: Mapping[str, ColumnElement[bool]] = {
    "overdue": Loan.due_on < TODAY,
    "soon": Loan.due_on.between(TODAY, TODAY + bindparam("soon_days", type_=Integer)),
    "no_due": Loan.due_on.is_(None),
}
COUNTED: Mapping[str, ColumnElement[bool]] = {**STATES, **{kind.value: holds for kind, holds in STALE.items()}}
_named = contains(Device.number, Model.name, Device.serial, Loan.borrower, Loan.loan_number)
_alias = contains(Alias.alias)
_open = (
    select(Device.id)
    .join(Loan, and_(Loan.device_id == Device.id, func.upper_inf(Loan.during)))
    .join(DeviceState, and_(DeviceState.device_id == Device.id, func.upper_inf(DeviceState.during)))
    .join(Site, Site.id == DeviceState.site_id)
    .join(Model, Model.id == Device.model_id)
)
LOANS = Listing(
    _open.with_only_columns(
        Device.id.label("device_id"),
        Device.number,
        Device.kind,
        Model.name.label("model_name"),
        Site.name.label("site_name"),
        Site.jurisdiction,
        Loan.borrower,
        Loan.loan_number,
        Loan.lent_on,
        Loan.due_on,
        SINCE.label("since"),
        DAYS.label("days"),
        OVERDUE.label("overdue"),
        DeviceState.held,
        DeviceState.deposit,
        LAST.label("last_at"),
        func.array_remove(
            array([case((holds, literal(kind.value)), else_=None) for kind, holds in STALE.items()]), None
        ).label("stale"),
        select(func.max(Reminder.told_at))
        .where(Reminder.device_id == Device.id, Reminder.loan_event_id == Loan.first_event_id)
        .correlate(Device, Loan)
        .scalar_subquery()
        .label("reminded_at"),
    ),
    unique=Device.id,
    keys={
        "due_on": Key(Loan.due_on, nullable=True),
        "since": Key(BEGUN),
        "number": Key(Device.number),
        "site": Key(Site.name),
        "borrower": Key(Loan.borrower),
        "last_at": Key(LAST),
    },
    default="due_on",
    filters={
        "site_id": equals(DeviceState.site_id),
        "jurisdiction": equals(Site.jurisdiction),
        "kind": equals(Device.kind),
        "q": Filter(
            lambda name: or_(
                _named.condition(name), Device.id.in_(select(Alias.device_id).where(_alias.condition(name)))
            ),
            _named.value,
        ),
        **{name: when(holds) for name, holds in COUNTED.items()},
    },
)


def loans(db: Session, limit: int, cursor: str | None, filters: schemas.LoanFilters) -> dict[str, Any]:
    """The one that is due first comes first; those without 返却予定日 last."""
    return LOANS.page(db, limit, cursor, filters.sort, asked=_asked(db), **_cut(filters))


def all_loans(db: Session, filters: schemas.LoanFilters) -> Iterator[schemas.LoanItem]:
    """Raises Invalid for an order that is none of ours."""
    for row in db.execute(LOANS.all(filters.sort, asked=_asked(db), **_cut(filters))).mappings():
        yield schemas.LoanItem.model_validate(dict(row))


def counts(db: Session) -> dict[str, Any]:
    """Of all sites: how many are lent, overdue, soon due, and forgotten."""
    figures = [func.count().filter(holds).label(name) for name, holds in COUNTED.items()]
    row = db.execute(
        _open.with_only_columns(func.count().label("total"), func.max(OVERDUE).label("oldest"), *figures), _asked(db)
    ).one()
    known = row._mapping
    own = settings()
    return {
        "as_of": app_now(db),
        "total": known["total"],
        "oldest": max(known["oldest"] or 0, 0),
        **{name: known[name] for name in STATES},
        "stale": {kind: known[kind.value] for kind in STALE},
        "soon_days": own.remind_days,
        "returnable_days": own.returnable_days,
        "silent_days": own.silent_days,
    }


def _asked(db: Session) -> dict[str, Any]:
    now, own = app_now(db), settings()
    return {
        "now": now,
        "today": local_date(now),
        "soon_days": own.remind_days,
        "returnable_days": own.returnable_days,
        "silent_days": own.silent_days,
    }


def _cut(filters: schemas.LoanFilters) -> dict[str, Any]:
    given = filters.model_dump(exclude={"sort", "state", "stale"}, exclude_none=True)
    chosen = {name: True for name in (filters.state, filters.stale and filters.stale.value) if name}
    return given | chosen


def sites_with_due(db: Session) -> list[int]:
    """Sites at which some open loan has a 返却予定日 that is near or over."""
    asked = _asked(db)
    near = Loan.due_on <= TODAY + bindparam("soon_days", type_=Integer)
    return list(db.scalars(_open.with_only_columns(DeviceState.site_id).where(near).distinct(), asked))


def due_at(db: Session, site_id: int, today: date) -> list[Due]:
    """Those that the site is to be told of now, and was not told of at this step."""
    told = {
        (row.device_id, row.loan_event_id, row.due_on, row.step)
        for row in db.execute(
            select(Reminder.device_id, Reminder.loan_event_id, Reminder.due_on, Reminder.step).where(
                Reminder.device_id.in_(_open.with_only_columns(Device.id).where(DeviceState.site_id == site_id))
            )
        )
    }
    rows = db.execute(
        _open.with_only_columns(
            Device.id, Loan.first_event_id, Device.number, Model.name, Loan.borrower, Loan.due_on
        ).where(DeviceState.site_id == site_id, Loan.due_on.is_not(None), ~DeviceState.is_archived)
    )
    days = settings().remind_days
    found = [
        Due(row.id, row.first_event_id, row.number, row.name, row.borrower, due_on, step)
        for row in rows
        if (due_on := row.due_on) is not None and (step := rules.step(due_on, today, days))
    ]
    return [one for one in found if (one.device_id, one.loan_event_id, one.due_on, one.step) not in told]
