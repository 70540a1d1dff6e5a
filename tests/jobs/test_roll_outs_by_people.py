"""What people do with a roll-out that is under way: pause, abort, take back, withdraw, and look before they start."""

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
from tests.jobs.rolling import Field


@pytest.fixture
def field(db: Session) -> Field:
    return Field(db, 5)


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
