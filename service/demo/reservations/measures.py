"""The demo's machines: a day of 監視 by the minute, and two alarms that are over. On real time, as all measures."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from math import cos, pi
from random import Random

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.core.values.times import DAY, TOKYO
from service.demo.files import Row, insert_rows
from service.reservations.alarms.models import Alarm, Measure
from service.reservations.alarms.rules import CHECKS, MINUTE, Kind, to_minute

# Real looks judge how things are now: nothing is made up of what they look at (`alarms.queries.past`).
UNTOUCHED = timedelta(minutes=20)
# When the alarm of the last day began, how long it lasted, and what there was in its minutes.
BUSY_BEFORE, BUSY_FOR, BUSY_CPU = timedelta(hours=9), timedelta(minutes=14), 91.0
# Before the measures that are still there: the queue's, on the day it was reported.
QUEUED_BEFORE, QUEUED_FOR = timedelta(days=3, hours=2), timedelta(minutes=7)


def fill(db: Session) -> None:
    if db.scalars(select(Measure.minute).limit(1)).first() is not None:
        return
    now, rng = real_now(), Random(1)
    busy, queued = to_minute(now - BUSY_BEFORE), to_minute(now - QUEUED_BEFORE)
    measures, traffic = [], []
    for back in range(int(DAY / MINUTE)):
        minute = to_minute(now - UNTOUCHED) - back * MINUTE
        load = _by_day(minute)
        is_busy = busy <= minute < busy + BUSY_FOR
        cpu = BUSY_CPU - 6 * rng.random() if is_busy else 9 + 32 * load + 8 * rng.random()
        row = {"minute": minute, "cpu": cpu, "memory": 41 + 9 * load + rng.random(), "samples": 6}
        row |= dict.fromkeys(("queue_least", "waiting_ticks", "waiting_inbox", "waiting_flow"), 0)
        measures.append(row | dict.fromkeys(("queue_most", "waiting_outbox"), rng.randrange(int(4 + 14 * load))))
        traffic.append(_traffic(minute, load, rng))
    insert_rows(db, Measure, measures)
    db.execute(upsert(TrafficMinute).on_conflict_do_nothing(), traffic)
    # It speaks up once five whole minutes were beyond the limit, and is silent once five were well.
    begins = timedelta(minutes=CHECKS[Kind.CPU].begins)
    db.add(_alarm(Kind.CPU, busy + begins, busy + BUSY_FOR + begins, BUSY_CPU))
    db.add(_alarm(Kind.QUEUE, queued, queued + QUEUED_FOR, 143, "内訳: 通知の送信 131件、予約の進行 12件"))


def _by_day(minute: datetime) -> float:
    """0 at night, 1 in the early afternoon."""
    local = minute.astimezone(TOKYO)
    return (1 - cos(2 * pi * ((local.hour * 60 + local.minute) / 1440 - 2 / 24))) / 2


def _traffic(minute: datetime, load: float, rng: Random) -> Row:
    requests = int(190 + 320 * load + 40 * rng.random())
    buckets = [int(requests * 0.82), int(requests * 0.12), 3]
    buckets += [requests - sum(buckets), *[0] * (len(BUCKETS_MS) - len(buckets))]
    return {"minute": minute, "requests": requests, "errors": int(rng.random() < 0.03), "buckets": buckets}


def _alarm(kind: Kind, begun_at: datetime, over_at: datetime, worst: float, detail: str = "") -> Alarm:
    when = {"begun_at": begun_at, "over_at": over_at, "told_at": begun_at, "told_key": uuid.uuid4()}
    return Alarm(kind=kind.value, worst=worst, latest=CHECKS[kind].below / 2, detail=detail, **when)
