"""Records measurements, begins and ends alarms with notifications, and handles proposed incidents."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now, real_now
from service.core.problems import Conflict
from service.reservations.alarms import queries, rules, schemas
from service.reservations.alarms.models import Alarm, Measure, Proposal
from service.reservations.alarms.rules import Case, Finding, Kind, Reading
from service.reservations.incidents import actions as incidents
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA

SUBJECT, PROPOSAL_SUBJECT = "alarm", "proposal"
MONITORING_LINK = ("monitoring", "監視を開く")
INCIDENTS_LINK = ("incidents", "インシデントを開く")
_LOCK = "reservations alarms"


def record_measure(db: Session, in_queues: int, now: datetime | None = None) -> None:
    """Adds a sample to the measure of its minute. `in_queues`: the length of Celery's queues."""
    now = now or real_now()
    cpu, memory = queries.machine_load(db, now)
    backlog = queries.backlog(db, in_queues, now)
    values = {
        "minute": rules.to_minute(now),
        "cpu": cpu,
        "memory": memory,
        "samples": 1,
        "queue_least": backlog.total,
        "queue_most": backlog.total,
        **vars(backlog),
    }
    statement = insert(Measure).values(values)
    new_row, samples = statement.excluded, Measure.samples
    # A sample without a running process leaves the means unchanged.
    means = {
        name: func.coalesce(
            (getattr(Measure, name) * samples + new_row[name]) / (samples + 1), getattr(Measure, name), new_row[name]
        )
        for name in ("cpu", "memory")
    }
    db.execute(
        statement.on_conflict_do_update(
            index_elements=["minute"],
            set_=means
            | {
                "samples": samples + 1,
                "queue_least": func.least(Measure.queue_least, new_row.queue_least),
                "queue_most": func.greatest(Measure.queue_most, new_row.queue_most),
            }
            | {name: new_row[name] for name in vars(backlog)},
        )
    )


def update_alarms(db: Session, now: datetime | None = None) -> dict[str, int]:
    """Begins and ends alarms and notifies once about each. Returns how many of each. One worker at a time."""
    counts = {"begun": 0, "over": 0, "going_on": 0}
    if not queries.try_lock(db, _LOCK):
        return counts
    now = now or real_now()
    minutes, open_alarms = queries.recent_minutes(db, now), queries.open_alarms(db, lock=True)
    for kind in Kind:
        alarm = open_alarms.get(kind)
        reading = rules.read_check(kind, minutes, now, was_on=alarm is not None)
        if alarm is None:
            if reading.is_on and reading.value is not None:
                _begin_alarm(db, kind, reading, reading.value, now)
                counts["begun"] += 1
            continue
        alarm.worst = max(alarm.worst, reading.worst or 0)
        alarm.latest = alarm.latest if reading.value is None else reading.value
        if not reading.is_on:
            _end_alarm(db, alarm, kind, reading.value, now)
            counts["over"] += 1
        elif now - alarm.told_at >= rules.REMINDER_INTERVAL:
            text = rules.ongoing_notice(kind, alarm.latest, alarm.worst, now - alarm.begun_at)
            _reply_in_thread(db, alarm.id, text, follows=alarm.told_key)
            alarm.told_at = now
            counts["going_on"] += 1
    db.flush()
    return counts


def _begin_alarm(db: Session, kind: Kind, reading: Reading, value: float, now: datetime) -> None:
    detail = queries.detail(kind, queries.last_measure(db))
    key = operations.notify_slack(
        db, kind.value, rules.begun_notice(kind, value, detail, now), SUBJECT, link=MONITORING_LINK
    )
    worst = max(value, reading.worst or 0)
    db.add(
        Alarm(kind=kind.value, begun_at=now, worst=worst, latest=value, detail=detail[:500], told_key=key, told_at=now)
    )


def _end_alarm(db: Session, alarm: Alarm, kind: Kind, value: float | None, now: datetime) -> None:
    alarm.over_at = now
    text = rules.ended_notice(kind, alarm.worst, alarm.begun_at, now)
    operations.notify_slack(db, kind.value, text, SUBJECT, link=MONITORING_LINK, follows=alarm.told_key, edit=True)
    _reply_in_thread(db, alarm.id, rules.ended_reply(kind, value, now - alarm.begun_at), follows=alarm.told_key)


def _reply_in_thread(db: Session, alarm_id: int, text: str, *, follows: uuid.UUID) -> None:
    operations.notify_slack(db, str(alarm_id), text, SUBJECT, follows=follows)


def propose_incidents(db: Session, now: datetime | None = None) -> int:
    """Proposes incidents that the figures suggest and notifies once about each. Returns how many new ones. `now`: real
    time, for the response times."""
    if not queries.try_lock(db, f"{_LOCK} proposals"):
        return 0
    product_now = app_now(db)
    findings: dict[Case, Finding | None] = {
        Case.SLOW: rules.find_slow_responses(*queries.slow_requests(db, now or real_now())),
        Case.DAY: rules.find_many_operations(Case.DAY, *queries.operation_counts(db, Case.DAY, product_now)),
        Case.WEEK: rules.find_many_operations(Case.WEEK, *queries.operation_counts(db, Case.WEEK, product_now)),
    }
    return sum(_propose_one(db, case, finding, product_now) for case, finding in findings.items())


def _propose_one(db: Session, case: Case, finding: Finding | None, now: datetime) -> bool:
    """True when it is new. The same incident is not proposed again while a proposal is open, before the figures were
    normal again, or within a day."""
    last = queries.latest_proposal(db, case)
    if finding is None:
        if last is not None and last.calm_at is None:
            last.calm_at = now
        return False
    if last is not None and last.decided_at is None:
        # The figures are updated; a short normal phase does not matter.
        last.impact, last.calm_at = finding.impact, None
        return False
    if last is not None and (last.calm_at is None or now - last.found_at < rules.PROPOSAL_INTERVAL):
        return False
    key = operations.notify_slack(db, case.value, rules.proposal_notice(finding), PROPOSAL_SUBJECT, link=INCIDENTS_LINK)
    db.add(Proposal(kind=case.value, found_at=now, title=finding.title, impact=finding.impact, told_key=key))
    db.flush()
    return True


def accept_proposal(db: Session, by: Actor, proposal_id: int, new: schemas.Accepted) -> int:
    """Opens the incident as the user wrote it from the proposal; returns its id. Raises Conflict when another user has
    already decided."""
    proposal = _lock_undecided(db, proposal_id)
    incident = incidents.open_incident(db, by, new.incident, proposal.title)
    proposal.incident_id = incident.id
    _decide(db, by, proposal, rules.accepted_reply(by.name))
    return incident.id


def dismiss_proposal(db: Session, by: Actor, proposal_id: int, new: schemas.Dismissal) -> None:
    """Opens no incident, with a reason. Raises as `accept_proposal`."""
    proposal = _lock_undecided(db, proposal_id)
    proposal.reason = new.reason
    audit.record(db, by, "status_change", AREA.name, PROPOSAL_SUBJECT, proposal.id, after={"reason": new.reason})
    _decide(db, by, proposal, rules.dismissed_reply(by.name, new.reason))


def _lock_undecided(db: Session, proposal_id: int) -> Proposal:
    proposal = queries.get_proposal(db, proposal_id, lock=True)
    if proposal.decided_at is not None:
        raise Conflict(rules.already_decided_text(proposal.decided_by or ""))
    return proposal


def _decide(db: Session, by: Actor, proposal: Proposal, text: str) -> None:
    proposal.decided_at, proposal.decided_by = app_now(db), by.name[:100]
    db.flush()
    operations.notify_slack(db, proposal.kind, text, PROPOSAL_SUBJECT, follows=proposal.told_key)
