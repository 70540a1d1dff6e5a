"""What the watch asks: who is in trouble, what it belongs to, which targets were missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, case, func, null, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from service.core.clock import in_words_sql, now_sql
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.incidents.queries import PLACE, WRONG, hold, members_of
from service.fleet.incidents.rules import (
    FLAPPING,
    RECOVERED,
    TOGETHER,
    Joinable,
    Missed,
    Trouble,
    network_of,
    shared,
    where,
)
from service.fleet.models import Alert, Customer, Liveness, Terminal, TerminalState
from service.fleet.rules import AlertType, Status, opening_grace
from service.fleet.settings import settings


def total_terminals(db: Session) -> int:
    """Terminals in use: registered, not archived, heard of at least once."""
    counted = (
        select(func.count())
        .select_from(TerminalState)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(Terminal.archived_at.is_(None), TerminalState.last_heartbeat_at.is_not(None))
    )
    return db.scalar(counted) or 0


def overdue_steps(db: Session) -> list[Missed]:
    """Steps of open incidents whose time ran out and of which nobody was reminded; not while the incident sleeps, or
    while all of its terminals that are still in trouble are in maintenance."""
    waiting = (
        select(Alert.id)
        .join(TerminalState, TerminalState.terminal_id == Alert.terminal_id)
        .where(Alert.incident_id == Incident.id, ~Alert.is_resolved, TerminalState.status != Status.MAINTENANCE)
    )
    late = (
        select(IncidentStep.incident_id, IncidentStep.step)
        .join(Incident, Incident.id == IncidentStep.incident_id)
        .where(
            IncidentStep.done_at.is_(None),
            IncidentStep.reminded_at.is_(None),
            IncidentStep.due_at < now_sql(),
            Incident.resolved_at.is_(None),
            func.coalesce(Incident.snoozed_until <= now_sql(), True),
            waiting.exists(),
        )
        .order_by(IncidentStep.due_at, IncidentStep.incident_id)
    )
    rows = db.execute(late).all()
    members = members_of(db, sorted({incident_id for incident_id, _ in rows}))
    return [
        Missed(incident_id, where(shared(members[incident_id]), members[incident_id][0]), step)
        for incident_id, step in rows
    ]


def new_troubles(db: Session, kind: AlertType, shutdown_grace: timedelta) -> list[Trouble]:
    """Terminals in this trouble without an open alert of its kind, in the order of their ids. A terminal that never
    reported is not missing: it is not installed yet. One that fell silent outside of its learned hours is missed when
    the shop should have opened, and one whose PC was shut down in order after that grace. They stay in use until this
    transaction ends; one that somebody changes just now, and may put out of use, is the next look's."""
    now = now_sql()
    known = select(Alert.id).where(
        Alert.terminal_id == TerminalState.terminal_id, Alert.alert_type == kind, ~Alert.is_resolved
    )
    troubled = (
        select(
            TerminalState.terminal_id,
            _message(kind),
            *PLACE,
            func.host(TerminalState.address),
        )
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(
            WRONG[kind],
            Terminal.archived_at.is_(None),
            TerminalState.last_heartbeat_at.is_not(None),
            func.coalesce(TerminalState.alerts_from <= now, True),
            ~known.exists(),
        )
        .order_by(TerminalState.terminal_id)
        .with_for_update(read=True, of=Terminal, skip_locked=True)
    )
    if kind is AlertType.OFFLINE:
        forgiven = func.coalesce(TerminalState.shutdown_at <= now - shutdown_grace, True)
        troubled = troubled.where(func.coalesce(_opening_missed() <= known_until(), forgiven))
    return [
        Trouble(terminal_id, kind, message, customer_id, company, store, store_name, serial, network_of(address))
        for terminal_id, message, customer_id, company, store, store_name, serial, address in db.execute(troubled)
    ]


def known_until() -> ScalarSelect[Any]:
    """Until when silence counts: no longer than the service itself was alive."""
    return select(func.least(func.app_now(), Liveness.alive_at)).where(Liveness.id == 1).scalar_subquery()


def _opening_missed() -> SQLColumnExpression[datetime | None]:
    missed = TerminalState.alert_after
    return missed if settings().learned_hours else sql_cast(null(), missed.type)


def _message(kind: AlertType) -> ColumnElement[str]:
    match kind:
        case AlertType.OFFLINE:
            heard = in_words_sql(TerminalState.last_heartbeat_at)
            minutes = int(opening_grace(settings().heartbeat_interval_seconds).total_seconds()) // 60
            late = f"開店時刻を{minutes}分過ぎても通信がありません。最終通信は "
            return case(
                (_opening_missed().is_not(None), func.concat(late, heard, " です。")),
                (
                    TerminalState.shutdown_at.is_not(None),
                    func.concat("店舗PCが正常に終了したまま、起動していません。最終通信は ", heard, " です。"),
                ),
                else_=func.concat("店舗PCからの通信が途絶えています。最終通信は ", heard, " です。"),
            )
        case AlertType.ERROR:
            return case(
                (
                    TerminalState.status == Status.ONLINE,
                    "同じトークンを使うエージェントが2台あります。複製されたPCがないか確認し、端末を登録し直してください。",
                ),
                else_=func.coalesce(
                    TerminalState.error, "店舗PCは通信していますが、端末（TC-200）がUSBで接続されていません。"
                ),
            )
        case AlertType.HIGH_CPU:
            return func.concat("CPU使用率が", TerminalState.cpu_usage, "%です（2回続けて90%以上）。")
        case AlertType.HIGH_MEMORY:
            return func.concat("メモリ使用率が", TerminalState.memory_usage, "%です（2回続けて90%以上）。")
        case AlertType.UPDATE_FAILED:
            raise ValueError("the roll-out says why an update failed")


def joinable(db: Session) -> list[Joinable]:
    """The open incidents of offline alerts that others may still join, oldest first. They are locked: nobody closes one
    before those have joined."""
    held = hold(
        db,
        Incident.resolved_at.is_(None),
        Incident.alert_type == AlertType.OFFLINE,
        Incident.joined_at > now_sql() - TOGETHER,
    )
    young = (
        select(Incident.id, Terminal.customer_id, func.host(TerminalState.address), Incident.opened_at)
        .join(Alert, Alert.incident_id == Incident.id)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(Incident.id.in_(held))
        .order_by(Incident.opened_at, Incident.id)
        .distinct()
    )
    places: dict[int, tuple[set[int], set[str]]] = {}
    for incident_id, customer_id, address, _ in db.execute(young):
        customers, networks = places.setdefault(incident_id, (set(), set()))
        customers.add(customer_id)
        if network := network_of(address):
            networks.add(network)
    return [Joinable(key, frozenset(customers), frozenset(networks)) for key, (customers, networks) in places.items()]


def flapping(db: Session, found: Sequence[Trouble]) -> dict[tuple[int, AlertType], int]:
    """For terminals whose same trouble was over a short while ago, by itself: that incident's id."""
    recent = (
        select(Alert.terminal_id, Alert.alert_type, func.max(Incident.id))
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.terminal_id.in_([trouble.terminal_id for trouble in found]),
            Incident.resolved_by == RECOVERED,
            Incident.resolved_at > now_sql() - FLAPPING,
        )
        .group_by(Alert.terminal_id, Alert.alert_type)
    )
    return {(terminal, AlertType(kind)): incident for terminal, kind, incident in db.execute(recent)}


def has_open_alert(db: Session, terminal_id: int, kind: AlertType) -> bool:
    known = select(Alert.id).where(Alert.terminal_id == terminal_id, Alert.alert_type == kind, ~Alert.is_resolved)
    return db.scalar(select(known.exists())) or False


def heeded(db: Session, terminal_ids: Sequence[int]) -> set[int]:
    """Those of the terminals about which somebody wants an alert: not in maintenance, and in use, which they stay until
    this transaction ends."""
    found = (
        select(Terminal.id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(
            Terminal.id.in_(terminal_ids), TerminalState.status != Status.MAINTENANCE, Terminal.archived_at.is_(None)
        )
        .order_by(Terminal.id)
    )
    return set(db.scalars(found.with_for_update(read=True, of=Terminal)))


def trouble(db: Session, terminal_id: int, kind: AlertType, message: str) -> Trouble:
    """A trouble that somebody else found, with everything that is known of the terminal."""
    facts = select(*PLACE).join(Customer, Customer.id == Terminal.customer_id).where(Terminal.id == terminal_id)
    customer_id, customer_name, store, store_name, serial_number = db.execute(facts).one()
    return Trouble(terminal_id, kind, message, customer_id, customer_name, store, store_name, serial_number)
