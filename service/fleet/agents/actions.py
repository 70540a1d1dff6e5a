"""Every write about agents: how they get in, what they are asked to do, and what they say of it."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit, clock
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import violates
from service.core.files import records as files
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.identity import hash_token, new_token
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.fleet import queries as fleet_queries
from service.fleet.actions import create_terminal, note_down, revoke_tokens
from service.fleet.agents import queries, rules, schemas
from service.fleet.agents.models import Command, Device
from service.fleet.agents.queries import Agent
from service.fleet.agents.rules import COMMAND_WORDS, CommandName, CommandState
from service.fleet.ingest.tokens import stranger
from service.fleet.models import EnrolmentCode, TerminalToken, terminal_logs
from service.fleet.rules import AREA
from service.fleet.schemas import NewTerminal


def issue_enrolment_code(
    db: Session, by: Actor | str, new: schemas.NewEnrolmentCode, code: str | None = None
) -> tuple[EnrolmentCode, str]:
    """The code's row and the code itself, which is not kept. A given `code` is for the demo alone."""
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
    """The code opens nothing from now on; agents that used it stay enrolled. A repeat changes nothing."""
    code = queries.get_code(db, code_id)
    if code.revoked_at is None:
        code.revoked_at = app_now(db)
        audit.record(db, by, "update", AREA.name, "enrolment_code", code.id, after={"revoked": True})


def revoke_codes_of(db: Session, by: Actor, customer_id: int) -> int:
    """For a customer that is put out of use: its codes that would still open the door; how many."""
    codes = queries.valid_codes_of(db, customer_id)
    for code in codes:
        code.revoked_at = app_now(db)
    if codes:
        entries = [(code.id, None, {"revoked": True}) for code in codes]
        audit.record_many(db, by, "update", AREA.name, "enrolment_code", entries)
    return len(codes)


def enrol(db: Session, new: schemas.NewEnrolment, address: str) -> tuple[int, str]:
    """A terminal's id and its new token. The terminal is registered when the serial number is new; an earlier token
    of the same terminal ends, so that an agent installed again takes over from the one before.

    Raises:
        Forbidden: the code is unknown, used up, expired or revoked (one answer for all: a stranger learns nothing), or
            it belongs to no customer and the serial number is not registered.
        Invalid: the serial number is new and no store name is given.
        Conflict: the serial number belongs to another customer than the code, or to a terminal that was put away.
    """
    code = queries.code_for_use(db, hash_token(new.enrolment_code))
    spent = code is None or code.uses >= code.maximum_uses or code.expires_at <= app_now(db)
    if code is None or spent or code.revoked_at is not None:
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
        made = NewTerminal(serial_number=new.serial_number, customer_id=code.customer_id, store_name=new.store_name)
        terminal = create_terminal(db, agent, made, address)
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
    note_down(db, terminal.id, "enrolled", version=new.agent_version, address=address)
    return terminal.id, token


def renew_token(db: Session, by: Agent, new: schemas.NewToken) -> None:
    """The token whose hash the agent sends takes the place of the one it signed in with. Of two at once the later
    finds its own revoked.

    Raises:
        Unauthorized: the token was revoked meanwhile.
        Conflict: that token was in use before.
    """
    wanted = bytes.fromhex(new.token_sha256)
    if wanted == by.token_hash:
        return
    present = db.get(TerminalToken, by.token_hash, with_for_update=True, populate_existing=True)
    if present is None or present.revoked_at is not None:
        raise stranger()
    revoke_tokens(db, by.terminal_id)
    try:
        with db.begin_nested():
            db.add(TerminalToken(token_hash=wanted, terminal_id=by.terminal_id))
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
    note_down(db, by.terminal_id, "token_rotated")


def revoke_token(db: Session, by: Actor, terminal_id: int) -> None:
    """The terminal's agent is no longer let in, until it is enrolled again. A repeat changes nothing."""
    fleet_queries.get_terminal(db, terminal_id, lock=True)
    if revoke_tokens(db, terminal_id):
        audit.record(db, by, "update", AREA.name, "terminal_token", terminal_id, after={"revoked": True})
        note_down(db, terminal_id, "token_revoked", by)


def order(db: Session, by: Actor, terminal_id: int, name: CommandName) -> Command:
    """Asks the terminal's agent to do something; it is told with its next heartbeat.

    Raises:
        Conflict: the same is under way already, or no agent of this terminal could hear it.
    """
    terminal = fleet_queries.get_terminal(db, terminal_id)
    if terminal.archived_at is not None or queries.valid_token(db, terminal_id) is None:
        raise Conflict("この端末のエージェントは登録されていないため、指示を送れません。先に登録してください。")
    command = Command(
        terminal_id=terminal_id, name=name, user_id=by.user_id, expires_at=app_now(db) + rules.WAITS, arguments={}
    )
    try:
        with db.begin_nested():
            db.add(command)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_commands_open"):
            raise
        raise Conflict(f"{COMMAND_WORDS[name]}はすでに実行中です。終わるのを待つか、取り消してください。") from None
    after = {"terminal_id": terminal_id, "command": COMMAND_WORDS[name]}
    audit.record(db, by, "create", AREA.name, "command", command.id, after=after)
    _note(db, command, by)
    return command


def cancel(db: Session, by: Actor, terminal_id: int, command_id: int) -> None:
    """The agent is not told any more, or stops at its next safe point.

    Raises:
        Conflict: it is finished, or belongs to a roll-out or to a token, which have doors of their own.
    """
    command = queries.get_command(db, terminal_id, command_id)
    if command.name not in (CommandName.DIAGNOSE, CommandName.SEND_BUNDLE):
        raise Conflict(f"{COMMAND_WORDS[CommandName(command.name)]}は、ここからは取り消せません。")
    if command.finished_at is not None:
        raise Conflict("この指示はすでに終わっています。画面を更新してください。")
    command.state, command.finished_at = CommandState.CANCELLED, app_now(db)
    after = {"terminal_id": terminal_id, "command": COMMAND_WORDS[CommandName(command.name)]}
    audit.record(db, by, "cancel", AREA.name, "command", command.id, after=after)
    _note(db, command, by)


def report(db: Session, by: Agent, command_id: int, said: schemas.Report) -> bool:
    """Takes down how far the agent has come; whether it may go on. A repeat, or a report that arrives behind a later
    one, changes nothing. Raises NotFound for another terminal's command."""
    command = queries.get_command(db, by.terminal_id, command_id)
    if command.finished_at is not None:
        return False
    command.reported_at = app_now(db)
    if rules.is_step_back(CommandState(command.state), CommandState(said.state)):
        return True
    command.state, command.step, command.percent, command.message = said.state, said.step, said.percent, said.message
    if said.state in rules.OPEN:
        command.expires_at = command.reported_at + rules.AT_WORK
        return True
    command.result, command.finished_at = said.result, command.reported_at
    _note(db, command)
    return True


def swap(db: Session, by: Actor, terminal_id: int, new: schemas.Swap) -> tuple[EnrolmentCode, str]:
    """Puts another machine at the terminal's place: the history stays, the old machine's agent is no longer let in,
    what it was asked to do is off, and the code given back (its row and itself) enrols the new one.

    Raises:
        Stale: the terminal was changed since it was read.
        Conflict: the terminal was put away, or the new machine stands somewhere already.
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
        raise _in_use(new.serial_number)
    try:
        with db.begin_nested():
            terminal.serial_number, terminal.updated_at = new.serial_number, now
            terminal.version += 1
    except IntegrityError as error:  # of two at once, the other one was first
        if not violates(error, "uq_fleet_terminals_serial_number"):
            raise
        raise _in_use(new.serial_number) from None
    device = queries.placed_device(db, terminal_id)
    if device is None:
        device = Device(terminal_id=terminal_id, serial_number=old, placed_at=terminal.created_at)
        db.add(device)
    device.removed_at, device.fate, device.reason, device.user_id = now, new.fate, new.reason, by.user_id
    db.flush()  # of the machines at one place only one has not been removed
    db.add(Device(terminal_id=terminal_id, serial_number=new.serial_number, placed_at=now))
    revoke_tokens(db, terminal_id)
    call_off(db, terminal_id, by)
    audit.record(
        db,
        by,
        "update",
        AREA.name,
        "terminal",
        terminal_id,
        before={"serial_number": old},
        after={"serial_number": new.serial_number, "fate": rules.FATE_WORDS[new.fate], "reason": new.reason},
    )
    note_down(db, terminal_id, "swapped", by, **{"from": old, "to": new.serial_number, "fate": new.fate})
    wanted = schemas.NewEnrolmentCode(customer_id=terminal.customer_id, valid_hours=rules.SWAP_CODE_HOURS)
    return issue_enrolment_code(db, by, wanted)


def _in_use(serial_number: str) -> Conflict:
    message = f"シリアル番号「{serial_number}」の端末はすでに使われています。"
    return Conflict(message, [("serial_number", message)])


def call_off(db: Session, terminal_id: int, by: Actor) -> int:
    """Whatever the terminal's agent was asked to do and has not finished is off; how many."""
    open_ones = select(Command).where(Command.terminal_id == terminal_id, Command.finished_at.is_(None))
    commands = db.scalars(open_ones.order_by(Command.id).with_for_update()).all()
    for command in commands:
        command.state, command.finished_at = CommandState.CANCELLED, app_now(db)
        _note(db, command, by)
    return len(commands)


def refuse_bundle(db: Session, by: Agent, command_id: int) -> None:
    """Raises NotFound or Conflict unless this agent was asked for a bundle that is still wanted."""
    _wanted_bundle(db, by, command_id)


def add_bundle(db: Session, by: Agent, command_id: int, deposit: Deposit) -> File:
    """The bundle's file. A repeat is answered with the first one; what was stored again is the caller's to discard."""
    command = _wanted_bundle(db, by, command_id)
    if command.file_id is not None:
        return db.get_one(File, command.file_id)
    file = files.add(db, by.name, deposit)
    files.take(db, file)
    command.file_id, command.reported_at = file.id, app_now(db)
    command.expires_at = command.reported_at + rules.AT_WORK
    return file


def _wanted_bundle(db: Session, by: Agent, command_id: int) -> Command:
    command = queries.get_command(db, by.terminal_id, command_id)
    if command.name != CommandName.SEND_BUNDLE or command.finished_at is not None:
        raise Conflict("この指示では、診断ファイルを受け取れません。指示は終わっているか、別のものです。")
    return command


def tend(db: Session) -> dict[str, int]:
    """Ends commands that nobody reports on, asks for new tokens in place of old ones, and lets old bundles go.

    Returns:
        How many of each.
    """
    ended = (
        update(Command)
        .where(Command.finished_at.is_(None), Command.expires_at <= clock.now_sql())
        .values(state=CommandState.EXPIRED, finished_at=clock.now_sql())
        .returning(Command.id, Command.terminal_id, Command.name)
        .execution_options(synchronize_session=False)
    )
    expired = db.execute(ended).all()
    if expired:
        lines = [
            {"terminal_id": terminal_id, "kind": "command", "detail": _detail(key, name, CommandState.EXPIRED)}
            for key, terminal_id, name in expired
        ]
        db.execute(insert(terminal_logs), lines)
    return {"expired": len(expired), "renewals": _ask_for_tokens(db), "bundles": _release_bundles(db)}


def rotate_token(db: Session, by: Actor, terminal_id: int) -> Command:
    """Asks the agent to make itself a new token. Raises Conflict as `order`."""
    return order(db, by, terminal_id, CommandName.ROTATE_TOKEN)


def _ask_for_tokens(db: Session) -> int:
    due = queries.terminals_to_renew(db)
    if due:
        until = app_now(db) + rules.WAITS
        rows = [{"terminal_id": key, "name": CommandName.ROTATE_TOKEN, "expires_at": until} for key in due]
        db.execute(upsert(Command).on_conflict_do_nothing(), rows)
    return len(due)


def _release_bundles(db: Session) -> int:
    old = queries.old_bundles(db)
    for command, file in old:
        command.file_id = None
        files.release(db, file)
    return len(old)


def _note(db: Session, command: Command, by: Actor | None = None) -> None:
    note_down(db, command.terminal_id, "command", by, **_detail(command.id, command.name, command.state))


def _detail(command_id: int, name: str, state: str | None) -> dict[str, Any]:
    return {"id": command_id, "name": name, "state": state or CommandState.WAITING}
