"""Every read of firmware, roll-outs and their tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, cast, false, func, select, text
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.database.clock import app_now, now_sql
from service.core.database.paging import Key, Listing, Page, equals
from service.core.files.records import File
from service.core.problems import NotFound
from service.fleet.agents.models import Command
from service.fleet.agents.rules import OPEN_STATES, CommandName
from service.fleet.firmware import rules, schemas
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.firmware.rules import UNDER_WAY, Cohort, RolloutState, TaskState, Wave
from service.fleet.models import Customer, Liveness, Terminal, TerminalState, TerminalToken, heartbeats
from service.fleet.rules import Status

MAX_FAILED_LISTED = 20
_COUNT_NAMES = ("waiting", "under_way", "succeeded", "failed", "cancelled")
_CREATED_BY = func.coalesce(User.name, "システム").label("created_by")
_COUNT_CONDITIONS: dict[str, ColumnElement[bool]] = {
    name: UpdateTask.state.in_(UNDER_WAY) if name == "under_way" else UpdateTask.state == name for name in _COUNT_NAMES
}
_COUNTS = [func.count().filter(condition).label(name) for name, condition in _COUNT_CONDITIONS.items()]
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
        _CREATED_BY,
        Firmware.withdrawn_at,
    ).outerjoin(User, User.id == Firmware.user_id),
    model=schemas.FirmwareItem,
    unique=Firmware.id,
    keys={"created_at": Key(Firmware.created_at)},
    default="-created_at",
)
_ITEM_COLUMNS = (
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
    _CREATED_BY,
    Rollout.started_at,
    Rollout.finished_at,
)
ROLLOUTS = Listing(
    select(*_ITEM_COLUMNS)
    .outerjoin(Firmware, Firmware.id == Rollout.firmware_id)
    .outerjoin(User, User.id == Rollout.user_id),
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
    model=schemas.TaskItem,
    unique=UpdateTask.id,
    keys={"wave": Key(UpdateTask.wave)},
    default="wave",
    filters={"rollout_id": equals(UpdateTask.rollout_id), "state": equals(UpdateTask.state)},
)


def firmwares(db: Session, limit: int, cursor: str | None) -> Page[schemas.FirmwareItem]:
    """The newest first, withdrawn ones included."""
    return _FIRMWARES.read(db, limit, cursor)


def get_firmware(db: Session, firmware_id: int, *, lock: bool = False) -> Firmware:
    firmware = db.get(Firmware, firmware_id, with_for_update=lock)
    if firmware is None:
        raise NotFound("指定されたファームウェアは見つかりません。一覧を開き直してください。")
    return firmware


def firmware_by_version(db: Session, versions: Sequence[str]) -> dict[str, Firmware]:
    """The firmware that may be installed, by version."""
    statement = select(Firmware).where(Firmware.version.in_(versions), Firmware.withdrawn_at.is_(None))
    return {firmware.version: firmware for firmware in db.scalars(statement)}


def open_rollouts(db: Session, firmware_id: int) -> Sequence[Rollout]:
    """The drafts, running and paused roll-outs of a firmware, locked."""
    states = [RolloutState.DRAFT, RolloutState.RUNNING, RolloutState.PAUSED]
    statement = select(Rollout).where(Rollout.firmware_id == firmware_id, Rollout.state.in_(states))
    return db.scalars(statement.order_by(Rollout.id).with_for_update()).all()


def get_rollout(db: Session, rollout_id: int, *, lock: bool = False) -> Rollout:
    rollout = db.get(Rollout, rollout_id, with_for_update=lock, populate_existing=lock)
    if rollout is None:
        raise NotFound("指定された配信は見つかりません。一覧を開き直してください。")
    return rollout


def overview(db: Session) -> schemas.Overview:
    statement = select(Rollout.state, func.count()).group_by(Rollout.state)
    states = dict(db.execute(statement).all())
    return schemas.Overview(
        as_of=app_now(db),
        running=states.get(RolloutState.RUNNING, 0),
        paused=states.get(RolloutState.PAUSED, 0),
        drafts=states.get(RolloutState.DRAFT, 0),
        under_way=db.scalar(select(func.count()).where(UpdateTask.state.in_(UNDER_WAY))),
        firmwares=db.scalar(select(func.count()).where(Firmware.withdrawn_at.is_(None))),
    )


def choices(db: Session) -> schemas.Choices:
    tag = func.unnest(Terminal.tags).label("tag")
    tags = select(tag).where(Terminal.archived_at.is_(None)).subquery()
    by_tag = select(tags.c.tag).group_by(tags.c.tag).order_by(func.count().desc(), tags.c.tag).limit(100)
    version = TerminalState.firmware_version
    by_version = select(version).where(TerminalState.last_heartbeat_at.is_not(None)).group_by(version)
    return schemas.Choices(
        tags=[*db.scalars(by_tag)],
        versions=[*db.scalars(by_version.order_by(func.count().desc(), version).limit(100))],
    )


def targeted(version: str, targets: schemas.Targets) -> Select[int, str, str]:
    """Terminal id, present version and status of all terminals that a roll-out of this version targets."""
    statement = (
        select(Terminal.id, TerminalState.firmware_version, TerminalState.status)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(
            Terminal.archived_at.is_(None),
            TerminalState.last_heartbeat_at.is_not(None),
            TerminalState.firmware_version != version,
        )
    )
    if targets.customer_ids:
        statement = statement.where(Terminal.customer_id.in_(targets.customer_ids))
    if targets.tags:
        statement = statement.where(Terminal.tags.bool_op("&&")(cast(targets.tags, Terminal.tags.type)))
    if targets.versions:
        statement = statement.where(TerminalState.firmware_version.in_(targets.versions))
    return statement


def preview(db: Session, request: schemas.Preview) -> schemas.PreviewAnswer:
    """How many terminals each wave would reach now."""
    terminals = targeted(get_firmware(db, request.firmware_id).version, request.targets).subquery()
    online = func.count().filter(terminals.c.status == Status.ONLINE)
    total, online_now = db.execute(select(func.count(), online).select_from(terminals)).one()
    waves, previous_end = [], 0
    for percent, end in rules.wave_ends(request.waves, total):
        waves.append(schemas.WavePreview(percent=percent, terminals=end - previous_end))
        previous_end = end
    return schemas.PreviewAnswer(terminals=total, online=online_now, waves=waves)


def rollouts(db: Session, limit: int, cursor: str | None, state: RolloutState | None) -> Page[schemas.RolloutItem]:
    """The newest first, each with the counts of its tasks."""
    page = ROLLOUTS.read_rows(db, limit, cursor, state=state)
    wave_counts = counts(db, [item["id"] for item in page["items"]])
    for item in page["items"]:
        item["counts"] = _sum_counts(wave_counts[item["id"]].values())
    return Page[schemas.RolloutItem](**page)


def counts(db: Session, rollout_ids: Sequence[int]) -> dict[int, dict[int, dict[str, int]]]:
    """The number of tasks by state, for each roll-out and wave."""
    columns = (UpdateTask.rollout_id, UpdateTask.wave, UpdateTask.state)
    statement = (
        select(*columns, func.count())
        .where(UpdateTask.rollout_id.in_(rollout_ids))
        .group_by(*columns)
        .order_by(*columns)
    )
    by_rollout: dict[int, dict[int, dict[str, int]]] = defaultdict(dict)
    for rollout_id, number, state, tasks in db.execute(statement):
        wave_counts = by_rollout[rollout_id].setdefault(number, dict.fromkeys(("total", *_COUNT_NAMES), 0))
        wave_counts["total"] += tasks
        wave_counts["under_way" if state in UNDER_WAY else state] += tasks
    return by_rollout


def _sum_counts(waves: Collection[dict[str, int]]) -> schemas.Counts:
    return schemas.Counts(**{name: sum(wave[name] for wave in waves) for name in ("total", *_COUNT_NAMES)})


def waves(db: Session, rollout: Rollout) -> list[Wave]:
    """The roll-out's waves with their counts, and the failures that were accepted when it was last resumed."""
    is_accepted = UpdateTask.finished_at <= rollout.resumed_at if rollout.resumed_at else false()
    accepted = func.count().filter(UpdateTask.state == TaskState.FAILED, is_accepted).label("accepted")
    statement = select(UpdateTask.wave, *_COUNTS, accepted).where(UpdateTask.rollout_id == rollout.id)
    rows = db.execute(statement.group_by(UpdateTask.wave)).mappings()
    by_number = {row["wave"]: Wave(**{name: row[name] for name in (*_COUNT_NAMES, "accepted")}) for row in rows}
    return [by_number.get(number, Wave()) for number in range(len(rollout.waves))]


def rollout(db: Session, rollout_id: int) -> schemas.RolloutDetail:
    """The roll-out with its waves, settings and first failures."""
    record = get_rollout(db, rollout_id)
    statement = (
        select(*_ITEM_COLUMNS)
        .join(Firmware, Firmware.id == Rollout.firmware_id)
        .outerjoin(User, User.id == Rollout.user_id)
    )
    item = db.execute(statement.where(Rollout.id == rollout_id)).mappings().one()
    by_wave, now = counts(db, [rollout_id])[rollout_id], app_now(db)
    return schemas.RolloutDetail(
        **item,
        as_of=now,
        counts=_sum_counts(by_wave.values()),
        targets=_target_names(db, schemas.Targets.model_validate(record.targets)),
        success_percent=record.success_percent,
        error_percent=record.error_percent,
        error_count=record.error_count,
        healthy_heartbeats=record.healthy_heartbeats,
        step_minutes=record.step_minutes,
        offer_from=record.offer_from,
        offer_until=record.offer_until,
        is_open=rules.is_open(now, record.offer_from, record.offer_until),
        progress=[
            schemas.WaveCounts(**wave_counts, wave=number, percent=record.waves[number])
            for number, wave_counts in by_wave.items()
        ],
        failed=tasks(db, rollout_id, MAX_FAILED_LISTED, None, TaskState.FAILED).items,
        comparison=_comparison(db, record),
        preview=_draft_preview(db, record) if record.state == RolloutState.DRAFT else None,
        took=db.scalar(select(func.count()).select_from(terminals_on_version(rollout_id).subquery())),
    )


def _draft_preview(db: Session, draft: Rollout) -> schemas.PreviewAnswer:
    targets = schemas.Targets.model_validate(draft.targets)
    return preview(db, schemas.Preview(firmware_id=draft.firmware_id, targets=targets, waves=draft.waves))


def _target_names(db: Session, targets: schemas.Targets) -> schemas.Target:
    customers = select(Customer.company_name).where(Customer.id.in_(targets.customer_ids))
    names = [*db.scalars(customers.order_by(Customer.company_name))]
    return schemas.Target(customers=names, tags=targets.tags, versions=targets.versions)


def tasks(
    db: Session, rollout_id: int, limit: int, cursor: str | None, state: TaskState | None
) -> Page[schemas.TaskItem]:
    get_rollout(db, rollout_id)
    return _TASKS.read(db, limit, cursor, rollout_id=rollout_id, state=state)


def terminals_on_version(rollout_id: int) -> Select[int, str]:
    """The terminals that run the roll-out's version now, each with its version before."""
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
    """The image of a task of this terminal. Raises NotFound when the task belongs to another terminal or is over, or
    the image was withdrawn."""
    statement = (
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
    file = db.scalars(statement).one_or_none()
    if file is None:
        raise NotFound("このファームウェアは配信されていません。更新は取り消されたか、すでに終わっています。")
    return file


_GOOD = and_(heartbeats.c.terminal_connected, heartbeats.c.error.is_(None))
_SINCE_PROVING = and_(
    heartbeats.c.terminal_id == UpdateTask.terminal_id, heartbeats.c.received_at > UpdateTask.proving_since
)
# Good heartbeats since the new version was reported, after the last bad one.
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


def lock_open_tasks(db: Session) -> Sequence[Row[*tuple[Any, ...]]]:
    """Every task under way with all its facts, locked together with its terminal in the same order as archiving. A task
    that another transaction has locked is left to the next run."""
    statement = (
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
    return db.execute(statement).all()


# The observation of an updated terminal starts with its update, that of a waiting one with the first update of the
# roll-out, neither before the last resumption. It ends with the first trouble, or with the last heartbeat. A start
# after an orderly shutdown is no trouble.
_COHORT = text("""
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


def observe_cohort(db: Session, rollout: Rollout, *, updated: bool) -> Cohort:
    """The cohort of a roll-out's terminals that are updated, or of those that wait."""
    parameters = {"rollout_id": rollout.id, "from": rollout.resumed_at or rollout.started_at, "updated": updated}
    return Cohort(**db.execute(_COHORT, parameters).mappings().one())


def _comparison(db: Session, rollout: Rollout) -> schemas.Comparison | None:
    """Both cohorts of an active roll-out; None when no terminal is updated."""
    if rollout.state not in (RolloutState.RUNNING, RolloutState.PAUSED):
        return None
    updated = observe_cohort(db, rollout, updated=True)
    if not updated.terminals:
        return None
    control = observe_cohort(db, rollout, updated=False)
    return schemas.Comparison(updated=schemas.Side(**vars(updated)), control=schemas.Side(**vars(control)))


def lock_running(db: Session) -> Sequence[Rollout]:
    """Running roll-outs, locked; one that another transaction has locked is left to the next run."""
    statement = select(Rollout).where(Rollout.state == RolloutState.RUNNING).order_by(Rollout.id)
    return db.scalars(statement.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()


def lock_offerable_tasks(db: Session, rollout: Rollout, limit: int) -> Sequence[Row[int, int, str]]:
    """Tasks (id, terminal id, present version) to offer now, locked: of the waves that have begun, with a terminal that
    is online, has an enrolled agent, and has no other update under way."""
    other_update = select(UpdateTask.id).where(
        UpdateTask.terminal_id == TerminalState.terminal_id, UpdateTask.state.in_(UNDER_WAY)
    )
    open_command = select(Command.id).where(
        Command.terminal_id == TerminalState.terminal_id,
        Command.name == CommandName.UPDATE_FIRMWARE,
        Command.state.in_(OPEN_STATES),
    )
    valid_token = select(TerminalToken.terminal_id).where(
        TerminalToken.terminal_id == TerminalState.terminal_id, TerminalToken.revoked_at.is_(None)
    )
    statement = (
        select(UpdateTask.id, UpdateTask.terminal_id, TerminalState.firmware_version)
        .join(TerminalState, TerminalState.terminal_id == UpdateTask.terminal_id)
        .where(
            UpdateTask.rollout_id == rollout.id,
            UpdateTask.wave <= rollout.wave,
            UpdateTask.state == TaskState.WAITING,
            TerminalState.status == Status.ONLINE,
            valid_token.exists(),
            ~other_update.correlate(TerminalState).exists(),
            ~open_command.exists(),
        )
        .order_by(UpdateTask.wave, UpdateTask.id)
        .limit(limit)
        .with_for_update(of=UpdateTask, skip_locked=True)
    )
    return db.execute(statement).all()


def terminal_is_archived(rollout_ids: Sequence[int]) -> ColumnElement[bool]:
    """The condition for waiting tasks whose terminal was archived."""
    archived = select(Terminal.id).where(Terminal.archived_at.is_not(None))
    return and_(
        UpdateTask.rollout_id.in_(rollout_ids),
        UpdateTask.state == TaskState.WAITING,
        UpdateTask.terminal_id.in_(archived),
    )


def silence_known_until(db: Session) -> datetime:
    """Until when the service was alive to receive heartbeats: its own outage makes no update fail."""
    alive = select(Liveness.alive_at).where(Liveness.id == 1).scalar_subquery()
    until: datetime = db.execute(select(func.least(now_sql(), alive))).scalar_one()
    return until
