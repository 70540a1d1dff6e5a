"""週次・月次レポート: what is still to be finished, the drawer with figures and texts, sending, and other roles."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core import holidays
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.chores import actions as chores
from service.reservations.chores import queries
from service.reservations.drafts import actions, schemas
from service.reservations.drafts.models import ActivityReport
from service.reservations.incidents import actions as incidents
from service.reservations.incidents import schemas as incident_schemas
from service.reservations.incidents.rules import Level
from tests import people
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, click_row_action, fill, html, press, rows, texts

PAGE, KEY = "reservations.reports", "reservations.report"
LIST = f"{PAGE}.list"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    """Friday, 2031/1/10, at half past nine: the weekly and the monthly report are drafted."""
    scene.fill(db)
    holidays.top_up(db)
    chores.plan(db)
    actor = people.create_actor(db, "otto", reservations="operator")
    incidents.open_incident(db, actor, incident_schemas.NewIncident(title="APIの応答が遅い", level=Level.MEDIUM))
    scene.confirmed(db)
    scene.set_clock(db, datetime(2031, 1, 10, 9, 30, tzinfo=TOKYO))
    actions.draft_due(db)
    db.commit()


def open_reports(screen: Screen, role: str = "operator") -> AppTest:
    return open_address(screen(f"reservations-{role}", reservations=role), "reservations-reports")


def weekly(db: Session) -> ActivityReport:
    return db.scalars(select(ActivityReport).where(ActivityReport.kind == "weekly")).one()


def finish_weekly(db: Session) -> ActivityReport:
    report = weekly(db)
    actor = people.create_actor(db, "finisher", reservations="operator")
    actions.finish(db, actor, report.id, schemas.Finish(version=report.version))
    db.commit()
    return report


def open_drawer(page: AppTest) -> AppTest:
    click_row_action(page, LIST, "開く")
    return page


def buttons(page: AppTest) -> set[str]:
    return {str(button.key).removeprefix(f"{KEY}.") for button in page.button if str(button.key).startswith(f"{KEY}.")}


def test_the_page_says_that_drafts_wait_figures_are_refreshed_and_a_missing_report_is_created(
    screen: Screen, db: Session, network: Network
) -> None:
    page = open_reports(screen)
    assert "まだ完成していない下書きが2件あります。" in texts(page)
    assert [(row["期間"], row["種類"], row["予約件数"]) for row in rows(page)] == [
        ("2031/1/3（金）〜1/9（木）", "週次レポート", 1),
        ("2030年12月", "月次レポート", 0),
    ]

    text = texts(open_drawer(page))
    for part in (
        "期間中に発生した手動対応はありません。",
        "期間中に検知したものと、作成した時点で対応中だったものです。",
        "期限を迎えた14件のうち、0件を実施しました。",
        "まだ書かれていません。",
        "花束 1件",
    ):
        assert part in text, part
    report = weekly(db)
    press(page, f"{KEY}.refresh")
    press(page, f"{KEY}.refresh.{report.id}.1.confirm")
    db.refresh(report)
    assert report.version == 2
    assert "数字を取り直しました" in texts(page)

    scene.set_clock(db, datetime(2031, 1, 17, 9, 0, tzinfo=TOKYO))
    db.commit()
    press(page, f"{PAGE}.new")
    fill(page, f"{KEY}.new", kind="weekly")
    press(page, f"{KEY}.new.submit")
    assert len(db.scalars(select(ActivityReport)).all()) == 3
    assert_survives_outage(page, network)


def test_operators_write_and_finish_it_with_the_chore_and_the_incident_and_reopen_it_with_a_reason(
    screen: Screen, db: Session
) -> None:
    page = open_drawer(open_reports(screen))
    report = weekly(db)
    press(page, f"{KEY}.write")
    form = f"{KEY}.edit.{report.id}.1.False"
    fill(page, form, findings="予約は好調でした。")
    press(page, f"{form}.submit")
    db.refresh(report)
    assert (report.findings, report.version) == ("予約は好調でした。", 2)

    page = open_drawer(page.run())
    assert "予約は好調でした。" in texts(page)
    press(page, f"{KEY}.finish")
    assert "課題・次の対応が書かれていません。" in texts(page)
    assert [box.value for box in page.checkbox] == [True, True]
    press(page, f"{KEY}.finish.{report.id}.2.submit")
    db.refresh(report)
    assert report.finished_by == "reservations-operator さん"
    assert queries.turn_to_check_off(db, "weekly_report") is None
    assert {"send", "reopen"} <= buttons(page)
    assert "write" not in buttons(page)

    press(page, f"{KEY}.reopen")
    page.text_area(key=f"{KEY}.reopen.{report.id}.3.reason").input("数字を確認し直す")
    press(page, f"{KEY}.reopen.{report.id}.3.confirm")
    db.refresh(report)
    assert report.finished_at is None
    assert "数字を確認し直す" in texts(page)


def test_it_is_sent_after_the_addresses_were_confirmed_and_management_reads_what_is_finished(
    screen: Screen, db: Session
) -> None:
    manager_page = open_reports(screen, "manager")
    assert "完成したレポートは、まだありません。" in texts(manager_page)
    assert "運営担当者がレポートを完成させると、ここで読めるようになります。" in texts(manager_page)
    report = finish_weekly(db)
    manager_page.run()
    assert "最新の完成したレポートは、週次レポート 2031/1/3（金）〜1/9（木） です。" in texts(manager_page)
    open_drawer(manager_page)
    assert buttons(manager_page) == set()
    assert f"/api/reservations/reports/{report.id}.pdf" in html(manager_page)

    people.create_user(db, "mona", reservations="manager").mail = "mona@qualfia.example"
    db.commit()
    page = open_drawer(open_reports(screen))
    press(page, f"{KEY}.send")
    form = f"{KEY}.send.{report.id}.2"
    assert page.multiselect(key=f"{form}.managers.0").value == ["mona@qualfia.example"]
    fill(page, form, to="board@qualfia.example")
    press(page, f"{form}.submit")
    assert "mona@qualfia.example、board@qualfia.example に1通ずつ送ります" in texts(page)
    conditions = (OutboxMessage.topic == "mail", OutboxMessage.subject == "report")
    mails = select(OutboxMessage.recipient).where(*conditions).order_by(OutboxMessage.id)
    assert db.scalars(mails).all() == []
    press(page, f"{KEY}.send.{report.id}.2.confirm")
    assert db.scalars(mails).all() == ["mona@qualfia.example", "board@qualfia.example"]
