"""The facts that the fleet's reports and labels need; counted in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.clock import TOKYO, in_words
from service.core.labels import Label
from service.core.problems import Invalid, NotFound
from service.fleet import queries
from service.fleet.models import Customer, Terminal, heartbeats
from service.fleet.reports.rules import LISTED, MOST_LABELS, Listed, StatusFacts

HOURS = 24


def status_facts(db: Session) -> StatusFacts:
    summary = queries.summary(db)
    now: datetime = summary["as_of"]
    this_hour = now.astimezone(TOKYO).replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=HOURS - 1)
    oldest = summary["oldest_open_alert_at"]
    return StatusFacts(
        made_at=now,
        now=in_words(now),
        period=f"{in_words(since)} 〜 {in_words(now)}",
        counts=summary["terminals"],
        oldest_alert=in_words(oldest) if oldest else None,
        hours=_heartbeats_per_hour(db, since),
        customers=_listed(queries.customers(db, LISTED, None)),
        alerts=_listed(queries.alerts(db, LISTED, None, only_open=True), "created_at"),
        terminals=_listed(queries.terminals(db, LISTED, None), "last_heartbeat_at"),
    )


def _listed(page: dict[str, Any], moment: str | None = None) -> Listed:
    rows = page["items"]
    if moment:
        rows = [row | {moment: in_words(row[moment]) if row[moment] else None} for row in rows]
    return Listed(rows, page["total"])


def _heartbeats_per_hour(db: Session, since: datetime) -> list[tuple[str, int]]:
    """Label and number of each hour from `since` on, hours without a heartbeat included."""
    hour = func.date_trunc("hour", heartbeats.c.received_at, TOKYO.key)
    counted = select(hour, func.count()).where(heartbeats.c.received_at >= since).group_by(hour)
    found: dict[datetime, int] = {row[0]: row[1] for row in db.execute(counted)}
    moments = [since + timedelta(hours=place) for place in range(HOURS)]
    return [(f"{moment.hour}時", found.get(moment, 0)) for moment in moments]


def terminal_labels(db: Session, customer_id: int | None) -> Sequence[Label]:
    """One label for each terminal, by serial number; of one customer, or of all."""
    found = (
        select(Terminal.serial_number, Terminal.store_name, Customer.company_name)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Terminal.archived_at.is_(None))
        .order_by(Terminal.serial_number)
        .limit(MOST_LABELS + 1)
    )
    if customer_id is not None:
        queries.get_customer(db, customer_id)
        found = found.where(Terminal.customer_id == customer_id)
    rows = db.execute(found).all()
    if not rows:
        raise NotFound("印刷する端末がありません。先に端末を登録してください。")
    if len(rows) > MOST_LABELS:
        raise Invalid(
            f"一度に印刷できるラベルは{MOST_LABELS:,}枚までです。顧客企業を選んで印刷してください。",
            [("customer_id", "顧客企業を選んでください。")],
        )
    return [Label(serial, (serial, store, company)) for serial, store, company in rows]
