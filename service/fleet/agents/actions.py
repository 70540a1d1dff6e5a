"""Every write about agents: enrolment, tokens, commands, and the agents' reports on commands."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.access.identity import hash_token, new_token
from service.core.database import clock
from service.core.database.clock import app_now
from service.core.database.session import violates
from service.core.files import records as files
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.fleet import queries as fleet_queries
from service.fleet.actions import create_terminal, record_terminal_event, revoke_tokens
from service.fleet.agents import queries, rules, schemas
from service.fleet.agents.models import Command, Device
from service.fleet.agents.queries import Agent
from service.fleet.agents.rules import CommandName, CommandState
from service.fleet.ingest.tokens import unknown_token
from service.fleet.models import EnrolmentCode, Terminal, TerminalToken, terminal_logs
from service.fleet.rules import AREA
from service.fleet.schemas import NewTerminal


def issue_enrolment_code(
    db: Session, by: Actor | str, new: schemas.NewEnrolmentCode, code: str | None = None
) -> tuple[EnrolmentCode, str]:
    """Returns the row and the code itself, which is not stored. The `code` argument is for the demo only."""
    if new.customer_id is not None:
        fleet_queries.get_customer(db, new.customer_id)
    code = code or "-".join(secrets.token_hex(2).upper() for _ in range(4))
    row = EnrolmentCode(
        code_hash=hash_token(code.upper()),
        customer_id=new.customer_id,
        expires_at=app_now(db) + new.lifetime,
        maximum_uses=new.maximum_uses,
        user_id=by.user_id if isinstance(by, Actor) else None,
    )
    db.add(row)
    db.flush()  # for the id
    audit.record(db, by, "create", AREA.name, "enrolment_code", row.id, after=new.model_dump(mode="json"))
    return row, code


def revoke_enrolment_code(db: Session, by: Actor, code_id: int) -> None:
    """The code no longer enrols an agent; agents that used it stay enrolled. Idempotent."""
    code = queries.get_code(db, code_id)
    if code.revoked_at is None:
        code.revoked_at = app_now(db)
        audit.record(db, by, "update", AREA.name, "enrolment_code", code.id, after={"revoked": True})


def revoke_customer_codes(db: Session, customer_id: int) -> int:
    """Revokes the valid codes of a customer that is archived. Returns how many, for the customer's audit entry."""
    codes = queries.lock_valid_codes(db, customer_id)
    for code in codes:
        code.revoked_at = app_now(db)
    return len(codes)


def enrol(db: Session, new: schemas.NewEnrolment, address: str) -> tuple[int, str]:
    """Returns a terminal's id and its new token. Registers the terminal when the serial number is new. Revokes an
    earlier token of the same terminal, so that an agent that is installed again replaces the previous one.

    Raises:
        Forbidden: the code is unknown, used up, expired or revoked (one message for all: it tells an attacker nothing),
            or it belongs to no customer and the serial number is not registered.
        Invalid: the serial number is new and the store name is missing.
        Conflict: the serial number belongs to another customer than the code, or to an archived terminal.
    """
    code = queries.lock_code_by_hash(db, hash_token(new.enrolment_code))
    is_unusable = code is None or code.uses >= code.maximum_uses or code.expires_at <= app_now(db)
    if code is None or is_unusable or code.revoked_at is not None:
        raise Forbidden(
            "登録コードが無効か、期限切れ、または使用済みです。管理者に新しいコードの発行を依頼してください。"
        )
    terminal = queries.lock_terminal_by_serial(db, new.serial_number)
    agent = f"agent {new.serial_number}"
    if terminal is None:
        if code.customer_id is None:
            raise Forbidden("このシリアル番号は登録されていません。管理者に端末の登録を依頼してください。")
        if new.store_name is None:
            raise Invalid.at_field("store_name", "初めて登録する端末には、設置店舗名（store_name）を指定してください。")
        new_terminal = NewTerminal(
            serial_number=new.serial_number, customer_id=code.customer_id, store_name=new.store_name
        )
        terminal = create_terminal(db, agent, new_terminal, address)
    elif code.customer_id not in (None, terminal.customer_id) or terminal.archived_at is not None:
        raise Conflict(
            "このシリアル番号は、この登録コードでは登録できません。シリアル番号と登録コードを確認してください。"
        )
    code.uses += 1
    revoke_tokens(db, terminal.id)
    token = new_token()
    db.add(TerminalToken(token_hash=hash_token(token), terminal_id=terminal.id))
    after = {"enrolment_code_id": code.id, "agent_version": new.agent_version}
    audit.record(db, agent, "create", AREA.name, "terminal_token", terminal.id, after=after, address=address)
    record_terminal_event(db, terminal.id, "enrolled", version=new.agent_version, address=address)
    return terminal.id, token


def renew_token(db: Session, by: Agent, new: schemas.NewToken) -> None:
    """Replaces the token that the agent authenticated with by the one whose hash it sends. Of two concurrent renewals
    the second one finds its token revoked.

    Raises:
        Unauthorized: the token was revoked in the meantime.
        Conflict: the new token was used before.
    """
    token_hash = bytes.fromhex(new.token_sha256)
    if token_hash == by.token_hash:
        return
    current = db.get(TerminalToken, by.token_hash, with_for_update=True, populate_existing=True)
    if current is None or current.revoked_at is not None:
        raise unknown_token()
    revoke_tokens(db, by.terminal_id)
    try:
        with db.begin_nested():
            db.add(TerminalToken(token_hash=token_hash, terminal_id=by.terminal_id))
    except IntegrityError as error:
        if not violates(error, "pk_fleet_terminal_tokens"):
            raise
        raise Conflict("このトークンは使えません。新しいトークンを作り直してください。") from None
    audit.record(
        db,
        by.name,
        "update",
        AREA.name,
        "terminal_token",
        by.terminal_id,
        after={"renewed": True},
        address=by.address,
    )
    record_terminal_event(db, by.terminal_id, "token_rotated")


def revoke_token(db: Session, by: Actor, terminal_id: int) -> None:
    """The terminal's agent cannot authenticate until it is enrolled again. Idempotent."""
    fleet_queries.get_terminal(db, terminal_id, lock=True)
    if revoke_tokens(db, terminal_id):
        audit.record(db, by, "update", AREA.name, "terminal_token", terminal_id, after={"revoked": True})
        record_terminal_event(db, terminal_id, "token_revoked", by)


def send_command(db: Session, by: Actor, terminal_id: int, name: CommandName) -> Command:
    """Creates a command for the terminal's agent, which gets it with the answer to its next heartbeat.

    Raises:
        Conflict: the same command is open already, or the terminal has no enrolled agent.
    """
    terminal = fleet_queries.get_terminal(db, terminal_id)
    if terminal.archived_at is not None or queries.valid_token(db, terminal_id) is None:
        raise Conflict("この端末のエージェントは登録されていないため、指示を送れません。先に登録してください。")
    command = Command(
        terminal_id=terminal_id, name=name, user_id=by.user_id, expires_at=app_now(db) + rules.COMMAND_TTL, arguments={}
    )
    try:
        with db.begin_nested():
            db.add(command)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_commands_open"):
            raise
        raise Conflict(f"{name.label}はすでに実行中です。終わるのを待つか、取り消してください。") from None
    after = {"terminal_id": terminal_id, "command": name.label}
    audit.record(db, by, "create", AREA.name, "command", command.id, after=after)
    _note(db, command, by)
    return command


def cancel(db: Session, by: Actor, terminal_id: int, command_id: int) -> None:
    """Cancels a command: the agent does not get it any more, or stops at its next safe point.

    Raises:
        Conflict: it is finished, or it belongs to a roll-out or a token rotation, which have routes of their own.
    """
    command = queries.get_command(db, terminal_id, command_id)
    if command.name not in (CommandName.DIAGNOSE, CommandName.SEND_BUNDLE):
        raise Conflict(f"{CommandName(command.name).label}は、ここからは取り消せません。")
    if command.finished_at is not None:
        raise Conflict("この指示はすでに終わっています。画面を更新してください。")
    command.state, command.finished_at = CommandState.CANCELLED, app_now(db)
    after = {"terminal_id": terminal_id, "command": CommandName(command.name).label}
    audit.record(db, by, "cancel", AREA.name, "command", command.id, after=after)
    _note(db, command, by)


def record_report(db: Session, by: Agent, command_id: int, progress: schemas.Report) -> bool:
    """Records the agent's progress with a command. Returns whether it may go on. A replay, or a report that arrives
    after a later one, changes nothing. Raises NotFound for a command of another terminal."""
    command = queries.get_command(db, by.terminal_id, command_id)
    if command.finished_at is not None:
        return False
    command.reported_at = app_now(db)
    if rules.is_step_back(CommandState(command.state), CommandState(progress.state)):
        return True
    command.state, command.step, command.percent, command.message = (
        progress.state,
        progress.step,
        progress.percent,
        progress.message,
    )
    if progress.state in rules.OPEN_STATES:
        command.expires_at = command.reported_at + rules.REPORT_TIMEOUT
        return True
    command.result, command.finished_at = progress.result, command.reported_at
    _note(db, command)
    return True


def swap(db: Session, by: Actor, terminal_id: int, new: schemas.Swap) -> tuple[EnrolmentCode, str]:
    """Replaces the machine of a terminal. The history stays, the old machine's token is revoked and its open commands
    are cancelled. Returns the enrolment code (row and code) for the new machine.

    Raises:
        Stale: the terminal was changed since `version` was read (stale edit).
        Conflict: the terminal is archived, or the new serial number is in use.
    """
    terminal = fleet_queries.get_terminal(db, terminal_id, lock=True)
    if terminal.archived_at is not None:
        raise Conflict("この端末は撤去済みのため、交換できません。")
    old, now = terminal.serial_number, app_now(db)
    if new.version != terminal.version:
        raise Stale(
            "ほかの人が先にこの端末を更新しました。まだ交換されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current={"version": terminal.version, "serial_number": old},
        )
    if fleet_queries.terminals_by_serial(db, [new.serial_number]):
        raise _serial_in_use(new.serial_number)
    try:
        with db.begin_nested():
            terminal.serial_number, terminal.updated_at = new.serial_number, now
            terminal.version += 1
    except IntegrityError as error:  # a concurrent request was first
        if not violates(error, "uq_fleet_terminals_serial_number"):
            raise
        raise _serial_in_use(new.serial_number) from None
    device = queries.current_device(db, terminal_id)
    if device is None:
        device = Device(terminal_id=terminal_id, serial_number=old, placed_at=terminal.created_at)
        db.add(device)
    device.removed_at, device.fate, device.reason, device.user_id = now, new.fate, new.reason, by.user_id
    db.flush()  # the unique index allows one device per terminal that is not removed
    db.add(Device(terminal_id=terminal_id, serial_number=new.serial_number, placed_at=now))
    revoke_tokens(db, terminal_id)
    cancel_open_commands(db, terminal_id, by)
    audit.record(
        db,
        by,
        "update",
        AREA.name,
        "terminal",
        terminal_id,
        before={"serial_number": old},
        after={"serial_number": new.serial_number, "fate": new.fate.label, "reason": new.reason},
    )
    record_terminal_event(db, terminal_id, "swapped", by, **{"from": old, "to": new.serial_number, "fate": new.fate})
    new_code = schemas.NewEnrolmentCode(customer_id=terminal.customer_id, valid_hours=rules.SWAP_CODE_HOURS)
    return issue_enrolment_code(db, by, new_code)


def _serial_in_use(serial_number: str) -> Conflict:
    message = f"シリアル番号「{serial_number}」の端末はすでに使われています。"
    return Conflict(message, [("serial_number", message)])


def cancel_open_commands(db: Session, terminal_id: int, by: Actor) -> int:
    """Cancels all open commands of the terminal. Returns how many."""
    statement = select(Command).where(Command.terminal_id == terminal_id, Command.finished_at.is_(None))
    commands = db.scalars(statement.order_by(Command.id).with_for_update()).all()
    for command in commands:
        command.state, command.finished_at = CommandState.CANCELLED, app_now(db)
        _note(db, command, by)
    return len(commands)


def offer_commands(
    db: Session, name: CommandName, arguments: Sequence[tuple[int, dict[str, Any]]], now: datetime
) -> Sequence[int]:
    """Creates one command for each terminal, with its arguments. Returns the ids in the same order."""
    rows = [
        {"terminal_id": terminal_id, "name": name, "arguments": values, "expires_at": now + rules.COMMAND_TTL}
        for terminal_id, values in arguments
    ]
    return db.scalars(insert(Command).returning(Command.id, sort_by_parameter_order=True), rows).all()


def withdraw_commands(db: Session, command_ids: Sequence[int]) -> None:
    """The agents do not get these commands any more, or stop at their next safe point."""
    if command_ids:
        statement = update(Command).where(Command.id.in_(command_ids), Command.state.in_(rules.OPEN_STATES))
        values = {"state": CommandState.CANCELLED, "finished_at": clock.now_sql()}
        db.execute(statement.values(**values).execution_options(synchronize_session=False))


def correct_device_serial(db: Session, terminal: Terminal) -> None:
    """The terminal's present machine gets the corrected serial number too."""
    statement = update(Device).where(Device.terminal_id == terminal.id, Device.removed_at.is_(None))
    db.execute(statement.values(serial_number=terminal.serial_number).execution_options(synchronize_session=False))


def require_bundle_command(db: Session, by: Agent, command_id: int) -> None:
    """Raises NotFound or Conflict unless this command asks this agent for a bundle and is open."""
    _open_bundle_command(db, by, command_id)


def add_bundle(db: Session, by: Agent, command_id: int, deposit: Deposit) -> File:
    """Returns the bundle's file. A replay gets the first file; the caller discards the second upload."""
    command = _open_bundle_command(db, by, command_id)
    if command.file_id is not None:
        return db.get_one(File, command.file_id)
    file = files.add(db, by.name, deposit)
    files.attach_generated(db, file)
    command.file_id, command.reported_at = file.id, app_now(db)
    command.expires_at = command.reported_at + rules.REPORT_TIMEOUT
    return file


def _open_bundle_command(db: Session, by: Agent, command_id: int) -> Command:
    command = queries.get_command(db, by.terminal_id, command_id)
    if command.name != CommandName.SEND_BUNDLE or command.finished_at is not None:
        raise Conflict("この指示では、診断ファイルを受け取れません。指示は終わっているか、別のものです。")
    return command


def run_housekeeping(db: Session) -> dict[str, int]:
    """Expires commands without a report, requests the renewal of old tokens, and releases old bundles.

    Returns:
        The number of each.
    """
    statement = (
        update(Command)
        .where(Command.finished_at.is_(None), Command.expires_at <= clock.now_sql())
        .values(state=CommandState.EXPIRED, finished_at=clock.now_sql())
        .returning(Command.id, Command.terminal_id, Command.name)
        .execution_options(synchronize_session=False)
    )
    expired = db.execute(statement).all()
    if expired:
        entries = [
            {"terminal_id": terminal_id, "kind": "command", "detail": _detail(command_id, name, CommandState.EXPIRED)}
            for command_id, terminal_id, name in expired
        ]
        db.execute(insert(terminal_logs), entries)
    return {"expired": len(expired), "renewals": _request_renewals(db), "bundles": _release_bundles(db)}


def rotate_token(db: Session, by: Actor, terminal_id: int) -> Command:
    """Asks the agent to renew its token. Raises Conflict as `send_command` does."""
    return send_command(db, by, terminal_id, CommandName.ROTATE_TOKEN)


def _request_renewals(db: Session) -> int:
    terminal_ids = queries.terminals_to_renew(db)
    if terminal_ids:
        expires_at = app_now(db) + rules.COMMAND_TTL
        rows = [
            {"terminal_id": terminal_id, "name": CommandName.ROTATE_TOKEN, "expires_at": expires_at}
            for terminal_id in terminal_ids
        ]
        db.execute(upsert(Command).on_conflict_do_nothing(), rows)
    return len(terminal_ids)


def _release_bundles(db: Session) -> int:
    bundles = queries.old_bundles(db)
    for command, file in bundles:
        command.file_id = None
        files.detach(db, file)
    return len(bundles)


def _note(db: Session, command: Command, by: Actor | None = None) -> None:
    record_terminal_event(db, command.terminal_id, "command", by, **_detail(command.id, command.name, command.state))


def _detail(command_id: int, name: str, state: str | None) -> dict[str, Any]:
    return {"id": command_id, "name": name, "state": state or CommandState.WAITING}
