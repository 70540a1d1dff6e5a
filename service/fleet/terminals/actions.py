"""Changes to a terminal after its registration. It is never deleted: it is archived, with its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid
from service.fleet import rules
from service.fleet.actions import (
    TERMINALS,
    lock_active_customer,
    record_terminal_event,
    record_terminal_events,
    revoke_tokens,
)
from service.fleet.agents import actions as agents
from service.fleet.firmware import actions as firmware
from service.fleet.incidents import actions as incidents
from service.fleet.maintenance import actions as maintenance
from service.fleet.models import Terminal, TerminalState
from service.fleet.queries import get_terminal
from service.fleet.rules import AREA, Status
from service.fleet.terminals import queries, schemas


def change(db: Session, by: Actor, terminal_id: int, new: schemas.TerminalChange) -> None:
    """
    Raises:
        NotFound: no such terminal, or no such customer.
        Stale: it was changed since `version` was read (stale edit).
        Conflict: it or the customer is archived, the new serial number belongs to another terminal, or the terminal has
            sent a heartbeat under its present serial number.
    """
    terminal = get_terminal(db, terminal_id, lock=True)

    def check(after: Mapping[str, Any]) -> None:
        if "customer_id" in after:
            lock_active_customer(db, after["customer_id"])
        if "serial_number" in after:
            _refuse_serial_change(db, terminal)

    before = TERMINALS.change(db, by, terminal, new, check)
    if "serial_number" in before:
        agents.correct_device_serial(db, terminal)
    if before:
        record_terminal_event(db, terminal.id, "edited", by, fields=sorted(before))


def _refuse_serial_change(db: Session, terminal: Terminal) -> None:
    if db.get_one(TerminalState, terminal.id).last_heartbeat_at is not None:
        raise Conflict.at_field(
            "serial_number",
            "通信したことのある端末のシリアル番号は変更できません。本体を替えた場合は、端末交換を使ってください。",
        )


def archive(db: Session, by: Actor, terminal_id: int) -> None:
    """Archives the terminal: revokes its token, cancels its commands and updates, resolves its alerts, ends its
    maintenance, and leaves it out of the lists. Idempotent. Raises NotFound."""
    terminal = get_terminal(db, terminal_id, lock=True)
    if terminal.archived_at is not None:
        return
    counts = {
        "updates_cancelled": firmware.cancel_terminal_updates(db, terminal.id),
        "commands_cancelled": agents.cancel_open_commands(db, terminal.id, by),
        "maintenances_ended": maintenance.end_terminal_windows(db, by, terminal.id),
        "alerts_resolved": incidents.resolve_alerts_of_archived(db, terminal.id, by),
    }
    revoke_tokens(db, terminal.id)
    state = db.get_one(TerminalState, terminal.id, with_for_update=True, populate_existing=True)
    if state.status != Status.OFFLINE:
        state.status, state.status_since = Status.OFFLINE, app_now(db)
    # No heartbeat is expected any more.
    state.offline_after = None
    TERMINALS.set_archived(db, by, terminal, True, {name: count for name, count in counts.items() if count})
    record_terminal_event(db, terminal.id, "archived", by)


def restore(db: Session, by: Actor, terminal_id: int) -> None:
    """Restores an archived terminal; its agent has to be enrolled again. Idempotent.

    Raises:
        NotFound: no such terminal.
        Conflict: its customer is archived.
    """
    terminal = get_terminal(db, terminal_id, lock=True)
    if terminal.archived_at is not None:
        lock_active_customer(db, terminal.customer_id)
        state = db.get_one(TerminalState, terminal.id, with_for_update=True, populate_existing=True)
        # As after registration, it counts as not installed: no alert is opened before its first heartbeat.
        state.last_heartbeat_at = state.shutdown_at = state.cloned_at = None
        TERMINALS.set_archived(db, by, terminal, False)
        record_terminal_event(db, terminal.id, "restored", by)


def retag(db: Session, by: Actor, new: schemas.TagChange) -> int:
    """Adds and removes tags of many terminals. Returns how many terminals were changed.

    Raises:
        Invalid: neither ids nor filters are set, or both, or no tag at all.
        NotFound: one of the terminals does not exist or is archived.
        Conflict: some would have too many tags; then nothing is changed.
    """
    if (new.ids is None) == (new.filters is None):
        raise Invalid("対象を、端末（ids）か絞り込み（filters）のどちらかで指定してください。")
    if not (new.add or new.remove):
        raise Invalid("付けるタグか外すタグを指定してください。", [("add", "タグを指定してください。")])
    if new.filters is not None and new.filters.archived:
        raise Invalid("アーカイブされた端末のタグは変更できません。", [("filters", "使用中の端末を選んでください。")])
    terminals = queries.lock_selected_terminals(db, new.ids, new.filters)
    planned = [(terminal, rules.retagged(terminal.tags, new.add, new.remove)) for terminal in terminals]
    if over_limit := [terminal for terminal, tags in planned if len(tags) > rules.MAX_TAGS]:
        raise Conflict(
            f"タグは1台につき{rules.MAX_TAGS}個までです。{len(over_limit):,}台で超えるため、変更していません。"
            "先に不要なタグを外してください。"
        )
    changes = [(terminal, tags) for terminal, tags in planned if tags != terminal.tags]
    if changes:
        now = app_now(db)
        entries = [(terminal.id, {"tags": terminal.tags}, {"tags": tags}) for terminal, tags in changes]
        db.execute(
            update(Terminal),
            [
                {"id": terminal.id, "tags": tags, "version": terminal.version + 1, "updated_at": now}
                for terminal, tags in changes
            ],
        )
        audit.record_many(db, by, "update", AREA.name, "terminal", entries)
        record_terminal_events(
            db, [terminal.id for terminal, _ in changes], "tagged", by, added=new.add, removed=new.remove
        )
    return len(changes)
