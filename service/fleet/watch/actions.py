"""One look at the fleet. Running it twice, or two at once, does nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, and_, func, insert, select, update
from sqlalchemy.orm import Session

from service.core import clock, outbox
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.settings import settings as core_settings
from service.fleet.hours.models import LearnedHours
from service.fleet.hours.queries import waits_until
from service.fleet.incidents import queries as incidents
from service.fleet.incidents import rules
from service.fleet.incidents.actions import event
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.incidents.rules import DETECTION, RECOVERED, STEPS, SYSTEM, Group, News, Scope, Shared, Trouble
from service.fleet.models import Alert, TerminalState
from service.fleet.rules import AREA, AlertType, Status
from service.fleet.settings import settings
from service.fleet.watch import queries

_LOCK = "fleet.watch"


def watch(db: Session) -> dict[str, int]:
    """Marks who fell silent, opens and resolves alerts with their incidents, tells of new ones once, reminds of steps
    whose time ran out.

    Returns:
        How many terminals went offline, how many alerts were opened and resolved, how many steps were reminded of.
    """
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}
    offline = mark_offline(db)
    resolved = _resolve(db)
    opened = _open(db)
    return {"offline": offline, "opened": opened, "resolved": resolved, "reminded": _remind(db)}


def mark_offline(db: Session) -> int:
    """One set-based statement. Silence counts only up to the moment the service itself was alive, and rows are
    locked in the order the ingest locks them in; a row the ingest holds just now is about to be heard of. Outside of
    the learned opening hours it is written down when the silence becomes an alert."""
    due = (
        select(TerminalState.terminal_id, waits_until(clock.now_sql()).label("alert_after"))
        .outerjoin(LearnedHours, LearnedHours.terminal_id == TerminalState.terminal_id)
        .where(
            TerminalState.status.in_([Status.ONLINE, Status.ERROR]),
            TerminalState.offline_after < queries.known_until(),
        )
        .order_by(TerminalState.terminal_id)
        .with_for_update(of=TerminalState, skip_locked=True)
        .cte("due")
    )
    # As an array too: joined alone, the server would read the whole table a second time.
    keys = func.array(select(due.c.terminal_id).scalar_subquery())
    flipped = db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id == func.any(keys), TerminalState.terminal_id == due.c.terminal_id)
        .values(status=Status.OFFLINE, status_since=clock.now_sql(), alert_after=due.c.alert_after)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", flipped).rowcount


def raise_alert(db: Session, terminal_id: int, kind: AlertType, message: str) -> None:
    """Opens an alert that the watch cannot find by itself, unless one of its kind is open. It is told at once."""
    raise_alerts(db, kind, {terminal_id: message})


def raise_alerts(db: Session, kind: AlertType, messages: Mapping[int, str]) -> None:
    """As `raise_alert` for many terminals at once, which are told of together when they are too many for single
    mails. A terminal in maintenance is left alone, one that was put away too."""
    heeded = queries.heeded(db, [*messages])
    found = [
        queries.trouble(db, terminal_id, kind, message)
        for terminal_id, message in messages.items()
        if terminal_id in heeded and not queries.has_open_alert(db, terminal_id, kind)
    ]
    if found:
        _take_up(db, found)


def clear_alerts(db: Session, terminal_id: int, kind: AlertType, by: str) -> int:
    """Resolves the terminal's open alert of this kind, and its incident when nothing of it is left; how many."""
    return _resolve_where(db, (Alert.terminal_id == terminal_id) & (Alert.alert_type == kind), by)


def drop_alerts(db: Session, terminal_id: int, by: Actor) -> int:
    """Resolves whatever is open about a terminal that this person puts out of use; how many."""
    return _resolve_where(db, Alert.terminal_id == terminal_id, by.name, ("archived", by))


def _open(db: Session) -> int:
    grace = timedelta(hours=settings().shutdown_grace_hours)
    found = [trouble for kind in incidents.WRONG for trouble in queries.new_troubles(db, kind, grace)]
    if found:
        _take_up(db, found)
    return len(found)


def _take_up(db: Session, found: Sequence[Trouble]) -> None:
    """Alerts for all of them, in the incidents they belong to; and one word to people about what is new."""
    again = queries.flapping(db, found)
    _reopen(
        db, [(again[key], trouble) for trouble in found if (key := (trouble.terminal_id, trouble.alert_type)) in again]
    )
    fresh = [trouble for trouble in found if (trouble.terminal_id, trouble.alert_type) not in again]
    offline = [trouble for trouble in fresh if trouble.alert_type is AlertType.OFFLINE]
    if rules.doubtful(len(offline), queries.total_terminals(db)):
        doubt = _begin(db, [Group(offline)], [Shared(Scope.FLEET)])
        rest = [trouble for trouble in fresh if trouble.alert_type is not AlertType.OFFLINE]
        _tell(db, [News(doubt[0], Shared(Scope.FLEET), offline, doubtful=True)])
        fresh = rest
    groups = rules.group(fresh, queries.joinable(db))
    for joined in groups:
        if joined.incident_id is not None:
            _join(db, joined.incident_id, joined.members)
    new = [one for one in groups if one.incident_id is None]
    common = [rules.shared(one.members) for one in new]
    ids = _begin(db, new, common)
    _tell(db, [News(key, what, one.members) for key, what, one in zip(ids, common, new, strict=True)])


def _begin(db: Session, groups: Sequence[Group], common: Sequence[Shared]) -> Sequence[int]:
    """The new incidents' ids, in order: rows, steps with their targets, alerts, and the first event of each."""
    if not groups:
        return []
    now = app_now(db)
    rows = [
        {
            "alert_type": one.members[0].alert_type,
            "scope": what.scope,
            "customer_id": what.customer_id,
            "store_name": what.store,
            "network": what.network,
            "opened_at": now,
            "joined_at": now,
            "told_at": now,
        }
        for one, what in zip(groups, common, strict=True)
    ]
    ids = db.scalars(insert(Incident).returning(Incident.id, sort_by_parameter_order=True), rows).all()
    db.execute(insert(IncidentStep), [step for key in ids for step in _steps(key, now)])
    for key, one in zip(ids, groups, strict=True):
        _add_alerts(db, key, one.members)
        event(db, key, "opened", SYSTEM, terminals=len(one.members))
    return ids


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


def _join(db: Session, incident_id: int, members: Sequence[Trouble]) -> None:
    """More of the same: nobody is told again, and what the incident's members share is judged anew."""
    incident = incidents.get_incident(db, incident_id, lock=True)
    _add_alerts(db, incident.id, members)
    incident.joined_at = app_now(db)
    db.flush()
    what = rules.shared(incidents.members_of(db, [incident.id])[incident.id])
    if incident.scope != Scope.FLEET:
        incident.scope, incident.customer_id = what.scope, what.customer_id
        incident.store_name, incident.network = what.store, what.network
    event(db, incident.id, "joined", SYSTEM, terminals=len(members))


def _reopen(db: Session, again: Sequence[tuple[int, Trouble]]) -> None:
    """Trouble that was over for a moment goes on in its incident, without another mail."""
    by_incident: dict[int, list[Trouble]] = {}
    for incident_id, trouble in again:
        by_incident.setdefault(incident_id, []).append(trouble)
    for incident_id, members in by_incident.items():
        incident = incidents.get_incident(db, incident_id, lock=True)
        incident.resolved_at = incident.resolved_by = None
        _add_alerts(db, incident.id, members)
        event(db, incident.id, "reopened", SYSTEM, terminals=len(members))


def _resolve(db: Session) -> int:
    """Ends the alerts whose trouble is over, and the incidents of which nothing is left."""
    return sum(
        _resolve_where(db, (Alert.alert_type == kind) & incidents.over(kind), RECOVERED) for kind in incidents.WRONG
    )


def _resolve_where(db: Session, condition: Any, by: str, told: tuple[str, Actor | str] = ("recovered", SYSTEM)) -> int:
    """`told`: the kind of the event that the incidents get, and whose it is."""
    ending = and_(condition, TerminalState.terminal_id == Alert.terminal_id, ~Alert.is_resolved)
    held = incidents.hold(db, Incident.id.in_(select(Alert.incident_id).where(ending)))
    if not held:
        return 0
    ended = db.execute(
        update(Alert)
        .where(ending, Alert.incident_id.in_(held))
        .values(is_resolved=True, resolved_at=clock.now_sql(), resolved_by=by[:50])
        .returning(Alert.incident_id)
        .execution_options(synchronize_session=False)
    )
    touched = [row[0] for row in ended]
    for incident_id in sorted(set(touched)):
        event(db, incident_id, *told, terminals=touched.count(incident_id))
    db.flush()
    left = select(Alert.id).where(Alert.incident_id == Incident.id, ~Alert.is_resolved)
    db.execute(
        update(Incident)
        .where(Incident.id.in_(set(touched)), Incident.resolved_at.is_(None), ~left.exists())
        .values(resolved_at=clock.now_sql(), resolved_by=by[:50])
        .execution_options(synchronize_session=False)
    )
    return len(touched)


def _tell(db: Session, news: Sequence[News]) -> None:
    """Each incident is told once: by a mail of its own, or, when many begin at once, all in one."""
    if not news:
        return
    if len(news) > rules.MAILS_AT_ONCE:
        _send(db, news)
    else:
        for one in news:
            _send(db, [one])


def _send(db: Session, news: Sequence[News]) -> None:
    now = app_now(db)
    page = _page(one.incident_id for one in news)
    subject, body = rules.news_mail(news, in_words(now), page)
    _publish(db, subject, body, rules.news_post(news, in_words(now), page), news[0].incident_id)


def _remind(db: Session) -> int:
    """One mail about all steps found overdue now; of each step people are reminded once."""
    missed = queries.overdue_steps(db)
    if not missed:
        return 0
    now = app_now(db)
    db.execute(
        update(IncidentStep), [{"incident_id": one.incident_id, "step": one.step, "reminded_at": now} for one in missed]
    )
    for one in missed:
        event(db, one.incident_id, "reminded", SYSTEM, step=one.step)
    page = _page(one.incident_id for one in missed)
    subject, body = rules.reminder_mail(missed, in_words(now), page)
    _publish(db, subject, body, None, missed[0].incident_id)
    return len(missed)


def _page(incident_ids: Iterable[int]) -> str:
    """アラート一覧; where all is about one incident, with that one open."""
    [first, *others] = dict.fromkeys(incident_ids)
    return f"{core_settings().public_base_url.rstrip('/')}/alerts" + ("" if others else f"?id={first}")


def _publish(db: Session, subject: str, body: str, post: str | None, incident_id: int) -> None:
    """A mail and, when there are words for it, a post on Slack, where they are wanted. A day later nobody wants to be
    told any more."""
    wanted, expires_at = settings(), app_now(db) + rules.NEWS_LASTS
    common: dict[str, Any] = {
        "area": AREA.name,
        "title": subject,
        "about": ("incident", incident_id),
        "expires_at": expires_at,
    }
    if recipients := wanted.recipients:
        payload = {"to": recipients, "subject": subject, "body": body}
        outbox.publish(db, "mail", payload, recipient="、".join(recipients), **common)
    if post and (channel := wanted.alert_slack_channel):
        outbox.publish(db, "slack", {"channel": channel, "text": post}, recipient=channel, **common)
