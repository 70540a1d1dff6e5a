"""Every write of the fleet: change, audit, outbox, one verb each."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import CursorResult, func, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import violates
from service.core.files import records as files
from service.core.files.records import File
from service.core.identity import hash_token, new_token
from service.core.imports.kinds import Change, New
from service.core.problems import Conflict, Forbidden, Invalid
from service.fleet import queries, rules, schemas
from service.fleet.models import (
    Customer,
    EnrolmentCode,
    Terminal,
    TerminalPhoto,
    TerminalState,
    TerminalToken,
)
from service.fleet.rules import AREA


def create_customer(db: Session, by: Actor | str, new: schemas.NewCustomer) -> Customer:
    customer = Customer(**new.model_dump())
    try:
        with db.begin_nested():
            db.add(customer)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_customers_company_name"):
            raise
        message = f"「{new.company_name}」はすでに登録されています。"
        raise Conflict(message, [("company_name", message)]) from None
    audit.record(db, by, "create", AREA.name, "customer", customer.id, after=new.model_dump(mode="json"))
    return customer


def create_terminal(db: Session, by: Actor | str, new: schemas.NewTerminal, address: str = "-") -> Terminal:
    queries.get_customer(db, new.customer_id)
    terminal = Terminal(**new.model_dump())
    try:
        with db.begin_nested():
            db.add(terminal)
            db.flush()  # for the id
            db.add(TerminalState(terminal_id=terminal.id))
    except IntegrityError as error:
        if not violates(error, "uq_fleet_terminals_serial_number"):
            raise
        message = f"シリアル番号「{new.serial_number}」はすでに登録されています。"
        raise Conflict(message, [("serial_number", message)]) from None
    values = new.model_dump(mode="json")
    audit.record(db, by, "create", AREA.name, "terminal", terminal.id, after=values, address=address)
    return terminal


def import_customers(db: Session, by: Actor, new: Sequence[New]) -> None:
    made = db.scalars(
        insert(Customer).returning(Customer.id, sort_by_parameter_order=True), [row.values for row in new]
    ).all()
    entries = ((key, None, _plain(row.values)) for key, row in zip(made, new, strict=True))
    audit.record_many(db, by, "create", AREA.name, "customer", entries)


def change_customers(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    db.execute(update(Customer), [{"id": row.id} | row.after for row in changes])
    entries = ((row.id, _plain(row.before), _plain(row.after)) for row in changes)
    audit.record_many(db, by, "update", AREA.name, "customer", entries)


def import_terminals(db: Session, by: Actor, new: Sequence[New]) -> None:
    values = _terminal_values(db, [row.values for row in new])
    made = db.scalars(insert(Terminal).returning(Terminal.id, sort_by_parameter_order=True), values).all()
    db.execute(insert(TerminalState), [{"terminal_id": key} for key in made])
    entries = ((key, None, _plain(row.values)) for key, row in zip(made, new, strict=True))
    audit.record_many(db, by, "create", AREA.name, "terminal", entries)


def change_terminals(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    values = _terminal_values(db, [row.after for row in changes])
    now = app_now(db)
    changed = [{"id": row.id, "updated_at": now} | after for row, after in zip(changes, values, strict=True)]
    db.execute(update(Terminal), changed)
    entries = ((row.id, _plain(row.before), _plain(row.after)) for row in changes)
    audit.record_many(db, by, "update", AREA.name, "terminal", entries)


def _terminal_values(db: Session, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A file's rows with the id of the customer instead of its name."""
    customers = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return [
        {name: value for name, value in row.items() if name != "company_name"}
        | {"customer_id": customers[row["company_name"]].id}
        for row in rows
    ]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def issue_enrolment_code(
    db: Session, by: Actor | str, new: schemas.NewEnrolmentCode, code: str | None = None
) -> tuple[EnrolmentCode, str]:
    """The code's row and the code itself, which is not kept. A given `code` is for the demo alone."""
    if new.customer_id is not None:
        queries.get_customer(db, new.customer_id)
    code = code or "-".join(secrets.token_hex(2).upper() for _ in range(4))
    row = EnrolmentCode(
        code_hash=hash_token(code.upper()),
        customer_id=new.customer_id,
        expires_at=app_now(db) + new.lifetime,
        maximum_uses=new.maximum_uses,
    )
    db.add(row)
    db.flush()  # for the id
    audit.record(db, by, "create", AREA.name, "enrolment_code", row.id, after=new.model_dump(mode="json"))
    return row, code


def enrol(db: Session, new: schemas.NewEnrolment, address: str) -> tuple[int, str]:
    """A terminal's id and its new token. The terminal is registered when the serial number is new; an earlier token
    of the same terminal ends, so that an agent installed again takes over from the one before.

    Raises:
        Forbidden: the code is unknown, used up or expired (one answer for all three: a stranger learns nothing), or it
            belongs to no customer and the serial number is not registered.
        Invalid: the serial number is new and no store name is given.
        Conflict: the serial number belongs to another customer than the code.
    """
    code = queries.enrolment_code_for_use(db, hash_token(new.enrolment_code))
    if code is None or code.uses >= code.maximum_uses or code.expires_at <= app_now(db):
        raise Forbidden(
            "登録コードが無効か、期限切れ、または使用済みです。管理者に新しいコードの発行を依頼してください。"
        )
    terminal = queries.terminal_for_enrolment(db, new.serial_number)
    agent = f"agent {new.serial_number}"
    if terminal is None:
        if code.customer_id is None:
            raise Forbidden("このシリアル番号は登録されていません。管理者に端末の登録を依頼してください。")
        if new.store_name is None:
            message = "初めて登録する端末には、設置店舗名（store_name）を指定してください。"
            raise Invalid(message, [("store_name", message)])
        terminal = create_terminal(
            db,
            agent,
            schemas.NewTerminal(
                serial_number=new.serial_number, customer_id=code.customer_id, store_name=new.store_name
            ),
            address,
        )
    elif code.customer_id not in (None, terminal.customer_id):
        raise Conflict(
            "このシリアル番号は、この登録コードでは登録できません。シリアル番号と登録コードを確認してください。"
        )
    code.uses += 1
    revoke_tokens(db, terminal.id)
    token = new_token()
    db.add(TerminalToken(token_hash=hash_token(token), terminal_id=terminal.id))
    audit.record(
        db,
        agent,
        "create",
        AREA.name,
        "terminal_token",
        terminal.id,
        after={"enrolment_code_id": code.id, "agent_version": new.agent_version},
        address=address,
    )
    return terminal.id, token


def revoke_tokens(db: Session, terminal_id: int) -> int:
    """Ends the terminal's tokens; how many. The database's trigger tells every ingest at commit."""
    done = db.execute(
        update(TerminalToken)
        .where(TerminalToken.terminal_id == terminal_id, TerminalToken.revoked_at.is_(None))
        .values(revoked_at=func.app_now())
    )
    return cast("CursorResult[Any]", done).rowcount


def add_photo(db: Session, by: Actor, terminal_id: int, new: schemas.NewPhoto) -> None:
    """Takes an uploaded picture into use as one of the terminal's.

    Raises:
        NotFound: no such terminal, or no such upload of this person.
        Conflict: the picture is in use already, or the terminal has as many as it may.
    """
    # Locked, so that two at once cannot both be the last one allowed.
    queries.get_terminal(db, terminal_id, lock=True)
    if queries.count_photos(db, terminal_id) >= rules.MOST_PHOTOS:
        raise Conflict(f"設置写真は1台につき{rules.MOST_PHOTOS}枚までです。不要な写真を外してから追加してください。")
    file = files.attach(db, by, new.file_id, rules.TERMINAL_PHOTO)
    db.add(TerminalPhoto(file_id=file.id, terminal_id=terminal_id))
    audit.record(db, by, "update", AREA.name, "terminal", terminal_id, after={"photo_added": _named(file)})


def remove_photo(db: Session, by: Actor, terminal_id: int, file_id: uuid.UUID) -> None:
    """Takes the picture off the terminal; its file goes a day later. Raises NotFound."""
    photo, file = queries.get_photo(db, terminal_id, file_id)
    db.delete(photo)
    files.release(db, file)
    audit.record(db, by, "update", AREA.name, "terminal", terminal_id, before={"photo_removed": _named(file)})


def _named(file: File) -> dict[str, str]:
    return {"file_id": str(file.id), "name": file.name}
