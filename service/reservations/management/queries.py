"""Every read of the months that the night has counted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Numeric, Select, cast, func, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.paging import Key, Listing
from service.core.problems import NotFound
from service.core.times import Month, month_of, parse_month
from service.reservations.desk.rules import UNLISTED
from service.reservations.figures.rules import COUNTS, Counts
from service.reservations.flow.models import Reservation
from service.reservations.incidents.queries import managers_mails
from service.reservations.management import rules, schemas
from service.reservations.management.models import DayCounts, ManagementReport, MonthCounts
from service.reservations.management.rules import Facts, MonthFigures, Named
from service.reservations.services.models import Service
from service.reservations.shops.models import Shop

REPORTS_SHOWN = 12


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
)


def months(db: Session, limit: int, cursor: str | None, filters: schemas.MonthFilters) -> dict[str, Any]:
    return MONTHS.page(db, limit, cursor, filters.sort)


def months_to_take_along(_: object, filters: schemas.MonthFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    return MONTHS.all(filters.sort)


def counted_at(db: Session) -> datetime | None:
    """When the months were counted last."""
    return db.scalar(select(func.max(MonthCounts.counted_at)))


def earliest(db: Session) -> Month | None:
    """Of the first reservation."""
    first = db.scalar(select(func.min(Reservation.created_at)))
    return month_of(first) if first is not None else None


def overview(db: Session) -> dict[str, Any]:
    """The newest month and those before it."""
    now, counted = app_now(db), counted_at(db)
    night = rules.last_night(now)
    answer: dict[str, Any] = {"as_of": now, "counted_at": counted, "is_late": counted is None or counted < night}
    last = _newest(db)
    found = figures(db, last, rules.MONTHS_SHOWN) if last else []
    return answer | {
        "is_over": last is not None and counted is not None and rules.is_over(last, counted),
        "months": [_month(one) for one in found],
        "all_months": [str(month) for month in _all_months(db)],
    }


def _newest(db: Session) -> Month | None:
    first = db.scalar(select(func.max(MonthCounts.month)))
    return Month(first.year, first.month) if first else None


def _all_months(db: Session) -> list[Month]:
    found = db.scalars(select(MonthCounts.month).order_by(MonthCounts.month.desc()))
    return [Month(first.year, first.month) for first in found]


def _month(one: MonthFigures) -> dict[str, Any]:
    return {"month": str(one.month), "operations": one.operations} | _numbers(one.counts)


def _numbers(counts: Counts) -> dict[str, Any]:
    return {
        **{name: getattr(counts, name) for name in COUNTS},
        "sales": counts.sales,
        "success": counts.success,
        "payment": counts.payment,
        "cancellation": counts.cancellation,
    }


def figures(db: Session, last: Month, number: int) -> list[MonthFigures]:
    """So many months up to the last one, as far as they were counted."""
    found = db.scalars(
        select(MonthCounts)
        .where(MonthCounts.month <= last.first, MonthCounts.month > last.plus(-number).first)
        .order_by(MonthCounts.month)
    )
    return [
        MonthFigures(
            Month(one.month.year, one.month.month), Counts(**{n: getattr(one, n) for n in COUNTS}), one.operations
        )
        for one in found
    ]


def parts(db: Session, month: Month | None) -> dict[str, Any]:
    """How a month, or the months that are shown, divide among services and shops, and a month among its days. Raises
    NotFound for a month that was not counted."""
    last = _newest(db)
    if month is not None and (last is None or db.scalar(_is_known(month)) is None):
        raise _unknown(month)
    if last is None:
        return {"month": None, "services": [], "shops": [], "days": []}
    first = month or last.plus(1 - rules.MONTHS_SHOWN)
    since, until = first.first, (month or last).plus(1).first
    return {
        "month": str(month) if month else None,
        "services": [{"name": one.name} | _numbers(one.counts) for one in services(db, since, until)],
        "shops": [
            {"place": place, "code": one.code, "name": one.name} | _numbers(one.counts)
            for place, one in rules.ranked(shops(db, since, until))
        ],
        "days": [{"day": day} | _numbers(counts) for day, counts in days(db, since, until)] if month else [],
    }


def _is_known(month: Month) -> Select[int]:
    return select(MonthCounts.id).where(MonthCounts.month == month.first)


def _unknown(month: Month) -> NotFound:
    return NotFound(f"{rules.in_short(month)}の集計はありません。月を選び直してください。")


_NET = func.sum(DayCounts.paid - DayCounts.refunded).label("sales")
_SUMS = [func.sum(getattr(DayCounts, name)).label(name) for name in COUNTS]


def _counts(row: Any) -> Counts:
    return Counts(**{name: int(getattr(row, name)) for name in COUNTS})


def services(db: Session, since: date, until: date) -> list[Named]:
    """From day to day, the latter not included; the most asked for first."""
    rows = db.execute(_of_services().where(DayCounts.day >= since, DayCounts.day < until))
    return [Named(row.name, _counts(row)) for row in rows]


def _of_services() -> Select[*tuple[Any, ...]]:
    return (
        select(Service.name, *_SUMS)
        .join(DayCounts, DayCounts.service_id == Service.id)
        .group_by(Service.id)
        .order_by(func.sum(DayCounts.requested).desc(), Service.position, Service.id)
    )


def services_to_take_along(_: object, filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    return _cut(_of_services(), filters).add_columns(_NET)


def shops(db: Session, since: date, until: date) -> list[Named]:
    """Those by which something was confirmed, or to which money moved."""
    rows = db.execute(_of_shops().where(DayCounts.day >= since, DayCounts.day < until))
    return [Named(row.name, _counts(row), row.code) for row in rows]


def _of_shops() -> Select[*tuple[Any, ...]]:
    confirmed, moved = func.sum(DayCounts.confirmed), func.sum(DayCounts.paid + DayCounts.refunded)
    return (
        select(func.coalesce(Shop.code, "").label("code"), func.coalesce(Shop.name, UNLISTED).label("name"), *_SUMS)
        .select_from(DayCounts)
        .outerjoin(Shop, Shop.id == DayCounts.shop_id)
        .group_by(DayCounts.shop_id, Shop.id)
        .having((confirmed > 0) | (moved > 0))
        .order_by(confirmed.desc(), _NET.desc(), Shop.name)
    )


def shops_to_take_along(_: object, filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    """The ranking of a month, or of all months."""
    return _cut(_of_shops(), filters).add_columns(
        _NET,
        func.rank().over(order_by=func.sum(DayCounts.confirmed).desc()).label("place"),
    )


def _cut(found: Select[*tuple[Any, ...]], filters: schemas.PartFilters) -> Select[*tuple[Any, ...]]:
    if filters.month is None:
        return found
    month = parse_month(filters.month)
    return found.where(DayCounts.day >= month.first, DayCounts.day < month.plus(1).first)


def days(db: Session, since: date, until: date) -> list[tuple[date, Counts]]:
    """Those on which anything counted."""
    found = (
        select(DayCounts.day, *_SUMS)
        .where(DayCounts.day >= since, DayCounts.day < until)
        .group_by(DayCounts.day)
        .order_by(DayCounts.day)
    )
    return [(row.day, _counts(row)) for row in db.execute(found)]


# The report on paper


def facts(db: Session, month: Month) -> Facts:
    """Raises NotFound for a month that was not counted."""
    row = db.scalars(select(MonthCounts).where(MonthCounts.month == month.first)).one_or_none()
    if row is None:
        raise _unknown(month)
    since, until = month.first, month.plus(1).first
    return Facts(
        month=month,
        counted_at=row.counted_at,
        months=figures(db, month, rules.MONTHS_SHOWN),
        services=services(db, since, until),
        shops=shops(db, since, until),
        days=days(db, since, until),
    )


def reports(db: Session) -> dict[str, Any]:
    """What was sent and is to be sent, the last one first; and who would get one now."""
    found = db.scalars(select(ManagementReport).order_by(ManagementReport.id.desc()).limit(REPORTS_SHOWN))
    return {
        "as_of": app_now(db),
        "recipients": managers_mails(db),
        "items": [
            {
                "id": one.id,
                "month": f"{one.month:%Y-%m}",
                "is_automatic": one.is_automatic,
                "asked_at": one.asked_at,
                "asked_by": one.asked_by,
                "sent_at": one.sent_at,
                "recipients": one.recipients,
                "pdf_id": one.pdf_id,
            }
            for one in found
        ],
    }


def waiting(db: Session) -> ManagementReport | None:
    """The report that is to be sent next."""
    found = select(ManagementReport).where(ManagementReport.sent_at.is_(None)).order_by(ManagementReport.id).limit(1)
    return db.scalars(found).one_or_none()
