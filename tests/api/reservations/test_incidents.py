"""インシデント: steps with targets, each notification once, the record, and one SMS to each waiting customer."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.flow import actions as flow
from service.reservations.incidents import actions as incidents
from service.reservations.outgoing.models import Message
from service.reservations.roster.models import Shift
from service.reservations.state_machine import events as e
from tests import people
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
INCIDENTS = "/api/reservations/incidents"
MINUTE = timedelta(minutes=1)
RECORD: dict[str, Any] = {"impact": "SMSの送信、約30人", "response": "送信を止め、復旧を待った"}


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def create_incident(client: TestClient, level: str = "high", **fields: Any) -> dict[str, Any]:
    response = client.post(INCIDENTS, json={"level": level, "title": "Twilio障害でSMSを送れない"} | fields)
    assert response.status_code == 201, response.text
    return get_incident(client, response.json()["id"])


def get_incident(client: TestClient, key: int) -> dict[str, Any]:
    response = client.get(f"{INCIDENTS}/{key}")
    assert response.status_code == 200, response.text
    incident: dict[str, Any] = response.json()
    return incident


def post(client: TestClient, key: int, action: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    response = client.post(f"{INCIDENTS}/{key}/{action}", json=body)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def patch(client: TestClient, incident: dict[str, Any], status: int = 200, /, **fields: Any) -> dict[str, Any]:
    response = client.patch(f"{INCIDENTS}/{incident['id']}", json={"version": incident["version"]} | fields)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def marks(incident: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mark["mark"]: mark for mark in incident["marks"]}


def finish_steps(client: TestClient, key: int, *steps: str) -> dict[str, Any]:
    for mark in steps:
        post(client, key, f"marks/{mark}", {})
    return get_incident(client, key)


def outbox_messages(db: Session, topic: str) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def slack(db: Session) -> list[str]:
    return [message.payload["text"].splitlines()[0] for message in outbox_messages(db, "slack")]


def pass_time(db: Session, span: timedelta) -> int:
    """Returns the number of notifications."""
    scene.set_clock(db, app_now(db) + span)
    notified = incidents.notify_due_steps(db)
    db.commit()
    return notified


def add_manager(db: Session, login_id: str, mail: str | None) -> None:
    people.create_user(db, login_id, reservations="manager").mail = mail
    db.commit()


def list_titles(client: TestClient, **params: str | int) -> list[str]:
    response = client.get(INCIDENTS, params=params)
    assert response.status_code == 200, response.text
    return [item["title"] for item in response.json()["items"]]


def test_an_incident_begins_with_the_steps_of_its_level_and_a_slack_message(olivia: TestClient, db: Session) -> None:
    incident = create_incident(olivia)

    assert (incident["status"], incident["opened_by"]) == ("open", "olivia さん")
    assert [mark["title"] for mark in incident["marks"]] == [
        "検知",
        "初動対応",
        "応急処置",
        "復旧確認",
        "経営陣に報告",
        "インシデントレポート作成",
    ]
    assert (marks(incident)["detected"]["done_by"], marks(incident)["detected"]["response"]) == ("olivia さん", "met")
    assert (incident["next_title"], incident["left_seconds"]) == ("初動対応", 15 * 60)
    assert "外部APIのステータスページ確認" in marks(incident)["first_look"]["hints"]
    assert slack(db) == [f"インシデント {incident['code']}（High）が発生しました"]
    assert outbox_messages(db, "slack")[0].payload["channel"] == "#qrv-alerts"
    assert outbox_messages(db, "mail") == []


def test_managers_are_notified_of_critical_at_once_by_mail_and_once(olivia: TestClient, db: Session) -> None:
    add_manager(db, "mona", "mona@qualfia.example")
    add_manager(db, "max", None)
    people.create_user(db, "oscar", reservations="operator").mail = "oscar@qualfia.example"
    people.create_user(db, "fred", fleet="admin").mail = "fred@qualfia.example"
    suspended = people.create_user(db, "sid", reservations="manager")
    suspended.mail, suspended.memberships[0].is_suspended = "sid@qualfia.example", True
    people.create_user(db, "gone", reservations="manager").mail = "gone@qualfia.example"
    db.execute(update(User).where(User.login_id == "gone").values(is_active=False))
    db.commit()
    incident = create_incident(olivia, "critical", impact="全機能")

    [mail] = outbox_messages(db, "mail")
    assert mail.payload["to"] == ["mona@qualfia.example"]
    assert "影響範囲: 全機能" in mail.payload["body"]
    mark = marks(incident)["management"]
    assert (mark["done_by"], mark["response"]) == ("システム", "met")
    assert sum("経営陣に報告しました" in line for line in slack(db)) == 1
    pass_time(db, 3 * MINUTE)
    assert len(outbox_messages(db, "mail")) == 1


def test_without_a_managers_address_only_slack_is_notified_and_the_history_says_so(
    olivia: TestClient, db: Session
) -> None:
    add_manager(db, "max", None)
    incident = create_incident(olivia, "critical")

    assert outbox_messages(db, "mail") == []
    [event] = [event for event in incident["events"] if event["kind"] == "management_told"]
    assert "メールアドレスがありません" in event["text"]


def test_critical_at_night_notifies_the_operator_on_call(olivia: TestClient, db: Session) -> None:
    night = datetime(2031, 1, 8, 23, 0, tzinfo=TOKYO)
    scene.set_clock(db, night)
    oscar = people.create_user(db, "oscar", reservations="operator")
    span = {"starts_at": night - timedelta(hours=5), "ends_at": night + timedelta(hours=10)}
    db.add(Shift(user_id=oscar.id, phone="+819077770001", **span))
    db.commit()
    create_incident(olivia, "high")
    assert outbox_messages(db, "sms") == []
    create_incident(olivia, "critical")
    assert [message.payload["to"] for message in outbox_messages(db, "sms")] == ["+819077770001"]

    pass_time(db, 6 * MINUTE)
    assert "「初動対応」が目標時間を過ぎています" in outbox_messages(db, "sms")[1].payload["body"]
    assert pass_time(db, MINUTE) == 0


def test_managers_are_notified_of_high_before_two_hours_have_passed_once(olivia: TestClient, db: Session) -> None:
    add_manager(db, "mona", "mona@qualfia.example")
    key = create_incident(olivia)["id"]
    finish_steps(olivia, key, "first_look", "stopgap", "recovery")
    assert pass_time(db, 114 * MINUTE) == 0

    assert [pass_time(db, 2 * MINUTE), pass_time(db, 5 * MINUTE)] == [1, 0]
    assert len(outbox_messages(db, "mail")) == 1
    assert marks(get_incident(olivia, key))["management"]["response"] == "met"


def test_an_early_report_to_managers_is_not_repeated_by_the_clock(olivia: TestClient, db: Session) -> None:
    add_manager(db, "mona", "mona@qualfia.example")
    key = create_incident(olivia)["id"]
    finish_steps(olivia, key, "first_look", "stopgap", "recovery", "management")
    assert len(outbox_messages(db, "mail")) == 1

    pass_time(db, timedelta(hours=3))
    assert len(outbox_messages(db, "mail")) == 1


def test_a_late_step_is_notified_once_and_a_finished_one_never(olivia: TestClient, db: Session) -> None:
    incident = create_incident(olivia, "critical")
    finish_steps(olivia, incident["id"], "first_look")
    assert pass_time(db, 10 * MINUTE) == 0

    assert [pass_time(db, 21 * MINUTE), pass_time(db, MINUTE)] == [1, 0]
    late = [line for line in slack(db) if "目標時間を過ぎました" in line]
    assert late == [f"インシデント {incident['code']}（Critical）の「応急処置」が目標時間を過ぎました"]
    assert olivia.get(f"{INCIDENTS}/counts").json()["overdue"] == 1
    assert marks(get_incident(olivia, incident["id"]))["stopgap"]["response"] == "overdue"


def test_a_step_is_finished_once_with_a_name_and_a_note(olivia: TestClient, db: Session, sign_in: SignIn) -> None:
    key = create_incident(olivia)["id"]
    first = post(olivia, key, "marks/first_look", {"note": "Twilioのステータスページで障害を確認"})
    mark = marks(first)["first_look"]
    assert (mark["done_by"], mark["note"]) == ("olivia さん", "Twilioのステータスページで障害を確認")
    entry = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.after) == ("status_change", {"mark": "first_look", "note": mark["note"]})

    again = post(sign_in("oscar", reservations="operator"), key, "marks/first_look", {}, 409)
    assert "olivia さんが完了しています" in again["detail"]
    assert post(olivia, key, "marks/weekly", {}, 409)["detail"].startswith("このレベルの対応手順にない段階")


def test_another_level_moves_the_open_steps_only(olivia: TestClient, db: Session) -> None:
    add_manager(db, "mona", "mona@qualfia.example")
    incident = create_incident(olivia, "medium")
    before = marks(finish_steps(olivia, incident["id"], "first_look"))
    scene.set_clock(db, app_now(db) + 10 * MINUTE)
    db.commit()
    change = {"version": incident["version"], "level": "critical", "reason": "決済も止まった"}
    after = post(olivia, incident["id"], "level", change)

    current = marks(after)
    unchanged = ("due_at", "done_at", "done_by")
    assert [current["first_look"][name] for name in unchanged] == [before["first_look"][name] for name in unchanged]
    assert "weekly" not in current
    detected = datetime.fromisoformat(after["detected_at"])
    assert datetime.fromisoformat(current["stopgap"]["due_at"]) == detected + 30 * MINUTE
    assert current["management"]["done_by"] == "システム"
    assert len(outbox_messages(db, "mail")) == 1
    entry = db.scalars(
        select(AuditEntry).where(AuditEntry.subject == "incident").order_by(AuditEntry.id.desc())
    ).first()
    assert entry is not None
    assert (entry.action, entry.before, entry.after) == (
        "status_change",
        {"level": "medium"},
        {"level": "critical", "reason": "決済も止まった"},
    )
    assert post(olivia, incident["id"], "level", change, 409)["type"] == "urn:genba:stale"


def test_a_stale_edit_shows_both_sides(olivia: TestClient, sign_in: SignIn) -> None:
    incident = create_incident(olivia)
    patch(olivia, incident, cause="Twilioの障害")
    late = patch(sign_in("oscar", reservations="operator"), incident, 409, cause="設定の誤り")

    assert (late["yours"]["cause"], late["current"]["cause"]) == ("設定の誤り", "Twilioの障害")
    assert get_incident(olivia, incident["id"])["cause"] == "Twilioの障害"


def test_an_earlier_detection_moves_the_open_steps(olivia: TestClient, db: Session) -> None:
    incident = create_incident(olivia)
    earlier = app_now(db) - 10 * MINUTE
    moved = patch(olivia, incident, detected_at=earlier.isoformat())
    assert datetime.fromisoformat(marks(moved)["first_look"]["due_at"]) == earlier + 15 * MINUTE

    future = (app_now(db) + timedelta(hours=1)).isoformat()
    assert patch(olivia, moved, 422, detected_at=future)["errors"][0]["field"] == "detected_at"
    too_early = (earlier - MINUTE).isoformat()
    assert patch(olivia, moved, 422, recovered_at=too_early)["errors"][0]["field"] == "recovered_at"


def test_it_is_resolved_when_the_response_is_done_and_recorded(olivia: TestClient, db: Session) -> None:
    incident = create_incident(olivia)
    key = incident["id"]
    refused = post(olivia, key, "resolution", {"version": 1}, 409)
    assert "初動対応、応急処置、復旧確認" in refused["detail"]
    finish_steps(olivia, key, "first_look", "stopgap", "recovery")
    missing = post(olivia, key, "resolution", {"version": 1}, 422)
    assert [error["field"] for error in missing["errors"]] == ["impact", "response"]

    recorded = patch(olivia, incident, **RECORD)
    resolved = post(olivia, key, "resolution", {"version": recorded["version"]})
    assert (resolved["status"], resolved["resolved_by"]) == ("follow_up", "olivia さん")
    assert datetime.fromisoformat(resolved["recovered_at"]) == app_now(db)
    assert list_titles(olivia) == list_titles(olivia, state="follow_up") == [incident["title"]]
    assert post(olivia, key, "resolution", {"version": resolved["version"]}, 409)["status"] == 409


def test_a_report_is_done_when_it_and_the_whole_record_are_written(olivia: TestClient, db: Session) -> None:
    incident = create_incident(olivia)
    key = incident["id"]
    assert "## 再発防止策" in incident["report_template"]
    assert incident["report_due_at"] is not None
    refused = post(olivia, key, "marks/report", {}, 409)
    assert "影響範囲、原因、対応内容、再発防止策、報告書、復旧日時" in refused["detail"]
    finish_steps(olivia, key, "first_look", "stopgap", "recovery", "management")
    record = RECORD | {"cause": "Twilioの障害", "prevention": "別の事業者を用意", "report": incident["report_template"]}
    recorded = patch(olivia, incident, **record)
    post(olivia, key, "resolution", {"version": recorded["version"]})

    assert finish_steps(olivia, key, "report")["status"] == "done"
    assert list_titles(olivia) == []
    assert list_titles(olivia, state="done") == [incident["title"]]


def test_each_waiting_customer_gets_one_sms_and_the_reservation_shows_it(olivia: TestClient, db: Session) -> None:
    scene.confirmed(db, phone="090-8888-3333")
    scene.awaiting_payment(db, phone="090-8888-2222")
    waiting = scene.create_reservation(db, phone="090-8888-1111")
    scene.create_reservation(db, phone="090-8888-1111", starts_at=waiting.starts_at + timedelta(days=1))
    cancelled = scene.create_reservation(db, phone="090-8888-4444")
    flow.record_event(db, cancelled.id, e.CancelAsked(by="customer"), source="customer")
    db.commit()
    key = create_incident(olivia)["id"]
    status = olivia.get(f"{INCIDENTS}/{key}/status-text").json()
    assert (status["waiting"], status["confirmed"], status["told"]) == (2, 1, 0)
    assert status["text"].startswith("【QRV】")

    body = {"text": "【QRV】復旧までお待ちください。", "recipients": 2}
    assert post(olivia, key, "status-text", body)["told_customers"] == 2
    payloads = [message.payload for message in outbox_messages(db, "sms") if message.payload["body"] == body["text"]]
    assert sorted(payload["to"] for payload in payloads) == ["+819088881111", "+819088882222"]
    messages = olivia.get(f"/api/reservations/reservations/{waiting.code}").json()["messages"]
    assert [message["body"] for message in messages if message["purpose_title"] == "障害の状況のお知らせ"] == [
        body["text"]
    ]

    assert "2人から0人に変わりました" in post(olivia, key, "status-text", body, 409)["detail"]
    post(olivia, key, "status-text", body | {"include_confirmed": True, "recipients": 1})
    count = select(func.count()).select_from(Message).where(Message.purpose == "incident")
    assert db.scalar(count) == 3
    # Another incident may notify them again.
    assert olivia.get(f"{INCIDENTS}/{create_incident(olivia)['id']}/status-text").json()["waiting"] == 2


def test_nothing_is_sent_when_the_number_is_another_than_was_confirmed(olivia: TestClient, db: Session) -> None:
    scene.create_reservation(db)
    db.commit()
    key = create_incident(olivia)["id"]
    before = len(outbox_messages(db, "sms"))

    assert (
        "5人から1人に" in post(olivia, key, "status-text", {"text": "お待ちください", "recipients": 5}, 409)["detail"]
    )
    assert len(outbox_messages(db, "sms")) == before


def test_incidents_are_searched_and_exported(olivia: TestClient, db: Session) -> None:
    first, second = (
        create_incident(olivia, "critical", title="決済が止まった"),
        create_incident(olivia, "low", title="電話がつながらない"),
    )
    patch(olivia, second, cause="店舗の回線工事 100%")

    assert list_titles(olivia, level="critical") == list_titles(olivia, q=first["code"].lower()) == ["決済が止まった"]
    assert list_titles(olivia, q="0%") == ["電話がつながらない"]
    today = app_now(db).astimezone(TOKYO).date()
    assert len(list_titles(olivia, since=str(today), until=str(today))) == 2
    assert list_titles(olivia, until=str(today - timedelta(days=1))) == list_titles(olivia, late=True) == []
    for wrong in ({"sort": "title"}, {"since": "9999-12-31"}, {"until": "9999-12-31"}):
        assert olivia.get(INCIDENTS, params=wrong).status_code == 422

    response = olivia.get(f"{INCIDENTS}.csv", params={"level": "low"})
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row["番号"], row["レベル"], row["原因"]) for row in rows] == [
        (second["code"], "Low", "店舗の回線工事 100%")
    ]


def test_management_and_support_read_and_change_nothing(olivia: TestClient, sign_in: SignIn) -> None:
    incident = create_incident(olivia)
    assert olivia.get(f"{INCIDENTS}/999999").status_code == 404
    for login_id, role in (("mona", "manager"), ("sally", "support")):
        reader = sign_in(login_id, reservations=role)
        assert get_incident(reader, incident["id"])["title"] == incident["title"]
        assert list_titles(reader) == [incident["title"]]
        patch(reader, incident, 403, cause="x")
        post(reader, incident["id"], "marks/first_look", {}, 403)
        assert reader.post(INCIDENTS, json={"level": "low", "title": "x"}).status_code == 403
    assert sign_in("charlie", loaners="admin").get(f"{INCIDENTS}/{incident['id']}").status_code == 403


def test_a_note_is_in_the_history(olivia: TestClient) -> None:
    key = create_incident(olivia)["id"]
    noted = post(olivia, key, "notes", {"text": "Twilioに問い合わせ中"}, 201)

    assert [event["kind"] for event in noted["events"]] == ["note", "opened"]
    assert noted["events"][0]["by"] == "olivia さん"
