"""Every read of firmware, roll-outs and their tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, cast, false, func, select, text
from sqlalchemy.orm import Session

from service.core.clock import app_now, now_sql
from service.core.files.records import File
from service.core.identity import User
from service.core.paging import Key, Listing, equals
from service.core.problems import NotFound
from service.fleet.agents.models import Command
from service.fleet.agents.rules import OPEN, CommandName
from service.fleet.firmware import rules, schemas
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.firmware.rules import UNDER_WAY, RolloutState, TaskState, Watched, Wave
from service.fleet.models import Customer, Liveness, Terminal, TerminalState, TerminalToken, heartbeats
from service.fleet.rules import Status

FAILED_SHOWN = 20
_COUNTED = ("waiting", "under_way", "succeeded", "failed", "cancelled")
_SOMEBODY = func.coalesce(User.name, "システム").label("created_by")
_STANDING: dict[str, ColumnElement[bool]] = {
    name: UpdateTask.state.in_(UNDER_WAY) if name == "under_way" else UpdateTask.state == name for name in _COUNTED
}
_COUNTS = [func.count().filter(condition).label(name) for name, condition in _STANDING.items()]
_IN_USE = select(func.count()).where(TerminalState.firmware_version == Firmware.version).scalar_subquery()
_FIRMWARES = Listing(
    select(
        Firmware.id,
        Firmware.version,
        Firmware.size,
        func.encode(Firmware.sha256, "hex").label("sha256"),
        Firmware.notes,
        _IN_USE.label("terminals"),
        Firmware.created_at,
        _SOMEBODY,
        Firmware.withdrawn_at,
    ).outerjoin(User, User.id == Firmware.user_id),
    unique=Firmware.id,
    keys={"created_at": Key(Firmware.created_at)},
    default="-created_at",
)
_ITEM = (
    Rollout.id,
    Rollout.name,
    Rollout.firmware_id,
    Firmware.version.label("firmware_version"),
    Rollout.state,
    Rollout.waves,
    Rollout.wave,
    Rollout.reason,
    Rollout.undoes_id,
    Rollout.created_at,
    _SOMEBODY,
    Rollout.started_at,
    Rollout.finished_at,
)
ROLLOUTS = Listing(
    select(*_ITEM).outerjoin(Firmware, Firmware.id == Rollout.firmware_id).outerjoin(User, User.id == Rollout.user_id),
    unique=Rollout.id,
    keys={"created_at": Key(Rollout.created_at)},
    default="-created_at",
    filters={"state": equals(Rollout.state)},
)
_TASKS = Listing(
    select(
        UpdateTask.id,
        UpdateTask.terminal_id,
        Terminal.serial_number,
        Customer.company_name.label("customer_name"),
        Terminal.store_name,
        UpdateTask.wave,
        UpdateTask.state,
        UpdateTask.step,
        UpdateTask.percent,
        UpdateTask.from_version,
        TerminalState.firmware_version,
        UpdateTask.healthy,
        UpdateTask.error,
        UpdateTask.offered_at,
        UpdateTask.deadline_at,
        UpdateTask.finished_at,
    )
    .outerjoin(Terminal, Terminal.id == UpdateTask.terminal_id)
    .outerjoin(Customer, Customer.id == Terminal.customer_id)
    .outerjoin(TerminalState, TerminalState.terminal_id == UpdateTask.terminal_id),
    unique=UpdateTask.id,
    keys={"wave": Key(UpdateTask.wave)},
    default="wave",
    filters={"rollout_id": equals(UpdateTask.rollout_id), "state": equals(UpdateTask.state)},
)


def firmwares(db: Session, limit: int, cursor: str | None) -> dict[str, Any]:
    """The newest first, withdrawn ones included."""
    return _FIRMWARES.page(db, limit, cursor)


def get_firmware(db: Session, firmware_id: int, *, lock: bool = False) -> Firmware:
    firmware = db.get(Firmware, firmware_id, with_for_update=lock)
    if firmware is None:
        raise NotFound("指定されたファームウェアは見つかりません。一覧を開き直してください。")
    return firmware


def firmware_by_version(db: Session, versions: Sequence[str]) -> dict[str, Firmware]:
    """Those that may be installed."""
    found = select(Firmware).where(Firmware.version.in_(versions), Firmware.withdrawn_at.is_(None))
    return {firmware.version: firmware for firmware in db.scalars(found)}


def open_rollouts(db: Session, firmware_id: int) -> Sequence[Rollout]:
    """Drafts, running and paused ones of a firmware, locked."""
    states = [RolloutState.DRAFT, RolloutState.RUNNING, RolloutState.PAUSED]
    found = select(Rollout).where(Rollout.firmware_id == firmware_id, Rollout.state.in_(states))
    return db.scalars(found.order_by(Rollout.id).with_for_update()).all()


def get_rollout(db: Session, rollout_id: int, *, lock: bool = False) -> Rollout:
    rollout = db.get(Rollout, rollout_id, with_for_update=lock, populate_existing=lock)
    if rollout is None:
        raise NotFound("指定された配信は見つかりません。一覧を開き直してください。")
    return rollout


def overview(db: Session) -> dict[str, Any]:
    counted = select(Rollout.state, func.count()).group_by(Rollout.state)
    states = dict(db.execute(counted).all())
    return {
        "as_of": app_now(db),
        "running": states.get(RolloutState.RUNNING, 0),
        "paused": states.get(RolloutState.PAUSED, 0),
        "drafts": states.get(RolloutState.DRAFT, 0),
        "under_way": db.scalar(select(func.count()).where(UpdateTask.state.in_(UNDER_WAY))),
        "firmwares": db.scalar(select(func.count()).where(Firmware.withdrawn_at.is_(None))),
    }


def choices(db: Session) -> dict[str, list[str]]:
    tag = func.unnest(Terminal.tags).label("tag")
    tags = select(tag).where(Terminal.archived_at.is_(None)).subquery()
    by_tag = select(tags.c.tag).group_by(tags.c.tag).order_by(func.count().desc(), tags.c.tag).limit(100)
    version = TerminalState.firmware_version
    by_version = select(version).where(TerminalState.last_heartbeat_at.is_not(None)).group_by(version)
    return {
        "tags": [*db.scalars(by_tag)],
        "versions": [*db.scalars(by_version.order_by(func.count().desc(), version).limit(100))],
    }


def targeted(version: str, targets: schemas.Targets) -> Select[int, str, str]:
    """Terminal id, present version and status of all that a roll-out of this version is for."""
    found = (
        select(Terminal.id, TerminalState.firmware_version, TerminalState.status)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(
            Terminal.archived_at.is_(None),
            TerminalState.last_heartbeat_at.is_not(None),
            TerminalState.firmware_version != version,
        )
    )
    if targets.customer_ids:
        found = found.where(Terminal.customer_id.in_(targets.customer_ids))
    if targets.tags:
        found = found.where(Terminal.tags.bool_op("&&")(cast(targets.tags, Terminal.tags.type)))
    if targets.versions:
        found = found.where(TerminalState.firmware_version.in_(targets.versions))
    return found


def preview(db: Session, asked: schemas.Preview) -> dict[str, Any]:
    """How many terminals each wave would reach, now."""
    found = targeted(get_firmware(db, asked.firmware_id).version, asked.targets).subquery()
    online = func.count().filter(found.c.status == Status.ONLINE)
    total, online_now = db.execute(select(func.count(), online).select_from(found)).one()
    listed, before = [], 0
    for percent, end in rules.wave_ends(asked.waves, total):
        listed.append({"percent": percent, "terminals": end - before})
        before = end
    return {"terminals": total, "online": online_now, "waves": listed}


def rollouts(db: Session, limit: int, cursor: str | None, state: RolloutState | None) -> dict[str, Any]:
    """The newest first, each with its tasks counted."""
    page = ROLLOUTS.page(db, limit, cursor, state=state)
    counted = counts(db, [item["id"] for item in page["items"]])
    for item in page["items"]:
        item["counts"] = _summed(counted[item["id"]].values())
    return page


def counts(db: Session, rollout_ids: Sequence[int]) -> dict[int, dict[int, dict[str, int]]]:
    """By roll-out and wave, how many tasks stand where."""
    kinds = (UpdateTask.rollout_id, UpdateTask.wave, UpdateTask.state)
    found = select(*kinds, func.count()).where(UpdateTask.rollout_id.in_(rollout_ids)).group_by(*kinds).order_by(*kinds)
    by_rollout: dict[int, dict[int, dict[str, int]]] = defaultdict(dict)
    for rollout_id, number, state, tasks in db.execute(found):
        standing = by_rollout[rollout_id].setdefault(number, dict.fromkeys(("total", *_COUNTED), 0))
        standing["total"] += tasks
        standing["under_way" if state in UNDER_WAY else state] += tasks
    return by_rollout


def _summed(waves: Any) -> dict[str, int]:
    return {name: sum(wave[name] for wave in waves) for name in ("total", *_COUNTED)}


def waves(db: Session, rollout: Rollout) -> list[Wave]:
    """The roll-out's waves as they stand, with the failures that were known when it was last resumed."""
    known = UpdateTask.finished_at <= rollout.resumed_at if rollout.resumed_at else false()
    accepted = func.count().filter(UpdateTask.state == TaskState.FAILED, known).label("accepted")
    found = select(UpdateTask.wave, *_COUNTS, accepted).where(UpdateTask.rollout_id == rollout.id)
    rows = db.execute(found.group_by(UpdateTask.wave)).mappings()
    standing = {row["wave"]: Wave(**{name: row[name] for name in (*_COUNTED, "accepted")}) for row in rows}
    return [standing.get(number, Wave()) for number in range(len(rollout.waves))]


def rollout(db: Session, rollout_id: int) -> dict[str, Any]:
    """One roll-out with its waves, its settings, and the first of its failures."""
    kept = get_rollout(db, rollout_id)
    one = select(*_ITEM).join(Firmware, Firmware.id == Rollout.firmware_id).outerjoin(User, User.id == Rollout.user_id)
    item = dict(db.execute(one.where(Rollout.id == rollout_id)).mappings().one())
    counted, now = counts(db, [rollout_id])[rollout_id], app_now(db)
    return item | {
        "as_of": now,
        "counts": _summed(counted.values()),
        "targets": _named(db, schemas.Targets.model_validate(kept.targets)),
        "success_percent": kept.success_percent,
        "error_percent": kept.error_percent,
        "error_count": kept.error_count,
        "healthy_heartbeats": kept.healthy_heartbeats,
        "step_minutes": kept.step_minutes,
        "offer_from": kept.offer_from,
        "offer_until": kept.offer_until,
        "is_open": rules.is_open(now, kept.offer_from, kept.offer_until),
        "progress": [
            standing | {"wave": number, "percent": kept.waves[number]} for number, standing in counted.items()
        ],
        "failed": tasks(db, rollout_id, FAILED_SHOWN, None, TaskState.FAILED)["items"],
        "comparison": _compared(db, kept),
        "preview": _previewed(db, kept) if kept.state == RolloutState.DRAFT else None,
        "took": db.scalar(select(func.count()).select_from(took(rollout_id).subquery())),
    }


def _previewed(db: Session, draft: Rollout) -> dict[str, Any]:
    targets = schemas.Targets.model_validate(draft.targets)
    return preview(db, schemas.Preview(firmware_id=draft.firmware_id, targets=targets, waves=draft.waves))


def _named(db: Session, targets: schemas.Targets) -> dict[str, list[str]]:
    customers = select(Customer.company_name).where(Customer.id.in_(targets.customer_ids))
    return {
        "customers": [*db.scalars(customers.order_by(Customer.company_name))],
        "tags": targets.tags,
        "versions": targets.versions,
    }


def tasks(db: Session, rollout_id: int, limit: int, cursor: str | None, state: TaskState | None) -> dict[str, Any]:
    get_rollout(db, rollout_id)
    return _TASKS.page(db, limit, cursor, rollout_id=rollout_id, state=state)


def took(rollout_id: int) -> Select[int, str]:
    """Terminals that run the roll-out's version now, and the version that each of them had before."""
    return (
        select(UpdateTask.terminal_id, UpdateTask.from_version)
        .join(Rollout, Rollout.id == UpdateTask.rollout_id)
        .join(Firmware, Firmware.id == Rollout.firmware_id)
        .join(TerminalState, TerminalState.terminal_id == UpdateTask.terminal_id)
        .where(
            UpdateTask.rollout_id == rollout_id,
            UpdateTask.offered_at.is_not(None),
            UpdateTask.from_version != Firmware.version,
            TerminalState.firmware_version == Firmware.version,
        )
    )


def download(db: Session, terminal_id: int, task_id: int) -> File:
    """The image of a task that this terminal is at. Raises NotFound when it is another terminal's, over, or the image
    was withdrawn."""
    found = (
        select(File)
        .join(Firmware, Firmware.file_id == File.id)
        .join(Rollout, Rollout.firmware_id == Firmware.id)
        .join(UpdateTask, UpdateTask.rollout_id == Rollout.id)
        .where(
            UpdateTask.id == task_id,
            UpdateTask.terminal_id == terminal_id,
            UpdateTask.state.in_([TaskState.OFFERED, TaskState.UPDATING]),
            Firmware.withdrawn_at.is_(None),
        )
    )
    file = db.scalars(found).one_or_none()
    if file is None:
        raise NotFound("このファームウェアは配信されていません。更新は取り消されたか、すでに終わっています。")
    return file


_GOOD = and_(heartbeats.c.terminal_connected, heartbeats.c.error.is_(None))
_SINCE_PROVING = and_(
    heartbeats.c.terminal_id == UpdateTask.terminal_id, heartbeats.c.received_at > UpdateTask.proving_since
)
# Heartbeats since the version was seen, of which those behind the last bad one count.
_last_bad = select(func.max(heartbeats.c.received_at)).where(_SINCE_PROVING, ~_GOOD).correlate(UpdateTask)
_HEALTHY = (
    select(func.count())
    .select_from(heartbeats)
    .where(
        _SINCE_PROVING,
        _GOOD,
        heartbeats.c.received_at > func.coalesce(_last_bad.scalar_subquery(), text("'-infinity'")),
    )
    .correlate(UpdateTask)
)


def under_way(db: Session) -> Sequence[Row[*tuple[Any, ...]]]:
    """Every task under way with all that is known of it, locked with its terminal, as archiving locks them; one that
    somebody has in hand just now is left for the next look."""
    found = (
        select(
            UpdateTask.id,
            UpdateTask.rollout_id,
            UpdateTask.terminal_id,
            UpdateTask.state,
            UpdateTask.step,
            UpdateTask.percent,
            UpdateTask.deadline_at,
            UpdateTask.proving_since,
            UpdateTask.healthy.label("stored_healthy"),
            UpdateTask.command_id,
            case((UpdateTask.state == TaskState.PROVING, _HEALTHY.scalar_subquery()), else_=0).label("healthy"),
            Rollout.healthy_heartbeats,
            Rollout.step_minutes,
            Firmware.version,
            TerminalState.firmware_version.label("seen_version"),
            TerminalState.status,
            func.coalesce(TerminalState.last_heartbeat_at > UpdateTask.offered_at, False).label("heard_since_offer"),
            Command.state.label("command"),
            Command.step.label("command_step"),
            Command.percent.label("command_percent"),
            Command.message.label("command_message"),
            Command.result["code"].astext.label("command_code"),
        )
        .join(Rollout, Rollout.id == UpdateTask.rollout_id)
        .join(Firmware, Firmware.id == Rollout.firmware_id)
        .join(Terminal, Terminal.id == UpdateTask.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == UpdateTask.terminal_id)
        .outerjoin(Command, Command.id == UpdateTask.command_id)
        .where(UpdateTask.state.in_(UNDER_WAY))
        .order_by(UpdateTask.id)
        .with_for_update(of=(UpdateTask, Terminal), key_share=True, skip_locked=True)
    )
    return db.execute(found).all()


# Each terminal is watched from its update on, one that waits from the first update of the roll-out on, and nobody from
# before a person resumed it: until its first trouble, or until it was last heard of. A start after an orderly end is
# none.
_WATCHED = text("""
WITH updates AS (
    SELECT task.terminal_id, task.proving_since IS NOT NULL AS is_updated, state.last_heartbeat_at AS heard,
        greatest(coalesce(task.proving_since, min(task.proving_since) OVER ()), CAST(:from AS timestamptz)) AS since
    FROM fleet_update_tasks task JOIN fleet_terminal_states state USING (terminal_id)
    WHERE task.rollout_id = :rollout_id AND state.status <> 'maintenance'
        AND (task.state IN ('proving', 'succeeded', 'failed') AND task.proving_since IS NOT NULL
            OR task.state = 'waiting' AND state.firmware_version = task.from_version)
), watched AS (
    SELECT terminal_id, since, heard FROM updates WHERE is_updated = :updated AND heard > since
), troubled AS (
    SELECT terminal_id, min(log.at) AS at
    FROM watched JOIN fleet_terminal_logs log USING (terminal_id)
    WHERE log.at >= :from AND log.at > since AND log.at <= heard
        AND (log.kind = 'disconnected' OR log.kind = 'status' AND log.status = 'error'
            OR log.kind = 'started' AND 'shutdown' IS DISTINCT FROM (
                SELECT kind FROM fleet_terminal_logs before
                WHERE before.terminal_id = log.terminal_id AND before.kind IN ('started', 'shutdown')
                    AND (before.at, before.id) < (log.at, log.id) AND before.at > log.at - interval '14 days'
                ORDER BY before.at DESC, before.id DESC LIMIT 1
            ))
    GROUP BY terminal_id
)
SELECT count(*) AS terminals, count(at) AS troubled,
    coalesce(ceil(sum(extract(epoch FROM coalesce(at, heard) - since)) / 3600), 0)::int AS hours
FROM watched LEFT JOIN troubled USING (terminal_id)
""")


def watched(db: Session, rollout: Rollout, *, updated: bool) -> Watched:
    """How the terminals of a roll-out that has begun fare that run its firmware, or that wait for it."""
    asked = {"rollout_id": rollout.id, "from": rollout.resumed_at or rollout.started_at, "updated": updated}
    return Watched(**db.execute(_WATCHED, asked).mappings().one())


def _compared(db: Session, rollout: Rollout) -> dict[str, Any] | None:
    """Both sides, while there is something to compare."""
    if rollout.state not in (RolloutState.RUNNING, RolloutState.PAUSED):
        return None
    updated = watched(db, rollout, updated=True)
    return (
        {"updated": vars(updated), "control": vars(watched(db, rollout, updated=False))} if updated.terminals else None
    )


def running(db: Session) -> Sequence[Rollout]:
    """Roll-outs that run, locked; one that a person has in hand just now is left for the next look."""
    found = select(Rollout).where(Rollout.state == RolloutState.RUNNING).order_by(Rollout.id)
    return db.scalars(found.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()


def to_offer(db: Session, rollout: Rollout, limit: int) -> Sequence[Row[int, int, str]]:
    """Tasks (id, terminal, its version) that are to be told now, locked: of the waves that have begun, whose terminal
    is online, has an agent, and is updated by nobody else."""
    elsewhere = select(UpdateTask.id).where(
        UpdateTask.terminal_id == TerminalState.terminal_id, UpdateTask.state.in_(UNDER_WAY)
    )
    asked = select(Command.id).where(
        Command.terminal_id == TerminalState.terminal_id,
        Command.name == CommandName.UPDATE_FIRMWARE,
        Command.state.in_(OPEN),
    )
    agents = select(TerminalToken.terminal_id).where(
        TerminalToken.terminal_id == TerminalState.terminal_id, TerminalToken.revoked_at.is_(None)
    )
    found = (
        select(UpdateTask.id, UpdateTask.terminal_id, TerminalState.firmware_version)
        .join(TerminalState, TerminalState.terminal_id == UpdateTask.terminal_id)
        .where(
            UpdateTask.rollout_id == rollout.id,
            UpdateTask.wave <= rollout.wave,
            UpdateTask.state == TaskState.WAITING,
            TerminalState.status == Status.ONLINE,
            agents.exists(),
            ~elsewhere.correlate(TerminalState).exists(),
            ~asked.exists(),
        )
        .order_by(UpdateTask.wave, UpdateTask.id)
        .limit(limit)
        .with_for_update(of=UpdateTask, skip_locked=True)
    )
    return db.execute(found).all()


def without_terminal(rollout_ids: Sequence[int]) -> ColumnElement[bool]:
    """Tasks whose terminal was put away while it waited."""
    archived = select(Terminal.id).where(Terminal.archived_at.is_not(None))
    return and_(
        UpdateTask.rollout_id.in_(rollout_ids),
        UpdateTask.state == TaskState.WAITING,
        UpdateTask.terminal_id.in_(archived),
    )


def known_until(db: Session) -> datetime:
    """Until when the service would have heard of anything: our own absence is nobody's failure."""
    alive = select(Liveness.alive_at).where(Liveness.id == 1).scalar_subquery()
    moment: datetime = db.execute(select(func.least(now_sql(), alive))).scalar_one()
    return moment
