"""Runs one background task: claims it, runs it with the permissions of the user who started it, stores the result."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog

from service.core import audit
from service.core.access import identity
from service.core.access.auth import Actor, actor_of
from service.core.database.session import SYSTEM, transaction
from service.core.problems import Problem
from service.core.tasks import lease, work
from service.core.tasks.lease import Claimed
from service.core.tasks.work import Cancelled, Failed, Lost, Run, Stopping, Work

NO_PERMISSION = (
    "この処理を始めた方のアカウントが無効になったか、必要な権限がなくなりました。必要な場合は管理者に依頼してください。"
)
log = structlog.get_logger()


def run_next(kinds: Mapping[str, Run], stopping: threading.Event, pulse_seconds: float = work.PULSE_SECONDS) -> bool:
    """False when no task was due."""
    with transaction(SYSTEM) as db:
        task = lease.claim(db)
    if task is None:
        return False
    log.info("task begun", task=task.id, kind=task.kind, attempt=task.attempt)
    try:
        attempt = _prepare(task, kinds, stopping)
        with attempt.pulse(pulse_seconds):
            result = kinds[task.kind](attempt)
            if result is not None and not attempt.settled:
                attempt.finish(result)
        if not attempt.settled:
            raise RuntimeError(f"{task.kind} ended without a result")
        log.info("task done", task=task.id, kind=task.kind)
    except Exception as error:
        _end(task, error)
    return True


def _prepare(task: Claimed, kinds: Mapping[str, Run], stopping: threading.Event) -> Work:
    if task.kind not in kinds:
        raise Failed(f"処理の種類「{task.kind}」に対応していません。管理者に連絡してください。")
    actor = _starter(task)
    if actor is None or task.area not in actor.areas_where(task.permission):
        raise Failed(NO_PERMISSION)
    return Work(task, actor, stopping)


def _starter(task: Claimed) -> Actor | None:
    """The user who started the task, as of now, with the address of that request."""
    with transaction() as db:
        active_session = identity.find_user(db, task.user_id)
        return actor_of(active_session, task.address) if active_session else None


def _end(task: Claimed, error: Exception) -> None:
    """Stores how the task ended. A worker that has lost the lease stores nothing."""
    if isinstance(error, Lost):
        log.warning("task lost to another worker", task=task.id, kind=task.kind)
        return
    with transaction(SYSTEM) as db:
        if isinstance(error, Stopping):
            lease.requeue(db, task)
        elif isinstance(error, Cancelled):
            lease.settle(db, task, "cancelled", message=lease.CANCELLED)
        else:
            message = _error_message(task, error)
            if lease.settle(db, task, "failed", error=message):
                audit.record(
                    db,
                    "tasks",
                    "status_change",
                    task.area,
                    "task",
                    task.id,
                    after={"state": "failed", "error": message},
                )
    log.info("task ended", task=task.id, kind=task.kind, why=type(error).__name__)


def _error_message(task: Claimed, error: Exception) -> str:
    if isinstance(error, Failed):
        return str(error)
    if isinstance(error, Problem):
        return error.detail
    log.error("task failed", task=task.id, kind=task.kind, exc_info=error)
    return (
        "処理中に予期しない問題が起きました。途中までの変更は保存されていません。もう一度実行しても続く場合は、"
        f"管理者に処理番号 {task.id} をお知らせください。"
    )
