"""Reads of monthly figures."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Numeric, Select, cast, func, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, Page
from service.core.problems import NotFound
from service.core.values.times import Month, month_of, parse_month
from service.reservations.desk.rules import UNLISTED
from service.reservations.figures.rules import COUNTS, Counts
from service.reservations.incidents.queries import manager_mails
from service.reservations.management import rules, schemas
from service.reservations.management.models import DayCounts, ManagementReport, MonthCounts
from service.reservations.management.rules import Facts, MonthFigures, NamedCounts
from service.reservations.models import Reservation, Service, Shop

MAX_REPORTS = 12


def _percent(part: Any, rest: Any) -> Any:
    return func.round(cast(part * 100, Numeric) / func.nullif(part + rest, 0), 1)


_sales = MonthCounts.paid - MonthCounts.refunded
_success = _percent(MonthCounts.confirmed, MonthCounts.failed)
_payment = _percent(MonthCounts.links_paid, MonthCounts.links_unpaid)
_cancellation = _percent(MonthCounts.cancelled, MonthCounts.completed)
MONTHS = Listing(
    select(
        MonthCounts.id,
        func.to_char(MonthCounts.month, "YYYY-MM").label("month"),
        MonthCounts.requested,
        MonthCounts.confirmed,
        MonthCounts.failed,
        MonthCounts.completed,
        MonthCounts.cancelled,
        _success.label("success_percent"),
        _payment.label("payment_percent"),
        _cancellation.label("cancellation_percent"),
        MonthCounts.operations,
        MonthCounts.paid,
        MonthCounts.refunded,
        _sales.label("sales"),
    ),
    unique=MonthCounts.id,
    keys={
        "month": Key(MonthCounts.month),
        "requested": Key(MonthCounts.requested),
        "sales": Key(_sales),
    },
    default="-month",
    model=schemas.MonthItem,
)


def months(db: Session, limit: int, cursor: str | None, filters: schemas.MonthFilters) -> Page[schemas.MonthItem]:
    return MONTHS.read(db, limit, cursor, filters.sort)


def months_export(_: object, filters: schemas.MonthFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return MONTHS.all(filters.sort).add_columns(
        func.to_char(MonthCounts.month, 'FMYYYY"年"FMMM"月"').label("month_words")
    )


def counted_at(db: Session) -> datetime | None:
    """When the months were counted last."""
    return db.scalar(select(func.max(MonthCounts.counted_at)))


def first_month(db: Session) -> Month | None:
    """The month of the first reservation."""
    first = db.scalar(select(func.min(Reservation.created_at)))
    return month_of(first) if first is not None else None


def overview(db: Session) -> schemas.Overview:
    """The newest month and the months before it."""
    now, last_counted_at, last = app_now(db), counted_at(db), _newest_month(db)
    return schemas.Overview(
        as_of=now,
        counted_at=last_counted_at,
        is_late=last_counted_at is None or last_counted_at < rules.last_counting_time(now),
        is_over=last is not None and last_counted_at is not None and rules.is_complete(last, last_counted_at),
        months=[
            schemas.MonthNumbers(month=str(row.month), operations=row.operations, **_numbers(row.counts))
            for row in (figures(db, last, rules.MAX_MONTHS) if last else [])
        ],
        all_months=[str(month) for month in _all_months(db)],
    )


def _newest_month(db: Session) -> Month | None:
    first = db.scalar(select(func.max(MonthCounts.month)))
    return Month(first.year, first.month) if first else None


def _all_months(db: Session) -> list[Month]:
    first_days = db.scalars(select(MonthCounts.month).order_by(MonthCounts.month.desc()))
    return [Month(first.year, first.month) for first in first_days]


def _numbers(counts: Counts) -> dict[str, Any]:
    """The fields of `schemas.Numbers`."""
    return {name: getattr(counts, name) for name in schemas.Numbers.model_fields}


def figures(db: Session, last: Month, number: int) -> list[MonthFigures]:
    """The counted months among the `number` months up to `last`."""
    rows = db.scalars(
        select(MonthCounts)
        .where(MonthCounts.month <= last.first, MonthCounts.month > last.plus(-number).first)
        .order_by(MonthCounts.month)
    )
    return [
        MonthFigures(
            Month(row.month.year, row.month.month), Counts(**{n: getattr(row, n) for n in COUNTS}), row.operations
        )
        for row in rows
    ]


def parts(db: Session, month: Month | None) -> schemas.Parts:
    """The figures of a month, or of the months that are shown, by service and shop; of a month also by day. Raises
    NotFound for a month that was not counted."""
    last = _newest_month(db)
    if month is not None and (last is None or db.scalar(_counted_month(month)) is None):
        raise _not_counted(month)
    if last is None:
        return schemas.Parts(month=None, services=[], shops=[], days=[])
    first = month or last.plus(1 - rules.MAX_MONTHS)
    since, until = first.first, (month or last).plus(1).first
    return schemas.Parts(
        month=str(month) if month else None,
        services=[
            schemas.ServiceNumbers(name=service.name, **_numbers(service.counts))
            for service in services(db, since, until)
        ],
        shops=[
            schemas.ShopNumbers(place=place, code=shop.code, name=shop.name, **_numbers(shop.counts))
            for place, shop in rules.rank_shops(shops(db, since, until))
        ],
        days=[schemas.DayNumbers(day=day, **_numbers(counts)) for day, counts in days(db, since, until)]
        if month
        else [],
    )


def _counted_month(month: Month) -> Select[int]:
    return select(MonthCounts.id).where(MonthCounts.month == month.first)


def _not_counted(month: Month) -> NotFound:
    return NotFound(f"{rules.format_month(month)}の集計はありません。月を選び直してください。")


_net_sales = func.sum(DayCounts.paid - DayCounts.refunded).label("sales")
_SUMS = [func.sum(getattr(DayCounts, name)).label(name) for name in COUNTS]


def _counts(row: Any) -> Counts:
    return Counts(**{name: int(getattr(row, name)) for name in COUNTS})


def services(db: Session, since: date, until: date) -> list[NamedCounts]:
    """Figures by service of the days [since, until), the most requested first."""
    rows = db.execute(_services_statement().where(DayCounts.day >= since, DayCounts.day < until))
    return [NamedCounts(row.name, _counts(row)) for row in rows]


def _services_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(Service.name, *_SUMS)
        .join(DayCounts, DayCounts.service_id == Service.id)
        .group_by(Service.id)
        .order_by(func.sum(DayCounts.requested).desc(), Service.position, Service.id)
    )


def services_export(_: object, filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    return _in_month(_services_statement(), filters).add_columns(_net_sales)


def shops(db: Session, since: date, until: date) -> list[NamedCounts]:
    """Figures by shop, of the shops with a confirmed reservation or a payment."""
    rows = db.execute(_shops_statement().where(DayCounts.day >= since, DayCounts.day < until))
    return [NamedCounts(row.name, _counts(row), row.code) for row in rows]


def _shops_statement() -> Select[*tuple[Any, ...]]:
    confirmed, money = func.sum(DayCounts.confirmed), func.sum(DayCounts.paid + DayCounts.refunded)
    return (
        select(func.coalesce(Shop.code, "").label("code"), func.coalesce(Shop.name, UNLISTED).label("name"), *_SUMS)
        .select_from(DayCounts)
        .outerjoin(Shop, Shop.id == DayCounts.shop_id)
        .group_by(DayCounts.shop_id, Shop.id)
        .having((confirmed > 0) | (money > 0))
        .order_by(confirmed.desc(), _net_sales.desc(), Shop.name)
    )


def shops_export(_: object, filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    """The ranking of a month, or of all months."""
    return _in_month(_shops_statement(), filters).add_columns(
        _net_sales,
        func.rank().over(order_by=func.sum(DayCounts.confirmed).desc()).label("place"),
    )


def _in_month(statement: Select[*tuple[Any, ...]], filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    if filters.month is None:
        return statement
    month = parse_month(filters.month)
    return statement.where(DayCounts.day >= month.first, DayCounts.day < month.plus(1).first)


def days(db: Session, since: date, until: date) -> list[tuple[date, Counts]]:
    """Figures by day; days without any are missing."""
    statement = (
        select(DayCounts.day, *_SUMS)
        .where(DayCounts.day >= since, DayCounts.day < until)
        .group_by(DayCounts.day)
        .order_by(DayCounts.day)
    )
    return [(row.day, _counts(row)) for row in db.execute(statement)]


# The printed report


def facts(db: Session, month: Month) -> Facts:
    """Raises NotFound for a month that was not counted."""
    row = db.scalars(select(MonthCounts).where(MonthCounts.month == month.first)).one_or_none()
    if row is None:
        raise _not_counted(month)
    since, until = month.first, month.plus(1).first
    return Facts(
        month=month,
        counted_at=row.counted_at,
        months=figures(db, month, rules.MAX_MONTHS),
        services=services(db, since, until),
        shops=shops(db, since, until),
        days=days(db, since, until),
    )


def reports(db: Session) -> schemas.Reports:
    """Sent and requested reports, the latest first, and the current recipients."""
    latest = db.scalars(select(ManagementReport).order_by(ManagementReport.id.desc()).limit(MAX_REPORTS))
    return schemas.Reports(
        as_of=app_now(db),
        recipients=manager_mails(db),
        items=[
            schemas.ReportItem(
                id=report.id,
                month=f"{report.month:%Y-%m}",
                is_automatic=report.is_automatic,
                asked_at=report.asked_at,
                asked_by=report.asked_by,
                sent_at=report.sent_at,
                recipients=report.recipients,
                pdf_id=report.pdf_id,
            )
            for report in latest
        ],
    )


def next_unsent(db: Session) -> ManagementReport | None:
    """The next report to send."""
    statement = (
        select(ManagementReport).where(ManagementReport.sent_at.is_(None)).order_by(ManagementReport.id).limit(1)
    )
    return db.scalars(statement).one_or_none()
