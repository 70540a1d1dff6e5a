"""The tick of reservations while a thousand of them are in flight: `python -m tests.load.reservation_ticks` fills the
database of its environment, plays beat for a while, and prints one JSON object.

Most wait for money, some for a shop whose line is taken, some for their day. Then two hundred fall due in one second.
"""

from __future__ import annotations

import json
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from jobs import reservations as jobs
from service.core.database.clock import app_now
from service.core.database.session import SYSTEM, transaction
from service.reservations.flow.models import Reservation, TimelineEvent
from tests.api.reservations import scene

AWAITING, CONFIRMED, SEEKING, DUE_AT_ONCE = 600, 100, 300, 200
QUIET_TICKS = 30

_DUE_AT = text(
    """
    UPDATE reservations_reservations SET next_action_at = :moment,
        case_now = case_now || CAST(:changed AS jsonb)
    WHERE id IN (SELECT id FROM reservations_reservations WHERE state = 'awaiting_payment' ORDER BY id LIMIT :most)
    """
)


def main() -> None:
    _fill()
    quiet = [_tick() for _ in range(QUIET_TICKS)]
    with transaction(SYSTEM) as db:
        moment = app_now(db) + timedelta(seconds=2)
        _fall_due(db, moment, DUE_AT_ONCE)
    burst = []
    until = time.monotonic() + 60
    while _served() < DUE_AT_ONCE:
        if time.monotonic() > until:
            raise SystemExit(f"only {_served()} of {DUE_AT_ONCE} were served within a minute")
        burst.append(_tick())
    print(json.dumps(_figures(quiet, burst, moment)))


def _fill() -> None:
    with transaction(SYSTEM) as db:
        scene.fill(db)
    for count, make in ((CONFIRMED, scene.confirmed), (AWAITING, scene.awaiting), (SEEKING, scene.ask)):
        for begun in range(0, count, 50):
            with transaction(SYSTEM) as db:
                for _ in range(begun, min(begun + 50, count)):
                    make(db)
    with transaction(SYSTEM) as db:
        # Nothing of it waits for a sender, as in a product that runs.
        db.execute(text("UPDATE reservations_messages SET status = 'delivered'"))
        db.execute(text("UPDATE outbox_messages SET sent_at = now()"))
        _fall_due(db, app_now(db) + timedelta(minutes=10), AWAITING)
    # All were asked for within a minute; from here on they look when it is their time.
    while _due():
        jobs.advance_reservations()


def _due() -> int:
    with transaction(SYSTEM) as db:
        return db.scalar(select(func.count()).where(Reservation.next_action_at <= app_now(db))) or 0


def _fall_due(db: Session, moment: datetime, most: int) -> None:
    """As many of those that wait for money: their ten minutes end then."""
    changed = json.dumps({"deadline": moment.isoformat(), "next_action_at": moment.isoformat()})
    db.execute(_DUE_AT, {"moment": moment, "changed": changed, "most": most})


def _tick() -> float:
    """Milliseconds; the next one begins a second after this one did, as beat has it."""
    begun = time.perf_counter()
    jobs.advance_reservations()
    took = time.perf_counter() - begun
    time.sleep(max(0.0, 1 - took))
    return took * 1000


def _served() -> int:
    with transaction(SYSTEM) as db:
        return db.scalar(select(func.count()).where(TimelineEvent.kind == "deadline_passed")) or 0


def _figures(quiet: list[float], burst: list[float], due: datetime) -> dict[str, Any]:
    with transaction(SYSTEM) as db:
        last = db.scalar(select(func.max(TimelineEvent.at)).where(TimelineEvent.kind == "deadline_passed"))
        counted = db.execute(select(Reservation.state, func.count()).group_by(Reservation.state)).all()
        states = {str(row[0]): int(row[1]) for row in counted}
    assert last is not None
    return {
        "states": states,
        "quiet_ms": round(statistics.median(quiet), 1),
        "quiet_most_ms": round(max(quiet), 1),
        "burst_ms": [round(one) for one in burst],
        "late_seconds": round((last - due).total_seconds(), 2),
    }


if __name__ == "__main__":
    main()
