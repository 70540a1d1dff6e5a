"""What administrators do with a running roll-out: pause, abort, roll back and withdraw it; and the preview before a
start."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core.problems import Conflict
from service.fleet.agents.models import Command
from service.fleet.firmware import actions, queries, schemas
from service.fleet.firmware.models import Rollout
from service.fleet.models import TerminalState
from tests import factories
from tests.jobs.rolling import Fleet


@pytest.fixture
def fleet(db: Session) -> Fleet:
    return Fleet(db, 5)


def test_pausing_lets_started_updates_finish(fleet: Fleet) -> None:
    rollout = fleet.start(waves=[20, 100])
    fleet.advance()
    actions.pause(fleet.db, fleet.by, rollout.id, "")
    [task] = fleet.tasks("offered")
    fleet.succeed(task)
    fleet.advance()
    assert (task.state, rollout.state) == ("succeeded", "paused")
    assert fleet.task_counts() == {"succeeded": 1, "waiting": 4}


def test_aborting_cancels_commands_and_still_watches_updated_terminals(fleet: Fleet) -> None:
    rollout = fleet.start(waves=[100])
    fleet.advance()
    proving, updating, *_ = fleet.tasks("offered")
    fleet.report(updating, "running", step="installing")
    fleet.report(proving, "done")
    fleet.send_heartbeat(proving.terminal_id, "2.0.0")
    fleet.advance()
    actions.abort(fleet.db, fleet.by, rollout.id, "不具合の連絡があったため")
    fleet.db.expire_all()

    assert fleet.task_counts() == {"cancelled": 4, "proving": 1}
    assert fleet.db.get_one(Command, updating.command_id).state == "cancelled"
    for _ in range(2):
        fleet.send_heartbeat(proving.terminal_id, "2.0.0")
    fleet.advance()
    assert (proving.state, rollout.state) == ("succeeded", "aborted")
    with pytest.raises(Conflict):
        actions.resume(fleet.db, fleet.by, rollout.id)


def test_rolling_back_reaches_only_updated_terminals(fleet: Fleet) -> None:
    former = factories.firmware(fleet.db, "1.0.0", b"former")
    rollout = fleet.start()
    fleet.advance()
    [first] = fleet.tasks("offered")
    fleet.succeed(first)
    fleet.advance()

    undone = actions.roll_back(fleet.db, fleet.by, rollout.id)
    fleet.advance()

    assert (undone.terminals, undone.missing) == (1, [])
    back = fleet.db.get_one(Rollout, undone.ids[0])
    assert (back.firmware_id, back.undoes_id, back.state) == (former.id, rollout.id, "running")
    assert [(task.terminal_id, task.from_version) for task in fleet.tasks() if task.rollout_id == back.id] == [
        (first.terminal_id, "2.0.0")
    ]
    assert rollout.state == "aborted"


def test_a_version_that_is_not_registered_cannot_come_back(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.advance()
    fleet.succeed(fleet.tasks("offered")[0])
    fleet.advance()
    with pytest.raises(Conflict, match="が登録されていないため、元に戻せません"):
        actions.roll_back(fleet.db, fleet.by, rollout.id)
    assert rollout.state == "running"


def test_withdrawing_a_firmware_ends_its_roll_outs(fleet: Fleet) -> None:
    rollout, draft = fleet.start(), fleet.draft(name="下書き")
    fleet.advance()
    [task] = fleet.tasks("offered")
    assert queries.download(fleet.db, task.terminal_id, task.id).size == len(b"TC-200 firmware")
    actions.withdraw(fleet.db, fleet.by, fleet.firmware.id)
    fleet.db.expire_all()
    assert (rollout.state, draft.state) == ("aborted", "aborted")
    assert rollout.reason == "ファームウェア 2.0.0 が取り下げられました。"
    assert fleet.task_counts() == {"cancelled": 5}


def test_a_preview_counts_what_a_start_would_take(fleet: Fleet) -> None:
    state = TerminalState.terminal_id == fleet.terminals[0].id
    fleet.db.execute(update(TerminalState).where(state).values(firmware_version="2.0.0"))
    request = schemas.Preview(firmware_id=fleet.firmware.id, waves=[5, 50, 100])
    preview = queries.preview(fleet.db, request)
    assert (preview.terminals, preview.online) == (4, 4)
    assert [(wave.percent, wave.terminals) for wave in preview.waves] == [(5, 1), (50, 1), (100, 2)]
    fleet.start(waves=[5, 50, 100])
    assert sorted(task.wave for task in fleet.tasks()) == [0, 1, 2, 2]


def test_a_roll_out_without_terminals_does_not_start(fleet: Fleet) -> None:
    with pytest.raises(Conflict, match="対象の端末がありません"):
        fleet.start(targets={"tags": ["どこにもない"]})
