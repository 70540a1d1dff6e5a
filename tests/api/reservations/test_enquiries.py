"""問い合わせ: recorded by staff or sent by the form, answered within the targets of 7.3.1, each notification once."""

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

from service.core import holidays
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.enquiries import actions as enquiries
from service.reservations.enquiries import queries
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.state_machine.states import Task
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
ENQUIRIES = "/api/reservations/enquiries"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEW_ENQUIRY = {
    "party": "customer",
    "channel": "mail",
    "sender_name": "青木 花子",
    "mail": "aoki@example.jp",
    "topic": "領収書について",
    "content": "領収書は発行できますか。",
    "category": "payment",
}
RESOLUTION = {"way": "faq", "outcome": "FAQのとおりに案内した"}


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    """Wednesday, 2031/1/8 10:00."""
    scene.fill(db)
    db.commit()


@pytest.fixture
def sally(sign_in: SignIn) -> TestClient:
    return sign_in("sally", reservations="support")


def create_enquiry(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post(ENQUIRIES, json=NEW_ENQUIRY | fields)
    assert response.status_code == 201, response.text
    return get_enquiry(client, response.json()["id"])


def get_enquiry(client: TestClient, key: int) -> dict[str, Any]:
    response = client.get(f"{ENQUIRIES}/{key}")
    assert response.status_code == 200, response.text
    enquiry: dict[str, Any] = response.json()
    return enquiry


def post(
    client: TestClient, enquiry: dict[str, Any], action: str, status: int = 200, /, **fields: Any
) -> dict[str, Any]:
    body = fields if action == "notes" else {"version": enquiry["version"]} | fields
    response = client.post(f"{ENQUIRIES}/{enquiry['id']}/{action}", json=body)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def patch(client: TestClient, enquiry: dict[str, Any], status: int = 200, /, **fields: Any) -> dict[str, Any]:
    response = client.patch(f"{ENQUIRIES}/{enquiry['id']}", json={"version": enquiry["version"]} | fields)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def list_topics(client: TestClient, **params: str | int) -> list[str]:
    response = client.get(ENQUIRIES, params=params)
    assert response.status_code == 200, response.text
    return [item["topic"] for item in response.json()["items"]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def advance_to(db: Session, text: str) -> int:
    """Sets the clock to that time in Tokyo. Returns the number of notifications."""
    scene.set_clock(db, at(text))
    notified = enquiries.notify_targets(db)
    db.commit()
    return notified


def outbox_messages(db: Session, topic: str) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def slack(db: Session) -> list[str]:
    return [message.payload["text"].splitlines()[0] for message in outbox_messages(db, "slack")]


@pytest.mark.parametrize(
    ("party", "channel", "first"),
    [
        ("customer", "mail", "2031-01-08T12:00"),
        ("shop", "mail", "2031-01-08T14:00"),
        ("customer", "phone", "2031-01-08T10:00"),
        ("shop", "phone", "2031-01-08T10:00"),
    ],
)
def test_targets_are_those_of_the_document(sally: TestClient, party: str, channel: str, first: str) -> None:
    enquiry = create_enquiry(sally, party=party, channel=channel, phone="03-1234-0001")

    assert datetime.fromisoformat(enquiry["first_due_at"]) == at(first)
    # 24 hours of desks that are open for nine: Friday, 16:00.
    assert datetime.fromisoformat(enquiry["resolution_due_at"]) == at("2031-01-10T16:00")
    is_call = channel == "phone"
    assert (enquiry["first"]["response"], enquiry["due_title"]) == (
        ("met", "解決") if is_call else ("running", "初回応答")
    )


def test_targets_count_business_hours_without_holidays_and_stay_as_they_were(sally: TestClient, db: Session) -> None:
    advance_to(db, "2031-01-10T17:00")
    holidays.top_up(db)
    db.commit()
    enquiry = create_enquiry(sally)

    # Monday, 1/13, is 成人の日.
    assert datetime.fromisoformat(enquiry["first_due_at"]) == at("2031-01-14T10:00")


def test_a_missed_call_has_to_be_returned(sally: TestClient, db: Session) -> None:
    missed = create_enquiry(sally, channel="phone", phone="090-1234-5678", mail="", was_answered=False)
    assert (missed["status"], missed["first_response_at"]) == ("received", None)
    assert advance_to(db, "2031-01-08T10:01") == 1
    assert "初回応答が目標時間を過ぎました" in slack(db)[-1]

    tried = post(sally, missed, "calls", 201, text="留守番電話でした", reached=False)
    assert tried["first_response_at"] is None
    reached = post(sally, tried, "calls", 201, text="領収書の出し方を案内")
    assert (reached["first"]["response"], reached["first"]["minutes"], reached["status"]) == ("missed", 1, "working")


def test_a_late_enquiry_is_warned_about_and_notified_once(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally)
    assert advance_to(db, "2031-01-08T11:29") == 0
    assert advance_to(db, "2031-01-08T11:30") == 1
    assert advance_to(db, "2031-01-08T11:31") == 0
    assert slack(db)[-1] == f"問い合わせ {enquiry['code']}（依頼者・Email）の初回応答の目標時間が近づいています"
    assert advance_to(db, "2031-01-08T12:01") == 1
    assert slack(db)[-1] == f"問い合わせ {enquiry['code']}（依頼者・Email）の初回応答が目標時間を過ぎました"
    assert advance_to(db, "2031-01-08T17:59") == 0
    # The resolution is near on Friday at 10:00 and due at 16:00.
    assert [advance_to(db, time) for time in ("2031-01-10T10:00", "2031-01-10T16:01", "2031-01-14T09:00")] == [1, 1, 0]
    kinds = [event["kind"] for event in get_enquiry(sally, enquiry["id"])["events"]]
    assert kinds == ["breached", "warned", "breached", "warned", "received"]


def test_a_resolved_enquiry_is_not_warned_about(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally)
    post(sally, post(sally, enquiry, "answers", 201, subject="Re:", text="発行できます。"), "resolution", **RESOLUTION)

    assert advance_to(db, "2031-02-03T10:00") == 0


def test_an_answer_by_mail_is_sent_stored_and_ends_the_first_target(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally)
    assert enquiry["answer_body"].startswith("青木 花子 様")
    advance_to(db, "2031-01-08T11:10")
    answered = post(
        sally, enquiry, "answers", 201, subject=enquiry["answer_subject"], text="発行できます。", waits=True
    )

    [mail] = outbox_messages(db, "mail")
    assert mail.payload["to"] == ["aoki@example.jp"]
    assert mail.payload["subject"] == f"Re: 領収書について（{enquiry['code']}）"
    assert mail.payload["body"].startswith("発行できます。")
    assert "> 領収書は発行できますか。" in mail.payload["body"]
    assert (answered["status"], answered["first"]["response"], answered["first"]["minutes"]) == ("waiting", "met", 70)
    event = answered["events"][0]
    assert (event["kind"], event["by"], event["sending"]) == ("mailed", "sally さん", "waiting")
    assert "発行できます。" in event["text"]

    mail.sent_at = app_now(db)
    db.commit()
    replied = post(sally, answered, "notes", 201, text="お願いします、とのこと", is_reply=True)
    assert (replied["status"], replied["events"][1]["sending"]) == ("working", "sent")


def test_without_an_address_nothing_is_mailed(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally, channel="phone", mail="", phone="090-1234-5678")
    refused = post(sally, enquiry, "answers", 422, subject="Re:", text="発行できます。")

    assert "メールアドレスが登録されていません" in refused["detail"]
    assert outbox_messages(db, "mail") == []


def test_a_call_that_was_settled_at_once_is_one_step(sally: TestClient, db: Session) -> None:
    missing = sally.post(ENQUIRIES, json=NEW_ENQUIRY | {"channel": "phone", "way": "faq"})
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "outcome")
    settled = create_enquiry(
        sally, channel="phone", received_at=at("2031-01-08T09:50").isoformat(), faq="wanted", **RESOLUTION
    )

    assert (settled["status"], settled["way"], settled["resolution"]["minutes"]) == ("resolved", "faq", 10)
    assert list_topics(sally) == []
    assert list_topics(sally, state="resolved") == list_topics(sally, state="all", faq="wanted") == ["領収書について"]


def test_an_impossible_enquiry_is_refused_by_field(sally: TestClient, db: Session) -> None:
    future = (app_now(db) + HOUR).isoformat()
    for fields, field in (
        ({"received_at": future}, "received_at"),
        ({"reservation": "QRV-NOPE00"}, "reservation"),
        ({"shop": "S999"}, "shop"),
        ({"phone": "12"}, "phone"),
        ({"mail": "aoki"}, "mail"),
        ({"topic": "  "}, "topic"),
    ):
        refused = sally.post(ENQUIRIES, json=NEW_ENQUIRY | fields)
        assert refused.status_code == 422, fields
        assert refused.json()["errors"][0]["field"].startswith(field)
    unreachable = sally.post(ENQUIRIES, json=NEW_ENQUIRY | {"mail": ""})
    assert "メールアドレスか電話番号" in unreachable.text


def test_a_reservation_is_found_and_the_senders_contact_compared_with_it(sally: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db, mail="Aoki@example.jp")
    db.commit()
    known = create_enquiry(sally, reservation=f" {reservation.code.lower()} ")
    other = create_enquiry(sally, reservation=reservation.code, mail="other@example.jp")
    from_shop = create_enquiry(sally, party="shop", shop="s001", mail="ginza@flower.example")

    assert (known["reservation_code"], known["is_known_contact"]) == (reservation.code, True)
    assert (other["is_known_contact"], create_enquiry(sally)["is_known_contact"]) == (False, None)
    assert (from_shop["shop_name"], from_shop["is_known_contact"]) == ("フラワー銀座", True)
    assert len(list_topics(sally, q=reservation.code)) == 2


def test_another_level_has_another_target(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally)
    high = patch(sally, enquiry, level="high")
    assert (high["resolution_due_at"], high["resolution"]) == (None, None)
    medium = patch(sally, high, level="medium")
    assert medium["resolution_due_at"] == enquiry["resolution_due_at"]
    entry = db.scalars(
        select(AuditEntry).where(AuditEntry.subject == "enquiry").order_by(AuditEntry.id.desc()).limit(1)
    ).one()
    assert (entry.action, entry.before, entry.after) == ("update", {"level": "high"}, {"level": "medium"})


def test_a_stale_edit_is_a_conflict_not_an_overwrite(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = create_enquiry(sally)
    patch(sally, enquiry, category="other")
    late = patch(sally, enquiry, 409, category="booking")
    assert (late["yours"]["category"], late["current"]["category"]) == ("booking", "other")
    for action, fields in (
        ("answers", {"subject": "Re:", "text": "はい"}),
        ("calls", {"text": "はい"}),
        ("claim", {}),
        ("resolution", RESOLUTION),
    ):
        assert post(sally, enquiry, action, 409, **fields)["type"] == "urn:genba:stale"
    assert [event["kind"] for event in get_enquiry(sally, enquiry["id"])["events"]] == ["edited", "received"]


def test_an_enquiry_is_claimed_and_handed_over(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = create_enquiry(sally)
    claimed = post(sally, enquiry, "claim")
    assert (claimed["owner"]["name"], claimed["status"]) == ("sally さん", "working")
    assert list_topics(sally, owner="me") == ["領収書について"]
    assert list_topics(sally, owner="none") == []
    olivia = sign_in("olivia", reservations="operator")
    user_ids = {user["name"]: user["id"] for user in olivia.get(f"{ENQUIRIES}/people").json()}
    handed_over = post(olivia, claimed, "hand-over", user_id=user_ids["olivia さん"])
    assert handed_over["owner"]["name"] == "olivia さん"
    manager = sign_in("mona", reservations="manager").get("/api/auth/me").json()
    assert post(sign_in("sam", reservations="support"), handed_over, "hand-over", 422, user_id=999999)["errors"]
    assert "mona さん" not in user_ids
    assert manager["name"] == "mona さん"


def test_it_becomes_a_manual_operation_or_joins_one(sally: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    existing = operations.open_operation(db, reservation.id, reservation.code, Task.SMS_FAILED)
    db.commit()
    unlinked = create_enquiry(sally)
    assert "先に予約IDを登録してください" in post(sally, unlinked, "operation", 422)["detail"]

    first = create_enquiry(sally, reservation=reservation.code)
    assert [operation["title"] for operation in first["operations"]] == ["SMS送信失敗"]
    joined = post(sally, first, "operation", operation_id=existing.id)
    assert joined["operation"]["title"] == "SMS送信失敗"
    opened = post(sally, create_enquiry(sally, reservation=reservation.code), "operation")
    task = db.get_one(Operation, opened["operation"]["id"])
    assert (task.kind, task.priority, task.reservation_id) == ("customer_enquiry", "low", reservation.id)
    assert task.detail.startswith(f"{opened['code']} 領収書について")
    other = scene.create_reservation(db)
    foreign = operations.open_operation(db, other.id, other.code, Task.SMS_FAILED)
    db.commit()
    assert post(sally, opened, "operation", 422, operation_id=foreign.id)["errors"]


def test_a_resolved_enquiry_can_be_reopened(sally: TestClient, db: Session) -> None:
    enquiry = create_enquiry(sally)
    resolved = post(sally, enquiry, "resolution", **RESOLUTION)
    assert (resolved["status"], resolved["resolved_at"] is not None, resolved["due_at"]) == ("resolved", True, None)
    assert resolved["response"] == "met"
    for action, fields in (("resolution", RESOLUTION), ("claim", {}), ("calls", {"text": "はい"})):
        assert "解決にしました" in post(sally, resolved, action, 409, **fields)["detail"]

    reopened = post(sally, resolved, "reopening", reason="まだ届かないとのこと")
    assert (reopened["status"], reopened["resolved_at"]) == ("working", None)
    assert reopened["resolution_due_at"] == enquiry["resolution_due_at"]
    assert post(sally, reopened, "reopening", 409, reason="x")["status"] == 409


def test_enquiries_are_searched_filtered_and_exported(sally: TestClient, db: Session) -> None:
    create_enquiry(sally, topic="100%の返金", content="返金は?", category="cancellation", phone="090-1234-5678")
    create_enquiry(
        sally, party="shop", channel="phone", topic="電話が聞き取れない", sender_name="佐藤 花", category="calls"
    )
    advance_to(db, "2031-01-08T12:30")

    assert (
        list_topics(sally, q="0%") == list_topics(sally, q="1234-56") == list_topics(sally, late=True) == ["100%の返金"]
    )
    assert list_topics(sally, unanswered=True) == list_topics(sally, party="customer") == ["100%の返金"]
    assert list_topics(sally, channel="phone") == list_topics(sally, q="佐藤") == ["電話が聞き取れない"]
    assert list_topics(sally, category="calls", level="low", since="2031-01-08", until="2031-01-08") == [
        "電話が聞き取れない"
    ]
    assert list_topics(sally, until="2031-01-07") == list_topics(sally, level="high") == []
    assert list_topics(sally, sort="received_at") == ["100%の返金", "電話が聞き取れない"]
    assert sally.get(ENQUIRIES, params={"sort": "topic"}).status_code == 422
    for day in ("0001-01-01", "9999-12-31"):
        assert sally.get(ENQUIRIES, params={"since": day, "until": day}).status_code == 422
    counts = sally.get(f"{ENQUIRIES}/counts").json()
    assert (counts["open"], counts["unanswered"], counts["overdue"], counts["mine"]) == (2, 1, 1, 1)

    response = sally.get(f"{ENQUIRIES}.csv", params={"party": "customer"})
    [row] = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig")))
    assert (row["件名"], row["問い合わせ元"], row["チャネル"], row["種別"]) == (
        "100%の返金",
        "依頼者",
        "Email",
        "キャンセル・返金",
    )
    assert sally.get(f"{ENQUIRIES}.xlsx").status_code == 200


def test_operators_answer_and_managers_see_figures_only(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = create_enquiry(sally)
    olivia = sign_in("olivia", reservations="operator")
    answered = post(olivia, enquiry, "answers", 201, subject="Re:", text="はい")
    assert post(olivia, answered, "notes", 201, text="確認済み")["events"][0]["by"] == "olivia さん"
    patch(olivia, answered, 403, category="other")
    post(olivia, answered, "resolution", 403, **RESOLUTION)
    assert olivia.post(ENQUIRIES, json=NEW_ENQUIRY).status_code == 403

    mona = sign_in("mona", reservations="manager")
    assert mona.get(ENQUIRIES).status_code == mona.get(f"{ENQUIRIES}/{enquiry['id']}").status_code == 403
    assert mona.get(f"{ENQUIRIES}.csv").status_code == 403
    assert mona.get(f"{ENQUIRIES}/counts").json()["open"] == 1
    charlie = sign_in("charlie", loaners="admin")
    assert charlie.get(f"{ENQUIRIES}/counts").status_code == charlie.get(ENQUIRIES).status_code == 403


def test_kpis_say_how_many_were_in_time(sally: TestClient, db: Session) -> None:
    since = app_now(db)
    in_time = create_enquiry(sally, topic="間に合う", faq="wanted")
    late, never = create_enquiry(sally, topic="遅れる", category="booking"), create_enquiry(sally, topic="まだ")
    create_enquiry(sally, channel="phone", phone="090-1234-5678", **RESOLUTION)
    create_enquiry(sally, channel="phone", phone="090-1234-5678", was_answered=False, level="high")
    repeated = create_enquiry(sally, topic="重複")
    post(sally, repeated, "resolution", **RESOLUTION)
    advance_to(db, "2031-01-08T11:00")
    answered = post(sally, in_time, "answers", 201, subject="Re:", text="はい")
    advance_to(db, "2031-01-08T13:00")
    post(sally, late, "answers", 201, subject="Re:", text="はい")
    advance_to(db, "2031-01-09T10:00")
    post(sally, answered, "resolution", **RESOLUTION)
    advance_to(db, "2031-01-14T10:00")

    kpis = queries.kpis(db, since, app_now(db))

    assert (kpis.count, kpis.by_channel, kpis.unresolved) == (6, {"Email": 4, "電話": 2}, 3)
    # Answered after 60 minutes, after 180, and never; one that was closed without an answer before it was due does not
    # count.
    assert (kpis.first_mail.due, kpis.first_mail.met, kpis.first_mail.median_minutes) == (3, 1, 120)
    assert (kpis.first_phone.due, kpis.first_phone.met, kpis.first_phone.median_minutes) == (2, 1, 0)
    # 高 has no target of 24 hours; of Medium and Low three were resolved, after 0, 0 and 540 minutes, and two never.
    assert (kpis.resolution.due, kpis.resolution.met, kpis.resolution.median_minutes) == (5, 3, 0)
    assert kpis.categories == (("お支払い", 5), ("予約の内容・変更", 1))
    assert kpis.for_faq == ((in_time["code"], "間に合う"),)
    assert never["status"] == "received"
    assert queries.kpis(db, app_now(db), app_now(db)).count == 0
    before, now = queries.trend(db, [(since - HOUR, since), (since, app_now(db))])
    assert (before.count, now.count, now.first_mail) == (0, 6, kpis.first_mail)
