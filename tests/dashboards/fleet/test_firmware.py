"""ファームウェア管理: roll-outs and images, and one roll-out beside the list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.fleet import rollout_drawer
from dashboards.fleet.rollout_drawer import comparison_text
from service.core.database.clock import app_now
from service.fleet.agents.models import Command
from service.fleet.firmware import actions, schemas
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.models import TerminalState, TerminalToken, terminal_logs
from tests import factories, people
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.fleet.scene import heard, set_clock
from tests.dashboards.pages import Screen, act, fill, goes_away, keys, press, rows, run, said, texts, titles, toasts


def progress(page: AppTest) -> list[str]:
    return [bar.proto.text for bar in page.get("progress")]


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How often the browser is told to ask for the drawer again, run by run; None: not any more."""
    told: list[float | None] = []
    fragment = st.fragment

    def watched(body: Any = None, *, run_every: float | None = None) -> Any:
        if body is rollout_drawer._poll:
            told.append(run_every)
        return fragment(body, run_every=run_every)

    monkeypatch.setattr(st, "fragment", watched)
    return told


@pytest.fixture
def rollout(db: Session) -> Rollout:
    """A roll-out to four terminals; the first one's update went wrong, and it stopped."""
    customer = factories.customer(db, "ABC商事")
    for till in range(1, 5):
        terminal = factories.terminal(db, customer, store_name=f"新宿店 レジ{till}番")
        db.add(TerminalToken(token_hash=bytes([till]) * 32, terminal_id=terminal.id))
        heard(db, terminal, "9:59", firmware_version="1.0.0")
    set_clock(db, "10:00")
    by = people.actor(db, "ada-before", fleet="admin")
    new = schemas.NewRollout(name="秋の更新", firmware_id=factories.firmware(db).id, waves=[25, 100])
    made = actions.create(db, by, new)
    db.commit()
    return made


def stopped(db: Session, rollout: Rollout) -> Rollout:
    actions.start(db, people.actor(db, "ada-starts", fleet="admin"), rollout.id)
    actions.advance(db)
    task = db.scalars(select(UpdateTask).where(UpdateTask.state == "offered")).one()
    failed = {"state": "failed", "message": "書き込めません", "result": {"code": "device_refused"}}
    command = update(Command).where(Command.id == task.command_id)
    db.execute(command.values(**failed, finished_at=Command.created_at))
    actions.advance(db)
    db.commit()
    return rollout


def open_drawer(page: AppTest, rollout: Rollout) -> None:
    page.session_state["fleet.rollouts.clicked"] = ("開く", {"id": rollout.id, "name": rollout.name})
    run(page)


def opened(screen: Screen, rollout: Rollout | None = None) -> AppTest:
    page = opened_at(screen("ada", fleet="admin"), "firmware")
    if rollout is not None:
        open_drawer(page, rollout)
    assert not page.exception
    return page


def test_a_fleet_without_firmware_is_told_what_comes_first_and_a_new_one_needs_its_file(screen: Screen) -> None:
    page = opened(screen)
    assert titles(page) == ["ファームウェア管理"]
    assert "ファームウェアがまだ登録されていません" in page.info[0].value
    press(page, "firmware.new")
    fill(page, "firmware.form", version="2.0.0", signature="AAAA")
    press(page, "firmware.form.submit")
    assert "ファイルを選び" in said(page.error)


def test_a_roll_out_that_stopped_is_said_first_with_its_reason_and_goes_on_or_ends_once_the_consequence_is_named(
    db: Session, screen: Screen, rollout: Rollout
) -> None:
    page = opened(screen, stopped(db, rollout))
    assert page.error[0].value.startswith("一時停止中の配信が1件あります。")
    [row] = rows(page)
    assert (row["名前"], row["状態"], row["進み具合"]) == ("秋の更新", ["一時停止中"], "第1段階 / 2（25%）")
    assert (row["失敗"], row["更新中"], row["対象（台）"]) == (1, 0, 4)
    assert [image["バージョン"] for image in rows(page, 1)] == ["2.0.0"]
    assert "停止の理由: 第1段階の失敗が100%になりました（上限10%）。" in texts(page)
    assert "TC-200が新しいファームウェアを受け付けません: 書き込めません" in texts(page)
    assert {"rollout.resume", "rollout.retry", "rollout.abort"} <= keys(page)
    assert not keys(page) & {"rollout.start", "rollout.pause", "rollout.roll_back"}

    press(page, "rollout.resume")
    assert "これまでに失敗した1台は確認済みとして扱い" in texts(page)
    press(page, f"rollout.resume.{rollout.id}.confirm")
    db.refresh(rollout)
    assert rollout.state == "running"
    open_drawer(page, rollout)
    press(page, "rollout.abort")
    assert "待機中の3台には配信しません" in texts(page)
    page.text_area(key=f"rollout.abort.{rollout.id}.reason").input("不具合の連絡")
    press(page, f"rollout.abort.{rollout.id}.confirm")
    db.refresh(rollout)
    assert (rollout.state, rollout.reason) == ("aborted", "不具合の連絡")


def test_the_drawer_compares_the_updated_terminals_with_those_that_wait(
    db: Session, screen: Screen, rollout: Rollout
) -> None:
    actions.start(db, people.actor(db, "ada-starts", fleet="admin"), rollout.id)
    task = db.scalars(select(UpdateTask).order_by(UpdateTask.wave)).first()
    assert task is not None
    begun = app_now(db) - timedelta(hours=2)
    task.state, task.proving_since = "succeeded", begun
    db.execute(
        insert(terminal_logs),
        [{"terminal_id": task.terminal_id, "at": begun + timedelta(minutes=30), "kind": "disconnected"}],
    )
    db.execute(update(Rollout).values(started_at=begun))
    db.commit()

    page = opened(screen, rollout)

    assert "更新済み 1台中1台で異常、未更新 3台中0台" in texts(page)


def test_without_anybody_to_compare_with_that_is_said() -> None:
    sides = {"updated": {"terminals": 1042, "troubled": 3}, "control": {"terminals": 0, "troubled": 0}}
    assert comparison_text(sides) == "更新済み 1,042台中3台で異常（比べられる未更新の端末はありません）"


def test_a_draft_is_started_after_it_was_said_whom_it_reaches(db: Session, screen: Screen, rollout: Rollout) -> None:
    page = opened(screen, rollout)
    assert "対象は **4台**（うちオンライン 4台）です。第1段階 1台（累計25%）、第2段階 3台（累計100%）" in texts(page)
    press(page, "rollout.start")
    assert "はじめに第1段階の1台へ、ファームウェア 2.0.0 への更新を指示します。" in texts(page)
    press(page, f"rollout.start.{rollout.id}.confirm")
    assert toasts(page) == ["配信を開始しました。"]
    db.refresh(rollout)
    assert rollout.state == "running"


def test_an_open_roll_out_is_followed_by_itself_until_it_is_over(
    db: Session, screen: Screen, rollout: Rollout, followed: list[float | None]
) -> None:
    actions.start(db, people.actor(db, "ada-starts", fleet="admin"), rollout.id)
    db.commit()
    page = opened(screen, rollout)
    assert followed[-1] == rollout_drawer.POLL_SECONDS
    assert "成功 0台　待機中 1台" in progress(page)[0]

    actions.advance(db)
    db.commit()
    page.run()
    assert "成功 0台　更新中 1台" in progress(page)[0]

    actions.abort(db, people.actor(db, "ada-aborts", fleet="admin"), rollout.id, "")
    db.commit()
    page.run()
    assert followed[-1] is None
    assert "中止の理由: 担当者が中止しました。" in texts(page)


def test_the_wizard_counts_as_one_chooses_and_makes_a_draft(
    db: Session, screen: Screen, rollout: Rollout, line: Line
) -> None:
    one = select(TerminalState.terminal_id).order_by(TerminalState.terminal_id).limit(1).scalar_subquery()
    db.execute(update(TerminalState).where(TerminalState.terminal_id == one).values(firmware_version="0.9.0"))
    db.commit()
    page = opened(screen)
    press(page, "firmware.new_rollout")
    assert "対象は **4台**" in texts(page)
    page.multiselect(key="rollout.versions").select("0.9.0").run()
    assert "対象は **1台**" in texts(page)
    page.text_input(key="rollout.waves").input("50, 20").run()
    assert "最後を100にしてください" in said(page.error)
    page.text_input(key="rollout.waves").input("50, 100")
    fill(page, "rollout.form", error_count=2)
    press(page, "rollout.form.submit")

    assert toasts(page) == ["下書きを作成しました。一覧から開いて、配信を開始してください。"]
    made = db.scalars(select(Rollout).order_by(Rollout.id.desc()).limit(1)).one()
    assert (made.state, made.name, made.waves, made.error_count) == ("draft", "2.0.0 の配信", [50, 100], 2)
    assert made.targets == {"customer_ids": [], "tags": [], "versions": ["0.9.0"]}
    goes_away(page, line)
    assert len(rows(page)) == 2


def test_withdrawing_asks_first(db: Session, screen: Screen, rollout: Rollout) -> None:
    page = opened(screen)
    firmware = db.scalars(select(Firmware)).one()
    act(page, "fleet.firmwares", "取り下げる")
    assert "配信はすべて中止され" in texts(page)
    press(page, f"firmware.withdraw.{firmware.id}.confirm")
    db.expire_all()
    assert firmware.withdrawn_at is not None
    assert rollout.state == "aborted"
