"""The look that leads roll-outs on: waves, windows, deadlines, thresholds, and what the terminals say of themselves."""

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
from tests.jobs.rolling import Field
from tests.jobs.test_fleet_watch import heard, later, mails


@pytest.fixture
def field(db: Session) -> Field:
    return Field(db, 5)


def alerts(db: Session) -> list[tuple[int, bool]]:
    return [(alert.terminal_id, alert.is_resolved) for alert in db.scalars(select(Alert).order_by(Alert.id))]


def test_a_good_firmware_goes_wave_by_wave_to_the_end(field: Field) -> None:
    rollout = field.started()
    assert field.look() == {"tasks": 0, "offered": 1, "rollouts": 0}
    [first] = field.tasks("offered")
    command = field.db.get_one(Command, first.command_id)
    assert (command.name, command.arguments["task_id"], command.arguments["version"]) == (
        *("update_firmware", first.id),
        "2.0.0",
    )
    field.goes_well(first)
    assert field.look() == {"tasks": 1, "offered": 4, "rollouts": 1}
    assert field.standing() == {"offered": 4, "succeeded": 1}

    for task in field.tasks("offered"):
        field.goes_well(task)
    field.look()

    assert field.standing() == {"succeeded": 5}
    assert (rollout.state, rollout.wave, rollout.finished_at) == ("finished", 1, app_now(field.db))
    kinds = field.db.scalars(select(terminal_logs.c.kind).where(terminal_logs.c.terminal_id == first.terminal_id))
    assert [kind for kind in kinds if kind.startswith("update_")] == ["update_offered", "update_succeeded"]


def test_a_bad_firmware_stops_in_its_first_wave_and_people_are_told_why(field: Field) -> None:
    rollout = field.started()
    field.look()
    [first] = field.tasks("offered")
    field.goes_wrong(first)
    field.look()

    assert (rollout.state, rollout.wave) == ("paused", 0)
    assert field.standing() == {"failed": 1, "waiting": 4}
    assert field.tasks("failed")[0].error == "TC-200が新しいファームウェアを受け付けません: 書き込めません"
    assert alerts(field.db) == [(first.terminal_id, False)]
    told = [mail for mail in mails(field.db) if "一時停止" in mail["subject"]]
    assert [mail["to"] for mail in told] == [["support@techcore.example"]]
    assert "第1段階の失敗が100%になりました（上限10%）。" in told[0]["body"]
    later(field.db, 60)
    assert field.look() == {"tasks": 0, "offered": 0, "rollouts": 0}
    assert len([mail for mail in mails(field.db) if "一時停止" in mail["subject"]]) == 1


def test_maintenance_mutes_a_failed_update_which_stands_in_the_task_and_the_log(field: Field) -> None:
    field.started(waves=[100])
    field.look()
    kept, muted, *_ = field.tasks("offered")
    for task in (kept, muted):
        field.goes_wrong(task)
    in_maintenance = TerminalState.terminal_id == muted.terminal_id
    field.db.execute(update(TerminalState).where(in_maintenance).values(status="maintenance"))

    field.look()

    assert alerts(field.db) == [(kept.terminal_id, False)]
    assert {task.id for task in field.tasks("failed")} == {kept.id, muted.id}
    failed = select(terminal_logs.c.terminal_id).where(terminal_logs.c.kind == "update_failed")
    assert set(field.db.scalars(failed)) == {kept.terminal_id, muted.terminal_id}
    field.db.execute(update(TerminalState).where(in_maintenance).values(status="online"))
    field.look()
    assert alerts(field.db) == [(kept.terminal_id, False)]


def test_who_resumes_accepts_the_failures_and_who_retries_has_them_done_again(field: Field) -> None:
    rollout = field.started()
    field.look()
    [first] = field.tasks("offered")
    field.goes_wrong(first)
    field.look()

    assert actions.retry(field.db, field.by, rollout.id) == 1
    actions.resume(field.db, field.by, rollout.id)
    assert field.look()["offered"] == 1
    [again] = field.tasks("offered")
    assert (again.id, again.error, again.wave) == (first.id, None, 0)
    field.goes_well(again)
    field.look()

    assert alerts(field.db) == [(first.terminal_id, True)]
    assert field.standing() == {"offered": 4, "succeeded": 1}
    assert rollout.state == "running"


def test_a_known_failure_does_not_hold_up_the_next_wave(field: Field) -> None:
    rollout = field.started()
    field.look()
    field.goes_wrong(field.tasks("offered")[0])
    field.look()
    actions.resume(field.db, field.by, rollout.id)
    assert field.look() == {"tasks": 0, "offered": 4, "rollouts": 1}


def test_only_who_is_online_and_not_in_maintenance_is_told(field: Field) -> None:
    for terminal, status in zip(field.terminals[:3], ("offline", "maintenance", "error"), strict=True):
        heard(field.db, terminal, status=status)
    field.db.execute(update(TerminalToken).where(TerminalToken.terminal_id == field.terminals[3].id).values(_REVOKED))
    field.started(waves=[100])
    field.look()
    assert [task.terminal_id for task in field.tasks("offered")] == [field.terminals[4].id]


_REVOKED = {"revoked_at": select(Liveness.alive_at).scalar_subquery()}


def test_a_terminal_is_under_way_in_one_roll_out_at_a_time(field: Field) -> None:
    field.started(waves=[100])
    other = factories.firmware(field.db, "3.0.0", b"other")
    field.started(waves=[100], firmware_id=other.id, name="3.0.0 の配信")
    assert field.look()["offered"] == 5
    assert field.look()["offered"] == 0
    assert field.standing() == {"offered": 5, "waiting": 5}


def test_outside_of_its_window_nobody_is_told(field: Field) -> None:
    hour = app_now(field.db).hour + 9
    window = {"offer_from": time((hour + 2) % 24), "offer_until": time((hour + 4) % 24)}
    field.started(waves=[100], **window)
    assert field.look()["offered"] == 0
    later(field.db, 150)
    for terminal in field.terminals:
        heard(field.db, terminal)
    assert field.look()["offered"] == 5


def test_a_step_that_takes_too_long_has_failed_in_words(field: Field) -> None:
    field.started(step_minutes=10)
    field.look()
    [task] = field.tasks("offered")
    later(field.db, 9)
    field.report(task, "running", step="downloading", percent=30)
    field.look()
    assert [(task.state, task.step, task.percent)] == [("updating", "downloading", 30)]
    later(field.db, 9)
    assert field.look()["tasks"] == 0
    later(field.db, 2)
    field.look()

    assert (task.state, task.error) == ("failed", "ファイルの取得が時間内に終わりませんでした。")
    assert field.db.get_one(Command, task.command_id).state == "cancelled"


def test_our_own_absence_lets_no_task_fail(field: Field) -> None:
    field.started(step_minutes=10)
    field.look()
    later(field.db, 60, service_alive=False)
    assert field.look()["tasks"] == 0
    assert field.standing() == {"offered": 1, "waiting": 4}


def test_a_shop_that_closed_before_it_heard_is_told_again_when_it_is_back(field: Field) -> None:
    field.started(step_minutes=10)
    field.look()
    [task] = field.tasks("offered")
    first = task.command_id
    terminal = field.db.get_one(Terminal, task.terminal_id)
    later(field.db, 11)
    heard(field.db, terminal, status="offline")
    field.look()
    assert (task.state, field.db.get_one(Command, first).state) == ("waiting", "cancelled")
    heard(field.db, terminal)
    field.look()
    assert task.state == "offered"
    assert task.command_id != first


def test_errors_after_the_update_begin_the_count_anew_and_end_as_a_failure(field: Field) -> None:
    field.started(step_minutes=10)
    field.look()
    [task] = field.tasks("offered")
    field.report(task, "done", result={"version": "2.0.0"})
    field.beat(task.terminal_id, "2.0.0")
    field.look()
    assert task.state == "proving"
    field.beat(task.terminal_id, "2.0.0")
    field.beat(task.terminal_id, "2.0.0", "カードリーダー応答なし")
    field.beat(task.terminal_id, "2.0.0")
    field.look()
    assert (task.state, task.healthy) == ("proving", 1)
    later(field.db, 60)
    field.look()
    assert (task.state, task.error) == ("failed", "更新後の正常な通信が2回続きませんでした（1回）。")


def test_done_alone_is_no_success(field: Field) -> None:
    field.started(step_minutes=10)
    field.look()
    [task] = field.tasks("offered")
    field.report(task, "done", result={"version": "2.0.0"})
    field.beat(task.terminal_id, "1.0.0")
    field.look()
    assert (task.state, task.step) == ("updating", "confirming")
    later(field.db, 20)
    field.look()
    assert task.state == "failed"
    assert "新しいバージョンの通信がありません（現在 1.0.0）" in (task.error or "")


def test_a_look_that_dies_halfway_leaves_nothing_and_the_next_one_goes_on(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = field.started()
    field.look()
    [first] = field.tasks("offered")
    field.goes_wrong(first)
    field.db.commit()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    tell = actions._notify_paused
    monkeypatch.setattr(actions, "_notify_paused", killed)
    with pytest.raises(KeyboardInterrupt):
        fleet_jobs.roll_outs()
    field.db.expire_all()
    assert (rollout.state, first.state, alerts(field.db)) == ("running", "offered", [])

    monkeypatch.setattr(actions, "_notify_paused", tell)
    fleet_jobs.roll_outs()
    field.db.expire_all()
    assert (rollout.state, first.state, alerts(field.db)) == ("paused", "failed", [(first.terminal_id, False)])
    assert field.db.get(JobHeartbeat, "fleet.roll_outs") is not None


def test_a_swapped_terminal_has_failed(field: Field) -> None:
    field.started()
    field.look()
    [task] = field.tasks("offered")
    field.report(task, "cancelled")
    field.look()
    assert (task.state, task.error) == ("failed", "更新の指示が取り消されました。")
