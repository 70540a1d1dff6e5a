"""A Saturday morning in the fleet, with the clock at a fixed minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_clock
from service.fleet.models import Liveness, Terminal, TerminalState
from service.fleet.watch import actions
from tests import factories

TOKYO = ZoneInfo("Asia/Tokyo")
INTERVAL = timedelta(minutes=5)


def at(clock: str) -> datetime:
    """That Saturday, Tokyo time; a fifth of a second past, so that rounding cannot reach the second before."""
    hour, minute = clock.split(":")
    return datetime(2026, 11, 21, int(hour), int(minute), 0, 200_000, TOKYO)


def set_clock(db: Session, clock: str) -> None:
    """Sets the product's clock, as if the service had been running all the time."""
    now = at(clock).astimezone(UTC)
    db.execute(update(app_clock).values(shift=now - db.execute(select(func.now())).scalar_one()))
    db.execute(update(Liveness).values(alive_at=now))
    db.commit()


def set_heartbeat(db: Session, terminal: Terminal, clock: str, **columns: Any) -> None:
    """Stores a terminal's state as the ingest does after a heartbeat."""
    heartbeat_at = at(clock)
    silence_ends = heartbeat_at + 2 * INTERVAL + timedelta(minutes=1)
    values = {
        "status": "online",
        "last_heartbeat_at": heartbeat_at,
        "offline_after": silence_ends,
        "terminal_connected": True,
        "cpu_usage": 23,
        "memory_usage": 61,
        "disk_usage": 40,
        "firmware_version": "2.1.0",
    }
    db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(**values | columns))


def fill_morning(db: Session) -> None:
    """Two customers, a terminal in each status and one without any heartbeat, two open alerts; it is 10:00."""
    abc, xyz = factories.customer(db, "ABC商事"), factories.customer(db, "XYZストア")
    silent = factories.terminal(db, abc, "TC200-000001", "新宿店 レジ1番")
    broken = factories.terminal(db, xyz, "TC200-000002", "梅田店 レジ1番")
    fine = factories.terminal(db, abc, "TC200-000003", "渋谷店 レジ1番")
    resting = factories.terminal(db, abc, "TC200-000004", "池袋店 レジ1番")
    factories.terminal(db, xyz, "TC200-000005", "難波店 レジ1番")

    set_clock(db, "9:30")
    set_heartbeat(db, silent, "9:15")
    actions.watch(db)
    set_clock(db, "9:48")
    set_heartbeat(db, broken, "9:48", status="error", error="カードリーダー応答なし")
    actions.watch(db)
    set_heartbeat(db, fine, "9:57", cpu_usage=97)
    set_heartbeat(db, resting, "9:57", status="maintenance")
    set_clock(db, "10:00")


def fill_store_outage(db: Session, tills: int) -> None:
    """All terminals of one store fell silent at the same time; it is half an hour later."""
    customer = factories.customer(db, "ABC商事")
    set_clock(db, "9:30")
    for till in range(1, tills + 1):
        set_heartbeat(db, factories.terminal(db, customer, store_name=f"新宿店 レジ{till}番"), "9:15")
    actions.watch(db)
    set_clock(db, "10:00")


def fill_all_online(db: Session, terminals: int = 2) -> None:
    """One customer whose terminals are all online; it is 10:00."""
    customer = factories.customer(db, "ABC商事")
    for _ in range(terminals):
        set_heartbeat(db, factories.terminal(db, customer), "9:59")
    set_clock(db, "10:00")
