"""The work of an import: a change in between, many rows, killed workers, cancelling."""

from __future__ import annotations

import os
import signal

from fastapi.testclient import TestClient

from service.core.tasks.lease import MAX_ATTEMPTS
from tests.imports import CUSTOMERS, TERMINALS, begin_import, run_import
from tests.waiting import wait_for
from tests.workers import Environment, environment

__all__ = ["environment"]


def test_a_change_after_the_preview_is_found_when_the_import_runs(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    draft = begin_import(client, TERMINALS, "fleet.terminals")
    task = client.post(f"/api/core/imports/{draft['id']}/run").json()
    environment.rows("UPDATE fleet_customers SET company_name = '新しい名前' WHERE company_name = 'XYZ商店'")

    environment.run()

    failed = client.get(f"/api/core/tasks/{task['id']}").json()
    assert failed["state"] == "failed"
    assert "1件も登録・変更していません" in failed["error"]
    assert "3行目 顧客企業" in failed["error"]
    assert failed["can_resume"]
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(0,)]


def terminals_file(count: int) -> str:
    rows = (f"TC200-{n:06},ABC商事,店 {n}番,2026/4/1,\n" for n in range(1, count + 1))
    return TERMINALS.splitlines()[0] + "\n" + "".join(rows)


def test_1500_rows_are_imported_and_audited(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)

    done = run_import(environment, client, terminals_file(1_500), "fleet.terminals")

    assert (done["state"], done["figures"]["新規"]) == ("done", 1_500)
    assert environment.rows("SELECT count(*) FROM fleet_terminal_states") == [(1_500,)]
    assert environment.rows("SELECT count(*) FROM audit_entries WHERE subject = 'terminal'") == [(1_500,)]


def start_blocked_import(environment: Environment, client: TestClient) -> int:
    """A task for 1,499 new rows and one change to a row that the caller locks; its id."""
    run_import(environment, client, CUSTOMERS)
    run_import(environment, client, "シリアル番号,顧客企業,店舗\nTC200-001500,ABC商事,古い店\n", "fleet.terminals")
    draft = begin_import(client, terminals_file(1_500), "fleet.terminals")
    assert draft["counts"] == {"new": 1_499, "update": 1, "same": 0, "error": 0}
    task_id: int = client.post(f"/api/core/imports/{draft['id']}/run").json()["id"]
    return task_id


def is_waiting_for_the_lock(environment: Environment) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(environment.rows(statement)[0][0])


LOCK_ROW = "SELECT id FROM fleet_terminals WHERE serial_number = 'TC200-001500' FOR UPDATE"


def test_a_worker_killed_in_the_middle_of_an_import_leaves_nothing_and_another_does_it(
    environment: Environment,
) -> None:
    from sqlalchemy import text

    client = environment.sign_in("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    path = f"/api/core/tasks/{task_id}"
    with environment.session() as other:
        other.execute(text(LOCK_ROW))
        with environment.process() as worker:
            wait_for(lambda: is_waiting_for_the_lock(environment))
            wait_for(lambda: client.get(path).json()["percent"] == 50)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait(10)
        assert client.get(path).json()["state"] == "running"
    wait_for(lambda: not is_waiting_for_the_lock(environment))
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert not environment.run()

    environment.lease_runs_out()
    assert environment.run()

    done = client.get(path).json()
    assert (done["state"], done["figures"]) == ("done", {"新規": 1_499, "更新": 1, "変更なし": 0})
    assert environment.rows(
        "SELECT attempts, (SELECT count(*) FROM fleet_terminals) FROM tasks ORDER BY id DESC LIMIT 1"
    ) == [(2, 1_500)]


def test_an_import_that_kills_its_worker_each_time_fails_in_words(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    environment.rows(
        "UPDATE tasks SET state = 'running', lease = gen_random_uuid(), lease_until = now() - interval '1 s', "
        "attempts = :attempts WHERE id = :id",
        attempts=MAX_ATTEMPTS,
        id=task_id,
    )

    assert not environment.run()

    failed = client.get(f"/api/core/tasks/{task_id}").json()
    assert failed["state"] == "failed"
    assert "途中までの変更は保存されていません" in failed["error"]
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert client.post(f"/api/core/tasks/{task_id}/resume").status_code == 200
    assert environment.run()
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1_500,)]


def test_an_import_cancelled_while_it_writes_leaves_nothing(environment: Environment) -> None:
    from sqlalchemy import text

    client = environment.sign_in("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    path = f"/api/core/tasks/{task_id}"
    with environment.process():
        with environment.session() as other:
            other.execute(text(LOCK_ROW))
            wait_for(lambda: is_waiting_for_the_lock(environment))
            cancelled = client.post(f"{path}/cancel").json()
            assert (cancelled["state"], cancelled["is_cancelling"]) == ("running", True)
        wait_for(lambda: client.get(path).json()["state"] == "cancelled")

    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert "途中までの変更は保存されていません" in client.get(path).json()["message"]
