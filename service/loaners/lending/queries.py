"""Every read of open loans. Overdue and forgotten loans are computed at each read; no job marks them."""

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

from service.core.database.clock import app_now
from service.core.database.paging import Filter, Key, Listing, Page, contains, equals, when_true
from service.core.values.times import TOKYO, local_date
from service.loaners.history.models import Loan
from service.loaners.lending import rules, schemas
from service.loaners.lending.models import Reminder
from service.loaners.lending.rules import DueLoan, Stale
from service.loaners.lists.queries import deposit_is_unset
from service.loaners.models import Alias, Device, DeviceState, Model, Site
from service.loaners.rules import Deposit
from service.loaners.settings import settings

NOW = bindparam("now", type_=TIMESTAMP(timezone=True))
TODAY = bindparam("today", type_=Date)
_SECONDS_PER_DAY = 86_400
SINCE = func.lower(Loan.during, type_=TIMESTAMP(timezone=True))
LAST_CHANGE = func.lower(DeviceState.during, type_=TIMESTAMP(timezone=True))
OVERDUE: ColumnElement[int] = cast(TODAY - Loan.due_on, Integer)


# The same rule as `history.rules.days_lent`, in SQL.
LENT_ON: ColumnElement[date] = func.coalesce(Loan.lent_on, cast(func.timezone(TOKYO.key, SINCE), Date), type_=Date())
DAYS: ColumnElement[int] = cast(TODAY - LENT_ON, Integer)


def _days_since(at: ColumnElement[datetime]) -> ColumnElement[int]:
    return cast(func.floor(func.extract("epoch", NOW - at) / _SECONDS_PER_DAY), Integer)


_Before = aliased(DeviceState)
# Since when the state is 返却可能 without interruption: the end of the last other state.
_returnable_since = func.coalesce(
    select(func.max(func.upper(_Before.during)))
    .where(
        _Before.device_id == Device.id,
        _Before.deposit.is_distinct_from(Deposit.RETURNABLE.value),
        ~func.upper_inf(_Before.during),
    )
    .correlate(Device)
    .scalar_subquery(),
    LAST_CHANGE,
    type_=TIMESTAMP(timezone=True),
)


def _stale_conditions() -> dict[Stale, ColumnElement[bool]]:
    returnable = bindparam("returnable_days", type_=Integer)
    silent = bindparam("silent_days", type_=Integer)
    return {
        Stale.RETURNABLE: and_(
            DeviceState.deposit == Deposit.RETURNABLE.value, _days_since(_returnable_since) > returnable
        ),
        Stale.UNSET: deposit_is_unset(),
        Stale.INACTIVE_SITE: Site.archived_at.is_not(None),
        Stale.SILENT: _days_since(LAST_CHANGE) > silent,
    }


STALE_CONDITIONS = _stale_conditions()
# Without 返却予定日 a loan is neither overdue nor soon due.
DUE_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "overdue": Loan.due_on < TODAY,
    "soon": Loan.due_on.between(TODAY, TODAY + bindparam("soon_days", type_=Integer)),
    "no_due": Loan.due_on.is_(None),
}
COUNT_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    **DUE_CONDITIONS,
    **{kind.value: condition for kind, condition in STALE_CONDITIONS.items()},
}
_text_search = contains(Device.number, Model.name, Device.serial, Loan.borrower, Loan.loan_number)
_alias_search = contains(Alias.alias)
_open_loans = (
    select(Device.id)
    .join(Loan, and_(Loan.device_id == Device.id, func.upper_inf(Loan.during)))
    .join(DeviceState, and_(DeviceState.device_id == Device.id, func.upper_inf(DeviceState.during)))
    .join(Site, Site.id == DeviceState.site_id)
    .join(Model, Model.id == Device.model_id)
)
LOANS = Listing(
    _open_loans.with_only_columns(
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
        LAST_CHANGE.label("last_at"),
        func.array_remove(
            array([case((condition, literal(kind.value)), else_=None) for kind, condition in STALE_CONDITIONS.items()]),
            None,
        ).label("stale"),
        select(func.max(Reminder.told_at))
        .where(Reminder.device_id == Device.id, Reminder.loan_event_id == Loan.first_event_id)
        .correlate(Device, Loan)
        .scalar_subquery()
        .label("reminded_at"),
    ),
    model=schemas.LoanItem,
    unique=Device.id,
    keys={
        "due_on": Key(Loan.due_on, nullable=True),
        "since": Key(LENT_ON),
        "number": Key(Device.number),
        "site": Key(Site.name),
        "borrower": Key(Loan.borrower),
        "last_at": Key(LAST_CHANGE),
    },
    default="due_on",
    filters={
        "site_id": equals(DeviceState.site_id),
        "jurisdiction": equals(Site.jurisdiction),
        "kind": equals(Device.kind),
        "q": Filter(
            lambda name: or_(
                _text_search.condition(name),
                Device.id.in_(select(Alias.device_id).where(_alias_search.condition(name))),
            ),
            _text_search.value,
        ),
        **{name: when_true(condition) for name, condition in COUNT_CONDITIONS.items()},
    },
)


def loans(db: Session, limit: int, cursor: str | None, filters: schemas.LoanFilters) -> Page[schemas.LoanItem]:
    """By 返却予定日, earliest first; loans without it come last."""
    return LOANS.read(db, limit, cursor, filters.sort, parameters=_parameters(db), **_filter_values(filters))


def all_loans(db: Session, filters: schemas.LoanFilters) -> Iterator[schemas.LoanItem]:
    """Raises Invalid for an unknown sort order."""
    for row in db.execute(LOANS.all(filters.sort, parameters=_parameters(db), **_filter_values(filters))).mappings():
        yield schemas.LoanItem(**row)


def counts(db: Session) -> schemas.LoanCounts:
    """Counts of all sites: lent, overdue, soon due and forgotten."""
    figures = [func.count().filter(condition).label(name) for name, condition in COUNT_CONDITIONS.items()]
    row = db.execute(
        _open_loans.with_only_columns(func.count().label("total"), func.max(OVERDUE).label("oldest"), *figures),
        _parameters(db),
    ).one()
    values = row._mapping
    config = settings()
    return schemas.LoanCounts(
        as_of=app_now(db),
        total=values["total"],
        oldest=max(values["oldest"] or 0, 0),
        **{name: values[name] for name in DUE_CONDITIONS},
        stale={kind: values[kind.value] for kind in STALE_CONDITIONS},
        soon_days=config.remind_days,
        returnable_days=config.returnable_days,
        silent_days=config.silent_days,
    )


def _parameters(db: Session) -> dict[str, Any]:
    now, config = app_now(db), settings()
    return {
        "now": now,
        "today": local_date(now),
        "soon_days": config.remind_days,
        "returnable_days": config.returnable_days,
        "silent_days": config.silent_days,
    }


def _filter_values(filters: schemas.LoanFilters) -> dict[str, Any]:
    values = filters.model_dump(exclude={"sort", "state", "stale"}, exclude_none=True)
    chosen = {name: True for name in (filters.state, filters.stale and filters.stale.value) if name}
    return values | chosen


def sites_with_due(db: Session) -> list[int]:
    """Sites with an open loan whose 返却予定日 is near or over."""
    parameters = _parameters(db)
    is_near = Loan.due_on <= TODAY + bindparam("soon_days", type_=Integer)
    return list(db.scalars(_open_loans.with_only_columns(DeviceState.site_id).where(is_near).distinct(), parameters))


def due_loans(db: Session, site_id: int, today: date) -> list[DueLoan]:
    """Loans that need a reminder now and had none for this step."""
    sent = {
        (row.device_id, row.loan_event_id, row.due_on, row.step)
        for row in db.execute(
            select(Reminder.device_id, Reminder.loan_event_id, Reminder.due_on, Reminder.step).where(
                Reminder.device_id.in_(_open_loans.with_only_columns(Device.id).where(DeviceState.site_id == site_id))
            )
        )
    }
    rows = db.execute(
        _open_loans.with_only_columns(
            Device.id, Loan.first_event_id, Device.number, Model.name, Loan.borrower, Loan.due_on
        ).where(DeviceState.site_id == site_id, Loan.due_on.is_not(None), ~DeviceState.is_archived)
    )
    days = settings().remind_days
    due = [
        DueLoan(row.id, row.first_event_id, row.number, row.name, row.borrower, due_on, step)
        for row in rows
        if (due_on := row.due_on) is not None and (step := rules.reminder_step(due_on, today, days))
    ]
    return [loan for loan in due if (loan.device_id, loan.loan_event_id, loan.due_on, loan.step) not in sent]
