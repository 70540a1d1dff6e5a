"""アラート一覧: the queue of what to do next, and the drawer of one incident."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.fleet.incidents.models import Incident, IncidentStep
from tests import factories
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning, fill_store_outage, set_clock, set_heartbeat
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    keys,
    lists,
    press,
    rows,
    run,
    text_of,
    texts,
    titles,
    toasts,
)

LIST = "fleet.incidents_list"


def open_drawer(page: AppTest, db: Session, index: int = 0) -> Incident:
    """Opens the drawer of the incident that started first, second…"""
    incident = db.scalars(select(Incident).order_by(Incident.id)).all()[index]
    names = {"customer_name": "ABC商事", "store_name": "新宿店 レジ1番", "members": 1}
    page.session_state[f"{LIST}.clicked"] = ("対応する", {"id": incident.id, "scope": incident.scope, **names})
    run(page)
    return incident


def test_a_silent_store_is_one_row_and_the_page_says_of_how_many_alerts(db: Session, screen: Screen) -> None:
    fill_store_outage(db, tills=3)

    page = open_address(screen("olivia", fleet="operator"), "alerts")

    assert page.error[0].value.startswith("未解決のアラートが3件（障害 1件）あります。")
    assert {metric.label: metric.value for metric in page.metric}["未解決の障害"] == "1件"
    assert "アラート 3件・最も古いもの 30分前" in texts(page)
    [row] = rows(page)
    assert (row["対象"], row["停止"]) == ("ABC商事 - 新宿店（3台）", "3台中3台")


@pytest.fixture
def alerts(db: Session, screen: Screen) -> AppTest:
    fill_morning(db)
    return open_address(screen("olivia", fleet="operator"), "alerts")


def test_the_first_line_says_what_is_late_and_the_queue_begins_with_it(alerts: AppTest, network: Network) -> None:
    assert titles(alerts) == ["アラート一覧"]
    assert alerts.error[0].value.startswith("未解決のアラートが2件あります。期限を過ぎたものが2件")
    first, second = rows(alerts)
    assert (first["対象"], first["種別"], first["次の手順"]) == ("ABC商事 - 新宿店 レジ1番", ["オフライン"], "初動確認")
    assert (first["残り時間"], second["残り時間"]) == ("25分超過", "7分超過")
    assert (first["状況"], first["担当"]) == (["期限超過"], "未割り当て")
    assert (first["影響"], first["停止"]) == (["大"], "1台中1台")
    assert network.calls.count("GET /api/fleet/incidents") == 1
    assert not alerts.exception
    assert_survives_outage(alerts, network)
    assert len(rows(alerts)) == 2


def test_without_alerts_the_page_says_that_all_is_well(db: Session, screen: Screen) -> None:
    set_heartbeat(db, factories.terminal(db), "9:59")
    set_clock(db, "10:00")
    page = open_address(screen("olivia", fleet="operator"), "alerts")
    assert page.success[0].value == "現在、対応が必要なアラートはありません。"
    assert not lists(page)


def test_conditions_and_order_are_those_of_the_service(alerts: AppTest) -> None:
    alerts.selectbox(key="alert_type").select("error").run()
    assert [row["対象"] for row in rows(alerts)] == ["XYZストア - 梅田店 レジ1番"]
    alerts.selectbox(key="alert_type").select(None)
    alerts.text_input(key="q").input("新宿").run()
    assert [row["対象"] for row in rows(alerts)] == ["ABC商事 - 新宿店 レジ1番"]
    alerts.text_input(key="q").input("")
    alerts.selectbox(key="sort").select("-impact").run()
    assert [row["影響"] for row in rows(alerts)] == [["大"], ["大"]]


def test_an_address_opens_the_incident_and_closed_it_stays_closed(db: Session, screen: Screen) -> None:
    fill_morning(db)
    incident = db.scalars(select(Incident.id).order_by(Incident.id)).all()[1]
    page = open_address(screen("olivia", fleet="operator"), "alerts", id=str(incident))
    assert not page.exception
    assert "対応手順" in texts(page)
    press(page, "incident.acknowledge")
    db.expire_all()
    assert db.get_one(IncidentStep, (incident, 2)).done_by == "olivia さん"
    assert "id" not in page.query_params
    assert len(rows(page)) == 2

    missing = open_address(screen("oscar", fleet="operator"), "alerts", id="9999")
    assert not missing.exception
    assert "対応手順" not in texts(missing)
    assert len(rows(missing)) == 2
    assert len(missing.error) == 2


def test_an_incident_is_acknowledged_handled_step_by_step_assigned_and_not_closed_before_it_is_over(
    alerts: AppTest, db: Session
) -> None:
    incident = open_drawer(alerts, db)
    assert "対応手順" in texts(alerts)
    assert "大（80点）: 店舗の端末1台中1台が停止、ベーシック保守、営業時間の目安の内" in texts(alerts)
    assert "対象の端末（" not in texts(alerts)  # there is one terminal, with a link to it
    press(alerts, "incident.acknowledge")
    assert toasts(alerts) == ["確認しました。担当になりました。"]
    assert db.get_one(IncidentStep, (incident.id, 2), populate_existing=True).done_by == "olivia さん"
    assert "「初動確認」を完了しました" in texts(alerts)

    # No run in between: from the note straight to the button.
    alerts.text_area(key=f"incident.step.{incident.id}.3").input("回線は正常。PCが無応答。")
    press(alerts, f"incident.step.{incident.id}.3.done")
    assert db.get_one(IncidentStep, (incident.id, 3), populate_existing=True).note == "回線は正常。PCが無応答。"

    db.refresh(incident)
    selectbox = alerts.selectbox(key=f"incident.assignee.{incident.id}.{incident.version}")
    [assignee] = [option for option in selectbox.options if option.startswith("olivia")]
    selectbox.select(assignee)
    press(alerts, "incident.assign")
    assert toasts(alerts) == [f"担当を{assignee}にしました。"]
    db.refresh(incident)
    assert incident.assignee_id is not None

    alerts.text_area(key=f"incident.resolution.{incident.id}.resolution.0").input("復旧")
    press(alerts, f"incident.resolution.{incident.id}.submit")
    assert "まだ1台が復旧していません" in text_of(alerts.error)


def test_snoozing_moves_it_to_the_end_of_the_queue_but_overwrites_no_other_change(alerts: AppTest, db: Session) -> None:
    incident = open_drawer(alerts, db)
    incident.version += 1
    db.commit()
    press(alerts, "incident.snooze.1時間")
    assert "ほかの人が先にこの障害を更新しました" in text_of(alerts.error)
    db.expire_all()
    assert incident.snoozed_until is None

    press(alerts, "incident.snooze.1時間")
    assert [row["状況"] for row in rows(alerts)] == [["期限超過"], ["スヌーズ中"]]


def test_support_writes_notes_and_notifies_customers_but_neither_claims_nor_closes(db: Session, screen: Screen) -> None:
    fill_morning(db)
    page = open_address(screen("sato", fleet="support"), "alerts")
    incident = open_drawer(page, db)
    assert f"incident.step.{incident.id}.4.done" in keys(page)
    assert "「対応実施」の完了後10分以内。先に「対応実施」を完了にします" in texts(page)
    assert not keys(page) & {
        f"incident.step.{incident.id}.6.done",
        "incident.acknowledge",
        "incident.assign",
        "incident.snooze.1時間",
        f"incident.step.{incident.id}.3.done",
    }
    page.text_area(key=f"incident.note.{incident.id}.text.0").input("店長に電話済み")
    press(page, f"incident.note.{incident.id}.submit")
    assert "店長に電話済み" in texts(page)
