"""Measuring, speaking up once, saying that it is over; and what people make of an incident that was proposed."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, real_now
from service.core.problems import Conflict
from service.reservations.alarms import queries, rules, schemas
from service.reservations.alarms.models import Alarm, Measure, Proposal
from service.reservations.alarms.rules import Case, Found, Kind, Reading
from service.reservations.incidents import actions as incidents
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA

SUBJECT, PROPOSAL = "alarm", "proposal"
PAGE = ("monitoring", "監視を開く")
INCIDENTS = ("incidents", "インシデントを開く")
_LOCK = "reservations alarms"


def measure(db: Session, in_queues: int, now: datetime | None = None) -> None:
    """A look at how things stand, added to those of its minute. `in_queues`: what waits in Celery's queues."""
    now = now or real_now()
    cpu, memory = queries.machines(db, now)
    waiting = queries.waiting(db, in_queues, now)
    values = {
        "minute": rules.whole(now),
        "cpu": cpu,
        "memory": memory,
        "samples": 1,
        "queue_least": waiting.total,
        "queue_most": waiting.total,
        **vars(waiting),
    }
    row = insert(Measure).values(values)
    new, looks = row.excluded, Measure.samples
    # A look at which no process was there to measure leaves the means as they are.
    means = {
        name: func.coalesce(
            (getattr(Measure, name) * looks + new[name]) / (looks + 1), getattr(Measure, name), new[name]
        )
        for name in ("cpu", "memory")
    }
    db.execute(
        row.on_conflict_do_update(
            index_elements=["minute"],
            set_=means
            | {
                "samples": looks + 1,
                "queue_least": func.least(Measure.queue_least, new.queue_least),
                "queue_most": func.greatest(Measure.queue_most, new.queue_most),
            }
            | {name: new[name] for name in vars(waiting)},
        )
    )


def watch(db: Session, now: datetime | None = None) -> dict[str, int]:
    """Begins and ends alarms, each told once; how many of which. One worker at a time."""
    done = {"begun": 0, "over": 0, "going_on": 0}
    if not queries.alone(db, _LOCK):
        return done
    now = now or real_now()
    past, is_open = queries.past(db, now), queries.open_alarms(db, lock=True)
    for kind in Kind:
        alarm = is_open.get(kind)
        reading = rules.read(kind, past, now, was_on=alarm is not None)
        if alarm is None:
            if reading.is_on and reading.value is not None:
                _begin(db, kind, reading, reading.value, now)
                done["begun"] += 1
            continue
        alarm.worst = max(alarm.worst, reading.worst or 0)
        alarm.latest = alarm.latest if reading.value is None else reading.value
        if not reading.is_on:
            _end(db, alarm, kind, reading.value, now)
            done["over"] += 1
        elif now - alarm.told_at >= rules.TELL_AGAIN:
            text = rules.going_on(kind, alarm.latest, alarm.worst, now - alarm.begun_at)
            _tell(db, alarm.id, text, follows=alarm.told_key)
            alarm.told_at = now
            done["going_on"] += 1
    db.flush()
    return done


def _begin(db: Session, kind: Kind, reading: Reading, value: float, now: datetime) -> None:
    detail = queries.detail(kind, queries.last_measure(db))
    key = operations.tell(db, kind.value, rules.begun(kind, value, detail, now), SUBJECT, link=PAGE)
    worst = max(value, reading.worst or 0)
    db.add(
        Alarm(kind=kind.value, begun_at=now, worst=worst, latest=value, detail=detail[:500], told_key=key, told_at=now)
    )


def _end(db: Session, alarm: Alarm, kind: Kind, value: float | None, now: datetime) -> None:
    alarm.over_at = now
    over = rules.over(kind, alarm.worst, alarm.begun_at, now)
    operations.tell(db, kind.value, over, SUBJECT, link=PAGE, follows=alarm.told_key, edit=True)
    _tell(db, alarm.id, rules.over_in_thread(kind, value, now - alarm.begun_at), follows=alarm.told_key)


def _tell(db: Session, alarm_id: int, text: str, *, follows: uuid.UUID) -> None:
    operations.tell(db, str(alarm_id), text, SUBJECT, follows=follows)


def propose(db: Session, now: datetime | None = None) -> int:
    """Incidents that the figures speak for, each told once; how many new ones. `now`: the real one, of the answers."""
    if not queries.alone(db, f"{_LOCK} proposals"):
        return 0
    product_now = app_now(db)
    found: dict[Case, Found | None] = {
        Case.SLOW: rules.slow_answers(*queries.slow(db, now or real_now())),
        Case.DAY: rules.many_operations(Case.DAY, *queries.operations(db, Case.DAY, product_now)),
        Case.WEEK: rules.many_operations(Case.WEEK, *queries.operations(db, Case.WEEK, product_now)),
    }
    return sum(_propose(db, case, one, product_now) for case, one in found.items())


def _propose(db: Session, case: Case, found: Found | None, now: datetime) -> bool:
    """True when it is new. The same is not proposed twice for one trouble: not while a proposal is there or before it
    was calm again, and not within a day."""
    last = queries.latest(db, case)
    if found is None:
        if last is not None and last.calm_at is None:
            last.calm_at = now
        return False
    if last is not None and last.decided_at is None:
        # Its figures go on; that they are calm for a moment is no news.
        last.impact, last.calm_at = found.impact, None
        return False
    if last is not None and (last.calm_at is None or now - last.found_at < rules.PROPOSED_AGAIN):
        return False
    key = operations.tell(db, case.value, rules.proposed(found), PROPOSAL, link=INCIDENTS)
    db.add(Proposal(kind=case.value, found_at=now, title=found.title, impact=found.impact, told_key=key))
    db.flush()
    return True


def accept(db: Session, by: Actor, proposal_id: int, new: schemas.Accepted) -> int:
    """The incident is opened as it was written, which began with what the proposal says; its id. Raises Conflict when
    somebody has decided already."""
    proposal = _undecided(db, proposal_id)
    incident = incidents.open(db, by, new.incident)
    proposal.incident_id = incident.id
    _decide(db, by, proposal, {"incident_id": incident.id}, rules.accepted(by.name))
    return incident.id


def dismiss(db: Session, by: Actor, proposal_id: int, new: schemas.Dismissal) -> None:
    """Nothing to be opened, and why. Raises as `accept`."""
    proposal = _undecided(db, proposal_id)
    proposal.reason = new.reason
    _decide(db, by, proposal, {"reason": new.reason}, rules.dismissed(by.name, new.reason))


def _undecided(db: Session, proposal_id: int) -> Proposal:
    proposal = queries.proposal(db, proposal_id, lock=True)
    if proposal.decided_at is not None:
        raise Conflict(rules.decided(proposal.decided_by or ""))
    return proposal


def _decide(db: Session, by: Actor, proposal: Proposal, after: dict[str, object], said: str) -> None:
    proposal.decided_at, proposal.decided_by = app_now(db), by.name[:100]
    db.flush()
    audit.record(db, by, "status_change", AREA.name, PROPOSAL, proposal.id, after=after)
    operations.tell(db, proposal.kind, said, PROPOSAL, follows=proposal.told_key)
