"""Reads of the watch: terminals in trouble, incidents they may join, overdue steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, SQLColumnExpression, case, func, null, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from service.core.database.clock import format_local_datetime_sql, now_sql
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.incidents.queries import PLACE_COLUMNS, TROUBLE_CONDITIONS, lock_incidents, members_of
from service.fleet.incidents.rules import (
    FLAPPING_WINDOW,
    GROUPING_WINDOW,
    RECOVERED,
    JoinableIncident,
    OverdueStep,
    Trouble,
    network_of,
    scope_label,
    shared_scope,
)
from service.fleet.models import Alert, Customer, Liveness, Terminal, TerminalState
from service.fleet.rules import AlertType, Status, opening_grace
from service.fleet.settings import settings


def total_terminals(db: Session) -> int:
    """Terminals in use: registered, not archived, with at least one heartbeat."""
    statement = (
        select(func.count())
        .select_from(TerminalState)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(Terminal.archived_at.is_(None), TerminalState.last_heartbeat_at.is_not(None))
    )
    return db.scalar(statement) or 0


def overdue_steps(db: Session) -> list[OverdueStep]:
    """Overdue steps of open incidents for which no reminder was sent. Not while the incident is snoozed, or while all
    its terminals with an open alert are in maintenance."""
    needs_response = (
        select(Alert.id)
        .join(TerminalState, TerminalState.terminal_id == Alert.terminal_id)
        .where(Alert.incident_id == Incident.id, ~Alert.is_resolved, TerminalState.status != Status.MAINTENANCE)
    )
    statement = (
        select(IncidentStep.incident_id, IncidentStep.step)
        .join(Incident, Incident.id == IncidentStep.incident_id)
        .where(
            IncidentStep.done_at.is_(None),
            IncidentStep.reminded_at.is_(None),
            IncidentStep.due_at < now_sql(),
            Incident.resolved_at.is_(None),
            func.coalesce(Incident.snoozed_until <= now_sql(), True),
            needs_response.exists(),
        )
        .order_by(IncidentStep.due_at, IncidentStep.incident_id)
    )
    rows = db.execute(statement).all()
    members = members_of(db, sorted({incident_id for incident_id, _ in rows}))
    return [
        OverdueStep(incident_id, scope_label(shared_scope(members[incident_id]), members[incident_id][0]), step)
        for incident_id, step in rows
    ]


def new_troubles(db: Session, kind: AlertType, shutdown_grace: timedelta) -> list[Trouble]:
    """Terminals in this trouble without an open alert of its kind, in the order of their ids. A terminal without any
    heartbeat is left out: it is not installed yet. For silence that began outside the learned hours the alert waits
    until the store should have opened; after an orderly shutdown of the PC it waits for `shutdown_grace`. The
    terminals cannot be archived until this transaction ends; a terminal that another transaction is changing is left
    to the next run."""
    now = now_sql()
    statement = (
        select(
            TerminalState.terminal_id,
            _message(kind),
            *PLACE_COLUMNS,
            func.host(TerminalState.address),
        )
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(
            TROUBLE_CONDITIONS[kind],
            Terminal.archived_at.is_(None),
            TerminalState.last_heartbeat_at.is_not(None),
            func.coalesce(TerminalState.alerts_from <= now, True),
            ~_open_alert(kind).exists(),
        )
        .order_by(TerminalState.terminal_id)
        .with_for_update(read=True, of=Terminal, skip_locked=True)
    )
    if kind is AlertType.OFFLINE:
        grace_is_over = func.coalesce(TerminalState.shutdown_at <= now - shutdown_grace, True)
        statement = statement.where(func.coalesce(_alert_after() <= silence_known_until(), grace_is_over))
    return [
        Trouble(terminal_id, kind, message, customer_id, company, store, store_name, serial, network_of(address))
        for terminal_id, message, customer_id, company, store, store_name, serial, address in db.execute(statement)
    ]


def _open_alert(kind: AlertType) -> Select[int]:
    """The open alert of this kind of a terminal, correlated with its TerminalState."""
    return select(Alert.id).where(
        Alert.terminal_id == TerminalState.terminal_id, Alert.alert_type == kind, ~Alert.is_resolved
    )


def silence_known_until() -> ScalarSelect[Any]:
    """Until when silence counts: the time when the service itself was last alive, at most now."""
    return select(func.least(func.app_now(), Liveness.alive_at)).where(Liveness.id == 1).scalar_subquery()


def _alert_after() -> SQLColumnExpression[datetime | None]:
    alert_after = TerminalState.alert_after
    return alert_after if settings().learned_hours else sql_cast(null(), alert_after.type)


def _message(kind: AlertType) -> ColumnElement[str]:
    match kind:
        case AlertType.OFFLINE:
            last_heartbeat = format_local_datetime_sql(TerminalState.last_heartbeat_at)
            minutes = int(opening_grace(settings().heartbeat_interval_seconds).total_seconds()) // 60
            missed_opening = f"開店時刻を{minutes}分過ぎても通信がありません。最終通信は "
            return case(
                (_alert_after().is_not(None), func.concat(missed_opening, last_heartbeat, " です。")),
                (
                    TerminalState.shutdown_at.is_not(None),
                    func.concat("店舗PCが正常に終了したまま、起動していません。最終通信は ", last_heartbeat, " です。"),
                ),
                else_=func.concat("店舗PCからの通信が途絶えています。最終通信は ", last_heartbeat, " です。"),
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


def joinable_incidents(db: Session) -> list[JoinableIncident]:
    """The open incidents of offline alerts that new alerts may still join, oldest first. They are locked, so that none
    is closed before the new alerts have joined."""
    incident_ids = lock_incidents(
        db,
        Incident.resolved_at.is_(None),
        Incident.alert_type == AlertType.OFFLINE,
        Incident.joined_at > now_sql() - GROUPING_WINDOW,
    )
    statement = (
        select(Incident.id, Terminal.customer_id, func.host(TerminalState.address), Incident.opened_at)
        .join(Alert, Alert.incident_id == Incident.id)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(Incident.id.in_(incident_ids))
        .order_by(Incident.opened_at, Incident.id)
        .distinct()
    )
    places: dict[int, tuple[set[int], set[str]]] = {}
    for incident_id, customer_id, address, _ in db.execute(statement):
        customers, networks = places.setdefault(incident_id, (set(), set()))
        customers.add(customer_id)
        if network := network_of(address):
            networks.add(network)
    return [
        JoinableIncident(incident_id, frozenset(customers), frozenset(networks))
        for incident_id, (customers, networks) in places.items()
    ]


def flapping_incidents(db: Session, troubles: Sequence[Trouble]) -> dict[tuple[int, AlertType], int]:
    """Flapping: for terminals that recovered from the same trouble a short while ago, the id of that incident."""
    statement = (
        select(Alert.terminal_id, Alert.alert_type, func.max(Incident.id))
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.terminal_id.in_([trouble.terminal_id for trouble in troubles]),
            Incident.resolved_by == RECOVERED,
            Incident.resolved_at > now_sql() - FLAPPING_WINDOW,
        )
        .group_by(Alert.terminal_id, Alert.alert_type)
    )
    return {(terminal, AlertType(kind)): incident for terminal, kind, incident in db.execute(statement)}


def reported_troubles(db: Session, kind: AlertType, messages: Mapping[int, str]) -> list[Trouble]:
    """Troubles that were detected outside the watch, in the order of `messages` (by terminal): of terminals that are
    neither in maintenance nor archived and have no open alert of this kind. The terminals cannot be archived until this
    transaction ends."""
    statement = (
        select(Terminal.id, *PLACE_COLUMNS)
        .join(Customer, Customer.id == Terminal.customer_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(
            Terminal.id.in_([*messages]),
            TerminalState.status != Status.MAINTENANCE,
            Terminal.archived_at.is_(None),
            ~_open_alert(kind).exists(),
        )
        .order_by(Terminal.id)
    )
    places = {row[0]: row[1:] for row in db.execute(statement.with_for_update(read=True, of=Terminal))}
    return [
        Trouble(terminal_id, kind, message, *places[terminal_id])
        for terminal_id, message in messages.items()
        if terminal_id in places
    ]
