"""Every read of figures. What is counted is said once (`FACTS`); who asks says of which time, and grouped by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select, text
from sqlalchemy.orm import Session

from service.core.clock import app_now, real_now
from service.core.messages import STATE
from service.core.outbox import OutboxMessage
from service.core.times import DAY, day_bounds, local_date
from service.reservations.desk.rules import UNLISTED
from service.reservations.events.rules import State, Task
from service.reservations.figures.rules import COUNTS, DECIDED, WEEK, Counts, Period, monday
from service.reservations.flow.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.rules import AREA
from service.reservations.settings import settings

NOTICES_SHOWN = 10

# One row for each thing that counts: which reservation's, when, what (a name of `rules.Counts`) and how much. Each
# branch is a range of an index.
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


def asked(since: datetime, until: datetime) -> dict[str, Any]:
    """The parameters of `FACTS`."""
    return {"since": since, "until": until, "decided": sorted(State(state).value for state in DECIDED)}


def counts_of(row: RowMapping) -> Counts:
    return Counts(**{name: int(row[name]) for name in COUNTS})


def period(db: Session, since: datetime, until: datetime) -> Period:
    """What a stretch of time [since, until) amounts to, as far as it is known now."""
    total, by_service, by_shop = Counts(), Counter[str](), Counter[tuple[str, str]]()
    for row in db.execute(_BY_SERVICE_AND_SHOP, asked(since, until)).mappings():
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
        by_service=_from_the_most(by_service),
        by_shop=_from_the_most(_told_apart(by_shop)),
    )


def operations(db: Session, since: datetime, until: datetime) -> Mapping[str, int]:
    """手動対応 that began in that time, by kind, the most frequent first."""
    found = (
        select(Operation.kind, func.count().label("number"))
        .where(Operation.opened_at >= since, Operation.opened_at < until)
        .group_by(Operation.kind)
        .order_by(func.count().desc(), Operation.kind)
    )
    return {row.kind: row.number for row in db.execute(found)}


def _from_the_most(counted: Mapping[str, int]) -> Mapping[str, int]:
    return {name: count for name, count in sorted(counted.items(), key=lambda one: -one[1]) if count}


def _told_apart(counted: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    """By name; shops of one name by their code as well."""
    names = Counter(name for name, _ in counted)
    return {f"{name}（{code}）" if names[name] > 1 else name: count for (name, code), count in counted.items()}


# 運営ダッシュボード


def today(db: Session) -> dict[str, Any]:
    """Reservations made today by how they stand now, and what people had and have to do today."""
    now = app_now(db)
    day = local_date(now)
    since, until = day_bounds(day)
    made = (Reservation.created_at >= since) & (Reservation.created_at < until)
    states = db.execute(
        select(Reservation.state, func.count().label("number")).where(made).group_by(Reservation.state)
    ).all()
    known = {row.state: row.number for row in states}
    before = (Reservation.created_at >= since - DAY) & (Reservation.created_at <= now - DAY)
    starting = (Reservation.starts_at >= since) & (Reservation.starts_at < until)
    return {
        "as_of": now,
        "day": day,
        "requested": sum(known.values()),
        "before": _count(db, before),
        "states": [{"state": state, "number": known[state]} for state in State if state in known],
        "starting": _count(db, starting & (Reservation.state == State.CONFIRMED)),
    } | _operations_today(db, since, now)


def _operations_today(db: Session, since: datetime, now: datetime) -> dict[str, Any]:
    """`operations`: begun today, by kind; beside them what is left of earlier days."""
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
    by_kind = {
        row.kind: {"kind": row.kind, "open": row.open, "done": row.done, "carried": row.carried, "overdue": row.overdue}
        for row in rows
    }
    found = [by_kind[kind] for kind in Task if kind in by_kind]
    return {
        "operations": found,
        "begun": sum(one["open"] + one["done"] for one in found),
        "still_open": sum(one["open"] + one["carried"] for one in found),
        "overdue": sum(one["overdue"] for one in found),
    }


def _count(db: Session, condition: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(Reservation).where(condition)) or 0


def week(db: Session) -> dict[str, Any]:
    """This week from Monday on, day by day, and the week before as a whole."""
    now = app_now(db)
    first = monday(local_date(now))
    since, until = day_bounds(first)[0], day_bounds(first + WEEK)[0]
    counted = by_day(db, since - WEEK, until)
    days = [first + DAY * number for number in range(7)]
    this = sum((counted.get(day, Counts()) for day in days), Counts())
    before = sum((counted.get(day - WEEK, Counts()) for day in days), Counts())
    config = settings()
    return {
        "as_of": now,
        "first": first,
        "days": [_rates(counted.get(day, Counts())) | {"day": day} for day in days],
        "this": _rates(this),
        "before": _rates(before),
        "success_goal": config.success_goal or None,
        "payment_goal": config.payment_goal or None,
    }


def _rates(counts: Counts) -> dict[str, Any]:
    return {"success": counts.success, "payment": counts.payment, "cancellation": counts.cancellation}


def by_day(db: Session, since: datetime, until: datetime) -> dict[date, Counts]:
    """The days of Tokyo on which anything counted."""
    rows = db.execute(_BY_DAY, asked(since, until)).mappings()
    return {row["day"]: counts_of(row) for row in rows}


def notices(db: Session) -> dict[str, Any]:
    """What Slack was told last, and whether it arrived."""
    found = (
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
        .limit(NOTICES_SHOWN)
    )
    # Messages are written and sent on real time.
    return {"as_of": real_now(), "items": [dict(row._mapping) for row in db.execute(found)]}
