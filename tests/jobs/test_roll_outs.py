"""The job that advances roll-outs: waves, windows, deadlines, thresholds, and what the terminals report."""

from __future__ import annotations

from datetime import time

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.database.clock import app_now
from service.core.monitoring.health import JobHeartbeat
from service.fleet.agents.models import Command
from service.fleet.firmware import actions
from service.fleet.models import Alert, Liveness, Terminal, TerminalState, TerminalToken, terminal_logs
from tests import factories
from tests.jobs.rolling import Fleet
from tests.jobs.test_fleet_watch import advance_clock, mails, record_heartbeat


@pytest.fixture
def fleet(db: Session) -> Fleet:
    return Fleet(db, 5)


def alerts(db: Session) -> list[tuple[int, bool]]:
    return [(alert.terminal_id, alert.is_resolved) for alert in db.scalars(select(Alert).order_by(Alert.id))]


def test_a_good_firmware_goes_wave_by_wave_to_the_end(fleet: Fleet) -> None:
    rollout = fleet.start()
    assert fleet.advance() == {"tasks": 0, "offered": 1, "rollouts": 0}
    [first] = fleet.tasks("offered")
    command = fleet.db.get_one(Command, first.command_id)
    assert (command.name, command.arguments["task_id"], command.arguments["version"]) == (
        *("update_firmware", first.id),
        "2.0.0",
    )
    fleet.succeed(first)
    assert fleet.advance() == {"tasks": 1, "offered": 4, "rollouts": 1}
    assert fleet.task_counts() == {"offered": 4, "succeeded": 1}

    for task in fleet.tasks("offered"):
        fleet.succeed(task)
    fleet.advance()

    assert fleet.task_counts() == {"succeeded": 5}
    assert (rollout.state, rollout.wave, rollout.finished_at) == ("finished", 1, app_now(fleet.db))
    kinds = fleet.db.scalars(select(terminal_logs.c.kind).where(terminal_logs.c.terminal_id == first.terminal_id))
    assert [kind for kind in kinds if kind.startswith("update_")] == ["update_offered", "update_succeeded"]


def test_a_bad_firmware_stops_in_its_first_wave_and_support_is_notified(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.advance()
    [first] = fleet.tasks("offered")
    fleet.fail(first)
    fleet.advance()

    assert (rollout.state, rollout.wave) == ("paused", 0)
    assert fleet.task_counts() == {"failed": 1, "waiting": 4}
    assert fleet.tasks("failed")[0].error == "TC-200が新しいファームウェアを受け付けません: 書き込めません"
    assert alerts(fleet.db) == [(first.terminal_id, False)]
    notices = [mail for mail in mails(fleet.db) if "一時停止" in mail["subject"]]
    assert [mail["to"] for mail in notices] == [["support@techcore.example"]]
    assert "第1段階の失敗が100%になりました（上限10%）。" in notices[0]["body"]
    advance_clock(fleet.db, 60)
    assert fleet.advance() == {"tasks": 0, "offered": 0, "rollouts": 0}
    assert len([mail for mail in mails(fleet.db) if "一時停止" in mail["subject"]]) == 1


def test_maintenance_mutes_the_alert_of_a_failed_update_but_not_its_log(fleet: Fleet) -> None:
    fleet.start(waves=[100])
    fleet.advance()
    alerted, muted, *_ = fleet.tasks("offered")
    for task in (alerted, muted):
        fleet.fail(task)
    in_maintenance = TerminalState.terminal_id == muted.terminal_id
    fleet.db.execute(update(TerminalState).where(in_maintenance).values(status="maintenance"))

    fleet.advance()

    assert alerts(fleet.db) == [(alerted.terminal_id, False)]
    assert {task.id for task in fleet.tasks("failed")} == {alerted.id, muted.id}
    failed = select(terminal_logs.c.terminal_id).where(terminal_logs.c.kind == "update_failed")
    assert set(fleet.db.scalars(failed)) == {alerted.terminal_id, muted.terminal_id}
    fleet.db.execute(update(TerminalState).where(in_maintenance).values(status="online"))
    fleet.advance()
    assert alerts(fleet.db) == [(alerted.terminal_id, False)]


def test_resuming_accepts_the_failures_and_retrying_repeats_them(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.advance()
    [first] = fleet.tasks("offered")
    fleet.fail(first)
    fleet.advance()

    assert actions.retry(fleet.db, fleet.by, rollout.id) == 1
    actions.resume(fleet.db, fleet.by, rollout.id)
    assert fleet.advance()["offered"] == 1
    [retried] = fleet.tasks("offered")
    assert (retried.id, retried.error, retried.wave) == (first.id, None, 0)
    fleet.succeed(retried)
    fleet.advance()

    assert alerts(fleet.db) == [(first.terminal_id, True)]
    assert fleet.task_counts() == {"offered": 4, "succeeded": 1}
    assert rollout.state == "running"


def test_a_known_failure_does_not_hold_up_the_next_wave(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.advance()
    fleet.fail(fleet.tasks("offered")[0])
    fleet.advance()
    actions.resume(fleet.db, fleet.by, rollout.id)
    assert fleet.advance() == {"tasks": 0, "offered": 4, "rollouts": 1}


def test_only_online_terminals_outside_maintenance_get_the_offer(fleet: Fleet) -> None:
    for terminal, status in zip(fleet.terminals[:3], ("offline", "maintenance", "error"), strict=True):
        record_heartbeat(fleet.db, terminal, status=status)
    fleet.db.execute(update(TerminalToken).where(TerminalToken.terminal_id == fleet.terminals[3].id).values(_REVOKED))
    fleet.start(waves=[100])
    fleet.advance()
    assert [task.terminal_id for task in fleet.tasks("offered")] == [fleet.terminals[4].id]


_REVOKED = {"revoked_at": select(Liveness.alive_at).scalar_subquery()}


def test_a_terminal_is_under_way_in_one_roll_out_at_a_time(fleet: Fleet) -> None:
    fleet.start(waves=[100])
    other = factories.firmware(fleet.db, "3.0.0", b"other")
    fleet.start(waves=[100], firmware_id=other.id, name="3.0.0 の配信")
    assert fleet.advance()["offered"] == 5
    assert fleet.advance()["offered"] == 0
    assert fleet.task_counts() == {"offered": 5, "waiting": 5}


def test_outside_its_window_no_terminal_gets_the_offer(fleet: Fleet) -> None:
    hour = app_now(fleet.db).hour + 9
    window = {"offer_from": time((hour + 2) % 24), "offer_until": time((hour + 4) % 24)}
    fleet.start(waves=[100], **window)
    assert fleet.advance()["offered"] == 0
    advance_clock(fleet.db, 150)
    for terminal in fleet.terminals:
        record_heartbeat(fleet.db, terminal)
    assert fleet.advance()["offered"] == 5


def test_a_step_that_takes_too_long_fails_with_a_reason(fleet: Fleet) -> None:
    fleet.start(step_minutes=10)
    fleet.advance()
    [task] = fleet.tasks("offered")
    advance_clock(fleet.db, 9)
    fleet.report(task, "running", step="downloading", percent=30)
    fleet.advance()
    assert [(task.state, task.step, task.percent)] == [("updating", "downloading", 30)]
    advance_clock(fleet.db, 9)
    assert fleet.advance()["tasks"] == 0
    advance_clock(fleet.db, 2)
    fleet.advance()

    assert (task.state, task.error) == ("failed", "ファイルの取得が時間内に終わりませんでした。")
    assert fleet.db.get_one(Command, task.command_id).state == "cancelled"


def test_our_own_outage_fails_no_task(fleet: Fleet) -> None:
    fleet.start(step_minutes=10)
    fleet.advance()
    advance_clock(fleet.db, 60, service_alive=False)
    assert fleet.advance()["tasks"] == 0
    assert fleet.task_counts() == {"offered": 1, "waiting": 4}


def test_a_shop_that_closed_before_the_offer_arrived_gets_it_again(fleet: Fleet) -> None:
    fleet.start(step_minutes=10)
    fleet.advance()
    [task] = fleet.tasks("offered")
    first = task.command_id
    terminal = fleet.db.get_one(Terminal, task.terminal_id)
    advance_clock(fleet.db, 11)
    record_heartbeat(fleet.db, terminal, status="offline")
    fleet.advance()
    assert (task.state, fleet.db.get_one(Command, first).state) == ("waiting", "cancelled")
    record_heartbeat(fleet.db, terminal)
    fleet.advance()
    assert task.state == "offered"
    assert task.command_id != first


def test_errors_after_the_update_begin_the_count_anew_and_end_as_a_failure(fleet: Fleet) -> None:
    fleet.start(step_minutes=10)
    fleet.advance()
    [task] = fleet.tasks("offered")
    fleet.report(task, "done", result={"version": "2.0.0"})
    fleet.send_heartbeat(task.terminal_id, "2.0.0")
    fleet.advance()
    assert task.state == "proving"
    fleet.send_heartbeat(task.terminal_id, "2.0.0")
    fleet.send_heartbeat(task.terminal_id, "2.0.0", "カードリーダー応答なし")
    fleet.send_heartbeat(task.terminal_id, "2.0.0")
    fleet.advance()
    assert (task.state, task.healthy) == ("proving", 1)
    advance_clock(fleet.db, 60)
    fleet.advance()
    assert (task.state, task.error) == ("failed", "更新後の正常な通信が2回続きませんでした（1回）。")


def test_done_alone_is_no_success(fleet: Fleet) -> None:
    fleet.start(step_minutes=10)
    fleet.advance()
    [task] = fleet.tasks("offered")
    fleet.report(task, "done", result={"version": "2.0.0"})
    fleet.send_heartbeat(task.terminal_id, "1.0.0")
    fleet.advance()
    assert (task.state, task.step) == ("updating", "confirming")
    advance_clock(fleet.db, 20)
    fleet.advance()
    assert task.state == "failed"
    assert "新しいバージョンの通信がありません（現在 1.0.0）" in (task.error or "")


def test_a_killed_run_leaves_nothing_and_the_next_one_continues(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = fleet.start()
    fleet.advance()
    [first] = fleet.tasks("offered")
    fleet.fail(first)
    fleet.db.commit()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    notify_paused = actions._notify_paused
    monkeypatch.setattr(actions, "_notify_paused", killed)
    with pytest.raises(KeyboardInterrupt):
        fleet_jobs.roll_outs()
    fleet.db.expire_all()
    assert (rollout.state, first.state, alerts(fleet.db)) == ("running", "offered", [])

    monkeypatch.setattr(actions, "_notify_paused", notify_paused)
    fleet_jobs.roll_outs()
    fleet.db.expire_all()
    assert (rollout.state, first.state, alerts(fleet.db)) == ("paused", "failed", [(first.terminal_id, False)])
    assert fleet.db.get(JobHeartbeat, "fleet.roll_outs") is not None


def test_a_swapped_terminal_has_failed(fleet: Fleet) -> None:
    fleet.start()
    fleet.advance()
    [task] = fleet.tasks("offered")
    fleet.report(task, "cancelled")
    fleet.advance()
    assert (task.state, task.error) == ("failed", "更新の指示が取り消されました。")
