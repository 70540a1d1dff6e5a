"""Runs one task from claim to end: finds whose it is, does it with that person's rights, writes down how it went."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog

from service.core import audit, identity
from service.core.auth import Actor, actor_of
from service.core.db import SYSTEM, transaction
from service.core.problems import Problem
from service.core.tasks import lease, work
from service.core.tasks.lease import Claimed
from service.core.tasks.work import Cancelled, Failed, Lost, Run, Stopping, Work

NO_RIGHT = (
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
        raise Failed(NO_RIGHT)
    return Work(task, actor, stopping)


def _starter(task: Claimed) -> Actor | None:
    """The person as they are now, with the address they started it from."""
    with transaction() as db:
        found = identity.find_person(db, task.user_id)
        return actor_of(found, task.address) if found else None


def _end(task: Claimed, error: Exception) -> None:
    """What became of it, in words. Who lost the lease has nothing to say any more."""
    if isinstance(error, Lost):
        log.warning("task lost to another worker", task=task.id, kind=task.kind)
        return
    with transaction(SYSTEM) as db:
        if isinstance(error, Stopping):
            lease.give_back(db, task)
        elif isinstance(error, Cancelled):
            lease.settle(db, task, "cancelled", message=lease.CANCELLED)
        else:
            words = _in_words(task, error)
            if lease.settle(db, task, "failed", error=words):
                audit.record(
                    db, "tasks", "status_change", task.area, "task", task.id, after={"state": "failed", "error": words}
                )
    log.info("task ended", task=task.id, kind=task.kind, why=type(error).__name__)


def _in_words(task: Claimed, error: Exception) -> str:
    if isinstance(error, Failed):
        return str(error)
    if isinstance(error, Problem):
        return error.detail
    log.error("task failed", task=task.id, kind=task.kind, exc_info=error)
    return (
        "処理中に予期しない問題が起きました。途中までの変更は保存されていません。もう一度実行しても続く場合は、"
        f"管理者に処理番号 {task.id} をお知らせください。"
    )
