"""A terminal's changes after it was registered. It is never deleted: it is archived, with its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Conflict, Invalid
from service.fleet import rules
from service.fleet.actions import TERMINALS, customer_in_use, note_down, note_down_many, revoke_tokens
from service.fleet.agents import actions as agents
from service.fleet.agents.models import Device
from service.fleet.firmware import actions as firmware
from service.fleet.maintenance import actions as maintenance
from service.fleet.models import Terminal, TerminalState
from service.fleet.queries import get_terminal
from service.fleet.rules import AREA, Status
from service.fleet.terminals import queries, schemas
from service.fleet.watch.actions import drop_alerts


def change(db: Session, by: Actor, terminal_id: int, new: schemas.TerminalChange) -> None:
    """
    Raises:
        NotFound: no such terminal, or no such customer.
        Stale: somebody changed it since `version` was read.
        Conflict: it or the customer is archived, the serial number is another's, or it was heard of under its serial
            number already.
    """
    terminal = get_terminal(db, terminal_id, lock=True)

    def check(after: Mapping[str, Any]) -> None:
        if "customer_id" in after:
            customer_in_use(db, after["customer_id"])
        if "serial_number" in after:
            _refuse_known_serial(db, terminal)

    before = TERMINALS.change(db, by, terminal, new, check)
    if "serial_number" in before:
        _rename_device(db, terminal)
    if before:
        note_down(db, terminal.id, "edited", by, fields=sorted(before))


def _refuse_known_serial(db: Session, terminal: Terminal) -> None:
    if db.get_one(TerminalState, terminal.id).last_heartbeat_at is not None:
        message = "通信したことのある端末のシリアル番号は変更できません。本体を替えた場合は、端末交換を使ってください。"
        raise Conflict(message, [("serial_number", message)])


def _rename_device(db: Session, terminal: Terminal) -> None:
    placed = update(Device).where(Device.terminal_id == terminal.id, Device.removed_at.is_(None))
    db.execute(placed.values(serial_number=terminal.serial_number).execution_options(synchronize_session=False))


def archive(db: Session, by: Actor, terminal_id: int) -> None:
    """Puts it out of use: its token ends, whatever was asked of it and its updates are called off, its alerts and
    maintenance end, the lists leave it out. To one that is archived already nothing happens. Raises NotFound."""
    terminal = get_terminal(db, terminal_id, lock=True)
    if terminal.archived_at is not None:
        return
    ended = {
        "updates_cancelled": firmware.drop_terminal(db, terminal.id),
        "commands_cancelled": agents.call_off(db, terminal.id, by),
        "maintenances_ended": maintenance.end_all_of(db, by, terminal.id),
        "alerts_resolved": drop_alerts(db, terminal.id, by),
    }
    revoke_tokens(db, terminal.id)
    state = db.get_one(TerminalState, terminal.id, with_for_update=True, populate_existing=True)
    if state.status != Status.OFFLINE:
        state.status, state.status_since = Status.OFFLINE, app_now(db)
    # Nobody waits for it any more.
    state.offline_after = None
    TERMINALS.set_archived(db, by, terminal, True, {name: count for name, count in ended.items() if count})
    note_down(db, terminal.id, "archived", by)


def restore(db: Session, by: Actor, terminal_id: int) -> None:
    """It stands in the lists again; its agent has to be enrolled anew. To one in use nothing happens.

    Raises:
        NotFound: no such terminal.
        Conflict: its customer is archived.
    """
    terminal = get_terminal(db, terminal_id, lock=True)
    if terminal.archived_at is not None:
        customer_in_use(db, terminal.customer_id)
        state = db.get_one(TerminalState, terminal.id, with_for_update=True, populate_existing=True)
        # Not installed yet, as when it was registered: nobody misses it before its first heartbeat.
        state.last_heartbeat_at = state.shutdown_at = state.cloned_at = None
        TERMINALS.set_archived(db, by, terminal, False)
        note_down(db, terminal.id, "restored", by)


def retag(db: Session, by: Actor, new: schemas.TagChange) -> int:
    """Adds tags to many terminals and takes others off; how many are different now.

    Raises:
        Invalid: neither ids nor filters are given, or both, or no tag at all.
        NotFound: one of the terminals is not there or is archived.
        Conflict: some would have too many tags; then nothing is changed.
    """
    if (new.ids is None) == (new.filters is None):
        raise Invalid("対象を、端末（ids）か絞り込み（filters）のどちらかで指定してください。")
    if not (new.add or new.remove):
        raise Invalid("付けるタグか外すタグを指定してください。", [("add", "タグを指定してください。")])
    if new.filters is not None and new.filters.archived:
        raise Invalid("アーカイブされた端末のタグは変更できません。", [("filters", "使用中の端末を選んでください。")])
    found = queries.to_tag(db, new.ids, new.filters)
    planned = [(one, rules.retagged(one.tags, new.add, new.remove)) for one in found]
    if full := [one for one, tags in planned if len(tags) > rules.MOST_TAGS]:
        raise Conflict(
            f"タグは1台につき{rules.MOST_TAGS}個までです。{len(full):,}台で超えるため、変更していません。"
            "先に不要なタグを外してください。"
        )
    changes = [(one, tags) for one, tags in planned if tags != one.tags]
    if changes:
        now = app_now(db)
        entries = [(one.id, {"tags": one.tags}, {"tags": tags}) for one, tags in changes]
        db.execute(
            update(Terminal),
            [{"id": one.id, "tags": tags, "version": one.version + 1, "updated_at": now} for one, tags in changes],
        )
        audit.record_many(db, by, "update", AREA.name, "terminal", entries)
        note_down_many(db, [one.id for one, _ in changes], "tagged", by, added=new.add, removed=new.remove)
    return len(changes)
