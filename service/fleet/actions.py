"""Every write of the fleet area, each with its audit log entry."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, insert, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.edits import Edits
from service.core.files import records as files
from service.core.files.records import File
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict
from service.fleet import queries, rules, schemas
from service.fleet.models import (
    Customer,
    Terminal,
    TerminalPhoto,
    TerminalState,
    TerminalToken,
    terminal_logs,
)
from service.fleet.rules import AREA

CUSTOMERS = Edits(AREA.name, "customer", "顧客企業", {"uq_fleet_customers_company_name": "company_name"})
TERMINALS = Edits(
    AREA.name,
    "terminal",
    "端末",
    unique={"uq_fleet_terminals_serial_number": "serial_number"},
    titles={"serial_number": "シリアル番号"},
    may_be_emptied=frozenset({"installed_date"}),
)


def create_customer(db: Session, by: Actor | str, new: schemas.NewCustomer) -> Customer:
    """Raises Conflict when the company name is taken."""
    customer = Customer(**new.model_dump())
    CUSTOMERS.create(db, by, customer, new.model_dump())
    return customer


def lock_active_customer(db: Session, customer_id: int) -> Customer:
    """Locks and returns the customer. It cannot be archived until the terminal that is being added to it is committed.

    Raises:
        NotFound: there is no such customer.
        Conflict: it is archived.
    """
    customer = queries.get_customer(db, customer_id, lock=True)
    if customer.archived_at is not None:
        raise Conflict.at_field(
            "customer_id", f"「{customer.company_name}」はアーカイブされています。先に顧客企業を元に戻してください。"
        )
    return customer


def create_terminal(db: Session, by: Actor | str, new: schemas.NewTerminal, address: str = "-") -> Terminal:
    lock_active_customer(db, new.customer_id)
    terminal = Terminal(**new.model_dump())
    TERMINALS.create(db, by, terminal, new.model_dump(), address=address)
    db.add(TerminalState(terminal_id=terminal.id))
    db.flush()
    return terminal


def import_customers(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    customer_ids = db.scalars(
        insert(Customer).returning(Customer.id, sort_by_parameter_order=True), [row.values for row in new]
    ).all()
    entries = ((key, None, _json_values(row.values)) for key, row in zip(customer_ids, new, strict=True))
    audit.record_many(db, by, "create", AREA.name, "customer", entries)


def change_customers(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    now, versions = app_now(db), queries.versions(db, Customer, [row.id for row in changes])
    db.execute(update(Customer), [_next_version(row.id, versions, now) | row.after for row in changes])
    entries = ((row.id, _json_values(row.before), _json_values(row.after)) for row in changes)
    audit.record_many(db, by, "update", AREA.name, "customer", entries)


def import_terminals(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    values = _terminal_values(db, [row.values for row in new])
    terminal_ids = db.scalars(insert(Terminal).returning(Terminal.id, sort_by_parameter_order=True), values).all()
    db.execute(insert(TerminalState), [{"terminal_id": key} for key in terminal_ids])
    entries = ((key, None, _json_values(row.values)) for key, row in zip(terminal_ids, new, strict=True))
    audit.record_many(db, by, "create", AREA.name, "terminal", entries)


def change_terminals(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    values = _terminal_values(db, [row.after for row in changes])
    now, versions = app_now(db), queries.versions(db, Terminal, [row.id for row in changes])
    changed = [_next_version(row.id, versions, now) | after for row, after in zip(changes, values, strict=True)]
    db.execute(update(Terminal), changed)
    entries = ((row.id, _json_values(row.before), _json_values(row.after)) for row in changes)
    audit.record_many(db, by, "update", AREA.name, "terminal", entries)
    record_terminal_events(db, [row.id for row in changes], "edited", by, source="import")


def _next_version(row_id: int, versions: Mapping[int, int], now: datetime) -> dict[str, Any]:
    return {"id": row_id, "version": versions[row_id] + 1, "updated_at": now}


def _terminal_values(db: Session, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The file's rows with `customer_id` instead of the company name."""
    customers = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return [
        {name: value for name, value in row.items() if name != "company_name"}
        | {"customer_id": customers[row["company_name"]].id}
        for row in rows
    ]


def _json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def revoke_tokens(db: Session, terminal_id: int) -> int:
    """Revokes the terminal's valid tokens and returns how many. At commit a database trigger notifies every ingest
    process."""
    result = db.execute(
        update(TerminalToken)
        .where(TerminalToken.terminal_id == terminal_id, TerminalToken.revoked_at.is_(None))
        .values(revoked_at=func.app_now())
    )
    # The clone detection starts again with the next token.
    db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id == terminal_id)
        .values(cloned_at=None, previous_stream_id=None, previous_sequence=None)
    )
    return cast("CursorResult[Any]", result).rowcount


def record_terminal_event(
    db: Session, terminal_id: int, kind: str, by: Actor | str | None = None, **detail: Any
) -> None:
    """Writes an entry to the terminal's log. `by` is who did it; None when it happened by itself."""
    record_terminal_events(db, [terminal_id], kind, by, **detail)


def record_terminal_events(
    db: Session, terminal_ids: Sequence[int], kind: str, by: Actor | str | None = None, **detail: Any
) -> None:
    """Writes the same entry to the log of each terminal."""
    name = by.name if isinstance(by, Actor) else by
    entry = {"kind": kind, "detail": detail or None, "by": name and name[:100]}
    if terminal_ids:
        db.execute(insert(terminal_logs), [{"terminal_id": terminal_id} | entry for terminal_id in terminal_ids])


def add_photo(db: Session, by: Actor, terminal_id: int, new: schemas.NewPhoto) -> None:
    """Attaches an uploaded picture to the terminal.

    Raises:
        NotFound: no such terminal, or no such upload of this user.
        Conflict: the picture is in use already, or the terminal has the maximum number of photos.
    """
    # The lock keeps two concurrent uploads from exceeding the maximum.
    queries.get_terminal(db, terminal_id, lock=True)
    if queries.count_photos(db, terminal_id) >= rules.MAX_PHOTOS:
        raise Conflict(f"設置写真は1台につき{rules.MAX_PHOTOS}枚までです。不要な写真を外してから追加してください。")
    file = files.attach(db, by, new.file_id, rules.TERMINAL_PHOTO)
    db.add(TerminalPhoto(file_id=file.id, terminal_id=terminal_id))
    audit.record(db, by, "update", AREA.name, "terminal", terminal_id, after={"photo_added": _file_entry(file)})


def remove_photo(db: Session, by: Actor, terminal_id: int, file_id: uuid.UUID) -> None:
    """Detaches the picture from the terminal; its file is deleted a day later. Raises NotFound."""
    photo, file = queries.get_photo(db, terminal_id, file_id)
    db.delete(photo)
    files.detach(db, file)
    audit.record(db, by, "update", AREA.name, "terminal", terminal_id, before={"photo_removed": _file_entry(file)})


def _file_entry(file: File) -> dict[str, str]:
    return {"file_id": str(file.id), "name": file.name}
