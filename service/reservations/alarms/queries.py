"""Queries of 監視."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import redis
from sqlalchemy import Integer, Select, cast, func, select
from sqlalchemy.orm import Session

from service.core.areas import TICK_QUEUE, ticks
from service.core.database.clock import app_now, real_now
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.core.monitoring import probes
from service.core.monitoring.health import JobHeartbeat
from service.core.monitoring.instances import GONE_AFTER, Instance
from service.core.monitoring.probes import Probe
from service.core.outbox.records import OutboxMessage
from service.core.problems import NotFound
from service.core.settings import settings
from service.core.values.times import month_of
from service.reservations.alarms import rules, schemas
from service.reservations.alarms.models import Alarm, Measure, Proposal
from service.reservations.alarms.rules import Case, Kind, Minute, MinutesByStart
from service.reservations.inbox.models import Webhook
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.rules import AREA

REDIS_TIMEOUT = 2
# After this time without a report the watchdog counts as not running (4.1.1: every five minutes).
PROBE_INTERVAL = timedelta(minutes=5)
CHART_SPAN, CHART_STEP = timedelta(hours=24), timedelta(minutes=10)
BACKLOG_LABELS = (
    ("waiting_ticks", "Celeryのキュー"),
    ("waiting_outbox", "通知の送信"),
    ("waiting_inbox", "外部サービスからの連絡"),
    ("waiting_flow", "予約の進行"),
)


@dataclass(frozen=True)
class Backlog:
    """Work that is due but not done: ticks in Celery's queues, this area's outbox messages, webhooks, and reservations
    with a due event."""

    waiting_ticks: int
    waiting_outbox: int
    waiting_inbox: int
    waiting_flow: int

    @property
    def total(self) -> int:
        return self.waiting_ticks + self.waiting_outbox + self.waiting_inbox + self.waiting_flow


def celery_queue_length() -> int:
    """The length of all Celery queues of the product. Raises RedisError."""
    client = redis.Redis.from_url(
        settings().redis_url.get_secret_value(),
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
    )
    try:
        queues = {TICK_QUEUE, *(tick.queue for tick in ticks().values())}
        lengths: list[Any] = [client.llen(queue) for queue in sorted(queues)]
        return sum(int(length) for length in lengths)
    finally:
        client.close()


def backlog(db: Session, in_queues: int, now: datetime) -> Backlog:
    """`now`: real time. Celery's queues are read before, outside any transaction (`in_queues`)."""
    outbox = (
        select(func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.dead_at.is_(None))
        .where(OutboxMessage.area == AREA.name, OutboxMessage.next_attempt_at <= now)
    )
    inbox = select(func.count()).select_from(Webhook).where(Webhook.processed_at.is_(None), Webhook.next_try_at <= now)
    flow = select(func.count()).select_from(Reservation).where(Reservation.next_action_at <= app_now(db))
    return Backlog(in_queues, *(db.scalar(statement) or 0 for statement in (outbox, inbox, flow)))


def machine_load(db: Session, now: datetime) -> tuple[float | None, float | None]:
    """CPU and memory of the busiest machine in percent. Each process measures its machine: the mean counts. None: no
    process is running."""
    per_machine = (
        select(func.avg(Instance.host_cpu_percent).label("cpu"), func.avg(Instance.host_memory_percent).label("memory"))
        .where(Instance.seen_at > now - GONE_AFTER)
        .group_by(Instance.host)
        .subquery()
    )
    row = db.execute(select(func.max(per_machine.c.cpu), func.max(per_machine.c.memory))).one()
    return row[0], row[1]


def recent_minutes(db: Session, now: datetime, minutes: int = 15) -> MinutesByStart:
    """The data of the last minutes; minutes without any data are missing."""
    since = rules.to_minute(now) - timedelta(minutes=minutes)
    minutes_data = {
        row.minute: Minute(row.cpu, row.memory, row.queue_least, row.queue_most)
        for row in db.scalars(select(Measure).where(Measure.minute >= since))
    }
    for row in db.scalars(select(TrafficMinute).where(TrafficMinute.minute >= since)):
        measured = minutes_data.get(row.minute, rules.NO_DATA)
        minutes_data[row.minute] = Minute(
            measured.cpu, measured.memory, measured.queue_least, measured.queue_most, row.requests, row.errors
        )
    return minutes_data


def open_alarms(db: Session, *, lock: bool = False) -> dict[Kind, Alarm]:
    statement = select(Alarm).where(Alarm.over_at.is_(None)).order_by(Alarm.id)
    if lock:
        statement = statement.with_for_update()
    return {Kind(alarm.kind): alarm for alarm in db.scalars(statement.execution_options(populate_existing=True))}


def last_measure(db: Session) -> Measure | None:
    statement = select(Measure).order_by(Measure.minute.desc()).limit(1)
    return db.scalars(statement.execution_options(populate_existing=True)).first()


def detail(kind: Kind, measure: Measure | None) -> str:
    """The parts of a figure as text."""
    if kind is not Kind.QUEUE or measure is None:
        return ""
    return rules.breakdown_text([(label, getattr(measure, name)) for name, label in BACKLOG_LABELS])


def state(db: Session, now: datetime | None = None) -> schemas.State:
    """All checks of 4.1.1 with figure, limit and state."""
    now = now or real_now()
    minutes, alarms_by_kind, measure = recent_minutes(db, now), open_alarms(db), last_measure(db)
    checks = [_liveness_check(db, now)]
    for kind, check in rules.CHECKS.items():
        alarm = alarms_by_kind.get(kind)
        reading = rules.read_check(kind, minutes, now, was_on=alarm is not None)
        value = reading.value
        checks.append(
            schemas.Check(
                kind=kind.value,
                title=kind.label,
                value=value,
                shown=rules.format_figure(kind, value) if value is not None else None,
                limit=rules.limit_text(kind),
                every_minutes=check.every_minutes,
                priority=check.priority,
                state=_check_state(kind, value, is_on=alarm is not None),
                since=alarm.begun_at if alarm else None,
                detail=detail(kind, measure),
            )
        )
    return schemas.State(
        as_of=app_now(db),
        checks=checks,
        measured_at=measure.minute if measure else None,
        is_measured=measure is not None and now - measure.minute < timedelta(minutes=3),
        silent_jobs=_silent_ticks(db, now),
        open=len(alarms_by_kind) + (checks[0].state == "alarm"),
    )


def _check_state(kind: Kind, value: float | None, *, is_on: bool) -> schemas.CheckState:
    """`high`: above the limit, but not for long enough."""
    if is_on:
        return "alarm"
    if value is None:
        return "unknown"
    return "high" if value > rules.CHECKS[kind].above else "fine"


def _liveness_check(db: Session, now: datetime) -> schemas.Check:
    """サーバー死活, by the watchdog's last report on each target."""
    statement = (
        select(Probe.target, Probe.at, Probe.ok, Probe.down)
        .where(Probe.at > now - PROBE_INTERVAL, Probe.target.in_(probes.TARGETS))
        .order_by(Probe.at)
    )
    last_probes = {row.target: row for row in db.execute(statement)}
    down = [row for row in last_probes.values() if not row.ok]
    state: Literal["alarm", "fine", "unknown"] = (
        "alarm" if down else "fine" if last_probes.keys() >= probes.TARGETS.keys() else "unknown"
    )
    at = max((row.at for row in last_probes.values()), default=None)
    return schemas.Check(
        kind="alive",
        title="サーバー死活",
        value=None,
        shown={"alarm": "停止", "fine": "稼働中", "unknown": None}[state],
        limit="応答なしが続いたとき",
        every_minutes=5,
        priority="緊急",
        state=state,
        since=at if down else None,
        detail=_outage_text({row.target: row.down or "" for row in down}),
    )


def _silent_ticks(db: Session, now: datetime) -> list[str]:
    """Ticks that have not reported within their limit."""
    last_reports = {heartbeat.name: heartbeat.at for heartbeat in db.scalars(select(JobHeartbeat))}
    return [
        tick.title
        for name, tick in ticks().items()
        if tick.silence and not tick.remedy and (name not in last_reports or now - last_reports[name] > tick.silence)
    ]


def charts(db: Session, now: datetime | None = None) -> schemas.Charts:
    """The last 24 hours in steps of ten minutes, oldest first; null where nothing was measured. CPU and memory are
    means in percent, `queue` is the maximum backlog, `errors` percent of the requests, null with too few requests."""
    now = now or real_now()
    step = int(CHART_STEP.total_seconds())
    end = datetime.fromtimestamp(now.timestamp() // step * step, now.tzinfo)
    starts = [end - n * CHART_STEP for n in reversed(range(int(CHART_SPAN / CHART_STEP)))]
    measure_slot = cast(func.floor(func.extract("epoch", Measure.minute) / step), Integer)
    measures = {
        row.place: row
        for row in db.execute(
            select(
                measure_slot.label("place"),
                func.avg(Measure.cpu).label("cpu"),
                func.avg(Measure.memory).label("memory"),
                func.max(Measure.queue_most).label("queue"),
            )
            .where(Measure.minute >= starts[0])
            .group_by(measure_slot)
        )
    }
    traffic_slot = cast(func.floor(func.extract("epoch", TrafficMinute.minute) / step), Integer)
    traffic = {
        row.place: row
        for row in db.execute(
            select(
                traffic_slot.label("place"),
                cast(func.sum(TrafficMinute.requests), Integer).label("requests"),
                cast(func.sum(TrafficMinute.errors), Integer).label("errors"),
            )
            .where(TrafficMinute.minute >= starts[0])
            .group_by(traffic_slot)
        )
    }
    points = []
    for start in starts:
        n = int(start.timestamp()) // step
        measure, traffic_row = measures.get(n), traffic.get(n)
        has_enough_requests = traffic_row is not None and traffic_row.requests >= rules.MIN_REQUESTS
        points.append(
            schemas.Point(
                at=start,
                cpu=measure.cpu if measure else None,
                memory=measure.memory if measure else None,
                queue=measure.queue if measure else None,
                errors=100 * traffic_row.errors / traffic_row.requests if traffic_row and has_enough_requests else None,
            )
        )
    return schemas.Charts(as_of=app_now(db), points=points)


def outages(db: Session, now: datetime | None = None) -> schemas.Outages:
    """The outages of this month by the watchdog; newest first."""
    month = probes.month_availability(db, month_of(now or real_now()), now)
    items = [
        schemas.Outage(start=outage.start, end=outage.end, words=_outage_text(outage.down))
        for outage in reversed(month.outages)
    ]
    return schemas.Outages(as_of=app_now(db), items=items[:20], total=len(items), down_minutes=month.down_minutes)


def _outage_text(reasons: Mapping[str, str]) -> str:
    return "、".join(f"{probes.TARGETS.get(name, name)}: {reason}" for name, reason in reasons.items())


ALARMS = Listing(
    select(Alarm.id, Alarm.kind, Alarm.begun_at, Alarm.over_at, Alarm.worst, Alarm.latest, Alarm.detail),
    unique=Alarm.id,
    keys={"begun_at": Key(Alarm.begun_at)},
    default="-begun_at",
    filters={
        "kind": equals(Alarm.kind),
        "is_open": when_true(Alarm.over_at.is_(None)),
        "is_over": when_true(Alarm.over_at.is_not(None)),
    },
    model=schemas.AlarmItem,
)


def alarms(
    db: Session, limit: int, cursor: str | None, *, kind: Kind | None, state: str | None, sort: str
) -> Page[schemas.AlarmItem]:
    return ALARMS.read(
        db,
        limit,
        cursor,
        sort,
        item=_alarm_item,
        kind=kind.value if kind else None,
        is_open=True if state == "open" else None,
        is_over=True if state == "over" else None,
    )


def _alarm_item(row: dict[str, Any]) -> dict[str, Any]:
    kind = Kind(row["kind"])
    return row | {
        "text": rules.CHECKS[kind].text,
        "worst": rules.format_figure(kind, row["worst"]),
        "latest": rules.format_figure(kind, row["latest"]),
    }


def slow_requests(db: Session, now: datetime) -> tuple[int, int]:
    """The number of requests in the last five minutes, and of the slow ones among them."""
    bucket = BUCKETS_MS.index(rules.SLOW_MS)
    rows = db.scalars(select(TrafficMinute).where(TrafficMinute.minute > now - timedelta(minutes=5))).all()
    return sum(row.requests for row in rows), sum(sum(row.buckets[bucket + 1 :]) for row in rows)


def operation_counts(db: Session, case: Case, now: datetime) -> tuple[int, int, int]:
    """The number of operations in the last day or week, in the four weeks before it, and the days of those with data.
    `now`: the product's clock."""
    span = timedelta(days=1 if case is Case.DAY else 7)
    span_start, history_start = now - span, now - span - timedelta(days=rules.HISTORY_DAYS)
    row = db.execute(
        select(
            func.count().filter(Operation.opened_at > span_start),
            func.count().filter(Operation.opened_at <= span_start),
        ).where(Operation.opened_at > history_start, Operation.opened_at <= now)
    ).one()
    first_reservation_at = db.scalar(select(func.min(Reservation.created_at)))
    known_days = (
        (span_start - max(first_reservation_at, history_start)).days
        if first_reservation_at is not None and first_reservation_at < span_start
        else 0
    )
    return row[0], row[1], known_days


def proposals(db: Session) -> schemas.Proposals:
    """Proposals without a decision, newest first."""
    statement = select(Proposal).where(Proposal.decided_at.is_(None)).order_by(Proposal.id.desc())
    rows = db.scalars(statement.execution_options(populate_existing=True))
    return schemas.Proposals(as_of=app_now(db), items=[schemas.ProposalItem.model_validate(row) for row in rows])


def latest_proposal(db: Session, case: Case) -> Proposal | None:
    statement: Select[Proposal] = (
        select(Proposal).where(Proposal.kind == case.value).order_by(Proposal.id.desc()).limit(1)
    )
    return db.scalars(statement.with_for_update().execution_options(populate_existing=True)).first()


def get_proposal(db: Session, proposal_id: int, *, lock: bool = False) -> Proposal:
    """Raises NotFound with a message for the user."""
    proposal = db.get(Proposal, proposal_id, with_for_update=lock, populate_existing=lock)
    if proposal is None:
        raise NotFound("指定された提案は見つかりません。画面を更新してください。")
    return proposal


def try_lock(db: Session, name: str) -> bool:
    """Tries to get the advisory lock; False while another worker has it."""
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(name)))))
