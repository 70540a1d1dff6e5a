"""The facts for the fleet's reports and labels, computed in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.database.paging import Page
from service.core.printing.labels import Label
from service.core.problems import Invalid, NotFound
from service.core.values.times import TOKYO, format_local_datetime
from service.fleet import queries
from service.fleet.models import Customer, Terminal, heartbeats
from service.fleet.reports.rules import MAX_LABELS, MAX_LISTED, ListExcerpt, StatusFacts

HOURS = 24
Item = TypeVar("Item")


def status_facts(db: Session) -> StatusFacts:
    summary = queries.summary(db)
    now = summary.as_of
    this_hour = now.astimezone(TOKYO).replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=HOURS - 1)
    oldest = summary.oldest_open_alert_at
    return StatusFacts(
        made_at=now,
        now=format_local_datetime(now),
        period=f"{format_local_datetime(since)} 〜 {format_local_datetime(now)}",
        counts=summary.terminals,
        oldest_alert=format_local_datetime(oldest) if oldest else None,
        hours=_heartbeats_per_hour(db, since),
        customers=_excerpt(queries.customers(db, MAX_LISTED, None)),
        alerts=_excerpt(queries.alerts(db, MAX_LISTED, None, only_open=True)),
        terminals=_excerpt(queries.terminals(db, MAX_LISTED, None)),
    )


def _excerpt(page: Page[Item]) -> ListExcerpt[Item]:
    return ListExcerpt(page.items, page.total)


def _heartbeats_per_hour(db: Session, since: datetime) -> list[tuple[str, int]]:
    """Label and number of each hour from `since` on, hours without a heartbeat included."""
    hour = func.date_trunc("hour", heartbeats.c.received_at, TOKYO.key)
    statement = select(hour, func.count()).where(heartbeats.c.received_at >= since).group_by(hour)
    counts: dict[datetime, int] = {row[0]: row[1] for row in db.execute(statement)}
    hours = [since + timedelta(hours=offset) for offset in range(HOURS)]
    return [(f"{start.hour}時", counts.get(start, 0)) for start in hours]


def terminal_labels(db: Session, customer_id: int | None) -> Sequence[Label]:
    """One label for each terminal, by serial number; of one customer, or of all."""
    statement = (
        select(Terminal.serial_number, Terminal.store_name, Customer.company_name)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Terminal.archived_at.is_(None))
        .order_by(Terminal.serial_number)
        .limit(MAX_LABELS + 1)
    )
    if customer_id is not None:
        queries.get_customer(db, customer_id)
        statement = statement.where(Terminal.customer_id == customer_id)
    rows = db.execute(statement).all()
    if not rows:
        raise NotFound("印刷する端末がありません。先に端末を登録してください。")
    if len(rows) > MAX_LABELS:
        raise Invalid(
            f"一度に印刷できるラベルは{MAX_LABELS:,}枚までです。顧客企業を選んで印刷してください。",
            [("customer_id", "顧客企業を選んでください。")],
        )
    return [Label(serial, (serial, store, company)) for serial, store, company in rows]
