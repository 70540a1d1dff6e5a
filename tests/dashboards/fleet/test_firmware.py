"""ファームウェア管理: roll-outs and images, and the drawer of one roll-out."""

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
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import set_clock, set_heartbeat
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    fill,
    keys,
    press,
    rows,
    run,
    text_of,
    texts,
    titles,
    toasts,
)


def progress(page: AppTest) -> list[str]:
    return [bar.proto.text for bar in page.get("progress")]


@pytest.fixture
def poll_intervals(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The refresh interval of the drawer in each run; None: it is not refreshed any more."""
    intervals: list[float | None] = []
    fragment = st.fragment

    def recorded(body: Any = None, *, run_every: float | None = None) -> Any:
        if body is rollout_drawer._poll:
            intervals.append(run_every)
        return fragment(body, run_every=run_every)

    monkeypatch.setattr(st, "fragment", recorded)
    return intervals


@pytest.fixture
def rollout(db: Session) -> Rollout:
    """The draft of a roll-out to four terminals."""
    customer = factories.customer(db, "ABC商事")
    for till in range(1, 5):
        terminal = factories.terminal(db, customer, store_name=f"新宿店 レジ{till}番")
        db.add(TerminalToken(token_hash=bytes([till]) * 32, terminal_id=terminal.id))
        set_heartbeat(db, terminal, "9:59", firmware_version="1.0.0")
    set_clock(db, "10:00")
    actor = people.create_actor(db, "ada-before", fleet="admin")
    new = schemas.NewRollout(name="秋の更新", firmware_id=factories.firmware(db).id, waves=[25, 100])
    rollout = actions.create(db, actor, new)
    db.commit()
    return rollout


def stop_rollout(db: Session, rollout: Rollout) -> Rollout:
    """The update of the first terminal fails, and the roll-out stops."""
    actions.start(db, people.create_actor(db, "ada-starts", fleet="admin"), rollout.id)
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


def open_firmware(screen: Screen, rollout: Rollout | None = None) -> AppTest:
    page = open_address(screen("ada", fleet="admin"), "firmware")
    if rollout is not None:
        open_drawer(page, rollout)
    assert not page.exception
    return page


def test_a_fleet_without_firmware_shows_what_comes_first_and_a_new_firmware_needs_its_file(screen: Screen) -> None:
    page = open_firmware(screen)
    assert titles(page) == ["ファームウェア管理"]
    assert "ファームウェアがまだ登録されていません" in page.info[0].value
    press(page, "firmware.new")
    fill(page, "firmware.form", version="2.0.0", signature="AAAA")
    press(page, "firmware.form.submit")
    assert "ファイルを選び" in text_of(page.error)


def test_a_stopped_roll_out_is_reported_first_with_its_reason_and_resumed_or_aborted_once_the_consequence_is_named(
    db: Session, screen: Screen, rollout: Rollout
) -> None:
    page = open_firmware(screen, stop_rollout(db, rollout))
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
    actions.start(db, people.create_actor(db, "ada-starts", fleet="admin"), rollout.id)
    task = db.scalars(select(UpdateTask).order_by(UpdateTask.wave)).first()
    assert task is not None
    started_at = app_now(db) - timedelta(hours=2)
    task.state, task.proving_since = "succeeded", started_at
    db.execute(
        insert(terminal_logs),
        [{"terminal_id": task.terminal_id, "at": started_at + timedelta(minutes=30), "kind": "disconnected"}],
    )
    db.execute(update(Rollout).values(started_at=started_at))
    db.commit()

    page = open_firmware(screen, rollout)

    assert "更新済み 1台中1台で異常、未更新 3台中0台" in texts(page)


def test_a_comparison_without_a_control_group_says_so() -> None:
    sides: Any = {"updated": {"terminals": 1042, "troubled": 3}, "control": {"terminals": 0, "troubled": 0}}
    assert comparison_text(sides) == "更新済み 1,042台中3台で異常（比べられる未更新の端末はありません）"


def test_a_draft_is_started_after_its_targets_were_shown(db: Session, screen: Screen, rollout: Rollout) -> None:
    page = open_firmware(screen, rollout)
    assert "対象は **4台**（うちオンライン 4台）です。第1段階 1台（累計25%）、第2段階 3台（累計100%）" in texts(page)
    press(page, "rollout.start")
    assert "はじめに第1段階の1台へ、ファームウェア 2.0.0 への更新を指示します。" in texts(page)
    press(page, f"rollout.start.{rollout.id}.confirm")
    assert toasts(page) == ["配信を開始しました。"]
    db.refresh(rollout)
    assert rollout.state == "running"


def test_an_open_roll_out_is_polled_until_it_is_over(
    db: Session, screen: Screen, rollout: Rollout, poll_intervals: list[float | None]
) -> None:
    actions.start(db, people.create_actor(db, "ada-starts", fleet="admin"), rollout.id)
    db.commit()
    page = open_firmware(screen, rollout)
    assert poll_intervals[-1] == rollout_drawer.POLL_SECONDS
    assert "成功 0台　待機中 1台" in progress(page)[0]

    actions.advance(db)
    db.commit()
    page.run()
    assert "成功 0台　更新中 1台" in progress(page)[0]

    actions.abort(db, people.create_actor(db, "ada-aborts", fleet="admin"), rollout.id, "")
    db.commit()
    page.run()
    assert poll_intervals[-1] is None
    assert "中止の理由: 担当者が中止しました。" in texts(page)


def test_the_wizard_counts_while_the_user_chooses_and_creates_a_draft(
    db: Session, screen: Screen, rollout: Rollout, network: Network
) -> None:
    first_terminal = select(TerminalState.terminal_id).order_by(TerminalState.terminal_id).limit(1).scalar_subquery()
    db.execute(
        update(TerminalState).where(TerminalState.terminal_id == first_terminal).values(firmware_version="0.9.0")
    )
    db.commit()
    page = open_firmware(screen)
    press(page, "firmware.new_rollout")
    assert "対象は **4台**" in texts(page)
    page.multiselect(key="rollout.versions").select("0.9.0").run()
    assert "対象は **1台**" in texts(page)
    page.text_input(key="rollout.waves").input("50, 20").run()
    assert "最後を100にしてください" in text_of(page.error)
    page.text_input(key="rollout.waves").input("50, 100")
    fill(page, "rollout.form", error_count=2)
    press(page, "rollout.form.submit")

    assert toasts(page) == ["下書きを作成しました。一覧から開いて、配信を開始してください。"]
    created = db.scalars(select(Rollout).order_by(Rollout.id.desc()).limit(1)).one()
    assert (created.state, created.name, created.waves, created.error_count) == ("draft", "2.0.0 の配信", [50, 100], 2)
    assert created.targets == {"customer_ids": [], "tags": [], "versions": ["0.9.0"]}
    assert_survives_outage(page, network)
    assert len(rows(page)) == 2


def test_withdrawing_asks_first(db: Session, screen: Screen, rollout: Rollout) -> None:
    page = open_firmware(screen)
    firmware = db.scalars(select(Firmware)).one()
    click_row_action(page, "fleet.firmwares", "取り下げる")
    assert "配信はすべて中止され" in texts(page)
    press(page, f"firmware.withdraw.{firmware.id}.confirm")
    db.expire_all()
    assert firmware.withdrawn_at is not None
    assert rollout.state == "aborted"
