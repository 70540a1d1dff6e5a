"""Every write about firmware: images, what people decide about a roll-out, and the look that leads it on.

All of a roll-out's state is in its rows. A look that dies halfway leaves nothing behind, and the next one goes on.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now, in_words, now_sql
from service.core.db import violates
from service.core.files import records as files
from service.core.files.records import File
from service.core.problems import Conflict, Invalid
from service.core.settings import settings as core_settings
from service.fleet.agents.models import Command
from service.fleet.agents.rules import OPEN, WAITS, CommandName, CommandState
from service.fleet.firmware import queries, rules, schemas
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.firmware.rules import (
    ROLLOUT_WORDS,
    UNDER_WAY,
    Facts,
    Limits,
    Move,
    RolloutState,
    TaskState,
    Verdict,
)
from service.fleet.models import terminal_logs
from service.fleet.queries import get_customer
from service.fleet.rules import AREA, FIRMWARE, AlertType, Status
from service.fleet.settings import settings
from service.fleet.watch import actions as watch

UPDATED = "システム（更新成功）"
_LOCK = "fleet.roll_outs"
_LIVE = (RolloutState.RUNNING, RolloutState.PAUSED)


def register(db: Session, by: Actor, new: schemas.NewFirmware) -> Firmware:
    """Takes an uploaded image into use, if its maker signed exactly this version and content.

    Raises:
        NotFound: no such upload of this person.
        Invalid: the signature is none, or not of one of our keys.
        Conflict: the version is registered already, or the upload is in use.
    """
    file = files.attach(db, by, new.file_id, FIRMWARE)
    return add_firmware(db, by, file, new.version, new.signature, new.notes)


def add_firmware(db: Session, by: Actor | str, file: File, version: str, signature: str, notes: str = "") -> Firmware:
    """As `register`, of a file that is in use."""
    signed = _checked(version, file, signature)
    firmware = Firmware(
        version=version,
        file_id=file.id,
        size=file.size,
        sha256=file.sha256,
        signature=signed,
        notes=notes,
        user_id=by.user_id if isinstance(by, Actor) else None,
    )
    try:
        with db.begin_nested():
            db.add(firmware)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_firmwares_version"):
            raise
        message = f"バージョン「{version}」のファームウェアはすでに登録されています。"
        raise Conflict(message, [("version", message)]) from None
    after = {"version": version, "size": file.size, "sha256": file.sha256.hex()}
    audit.record(db, by, "create", AREA.name, "firmware", firmware.id, after=after)
    return firmware


def _checked(version: str, file: File, signature: str) -> bytes:
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 64:
        message = "署名は、Ed25519の署名（64バイト）をBase64で貼り付けてください。"
        raise Invalid(message, [("signature", message)])
    keys = settings().public_keys
    if not keys:
        raise Invalid(
            "署名を検証する公開鍵が設定されていないため、登録できません。"
            "管理者が設定 FLEET_FIRMWARE_PUBLIC_KEYS に公開鍵を追加してください。"
        )
    if not rules.is_signed(raw, rules.signed_bytes(version, file.size, file.sha256.hex()), keys):
        message = "署名がこのファイルとバージョンに一致しません。署名したファイル、バージョン、鍵を確認してください。"
        raise Invalid(message, [("signature", message)])
    return raw


def withdraw(db: Session, by: Actor, firmware_id: int) -> None:
    """It is not offered and not sent any more; roll-outs of it end. A repeat changes nothing."""
    firmware = queries.get_firmware(db, firmware_id, lock=True)
    if firmware.withdrawn_at is not None:
        return
    firmware.withdrawn_at = app_now(db)
    audit.record(db, by, "update", AREA.name, "firmware", firmware.id, after={"withdrawn": True})
    for rollout in queries.open_rollouts(db, firmware_id):
        _abort(db, by, rollout, f"ファームウェア {firmware.version} が取り下げられました。")


def create(db: Session, by: Actor, new: schemas.NewRollout) -> Rollout:
    """A draft; nobody is offered anything. Raises NotFound; Conflict when the firmware was withdrawn."""
    firmware = _installable(db, new.firmware_id)
    for customer_id in new.targets.customer_ids:
        get_customer(db, customer_id)
    values = new.model_dump(exclude={"targets"}) | {"targets": new.targets.model_dump()}
    rollout = Rollout(**values, user_id=by.user_id)
    db.add(rollout)
    db.flush()  # for the id
    after = new.model_dump(mode="json", exclude={"targets", "firmware_id"}) | new.targets.model_dump()
    audit.record(db, by, "create", AREA.name, "rollout", rollout.id, after=after | {"firmware_id": firmware.id})
    return rollout


def _installable(db: Session, firmware_id: int) -> Firmware:
    firmware = queries.get_firmware(db, firmware_id)
    if firmware.withdrawn_at is not None:
        raise Conflict(f"ファームウェア {firmware.version} は取り下げられているため、配信できません。")
    return firmware


def start(db: Session, by: Actor, rollout_id: int) -> Rollout:
    """From here on the terminals are those that the targets meet now, shuffled over the waves.

    Raises:
        Conflict: it has begun already, its firmware was withdrawn, or no terminal would get it.
    """
    rollout = _locked(db, rollout_id, RolloutState.DRAFT)
    firmware = _installable(db, rollout.firmware_id)
    found = queries.targeted(firmware.version, schemas.Targets.model_validate(rollout.targets))
    # The same for whoever asks, and of no customer's all at once.
    rows = sorted(db.execute(found).all(), key=lambda row: _shuffled(rollout.id, row[0]))
    if not rows:
        raise Conflict("対象の端末がありません。対象の条件を確認してください。")
    _begin(db, by, rollout, [(terminal_id, version) for terminal_id, version, _ in rows])
    return rollout


def _shuffled(rollout_id: int, terminal_id: int) -> int:
    return hash((rollout_id, terminal_id))


def _begin(db: Session, by: Actor, rollout: Rollout, terminals: Sequence[tuple[int, str]]) -> None:
    ends = rules.wave_ends(rollout.waves, len(terminals))
    rollout.waves, rollout.wave = [percent for percent, _ in ends], 0
    wave, rows = 0, []
    for place, (terminal_id, version) in enumerate(terminals):
        wave += place >= ends[wave][1]
        rows.append({"rollout_id": rollout.id, "terminal_id": terminal_id, "wave": wave, "from_version": version})
    db.execute(insert(UpdateTask), rows)
    rollout.started_at = app_now(db)
    _set_state(db, by, rollout, RolloutState.RUNNING, terminals=len(rows))


def pause(db: Session, by: Actor, rollout_id: int, reason: str) -> None:
    """Nobody new is offered it; who has begun goes on. Raises Conflict unless it runs."""
    rollout = _locked(db, rollout_id, RolloutState.RUNNING)
    rollout.reason = reason or "担当者が一時停止しました。"
    _set_state(db, by, rollout, RolloutState.PAUSED, reason=rollout.reason)


def resume(db: Session, by: Actor, rollout_id: int) -> None:
    """Goes on; failures so far are known to whoever resumes it and stop it no more. Raises Conflict unless paused."""
    rollout = _locked(db, rollout_id, RolloutState.PAUSED)
    _installable(db, rollout.firmware_id)
    rollout.reason, rollout.resumed_at = None, app_now(db)
    _set_state(db, by, rollout, RolloutState.RUNNING)


def abort(db: Session, by: Actor, rollout_id: int, reason: str) -> None:
    """For good. Who has not begun stays as it is, who has begun stops where it safely can. Raises Conflict when it is
    over already."""
    rollout = _locked(db, rollout_id, RolloutState.DRAFT, *_LIVE)
    _abort(db, by, rollout, reason or "担当者が中止しました。")


def _abort(db: Session, by: Actor, rollout: Rollout, reason: str) -> None:
    # Those that run the new version already go on proving it: an alert must not be lost.
    told = [TaskState.OFFERED, TaskState.UPDATING]
    open_ones = update(UpdateTask).where(
        UpdateTask.rollout_id == rollout.id, UpdateTask.state.in_([TaskState.WAITING, *told])
    )
    ended = db.execute(
        open_ones.values(state=TaskState.CANCELLED, finished_at=now_sql(), deadline_at=None)
        .returning(UpdateTask.command_id)
        .execution_options(synchronize_session=False)
    )
    _call_off(db, [command_id for (command_id,) in ended if command_id is not None])
    rollout.reason, rollout.finished_at = reason, app_now(db)
    _set_state(db, by, rollout, RolloutState.ABORTED, reason=reason)


def drop_terminal(db: Session, terminal_id: int) -> int:
    """A terminal that is put out of use is updated no more; of how many roll-outs. Its agent is the caller's to call
    off."""
    open_ones = update(UpdateTask).where(
        UpdateTask.terminal_id == terminal_id, UpdateTask.state.in_([TaskState.WAITING, *UNDER_WAY])
    )
    ended = open_ones.values(state=TaskState.CANCELLED, finished_at=now_sql(), deadline_at=None)
    return len(db.execute(ended.returning(UpdateTask.id).execution_options(synchronize_session=False)).all())


def retry(db: Session, by: Actor, rollout_id: int) -> int:
    """The failed terminals wait for another try; a finished roll-out runs again. How many.

    Raises:
        Conflict: nothing has failed, or the roll-out is aborted or a draft.
    """
    rollout = _locked(db, rollout_id, *_LIVE, RolloutState.FINISHED)
    _installable(db, rollout.firmware_id)
    failed = update(UpdateTask).where(UpdateTask.rollout_id == rollout.id, UpdateTask.state == TaskState.FAILED)
    again = failed.values(_AGAIN).returning(UpdateTask.id).execution_options(synchronize_session=False)
    count = len(db.execute(again).all())
    if not count:
        raise Conflict("失敗した端末はありません。")
    audit.record(db, by, "update", AREA.name, "rollout", rollout.id, after={"retried": count})
    if rollout.state == RolloutState.FINISHED:
        rollout.finished_at, rollout.resumed_at = None, app_now(db)
        _set_state(db, by, rollout, RolloutState.RUNNING)
    return count


_AGAIN: dict[str, Any] = {"state": TaskState.WAITING, "healthy": 0} | dict.fromkeys(
    ("command_id", "step", "percent", "error", "offered_at", "deadline_at", "proving_since", "finished_at")
)


def roll_back(db: Session, by: Actor, rollout_id: int) -> dict[str, Any]:
    """Ends it if it still runs, and brings every terminal that runs its version back to the version before: at once,
    in a roll-out for each of those versions. Versions that are not registered are named, their terminals stay.

    Raises:
        Conflict: no terminal runs it, or of no version before there is an image.
    """
    undone = _locked(db, rollout_id, *_LIVE, RolloutState.ABORTED, RolloutState.FINISHED)
    by_version: dict[str, list[tuple[int, str]]] = {}
    version = queries.get_firmware(db, undone.firmware_id).version
    for terminal_id, before in db.execute(queries.took(undone.id)):
        by_version.setdefault(before, []).append((terminal_id, version))
    if not by_version:
        raise Conflict(f"バージョン {version} で動いている対象の端末がないため、元に戻すものはありません。")
    known = queries.firmware_by_version(db, [*by_version])
    missing = sorted(by_version.keys() - known.keys())
    if not known:
        raise Conflict(f"元のバージョン（{'、'.join(missing)}）が登録されていないため、元に戻せません。")
    if undone.state in _LIVE:
        _abort(db, by, undone, "元のバージョンに戻すため中止しました。")
    made = [_undo(db, by, undone, known[before], by_version[before]) for before in sorted(known)]
    terminals = sum(len(by_version[before]) for before in known)
    return {"ids": [rollout.id for rollout in made], "terminals": terminals, "missing": missing}


def _undo(db: Session, by: Actor, undone: Rollout, firmware: Firmware, terminals: Sequence[tuple[int, str]]) -> Rollout:
    rollout = Rollout(
        name=f"{undone.name[:80]}（{firmware.version} に戻す）"[:100],
        firmware_id=firmware.id,
        undoes_id=undone.id,
        targets=schemas.Targets(versions=[terminals[0][1]]).model_dump(),
        waves=[100],
        user_id=by.user_id,
        **{name: getattr(undone, name) for name in _LIMITS},
    )
    db.add(rollout)
    db.flush()  # for the id
    after = {"name": rollout.name, "firmware_id": firmware.id, "undoes_id": undone.id}
    audit.record(db, by, "create", AREA.name, "rollout", rollout.id, after=after)
    _begin(db, by, rollout, terminals)
    return rollout


_LIMITS = ("success_percent", "error_percent", "error_count", "healthy_heartbeats", "step_minutes")


def _locked(db: Session, rollout_id: int, *states: RolloutState) -> Rollout:
    rollout = queries.get_rollout(db, rollout_id, lock=True)
    if rollout.state not in states:
        word = ROLLOUT_WORDS[RolloutState(rollout.state)]
        raise Conflict(f"この配信は「{word}」のため、この操作はできません。画面を更新してください。")
    return rollout


def _set_state(db: Session, by: Actor | str, rollout: Rollout, state: RolloutState, **after: Any) -> None:
    before, rollout.state = {"state": ROLLOUT_WORDS[RolloutState(rollout.state)]}, state
    told = {"state": ROLLOUT_WORDS[state]} | after
    audit.record(db, by, "status_change", AREA.name, "rollout", rollout.id, before=before, after=told)


def _call_off(db: Session, command_ids: Sequence[int]) -> None:
    """The agents are not told any more, or stop at their next safe point."""
    if command_ids:
        called = update(Command).where(Command.id.in_(command_ids), Command.state.in_(OPEN))
        values = {"state": CommandState.CANCELLED, "finished_at": now_sql()}
        db.execute(called.values(**values).execution_options(synchronize_session=False))


def advance(db: Session) -> dict[str, int]:
    """One look at all roll-outs: what the agents and terminals say of their updates, what is next for each roll-out
    that runs, and who is told of its update now. Two at once do nothing twice.

    Returns:
        How many tasks moved, how many terminals were told, how many roll-outs moved.
    """
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"tasks": 0, "offered": 0, "rollouts": 0}
    tasks, now = _follow(db), app_now(db)
    running = queries.running(db)
    gone = queries.without_terminal([rollout.id for rollout in running])
    db.execute(
        update(UpdateTask)
        .where(gone)
        .values(state=TaskState.CANCELLED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    moved = offered = 0
    for rollout in running:
        moved += _lead(db, rollout, now)
        if rollout.state == RolloutState.RUNNING and rules.is_open(now, rollout.offer_from, rollout.offer_until):
            offered += _offer(db, rollout, now, rules.MOST_OFFERS - offered)
    return {"tasks": tasks, "offered": offered, "rollouts": moved}


def _lead(db: Session, rollout: Rollout, now: datetime) -> int:
    """As many moves as there are until somebody has to be waited for."""
    limits = Limits(rollout.success_percent, rollout.error_percent, rollout.error_count)
    waves, moves = queries.waves(db, rollout), 0
    risen = _risen(db, rollout, sum(wave.waiting for wave in waves))
    while True:
        move, reason = rules.decide(limits, waves, rollout.wave)
        if risen and move in (Move.OFFER, Move.NEXT_WAVE):
            move, reason = Move.PAUSE, risen
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
        _tell_paused(db, rollout, reason, now)
        return moves


def _risen(db: Session, rollout: Rollout, waiting: int) -> str:
    """Why the trouble of the updated terminals stops it; nobody is looked at in vain."""
    if waiting < rules.FEWEST_COMPARED:
        return ""
    updated = queries.watched(db, rollout, updated=True)
    if not rules.worth_comparing(updated):
        return ""
    return rules.risen(updated, queries.watched(db, rollout, updated=False))


def _tell_paused(db: Session, rollout: Rollout, reason: str, now: datetime) -> None:
    recipients = settings().recipients
    if not recipients:
        return
    page = f"{core_settings().public_base_url.rstrip('/')}/firmware"
    version = queries.get_firmware(db, rollout.firmware_id).version
    subject, body = rules.paused_mail(rollout.name, version, reason, in_words(now), page)
    outbox.publish(
        db,
        "mail",
        {"to": recipients, "subject": subject, "body": body},
        area=AREA.name,
        recipient="、".join(recipients),
        title=subject,
        about=("rollout", rollout.id),
        expires_at=now + rules.NEWS_LASTS,
    )


def _offer(db: Session, rollout: Rollout, now: datetime, limit: int) -> int:
    """Tells so many terminals of the present waves; the agents hear it with their next heartbeat."""
    found = queries.to_offer(db, rollout, limit)
    if not found:
        return 0
    firmware = queries.get_firmware(db, rollout.firmware_id)
    common = {
        "version": firmware.version,
        "size": firmware.size,
        "sha256": firmware.sha256.hex(),
        "signature": base64.b64encode(firmware.signature).decode(),
    }
    rows = [
        {
            "terminal_id": terminal_id,
            "name": CommandName.UPDATE_FIRMWARE,
            "arguments": {"task_id": task_id, **common},
            "expires_at": now + WAITS,
        }
        for task_id, terminal_id, _ in found
    ]
    ids = db.scalars(insert(Command).returning(Command.id, sort_by_parameter_order=True), rows).all()
    deadline = now + timedelta(minutes=rollout.step_minutes)
    told = {"state": TaskState.OFFERED, "offered_at": now, "deadline_at": deadline}
    db.execute(
        update(UpdateTask),
        [
            told | {"id": task_id, "command_id": command_id, "from_version": version}
            for (task_id, _, version), command_id in zip(found, ids, strict=True)
        ],
    )
    _note(db, "update_offered", [(terminal_id, {"version": firmware.version}) for _, terminal_id, _ in found])
    return len(found)


def _follow(db: Session) -> int:
    """Takes down where the updates under way stand; how many have moved."""
    known_until, now = queries.known_until(db), app_now(db)
    judged = [(row, verdict) for row in queries.under_way(db) if (verdict := rules.judge(_facts(row, known_until)))]
    if not judged:
        return 0
    db.execute(update(UpdateTask), [_moved(row, verdict, now) for row, verdict in judged])
    _call_off(db, [row.command_id for row, verdict in judged if verdict.stop and row.command_id])
    failed = {row.terminal_id: row for row, verdict in judged if verdict.state is TaskState.FAILED}
    errors = {row.terminal_id: verdict.error or "" for row, verdict in judged if verdict.state is TaskState.FAILED}
    well = [row for row, verdict in judged if verdict.state is TaskState.SUCCEEDED]
    _note(db, "update_failed", [(key, {"version": failed[key].version, "error": errors[key]}) for key in failed])
    _note(db, "update_succeeded", [(row.terminal_id, {"version": row.version}) for row in well])
    messages = {key: f"ファームウェア {failed[key].version} への更新に失敗: {errors[key]}" for key in failed}
    watch.raise_alerts(db, AlertType.UPDATE_FAILED, messages)
    for row in well:
        watch.clear_alerts(db, row.terminal_id, AlertType.UPDATE_FAILED, UPDATED)
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


def _moved(row: Row[*tuple[Any, ...]], verdict: Verdict, now: datetime) -> dict[str, Any]:
    """The task's new columns."""
    if verdict.state is TaskState.WAITING:
        return _AGAIN | {"id": row.id}
    step = timedelta(minutes=row.step_minutes)
    deadline = now + step if verdict.renew else row.deadline_at
    proving = verdict.state is TaskState.PROVING
    if proving and verdict.renew:
        deadline = now + rules.proving_time(step, row.healthy_heartbeats, settings().heartbeat_interval_seconds)
    moved = {
        "id": row.id,
        "state": verdict.state,
        "step": verdict.step,
        "percent": verdict.percent,
        "healthy": verdict.healthy,
        "error": verdict.error and verdict.error[:500],
        "deadline_at": deadline if verdict.state in UNDER_WAY else None,
        "finished_at": None if verdict.state in UNDER_WAY else now,
    }
    # One statement for all: each row names the same columns.
    return moved | {"proving_since": now if proving and verdict.renew else row.proving_since}


def _note(db: Session, kind: str, happened: Sequence[tuple[int, dict[str, Any]]]) -> None:
    if happened:
        lines = [{"terminal_id": key, "kind": kind, "detail": detail} for key, detail in happened]
        db.execute(insert(terminal_logs), lines)
