"""Every read about agents: authentication, commands, enrolment codes, tokens, devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Row, case, func, select, text
from sqlalchemy.orm import Session, aliased

from service.core.access.identity import User, hash_token
from service.core.database.clock import now_sql
from service.core.database.paging import Key, Listing, Page, equals
from service.core.files.records import File
from service.core.problems import NotFound
from service.fleet import queries
from service.fleet.agents import schemas
from service.fleet.agents.models import Command, Device
from service.fleet.agents.rules import BUNDLE_RETENTION, MAX_RENEWALS, RENEWAL_RETRY_AFTER, CodeState, CommandName
from service.fleet.ingest.tokens import SELECT_TOKENS, unknown_token
from service.fleet.models import Customer, EnrolmentCode, Terminal, TerminalState, TerminalToken
from service.fleet.rules import BUNDLE
from service.fleet.settings import settings

_BY_TOKEN = text(SELECT_TOKENS + " AND token_hash = :hashed")
_ONLINE_WITHIN = timedelta(hours=1)
_requester = aliased(User)
_CREATED_BY = func.coalesce(_requester.name, "システム").label("created_by")
_CODE_STATE = case(
    (EnrolmentCode.revoked_at.is_not(None), CodeState.REVOKED),
    (EnrolmentCode.uses >= EnrolmentCode.maximum_uses, CodeState.USED_UP),
    (EnrolmentCode.expires_at <= now_sql(), CodeState.EXPIRED),
    else_=CodeState.VALID,
)
_CODES = Listing(
    select(
        EnrolmentCode.id,
        EnrolmentCode.customer_id,
        Customer.company_name.label("customer_name"),
        _CODE_STATE.label("state"),
        EnrolmentCode.uses,
        EnrolmentCode.maximum_uses,
        EnrolmentCode.created_at,
        _CREATED_BY,
        EnrolmentCode.expires_at,
        EnrolmentCode.revoked_at,
    )
    .outerjoin(Customer, Customer.id == EnrolmentCode.customer_id)
    .outerjoin(_requester, _requester.id == EnrolmentCode.user_id),
    model=schemas.EnrolmentCodeItem,
    unique=EnrolmentCode.id,
    keys={"created_at": Key(EnrolmentCode.created_at)},
    default="-created_at",
)
_COMMANDS = Listing(
    select(
        Command.id,
        Command.name,
        Command.state,
        Command.step,
        Command.percent,
        Command.message,
        Command.result,
        Command.file_id,
        _CREATED_BY,
        Command.created_at,
        Command.told_at,
        Command.reported_at,
        Command.finished_at,
        Command.expires_at,
    ).outerjoin(_requester, _requester.id == Command.user_id),
    model=schemas.CommandItem,
    unique=Command.id,
    keys={"created_at": Key(Command.created_at)},
    default="-created_at",
    filters={"terminal_id": equals(Command.terminal_id)},
)


@dataclass(frozen=True)
class Agent:
    """The caller of a route for agents: a terminal, authenticated by its token."""

    terminal_id: int
    serial_number: str
    token_hash: bytes
    address: str

    @property
    def name(self) -> str:
        return f"agent {self.serial_number}"


def agent_by_token(db: Session, token: str, address: str) -> Agent:
    """Raises Unauthorized: the token is unknown or revoked."""
    token_hash = hash_token(token)
    row = db.execute(_BY_TOKEN, {"hashed": token_hash}).one_or_none()
    if row is None:
        raise unknown_token()
    return Agent(row.terminal_id, db.get_one(Terminal, row.terminal_id).serial_number, token_hash, address)


def lock_terminal_by_serial(db: Session, serial_number: str) -> Terminal | None:
    """The terminal, locked: of two concurrent enrolments the second one revokes the token of the first."""
    return db.scalars(select(Terminal).where(Terminal.serial_number == serial_number).with_for_update()).one_or_none()


def lock_code_by_hash(db: Session, code_hash: bytes) -> EnrolmentCode | None:
    """The code's row, locked, so that two agents cannot both take the last use."""
    return db.scalars(select(EnrolmentCode).where(EnrolmentCode.code_hash == code_hash).with_for_update()).one_or_none()


def get_code(db: Session, code_id: int) -> EnrolmentCode:
    code = db.get(EnrolmentCode, code_id, with_for_update=True)
    if code is None:
        raise NotFound("指定された登録コードは見つかりません。一覧を開き直してください。")
    return code


def lock_valid_codes(db: Session, customer_id: int) -> Sequence[EnrolmentCode]:
    """The customer's valid codes, locked."""
    statement = select(EnrolmentCode).where(EnrolmentCode.customer_id == customer_id, _CODE_STATE == CodeState.VALID)
    return db.scalars(statement.order_by(EnrolmentCode.id).with_for_update()).all()


def codes(db: Session, limit: int, cursor: str | None) -> Page[schemas.EnrolmentCodeItem]:
    """Enrolment codes, the newest first."""
    return _CODES.read(db, limit, cursor)


def valid_token(db: Session, terminal_id: int) -> TerminalToken | None:
    statement = select(TerminalToken).where(
        TerminalToken.terminal_id == terminal_id, TerminalToken.revoked_at.is_(None)
    )
    return db.scalars(statement).one_or_none()


def token(db: Session, terminal_id: int) -> schemas.TokenAnswer:
    queries.get_terminal(db, terminal_id)
    current = valid_token(db, terminal_id)
    return schemas.TokenAnswer(
        issued_at=current.created_at if current else None,
        renew_at=current.created_at + timedelta(days=settings().token_days) if current else None,
        cloned_at=db.scalar(select(TerminalState.cloned_at).where(TerminalState.terminal_id == terminal_id)),
    )


def commands(db: Session, terminal_id: int, limit: int, cursor: str | None) -> Page[schemas.CommandItem]:
    """The commands for the terminal's agent, the newest first."""
    queries.get_terminal(db, terminal_id)
    return _COMMANDS.read(db, limit, cursor, terminal_id=terminal_id)


def get_command(db: Session, terminal_id: int, command_id: int) -> Command:
    """A command of this terminal, locked. Raises NotFound, also for a command of another terminal."""
    statement = select(Command).where(Command.id == command_id, Command.terminal_id == terminal_id).with_for_update()
    command = db.scalars(statement).one_or_none()
    if command is None:
        raise NotFound("指定された指示は見つかりません。画面を開き直してください。")
    return command


def devices(db: Session, terminal_id: int) -> schemas.Devices:
    """The terminal's machines, the present one first. Before the first swap there is no row: the present machine is
    derived from the terminal."""
    terminal = queries.get_terminal(db, terminal_id)
    rows = db.execute(
        select(
            Device.serial_number,
            Device.placed_at,
            Device.removed_at,
            Device.fate,
            Device.reason,
            _requester.name.label("removed_by"),
        )
        .outerjoin(_requester, _requester.id == Device.user_id)
        .where(Device.terminal_id == terminal_id)
        .order_by(Device.removed_at.desc().nulls_first(), Device.id.desc())
    ).mappings()
    items = [schemas.DeviceItem(**row) for row in rows] or [
        schemas.DeviceItem(
            serial_number=terminal.serial_number,
            placed_at=terminal.created_at,
            removed_at=None,
            fate=None,
            reason=None,
            removed_by=None,
        )
    ]
    return schemas.Devices(items=items, total=len(items))


def current_device(db: Session, terminal_id: int) -> Device | None:
    statement = select(Device).where(Device.terminal_id == terminal_id, Device.removed_at.is_(None))
    return db.scalars(statement).one_or_none()


def terminals_to_renew(db: Session) -> Sequence[int]:
    """Terminals that are online, whose token is old and whose agent was not asked to renew it lately."""
    recent_request = select(Command.id).where(
        Command.terminal_id == TerminalToken.terminal_id,
        Command.name == CommandName.ROTATE_TOKEN,
        Command.created_at > now_sql() - RENEWAL_RETRY_AFTER,
    )
    statement = (
        select(TerminalToken.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == TerminalToken.terminal_id)
        .where(
            TerminalToken.revoked_at.is_(None),
            TerminalToken.created_at <= now_sql() - timedelta(days=settings().token_days),
            TerminalState.last_heartbeat_at > now_sql() - _ONLINE_WITHIN,
            ~recent_request.exists(),
        )
        .order_by(TerminalToken.created_at, TerminalToken.terminal_id)
        .limit(MAX_RENEWALS)
    )
    return db.scalars(statement).all()


def old_bundles(db: Session) -> Sequence[Row[Command, File]]:
    statement = (
        select(Command, File)
        .join(File, File.id == Command.file_id)
        .where(File.purpose == BUNDLE.key, File.attached_at <= now_sql() - BUNDLE_RETENTION)
        .limit(100)
        .with_for_update(of=Command, skip_locked=True)
    )
    return db.execute(statement).all()
