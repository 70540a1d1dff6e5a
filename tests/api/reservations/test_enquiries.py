"""問い合わせ: taken down or sent by the form, answered within the targets of 7.3.1, each notice once."""

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
from service.reservations.events.rules import Task
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
ENQUIRIES = "/api/reservations/enquiries"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ASKED = {
    "party": "customer",
    "channel": "mail",
    "sender_name": "青木 花子",
    "mail": "aoki@example.jp",
    "topic": "領収書について",
    "content": "領収書は発行できますか。",
    "category": "payment",
}
SETTLED = {"way": "faq", "outcome": "FAQのとおりに案内した"}


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    """Wednesday, 2031/1/8 10:00."""
    scene.fill(db)
    db.commit()


@pytest.fixture
def sally(sign_in: SignIn) -> TestClient:
    return sign_in("sally", reservations="support")


def made(client: TestClient, **said: Any) -> dict[str, Any]:
    answer = client.post(ENQUIRIES, json=ASKED | said)
    assert answer.status_code == 201, answer.text
    return shown(client, answer.json()["id"])


def shown(client: TestClient, key: int) -> dict[str, Any]:
    answer = client.get(f"{ENQUIRIES}/{key}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def post(client: TestClient, enquiry: dict[str, Any], what: str, status: int = 200, /, **said: Any) -> dict[str, Any]:
    body = said if what == "notes" else {"version": enquiry["version"]} | said
    answer = client.post(f"{ENQUIRIES}/{enquiry['id']}/{what}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patch(client: TestClient, enquiry: dict[str, Any], status: int = 200, /, **said: Any) -> dict[str, Any]:
    answer = client.patch(f"{ENQUIRIES}/{enquiry['id']}", json={"version": enquiry["version"]} | said)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(client: TestClient, **asked: str | int) -> list[str]:
    answer = client.get(ENQUIRIES, params=asked)
    assert answer.status_code == 200, answer.text
    return [one["topic"] for one in answer.json()["items"]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def go_to(db: Session, text: str) -> int:
    """To that time in Tokyo; how many notices that led to."""
    scene.set_clock(db, at(text))
    told = enquiries.notify_targets(db)
    db.commit()
    return told


def sent(db: Session, topic: str) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def slack(db: Session) -> list[str]:
    return [message.payload["text"].splitlines()[0] for message in sent(db, "slack")]


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
    enquiry = made(sally, party=party, channel=channel, phone="03-1234-0001")

    assert datetime.fromisoformat(enquiry["first_due_at"]) == at(first)
    # 24 hours of desks that are open for nine: Friday, 16:00.
    assert datetime.fromisoformat(enquiry["resolution_due_at"]) == at("2031-01-10T16:00")
    is_call = channel == "phone"
    assert (enquiry["first"]["response"], enquiry["due_title"]) == (
        ("met", "解決") if is_call else ("running", "初回応答")
    )


def test_targets_count_business_hours_without_holidays_and_stay_as_they_were(sally: TestClient, db: Session) -> None:
    go_to(db, "2031-01-10T17:00")
    holidays.top_up(db)
    db.commit()
    enquiry = made(sally)

    # Monday, 1/13, is 成人の日.
    assert datetime.fromisoformat(enquiry["first_due_at"]) == at("2031-01-14T10:00")


def test_a_call_that_nobody_took_has_to_be_returned(sally: TestClient, db: Session) -> None:
    missed = made(sally, channel="phone", phone="090-1234-5678", mail="", was_answered=False)
    assert (missed["status"], missed["first_response_at"]) == ("received", None)
    assert go_to(db, "2031-01-08T10:01") == 1
    assert "初回応答が目標時間を過ぎました" in slack(db)[-1]

    tried = post(sally, missed, "calls", 201, text="留守番電話でした", reached=False)
    assert tried["first_response_at"] is None
    reached = post(sally, tried, "calls", 201, text="領収書の出し方を案内")
    assert (reached["first"]["response"], reached["first"]["minutes"], reached["status"]) == ("missed", 1, "working")


def test_who_is_late_is_warned_and_told_once(sally: TestClient, db: Session) -> None:
    enquiry = made(sally)
    assert go_to(db, "2031-01-08T11:29") == 0
    assert go_to(db, "2031-01-08T11:30") == 1
    assert go_to(db, "2031-01-08T11:31") == 0
    assert slack(db)[-1] == f"問い合わせ {enquiry['code']}（依頼者・Email）の初回応答の目標時間が近づいています"
    assert go_to(db, "2031-01-08T12:01") == 1
    assert slack(db)[-1] == f"問い合わせ {enquiry['code']}（依頼者・Email）の初回応答が目標時間を過ぎました"
    assert go_to(db, "2031-01-08T17:59") == 0
    # The resolution is near on Friday at 10:00 and due at 16:00.
    assert [go_to(db, moment) for moment in ("2031-01-10T10:00", "2031-01-10T16:01", "2031-01-14T09:00")] == [1, 1, 0]
    kinds = [event["kind"] for event in shown(sally, enquiry["id"])["events"]]
    assert kinds == ["breached", "warned", "breached", "warned", "received"]


def test_who_is_resolved_is_not_warned_about(sally: TestClient, db: Session) -> None:
    enquiry = made(sally)
    post(sally, post(sally, enquiry, "answers", 201, subject="Re:", text="発行できます。"), "resolution", **SETTLED)

    assert go_to(db, "2031-02-03T10:00") == 0


def test_an_answer_by_mail_is_sent_kept_and_ends_the_first_clock(sally: TestClient, db: Session) -> None:
    enquiry = made(sally)
    assert enquiry["answer_body"].startswith("青木 花子 様")
    go_to(db, "2031-01-08T11:10")
    answered = post(
        sally, enquiry, "answers", 201, subject=enquiry["answer_subject"], text="発行できます。", waits=True
    )

    [mail] = sent(db, "mail")
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
    enquiry = made(sally, channel="phone", mail="", phone="090-1234-5678")
    refused = post(sally, enquiry, "answers", 422, subject="Re:", text="発行できます。")

    assert "メールアドレスが登録されていません" in refused["detail"]
    assert sent(db, "mail") == []


def test_a_call_that_was_settled_at_once_is_one_step(sally: TestClient, db: Session) -> None:
    missing = sally.post(ENQUIRIES, json=ASKED | {"channel": "phone", "way": "faq"})
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "outcome")
    settled = made(sally, channel="phone", received_at=at("2031-01-08T09:50").isoformat(), faq="wanted", **SETTLED)

    assert (settled["status"], settled["way"], settled["resolution"]["minutes"]) == ("resolved", "faq", 10)
    assert listed(sally) == []
    assert listed(sally, state="resolved") == listed(sally, state="all", faq="wanted") == ["領収書について"]


def test_what_was_told_has_to_be_possible(sally: TestClient, db: Session) -> None:
    future = (app_now(db) + HOUR).isoformat()
    for said, field in (
        ({"received_at": future}, "received_at"),
        ({"reservation": "QRV-NOPE00"}, "reservation"),
        ({"shop": "S999"}, "shop"),
        ({"phone": "12"}, "phone"),
        ({"mail": "aoki"}, "mail"),
        ({"topic": "  "}, "topic"),
    ):
        refused = sally.post(ENQUIRIES, json=ASKED | said)
        assert refused.status_code == 422, said
        assert refused.json()["errors"][0]["field"].startswith(field)
    nobody = sally.post(ENQUIRIES, json=ASKED | {"mail": ""})
    assert "メールアドレスか電話番号" in nobody.text


def test_a_reservation_is_found_and_whoever_asks_compared_with_it(sally: TestClient, db: Session) -> None:
    reservation = scene.ask(db, mail="Aoki@example.jp")
    db.commit()
    mine = made(sally, reservation=f" {reservation.code.lower()} ")
    other = made(sally, reservation=reservation.code, mail="other@example.jp")
    shop = made(sally, party="shop", shop="s001", mail="ginza@flower.example")

    assert (mine["reservation_code"], mine["is_known_contact"]) == (reservation.code, True)
    assert (other["is_known_contact"], made(sally)["is_known_contact"]) == (False, None)
    assert (shop["shop_name"], shop["is_known_contact"]) == ("フラワー銀座", True)
    assert len(listed(sally, q=reservation.code)) == 2


def test_another_level_has_another_target(sally: TestClient, db: Session) -> None:
    enquiry = made(sally)
    graver = patch(sally, enquiry, level="high")
    assert (graver["resolution_due_at"], graver["resolution"]) == (None, None)
    again = patch(sally, graver, level="medium")
    assert again["resolution_due_at"] == enquiry["resolution_due_at"]
    entry = db.scalars(
        select(AuditEntry).where(AuditEntry.subject == "enquiry").order_by(AuditEntry.id.desc()).limit(1)
    ).one()
    assert (entry.action, entry.before, entry.after) == ("update", {"level": "high"}, {"level": "medium"})


def test_a_stale_edit_is_a_conflict_not_an_overwrite(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = made(sally)
    patch(sally, enquiry, category="other")
    late = patch(sally, enquiry, 409, category="booking")
    assert (late["yours"]["category"], late["current"]["category"]) == ("booking", "other")
    for what, said in (
        ("answers", {"subject": "Re:", "text": "はい"}),
        ("calls", {"text": "はい"}),
        ("claim", {}),
        ("resolution", SETTLED),
    ):
        assert post(sally, enquiry, what, 409, **said)["type"] == "urn:genba:stale"
    assert [event["kind"] for event in shown(sally, enquiry["id"])["events"]] == ["edited", "received"]


def test_it_is_somebodys_and_then_somebody_elses(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = made(sally)
    mine = post(sally, enquiry, "claim")
    assert (mine["owner"]["name"], mine["status"]) == ("sally さん", "working")
    assert listed(sally, owner="me") == ["領収書について"]
    assert listed(sally, owner="none") == []
    olivia = sign_in("olivia", reservations="operator")
    people = {person["name"]: person["id"] for person in olivia.get(f"{ENQUIRIES}/people").json()}
    theirs = post(olivia, mine, "hand-over", user_id=people["olivia さん"])
    assert theirs["owner"]["name"] == "olivia さん"
    manager = sign_in("mona", reservations="manager").get("/api/auth/me").json()
    assert post(sign_in("sam", reservations="support"), theirs, "hand-over", 422, user_id=999999)["errors"]
    assert "mona さん" not in people
    assert manager["name"] == "mona さん"


def test_it_becomes_a_manual_operation_or_joins_one(sally: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    known = operations.open_operation(db, reservation.id, reservation.code, Task.SMS_FAILED)
    db.commit()
    without = made(sally)
    assert "先に予約IDを登録してください" in post(sally, without, "operation", 422)["detail"]

    first = made(sally, reservation=reservation.code)
    assert [one["title"] for one in first["operations"]] == ["SMS送信失敗"]
    joined = post(sally, first, "operation", operation_id=known.id)
    assert joined["operation"]["title"] == "SMS送信失敗"
    opened = post(sally, made(sally, reservation=reservation.code), "operation")
    task = db.get_one(Operation, opened["operation"]["id"])
    assert (task.kind, task.priority, task.reservation_id) == ("customer_enquiry", "low", reservation.id)
    assert task.detail.startswith(f"{opened['code']} 領収書について")
    other = scene.ask(db)
    foreign = operations.open_operation(db, other.id, other.code, Task.SMS_FAILED)
    db.commit()
    assert post(sally, opened, "operation", 422, operation_id=foreign.id)["errors"]


def test_what_is_resolved_can_be_taken_up_again(sally: TestClient, db: Session) -> None:
    enquiry = made(sally)
    over = post(sally, enquiry, "resolution", **SETTLED)
    assert (over["status"], over["resolved_at"] is not None, over["due_at"]) == ("resolved", True, None)
    assert over["response"] == "met"
    for what, said in (("resolution", SETTLED), ("claim", {}), ("calls", {"text": "はい"})):
        assert "解決にしました" in post(sally, over, what, 409, **said)["detail"]

    again = post(sally, over, "reopening", reason="まだ届かないとのこと")
    assert (again["status"], again["resolved_at"]) == ("working", None)
    assert again["resolution_due_at"] == enquiry["resolution_due_at"]
    assert post(sally, again, "reopening", 409, reason="x")["status"] == 409


def test_enquiries_are_found_cut_and_taken_along(sally: TestClient, db: Session) -> None:
    made(sally, topic="100%の返金", content="返金は?", category="cancellation", phone="090-1234-5678")
    made(sally, party="shop", channel="phone", topic="電話が聞き取れない", sender_name="佐藤 花", category="calls")
    go_to(db, "2031-01-08T12:30")

    assert listed(sally, q="0%") == listed(sally, q="1234-56") == listed(sally, late=True) == ["100%の返金"]
    assert listed(sally, unanswered=True) == listed(sally, party="customer") == ["100%の返金"]
    assert listed(sally, channel="phone") == listed(sally, q="佐藤") == ["電話が聞き取れない"]
    assert listed(sally, category="calls", level="low", since="2031-01-08", until="2031-01-08") == [
        "電話が聞き取れない"
    ]
    assert listed(sally, until="2031-01-07") == listed(sally, level="high") == []
    assert listed(sally, sort="received_at") == ["100%の返金", "電話が聞き取れない"]
    assert sally.get(ENQUIRIES, params={"sort": "topic"}).status_code == 422
    for day in ("0001-01-01", "9999-12-31"):
        assert sally.get(ENQUIRIES, params={"since": day, "until": day}).status_code == 422
    counts = sally.get(f"{ENQUIRIES}/counts").json()
    assert (counts["open"], counts["unanswered"], counts["overdue"], counts["mine"]) == (2, 1, 1, 1)

    answer = sally.get(f"{ENQUIRIES}.csv", params={"party": "customer"})
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["件名"], row["問い合わせ元"], row["チャネル"], row["種別"]) == (
        "100%の返金", "依頼者", "Email", "キャンセル・返金",
    )  # fmt: skip
    assert sally.get(f"{ENQUIRIES}.xlsx").status_code == 200


def test_operators_answer_and_managers_see_figures_only(sally: TestClient, sign_in: SignIn) -> None:
    enquiry = made(sally)
    olivia = sign_in("olivia", reservations="operator")
    answered = post(olivia, enquiry, "answers", 201, subject="Re:", text="はい")
    assert post(olivia, answered, "notes", 201, text="確認済み")["events"][0]["by"] == "olivia さん"
    patch(olivia, answered, 403, category="other")
    post(olivia, answered, "resolution", 403, **SETTLED)
    assert olivia.post(ENQUIRIES, json=ASKED).status_code == 403

    mona = sign_in("mona", reservations="manager")
    assert mona.get(ENQUIRIES).status_code == mona.get(f"{ENQUIRIES}/{enquiry['id']}").status_code == 403
    assert mona.get(f"{ENQUIRIES}.csv").status_code == 403
    assert mona.get(f"{ENQUIRIES}/counts").json()["open"] == 1
    charlie = sign_in("charlie", loaners="admin")
    assert charlie.get(f"{ENQUIRIES}/counts").status_code == charlie.get(ENQUIRIES).status_code == 403


def test_kpis_say_how_many_were_in_time(sally: TestClient, db: Session) -> None:
    since = app_now(db)
    in_time = made(sally, topic="間に合う", faq="wanted")
    late, never = made(sally, topic="遅れる", category="booking"), made(sally, topic="まだ")
    made(sally, channel="phone", phone="090-1234-5678", **SETTLED)
    made(sally, channel="phone", phone="090-1234-5678", was_answered=False, level="high")
    repeated = made(sally, topic="重複")
    post(sally, repeated, "resolution", **SETTLED)
    go_to(db, "2031-01-08T11:00")
    answered = post(sally, in_time, "answers", 201, subject="Re:", text="はい")
    go_to(db, "2031-01-08T13:00")
    post(sally, late, "answers", 201, subject="Re:", text="はい")
    go_to(db, "2031-01-09T10:00")
    post(sally, answered, "resolution", **SETTLED)
    go_to(db, "2031-01-14T10:00")

    found = queries.kpis(db, since, app_now(db))

    assert (found.count, found.by_channel, found.unresolved) == (6, {"Email": 4, "電話": 2}, 3)
    # One in 60 minutes, one in 180, one not at all; what was closed without an answer before it was due is none.
    assert (found.first_mail.due, found.first_mail.met, found.first_mail.median_minutes) == (3, 1, 120)
    assert (found.first_phone.due, found.first_phone.met, found.first_phone.median_minutes) == (2, 1, 0)
    # 高 is not held to 24 hours; of Medium and Low three were settled, after 0, 0 and 540 minutes, and two never.
    assert (found.resolution.due, found.resolution.met, found.resolution.median_minutes) == (5, 3, 0)
    assert found.categories == (("お支払い", 5), ("予約の内容・変更", 1))
    assert found.for_faq == ((in_time["code"], "間に合う"),)
    assert never["status"] == "received"
    assert queries.kpis(db, app_now(db), app_now(db)).count == 0
    before, now = queries.trend(db, [(since - HOUR, since), (since, app_now(db))])
    assert (before.count, now.count, now.first_mail) == (0, 6, found.first_mail)
