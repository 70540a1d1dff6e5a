"""A month's figures, computed in SQL from daily aggregates and incidents; and reads of the stored reports."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Date, Integer, and_, func, or_, select, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session, aliased

from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, Page, contains, equals, when_true
from service.core.files.records import File
from service.core.problems import NotFound
from service.core.values.times import Month, local_date, month_of, parse_month
from service.fleet.history.queries import compacted_until
from service.fleet.models import Customer
from service.fleet.monthly import rules, schemas
from service.fleet.monthly.models import MonthlyReport
from service.fleet.monthly.rules import Counts, DayFigure, Facts, MonthFigures, Seconds, Span, TerminalFigure
from service.fleet.settings import settings

_CUSTOMER_FILTER = "(CAST(:customer_id AS bigint) IS NULL OR t.customer_id = :customer_id)"
# One row for each terminal with a day in the month, the lowest uptime first.
_TERMINALS = text(f"""
WITH spent AS (
    SELECT terminal_id, sum(online_seconds) AS online, sum(offline_seconds) AS offline, sum(error_seconds) AS error,
        sum(maintenance_seconds) AS maintenance, sum(closed_seconds) AS closed,
        (array_agg(firmware_version ORDER BY begins_at DESC) FILTER (WHERE firmware_version IS NOT NULL))[1] AS firmware
    FROM fleet_days WHERE begins_at >= :begins AND begins_at < :ends GROUP BY terminal_id
), troubled AS (
    SELECT a.terminal_id, count(DISTINCT a.incident_id) AS incidents
    FROM fleet_alerts a JOIN fleet_incidents i ON i.id = a.incident_id
    WHERE i.opened_at >= :begins AND i.opened_at < :ends GROUP BY a.terminal_id
)
SELECT t.serial_number, t.customer_id, c.company_name AS customer_name, t.store_name, s.firmware AS firmware_version,
    s.online, s.offline, s.error, s.maintenance, s.closed, coalesce(x.incidents, 0) AS incidents
FROM spent s JOIN fleet_terminals t ON t.id = s.terminal_id JOIN fleet_customers c ON c.id = t.customer_id
    LEFT JOIN troubled x ON x.terminal_id = t.id
WHERE {_CUSTOMER_FILTER}
ORDER BY s.online::numeric / nullif(s.online + s.offline + s.error, 0) NULLS LAST, s.offline DESC, t.serial_number
""")
_BY_DAY = text(f"""
SELECT d.begins_at, count(*) AS terminals, sum(d.online_seconds) AS online, sum(d.offline_seconds) AS offline,
    sum(d.error_seconds) AS error
FROM fleet_days d JOIN fleet_terminals t ON t.id = d.terminal_id
WHERE d.begins_at >= :begins AND d.begins_at < :ends AND {_CUSTOMER_FILTER}
GROUP BY d.begins_at ORDER BY d.begins_at
""")
_INCIDENTS = text(f"""
WITH mine AS MATERIALIZED (
    SELECT i.id, i.alert_type, i.scope, i.resolved_at, extract(epoch FROM s.done_at - i.opened_at) AS respond,
        extract(epoch FROM i.resolved_at - i.opened_at) AS repair
    FROM fleet_incidents i LEFT JOIN fleet_incident_steps s ON s.incident_id = i.id AND s.step = 2
    WHERE i.opened_at >= :begins AND i.opened_at < :ends AND EXISTS (
        SELECT FROM fleet_alerts a JOIN fleet_terminals t ON t.id = a.terminal_id
        WHERE a.incident_id = i.id AND {_CUSTOMER_FILTER})
), found AS (
    SELECT DISTINCT ON (a.incident_id) a.terminal_id, a.created_at
    FROM mine m JOIN fleet_alerts a ON a.incident_id = m.id WHERE m.alert_type = 'offline'
    ORDER BY a.incident_id, a.created_at, a.id
), detected AS (
    SELECT extract(epoch FROM f.created_at - h.at) AS took
    FROM found f CROSS JOIN LATERAL (
        SELECT max(received_at) AS at FROM fleet_heartbeats
        WHERE terminal_id = f.terminal_id AND received_at < f.created_at) h
    WHERE h.at IS NOT NULL AND NOT EXISTS (
        SELECT FROM fleet_terminal_logs l
        WHERE l.terminal_id = f.terminal_id AND l.kind = 'shutdown' AND l.at >= h.at AND l.at < f.created_at)
)
SELECT count(*) AS incidents, count(*) FILTER (WHERE resolved_at IS NULL) AS unresolved,
    (SELECT coalesce(jsonb_object_agg(alert_type, n), '{{}}') FROM (
        SELECT alert_type, count(*) AS n FROM mine GROUP BY 1) k) AS by_type,
    (SELECT coalesce(jsonb_object_agg(scope, n), '{{}}') FROM (
        SELECT scope, count(*) AS n FROM mine GROUP BY 1) k) AS by_scope,
    count(respond) AS respond_count, percentile_cont(0.5) WITHIN GROUP (ORDER BY respond) AS respond_median,
    max(respond) AS respond_worst, count(*) FILTER (WHERE respond <= :respond) AS respond_within,
    count(repair) AS repair_count, percentile_cont(0.5) WITHIN GROUP (ORDER BY repair) AS repair_median,
    max(repair) AS repair_worst, count(*) FILTER (WHERE repair <= :repair) AS repair_within,
    (SELECT count(*) FROM detected) AS detect_count,
    (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM detected) AS detect_median,
    (SELECT max(took) FROM detected) AS detect_worst,
    (SELECT count(*) FROM detected WHERE took <= :detect) AS detect_within
FROM mine
""")
_BY_CUSTOMER = text("""
SELECT t.customer_id, count(DISTINCT i.id)
FROM fleet_incidents i JOIN fleet_alerts a ON a.incident_id = i.id JOIN fleet_terminals t ON t.id = a.terminal_id
WHERE i.opened_at >= :begins AND i.opened_at < :ends GROUP BY 1
""")
# The customers with a terminal in the month: each has a report, in addition to the one about all.
_CUSTOMERS_IN_MONTH = text("""
SELECT c.id FROM fleet_customers c WHERE EXISTS (
    SELECT FROM fleet_terminals t JOIN fleet_days d ON d.terminal_id = t.id
    WHERE t.customer_id = c.id AND d.begins_at >= :begins AND d.begins_at < :ends)
ORDER BY c.id
""")


@lru_cache(maxsize=1)
def _figures_adapter() -> TypeAdapter[MonthFigures]:
    return TypeAdapter(MonthFigures)


def dump_figures(figures: MonthFigures) -> dict[str, Any]:
    """The figures as JSON for the database column; `load_figures` is the inverse."""
    dumped: dict[str, Any] = _figures_adapter().dump_python(figures, mode="json")
    return dumped


def load_figures(stored: dict[str, Any]) -> MonthFigures:
    return _figures_adapter().validate_python(stored)


def report_facts(db: Session, month: Month, customer_id: int | None) -> Facts:
    """All facts of a report. Raises NotFound for an unknown customer."""
    customer = None if customer_id is None else db.get(Customer, customer_id)
    if customer_id is not None and customer is None:
        raise NotFound("この顧客企業は見つかりません。")
    terminals = _terminals(db, month, customer_id)
    by_customer = None if customer_id is not None else _incidents_by_customer(db, month)
    figures = rules.build_figures(
        month, terminals, _by_day(db, month, customer_id), _counts(db, month, customer_id), by_customer
    )
    before = find(db, month.plus(-1), customer_id)
    return Facts(
        month=month,
        customer_name=customer.company_name if customer else None,
        made_at=app_now(db),
        figures=figures,
        before=load_figures(before.figures) if before else None,
        terminals=terminals,
    )


def _month_bounds(month: Month) -> dict[str, Any]:
    begins, ends = month.bounds()
    return {"begins": begins, "ends": ends}


def _terminals(db: Session, month: Month, customer_id: int | None) -> list[TerminalFigure]:
    rows = db.execute(_TERMINALS, {**_month_bounds(month), "customer_id": customer_id}).mappings()
    figures = []
    for row in rows:
        seconds = Seconds(row["online"], row["offline"], row["error"], row["maintenance"], row["closed"])
        values = {
            name: row[name]
            for name in ("serial_number", "customer_id", "customer_name", "store_name", "firmware_version", "incidents")
        }
        figures.append(TerminalFigure(**values, seconds=seconds, uptime=rules.uptime(seconds)))
    return figures


def _by_day(db: Session, month: Month, customer_id: int | None) -> list[DayFigure]:
    return [
        DayFigure(day, terminals, rules.uptime(seconds))
        for day, terminals, seconds in seconds_by_day(db, *month.bounds(), customer_id)
    ]


def seconds_by_day(
    db: Session, begins: datetime, ends: datetime, customer_id: int | None = None
) -> list[tuple[date, int, Seconds]]:
    """Each day with its number of terminals and their seconds in each status."""
    rows = db.execute(_BY_DAY, {"begins": begins, "ends": ends, "customer_id": customer_id}).mappings()
    return [
        (local_date(row["begins_at"]), row["terminals"], Seconds(row["online"], row["offline"], row["error"]))
        for row in rows
    ]


def _counts(db: Session, month: Month, customer_id: int | None) -> Counts:
    targets = {
        "detect": rules.detection_target(settings().heartbeat_interval_seconds).total_seconds(),
        "respond": rules.RESPOND.total_seconds(),
        "repair": rules.REPAIR.total_seconds(),
    }
    row = db.execute(_INCIDENTS, {**_month_bounds(month), "customer_id": customer_id, **targets}).mappings().one()

    def span(name: str) -> Span:
        median, worst = row[f"{name}_median"], row[f"{name}_worst"]
        return Span(
            count=row[f"{name}_count"],
            median=None if median is None else float(median),
            worst=None if worst is None else float(worst),
            within=row[f"{name}_within"],
            target=targets[name],
        )

    return Counts(
        incidents=row["incidents"],
        unresolved=row["unresolved"],
        by_type=dict(row["by_type"]),
        by_scope=dict(row["by_scope"]),
        detect=span("detect"),
        respond=span("respond"),
        repair=span("repair"),
    )


def _incidents_by_customer(db: Session, month: Month) -> dict[int, int]:
    return {row[0]: row[1] for row in db.execute(_BY_CUSTOMER, _month_bounds(month))}


def last_month(db: Session) -> Month:
    return month_of(app_now(db)).plus(-1)


def is_summed_up(db: Session, month: Month) -> bool:
    """Whether every day of the month is summed up."""
    return compacted_until(db) >= month.bounds()[1]


def expected_reports(db: Session, month: Month) -> list[int | None]:
    """The reports that the month has: customer ids, then None for the report about all. Empty without any days."""
    customers: list[int | None] = list(db.scalars(_CUSTOMERS_IN_MONTH, _month_bounds(month)))
    return [*customers, None] if customers else []


def missing_reports(db: Session, month: Month) -> list[int | None]:
    """The expected reports that were not drafted yet."""
    drafted = set(db.scalars(select(MonthlyReport.customer_id).where(MonthlyReport.month == month.first)))
    return [customer_id for customer_id in expected_reports(db, month) if customer_id not in drafted]


def find(db: Session, month: Month, customer_id: int | None, *, lock: bool = False) -> MonthlyReport | None:
    statement = select(MonthlyReport).where(
        MonthlyReport.month == month.first, MonthlyReport.customer_id.is_not_distinct_from(customer_id)
    )
    return db.scalars(statement.with_for_update() if lock else statement).one_or_none()


def get(db: Session, report_id: int, *, lock: bool = False) -> MonthlyReport:
    """Raises NotFound."""
    report_row = db.get(MonthlyReport, report_id, with_for_update=lock or None, populate_existing=lock)
    if report_row is None:
        raise NotFound("この月次報告書は見つかりません。画面を開き直してください。")
    return report_row


_previous = aliased(MonthlyReport)
_same_customer = or_(
    _previous.customer_id == MonthlyReport.customer_id,
    and_(_previous.customer_id.is_(None), MonthlyReport.customer_id.is_(None)),
)
# A correlated subquery: run only for the reports on the page, not joined to all of them.
_previous_uptime = (
    select(_previous.uptime)
    .where(_previous.month == sql_cast(MonthlyReport.month - func.make_interval(0, 1), Date), _same_customer)
    .correlate(MonthlyReport)
    .scalar_subquery()
)

_REPORTS = Listing(
    select(
        MonthlyReport.id,
        MonthlyReport.version,
        func.to_char(MonthlyReport.month, "YYYY-MM").label("month"),
        MonthlyReport.customer_id,
        Customer.company_name.label("customer_name"),
        Customer.contact_email,
        MonthlyReport.terminals,
        MonthlyReport.incidents,
        MonthlyReport.uptime,
        _previous_uptime.label("uptime_before"),
        MonthlyReport.pdf_id,
        MonthlyReport.csv_id,
        MonthlyReport.drafted_at,
        MonthlyReport.sent_at,
        MonthlyReport.sent_to,
        User.name.label("sent_by"),
    )
    .outerjoin(Customer, Customer.id == MonthlyReport.customer_id)
    .outerjoin(User, User.id == MonthlyReport.user_id),
    model=schemas.ReportItem,
    unique=MonthlyReport.id,
    keys={
        # The report about all comes first.
        "customer_name": Key(func.coalesce(Customer.company_name, "")),
        "uptime": Key(sql_cast(MonthlyReport.uptime * 1_000_000, Integer), nullable=True),
        "month": Key(MonthlyReport.month),
    },
    default="customer_name",
    filters={
        "month": equals(MonthlyReport.month),
        "customer_id": equals(MonthlyReport.customer_id),
        "q": contains(Customer.company_name),
        "draft": when_true(and_(MonthlyReport.sent_at.is_(None), MonthlyReport.customer_id.is_not(None))),
        "sent": when_true(MonthlyReport.sent_at.is_not(None)),
    },
)


def reports(db: Session, limit: int, cursor: str | None, filters: schemas.ReportFilters) -> Page[schemas.ReportItem]:
    return _REPORTS.read(
        db,
        limit,
        cursor,
        filters.sort,
        month=parse_month(filters.month).first if filters.month else None,
        customer_id=filters.customer_id,
        q=filters.q,
        draft=filters.state == "draft" or None,
        sent=filters.state == "sent" or None,
    )


def report(db: Session, report_id: int) -> schemas.ReportDetail:
    """Raises NotFound."""
    report_row = get(db, report_id)
    row = db.execute(_REPORTS.rows.where(MonthlyReport.id == report_id)).mappings().one()
    before = find(db, Month(report_row.month.year, report_row.month.month).plus(-1), report_row.customer_id)
    return schemas.ReportDetail(
        **row,
        figures=load_figures(report_row.figures),
        before=load_figures(before.figures) if before else None,
    )


def overview(db: Session, month: Month | None) -> schemas.Overview:
    """The progress of a month's reports; without a month, last month's. `months`: those with reports and last month,
    the newest first."""
    last = last_month(db)
    chosen = month or last
    months = {
        str(Month(first_day.year, first_day.month)) for first_day in db.scalars(select(MonthlyReport.month).distinct())
    }
    customers = MonthlyReport.customer_id.is_not(None)
    statement = select(
        func.count(),
        func.count().filter(and_(customers, MonthlyReport.sent_at.is_not(None))),
        func.count().filter(and_(customers, MonthlyReport.sent_at.is_(None))),
        func.min(MonthlyReport.drafted_at),
        func.max(MonthlyReport.drafted_at),
    ).where(MonthlyReport.month == chosen.first)
    drafted, sent, unsent, first_at, drafted_at = db.execute(statement).one()
    summed_up, expected = is_summed_up(db, chosen), len(expected_reports(db, chosen))
    overall, before = find(db, chosen, None), find(db, chosen.plus(-1), None)
    return schemas.Overview(
        as_of=app_now(db),
        month=str(chosen),
        months=sorted(months | {str(last)}, reverse=True),
        is_summed_up=summed_up,
        is_drafting=chosen == last and summed_up and drafted < expected,
        expected=expected,
        drafted=drafted,
        first_drafted_at=first_at,
        sent=sent,
        unsent=unsent,
        drafted_at=drafted_at,
        figures=load_figures(overall.figures) if overall else None,
        before=load_figures(before.figures) if before else None,
    )


def get_file(db: Session, file_id: uuid.UUID) -> File:
    return db.get_one(File, file_id)
