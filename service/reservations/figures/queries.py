"""Reads of figures. `FACTS` defines what is counted; its users choose the period and the grouping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox.messages import STATE
from service.core.outbox.records import OutboxMessage
from service.core.values.times import DAY, day_bounds, local_date
from service.reservations.desk.rules import UNLISTED
from service.reservations.figures import schemas
from service.reservations.figures.rules import COUNTS, DECIDED, WEEK, Counts, Period, monday
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.state_machine.states import State, Task

MAX_NOTICES = 10

# One row for each counted fact: the reservation, the time, the name (a field of `rules.Counts`) and the amount. Each
# branch is an index range scan.
FACTS = """
SELECT id AS reservation_id, created_at AS at, 'requested' AS what, 1 AS amount
FROM reservations_reservations WHERE created_at >= :since AND created_at < :until
UNION ALL
SELECT reservation_id, at,
    CASE WHEN state_before <> 'confirmed' AND state = 'confirmed' THEN 'confirmed'
        WHEN state_before <> 'confirmed' THEN 'failed'
        WHEN state = 'completed' THEN 'completed' ELSE 'cancelled' END, 1
FROM reservations_events
WHERE at >= :since AND at < :until AND ignored IS NULL AND state_before <> state
    AND (state_before = 'confirmed' OR (state = ANY(:decided) AND state_before <> ALL(:decided)))
UNION ALL
SELECT l.reservation_id, l.at, CASE WHEN r.confirmed_at IS NULL THEN 'links_unpaid' ELSE 'links_paid' END, 1
FROM reservations_events l JOIN reservations_reservations r ON r.id = l.reservation_id
WHERE l.at >= :since AND l.at < :until AND l.kind = 'link_sent' AND l.ignored IS NULL AND r.state = ANY(:decided)
    AND NOT EXISTS (
        SELECT FROM reservations_events f WHERE f.reservation_id = l.reservation_id AND f.number < l.number
            AND f.kind = 'link_sent' AND f.ignored IS NULL)
UNION ALL
SELECT reservation_id, closed_at, 'paid', amount
FROM reservations_payments WHERE status = 'paid' AND closed_at >= :since AND closed_at < :until
UNION ALL
SELECT reservation_id, settled_at, 'refunded', amount
FROM reservations_refunds WHERE status = 'succeeded' AND settled_at >= :since AND settled_at < :until
UNION ALL
SELECT o.reservation_id, o.at, 'refunded', r.paid
FROM reservations_events o JOIN reservations_reservations r ON r.id = o.reservation_id
WHERE o.at >= :since AND o.at < :until AND o.kind = 'refunded_otherwise' AND o.ignored IS NULL
"""
SUMS = ", ".join(f"coalesce(sum(f.amount) FILTER (WHERE f.what = '{name}'), 0) AS {name}" for name in COUNTS)
_BY_SERVICE_AND_SHOP = text(f"""
WITH f AS ({FACTS}), summed AS (
    SELECT r.service_id, r.shop_id, {SUMS}
    FROM f JOIN reservations_reservations r ON r.id = f.reservation_id GROUP BY 1, 2
)
SELECT v.name AS service, s.code AS shop_code, s.name AS shop, summed.*
FROM summed JOIN reservations_services v ON v.id = summed.service_id
    LEFT JOIN reservations_shops s ON s.id = summed.shop_id
ORDER BY v.position, v.id, s.id
""")
_BY_DAY = text(f"""
WITH f AS ({FACTS}) SELECT (f.at AT TIME ZONE 'Asia/Tokyo')::date AS day, {SUMS} FROM f GROUP BY 1
""")


def fact_parameters(since: datetime, until: datetime) -> dict[str, Any]:
    """The parameters of `FACTS`."""
    return {"since": since, "until": until, "decided": sorted(State(state).value for state in DECIDED)}


def counts_of(row: RowMapping) -> Counts:
    return Counts(**{name: int(row[name]) for name in COUNTS})


def period(db: Session, since: datetime, until: datetime) -> Period:
    """The current figures of the period [since, until)."""
    total, by_service, by_shop = Counts(), Counter[str](), Counter[tuple[str, str]]()
    for row in db.execute(_BY_SERVICE_AND_SHOP, fact_parameters(since, until)).mappings():
        counts = counts_of(row)
        total += counts
        by_service[row["service"]] += counts.requested
        by_shop[row["shop"] or UNLISTED, row["shop_code"] or ""] += counts.confirmed
    return Period(
        requested=total.requested,
        success=total.success,
        payment=total.payment,
        cancelled=total.cancellation,
        paid=total.paid,
        refunded=total.refunded,
        operations=operations(db, since, until),
        by_service=_most_frequent_first(by_service),
        by_shop=_most_frequent_first(_with_unique_names(by_shop)),
    )


def operations(db: Session, since: datetime, until: datetime) -> Mapping[str, int]:
    """手動対応 that began in the period, by kind, the most frequent first."""
    statement = (
        select(Operation.kind, func.count().label("number"))
        .where(Operation.opened_at >= since, Operation.opened_at < until)
        .group_by(Operation.kind)
        .order_by(func.count().desc(), Operation.kind)
    )
    return {row.kind: row.number for row in db.execute(statement)}


def _most_frequent_first(counts: Mapping[str, int]) -> Mapping[str, int]:
    return {name: count for name, count in sorted(counts.items(), key=lambda item: -item[1]) if count}


def _with_unique_names(counts: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    """By name; shops with the same name also show their code."""
    names = Counter(name for name, _ in counts)
    return {f"{name}（{code}）" if names[name] > 1 else name: count for (name, code), count in counts.items()}


# 運営ダッシュボード


def today(db: Session) -> schemas.Today:
    """Reservations that were requested today by current state, and today's 手動対応."""
    now = app_now(db)
    day = local_date(now)
    since, until = day_bounds(day)
    is_today = (Reservation.created_at >= since) & (Reservation.created_at < until)
    states = db.execute(
        select(Reservation.state, func.count().label("number")).where(is_today).group_by(Reservation.state)
    ).all()
    by_state = {row.state: row.number for row in states}
    is_yesterday = (Reservation.created_at >= since - DAY) & (Reservation.created_at <= now - DAY)
    starts_today = (Reservation.starts_at >= since) & (Reservation.starts_at < until)
    operations_today = _operations_today(db, since, now)
    return schemas.Today(
        as_of=now,
        day=day,
        requested=sum(by_state.values()),
        before=_count(db, is_yesterday),
        states=[schemas.StateCount(state=state, number=by_state[state]) for state in State if state in by_state],
        starting=_count(db, starts_today & (Reservation.state == State.CONFIRMED)),
        operations=operations_today,
        begun=sum(count.open + count.done for count in operations_today),
        still_open=sum(count.open + count.carried for count in operations_today),
        overdue=sum(count.overdue for count in operations_today),
    )


def _operations_today(db: Session, since: datetime, now: datetime) -> list[schemas.OperationCount]:
    """手動対応 begun today, by kind, with those that are still open from earlier days."""
    is_open, is_new = Operation.resolved_at.is_(None), Operation.opened_at >= since
    rows = db.execute(
        select(
            Operation.kind,
            func.count().filter(is_new, is_open).label("open"),
            func.count().filter(is_new, ~is_open).label("done"),
            func.count().filter(~is_new, is_open).label("carried"),
            func.count().filter(is_open, Operation.due_at < now).label("overdue"),
        )
        .where(is_new | is_open)
        .group_by(Operation.kind)
    ).all()
    by_kind = {row.kind: schemas.OperationCount(**row._mapping) for row in rows}
    return [by_kind[kind] for kind in Task if kind in by_kind]


def _count(db: Session, condition: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(Reservation).where(condition)) or 0


def week(db: Session) -> schemas.Week:
    """This week from Monday on, by day, and the previous week in total."""
    now = app_now(db)
    first = monday(local_date(now))
    since, until = day_bounds(first)[0], day_bounds(first + WEEK)[0]
    counts = by_day(db, since - WEEK, until)
    days = [first + DAY * number for number in range(7)]
    this_week = sum((counts.get(day, Counts()) for day in days), Counts())
    last_week = sum((counts.get(day - WEEK, Counts()) for day in days), Counts())
    config = settings()
    return schemas.Week(
        as_of=now,
        first=first,
        days=[schemas.DayRates(day=day, **_rates(counts.get(day, Counts()))) for day in days],
        this=schemas.Rates(**_rates(this_week)),
        before=schemas.Rates(**_rates(last_week)),
        success_goal=config.success_goal or None,
        payment_goal=config.payment_goal or None,
    )


def _rates(counts: Counts) -> dict[str, Any]:
    return {"success": counts.success, "payment": counts.payment, "cancellation": counts.cancellation}


def by_day(db: Session, since: datetime, until: datetime) -> dict[date, Counts]:
    """Counts by day in Tokyo time; days without any are missing."""
    rows = db.execute(_BY_DAY, fact_parameters(since, until)).mappings()
    return {row["day"]: counts_of(row) for row in rows}


def notices(db: Session) -> schemas.Notices:
    """The latest Slack messages, and whether they were sent."""
    statement = (
        select(
            OutboxMessage.id,
            OutboxMessage.title,
            OutboxMessage.recipient,
            OutboxMessage.subject,
            OutboxMessage.subject_id,
            OutboxMessage.created_at,
            OutboxMessage.sent_at,
            STATE.label("state"),
            OutboxMessage.last_error,
        )
        .where(OutboxMessage.area == AREA.name, OutboxMessage.topic == "slack")
        .order_by(OutboxMessage.id.desc())
        .limit(MAX_NOTICES)
    )
    # The outbox uses real time.
    return schemas.Notices(as_of=real_now(), items=[schemas.Notice(**row._mapping) for row in db.execute(statement)])
