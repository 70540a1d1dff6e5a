"""Every read of figures. What is counted is said once (`FACTS`); who asks says of which time, and grouped by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.reservations.desk.rules import UNLISTED
from service.reservations.events.rules import State
from service.reservations.figures.rules import COUNTS, DECIDED, Counts, Period
from service.reservations.operations.models import Operation

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


def asked(since: datetime, until: datetime) -> dict[str, Any]:
    """The parameters of `FACTS`."""
    return {"since": since, "until": until, "decided": sorted(State(state).value for state in DECIDED)}


def counts_of(row: Mapping[str, Any]) -> Counts:
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
