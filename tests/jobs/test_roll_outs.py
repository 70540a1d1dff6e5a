"""The look that leads roll-outs on: waves, windows, deadlines, thresholds, and what the terminals say of themselves."""

from __future__ import annotations

import uuid
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.clock import app_now
from service.core.health import JobHeartbeat
from service.core.problems import Conflict
from service.fleet.agents.models import Command
from service.fleet.firmware import actions, queries, schemas
from service.fleet.firmware.models import Rollout, UpdateTask
from service.fleet.models import Alert, Liveness, Terminal, TerminalState, TerminalToken, heartbeats, terminal_logs
from tests import cast, factories
from tests.jobs.test_fleet_watch import heard, later, mails


class Field:
    """A fleet on 1.0.0 that is to get 2.0.0, and the admin who wants that."""

    def __init__(self, db: Session, size: int) -> None:
        self.db, self.by = db, cast.actor(db, "ada", fleet="admin")
        customer = factories.customer(db)
        self.terminals = [factories.terminal(db, customer) for _ in range(size)]
        for terminal in self.terminals:
            db.add(TerminalToken(token_hash=uuid.uuid4().bytes * 2, terminal_id=terminal.id))
            heard(db, terminal)
        self.firmware = factories.firmware(db)

    def draft(self, **wanted: Any) -> Rollout:
        values = {"name": "2.0.0 の配信", "firmware_id": self.firmware.id, "waves": [20, 100], "healthy_heartbeats": 2}
        return actions.create(self.db, self.by, schemas.NewRollout.model_validate(values | wanted))

    def started(self, **wanted: Any) -> Rollout:
        return actions.start(self.db, self.by, self.draft(**wanted).id)

    def look(self) -> dict[str, int]:
        self.db.flush()
        done = actions.advance(self.db)
        self.db.flush()
        self.db.expire_all()
        return done

    def tasks(self, *states: str) -> list[UpdateTask]:
        found = select(UpdateTask).order_by(UpdateTask.id)
        return [task for task in self.db.scalars(found) if not states or task.state in states]

    def standing(self) -> dict[str, int]:
        states = [task.state for task in self.tasks()]
        return {state: states.count(state) for state in sorted(set(states))}

    def report(self, task: UpdateTask, state: str, **said: Any) -> None:
        ends = {"finished_at": app_now(self.db)} if state in ("done", "failed", "cancelled") else {}
        self.db.execute(update(Command).where(Command.id == task.command_id).values(state=state, **said, **ends))

    def beat(self, terminal_id: int, version: str, error: str | None = None) -> None:
        """A heartbeat, as the ingest keeps it."""
        later(self.db, 0.5)
        terminal = self.db.get_one(Terminal, terminal_id)
        status = "error" if error else "online"
        heard(self.db, terminal, firmware_version=version, error=error, status=status)
        row = {"terminal_id": terminal_id, "received_at": app_now(self.db), "sent_at": app_now(self.db)}
        usage = {"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "terminal_connected": True, "error": error}
        self.db.execute(insert(heartbeats).values(row | usage | {"stream_id": uuid.uuid4(), "sequence": 1}))

    def goes_well(self, task: UpdateTask) -> None:
        self.report(task, "done", result={"version": "2.0.0"})
        self.beat(task.terminal_id, "2.0.0")
        self.look()
        for _ in range(2):
            self.beat(task.terminal_id, "2.0.0")

    def goes_wrong(self, task: UpdateTask) -> None:
        self.report(task, "failed", message="書き込めません", result={"code": "device_refused", "rolled_back": True})


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

    tell = actions._tell_paused
    monkeypatch.setattr(actions, "_tell_paused", killed)
    with pytest.raises(KeyboardInterrupt):
        fleet_jobs.roll_outs()
    field.db.expire_all()
    assert (rollout.state, first.state, alerts(field.db)) == ("running", "offered", [])

    monkeypatch.setattr(actions, "_tell_paused", tell)
    fleet_jobs.roll_outs()
    field.db.expire_all()
    assert (rollout.state, first.state, alerts(field.db)) == ("paused", "failed", [(first.terminal_id, False)])
    assert field.db.get(JobHeartbeat, "fleet.roll_outs") is not None


def test_pausing_lets_those_who_have_begun_go_on(field: Field) -> None:
    rollout = field.started(waves=[20, 100])
    field.look()
    actions.pause(field.db, field.by, rollout.id, "")
    [task] = field.tasks("offered")
    field.goes_well(task)
    field.look()
    assert (task.state, rollout.state) == ("succeeded", "paused")
    assert field.standing() == {"succeeded": 1, "waiting": 4}


def test_aborting_calls_the_agents_off_and_keeps_an_eye_on_who_has_it(field: Field) -> None:
    rollout = field.started(waves=[100])
    field.look()
    proving, updating, *_ = field.tasks("offered")
    field.report(updating, "running", step="installing")
    field.report(proving, "done")
    field.beat(proving.terminal_id, "2.0.0")
    field.look()
    actions.abort(field.db, field.by, rollout.id, "不具合の連絡があったため")
    field.db.expire_all()

    assert field.standing() == {"cancelled": 4, "proving": 1}
    assert field.db.get_one(Command, updating.command_id).state == "cancelled"
    for _ in range(2):
        field.beat(proving.terminal_id, "2.0.0")
    field.look()
    assert (proving.state, rollout.state) == ("succeeded", "aborted")
    with pytest.raises(Conflict):
        actions.resume(field.db, field.by, rollout.id)


def test_rolling_back_reaches_only_those_who_took_it(field: Field) -> None:
    former = factories.firmware(field.db, "1.0.0", b"former")
    rollout = field.started()
    field.look()
    [first] = field.tasks("offered")
    field.goes_well(first)
    field.look()

    undone = actions.roll_back(field.db, field.by, rollout.id)
    field.look()

    assert (undone["terminals"], undone["missing"]) == (1, [])
    back = field.db.get_one(Rollout, undone["ids"][0])
    assert (back.firmware_id, back.undoes_id, back.state) == (former.id, rollout.id, "running")
    assert [(t.terminal_id, t.from_version) for t in field.tasks() if t.rollout_id == back.id] == [
        (first.terminal_id, "2.0.0")
    ]
    assert rollout.state == "aborted"


def test_a_version_that_is_not_registered_cannot_come_back(field: Field) -> None:
    rollout = field.started()
    field.look()
    field.goes_well(field.tasks("offered")[0])
    field.look()
    with pytest.raises(Conflict, match="が登録されていないため、元に戻せません"):
        actions.roll_back(field.db, field.by, rollout.id)
    assert rollout.state == "running"


def test_withdrawing_a_firmware_ends_its_roll_outs(field: Field) -> None:
    rollout, draft = field.started(), field.draft(name="下書き")
    field.look()
    [task] = field.tasks("offered")
    assert queries.download(field.db, task.terminal_id, task.id).size == len(b"TC-200 firmware")
    actions.withdraw(field.db, field.by, field.firmware.id)
    field.db.expire_all()
    assert (rollout.state, draft.state) == ("aborted", "aborted")
    assert rollout.reason == "ファームウェア 2.0.0 が取り下げられました。"
    assert field.standing() == {"cancelled": 5}


def test_a_preview_counts_what_a_start_would_take(field: Field) -> None:
    state = TerminalState.terminal_id == field.terminals[0].id
    field.db.execute(update(TerminalState).where(state).values(firmware_version="2.0.0"))
    asked = schemas.Preview(firmware_id=field.firmware.id, waves=[5, 50, 100])
    shown = queries.preview(field.db, asked)
    assert (shown["terminals"], shown["online"]) == (4, 4)
    assert [(wave["percent"], wave["terminals"]) for wave in shown["waves"]] == [(5, 1), (50, 1), (100, 2)]
    field.started(waves=[5, 50, 100])
    assert sorted(task.wave for task in field.tasks()) == [0, 1, 2, 2]


def test_without_anybody_to_reach_nothing_starts(field: Field) -> None:
    with pytest.raises(Conflict, match="対象の端末がありません"):
        field.started(targets={"tags": ["どこにもない"]})


def test_a_swapped_terminal_has_failed(field: Field) -> None:
    field.started()
    field.look()
    [task] = field.tasks("offered")
    field.report(task, "cancelled")
    field.look()
    assert (task.state, task.error) == ("failed", "更新の指示が取り消されました。")


class Wide(Field):
    """A fleet of which one half is updated already, two hours ago."""

    def __init__(self, db: Session) -> None:
        super().__init__(db, 60)
        self.rollout = self.started(waves=[50, 100], error_count=1000, error_percent=100, success_percent=100)
        self.look()
        self.begun = app_now(db)
        self.new, self.old = self.tasks("offered"), self.tasks("waiting")
        self.change([task.id for task in self.new[:-1]], state="succeeded")
        self.change([self.new[-1].id], state="proving")
        later(db, 120)
        for terminal in self.terminals:
            heard(db, terminal)

    def change(self, ids: list[int], **values: Any) -> None:
        same = {"proving_since": self.begun, "deadline_at": self.begun + timedelta(days=1)}
        self.db.execute(update(UpdateTask).where(UpdateTask.id.in_(ids)).values(**same | values))
        self.db.expire_all()

    def happens(self, tasks: list[UpdateTask], kind: str, minutes: float = 60, **facts: Any) -> None:
        lines = [
            {"terminal_id": task.terminal_id, "at": self.begun + timedelta(minutes=minutes), "kind": kind} | facts
            for task in tasks
        ]
        self.db.execute(insert(terminal_logs), lines)


@pytest.fixture
def wide(db: Session) -> Wide:
    return Wide(db)


def sides(wide: Wide) -> list[tuple[int, int, int]]:
    both = (queries.watched(wide.db, wide.rollout, updated=side) for side in (True, False))
    return [(side.terminals, side.troubled, side.hours) for side in both]


def test_updated_terminals_with_clearly_more_trouble_than_those_that_wait_stop_it(wide: Wide) -> None:
    assert (len(wide.new), len(wide.old)) == (30, 30)
    wide.happens(wide.new[:3], "disconnected")
    wide.happens(wide.new[3:6], "status", status="error", detail={"from": "online"})
    wide.happens(wide.new[6:8], "started")
    wide.look()

    assert sides(wide) == [(30, 8, 52), (30, 0, 60)]
    assert wide.rollout.state == "paused"
    reason = "更新済みの端末で、異常が未更新の端末より明らかに増えています（更新済み 30台中8台、未更新 30台中0台）。"
    assert wide.rollout.reason == reason
    assert [mail["body"].count(reason) for mail in mails(wide.db) if "一時停止" in mail["subject"]] == [1]
    detail = schemas.RolloutDetail.model_validate(queries.rollout(wide.db, wide.rollout.id))
    assert detail.comparison
    assert detail.comparison.updated.model_dump() == {"terminals": 30, "troubled": 8, "hours": 52}


def test_the_same_trouble_on_both_sides_is_not_the_firmwares(wide: Wide) -> None:
    wide.happens([*wide.new[:8], *wide.old[:8]], "disconnected")
    wide.look()
    assert sides(wide) == [(30, 8, 52), (30, 8, 52)]
    assert wide.rollout.state == "running"


def test_what_is_no_trouble_or_was_not_seen_does_not_count(wide: Wide) -> None:
    """Orderly restarts, trouble from before the update, the same twice; who is in maintenance, or silent since."""
    wide.happens(wide.new[:8], "shutdown", 30)
    wide.happens(wide.new[:8], "started", 31)
    wide.happens(wide.new[8:16], "disconnected", -1)
    wide.happens(wide.new[16:17], "disconnected", 30)
    wide.happens(wide.new[16:17], "disconnected", 90)
    wide.happens(wide.new[17:19], "disconnected", 10)
    for task, facts in ((wide.new[17], {"status": "maintenance"}), (wide.new[18], {"last_heartbeat_at": wide.begun})):
        heard(wide.db, wide.db.get_one(Terminal, task.terminal_id), **facts)
    wide.look()

    assert sides(wide) == [(28, 1, 55), (30, 0, 60)]
    assert wide.rollout.state == "running"


def test_who_resumes_has_seen_the_trouble_and_new_trouble_stops_it_again(wide: Wide) -> None:
    wide.happens(wide.new[:8], "disconnected")
    wide.look()
    actions.resume(wide.db, wide.by, wide.rollout.id)
    wide.look()
    assert wide.rollout.state == "running"

    resumed = app_now(wide.db)
    later(wide.db, 60)
    for terminal in wide.terminals:
        heard(wide.db, terminal)
    wide.happens(wide.new[:8], "disconnected", (resumed - wide.begun).total_seconds() / 60 + 30)
    wide.look()

    assert sides(wide) == [(30, 8, 26), (30, 0, 30)]
    assert wide.rollout.state == "paused"
