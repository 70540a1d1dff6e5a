"""One run of the watch. It is idempotent, also when two runs are concurrent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, and_, func, insert, select, update
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database import clock
from service.core.database.clock import app_now
from service.core.outbox import queue
from service.core.settings import settings as core_settings
from service.core.values.times import format_local_datetime
from service.fleet.hours.models import LearnedHours
from service.fleet.hours.queries import silence_alert_at
from service.fleet.incidents import queries as incidents
from service.fleet.incidents import rules
from service.fleet.incidents.actions import record_event
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.incidents.rules import (
    DETECTION,
    RECOVERED,
    STEPS,
    SYSTEM,
    IncidentNotice,
    Scope,
    SharedScope,
    Trouble,
    TroubleGroup,
)
from service.fleet.models import Alert, TerminalState
from service.fleet.rules import AREA, AlertType, Status
from service.fleet.settings import settings
from service.fleet.watch import queries

_LOCK = "fleet.watch"


def watch(db: Session) -> dict[str, int]:
    """Marks silent terminals as offline, opens and resolves alerts with their incidents, notifies once of each new
    incident, and sends reminders of overdue steps.

    Returns:
        How many terminals went offline, how many alerts were opened and resolved, how many reminders were sent.
    """
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}
    offline = mark_offline(db)
    resolved = _resolve_recovered(db)
    opened = _open_alerts(db)
    return {"offline": offline, "opened": opened, "resolved": resolved, "reminded": _send_reminders(db)}


def mark_offline(db: Session) -> int:
    """Marks silent terminals in one set-based statement. Silence counts only up to the time when the service itself was
    last alive. Rows are locked in the same order as by the ingest; a row that the ingest has locked is skipped, because
    its heartbeat is being stored. `alert_after` is set for silence outside the learned opening hours."""
    due = (
        select(TerminalState.terminal_id, silence_alert_at(clock.now_sql()).label("alert_after"))
        .outerjoin(LearnedHours, LearnedHours.terminal_id == TerminalState.terminal_id)
        .where(
            TerminalState.status.in_([Status.ONLINE, Status.ERROR]),
            TerminalState.offline_after < queries.silence_known_until(),
        )
        .order_by(TerminalState.terminal_id)
        .with_for_update(of=TerminalState, skip_locked=True)
        .cte("due")
    )
    # As an array too: with the join alone, PostgreSQL would scan the whole table a second time.
    terminal_ids = func.array(select(due.c.terminal_id).scalar_subquery())
    result = db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id == func.any(terminal_ids), TerminalState.terminal_id == due.c.terminal_id)
        .values(status=Status.OFFLINE, status_since=clock.now_sql(), alert_after=due.c.alert_after)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", result).rowcount


def raise_alerts(db: Session, kind: AlertType, messages: Mapping[int, str]) -> None:
    """Opens alerts that the watch cannot detect by itself, one for each terminal that has none of this kind open.
    Notifies at once; many share one mail. Skips terminals in maintenance and archived ones."""
    alertable_ids = queries.alertable_terminals(db, [*messages])
    troubles = [
        queries.build_trouble(db, terminal_id, kind, message)
        for terminal_id, message in messages.items()
        if terminal_id in alertable_ids and not queries.has_open_alert(db, terminal_id, kind)
    ]
    if troubles:
        _open_and_notify(db, troubles)


def clear_alerts(db: Session, terminal_id: int, kind: AlertType, by: str) -> int:
    """Resolves the terminal's open alert of this kind, and its incident when no alert of it is open any more. Returns
    how many alerts were resolved."""
    return _resolve_alerts(db, (Alert.terminal_id == terminal_id) & (Alert.alert_type == kind), by)


def resolve_alerts_of_archived(db: Session, terminal_id: int, by: Actor) -> int:
    """Resolves all open alerts of a terminal that this user archives. Returns how many."""
    return _resolve_alerts(db, Alert.terminal_id == terminal_id, by.name, ("archived", by))


def _open_alerts(db: Session) -> int:
    grace = timedelta(hours=settings().shutdown_grace_hours)
    troubles = [trouble for kind in incidents.TROUBLE_CONDITIONS for trouble in queries.new_troubles(db, kind, grace)]
    if troubles:
        _open_and_notify(db, troubles)
    return len(troubles)


def _open_and_notify(db: Session, troubles: Sequence[Trouble]) -> None:
    """Opens alerts for all of them in the incidents they belong to, and notifies of the new incidents."""
    reopened = queries.flapping_incidents(db, troubles)
    _reopen_incidents(
        db,
        [
            (reopened[key], trouble)
            for trouble in troubles
            if (key := (trouble.terminal_id, trouble.alert_type)) in reopened
        ],
    )
    fresh = [trouble for trouble in troubles if (trouble.terminal_id, trouble.alert_type) not in reopened]
    offline = [trouble for trouble in fresh if trouble.alert_type is AlertType.OFFLINE]
    if rules.suspects_mass_outage(len(offline), queries.total_terminals(db)):
        outage_ids = _create_incidents(db, [TroubleGroup(offline)], [SharedScope(Scope.FLEET)])
        others = [trouble for trouble in fresh if trouble.alert_type is not AlertType.OFFLINE]
        _notify(db, [IncidentNotice(outage_ids[0], SharedScope(Scope.FLEET), offline, is_mass_outage=True)])
        fresh = others
    groups = rules.group_troubles(fresh, queries.joinable_incidents(db))
    for group in groups:
        if group.incident_id is not None:
            _join_incident(db, group.incident_id, group.members)
    new_groups = [group for group in groups if group.incident_id is None]
    shared_scopes = [rules.shared_scope(group.members) for group in new_groups]
    incident_ids = _create_incidents(db, new_groups, shared_scopes)
    _notify(
        db,
        [
            IncidentNotice(incident_id, common, group.members)
            for incident_id, common, group in zip(incident_ids, shared_scopes, new_groups, strict=True)
        ],
    )


def _create_incidents(
    db: Session, groups: Sequence[TroubleGroup], shared_scopes: Sequence[SharedScope]
) -> Sequence[int]:
    """Creates incidents with their steps, alerts and first event. Returns the ids in the order of `groups`."""
    if not groups:
        return []
    now = app_now(db)
    rows = [
        {
            "alert_type": group.members[0].alert_type,
            "scope": common.scope,
            "customer_id": common.customer_id,
            "store_name": common.store,
            "network": common.network,
            "opened_at": now,
            "joined_at": now,
            "told_at": now,
        }
        for group, common in zip(groups, shared_scopes, strict=True)
    ]
    incident_ids = db.scalars(insert(Incident).returning(Incident.id, sort_by_parameter_order=True), rows).all()
    db.execute(insert(IncidentStep), [step for incident_id in incident_ids for step in _steps(incident_id, now)])
    for incident_id, group in zip(incident_ids, groups, strict=True):
        _add_alerts(db, incident_id, group.members)
        record_event(db, incident_id, "opened", SYSTEM, terminals=len(group.members))
    return incident_ids


def _steps(incident_id: int, now: datetime) -> Iterable[dict[str, Any]]:
    for step in STEPS.values():
        done = step.number == DETECTION
        yield {
            "incident_id": incident_id,
            "step": step.number,
            "due_at": None if step.after else now + step.target.span,
            "done_at": now if done else None,
            "done_by": SYSTEM if done else None,
        }


def _add_alerts(db: Session, incident_id: int, members: Sequence[Trouble]) -> None:
    db.execute(
        insert(Alert),
        [
            {
                "incident_id": incident_id,
                "terminal_id": member.terminal_id,
                "alert_type": member.alert_type,
                "message": member.message,
            }
            for member in members
        ],
    )


def _join_incident(db: Session, incident_id: int, members: Sequence[Trouble]) -> None:
    """Adds alerts to an open incident, without a notification, and determines again what its members have in common."""
    incident = incidents.get_incident(db, incident_id, lock=True)
    _add_alerts(db, incident.id, members)
    incident.joined_at = app_now(db)
    db.flush()
    common = rules.shared_scope(incidents.members_of(db, [incident.id])[incident.id])
    if incident.scope != Scope.FLEET:
        incident.scope, incident.customer_id = common.scope, common.customer_id
        incident.store_name, incident.network = common.store, common.network
    record_event(db, incident.id, "joined", SYSTEM, terminals=len(members))


def _reopen_incidents(db: Session, reopened: Sequence[tuple[int, Trouble]]) -> None:
    """Reopens the incidents of flapping alerts, without a notification."""
    by_incident: dict[int, list[Trouble]] = {}
    for incident_id, trouble in reopened:
        by_incident.setdefault(incident_id, []).append(trouble)
    for incident_id, members in by_incident.items():
        incident = incidents.get_incident(db, incident_id, lock=True)
        incident.resolved_at = incident.resolved_by = None
        _add_alerts(db, incident.id, members)
        record_event(db, incident.id, "reopened", SYSTEM, terminals=len(members))


def _resolve_recovered(db: Session) -> int:
    """Resolves the alerts of terminals that have recovered, and the incidents without any other open alert."""
    return sum(
        _resolve_alerts(db, (Alert.alert_type == kind) & incidents.recovered_condition(kind), RECOVERED)
        for kind in incidents.TROUBLE_CONDITIONS
    )


def _resolve_alerts(
    db: Session, condition: Any, by: str, kind_and_by: tuple[str, Actor | str] = ("recovered", SYSTEM)
) -> int:
    """`kind_and_by`: the kind of the event recorded for each incident, and who it is by."""
    ending = and_(condition, TerminalState.terminal_id == Alert.terminal_id, ~Alert.is_resolved)
    incident_ids = incidents.lock_incidents(db, Incident.id.in_(select(Alert.incident_id).where(ending)))
    if not incident_ids:
        return 0
    resolved = db.execute(
        update(Alert)
        .where(ending, Alert.incident_id.in_(incident_ids))
        .values(is_resolved=True, resolved_at=clock.now_sql(), resolved_by=by[:50])
        .returning(Alert.incident_id)
        .execution_options(synchronize_session=False)
    )
    resolved_incident_ids = [row[0] for row in resolved]
    for incident_id in sorted(set(resolved_incident_ids)):
        record_event(db, incident_id, *kind_and_by, terminals=resolved_incident_ids.count(incident_id))
    db.flush()
    open_alerts = select(Alert.id).where(Alert.incident_id == Incident.id, ~Alert.is_resolved)
    db.execute(
        update(Incident)
        .where(Incident.id.in_(set(resolved_incident_ids)), Incident.resolved_at.is_(None), ~open_alerts.exists())
        .values(resolved_at=clock.now_sql(), resolved_by=by[:50])
        .execution_options(synchronize_session=False)
    )
    return len(resolved_incident_ids)


def _notify(db: Session, notices: Sequence[IncidentNotice]) -> None:
    """Notifies of each incident once: in a mail of its own, or in one mail for all when many begin at once."""
    if not notices:
        return
    if len(notices) > rules.MAX_SEPARATE_MAILS:
        _send_notice(db, notices)
    else:
        for notice in notices:
            _send_notice(db, [notice])


def _send_notice(db: Session, notices: Sequence[IncidentNotice]) -> None:
    now = app_now(db)
    url = _alerts_url(notice.incident_id for notice in notices)
    subject, body = rules.notice_mail(notices, format_local_datetime(now), url)
    _publish(db, subject, body, rules.notice_post(notices, format_local_datetime(now), url), notices[0].incident_id)


def _send_reminders(db: Session) -> int:
    """Sends one mail about all steps found overdue now; one reminder per step."""
    overdue = queries.overdue_steps(db)
    if not overdue:
        return 0
    now = app_now(db)
    db.execute(
        update(IncidentStep),
        [{"incident_id": step.incident_id, "step": step.step, "reminded_at": now} for step in overdue],
    )
    for step in overdue:
        record_event(db, step.incident_id, "reminded", SYSTEM, step=step.step)
    url = _alerts_url(step.incident_id for step in overdue)
    subject, body = rules.reminder_mail(overdue, format_local_datetime(now), url)
    _publish(db, subject, body, None, overdue[0].incident_id)
    return len(overdue)


def _alerts_url(incident_ids: Iterable[int]) -> str:
    """The URL of アラート一覧; with the incident opened when there is only one."""
    [first, *others] = dict.fromkeys(incident_ids)
    return f"{core_settings().public_base_url.rstrip('/')}/alerts" + ("" if others else f"?id={first}")


def _publish(db: Session, subject: str, body: str, post: str | None, incident_id: int) -> None:
    """Queues a mail and, when there is a text for it, a Slack post in the outbox, to the configured recipients. Both
    expire after a day."""
    configuration, expires_at = settings(), app_now(db) + rules.NOTICE_TTL
    common: dict[str, Any] = {
        "area": AREA.name,
        "title": subject,
        "about": ("incident", incident_id),
        "expires_at": expires_at,
    }
    if recipients := configuration.recipients:
        payload = {"to": recipients, "subject": subject, "body": body}
        queue.publish(db, "mail", payload, recipient="、".join(recipients), **common)
    if post and (channel := configuration.alert_slack_channel):
        queue.publish(db, "slack", {"channel": channel, "text": post}, recipient=channel, **common)
