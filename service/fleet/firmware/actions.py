"""Every write about firmware: images, the operators' decisions about a roll-out, and the job that advances it. All
state is in the database: an interrupted run of the job changes nothing, and the next one goes on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now, now_sql
from service.core.database.session import violates
from service.core.files import records as files
from service.core.files.records import File
from service.core.outbox import queue
from service.core.problems import Conflict, Invalid
from service.core.settings import settings as core_settings
from service.core.values.times import format_local_datetime
from service.fleet.agents import actions as agents
from service.fleet.agents.rules import CommandName, CommandState
from service.fleet.firmware import queries, rules, schemas
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.firmware.rules import (
    UNDER_WAY,
    Facts,
    Limits,
    Move,
    RolloutState,
    TaskState,
    Verdict,
)
from service.fleet.incidents import actions as incidents
from service.fleet.models import terminal_logs
from service.fleet.queries import get_customer
from service.fleet.rules import AREA, FIRMWARE, AlertType, Status
from service.fleet.settings import settings
from service.fleet.watch import actions as watch

UPDATED = "システム（更新成功）"
_LOCK = "fleet.roll_outs"
_ACTIVE = (RolloutState.RUNNING, RolloutState.PAUSED)


def register(db: Session, by: Actor, new: schemas.NewFirmware) -> Firmware:
    """Registers an uploaded image if the manufacturer signed exactly this version and content.

    Raises:
        NotFound: no such upload of this user.
        Invalid: the signature is malformed, or not made with one of the configured keys.
        Conflict: the version is registered already, or the upload is in use.
    """
    file = files.attach(db, by, new.file_id, FIRMWARE)
    return add_firmware(db, by, file, new.version, new.signature, new.notes)


def add_firmware(db: Session, by: Actor | str, file: File, version: str, signature: str, notes: str = "") -> Firmware:
    """As `register`, for a file that is attached already."""
    raw_signature = _verified_signature(version, file, signature)
    firmware = Firmware(
        version=version,
        file_id=file.id,
        size=file.size,
        sha256=file.sha256,
        signature=raw_signature,
        notes=notes,
        user_id=by.user_id if isinstance(by, Actor) else None,
    )
    try:
        with db.begin_nested():
            db.add(firmware)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_firmwares_version"):
            raise
        raise Conflict.at_field(
            "version", f"バージョン「{version}」のファームウェアはすでに登録されています。"
        ) from None
    after = {"version": version, "size": file.size, "sha256": file.sha256.hex()}
    audit.record(db, by, "create", AREA.name, "firmware", firmware.id, after=after)
    return firmware


def _verified_signature(version: str, file: File, signature: str) -> bytes:
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 64:
        raise Invalid.at_field("signature", "署名は、Ed25519の署名（64バイト）をBase64で貼り付けてください。")
    keys = settings().public_keys
    if not keys:
        raise Invalid(
            "署名を検証する公開鍵が設定されていないため、登録できません。"
            "管理者が設定 FLEET_FIRMWARE_PUBLIC_KEYS に公開鍵を追加してください。"
        )
    if not rules.is_signed(raw, rules.signed_bytes(version, file.size, file.sha256.hex()), keys):
        raise Invalid.at_field(
            "signature",
            "署名がこのファイルとバージョンに一致しません。署名したファイル、バージョン、鍵を確認してください。",
        )
    return raw


def withdraw(db: Session, by: Actor, firmware_id: int) -> None:
    """The firmware is not offered or sent any more; its roll-outs are aborted. Idempotent."""
    firmware = queries.get_firmware(db, firmware_id, lock=True)
    if firmware.withdrawn_at is not None:
        return
    firmware.withdrawn_at = app_now(db)
    audit.record(db, by, "update", AREA.name, "firmware", firmware.id, after={"withdrawn": True})
    for rollout in queries.open_rollouts(db, firmware_id):
        _abort(db, by, rollout, f"ファームウェア {firmware.version} が取り下げられました。")


def create(db: Session, by: Actor, new: schemas.NewRollout) -> Rollout:
    """Creates a draft; nothing is offered yet. Raises NotFound; Conflict when the firmware was withdrawn."""
    firmware = _get_installable(db, new.firmware_id)
    for customer_id in new.targets.customer_ids:
        get_customer(db, customer_id)
    values = new.model_dump(exclude={"targets"}) | {"targets": new.targets.model_dump()}
    rollout = Rollout(**values, user_id=by.user_id)
    db.add(rollout)
    db.flush()  # for the id
    after = new.model_dump(mode="json", exclude={"targets", "firmware_id"}) | new.targets.model_dump()
    audit.record(db, by, "create", AREA.name, "rollout", rollout.id, after=after | {"firmware_id": firmware.id})
    return rollout


def _get_installable(db: Session, firmware_id: int) -> Firmware:
    firmware = queries.get_firmware(db, firmware_id)
    if firmware.withdrawn_at is not None:
        raise Conflict(f"ファームウェア {firmware.version} は取り下げられているため、配信できません。")
    return firmware


def start(db: Session, by: Actor, rollout_id: int) -> Rollout:
    """Starts a draft. The terminals are fixed: those that match the targets now, shuffled over the waves. Raises
    Conflict: it was started before, its firmware was withdrawn, or no terminal matches."""
    rollout = _lock_rollout(db, rollout_id, RolloutState.DRAFT)
    firmware = _get_installable(db, rollout.firmware_id)
    statement = queries.targeted(firmware.version, schemas.Targets.model_validate(rollout.targets))
    # A deterministic shuffle, so that no customer's terminals are updated all at once.
    rows = sorted(db.execute(statement).all(), key=lambda row: _shuffle_key(rollout.id, row[0]))
    if not rows:
        raise Conflict("対象の端末がありません。対象の条件を確認してください。")
    _create_tasks(db, by, rollout, [(terminal_id, version) for terminal_id, version, _ in rows])
    return rollout


def _shuffle_key(rollout_id: int, terminal_id: int) -> int:
    return hash((rollout_id, terminal_id))


def _create_tasks(db: Session, by: Actor, rollout: Rollout, terminals: Sequence[tuple[int, str]]) -> None:
    ends = rules.wave_ends(rollout.waves, len(terminals))
    rollout.waves, rollout.wave = [percent for percent, _ in ends], 0
    wave, rows = 0, []
    for index, (terminal_id, version) in enumerate(terminals):
        wave += index >= ends[wave][1]
        rows.append({"rollout_id": rollout.id, "terminal_id": terminal_id, "wave": wave, "from_version": version})
    db.execute(insert(UpdateTask), rows)
    rollout.started_at = app_now(db)
    _set_state(db, by, rollout, RolloutState.RUNNING, terminals=len(rows))


def pause(db: Session, by: Actor, rollout_id: int, reason: str) -> None:
    """No further terminal is offered it; updates under way go on. Raises Conflict unless it is running."""
    rollout = _lock_rollout(db, rollout_id, RolloutState.RUNNING)
    rollout.reason = reason or "担当者が一時停止しました。"
    _set_state(db, by, rollout, RolloutState.PAUSED, reason=rollout.reason)


def resume(db: Session, by: Actor, rollout_id: int) -> None:
    """Resumes it; failures so far are accepted and do not pause it again. Raises Conflict unless it is paused."""
    rollout = _lock_rollout(db, rollout_id, RolloutState.PAUSED)
    _get_installable(db, rollout.firmware_id)
    rollout.reason, rollout.resumed_at = None, app_now(db)
    _set_state(db, by, rollout, RolloutState.RUNNING)


def abort(db: Session, by: Actor, rollout_id: int, reason: str) -> None:
    """Ends it for good; updates under way stop at their next safe point. Raises Conflict when it is over already."""
    rollout = _lock_rollout(db, rollout_id, RolloutState.DRAFT, *_ACTIVE)
    _abort(db, by, rollout, reason or "担当者が中止しました。")


def _abort(db: Session, by: Actor, rollout: Rollout, reason: str) -> None:
    # Terminals on the new version are still checked, so that no alert is lost.
    stoppable = [TaskState.OFFERED, TaskState.UPDATING]
    statement = update(UpdateTask).where(
        UpdateTask.rollout_id == rollout.id, UpdateTask.state.in_([TaskState.WAITING, *stoppable])
    )
    cancelled = db.execute(
        statement.values(state=TaskState.CANCELLED, finished_at=now_sql(), deadline_at=None)
        .returning(UpdateTask.command_id)
        .execution_options(synchronize_session=False)
    )
    agents.withdraw_commands(db, [command_id for (command_id,) in cancelled if command_id is not None])
    rollout.reason, rollout.finished_at = reason, app_now(db)
    _set_state(db, by, rollout, RolloutState.ABORTED, reason=reason)


def cancel_terminal_updates(db: Session, terminal_id: int) -> int:
    """Cancels the updates of a terminal that is archived. Returns how many. The caller cancels its commands."""
    open_tasks = update(UpdateTask).where(
        UpdateTask.terminal_id == terminal_id, UpdateTask.state.in_([TaskState.WAITING, *UNDER_WAY])
    )
    statement = open_tasks.values(state=TaskState.CANCELLED, finished_at=now_sql(), deadline_at=None)
    return len(db.execute(statement.returning(UpdateTask.id).execution_options(synchronize_session=False)).all())


def retry(db: Session, by: Actor, rollout_id: int) -> int:
    """Queues the failed terminals again; a finished roll-out becomes running. Returns how many terminals. Raises
    Conflict: nothing has failed, or the roll-out is aborted or a draft."""
    rollout = _lock_rollout(db, rollout_id, *_ACTIVE, RolloutState.FINISHED)
    _get_installable(db, rollout.firmware_id)
    failed = update(UpdateTask).where(UpdateTask.rollout_id == rollout.id, UpdateTask.state == TaskState.FAILED)
    statement = failed.values(_RETRY_VALUES).returning(UpdateTask.id).execution_options(synchronize_session=False)
    count = len(db.execute(statement).all())
    if not count:
        raise Conflict("失敗した端末はありません。")
    audit.record(db, by, "update", AREA.name, "rollout", rollout.id, after={"retried": count})
    if rollout.state == RolloutState.FINISHED:
        rollout.finished_at, rollout.resumed_at = None, app_now(db)
        _set_state(db, by, rollout, RolloutState.RUNNING)
    return count


_RETRY_VALUES: dict[str, Any] = {"state": TaskState.WAITING, "healthy": 0} | dict.fromkeys(
    ("command_id", "step", "percent", "error", "offered_at", "deadline_at", "proving_since", "finished_at")
)


def roll_back(db: Session, by: Actor, rollout_id: int) -> schemas.Undone:
    """Aborts it if it is active, and returns every terminal on its version to the version before: at once, in one
    roll-out for each of those versions. Unregistered versions are returned as `missing`; their terminals stay.

    Raises:
        Conflict: no terminal runs its version, or none of the versions before is registered.
    """
    undone = _lock_rollout(db, rollout_id, *_ACTIVE, RolloutState.ABORTED, RolloutState.FINISHED)
    by_version: dict[str, list[tuple[int, str]]] = {}
    version = queries.get_firmware(db, undone.firmware_id).version
    for terminal_id, before in db.execute(queries.terminals_on_version(undone.id)):
        by_version.setdefault(before, []).append((terminal_id, version))
    if not by_version:
        raise Conflict(f"バージョン {version} で動いている対象の端末がないため、元に戻すものはありません。")
    firmwares = queries.firmware_by_version(db, [*by_version])
    missing = sorted(by_version.keys() - firmwares.keys())
    if not firmwares:
        raise Conflict(f"元のバージョン（{'、'.join(missing)}）が登録されていないため、元に戻せません。")
    if undone.state in _ACTIVE:
        _abort(db, by, undone, "元のバージョンに戻すため中止しました。")
    rollouts = [_undo(db, by, undone, firmwares[before], by_version[before]) for before in sorted(firmwares)]
    terminals = sum(len(by_version[before]) for before in firmwares)
    return schemas.Undone(ids=[rollout.id for rollout in rollouts], terminals=terminals, missing=missing)


def _undo(db: Session, by: Actor, undone: Rollout, firmware: Firmware, terminals: Sequence[tuple[int, str]]) -> Rollout:
    rollout = Rollout(
        name=f"{undone.name[:80]}（{firmware.version} に戻す）"[:100],
        firmware_id=firmware.id,
        undoes_id=undone.id,
        targets=schemas.Targets(versions=[terminals[0][1]]).model_dump(),
        waves=[100],
        user_id=by.user_id,
        **{name: getattr(undone, name) for name in _COPIED_FIELDS},
    )
    db.add(rollout)
    db.flush()  # for the id
    after = {"name": rollout.name, "firmware_id": firmware.id, "undoes_id": undone.id}
    audit.record(db, by, "create", AREA.name, "rollout", rollout.id, after=after)
    _create_tasks(db, by, rollout, terminals)
    return rollout


_COPIED_FIELDS = ("success_percent", "error_percent", "error_count", "healthy_heartbeats", "step_minutes")


def _lock_rollout(db: Session, rollout_id: int, *states: RolloutState) -> Rollout:
    rollout = queries.get_rollout(db, rollout_id, lock=True)
    if rollout.state not in states:
        label = RolloutState(rollout.state).label
        raise Conflict(f"この配信は「{label}」のため、この操作はできません。画面を更新してください。")
    return rollout


def _set_state(db: Session, by: Actor | str, rollout: Rollout, state: RolloutState, **after: Any) -> None:
    before, rollout.state = {"state": RolloutState(rollout.state).label}, state
    values = {"state": state.label} | after
    audit.record(db, by, "status_change", AREA.name, "rollout", rollout.id, before=before, after=values)


def advance(db: Session) -> dict[str, int]:
    """One run of the job: evaluates the updates under way, advances each running roll-out, and offers the firmware to
    the next terminals. Returns the number of changed tasks, of terminals offered the firmware, and of changed
    roll-outs. Idempotent, also when two runs are concurrent."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"tasks": 0, "offered": 0, "rollouts": 0}
    tasks, now = _evaluate_tasks(db), app_now(db)
    running = queries.lock_running(db)
    is_archived = queries.terminal_is_archived([rollout.id for rollout in running])
    db.execute(
        update(UpdateTask)
        .where(is_archived)
        .values(state=TaskState.CANCELLED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    moved = offered = 0
    for rollout in running:
        moved += _make_moves(db, rollout, now)
        if rollout.state == RolloutState.RUNNING and rules.is_open(now, rollout.offer_from, rollout.offer_until):
            offered += _offer(db, rollout, now, rules.MAX_OFFERS - offered)
    return {"tasks": tasks, "offered": offered, "rollouts": moved}


def _make_moves(db: Session, rollout: Rollout, now: datetime) -> int:
    """Makes moves until the roll-out has to wait for terminals. Returns how many."""
    limits = Limits(rollout.success_percent, rollout.error_percent, rollout.error_count)
    waves, moves = queries.waves(db, rollout), 0
    trouble = _trouble_reason(db, rollout, sum(wave.waiting for wave in waves))
    while True:
        move, reason = rules.decide(limits, waves, rollout.wave)
        if trouble and move in (Move.OFFER, Move.NEXT_WAVE):
            move, reason = Move.PAUSE, trouble
        if move is Move.OFFER:
            return moves
        moves += 1
        if move is Move.NEXT_WAVE:
            rollout.wave += 1
            continue
        if move is Move.FINISH:
            rollout.finished_at = now
            _set_state(db, "fleet.roll_outs", rollout, RolloutState.FINISHED)
            return moves
        rollout.reason = reason
        _set_state(db, "fleet.roll_outs", rollout, RolloutState.PAUSED, reason=reason)
        _notify_paused(db, rollout, reason, now)
        return moves


def _trouble_reason(db: Session, rollout: Rollout, waiting: int) -> str:
    """Why trouble of the updated terminals pauses it; empty when it does not. Skips queries that cannot matter."""
    if waiting < rules.MIN_COMPARED:
        return ""
    updated = queries.observe_cohort(db, rollout, updated=True)
    if not rules.worth_comparing(updated):
        return ""
    return rules.increase_reason(updated, queries.observe_cohort(db, rollout, updated=False))


def _notify_paused(db: Session, rollout: Rollout, reason: str, now: datetime) -> None:
    recipients = settings().recipients
    if not recipients:
        return
    url = core_settings().page_url("/firmware")
    version = queries.get_firmware(db, rollout.firmware_id).version
    subject, body = rules.paused_mail(rollout.name, version, reason, format_local_datetime(now), url)
    about, expires_at = ("rollout", rollout.id), now + rules.NOTICE_TTL
    queue.publish_mail(db, recipients, subject, body, area=AREA.name, about=about, expires_at=expires_at)


def _offer(db: Session, rollout: Rollout, now: datetime, limit: int) -> int:
    """Offers it to at most `limit` terminals of the waves so far; the agents get the command with their heartbeat."""
    tasks = queries.lock_offerable_tasks(db, rollout, limit)
    if not tasks:
        return 0
    firmware = queries.get_firmware(db, rollout.firmware_id)
    common = {
        "version": firmware.version,
        "size": firmware.size,
        "sha256": firmware.sha256.hex(),
        "signature": base64.b64encode(firmware.signature).decode(),
    }
    arguments = [(terminal_id, {"task_id": task_id, **common}) for task_id, terminal_id, _ in tasks]
    command_ids = agents.offer_commands(db, CommandName.UPDATE_FIRMWARE, arguments, now)
    deadline = now + timedelta(minutes=rollout.step_minutes)
    values = {"state": TaskState.OFFERED, "offered_at": now, "deadline_at": deadline}
    db.execute(
        update(UpdateTask),
        [
            values | {"id": task_id, "command_id": command_id, "from_version": version}
            for (task_id, _, version), command_id in zip(tasks, command_ids, strict=True)
        ],
    )
    _note(db, "update_offered", [(terminal_id, {"version": firmware.version}) for _, terminal_id, _ in tasks])
    return len(tasks)


def _evaluate_tasks(db: Session) -> int:
    """Evaluates and stores the state of the updates under way. Returns how many changed."""
    known_until, now = queries.silence_known_until(db), app_now(db)
    judged = [
        (row, verdict) for row in queries.lock_open_tasks(db) if (verdict := rules.judge(_facts(row, known_until)))
    ]
    if not judged:
        return 0
    db.execute(update(UpdateTask), [_task_values(row, verdict, now) for row, verdict in judged])
    agents.withdraw_commands(db, [row.command_id for row, verdict in judged if verdict.stop and row.command_id])
    failed = {row.terminal_id: row for row, verdict in judged if verdict.state is TaskState.FAILED}
    errors = {row.terminal_id: verdict.error or "" for row, verdict in judged if verdict.state is TaskState.FAILED}
    succeeded = [row for row, verdict in judged if verdict.state is TaskState.SUCCEEDED]
    _note(
        db,
        "update_failed",
        [(key, {"version": failed[key].version, "error": errors[key]}) for key in failed],
    )
    _note(db, "update_succeeded", [(row.terminal_id, {"version": row.version}) for row in succeeded])
    messages = {key: f"ファームウェア {failed[key].version} への更新に失敗: {errors[key]}" for key in failed}
    watch.raise_alerts(db, AlertType.UPDATE_FAILED, messages)
    for row in succeeded:
        incidents.clear_alerts(db, row.terminal_id, AlertType.UPDATE_FAILED, UPDATED)
    return len(judged)


def _facts(row: Row[*tuple[Any, ...]], known_until: datetime) -> Facts:
    return Facts(
        state=TaskState(row.state),
        step=row.step,
        percent=row.percent,
        deadline_at=row.deadline_at,
        version=row.version,
        seen_version=row.seen_version,
        status=Status(row.status),
        heard_since_offer=row.heard_since_offer,
        healthy=row.healthy,
        healthy_needed=row.healthy_heartbeats,
        stored_healthy=row.stored_healthy,
        known_until=known_until,
        command=CommandState(row.command) if row.command else None,
        command_step=row.command_step,
        command_percent=row.command_percent,
        command_message=row.command_message,
        command_code=row.command_code,
    )


def _task_values(row: Row[*tuple[Any, ...]], verdict: Verdict, now: datetime) -> dict[str, Any]:
    """The new column values of the task."""
    if verdict.state is TaskState.WAITING:
        return _RETRY_VALUES | {"id": row.id}
    step = timedelta(minutes=row.step_minutes)
    deadline = now + step if verdict.renew else row.deadline_at
    proving = verdict.state is TaskState.PROVING
    if proving and verdict.renew:
        deadline = now + rules.proving_time(step, row.healthy_heartbeats, settings().heartbeat_interval_seconds)
    values = {
        "id": row.id,
        "state": verdict.state,
        "step": verdict.step,
        "percent": verdict.percent,
        "healthy": verdict.healthy,
        "error": verdict.error and verdict.error[:500],
        "deadline_at": deadline if verdict.state in UNDER_WAY else None,
        "finished_at": None if verdict.state in UNDER_WAY else now,
    }
    # One statement for all rows: each has the same columns.
    return values | {"proving_since": now if proving and verdict.renew else row.proving_since}


def _note(db: Session, kind: str, entries: Sequence[tuple[int, dict[str, Any]]]) -> None:
    if entries:
        rows = [{"terminal_id": terminal_id, "kind": kind, "detail": detail} for terminal_id, detail in entries]
        db.execute(insert(terminal_logs), rows)
