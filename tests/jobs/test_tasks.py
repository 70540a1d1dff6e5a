"""Long tasks: shown, cancelled, resumed and fenced by a lease; never half done, whatever is killed."""

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
from tests.workers import Environment, environment

__all__ = ["environment"]
ORDER = Order("test.work", "fleet", "テストの処理", "fleet:terminal:read", {"import_id": 1})
STOP = threading.Event


def alice(login_id: str = "alice", role: str = "operator") -> Actor:
    with transaction(SYSTEM) as db:
        return people.create_actor(db, login_id, fleet=role)


def start(by: Actor, order: Order = ORDER) -> int:
    with transaction(by.scopes) as db:
        return records.start(db, by, order).id


def get_task(task_id: int) -> Task:
    with transaction(SYSTEM) as db:
        return db.get_one(Task, task_id)


def register(work: Work) -> Result:
    """Work with one change, which is either committed or not."""
    with work.transaction() as db:
        factories.customer(db, f"顧客 {work.task.attempt}")
        work.progress(1, 2, "登録しています")
    return Result("1社を登録しました。", {"新規": 1})


def count_customers(environment: Environment) -> int:
    return int(environment.rows("SELECT count(*) FROM fleet_customers")[0][0])


def test_a_task_runs_with_its_starters_permissions_and_stores_its_result(environment: Environment) -> None:
    by = alice()
    task_id = start(by)
    works: list[Work] = []

    def run(work: Work) -> Result:
        works.append(work)
        return register(work)

    assert environment.run({"test.work": run})
    assert not environment.run({"test.work": run})

    done = get_task(task_id)
    assert (done.state, done.message, done.result) == (
        "done",
        "1社を登録しました。",
        {"figures": {"新規": 1}, "file": None},
    )
    assert (done.lease, done.attempts) == (None, 1)
    assert done.finished_at is not None
    assert (works[0].actor.user_id, works[0].actor.scopes, works[0].params) == (by.user_id, by.scopes, {"import_id": 1})
    assert environment.rows("SELECT action, actor FROM audit_entries WHERE subject = 'task'") == [("create", "alice")]


def test_progress_is_seen_before_the_work_is_committed(environment: Environment) -> None:
    task_id = start(alice())
    progress: list[tuple[int, int | None, str]] = []

    def slow(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            work.progress(30, 120, "確認しています")
            current = wait_for(lambda: current_task if (current_task := get_task(task_id)).total_count else None)
            progress.append((current.done_count, current.total_count, current.message))
            assert count_customers(environment) == 0
        return Result("できました。")

    environment.run({"test.work": slow})

    assert progress == [(30, 120, "確認しています")]
    assert get_task(task_id).state == "done"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Failed("倉庫が閉まっています。明日やり直してください。"), "倉庫が閉まっています。"),
        (ZeroDivisionError("secret 0"), "予期しない問題"),
    ],
)
def test_a_failed_task_says_why_and_stores_nothing(environment: Environment, problem: Exception, message: str) -> None:
    task_id = start(alice())

    def fail(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            raise problem

    environment.run({"test.work": fail})

    failed = get_task(task_id)
    assert failed.state == "failed"
    assert message in str(failed.error)
    assert "secret" not in str(failed.error)
    assert count_customers(environment) == 0


def test_a_task_that_is_taken_up_again_has_not_begun_until_a_worker_takes_it(environment: Environment) -> None:
    by = alice()
    task_id = start(by)

    def fail(work: Work) -> Result:
        raise Failed("倉庫が閉まっています。")

    environment.run({"test.work": fail})
    assert get_task(task_id).started_at is not None

    with transaction(by.scopes) as db:
        records.resume(db, by, task_id)

    assert (get_task(task_id).state, get_task(task_id).started_at) == ("waiting", None)


def test_a_task_cancelled_in_the_middle_stores_nothing(environment: Environment) -> None:
    by = alice()
    task_id = start(by)

    def cancel_meanwhile(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            with transaction(by.scopes) as other_db:
                records.cancel(other_db, by, task_id)

            def report_progress() -> bool:
                work.progress(1, 2)
                return False

            wait_for(report_progress)
        return Result("届かない")

    environment.run({"test.work": cancel_meanwhile})

    assert (get_task(task_id).state, count_customers(environment)) == ("cancelled", 0)
    assert ("cancel",) in environment.rows("SELECT action FROM audit_entries WHERE subject = 'task'")


def test_a_cancellation_just_before_the_commit_still_counts(environment: Environment) -> None:
    by = alice()
    task_id = start(by)

    def work_without_progress(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            with transaction(by.scopes) as other_db:
                records.cancel(other_db, by, task_id)
        return Result("届かない")

    environment.run({"test.work": work_without_progress})

    assert (get_task(task_id).state, count_customers(environment)) == ("cancelled", 0)


def test_a_worker_that_lost_its_lease_commits_and_finishes_nothing(environment: Environment) -> None:
    """It was only slow: another worker has claimed the task meanwhile."""
    task_id = start(alice())

    def overtaken(work: Work) -> Result:
        def commit_late() -> None:
            with work.transaction() as db:
                factories.customer(db, "遅い方")
                with transaction(SYSTEM) as other_db:
                    # In one transaction: the slow worker renews its lease until the task is claimed.
                    other_db.execute(update(Task).values(lease_until=real_now() - timedelta(seconds=1)))
                    assert lease.claim(other_db) is not None

        with pytest.raises(Lost):
            commit_late()
        with pytest.raises(Lost):
            work.finish(Result("遅い方の結果"))
        raise Lost

    environment.run({"test.work": overtaken})

    assert (get_task(task_id).state, get_task(task_id).attempts, count_customers(environment)) == ("running", 2, 0)
    environment.lease_runs_out()
    environment.run({"test.work": register})
    assert (get_task(task_id).state, count_customers(environment)) == ("done", 1)


def test_a_task_whose_worker_died_is_taken_up_again_from_the_start(environment: Environment) -> None:
    task_id = start(alice())
    with transaction(SYSTEM) as db:
        assert lease.claim(db) is not None
    assert not environment.run({"test.work": register})

    environment.lease_runs_out()

    assert environment.run({"test.work": register})
    assert (get_task(task_id).state, get_task(task_id).attempts, count_customers(environment)) == ("done", 2, 1)


@pytest.mark.parametrize(("resumable", "deaths"), [(False, 1), (True, lease.MAX_ATTEMPTS)])
def test_a_task_that_cannot_run_again_fails_with_a_message_when_its_worker_dies(
    environment: Environment, resumable: bool, deaths: int
) -> None:
    order = Order("test.work", "fleet", "テストの処理", "fleet:terminal:read", resumable=resumable)
    task_id = start(alice(), order)
    for _ in range(deaths):
        with transaction(SYSTEM) as db:
            assert lease.claim(db) is not None
        environment.lease_runs_out()

    assert not environment.run({"test.work": register})

    assert get_task(task_id).state == "failed"
    assert "途中で停止しました" in str(get_task(task_id).error)
    assert count_customers(environment) == 0


def test_a_worker_asked_to_stop_gives_the_task_back(environment: Environment) -> None:
    task_id = start(alice())
    stopping = threading.Event()

    def stopped(work: Work) -> Result:
        with work.transaction() as db:
            factories.customer(db)
            stopping.set()
            work.progress(1, 2)
        return Result("届かない")

    environment.run({"test.work": stopped}, stopping)

    assert (get_task(task_id).state, get_task(task_id).attempts, count_customers(environment)) == ("waiting", 0, 0)


def test_a_task_whose_starter_lost_the_permission_does_nothing(environment: Environment) -> None:
    by = alice()
    task_id = start(by)
    with transaction(SYSTEM) as db:
        db.get_one(User, by.user_id).is_active = False

    environment.run({"test.work": register})

    assert get_task(task_id).state == "failed"
    assert "権限がなくなりました" in str(get_task(task_id).error)
    assert count_customers(environment) == 0


def test_two_workers_at_once_never_get_the_same_task(environment: Environment) -> None:
    by = alice()
    start(by), start(by)
    with environment.session() as first, environment.session() as second:
        first_task, second_task = lease.claim(first), lease.claim(second)
        assert first_task is not None
        assert second_task is not None
        assert first_task.id != second_task.id


def test_one_user_cannot_fill_the_queue(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="operator")
    for _ in range(records.MAX_OPEN):
        assert client.post("/api/core/exports", json={"list": "fleet.terminals"}).status_code == 202

    refused = client.post("/api/core/exports", json={"list": "fleet.terminals"})

    assert refused.status_code == 409
    assert "10件あります" in refused.json()["detail"]


def test_users_see_cancel_and_resume_own_tasks_and_a_stranger_gets_404(environment: Environment) -> None:
    client, colleague = environment.sign_in("alice", fleet="operator"), environment.sign_in("bob", fleet="operator")
    admin, stranger = environment.sign_in("anna", fleet="admin"), environment.sign_in("charlie")
    started = client.post("/api/core/exports", json={"list": "fleet.terminals", "format": "csv"}).json()
    path = f"/api/core/tasks/{started['id']}"
    assert (started["state"], started["percent"], started["title"]) == ("waiting", None, "端末一覧の出力（CSV）")

    for user in (colleague, stranger):
        assert user.get(path).status_code == 404
        assert user.post(f"{path}/cancel").status_code == 404
        assert user.post(f"{path}/resume").status_code == 404
        assert user.get("/api/core/tasks").json()["total"] == 0
        assert user.get("/api/core/tasks/everybody").status_code == 403
    assert [item["id"] for item in admin.get("/api/core/tasks/everybody").json()["items"]] == [started["id"]]
    assert admin.get(path).json()["started_by"] == "alice さん"

    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{path}/cancel").status_code == 409
    assert admin.post(f"{path}/resume").status_code == 409
    assert client.get(path).json()["can_resume"] is True
    assert client.post(f"{path}/resume").json()["state"] == "waiting"
    assert client.get("/api/core/tasks", params={"state": "open"}).json()["total"] == 1
    assert environment.run()
    assert client.get(path).json()["percent"] == 100
    assert client.get("/api/core/tasks", params={"state": "open"}).json()["total"] == 0


def test_the_list_of_tasks_comes_in_pages_the_newest_first(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="operator")
    ids = [client.post("/api/core/exports", json={"list": "fleet.terminals"}).json()["id"] for _ in range(3)]

    first = client.get("/api/core/tasks", params={"limit": 2}).json()
    second = client.get("/api/core/tasks", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [item["id"] for page in (first, second) for item in page["items"]] == ids[::-1]
    assert (first["total"], second["next_cursor"]) == (3, None)


def test_the_tick_starts_a_process_when_there_is_work_and_it_does_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", environment.url)
    tasks_jobs.wake()
    assert tasks_jobs._processes == []
    client = environment.sign_in("alice", fleet="operator")
    path = f"/api/core/tasks/{client.post('/api/core/exports', json={'list': 'fleet.terminals'}).json()['id']}"

    tasks_jobs.wake()
    try:
        task = wait_for(lambda: (response := client.get(path).json())["state"] == "done" and response)
        assert task["file"]["name"].startswith("端末一覧_")
        assert client.get(f"/api/core{task['result_url']}").content.startswith(b"PK")
        tasks_jobs.wake()
        assert len(tasks_jobs._processes) == 1
    finally:
        for process in tasks_jobs._processes:
            process.terminate()
            assert process.wait(60) == 0
        tasks_jobs._processes.clear()


def test_no_process_is_started_beyond_the_limit(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = start(alice())
    environment.rows("UPDATE tasks SET created_at = created_at - interval '1 h' WHERE id = :id", id=task_id)
    busy = [subprocess.Popen(["sleep", "600"]) for _ in range(settings().task_processes)]
    monkeypatch.setattr(tasks_jobs, "_processes", [*busy])
    try:
        tasks_jobs.wake()
        assert tasks_jobs._processes == busy
    finally:
        for process in tasks_jobs._processes:
            process.kill()
            process.wait(60)


def test_a_worker_ends_with_the_process_that_started_it(environment: Environment) -> None:
    """The tick's worker may be killed, and then no process is left to stop it."""
    import os
    import sys

    import psutil

    from stack.home import ROOT

    code = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-m', 'jobs.long']).pid, flush=True); input()"
    )
    environ = os.environ | {"DATABASE_URL": environment.url}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline())
    task_id = start(alice(), Order("core.export", "fleet", "x", "fleet:terminal:read", {"list": "-", "filters": {}}))
    wait_for(lambda: get_task(task_id).state == "failed")

    parent.kill()
    parent.wait(10)
    parent.stdin.close()
    parent.stdout.close()

    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_task_of_another_area_is_hidden_by_row_level_security_too(environment: Environment) -> None:
    start(alice())
    with transaction() as unscoped_db:
        assert unscoped_db.execute(text("SELECT id FROM tasks")).all() == []
