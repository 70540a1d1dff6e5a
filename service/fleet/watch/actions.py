"""One run of the watch. It is idempotent, also when two runs are concurrent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from service.core.database import clock
from service.core.database.clock import app_now
from service.core.outbox import queue
from service.core.settings import settings as core_settings
from service.core.values.times import format_local_datetime
from service.fleet.hours.models import LearnedHours
from service.fleet.hours.queries import silence_alert_at
from service.fleet.incidents import actions as incidents
from service.fleet.incidents import rules
from service.fleet.incidents.queries import TROUBLE_CONDITIONS
from service.fleet.incidents.rules import IncidentNotice, Scope, SharedScope, Trouble, TroubleGroup
from service.fleet.models import TerminalState
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
    resolved = incidents.resolve_recovered(db)
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
    """Opens alerts that the watch cannot detect by itself, with a message for each terminal, and notifies at once.
    Skips terminals that have an open alert of this kind, are in maintenance or archived."""
    if troubles := queries.reported_troubles(db, kind, messages):
        _open_and_notify(db, troubles)


def _open_alerts(db: Session) -> int:
    grace = timedelta(hours=settings().shutdown_grace_hours)
    troubles = [trouble for kind in TROUBLE_CONDITIONS for trouble in queries.new_troubles(db, kind, grace)]
    if troubles:
        _open_and_notify(db, troubles)
    return len(troubles)


def _open_and_notify(db: Session, troubles: Sequence[Trouble]) -> None:
    """Opens alerts for all of them in the incidents they belong to, and notifies of the new incidents."""
    flapping = queries.flapping_incidents(db, troubles)
    fresh: list[Trouble] = []
    by_incident: dict[int, list[Trouble]] = {}
    for trouble in troubles:
        incident_id = flapping.get((trouble.terminal_id, trouble.alert_type))
        (fresh if incident_id is None else by_incident.setdefault(incident_id, [])).append(trouble)
    for incident_id, members in by_incident.items():
        incidents.reopen(db, incident_id, members)
    offline = [trouble for trouble in fresh if trouble.alert_type is AlertType.OFFLINE]
    if rules.suspects_mass_outage(len(offline), queries.total_terminals(db)):
        outage_ids = incidents.open_incidents(db, [TroubleGroup(offline)], [SharedScope(Scope.FLEET)])
        others = [trouble for trouble in fresh if trouble.alert_type is not AlertType.OFFLINE]
        _notify(db, [IncidentNotice(outage_ids[0], SharedScope(Scope.FLEET), offline, is_mass_outage=True)])
        fresh = others
    groups = rules.group_troubles(fresh, queries.joinable_incidents(db))
    for group in groups:
        if group.incident_id is not None:
            incidents.join(db, group.incident_id, group.members)
    new_groups = [group for group in groups if group.incident_id is None]
    shared_scopes = [rules.shared_scope(group.members) for group in new_groups]
    incident_ids = incidents.open_incidents(db, new_groups, shared_scopes)
    _notify(
        db,
        [
            IncidentNotice(incident_id, common, group.members)
            for incident_id, common, group in zip(incident_ids, shared_scopes, new_groups, strict=True)
        ],
    )


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
    incidents.record_reminders(db, overdue, now)
    url = _alerts_url(step.incident_id for step in overdue)
    subject, body = rules.reminder_mail(overdue, format_local_datetime(now), url)
    _publish(db, subject, body, None, overdue[0].incident_id)
    return len(overdue)


def _alerts_url(incident_ids: Iterable[int]) -> str:
    """The URL of アラート一覧; with the incident opened when there is only one."""
    [first, *others] = dict.fromkeys(incident_ids)
    return core_settings().page_url("/alerts") + ("" if others else f"?id={first}")


def _publish(db: Session, subject: str, body: str, post: str | None, incident_id: int) -> None:
    """Queues a mail and, when there is a text for it, a Slack post in the outbox, to the configured recipients. Both
    expire after a day."""
    common: dict[str, Any] = {
        "area": AREA.name,
        "title": subject,
        "about": ("incident", incident_id),
        "expires_at": app_now(db) + rules.NOTICE_TTL,
    }
    configuration = settings()
    if recipients := configuration.recipients:
        queue.publish_mail(db, recipients, subject, body, **common)
    if post and (channel := configuration.alert_slack_channel):
        queue.publish(db, "slack", {"channel": channel, "text": post}, recipient=channel, **common)
