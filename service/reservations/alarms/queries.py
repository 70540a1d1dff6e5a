"""Every read of 監視."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from sqlalchemy import Integer, Select, cast, func, select
from sqlalchemy.orm import Session

from service.core import probes
from service.core.areas import TICK_QUEUE, ticks
from service.core.clock import app_now, real_now
from service.core.health import JobHeartbeat
from service.core.instances import GONE_AFTER, Instance
from service.core.outbox import OutboxMessage
from service.core.paging import Key, Listing, equals, when
from service.core.probes import Probe
from service.core.problems import NotFound
from service.core.settings import settings
from service.core.times import month_of
from service.core.traffic import BUCKETS_MS, TrafficMinute
from service.reservations.alarms import rules
from service.reservations.alarms.models import Alarm, Measure, Proposal
from service.reservations.alarms.rules import Case, Kind, Minute, Past
from service.reservations.flow.models import Reservation, Webhook
from service.reservations.operations.models import Operation
from service.reservations.rules import AREA

REDIS_PATIENCE = 2
# A watchdog that says nothing for longer watches nothing (4.1.1: every five minutes).
PROBES_EVERY = timedelta(minutes=5)
CHART_SPAN, CHART_STEP = timedelta(hours=24), timedelta(minutes=10)
DOORS = {"service": "データサービス", "dashboards": "画面"}
WAITING_WORDS = (
    ("waiting_ticks", "Celeryのキュー"),
    ("waiting_outbox", "通知の送信"),
    ("waiting_inbox", "外部サービスからの連絡"),
    ("waiting_flow", "予約の進行"),
)


@dataclass(frozen=True)
class Waiting:
    """What could be done now and is not: ticks in Celery's queues, this area's messages, what vendors said, and
    reservations whose time has come."""

    waiting_ticks: int
    waiting_outbox: int
    waiting_inbox: int
    waiting_flow: int

    @property
    def total(self) -> int:
        return self.waiting_ticks + self.waiting_outbox + self.waiting_inbox + self.waiting_flow


def in_celery() -> int:
    """Of all queues of the product. Raises RedisError."""
    client = redis.Redis.from_url(
        settings().redis_url.get_secret_value(),
        socket_timeout=REDIS_PATIENCE,
        socket_connect_timeout=REDIS_PATIENCE,
    )
    try:
        queues = {TICK_QUEUE, *(tick.queue for tick in ticks().values())}
        lengths: list[Any] = [client.llen(queue) for queue in sorted(queues)]
        return sum(int(length) for length in lengths)
    finally:
        client.close()


def waiting(db: Session, in_queues: int, now: datetime) -> Waiting:
    """`now`: the real one. Celery's queues are asked before, outside any transaction."""
    outbox = (
        select(func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.dead_at.is_(None))
        .where(OutboxMessage.area == AREA.name, OutboxMessage.next_attempt_at <= now)
    )
    inbox = select(func.count()).select_from(Webhook).where(Webhook.processed_at.is_(None), Webhook.next_try_at <= now)
    flow = select(func.count()).select_from(Reservation).where(Reservation.next_action_at <= app_now(db))
    return Waiting(in_queues, *(db.scalar(one) or 0 for one in (outbox, inbox, flow)))


def machines(db: Session, now: datetime) -> tuple[float | None, float | None]:
    """CPU and memory of the busiest machine, percent. The processes of one machine each measure it: their mean counts.
    None: nobody is there to say."""
    each = (
        select(func.avg(Instance.host_cpu_percent).label("cpu"), func.avg(Instance.host_memory_percent).label("memory"))
        .where(Instance.seen_at > now - GONE_AFTER)
        .group_by(Instance.host)
        .subquery()
    )
    row = db.execute(select(func.max(each.c.cpu), func.max(each.c.memory))).one()
    return row[0], row[1]


def past(db: Session, now: datetime, minutes: int = 15) -> Past:
    """The last minutes, as far as anything is known of them."""
    since = rules.whole(now) - timedelta(minutes=minutes)
    found = {
        row.minute: Minute(row.cpu, row.memory, row.queue_least, row.queue_most)
        for row in db.scalars(select(Measure).where(Measure.minute >= since))
    }
    for row in db.scalars(select(TrafficMinute).where(TrafficMinute.minute >= since)):
        known = found.get(row.minute, rules.NOTHING)
        found[row.minute] = Minute(
            known.cpu, known.memory, known.queue_least, known.queue_most, row.requests, row.errors
        )
    return found


def open_alarms(db: Session, *, lock: bool = False) -> dict[Kind, Alarm]:
    found = select(Alarm).where(Alarm.over_at.is_(None)).order_by(Alarm.id)
    if lock:
        found = found.with_for_update()
    return {Kind(one.kind): one for one in db.scalars(found.execution_options(populate_existing=True))}


def last_measure(db: Session) -> Measure | None:
    newest = select(Measure).order_by(Measure.minute.desc()).limit(1)
    return db.scalars(newest.execution_options(populate_existing=True)).first()


def detail(kind: Kind, measure: Measure | None) -> str:
    """What a figure is made of."""
    if kind is not Kind.QUEUE or measure is None:
        return ""
    return rules.joined([(word, getattr(measure, name)) for name, word in WAITING_WORDS])


def state(db: Session, now: datetime | None = None) -> dict[str, Any]:
    """Every check of 4.1.1 with its figure, its limits and whether it is well."""
    now = now or real_now()
    known, is_open, measure = past(db, now), open_alarms(db), last_measure(db)
    checks = [_alive(db, now)]
    for kind, check in rules.CHECKS.items():
        alarm = is_open.get(kind)
        reading = rules.read(kind, known, now, was_on=alarm is not None)
        value = reading.value
        checks.append(
            {
                "kind": kind.value,
                "title": check.title,
                "value": value,
                "shown": rules.shown(kind, value) if value is not None else None,
                "limit": rules.limit(kind),
                "every_minutes": check.every_minutes,
                "priority": check.priority,
                "state": _well(kind, value, is_on=alarm is not None),
                "since": alarm.begun_at if alarm else None,
                "detail": detail(kind, measure),
            }
        )
    fallen = _silent(db, now)
    return {
        "as_of": app_now(db),
        "checks": checks,
        "measured_at": measure.minute if measure else None,
        "is_measured": measure is not None and now - measure.minute < timedelta(minutes=3),
        "silent_jobs": fallen,
        "open": len(is_open) + (checks[0]["state"] == "alarm"),
    }


def _well(kind: Kind, value: float | None, *, is_on: bool) -> str:
    """`high`: beyond the limit, but not for long enough."""
    if is_on:
        return "alarm"
    if value is None:
        return "unknown"
    return "high" if value > rules.CHECKS[kind].above else "fine"


def _alive(db: Session, now: datetime) -> dict[str, Any]:
    """サーバー死活, by the watchdog's last word on each door."""
    newest = (
        select(Probe.target, Probe.at, Probe.ok, Probe.down)
        .where(Probe.at > now - PROBES_EVERY, Probe.target.in_(probes.TARGETS))
        .order_by(Probe.at)
    )
    last = {row.target: row for row in db.execute(newest)}
    down = [row for row in last.values() if not row.ok]
    well = "alarm" if down else "fine" if last.keys() >= probes.TARGETS else "unknown"
    at = max((row.at for row in last.values()), default=None)
    return {
        "kind": "alive",
        "title": "サーバー死活",
        "value": None,
        "shown": {"alarm": "停止", "fine": "稼働中", "unknown": None}[well],
        "limit": "応答なしが続いたとき",
        "every_minutes": 5,
        "priority": "緊急",
        "state": well,
        "since": at if down else None,
        "detail": _doors({row.target: row.down or "" for row in down}),
    }


def _silent(db: Session, now: datetime) -> list[str]:
    """Ticks that have been silent for longer than they may be."""
    last = {heartbeat.name: heartbeat.at for heartbeat in db.scalars(select(JobHeartbeat))}
    return [
        tick.title
        for name, tick in ticks().items()
        if tick.silence and not tick.remedy and (name not in last or now - last[name] > tick.silence)
    ]


def charts(db: Session, now: datetime | None = None) -> dict[str, Any]:
    """The last 24 hours in steps of ten minutes, oldest first; null where nobody looked. CPU and memory are means in
    percent, `queue` is the most that waited, `errors` percent of the requests, null under the least number."""
    now = now or real_now()
    step = int(CHART_STEP.total_seconds())
    end = datetime.fromtimestamp(now.timestamp() // step * step, now.tzinfo)
    moments = [end - n * CHART_STEP for n in reversed(range(int(CHART_SPAN / CHART_STEP)))]
    place = cast(func.floor(func.extract("epoch", Measure.minute) / step), Integer)
    measures = {
        row.place: row
        for row in db.execute(
            select(
                place.label("place"),
                func.avg(Measure.cpu).label("cpu"),
                func.avg(Measure.memory).label("memory"),
                func.max(Measure.queue_most).label("queue"),
            )
            .where(Measure.minute >= moments[0])
            .group_by(place)
        )
    }
    where = cast(func.floor(func.extract("epoch", TrafficMinute.minute) / step), Integer)
    traffic = {
        row.place: row
        for row in db.execute(
            select(
                where.label("place"),
                cast(func.sum(TrafficMinute.requests), Integer).label("requests"),
                cast(func.sum(TrafficMinute.errors), Integer).label("errors"),
            )
            .where(TrafficMinute.minute >= moments[0])
            .group_by(where)
        )
    }
    points = []
    for moment in moments:
        n = int(moment.timestamp()) // step
        seen, asked = measures.get(n), traffic.get(n)
        enough = asked is not None and asked.requests >= rules.ENOUGH
        points.append(
            {
                "at": moment,
                "cpu": seen.cpu if seen else None,
                "memory": seen.memory if seen else None,
                "queue": seen.queue if seen else None,
                "errors": 100 * asked.errors / asked.requests if asked and enough else None,
            }
        )
    return {"as_of": app_now(db), "points": points}


def outages(db: Session, now: datetime | None = None) -> dict[str, Any]:
    """When the doors did not answer this month, by the watchdog; the last one first."""
    month = probes.month_availability(db, month_of(now or real_now()), now)
    shown = [
        {"start": one["start"], "end": one["end"], "words": _doors(one["down"])} for one in reversed(month["outages"])
    ]
    return {"as_of": app_now(db), "items": shown[:20], "total": len(shown), "down_minutes": month["down_minutes"]}


def _doors(down: Mapping[str, str]) -> str:
    return "、".join(f"{DOORS.get(name, name)}: {said}" for name, said in down.items())


ALARMS = Listing(
    select(Alarm.id, Alarm.kind, Alarm.begun_at, Alarm.over_at, Alarm.worst, Alarm.latest, Alarm.detail),
    unique=Alarm.id,
    keys={"begun_at": Key(Alarm.begun_at)},
    default="-begun_at",
    filters={
        "kind": equals(Alarm.kind),
        "is_open": when(Alarm.over_at.is_(None)),
        "is_over": when(Alarm.over_at.is_not(None)),
    },
)


def alarms(
    db: Session, limit: int, cursor: str | None, *, kind: Kind | None, state: str | None, sort: str
) -> dict[str, Any]:
    found = ALARMS.page(
        db,
        limit,
        cursor,
        sort,
        kind=kind.value if kind else None,
        is_open=True if state == "open" else None,
        is_over=True if state == "over" else None,
    )
    found["items"] = [_as_seen(dict(row)) for row in found["items"]]
    return found


def _as_seen(row: dict[str, Any]) -> dict[str, Any]:
    kind = Kind(row["kind"])
    return row | {
        "text": rules.CHECKS[kind].text,
        "worst": rules.shown(kind, row["worst"]),
        "latest": rules.shown(kind, row["latest"]),
    }


def slow(db: Session, now: datetime) -> tuple[int, int]:
    """Requests of five minutes, and those of them that took longer than they should."""
    place = BUCKETS_MS.index(rules.SLOW_MS)
    rows = db.scalars(select(TrafficMinute).where(TrafficMinute.minute > now - timedelta(minutes=5))).all()
    return sum(row.requests for row in rows), sum(sum(row.buckets[place + 1 :]) for row in rows)


def operations(db: Session, case: Case, now: datetime) -> tuple[int, int, int]:
    """How many there were in the last day or week, how many in the four weeks before it, and how many days of those are
    known. `now`: the product's."""
    span = timedelta(days=1 if case is Case.DAY else 7)
    begins, start = now - span, now - span - timedelta(days=rules.WEEKS)
    row = db.execute(
        select(
            func.count().filter(Operation.opened_at > begins),
            func.count().filter(Operation.opened_at <= begins),
        ).where(Operation.opened_at > start, Operation.opened_at <= now)
    ).one()
    first = db.scalar(select(func.min(Reservation.created_at)))
    known = (begins - max(first, start)).days if first is not None and first < begins else 0
    return row[0], row[1], known


def proposals(db: Session) -> Sequence[Proposal]:
    """Those that nobody has decided about, the last one first."""
    found = select(Proposal).where(Proposal.decided_at.is_(None)).order_by(Proposal.id.desc())
    return db.scalars(found.execution_options(populate_existing=True)).all()


def latest(db: Session, case: Case) -> Proposal | None:
    found: Select[Proposal] = select(Proposal).where(Proposal.kind == case.value).order_by(Proposal.id.desc()).limit(1)
    return db.scalars(found.with_for_update().execution_options(populate_existing=True)).first()


def proposal(db: Session, proposal_id: int, *, lock: bool = False) -> Proposal:
    """Raises NotFound, in words."""
    found = db.get(Proposal, proposal_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定された提案は見つかりません。画面を更新してください。")
    return found


def alone(db: Session, name: str) -> bool:
    """False while another worker does the same just now."""
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(name)))))
