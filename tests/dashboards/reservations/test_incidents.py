"""インシデント: the page says what is open and late; the drawer has the steps, the record and what comes next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.database.clock import app_now, real_now
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.reservations.alarms import actions as alarms
from service.reservations.alarms.models import Proposal
from service.reservations.incidents import actions, schemas
from service.reservations.incidents.models import Incident, IncidentMark
from service.reservations.incidents.rules import Level
from service.reservations.outgoing.models import Message
from tests import people
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, click_row_action, fill, keys, press, rows, texts

LIST, KEY = "reservations.incidents.list", "reservations.incident"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def create_incident(db: Session, level: Level = Level.HIGH, **values: Any) -> Incident:
    new = schemas.NewIncident(title="Twilio障害でSMSを送れない", level=level, **values)
    incident = actions.open_incident(db, people.create_actor(db, "opener", reservations="operator"), new)
    db.commit()
    return incident


def open_incidents(screen: Screen, role: str = "operator") -> AppTest:
    return open_address(screen(f"olivia-{role}", reservations=role), "incidents")


def open_drawer(page: AppTest) -> AppTest:
    click_row_action(page, LIST, "開く")
    return page


def buttons(page: AppTest) -> set[str]:
    return {str(button.key).removeprefix(f"{KEY}.") for button in page.button if str(button.key).startswith(f"{KEY}.")}


def test_the_page_says_that_nothing_is_broken_or_what_is_open_and_late(
    screen: Screen, db: Session, network: Network
) -> None:
    page = open_incidents(screen)
    assert "現在、対応が必要なインシデントはありません。" in texts(page)

    create_incident(db, Level.LOW)
    page.run()
    # Business hours are not converted to days.
    assert rows(page)[0]["次の対応"] == "対応 あと24時間（営業時間）"
    actions.open_incident(
        db,
        people.create_actor(db, "otto", reservations="operator"),
        schemas.NewIncident(title="全停止", level=Level.CRITICAL),
    )
    db.commit()
    page.run()
    assert "対応中のインシデントが2件あります（うちCritical 1件）。" in texts(page)
    assert (rows(page)[0]["件名"], rows(page)[0]["次の対応"]) == ("全停止", "初動対応 あと5分")

    scene.set_clock(db, app_now(db) + timedelta(minutes=7))
    db.commit()
    page.run()
    assert "目標時間を過ぎた対応が1件あります。" in texts(page)
    assert_survives_outage(page, network)


def test_an_incident_is_registered_with_its_level(screen: Screen, db: Session) -> None:
    page = open_incidents(screen)
    press(page, "reservations.incidents.new")
    assert "Critical: システム全体停止、決済システム障害" in page.radio(key=f"{KEY}.create.level.0").options
    press(page, f"{KEY}.create.submit")
    assert "選んでください。" in texts(page)

    fill(page, f"{KEY}.create", level="medium", title="APIの応答が遅い")
    press(page, f"{KEY}.create.submit")
    incident = db.scalars(select(Incident)).one()
    assert (incident.level, incident.title, incident.detected_at) == ("medium", "APIの応答が遅い", app_now(db))


def test_a_step_is_done_from_the_drawer_which_shows_it(screen: Screen, db: Session) -> None:
    incident = create_incident(db)
    page = open_drawer(open_incidents(screen))
    assert "外部APIのステータスページ確認" in texts(page)
    press(page, f"{KEY}.finish.first_look")
    fill(page, f"{KEY}.marks/first_look.{incident.id}", note="障害を確認")
    press(page, f"{KEY}.marks/first_look.{incident.id}.submit")

    done = db.get_one(IncidentMark, (incident.id, "first_look"), populate_existing=True)
    assert (done.done_by, done.note) == ("olivia-operator さん", "障害を確認")
    assert "期限内に完了" in texts(page)
    assert "finish.first_look" not in buttons(page)


def test_the_record_is_edited_and_the_report_begins_with_the_template(screen: Screen, db: Session) -> None:
    incident = create_incident(db)
    page = open_drawer(open_incidents(screen))
    press(page, f"{KEY}.edit")
    form = f"{KEY}.edit.{incident.id}.1.False"
    fill(page, form, cause="Twilioの障害")
    press(page, f"{form}.submit")
    db.expire_all()
    assert (incident.cause, incident.version) == ("Twilioの障害", 2)

    open_drawer(page.run())
    press(page, f"{KEY}.report")
    report = page.text_area(key=f"{KEY}.report.edit.{incident.id}.2.False.report.0")
    assert str(report.value).startswith(f"# インシデントレポート: INC-{incident.id:04}")
    assert "Twilioの障害" in str(report.value)
    press(page, f"{KEY}.report.edit.{incident.id}.2.False.submit")
    db.expire_all()
    assert "## 再発防止策" in incident.report


def test_open_steps_prevent_its_resolution_and_its_level_is_changed_with_a_reason(screen: Screen, db: Session) -> None:
    incident = create_incident(db)
    page = open_drawer(open_incidents(screen))
    press(page, f"{KEY}.resolve")
    press(page, f"{KEY}.resolution.{incident.id}.1.submit")
    assert "まだ完了していない対応があります" in texts(page)
    db.refresh(incident)
    assert incident.resolved_at is None

    open_drawer(page)
    press(page, f"{KEY}.level")
    form = f"{KEY}.level.{incident.id}.1"
    fill(page, form, level="critical", reason="決済も止まった")
    press(page, f"{form}.submit")
    db.refresh(incident)
    assert incident.level == "critical"
    assert "ポストモーテム作成" in texts(page)


def test_customers_are_notified_after_their_number_was_shown(screen: Screen, db: Session) -> None:
    reservation = scene.create_reservation(db)
    scene.create_reservation(db)
    incident = create_incident(db)
    page = open_drawer(open_incidents(screen))
    press(page, f"{KEY}.customers")
    assert "**2人**の依頼者にSMSを1通ずつ送ります。" in texts(page)
    text = page.text_area(key=f"{KEY}.customers.{incident.id}.text.0")
    assert str(text.value).startswith("【QRV】")
    text.input("【QRV】しばらくお待ちください。")
    press(page, f"{KEY}.customers.{incident.id}.submit")

    bodies = select(Message.body).where(Message.reservation_id == reservation.id, Message.purpose == "incident")
    assert db.scalars(bodies).all() == ["【QRV】しばらくお待ちください。"]


def test_a_read_only_role_sees_all_of_it_and_has_no_button(screen: Screen, db: Session) -> None:
    create_incident(db, impact="SMSの送信")
    for role in ("manager", "support"):
        page = open_drawer(open_incidents(screen, role))
        assert "SMSの送信" in texts(page)
        assert buttons(page) == set()


def create_proposal(db: Session) -> Proposal:
    now = real_now()
    buckets = [50, *[0] * (len(BUCKETS_MS) - 1), 50]
    db.merge(TrafficMinute(minute=now.replace(second=0, microsecond=0), requests=100, errors=0, buckets=buckets))
    alarms.propose_incidents(db, now)
    db.commit()
    return db.scalars(select(Proposal)).one()


def test_a_proposal_is_shown_above_the_list_and_is_opened_as_it_says(screen: Screen, db: Session) -> None:
    proposal = create_proposal(db)
    page = open_incidents(screen)
    assert "API応答時間が遅い（5秒超過）" in texts(page)
    assert "直近5分の応答100件のうち50件（50%）が5秒を超えました" in texts(page)
    key = f"reservations.proposal.{proposal.id}"
    press(page, f"{key}.open")
    assert page.radio(key=f"{key}.level.0").value == "medium"
    press(page, f"{key}.submit")

    incident = db.scalars(select(Incident)).one()
    assert (incident.level, incident.title) == ("medium", "API応答時間が遅い（5秒超過）")
    assert incident.impact == proposal.impact
    assert f"{key}.open" not in keys(page)


def test_a_proposal_is_dismissed_with_a_reason(screen: Screen, db: Session) -> None:
    proposal = create_proposal(db)
    page = open_incidents(screen)
    key = f"reservations.proposal.{proposal.id}"
    press(page, f"{key}.dismiss")
    form = f"reservations.proposal.dismissal.{proposal.id}"
    fill(page, form, reason="負荷試験のため")
    press(page, f"{form}.submit")

    db.expire_all()
    assert (proposal.reason, proposal.decided_by) == ("負荷試験のため", "olivia-operator さん")
    assert "API応答時間が遅い" not in texts(page)
