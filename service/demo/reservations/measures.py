"""The demo's machines: a day of 監視 by the minute, and two alarms that are over. On real time, as all measures."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from math import cos, pi
from random import Random
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.core.values.times import DAY, TOKYO
from service.reservations.alarms.models import Alarm, Measure
from service.reservations.alarms.rules import CHECKS, MINUTE, Kind, to_minute

# Real looks judge how things are now: nothing is made up of what they look at (`alarms.queries.past`).
UNTOUCHED = timedelta(minutes=20)
# When the alarm of the last day began, how long it lasted, and what there was in its minutes.
BUSY_BEFORE, BUSY_FOR, BUSY_CPU = timedelta(hours=9), timedelta(minutes=14), 91.0
# Before the measures that are still there: the queue's, on the day it was reported.
QUEUED_BEFORE, QUEUED_FOR = timedelta(days=3, hours=2), timedelta(minutes=7)


def fill(db: Session, now: datetime | None = None) -> None:
    if db.scalars(select(Measure.minute).limit(1)).first() is not None:
        return
    now = now or real_now()
    end, chance = to_minute(now - UNTOUCHED), Random(1)
    busy = to_minute(now - BUSY_BEFORE)
    minutes = [end - n * MINUTE for n in range(int(DAY / MINUTE))]
    db.execute(insert(Measure), [_measure(minute, busy <= minute < busy + BUSY_FOR, chance) for minute in minutes])
    traffic = [_traffic(minute, chance) for minute in minutes]
    db.execute(upsert(TrafficMinute).on_conflict_do_nothing(), traffic)
    # It speaks up once five whole minutes were beyond the limit, and is silent once five were well.
    begins = timedelta(minutes=CHECKS[Kind.CPU].begins)
    db.add_all(
        [
            _alarm(Kind.CPU, busy + begins, busy + BUSY_FOR + begins, BUSY_CPU, ""),
            _alarm(
                Kind.QUEUE,
                to_minute(now - QUEUED_BEFORE),
                to_minute(now - QUEUED_BEFORE) + QUEUED_FOR,
                143,
                "内訳: 通知の送信 131件、予約の進行 12件",
            ),
        ]
    )


def _by_day(minute: datetime) -> float:
    """0 at night, 1 in the early afternoon."""
    local = minute.astimezone(TOKYO)
    return (1 - cos(2 * pi * ((local.hour * 60 + local.minute) / 1440 - 2 / 24))) / 2


def _measure(minute: datetime, is_busy: bool, chance: Random) -> dict[str, Any]:
    load = _by_day(minute)
    cpu = BUSY_CPU - 6 * chance.random() if is_busy else 9 + 32 * load + 8 * chance.random()
    waiting = chance.randrange(int(4 + 14 * load))
    return {
        "minute": minute,
        "cpu": cpu,
        "memory": 41 + 9 * load + chance.random(),
        "samples": 6,
        "queue_least": 0,
        "queue_most": waiting,
        "waiting_ticks": 0,
        "waiting_outbox": waiting,
        "waiting_inbox": 0,
        "waiting_flow": 0,
    }


def _traffic(minute: datetime, chance: Random) -> dict[str, Any]:
    requests = int(190 + 320 * _by_day(minute) + 40 * chance.random())
    errors = int(chance.random() < 0.03)
    buckets = [0] * (len(BUCKETS_MS) + 1)
    buckets[0], buckets[1], buckets[2] = int(requests * 0.82), int(requests * 0.12), 3
    buckets[3] = requests - sum(buckets)
    return {"minute": minute, "requests": requests, "errors": errors, "buckets": buckets}


def _alarm(kind: Kind, begun_at: datetime, over_at: datetime, worst: float, detail: str) -> Alarm:
    return Alarm(
        kind=kind.value,
        begun_at=begun_at,
        over_at=over_at,
        worst=worst,
        latest=CHECKS[kind].below / 2,
        detail=detail,
        told_key=uuid.uuid4(),
        told_at=begun_at,
    )
