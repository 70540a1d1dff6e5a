"""The reservation tick with a thousand reservations in progress: `python -m tests.load.reservation_ticks` fills the
database of its environment, runs the job once a second for a while, and prints one JSON object.

Most reservations wait for a payment, some for a shop with a busy line, some for their day. Then two hundred fall due in
the same second.
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
from service.reservations.models import Reservation, TimelineEvent
from tests.api.reservations import scene

AWAITING, CONFIRMED, SEEKING, DUE_AT_ONCE = 600, 100, 300, 200
QUIET_TICKS = 30

_SET_DUE = text(
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
        due_at = app_now(db) + timedelta(seconds=2)
        _fall_due(db, due_at, DUE_AT_ONCE)
    burst = []
    until = time.monotonic() + 60
    while _served() < DUE_AT_ONCE:
        if time.monotonic() > until:
            raise SystemExit(f"only {_served()} of {DUE_AT_ONCE} were served within a minute")
        burst.append(_tick())
    print(json.dumps(_figures(quiet, burst, due_at)))


def _fill() -> None:
    with transaction(SYSTEM) as db:
        scene.fill(db)
    for count, create in (
        (CONFIRMED, scene.confirmed),
        (AWAITING, scene.awaiting_payment),
        (SEEKING, scene.create_reservation),
    ):
        for start in range(0, count, 50):
            with transaction(SYSTEM) as db:
                for _ in range(start, min(start + 50, count)):
                    create(db)
    with transaction(SYSTEM) as db:
        # No message waits for a sender, as in a running product.
        db.execute(text("UPDATE reservations_messages SET status = 'delivered'"))
        db.execute(text("UPDATE outbox_messages SET sent_at = now()"))
        _fall_due(db, app_now(db) + timedelta(minutes=10), AWAITING)
    # All were requested within a minute; from here on each is due at its own time.
    while _due():
        jobs.advance_reservations()


def _due() -> int:
    with transaction(SYSTEM) as db:
        return db.scalar(select(func.count()).where(Reservation.next_action_at <= app_now(db))) or 0


def _fall_due(db: Session, due_at: datetime, count: int) -> None:
    """Lets the payment time of so many reservations end at `due_at`."""
    changed = json.dumps({"deadline": due_at.isoformat(), "next_action_at": due_at.isoformat()})
    db.execute(_SET_DUE, {"moment": due_at, "changed": changed, "most": count})


def _tick() -> float:
    """Runs the job once and returns its milliseconds; the next run starts a second after this one, as with beat."""
    started_at = time.perf_counter()
    jobs.advance_reservations()
    seconds = time.perf_counter() - started_at
    time.sleep(max(0.0, 1 - seconds))
    return seconds * 1000


def _served() -> int:
    with transaction(SYSTEM) as db:
        return db.scalar(select(func.count()).where(TimelineEvent.kind == "deadline_passed")) or 0


def _figures(quiet: list[float], burst: list[float], due: datetime) -> dict[str, Any]:
    with transaction(SYSTEM) as db:
        last = db.scalar(select(func.max(TimelineEvent.at)).where(TimelineEvent.kind == "deadline_passed"))
        rows = db.execute(select(Reservation.state, func.count()).group_by(Reservation.state)).all()
        states = {str(row[0]): int(row[1]) for row in rows}
    assert last is not None
    return {
        "states": states,
        "quiet_ms": round(statistics.median(quiet), 1),
        "quiet_most_ms": round(max(quiet), 1),
        "burst_ms": [round(milliseconds) for milliseconds in burst],
        "late_seconds": round((last - due).total_seconds(), 2),
    }


if __name__ == "__main__":
    main()
