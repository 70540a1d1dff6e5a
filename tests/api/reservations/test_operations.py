"""手動対応: who has what until when, the clocks while nobody does, and who is on call."""

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
from service.reservations.events.rules import Answer, Task
from service.reservations.flow.models import Reservation
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.queue import actions as queue
from tests import people
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
OPERATIONS, ROSTER = "/api/reservations/operations", "/api/reservations/roster"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def task(db: Session, kind: Task = Task.CUSTOMER_ENQUIRY, **said: Any) -> tuple[Reservation, Operation]:
    reservation = scene.ask(db, **said)
    operation = operations.open_operation(db, reservation.id, reservation.code, kind, "折り返しがほしい")
    db.commit()
    return reservation, operation


def vague(db: Session, **said: Any) -> Reservation:
    reservation = scene.ask(db, **said)
    scene.pass_time(db)
    scene.shop_says(db, reservation, Answer.VAGUE)
    db.commit()
    return reservation


def listed(client: TestClient, **asked: str | int) -> list[dict[str, Any]]:
    answer = client.get(OPERATIONS, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def titles(client: TestClient, **asked: str | int) -> list[str]:
    return [one["title"] for one in listed(client, **asked)]


def post(client: TestClient, key: int, what: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = client.post(f"{OPERATIONS}/{key}/{what}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def said(db: Session, topic: str) -> list[str]:
    """What went out, oldest first."""
    found = db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id))
    return [message.payload["text" if topic == "slack" else "body"] for message in found]


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
    found, _ = task(db, customer_name="百瀬 100%", phone="090-8888-1234")
    task(db, Task.LATE_CANCEL)

    for asked in (found.code, found.code.lower()[4:], "百瀬", "0%", "090-8888", "＋８１ 90 8888", "8881234"):
        assert [one["code"] for one in listed(olivia, q=asked)] == [found.code], asked
    assert titles(olivia, q="いない人") == []


def test_the_target_counts_down_and_says_when_it_is_near_and_over(olivia: TestClient, db: Session) -> None:
    """高: an hour of working time; 緊急: half an hour of any."""
    vague(db)
    one = listed(olivia)[0]
    assert (one["priority"], one["response"], one["left_seconds"]) == ("high", "running", 3600)

    scene.set_clock(db, app_now(db) + 46 * MINUTE)
    db.commit()
    assert listed(olivia)[0]["response"] == "near"
    assert olivia.get(f"{OPERATIONS}/counts").json()["near"] == 1
    assert titles(olivia, late=True) == []

    scene.set_clock(db, app_now(db) + 15 * MINUTE)
    db.commit()
    one = listed(olivia)[0]
    assert (one["response"], one["left_seconds"]) == ("overdue", -60)
    counts = olivia.get(f"{OPERATIONS}/counts").json()
    assert (counts["open"], counts["unclaimed"], counts["overdue"], counts["near"]) == (1, 1, 1, 0)
    assert titles(olivia, late=True) == ["曖昧な回答"]


def test_whoever_takes_a_task_has_it_and_a_second_one_sees_both_sides(
    olivia: TestClient, db: Session, sign_in: SignIn
) -> None:
    _, operation = task(db)
    mine = post(olivia, operation.id, "claim", {"version": 1})
    assert (mine["owner"]["name"], mine["version"]) == ("olivia さん", 2)
    assert titles(olivia, owner="me") == ["依頼者からの問い合わせ"]
    assert titles(olivia, owner="none") == []

    other = sign_in("oscar", reservations="operator")
    late = post(other, operation.id, "claim", {"version": 1}, 409)

    assert late["current"]["owner"]["name"] == "olivia さん"
    assert titles(other, owner="me") == []


def test_a_task_is_handed_over_given_back_and_noted_with_names(olivia: TestClient, db: Session) -> None:
    oscar = people.person(db, "oscar", reservations="operator")
    sally = people.person(db, "sally", reservations="support")
    _, operation = task(db)

    given = post(olivia, operation.id, "hand-over", {"version": 1, "user_id": oscar.id})
    assert given["owner"]["name"] == "oscar さん"
    refused = post(olivia, operation.id, "hand-over", {"version": 2, "user_id": sally.id}, 422)
    assert refused["errors"][0]["field"] == "user_id"
    post(olivia, operation.id, "notes", {"text": "15時に折り返す"}, 201)
    back = post(olivia, operation.id, "release", {"version": 2})

    assert back["owner"] is None
    assert [one["kind"] for one in back["events"]] == ["released", "note", "handed_over", "opened"]
    assert back["events"][1]["text"] == "15時に折り返す"


def test_what_is_done_is_done_with_an_outcome_and_once(olivia: TestClient, db: Session) -> None:
    _, operation = task(db)
    assert (
        olivia.post(f"{OPERATIONS}/{operation.id}/resolution", json={"version": 1, "outcome": " "}).status_code == 422
    )
    done = post(olivia, operation.id, "resolution", {"version": 1, "outcome": "説明して了承を得た"})

    assert (done["response"], done["outcome"], done["resolved_by"]) == ("met", "説明して了承を得た", "olivia さん")
    again = post(olivia, operation.id, "resolution", {"version": 2, "outcome": "もう一度"}, 409)
    assert "olivia さんが完了しました" in again["detail"]
    assert olivia.get(f"{OPERATIONS}/999999").status_code == 404


def test_a_reservation_that_waits_for_people_is_not_forgotten_by_ticking_it_off(
    olivia: TestClient, db: Session
) -> None:
    reservation = vague(db)
    key = listed(olivia)[0]["id"]

    refused = post(olivia, key, "resolution", {"version": 1, "outcome": "あとで"}, 409)
    assert "予約がこの対応を待って止まっています" in refused["detail"]
    shown = olivia.get(f"{OPERATIONS}/{key}").json()
    assert shown["may_resolve"] is False
    body = {"version": shown["reservation"]["version"]}
    assert olivia.post(f"/api/reservations/reservations/{reservation.code}/shop-refused", json=body).status_code == 200

    shown = olivia.get(f"{OPERATIONS}/{key}").json()
    assert (shown["resolved_by"], shown["reservation"]["state"]) == ("olivia さん", "calling")


def test_the_drawer_has_the_procedure_the_customer_and_the_call(olivia: TestClient, db: Session) -> None:
    reservation = scene.ask(db, wishes="白いバラで", phone="090-8888-1234")
    scene.pass_time(db)
    call = scene.shop_says(db, reservation, Answer.VAGUE)
    call.reading = {"why": "検討するとの回答", "quote": "検討します", "staff": "佐藤"}
    call.transcript = [{"is_shop": True, "text": "検討します"}]
    db.commit()

    shown = olivia.get(f"{OPERATIONS}/{listed(olivia)[0]['id']}").json()

    assert shown["steps"][0] == "該当の提携店に電話で確認します（1時間以内）。"
    facts = shown["reservation"]
    assert (facts["phone_shown"], facts["wishes"], facts["asked_name"]) == (
        "090-8888-1234",
        "白いバラで",
        "フラワー銀座",
    )
    heard = facts["calls"][0]
    assert (heard["quote"], heard["staff"], heard["transcript"]) == (
        "検討します",
        "佐藤",
        [{"is_shop": True, "text": "検討します"}],
    )
    assert {"shop_ok", "shop_refused", "rearrange", "cancel"} == set(facts["actions"])


def test_support_reads_the_queue_and_takes_nothing_and_the_management_is_not_let_in(
    db: Session, sign_in: SignIn
) -> None:
    _, operation = task(db)
    support = sign_in("sally", reservations="support")
    assert titles(support) == ["依頼者からの問い合わせ"]
    post(support, operation.id, "claim", {"version": 1}, 403)
    assert client_status(sign_in("mark", reservations="manager")) == 403
    assert client_status(sign_in("charlie", fleet="admin")) == 403


def client_status(client: TestClient) -> int:
    return client.get(OPERATIONS).status_code


def test_the_queue_is_taken_along_as_it_is_cut(olivia: TestClient, db: Session) -> None:
    found, _ = task(db, Task.SMS_FAILED, customer_name="=青木")
    task(db)

    rows = list(csv.DictReader(io.StringIO(olivia.get(f"{OPERATIONS}.csv", params={"priority": "urgent"}).text[1:])))

    assert [(row["予約ID"], row["優先度"], row["依頼者"], row["状況"]) for row in rows] == [
        (found.code, "緊急", "'=青木", "対応中")
    ]


def test_what_nobody_has_is_told_once_before_it_is_late_and_once_when_it_is(olivia: TestClient, db: Session) -> None:
    reservation, _ = task(db, Task.VAGUE_ANSWER)
    assert said(db, "slack") == [f"予約ID: {reservation.code} が曖昧な回答"]
    scene.set_clock(db, app_now(db) + 44 * MINUTE)
    assert queue.notify_due_operations(db) == 0

    scene.set_clock(db, app_now(db) + 2 * MINUTE)
    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert said(db, "slack")[1].startswith(
        f"予約ID: {reservation.code} の手動対応の期限が近づいています\n曖昧な回答（高）"
    )
    scene.set_clock(db, app_now(db) + 15 * MINUTE)
    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert "期限を過ぎました" in said(db, "slack")[2]
    assert len(said(db, "slack")) == 3


def test_after_a_standstill_only_the_breach_is_told(db: Session) -> None:
    task(db, Task.VAGUE_ANSWER)
    scene.set_clock(db, app_now(db) + timedelta(days=1))

    assert (queue.notify_due_operations(db), queue.notify_due_operations(db)) == (1, 0)
    assert ["期限を過ぎました" in text for text in said(db, "slack")] == [False, True]


def test_escalation_stops_with_a_person_and_goes_on_without(olivia: TestClient, db: Session) -> None:
    _, operation = task(db, Task.VAGUE_ANSWER)
    post(olivia, operation.id, "claim", {"version": 1})
    scene.set_clock(db, app_now(db) + timedelta(hours=2))
    assert queue.notify_due_operations(db) == 0

    post(olivia, operation.id, "release", {"version": 2})
    assert queue.notify_due_operations(db) == 1


def test_at_night_the_urgent_reaches_whoever_is_on_call_by_sms(olivia: TestClient, db: Session) -> None:
    oscar = people.person(db, "oscar", reservations="operator")
    assert shift(olivia, oscar.id, datetime(2031, 1, 8, 18, tzinfo=TOKYO), 15).status_code == 201
    scene.set_clock(db, datetime(2031, 1, 8, 23, 10, tzinfo=TOKYO))

    reservation, _ = task(db, Task.SMS_FAILED)
    task(db, Task.VAGUE_ANSWER)

    calls = [text for text in said(db, "sms") if "緊急" in text]
    assert calls == [
        f"【予約運用・緊急】予約ID: {reservation.code} SMS送信失敗。2031/1/8（水）23:40までに対応してください。"
    ]
    message = db.scalars(select(OutboxMessage).where(OutboxMessage.recipient == "+819077770001")).one()
    assert message.payload["to"] == "+819077770001"
    scene.set_clock(db, app_now(db) + 31 * MINUTE)
    queue.notify_due_operations(db)
    assert len([text for text in said(db, "sms") if "緊急" in text]) == 2


def test_by_day_nobody_is_rung_and_at_night_slack_says_when_nobody_is_on_call(olivia: TestClient, db: Session) -> None:
    oscar = people.person(db, "oscar", reservations="operator")
    shift(olivia, oscar.id, datetime(2031, 1, 8, 9, tzinfo=TOKYO), 9)
    task(db, Task.SMS_FAILED)
    scene.set_clock(db, datetime(2031, 1, 11, 10, 0, tzinfo=TOKYO))  # a Saturday
    reservation, _ = task(db, Task.SMS_FAILED)

    assert [text for text in said(db, "sms") if "緊急" in text] == []
    assert said(db, "slack")[-1] == (
        f"予約ID: {reservation.code} のSMS送信が全て失敗\n営業時間外ですが、オンコール当番が登録されていません。"
    )


def test_the_roster_is_kept_without_two_at_a_time(olivia: TestClient, db: Session) -> None:
    oscar = people.person(db, "oscar", reservations="operator")
    sally = people.person(db, "sally", reservations="support")
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
    now = olivia.get(f"{ROSTER}/now").json()["shift"]
    assert (now["id"], now["name"], now["phone_shown"], now["is_now"]) == (first, "oscar さん", "090-7777-0001", True)
    assert olivia.get(f"{OPERATIONS}/counts").json()["on_call"]["id"] == first


def test_a_shift_is_changed_and_removed_on_the_version_that_was_read(olivia: TestClient, db: Session) -> None:
    oscar = people.person(db, "oscar", reservations="operator")
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

    assert [one["id"] for one in olivia.get(ROSTER).json()["items"]] != [key]
    assert olivia.get(ROSTER).json()["total"] == 1
    assert olivia.delete(f"{ROSTER}/{key}", params={"version": 3}).status_code == 404
