"""Incidents over HTTP: what is due, who does what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.fleet.incidents.models import Incident
from service.fleet.models import Alert
from service.fleet.watch import actions as watch
from tests import factories
from tests.jobs.test_fleet_watch import advance_clock, record_heartbeat

SignIn = Callable[..., TestClient]
PATH = "/api/fleet/incidents"


@pytest.fixture
def incident(db: Session) -> Incident:
    """A till of ABC商事 in error, found by the watch."""
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"), "TC200-A00001")
    record_heartbeat(db, terminal, status="error", error="カードリーダー応答なし")
    watch.watch(db)
    return db.scalars(select(Incident)).one()


def test_the_list_says_what_is_to_be_done_next_and_until_when(db: Session, sign_in: SignIn, incident: Incident) -> None:
    operator = sign_in("alice", fleet="operator")

    [item] = operator.get(PATH).json()["items"]

    assert (item["scope"], item["alert_type"], item["customer_name"]) == ("terminal", "error", "ABC商事")
    assert (item["store_name"], item["serial_number"]) == ("新宿店 レジ1番", "TC200-A00001")
    assert (item["members"], item["members_open"], item["store_terminals"]) == (1, 1, 1)
    other = factories.terminal(db, factories.customer(db, "XYZ商事"), "TC200-A00002")
    record_heartbeat(db, other, status="error", error="カードリーダー応答なし")
    watch.watch(db)
    assert [shown["store_terminals"] for shown in operator.get(PATH).json()["items"]] == [1, 1]
    assert (item["step"], item["response"]) == (2, "running")

    responses = []
    for minutes in (4, 2):
        advance_clock(db, minutes)
        responses.append(operator.get(PATH).json()["items"][0]["response"])
    assert responses == ["near", "overdue"]


def test_the_list_is_sorted_by_what_is_due_next_and_snoozed_incidents_are_last(db: Session, sign_in: SignIn) -> None:
    operator = sign_in("alice", fleet="operator")
    for name in ("寝ている", "急ぐ", "新しい"):
        terminal = factories.terminal(db, factories.customer(db, name))
        record_heartbeat(db, terminal, status="error", error="紙切れ")
        watch.watch(db)
        advance_clock(db, 1)
    snoozed = operator.get(PATH).json()["items"][0]
    until = (app_now(db) + timedelta(hours=1)).isoformat()
    answer = operator.post(f"{PATH}/{snoozed['id']}/snooze", json={"version": snoozed["version"], "until": until})
    assert answer.status_code == 200

    def listed(**query: str | int) -> list[str]:
        return [item["customer_name"] for item in operator.get(PATH, params=query).json()["items"]]

    assert listed() == ["急ぐ", "新しい", "寝ている"]
    advance_clock(db, 61)
    assert listed() == ["寝ている", "急ぐ", "新しい"]
    assert listed(limit=1) == ["寝ている"]
    assert listed(q="TC200") == listed()
    assert listed(state="resolved") == []


def test_the_first_user_who_acknowledges_is_assigned_and_the_first_check_is_done(
    db: Session, sign_in: SignIn, incident: Incident
) -> None:
    advance_clock(db, 3)
    acknowledged = sign_in("alice", fleet="operator").post(f"{PATH}/{incident.id}/acknowledge").json()
    again = sign_in("bob", fleet="operator").post(f"{PATH}/{incident.id}/acknowledge").json()

    assert acknowledged["assignee"]["name"] == again["assignee"]["name"] == "alice さん"
    first_check = acknowledged["steps"][1]
    assert (first_check["title"], first_check["done_by"], first_check["response"]) == ("初動確認", "alice さん", "met")
    assert acknowledged["step"] == 3
    assert [event["kind"] for event in again["events"]] == ["step", "acknowledged", "opened"]


@pytest.mark.parametrize(
    ("role", "allowed"), [("admin", {2, 3, 4, 5, 6}), ("operator", {2, 3, 5}), ("support", {4, 6})]
)
def test_each_team_records_its_own_steps(
    db: Session, sign_in: SignIn, incident: Incident, role: str, allowed: set[int]
) -> None:
    client = sign_in("alice", fleet=role)
    routes = {2: "steps", 3: "steps", 4: "contacts", 5: "steps", 6: "contacts"}
    answers = {
        number: client.post(f"{PATH}/{incident.id}/{route}/{number}", json={}).status_code
        for number, route in routes.items()
    }
    assert {number for number, status in answers.items() if status != 403} == allowed
    steps = client.get(f"{PATH}/{incident.id}").json()["steps"]
    assert {step["step"] for step in steps if step["may"]} == allowed


def test_a_step_is_recorded_at_the_route_of_its_team_only(sign_in: SignIn, incident: Incident) -> None:
    admin = sign_in("alice", fleet="admin")
    for path in ("steps/1", "steps/4", "steps/6", "steps/7", "contacts/1", "contacts/2"):
        assert admin.post(f"{PATH}/{incident.id}/{path}", json={}).status_code == 422


def test_the_report_is_due_ten_minutes_after_the_repair(db: Session, sign_in: SignIn, incident: Incident) -> None:
    admin = sign_in("alice", fleet="admin")
    advance_clock(db, 20)
    steps = admin.post(f"{PATH}/{incident.id}/steps/5", json={"note": "PCを再起動"}).json()["steps"]
    assert steps[4]["note"] == "PCを再起動"
    assert steps[5]["response"] == "running"
    advance_clock(db, 11)
    assert admin.get(f"{PATH}/{incident.id}").json()["steps"][5]["response"] == "overdue"


def test_the_report_is_recorded_after_the_repair(db: Session, sign_in: SignIn, incident: Incident) -> None:
    admin, path = sign_in("alice", fleet="admin"), f"{PATH}/{incident.id}"
    assert admin.get(path).json()["steps"][5]["waits_for"] == "対応実施"

    early = admin.post(f"{path}/contacts/6", json={})
    assert early.status_code == 409
    assert early.json()["detail"] == (
        "「対応実施」がまだ完了になっていないため、「完了報告」は記録していません。"
        "先に「対応実施」（運用チーム）を完了にしてください。"
    )
    repaired = admin.post(f"{path}/steps/5", json={}).json()
    assert repaired["steps"][5]["waits_for"] is None
    assert admin.post(f"{path}/contacts/6", json={}).status_code == 200


def test_what_recovered_by_itself_is_reported_without_a_repair(
    db: Session, sign_in: SignIn, incident: Incident
) -> None:
    db.execute(update(Incident).values(resolved_at=app_now(db), resolved_by="システム（自動復旧）"))
    support, path = sign_in("alice", fleet="support"), f"{PATH}/{incident.id}"
    assert support.get(path).json()["steps"][5]["waits_for"] is None
    assert support.post(f"{path}/contacts/6", json={}).status_code == 200


def test_a_step_is_recorded_once(db: Session, sign_in: SignIn, incident: Incident) -> None:
    client = sign_in("alice", fleet="operator")
    assert client.post(f"{PATH}/{incident.id}/steps/3", json={}).status_code == 200
    again = client.post(f"{PATH}/{incident.id}/steps/3", json={})
    assert again.status_code == 409
    assert "alice さんが記録済みです" in again.json()["detail"]


def test_two_who_assign_at_once_do_not_overwrite_each_other(db: Session, sign_in: SignIn, incident: Incident) -> None:
    client = sign_in("alice", fleet="operator")
    me = next(responder for responder in client.get(f"{PATH}/responders").json() if responder["name"] == "alice さん")
    body = {"version": incident.version, "user_id": me["id"]}
    assert client.post(f"{PATH}/{incident.id}/assignment", json=body).json()["assignee"] == me

    stale = client.post(f"{PATH}/{incident.id}/assignment", json=body | {"user_id": None})
    assert stale.status_code == 409
    assert stale.json()["current"]["assignee"] == me


def test_only_responders_can_be_assigned(db: Session, sign_in: SignIn, incident: Incident) -> None:
    sign_in("vic", fleet="viewer")
    client = sign_in("alice", fleet="operator")
    assert [responder["name"] for responder in client.get(f"{PATH}/responders").json()] == ["alice さん"]
    body = {"version": incident.version, "user_id": 999_999}
    assert client.post(f"{PATH}/{incident.id}/assignment", json=body).status_code == 422


def test_what_is_not_over_cannot_be_resolved(db: Session, sign_in: SignIn, incident: Incident) -> None:
    client = sign_in("alice", fleet="operator")
    body = {"version": incident.version, "resolution": "様子見"}
    refused = client.post(f"{PATH}/{incident.id}/resolution", json=body)
    assert refused.status_code == 409
    assert "まだ1台が復旧していません" in refused.json()["detail"]


def test_a_failed_update_is_resolved_by_a_user_with_a_text(db: Session, sign_in: SignIn) -> None:
    alert = factories.alert(db, factories.terminal(db), "update_failed", "書き込みに失敗しました。")
    incident = db.get_one(Incident, alert.incident_id)
    client = sign_in("alice", fleet="operator")

    body = {"version": incident.version, "resolution": "現地で書き込み直した"}
    resolved = client.post(f"{PATH}/{incident.id}/resolution", json=body).json()

    assert (resolved["resolved_by"], resolved["resolution"]) == ("alice さん", "現地で書き込み直した")
    db.expire_all()
    assert db.get_one(Alert, alert.id).is_resolved
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "status_change")).one()
    assert (entry.subject, entry.actor) == ("incident", "alice")
    assert client.post(f"{PATH}/{incident.id}/acknowledge").status_code == 409


def test_support_reads_and_notes_but_neither_assigns_nor_resolves(
    db: Session, sign_in: SignIn, incident: Incident
) -> None:
    client = sign_in("sato", fleet="support")
    assert client.post(f"{PATH}/{incident.id}/notes", json={"text": "店長に電話、折り返し待ち"}).status_code == 201
    [note] = [event for event in client.get(f"{PATH}/{incident.id}").json()["events"] if event["kind"] == "note"]
    assert (note["by"], note["text"]) == ("sato さん", "店長に電話、折り返し待ち")
    version = {"version": incident.version}
    for path, body in (
        ("acknowledge", None),
        ("assignment", version | {"user_id": None}),
        ("snooze", version | {"until": None}),
        ("resolution", version | {"resolution": "x"}),
    ):
        assert client.post(f"{PATH}/{incident.id}/{path}", json=body).status_code == 403
    assert sign_in("vic", fleet="viewer").get(PATH).status_code == 403


def test_the_counts_for_the_menu(db: Session, sign_in: SignIn, incident: Incident) -> None:
    client = sign_in("alice", fleet="operator")
    counts = client.get(f"{PATH}/counts").json()
    assert (counts["open"], counts["unacknowledged"], counts["overdue"], counts["snoozed"]) == (1, 1, 0, 0)
    advance_clock(db, 6)
    assert client.get(f"{PATH}/counts").json()["overdue"] == 1


def test_incidents_are_found_by_assignee(db: Session, sign_in: SignIn, incident: Incident) -> None:
    other = factories.terminal(db, factories.customer(db, "別の顧客"))
    record_heartbeat(db, other, status="error", error="紙切れ")
    watch.watch(db)
    alice = sign_in("alice", fleet="operator")
    alice_id = alice.post(f"{PATH}/{incident.id}/acknowledge").json()["assignee"]["id"]

    def customers_of(client: TestClient, assignee: str | int) -> list[str]:
        return [item["customer_name"] for item in client.get(PATH, params={"assignee": assignee}).json()["items"]]

    assert (customers_of(alice, "me"), customers_of(alice, "none"), customers_of(alice, alice_id)) == (
        ["ABC商事"],
        ["別の顧客"],
        ["ABC商事"],
    )
    assert customers_of(sign_in("bob", fleet="operator"), "me") == []
