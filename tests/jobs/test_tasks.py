"""Long work: seen, cancelled, taken up again, fenced; and never half done, whatever is killed."""

from __future__ import annotations

import subprocess
import threading
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from jobs import tasks as tasks_jobs
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.core.settings import settings
from service.core.tasks import lease, records
from service.core.tasks.records import Order, Task
from service.core.tasks.work import Failed, Lost, Result, Work
from tests import factories, people
from tests.waiting import wait_for
from tests.workers import Ground, ground

__all__ = ["ground"]
ORDER = Order("test.work", "fleet", "テストの処理", "fleet:terminal:read", {"import_id": 1})
STOP = threading.Event


def alice(login_id: str = "alice", role: str = "operator") -> Actor:
    with transaction(SYSTEM) as db:
        return people.actor(db, login_id, fleet=role)


def start(by: Actor, order: Order = ORDER) -> int:
    with transaction(by.scopes) as db:
        return records.start(db, by, order).id


def task(task_id: int) -> Task:
    with transaction(SYSTEM) as db:
        return db.get_one(Task, task_id)


def register(work: Work) -> Result:
    """A work with a change in it that is either there or not."""
    with work.transaction() as db:
        factories.customer(db, f"顧客 {work.task.attempt}")
        work.progress(1, 2, "登録しています")
    return Result("1社を登録しました。", {"新規": 1})


def customers(ground: Ground) -> int:
    return int(ground.rows("SELECT count(*) FROM fleet_customers")[0][0])


def test_a_task_runs_with_its_starters_rights_and_tells_what_came_of_it(ground: Ground) -> None:
    by = alice()
    task_id = start(by)
    seen: list[Work] = []

    def look(work: Work) -> Result:
        seen.append(work)
        return register(work)

    assert ground.run({"test.work": look})
    assert not ground.run({"test.work": look})

    done = task(task_id)
    assert (done.state, done.message, done.result) == (
        "done",
        "1社を登録しました。",
        {"figures": {"新規": 1}, "file": None},
    )
    assert (done.lease, done.attempts) == (None, 1)
    assert done.finished_at is not None
    assert (seen[0].actor.user_id, seen[0].actor.scopes, seen[0].params) == (by.user_id, by.scopes, {"import_id": 1})
    assert ground.rows("SELECT action, actor FROM audit_entries WHERE subject = 'task'") == [("create", "alice")]


def test_progress_is_seen_before_the_work_is_committed(ground: Ground) -> None:
    task_id = start(alice())
    seen: list[tuple[int, int | None, str]] = []

    def slow(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            work.progress(30, 120, "確認しています")
            now = wait_for(lambda: found if (found := task(task_id)).total_count else None)
            seen.append((now.done_count, now.total_count, now.message))
            assert customers(ground) == 0
        return Result("できました。")

    ground.run({"test.work": slow})

    assert seen == [(30, 120, "確認しています")]
    assert task(task_id).state == "done"


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Failed("倉庫が閉まっています。明日やり直してください。"), "倉庫が閉まっています。"),
        (ZeroDivisionError("secret 0"), "予期しない問題"),
    ],
)
def test_a_task_that_fails_says_why_in_words_and_keeps_nothing(ground: Ground, problem: Exception, words: str) -> None:
    task_id = start(alice())

    def fail(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            raise problem

    ground.run({"test.work": fail})

    failed = task(task_id)
    assert failed.state == "failed"
    assert words in str(failed.error)
    assert "secret" not in str(failed.error)
    assert customers(ground) == 0


def test_a_task_that_is_taken_up_again_has_not_begun_until_a_worker_takes_it(ground: Ground) -> None:
    by = alice()
    task_id = start(by)

    def fail(work: Work) -> Result:
        raise Failed("倉庫が閉まっています。")

    ground.run({"test.work": fail})
    assert task(task_id).started_at is not None

    with transaction(by.scopes) as db:
        records.resume(db, by, task_id)

    assert (task(task_id).state, task(task_id).started_at) == ("waiting", None)


def test_a_task_cancelled_in_the_middle_keeps_nothing(ground: Ground) -> None:
    by = alice()
    task_id = start(by)

    def cancelled_meanwhile(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            with transaction(by.scopes) as other:
                records.cancel(other, by, task_id)

            def go_on() -> bool:
                work.progress(1, 2)
                return False

            wait_for(go_on)
        return Result("届かない")

    ground.run({"test.work": cancelled_meanwhile})

    assert (task(task_id).state, customers(ground)) == ("cancelled", 0)
    assert ("cancel",) in ground.rows("SELECT action FROM audit_entries WHERE subject = 'task'")


def test_a_wish_to_cancel_that_comes_just_before_the_commit_still_counts(ground: Ground) -> None:
    by = alice()
    task_id = start(by)

    def never_looks_up(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            with transaction(by.scopes) as other:
                records.cancel(other, by, task_id)
        return Result("届かない")

    ground.run({"test.work": never_looks_up})

    assert (task(task_id).state, customers(ground)) == ("cancelled", 0)


def test_a_worker_that_lost_its_lease_commits_nothing_and_settles_nothing(ground: Ground) -> None:
    """It was only slow: another has taken the task over meanwhile."""
    task_id = start(alice())

    def overtaken(work: Work) -> Result:
        def commit_late() -> None:
            with work.transaction() as db:
                factories.customer(db, "遅い方")
                with transaction(SYSTEM) as other:
                    # In one transaction: the slow worker's pulse renews its lease until it is taken.
                    other.execute(update(Task).values(lease_until=real_now() - timedelta(seconds=1)))
                    assert lease.claim(other) is not None

        with pytest.raises(Lost):
            commit_late()
        with pytest.raises(Lost):
            work.finish(Result("遅い方の結果"))
        raise Lost

    ground.run({"test.work": overtaken})

    assert (task(task_id).state, task(task_id).attempts, customers(ground)) == ("running", 2, 0)
    ground.lease_runs_out()
    ground.run({"test.work": register})
    assert (task(task_id).state, customers(ground)) == ("done", 1)


def test_a_task_whose_worker_died_is_taken_up_again_from_the_start(ground: Ground) -> None:
    task_id = start(alice())
    with transaction(SYSTEM) as db:
        assert lease.claim(db) is not None
    assert not ground.run({"test.work": register})

    ground.lease_runs_out()

    assert ground.run({"test.work": register})
    assert (task(task_id).state, task(task_id).attempts, customers(ground)) == ("done", 2, 1)


@pytest.mark.parametrize(("resumable", "deaths"), [(False, 1), (True, lease.MAX_ATTEMPTS)])
def test_a_task_that_cannot_run_again_fails_in_words_when_its_worker_dies(
    ground: Ground, resumable: bool, deaths: int
) -> None:
    order = Order("test.work", "fleet", "テストの処理", "fleet:terminal:read", resumable=resumable)
    task_id = start(alice(), order)
    for _ in range(deaths):
        with transaction(SYSTEM) as db:
            assert lease.claim(db) is not None
        ground.lease_runs_out()

    assert not ground.run({"test.work": register})

    assert task(task_id).state == "failed"
    assert "途中で停止しました" in str(task(task_id).error)
    assert customers(ground) == 0


def test_a_worker_told_to_stop_gives_the_task_back(ground: Ground) -> None:
    task_id = start(alice())
    stopping = threading.Event()

    def stopped(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            stopping.set()
            work.progress(1, 2)
        return Result("届かない")

    ground.run({"test.work": stopped}, stopping)

    assert (task(task_id).state, task(task_id).attempts, customers(ground)) == ("waiting", 0, 0)


def test_a_starter_who_lost_the_right_meanwhile_gets_nothing_done(ground: Ground) -> None:
    by = alice()
    task_id = start(by)
    with transaction(SYSTEM) as db:
        db.get_one(User, by.user_id).is_active = False

    ground.run({"test.work": register})

    assert task(task_id).state == "failed"
    assert "権限がなくなりました" in str(task(task_id).error)
    assert customers(ground) == 0


def test_two_workers_at_once_never_get_the_same_task(ground: Ground) -> None:
    by = alice()
    start(by), start(by)
    with ground.session() as first, ground.session() as second:
        one, other = lease.claim(first), lease.claim(second)
        assert one is not None
        assert other is not None
        assert one.id != other.id


def test_nobody_fills_the_queue_for_everybody(ground: Ground) -> None:
    client = ground.person("alice", fleet="operator")
    for _ in range(records.MAX_OPEN):
        assert client.post("/api/core/exports", json={"list": "fleet.terminals"}).status_code == 202

    refused = client.post("/api/core/exports", json={"list": "fleet.terminals"})

    assert refused.status_code == 409
    assert "10件あります" in refused.json()["detail"]


def test_ones_own_tasks_are_seen_cancelled_and_resumed_and_a_stranger_gets_404(ground: Ground) -> None:
    client, colleague = ground.person("alice", fleet="operator"), ground.person("bob", fleet="operator")
    admin, stranger = ground.person("anna", fleet="admin"), ground.person("charlie")
    started = client.post("/api/core/exports", json={"list": "fleet.terminals", "format": "csv"}).json()
    path = f"/api/core/tasks/{started['id']}"
    assert (started["state"], started["percent"], started["title"]) == ("waiting", None, "端末一覧の出力（CSV）")

    for other in (colleague, stranger):
        assert other.get(path).status_code == 404
        assert other.post(f"{path}/cancel").status_code == 404
        assert other.post(f"{path}/resume").status_code == 404
        assert other.get("/api/core/tasks").json()["total"] == 0
        assert other.get("/api/core/tasks/everybody").status_code == 403
    assert [found["id"] for found in admin.get("/api/core/tasks/everybody").json()["items"]] == [started["id"]]
    assert admin.get(path).json()["started_by"] == "alice さん"

    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{path}/cancel").status_code == 409
    assert admin.post(f"{path}/resume").status_code == 409
    assert client.get(path).json()["can_resume"] is True
    assert client.post(f"{path}/resume").json()["state"] == "waiting"
    assert client.get("/api/core/tasks", params={"state": "open"}).json()["total"] == 1
    assert ground.run()
    assert client.get(path).json()["percent"] == 100
    assert client.get("/api/core/tasks", params={"state": "open"}).json()["total"] == 0


def test_the_list_of_tasks_comes_in_pages_the_newest_first(ground: Ground) -> None:
    client = ground.person("alice", fleet="operator")
    ids = [client.post("/api/core/exports", json={"list": "fleet.terminals"}).json()["id"] for _ in range(3)]

    first = client.get("/api/core/tasks", params={"limit": 2}).json()
    second = client.get("/api/core/tasks", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [found["id"] for page in (first, second) for found in page["items"]] == ids[::-1]
    assert (first["total"], second["next_cursor"]) == (3, None)


def test_the_tick_starts_a_process_when_there_is_work_and_it_does_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", ground.url)
    tasks_jobs.wake()
    assert tasks_jobs._processes == []
    client = ground.person("alice", fleet="operator")
    path = f"/api/core/tasks/{client.post('/api/core/exports', json={'list': 'fleet.terminals'}).json()['id']}"

    tasks_jobs.wake()
    try:
        done = wait_for(lambda: (found := client.get(path).json())["state"] == "done" and found)
        assert done["file"]["name"].startswith("端末一覧_")
        assert client.get(f"/api/core{done['result_url']}").content.startswith(b"PK")
        tasks_jobs.wake()
        assert len(tasks_jobs._processes) == 1
    finally:
        for process in tasks_jobs._processes:
            process.terminate()
            assert process.wait(60) == 0
        tasks_jobs._processes.clear()


def test_no_process_is_started_beyond_the_limit(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = start(alice())
    ground.rows("UPDATE tasks SET created_at = created_at - interval '1 h' WHERE id = :id", id=task_id)
    busy = [subprocess.Popen(["sleep", "600"]) for _ in range(settings().task_processes)]
    monkeypatch.setattr(tasks_jobs, "_processes", [*busy])
    try:
        tasks_jobs.wake()
        assert tasks_jobs._processes == busy
    finally:
        for process in tasks_jobs._processes:
            process.kill()
            process.wait(60)


def test_a_worker_ends_with_the_process_that_started_it(ground: Ground) -> None:
    """As the tick's worker may be killed: nobody is left who would stop it."""
    import os
    import sys

    import psutil

    from stack.home import ROOT

    code = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-m', 'jobs.long']).pid, flush=True); input()"
    )
    environ = os.environ | {"DATABASE_URL": ground.url}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline())
    task_id = start(alice(), Order("core.export", "fleet", "x", "fleet:terminal:read", {"list": "-", "filters": {}}))
    wait_for(lambda: task(task_id).state == "failed")

    parent.kill()
    parent.wait(10)
    parent.stdin.close()
    parent.stdout.close()

    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_task_of_another_area_is_out_of_reach_by_the_database_too(ground: Ground) -> None:
    start(alice())
    with transaction() as nobody:
        assert nobody.execute(text("SELECT id FROM tasks")).all() == []
