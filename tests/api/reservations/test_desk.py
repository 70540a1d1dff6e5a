"""What operators do to a reservation: each procedure of the document, on the version that was read, and nothing that
cannot be."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.events import rules as e
from service.reservations.events.rules import Answer
from service.reservations.figures import queries as figures
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Reservation
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.outgoing.models import Message
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
RESERVATIONS = "/api/reservations/reservations"


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def asked(db: Session, answer: Answer, **said: Any) -> Reservation:
    """One whose first shop has answered so."""
    reservation = scene.ask(db, **said)
    scene.pass_time(db)
    scene.shop_says(db, reservation, answer)
    db.commit()
    return reservation


def refused_by_all(db: Session, **said: Any) -> Reservation:
    reservation = scene.ask(db, **said)
    for _ in range(16):  # one of them is closed today
        scene.pass_time(db, timedelta(hours=6))
        if scene.case(db, reservation).call is not None:
            scene.shop_says(db, reservation, Answer.REFUSED)
    assert scene.case(db, reservation).state == "all_shops_refused"
    db.commit()
    return reservation


def shown(client: TestClient, reservation: Reservation) -> dict[str, Any]:
    answer = client.get(f"{RESERVATIONS}/{reservation.code}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def do(client: TestClient, reservation: Reservation, what: str, status: int = 200, /, **said: Any) -> dict[str, Any]:
    """On the version as it is now, unless said otherwise."""
    body = {"version": shown(client, reservation)["version"]} | said
    answer = client.post(f"{RESERVATIONS}/{reservation.code}/{what}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def letters(db: Session, reservation: Reservation) -> list[tuple[str, str, str]]:
    found = select(Message).where(Message.reservation_id == reservation.id).order_by(Message.id)
    return [(one.recipient, one.channel, one.purpose) for one in db.scalars(found)]


def money(db: Session) -> list[str]:
    found = select(OutboxMessage).where(OutboxMessage.topic == "payments").order_by(OutboxMessage.id)
    return [message.payload["do"] for message in db.scalars(found)]


def test_a_vague_shop_that_agrees_on_the_telephone_leads_to_the_link_to_pay(olivia: TestClient, db: Session) -> None:
    """2.2.4, 予約OK."""
    reservation = asked(db, Answer.VAGUE)
    shop = scene.shop(db, "S001")

    now = do(olivia, reservation, "shop-agreed", shop_id=shop.id, note="佐藤さんが確認")

    assert (now["state"], now["shop_name"]) == ("calling_success", "フラワー銀座")
    assert money(db) == ["checkout"]
    assert ("shop", "mail", "held") in letters(db, reservation)
    assert [task["resolved_at"] is not None for task in now["operations"]] == [True]
    told = now["timeline"][0]
    assert (told["kind"], told["by"], told["note"]) == ("shop_ok", "olivia さん", "佐藤さんが確認")
    assert "決済ページを作成（¥5,500）" in told["led_to"]


def test_a_vague_shop_that_refuses_on_the_telephone_leads_to_the_next_one(olivia: TestClient, db: Session) -> None:
    """2.2.4, 予約NG."""
    reservation = asked(db, Answer.VAGUE)

    assert do(olivia, reservation, "shop-refused")["state"] == "calling"
    scene.pass_time(db)

    assert shown(olivia, reservation)["calls"][0]["number"] == 2 or scene.case(db, reservation).turn


def test_a_shop_in_no_list_is_named_and_takes_it(olivia: TestClient, db: Session) -> None:
    """2.2.1: 対応可能な提携店を手動で探す."""
    reservation = refused_by_all(db)
    assert do(olivia, reservation, "shop-agreed", 422)["errors"][0]["field"] == "shop_id"

    now = do(olivia, reservation, "shop-agreed", unlisted="花の里 03-9999-0000")

    assert (now["state"], now["shop_name"]) == ("calling_success", "花の里 03-9999-0000")
    assert "花の里 03-9999-0000のメールアドレスがないため" in now["timeline"][0]["note"]


def test_another_time_is_looked_for_from_the_first_shop_on(olivia: TestClient, db: Session) -> None:
    """2.2.1: 日時変更を提案."""
    reservation = refused_by_all(db)
    later = app_now(db) + timedelta(days=10)
    assert do(olivia, reservation, "rearrange", 422, starts_at=app_now(db).isoformat())["errors"][0]["field"] == (
        "starts_at"
    )
    assert do(olivia, reservation, "rearrange", 422, starts_at=later.isoformat(), plan="xl")["errors"][0]["field"] == (
        "plan"
    )

    now = do(olivia, reservation, "rearrange", starts_at=later.isoformat(), plan="l")

    assert (now["state"], now["price"], now["plan_name"]) == ("calling", 8800, "L（約30本）")
    assert datetime.fromisoformat(now["starts_at"]) == later
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "update").order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.before or {})["plan"] == "M（約20本）"
    assert (entry.after or {})["price"] == 8800


def test_what_the_shop_asked_for_is_taken_over_with_the_customers_consent(olivia: TestClient, db: Session) -> None:
    """2.2.5, 承諾."""
    reservation = asked(db, Answer.CHANGE_REQUESTED)
    half_an_hour_later = (reservation.starts_at + timedelta(minutes=30)).isoformat()
    refused = do(olivia, reservation, "change-accepted", 422, consented=False, starts_at=half_an_hour_later)
    assert refused["errors"][0]["message"].startswith("依頼者に電話で説明し、承諾を得てから、")

    now = do(olivia, reservation, "change-accepted", consented=True, starts_at=half_an_hour_later, plan="s")

    assert (now["state"], now["price"], now["plan_code"], now["shop_name"]) == (
        "calling_success",
        3300,
        "s",
        "フラワー銀座",
    )
    assert money(db) == ["checkout"]


def test_a_change_that_changes_nothing_is_refused_unless_a_note_says_what_it_is(
    olivia: TestClient, db: Session
) -> None:
    """The form begins with what the reservation has, which the shop has just said it cannot do."""
    reservation = asked(db, Answer.CHANGE_REQUESTED)
    same: dict[str, Any] = {"consented": True, "starts_at": reservation.starts_at.isoformat(), "plan": "m"}

    refused = do(olivia, reservation, "change-accepted", 422, **same)
    assert [error["field"] for error in refused["errors"]] == ["starts_at"]
    assert (shown(olivia, reservation)["state"], money(db)) == ("change_requested", [])

    assert do(olivia, reservation, "change-accepted", **same, note="赤いバラになる")["state"] == "calling_success"


def test_who_moves_a_reservation_on_has_done_its_task(olivia: TestClient, db: Session) -> None:
    by_olivia, by_itself = asked(db, Answer.VAGUE), asked(db, Answer.VAGUE)
    do(olivia, by_olivia, "shop-refused")
    flow.record_event(db, by_itself.id, e.CancelAsked(by="customer"), source="customer")
    db.commit()

    tasks = {one.reservation_id: one for one in db.scalars(select(Operation))}
    ends = {(event.operation_id, event.by) for event in db.scalars(select(OperationEvent).filter_by(kind="closed"))}
    done, over = tasks[by_olivia.id], tasks[by_itself.id]
    assert (done.resolved_by, done.outcome) == ("olivia さん", "予約を進めて、完了にしました。")
    assert (over.resolved_by, over.outcome) == ("システム", "予約が先へ進んだため、自動で完了にしました。")
    assert ends == {(done.id, "olivia さん"), (over.id, "システム")}


def test_without_the_consent_the_shop_is_told_and_the_next_one_called(olivia: TestClient, db: Session) -> None:
    """2.2.5, 拒否."""
    reservation = asked(db, Answer.CHANGE_REQUESTED)

    assert do(olivia, reservation, "change-refused")["state"] == "calling"
    assert ("shop", "mail", "declined") in letters(db, reservation)


def test_who_gets_no_sms_gets_the_link_by_mail_to_an_address_told_on_the_telephone(
    olivia: TestClient, db: Session
) -> None:
    """2.2.2."""
    reservation = scene.awaiting(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="payment_link"), source="twilio")
    db.commit()
    possible = shown(olivia, reservation)["actions"]
    assert ("mail_link" in possible, "send_link" in possible) == (True, False)
    assert do(olivia, reservation, "link", 409)["status"] == 409
    assert do(olivia, reservation, "link-by-mail", 422)["errors"][0]["field"] == "mail"

    now = do(olivia, reservation, "link-by-mail", mail="hanako@mail.example")
    flow.record_event(db, reservation.id, e.CheckoutReady(number=2, session="cs_2"), source="stripe")
    db.commit()

    assert now["mail"] == "hanako@mail.example"
    assert money(db) == ["checkout", "expire", "checkout"]
    assert letters(db, reservation)[-1] == ("customer", "mail", "payment_link")
    assert [task["resolved_at"] is not None for task in now["operations"]] == [True]


def test_a_cancellation_in_time_gives_everything_back(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    assert "cancel" in shown(olivia, reservation)["actions"]

    now = do(olivia, reservation, "cancel", reason="依頼者の都合")

    assert (now["state"], money(db)[-1]) == ("refund_pending", "refund")
    assert now["actions"] == []


def test_after_the_time_limit_only_with_the_shops_word(olivia: TestClient, db: Session) -> None:
    """2.2.6."""
    reservation = scene.confirmed(db)
    scene.set_clock(db, reservation.starts_at - timedelta(hours=47))
    db.commit()
    assert shown(olivia, reservation)["actions"] == ["cancel_late"]
    refused = do(olivia, reservation, "cancel", 422, reason="入院のため")
    assert refused["errors"][0]["field"] == "shop_agreed"

    now = do(olivia, reservation, "cancel", reason="入院のため", shop_agreed=True)

    assert (now["state"], money(db)[-1]) == ("refund_pending", "refund")
    assert now["timeline"][0]["note"].startswith("入院のため\n提携店の承諾: あり")


def test_before_anything_is_paid_a_cancellation_costs_nothing(olivia: TestClient, db: Session) -> None:
    """2.2.1, キャンセル処理."""
    reservation = refused_by_all(db)

    now = do(olivia, reservation, "cancel", reason="依頼者の希望")

    assert (now["state"], money(db)) == ("cancelled", [])
    assert {task["kind"] for task in now["operations"] if task["resolved_at"] is None} == set()


def test_a_refund_that_failed_is_tried_again(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    do(olivia, reservation, "cancel", reason="依頼者の都合")
    assert do(olivia, reservation, "refund", 409)["detail"].startswith("返金の結果を待っています。")
    intent = scene.case(db, reservation).intent or ""
    flow.record_event(db, reservation.id, e.RefundFailed(intent=intent), source="stripe")
    db.commit()
    assert shown(olivia, reservation)["actions"] == ["retry_refund", "refunded_otherwise"]

    do(olivia, reservation, "refund")

    assert money(db)[-2:] == ["refund", "refund"]


def test_money_that_stripe_cannot_give_back_is_given_back_by_a_person(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    do(olivia, reservation, "cancel", reason="依頼者の都合")
    assert do(olivia, reservation, "refunded-otherwise", 409, how="振込")["detail"].startswith("返金の結果を待って")
    intent = scene.case(db, reservation).intent or ""
    flow.record_event(db, reservation.id, e.RefundFailed(intent=intent), source="stripe", note="カードの解約")
    db.commit()
    assert do(olivia, reservation, "refunded-otherwise", 422, how="")["status"] == 422
    sent = money(db)

    now = do(olivia, reservation, "refunded-otherwise", how="口座へ振込")

    assert (now["state"], now["refunded"], money(db)) == ("refunded", now["paid"], sent)
    assert {task["kind"]: task["resolved_at"] is not None for task in now["operations"]} == {"refund_failed": True}
    today = app_now(db)
    counted = figures.by_day(db, today - timedelta(minutes=1), today + timedelta(minutes=1))
    assert [one.refunded for one in counted.values()] == [now["paid"]]


def test_what_was_read_wrongly_from_a_call_is_corrected_by_a_person(olivia: TestClient, db: Session) -> None:
    reservation = asked(db, Answer.VAGUE)
    call = shown(olivia, reservation)["calls"][0]

    now = do(olivia, reservation, f"calls/{call['number']}/answer", answer="ok", note="録音を確認")

    assert (now["state"], now["shop_name"]) == ("calling_success", "フラワー銀座")
    assert (now["calls"][0]["answer"], now["calls"][0]["overruled_by"]) == ("ok", "olivia さん")
    assert do(olivia, reservation, "calls/1/answer", 409, answer="ok")["detail"].startswith("この電話の判定は")
    assert do(olivia, reservation, "calls/9/answer", 404, answer="ok")["status"] == 404
    # The reservation has gone on: the word of the call is corrected all the same.
    scene.pass_time(db)
    flow.record_event(db, reservation.id, e.CheckoutReady(number=1, session="cs_1"), source="stripe")
    flow.record_event(db, reservation.id, e.LinkSent(minutes=10), source="twilio")
    db.commit()
    after = do(olivia, reservation, "calls/1/answer", answer="refused")
    assert (after["state"], after["calls"][0]["answer"]) == ("awaiting_payment", "refused")
    assert after["timeline"][0]["ignored"] == "予約はすでに先へ進んでいます。"


def test_whoever_acts_on_what_has_changed_since_sees_both_sides_and_nothing_happens(
    olivia: TestClient, db: Session
) -> None:
    reservation = asked(db, Answer.VAGUE)
    read = shown(olivia, reservation)["version"]
    do(olivia, reservation, "shop-refused")

    late = do(olivia, reservation, "shop-agreed", 409, version=read, unlisted="花の里")

    assert (late["yours"]["unlisted"], late["current"]["state"]) == ("花の里", "店舗に電話中")
    assert shown(olivia, reservation)["state"] == "calling"


def test_no_action_is_offered_that_would_be_refused_and_none_is_refused_that_is_offered(
    olivia: TestClient, db: Session
) -> None:
    week = (app_now(db) + timedelta(days=7)).isoformat()
    shop = scene.shop(db, "S001").id
    doors: dict[str, tuple[str, dict[str, Any]]] = {
        "shop_ok": ("shop-agreed", {"shop_id": shop}),
        "shop_refused": ("shop-refused", {}),
        "accept_change": ("change-accepted", {"consented": True, "starts_at": week}),
        "refuse_change": ("change-refused", {}),
        "rearrange": ("rearrange", {"starts_at": week}),
        "send_link": ("link", {}),
        "mail_link": ("link-by-mail", {"mail": "a@b.example"}),
        "cancel": ("cancel", {"reason": "希望"}),
        "retry_refund": ("refund", {}),
        "refunded_otherwise": ("refunded-otherwise", {"how": "振込"}),
    }
    makers: list[Callable[[], Reservation]] = [
        lambda: scene.ask(db),
        lambda: asked(db, Answer.VAGUE),
        lambda: asked(db, Answer.CHANGE_REQUESTED),
        lambda: scene.held(db),
        lambda: scene.awaiting(db),
        lambda: scene.confirmed(db),
    ]
    for make in makers:
        reservation = make()
        db.commit()
        offered = shown(olivia, reservation)["actions"]
        for name, (door, body) in doors.items():
            if name in offered:
                continue
            answer = olivia.post(
                f"{RESERVATIONS}/{reservation.code}/{door}",
                json={"version": shown(olivia, reservation)["version"], **body},
            )
            assert answer.status_code == 409, (reservation.state, name)
        name = next(iter(offered))
        door, body = doors[name]
        do(olivia, reservation, door, **body)
        # The line is free for the next one.
        if "cancel" in shown(olivia, reservation)["actions"]:
            do(olivia, reservation, "cancel", reason="片付け")
        db.commit()


def test_a_reservation_made_on_the_telephone_is_made_once(olivia: TestClient, db: Session) -> None:
    new = {
        "client_request_id": "desk-1",
        "service": "cake",
        "plan": "5",
        "starts_at": (app_now(db) + timedelta(days=3)).isoformat(),
        "customer_name": "百瀬 桃",
        "phone": "０９０ー８８８８ー１２３４",
        "mail": "momo@mail.example",
    }
    first, second = (olivia.post(RESERVATIONS, json=new) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["code"] == second.json()["code"]
    assert re.fullmatch(r"QRV-[2-9A-Z]{6}", first.json()["code"])
    assert (first.json()["created_by"], first.json()["phone_shown"]) == ("olivia さん", "090-8888-1234")
    wrong = olivia.post(RESERVATIONS, json=new | {"client_request_id": "desk-2", "phone": "12"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "phone")


def test_support_notes_what_was_talked_about_and_no_screen_grows_old(db: Session, sign_in: SignIn) -> None:
    reservation = asked(db, Answer.VAGUE)
    sally = sign_in("sally", reservations="support")
    before = shown(sally, reservation)["version"]
    path = f"{RESERVATIONS}/{reservation.code}/contacts"

    answer = sally.post(path, json={"party": "customer", "text": "15時に折り返す約束"})

    assert answer.status_code == 201
    told = answer.json()["timeline"][0]
    assert (told["kind"], told["by"], told["note"]) == ("contact_noted", "sally さん", "15時に折り返す約束")
    assert answer.json()["version"] == before
    do(sally, reservation, "shop-refused", 403)
    assert sally.post(f"{RESERVATIONS}/QRV-ZZZZZZ/contacts", json={"party": "shop", "text": "なし"}).status_code == 404


def test_messages_are_shown_without_what_opens_the_customers_pages(olivia: TestClient, db: Session) -> None:
    reservation = scene.awaiting(db)
    db.commit()

    bodies = [one["body"] for one in shown(olivia, reservation)["messages"]]

    assert any("/pay/…" in body for body in bodies)
    assert not any(re.search(r"/(pay|cancel)/[A-Za-z0-9_-]", body) for body in bodies)


def test_reservations_are_found_cut_and_taken_along(olivia: TestClient, db: Session) -> None:
    found = asked(db, Answer.VAGUE, customer_name="百瀬 桃", phone="090-8888-1234")
    scene.ask(db)
    db.commit()

    def codes(**cut: Any) -> list[str]:
        answer = olivia.get(RESERVATIONS, params=cut)
        assert answer.status_code == 200, answer.text
        return [one["code"] for one in answer.json()["items"]]

    assert len(codes()) == 2
    assert codes(q="8888-12") == codes(q=found.code) == codes(state="pending_shop_response") == [found.code]
    assert codes(needs_people=True) == [found.code]
    day = found.starts_at.astimezone(TOKYO).date()
    assert len(codes(since=day, until=day)) == 2
    assert codes(until=day - timedelta(days=1)) == []
    rows = list(csv.DictReader(io.StringIO(olivia.get(f"{RESERVATIONS}.csv", params={"q": "百瀬"}).text[1:])))
    assert [(row["予約ID"], row["ステータス"], row["料金（円）"]) for row in rows] == [
        (found.code, "店舗の回答待ち", "5500")
    ]
