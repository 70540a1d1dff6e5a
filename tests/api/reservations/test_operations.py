"""手動対応: owners, response targets, notifications while a task is unclaimed, and the on-call roster."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.models import Reservation
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.queue import actions as queue
from service.reservations.state_machine.states import Answer, Task
from tests import people
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
OPERATIONS, ROSTER = "/api/reservations/operations", "/api/reservations/roster"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def task(db: Session, kind: Task = Task.CUSTOMER_ENQUIRY, **fields: Any) -> tuple[Reservation, Operation]:
    reservation = scene.create_reservation(db, **fields)
    operation = operations.open_operation(db, reservation.id, reservation.code, kind, "折り返しがほしい")
    db.commit()
    return reservation, operation


def vague(db: Session, **fields: Any) -> Reservation:
    reservation = scene.create_reservation(db, **fields)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.VAGUE)
    db.commit()
    return reservation


def list_operations(client: TestClient, **params: str | int) -> list[dict[str, Any]]:
    response = client.get(OPERATIONS, params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def titles(client: TestClient, **params: str | int) -> list[str]:
    return [item["title"] for item in list_operations(client, **params)]


def post(client: TestClient, key: int, action: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    response = client.post(f"{OPERATIONS}/{key}/{action}", json=body)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def sent_texts(db: Session, topic: str) -> list[str]:
    """The sent texts, oldest first."""
    messages = db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id))
    return [message.payload["text" if topic == "slack" else "body"] for message in messages]


def shift(client: TestClient, user_id: int, starts_at: datetime, hours: int, phone: str = "090-7777-0001") -> Any:
    ends_at = starts_at + timedelta(hours=hours)
    body = {"user_id": user_id, "phone": phone, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
    return client.post(ROSTER, json=body)


def test_what_is_due_next_comes_first_and_what_is_done_last(olivia: TestClient, db: Session) -> None:
    task(db, Task.CUSTOMER_ENQUIRY)
    task(db, Task.LATE_CANCEL)
    task(db, Task.SMS_FAILED)
    _, done = task(db, Task.DISPUTE)
    post(olivia, done.id, "resolution", {"version": 1, "outcome": "Stripeに回答した"})

    assert titles(olivia) == ["SMS送信失敗", "期限超過後のキャンセル依頼", "依頼者からの問い合わせ"]
    assert titles(olivia, state="all")[-1] == titles(olivia, state="resolved")[0] == "支払いへの異議"
    assert titles(olivia, priority="medium") == titles(olivia, kind="late_cancel") == ["期限超過後のキャンセル依頼"]
    assert olivia.get(OPERATIONS, params={"sort": "title"}).status_code == 422


def test_tasks_are_found_by_reservation_name_and_number_however_it_is_written(olivia: TestClient, db: Session) -> None:
    reservation, _ = task(db, customer_name="百瀬 100%", phone="090-8888-1234")
    task(db, Task.LATE_CANCEL)

    for query in (
        reservation.code,
        reservation.code.lower()[4:],
        "百瀬",
        "0%",
        "090-8888",
        "＋８１ 90 8888",
        "8881234",
    ):
        assert [item["code"] for item in list_operations(olivia, q=query)] == [reservation.code], query
    assert titles(olivia, q="いない人") == []


def test_the_target_counts_down_and_says_when_it_is_near_and_over(olivia: TestClient, db: Session) -> None:
    """高: an hour of business time; 緊急: half an hour around the clock."""
    vague(db)
    item = list_operations(olivia)[0]
    assert (item["priority"], item["response"], item["left_seconds"]) == ("high", "running", 3600)

    scene.set_clock(db, app_now(db) + 46 * MINUTE)
    db.commit()
    assert list_operations(olivia)[0]["response"] == "near"
    assert olivia.get(f"{OPERATIONS}/counts").json()["near"] == 1
    assert titles(olivia, late=True) == []

    scene.set_clock(db, app_now(db) + 15 * MINUTE)
    db.commit()
    item = list_operations(olivia)[0]
    assert (item["response"], item["left_seconds"]) == ("overdue", -60)
    counts = olivia.get(f"{OPERATIONS}/counts").json()
    assert (counts["open"], counts["unclaimed"], counts["overdue"], counts["near"]) == (1, 1, 1, 0)
    assert titles(olivia, late=True) == ["曖昧な回答"]


def test_a_claimed_task_has_an_owner_and_a_second_claim_sees_both_sides(
    olivia: TestClient, db: Session, sign_in: SignIn
) -> None:
    _, operation = task(db)
    claimed = post(olivia, operation.id, "claim", {"version": 1})
    assert (claimed["owner"]["name"], claimed["version"]) == ("olivia さん", 2)
    assert titles(olivia, owner="me") == ["依頼者からの問い合わせ"]
    assert titles(olivia, owner="none") == []

    other = sign_in("oscar", reservations="operator")
    late = post(other, operation.id, "claim", {"version": 1}, 409)

    assert late["current"]["owner"]["name"] == "olivia さん"
    assert titles(other, owner="me") == []


def test_a_task_is_handed_over_released_and_noted_with_names(olivia: TestClient, db: Session) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    sally = people.create_user(db, "sally", reservations="support")
    _, operation = task(db)

    handed_over = post(olivia, operation.id, "hand-over", {"version": 1, "user_id": oscar.id})
    assert handed_over["owner"]["name"] == "oscar さん"
    refused = post(olivia, operation.id, "hand-over", {"version": 2, "user_id": sally.id}, 422)
    assert refused["errors"][0]["field"] == "user_id"
    post(olivia, operation.id, "notes", {"text": "15時に折り返す"}, 201)
    released = post(olivia, operation.id, "release", {"version": 2})

    assert released["owner"] is None
    assert [event["kind"] for event in released["events"]] == ["released", "note", "handed_over", "opened"]
    assert released["events"][1]["text"] == "15時に折り返す"


def test_a_task_is_resolved_with_an_outcome_and_once(olivia: TestClient, db: Session) -> None:
    _, operation = task(db)
    assert (
        olivia.post(f"{OPERATIONS}/{operation.id}/resolution", json={"version": 1, "outcome": " "}).status_code == 422
    )
    resolved = post(olivia, operation.id, "resolution", {"version": 1, "outcome": "説明して了承を得た"})

    assert (resolved["response"], resolved["outcome"], resolved["resolved_by"]) == (
        "met",
        "説明して了承を得た",
        "olivia さん",
    )
    again = post(olivia, operation.id, "resolution", {"version": 2, "outcome": "もう一度"}, 409)
    assert "olivia さんが完了しました" in again["detail"]
    assert olivia.get(f"{OPERATIONS}/999999").status_code == 404


def test_a_task_that_a_reservation_waits_for_is_not_resolved_by_hand(olivia: TestClient, db: Session) -> None:
    reservation = vague(db)
    key = list_operations(olivia)[0]["id"]

    refused = post(olivia, key, "resolution", {"version": 1, "outcome": "あとで"}, 409)
    assert "予約がこの対応を待って止まっています" in refused["detail"]
    detail = olivia.get(f"{OPERATIONS}/{key}").json()
    assert detail["may_resolve"] is False
    body = {"version": detail["reservation"]["version"]}
    assert olivia.post(f"/api/reservations/reservations/{reservation.code}/shop-refused", json=body).status_code == 200

    detail = olivia.get(f"{OPERATIONS}/{key}").json()
    assert (detail["resolved_by"], detail["reservation"]["state"]) == ("olivia さん", "calling")


def test_the_drawer_has_the_procedure_the_customer_and_the_call(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db, wishes="白いバラで", phone="090-8888-1234")
    scene.pass_time(db)
    call = scene.record_shop_answer(db, reservation, Answer.VAGUE)
    call.reading = {"why": "検討するとの回答", "quote": "検討します", "staff": "佐藤"}
    call.transcript = [{"is_shop": True, "text": "検討します"}]
    db.commit()

    detail = olivia.get(f"{OPERATIONS}/{list_operations(olivia)[0]['id']}").json()

    assert detail["steps"][0] == "該当の提携店に電話で確認します（1時間以内）。"
    facts = detail["reservation"]
    assert (facts["phone_shown"], facts["wishes"], facts["asked_name"]) == (
        "090-8888-1234",
        "白いバラで",
        "フラワー銀座",
    )
    call_facts = facts["calls"][0]
    assert (call_facts["quote"], call_facts["staff"], call_facts["transcript"]) == (
        "検討します",
        "佐藤",
        [{"is_shop": True, "text": "検討します"}],
    )
    assert {"shop_ok", "shop_refused", "rearrange", "cancel"} == set(facts["actions"])


def test_support_only_reads_the_queue_and_managers_have_no_access(db: Session, sign_in: SignIn) -> None:
    _, operation = task(db)
    support = sign_in("sally", reservations="support")
    assert titles(support) == ["依頼者からの問い合わせ"]
    post(support, operation.id, "claim", {"version": 1}, 403)
    assert client_status(sign_in("mark", reservations="manager")) == 403
    assert client_status(sign_in("charlie", fleet="admin")) == 403


def client_status(client: TestClient) -> int:
    return client.get(OPERATIONS).status_code


def test_the_queue_is_exported_as_it_is_filtered(olivia: TestClient, db: Session) -> None:
    reservation, _ = task(db, Task.SMS_FAILED, customer_name="=青木")
    task(db)

    rows = list(csv.DictReader(io.StringIO(olivia.get(f"{OPERATIONS}.csv", params={"priority": "urgent"}).text[1:])))

    assert [(row["予約ID"], row["優先度"], row["依頼者"], row["状況"]) for row in rows] == [
        (reservation.code, "緊急", "'=青木", "対応中")
    ]


def test_an_unclaimed_task_is_notified_once_before_its_deadline_and_once_after(olivia: TestClient, db: Session) -> None:
    reservation, _ = task(db, Task.VAGUE_ANSWER)
    assert sent_texts(db, "slack") == [f"予約ID: {reservation.code} が曖昧な回答"]
    scene.set_clock(db, app_now(db) + 44 * MINUTE)
    assert queue.notify_due_operations(db) == 0

    scene.set_clock(db, app_now(db) + 2 * MINUTE)
    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert sent_texts(db, "slack")[1].startswith(
        f"予約ID: {reservation.code} の手動対応の期限が近づいています\n曖昧な回答（高）"
    )
    scene.set_clock(db, app_now(db) + 15 * MINUTE)
    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert "期限を過ぎました" in sent_texts(db, "slack")[2]
    assert len(sent_texts(db, "slack")) == 3


def test_after_a_standstill_only_the_breach_is_notified(db: Session) -> None:
    task(db, Task.VAGUE_ANSWER)
    scene.set_clock(db, app_now(db) + timedelta(days=1))

    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert ["期限を過ぎました" in text for text in sent_texts(db, "slack")] == [False, True]


def test_escalation_stops_with_an_owner_and_goes_on_without(olivia: TestClient, db: Session) -> None:
    _, operation = task(db, Task.VAGUE_ANSWER)
    post(olivia, operation.id, "claim", {"version": 1})
    scene.set_clock(db, app_now(db) + timedelta(hours=2))
    assert queue.notify_due_operations(db) == 0

    post(olivia, operation.id, "release", {"version": 2})
    assert queue.notify_due_operations(db) == 1


def test_at_night_urgent_tasks_reach_the_operator_on_call_by_sms(olivia: TestClient, db: Session) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    assert shift(olivia, oscar.id, datetime(2031, 1, 8, 18, tzinfo=TOKYO), 15).status_code == 201
    scene.set_clock(db, datetime(2031, 1, 8, 23, 10, tzinfo=TOKYO))

    reservation, _ = task(db, Task.SMS_FAILED)
    task(db, Task.VAGUE_ANSWER)

    urgent = [text for text in sent_texts(db, "sms") if "緊急" in text]
    assert urgent == [
        f"【予約運用・緊急】予約ID: {reservation.code} SMS送信失敗。2031/1/8（水）23:40までに対応してください。"
    ]
    message = db.scalars(select(OutboxMessage).where(OutboxMessage.recipient == "+819077770001")).one()
    assert message.payload["to"] == "+819077770001"
    scene.set_clock(db, app_now(db) + 31 * MINUTE)
    queue.notify_due_operations(db)
    assert len([text for text in sent_texts(db, "sms") if "緊急" in text]) == 2


def test_by_day_no_sms_is_sent_and_out_of_hours_slack_says_that_no_operator_is_on_call(
    olivia: TestClient, db: Session
) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    shift(olivia, oscar.id, datetime(2031, 1, 8, 9, tzinfo=TOKYO), 9)
    task(db, Task.SMS_FAILED)
    scene.set_clock(db, datetime(2031, 1, 11, 10, 0, tzinfo=TOKYO))  # a Saturday
    reservation, _ = task(db, Task.SMS_FAILED)

    assert [text for text in sent_texts(db, "sms") if "緊急" in text] == []
    assert sent_texts(db, "slack")[-1] == (
        f"予約ID: {reservation.code} のSMS送信が全て失敗\n営業時間外ですが、オンコール当番が登録されていません。"
    )


def test_the_roster_has_no_overlapping_shifts(olivia: TestClient, db: Session) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    sally = people.create_user(db, "sally", reservations="support")
    night = datetime(2031, 1, 8, 18, tzinfo=TOKYO)
    first = shift(olivia, oscar.id, night, 15).json()["id"]

    overlap = shift(olivia, oscar.id, night + timedelta(hours=14), 5)
    assert overlap.status_code == 409
    assert "2031/1/8（水）18:00から2031/1/9（木）9:00までは、oscar さんの当番です" in overlap.json()["detail"]
    assert shift(olivia, oscar.id, night + timedelta(hours=15), 5).status_code == 201  # one begins as the other ends
    assert shift(olivia, sally.id, night + timedelta(days=3), 5).json()["errors"][0]["field"] == "user_id"
    assert shift(olivia, oscar.id, night + timedelta(days=3), -1).json()["errors"][0]["field"] == "ends_at"
    assert shift(olivia, oscar.id, night - timedelta(days=3), 1).status_code == 422
    assert shift(olivia, oscar.id, night + timedelta(days=3), 5, phone="12").json()["errors"][0]["field"] == "phone"
    landline = shift(olivia, oscar.id, night + timedelta(days=3), 5, phone="03-1234-5678")
    assert landline.status_code == 422
    assert "SMSを受け取れません" in landline.json()["errors"][0]["message"]

    assert olivia.get(f"{ROSTER}/now").json()["shift"] is None
    scene.set_clock(db, night + timedelta(hours=1))
    db.commit()
    current = olivia.get(f"{ROSTER}/now").json()["shift"]
    assert (current["id"], current["name"], current["phone_shown"], current["is_now"]) == (
        first,
        "oscar さん",
        "090-7777-0001",
        True,
    )
    assert olivia.get(f"{OPERATIONS}/counts").json()["on_call"]["id"] == first


def test_a_shift_is_changed_and_removed_on_the_version_that_was_read(olivia: TestClient, db: Session) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    night = datetime(2031, 1, 8, 18, tzinfo=TOKYO)
    key = shift(olivia, oscar.id, night, 15).json()["id"]
    shift(olivia, oscar.id, night + timedelta(hours=24), 15)

    longer = {"version": 1, "ends_at": (night + timedelta(hours=25)).isoformat()}
    assert olivia.patch(f"{ROSTER}/{key}", json=longer).status_code == 409
    assert olivia.patch(f"{ROSTER}/{key}", json={"version": 1, "phone": "080-1111-2222"}).status_code == 204
    assert olivia.patch(f"{ROSTER}/{key}", json={"version": 2, "phone": "06-1234-5678"}).status_code == 422
    stale = olivia.patch(f"{ROSTER}/{key}", json={"version": 1, "phone": "080-1111-3333"})
    assert (stale.status_code, stale.json()["current"]["phone"]) == (409, "+818011112222")
    assert olivia.delete(f"{ROSTER}/{key}", params={"version": 1}).status_code == 409
    assert olivia.delete(f"{ROSTER}/{key}", params={"version": 2}).status_code == 204

    assert [item["id"] for item in olivia.get(ROSTER).json()["items"]] != [key]
    assert olivia.get(ROSTER).json()["total"] == 1
    assert olivia.delete(f"{ROSTER}/{key}", params={"version": 3}).status_code == 404
