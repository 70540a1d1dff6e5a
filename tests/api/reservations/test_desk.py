"""What operators do with a reservation: each procedure of the document, on the version that was read; the impossible
is refused."""

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
from service.reservations.figures import queries as figures
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.outgoing.models import Message
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
RESERVATIONS = "/api/reservations/reservations"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def answered_reservation(db: Session, answer: Answer, **fields: Any) -> Reservation:
    """A reservation whose first shop has given this answer."""
    reservation = scene.create_reservation(db, **fields)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, answer)
    db.commit()
    return reservation


def refused_by_all(db: Session, **fields: Any) -> Reservation:
    reservation = scene.create_reservation(db, **fields)
    for _ in range(16):  # one of them is closed today
        scene.pass_time(db, timedelta(hours=6))
        if scene.case(db, reservation).call is not None:
            scene.record_shop_answer(db, reservation, Answer.REFUSED)
    assert scene.case(db, reservation).state == "all_shops_refused"
    db.commit()
    return reservation


def get_reservation(client: TestClient, reservation: Reservation) -> dict[str, Any]:
    response = client.get(f"{RESERVATIONS}/{reservation.code}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def post_action(
    client: TestClient, reservation: Reservation, action: str, status: int = 200, /, **fields: Any
) -> dict[str, Any]:
    """Sends the current version unless the fields have another one."""
    body = {"version": get_reservation(client, reservation)["version"]} | fields
    response = client.post(f"{RESERVATIONS}/{reservation.code}/{action}", json=body)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def sent_messages(db: Session, reservation: Reservation) -> list[tuple[str, str, str]]:
    query = select(Message).where(Message.reservation_id == reservation.id).order_by(Message.id)
    return [(message.recipient, message.channel, message.purpose) for message in db.scalars(query)]


def payment_commands(db: Session) -> list[str]:
    query = select(OutboxMessage).where(OutboxMessage.topic == "payments").order_by(OutboxMessage.id)
    return [message.payload["do"] for message in db.scalars(query)]


def test_a_vague_shop_that_agrees_on_the_telephone_leads_to_the_link_to_pay(olivia: TestClient, db: Session) -> None:
    """2.2.4, 予約OK."""
    reservation = answered_reservation(db, Answer.VAGUE)
    shop = scene.shop(db, "S001")

    updated = post_action(olivia, reservation, "shop-agreed", shop_id=shop.id, note="佐藤さんが確認")

    assert (updated["state"], updated["shop_name"]) == ("calling_success", "フラワー銀座")
    assert payment_commands(db) == ["checkout"]
    assert ("shop", "mail", "held") in sent_messages(db, reservation)
    assert [task["resolved_at"] is not None for task in updated["operations"]] == [True]
    event = updated["timeline"][0]
    assert (event["kind"], event["by"], event["note"]) == ("shop_ok", "olivia さん", "佐藤さんが確認")
    assert "決済ページを作成（¥5,500）" in event["led_to"]


def test_a_vague_shop_that_refuses_on_the_telephone_leads_to_the_next_one(olivia: TestClient, db: Session) -> None:
    """2.2.4, 予約NG."""
    reservation = answered_reservation(db, Answer.VAGUE)

    assert post_action(olivia, reservation, "shop-refused")["state"] == "calling"
    scene.pass_time(db)

    assert get_reservation(olivia, reservation)["calls"][0]["number"] == 2 or scene.case(db, reservation).turn


def test_an_unlisted_shop_is_named_and_takes_it(olivia: TestClient, db: Session) -> None:
    """2.2.1: 対応可能な提携店を手動で探す."""
    reservation = refused_by_all(db)
    assert post_action(olivia, reservation, "shop-agreed", 422)["errors"][0]["field"] == "shop_id"

    updated = post_action(olivia, reservation, "shop-agreed", unlisted="花の里 03-9999-0000")

    assert (updated["state"], updated["shop_name"]) == ("calling_success", "花の里 03-9999-0000")
    assert "花の里 03-9999-0000のメールアドレスがないため" in updated["timeline"][0]["note"]


def test_another_time_restarts_the_shop_search(olivia: TestClient, db: Session) -> None:
    """2.2.1: 日時変更を提案."""
    reservation = refused_by_all(db)
    later = app_now(db) + timedelta(days=10)
    assert post_action(olivia, reservation, "rearrange", 422, starts_at=app_now(db).isoformat())["errors"][0][
        "field"
    ] == ("starts_at")
    assert post_action(olivia, reservation, "rearrange", 422, starts_at=later.isoformat(), plan="xl")["errors"][0][
        "field"
    ] == ("plan")

    updated = post_action(olivia, reservation, "rearrange", starts_at=later.isoformat(), plan="l")

    assert (updated["state"], updated["price"], updated["plan_name"]) == ("calling", 8800, "L（約30本）")
    assert datetime.fromisoformat(updated["starts_at"]) == later
    entry = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert ((entry.before or {})["plan"], (entry.before or {})["state"]) == ("M（約20本）", "全店舗NG")
    assert (entry.after or {})["price"] == 8800


def test_a_shops_change_is_accepted_with_the_customers_consent(olivia: TestClient, db: Session) -> None:
    """2.2.5, 承諾."""
    reservation = answered_reservation(db, Answer.CHANGE_REQUESTED)
    half_an_hour_later = (reservation.starts_at + timedelta(minutes=30)).isoformat()
    refused = post_action(olivia, reservation, "change-accepted", 422, consented=False, starts_at=half_an_hour_later)
    assert refused["errors"][0]["message"].startswith("依頼者に電話で説明し、承諾を得てから、")

    updated = post_action(
        olivia, reservation, "change-accepted", consented=True, starts_at=half_an_hour_later, plan="s"
    )

    assert (updated["state"], updated["price"], updated["plan_code"], updated["shop_name"]) == (
        "calling_success",
        3300,
        "s",
        "フラワー銀座",
    )
    assert payment_commands(db) == ["checkout"]


def test_a_change_that_changes_nothing_is_refused_unless_a_note_says_what_it_is(
    olivia: TestClient, db: Session
) -> None:
    """The form starts with the reservation's values, which the shop has just refused."""
    reservation = answered_reservation(db, Answer.CHANGE_REQUESTED)
    unchanged: dict[str, Any] = {"consented": True, "starts_at": reservation.starts_at.isoformat(), "plan": "m"}

    refused = post_action(olivia, reservation, "change-accepted", 422, **unchanged)
    assert [error["field"] for error in refused["errors"]] == ["starts_at"]
    assert (get_reservation(olivia, reservation)["state"], payment_commands(db)) == ("change_requested", [])

    assert (
        post_action(olivia, reservation, "change-accepted", **unchanged, note="赤いバラになる")["state"]
        == "calling_success"
    )


def test_moving_a_reservation_on_resolves_its_task(olivia: TestClient, db: Session) -> None:
    by_olivia, by_itself = answered_reservation(db, Answer.VAGUE), answered_reservation(db, Answer.VAGUE)
    post_action(olivia, by_olivia, "shop-refused")
    flow.record_event(db, by_itself.id, e.CancelAsked(by="customer"), source="customer")
    db.commit()

    tasks = {task.reservation_id: task for task in db.scalars(select(Operation))}
    ends = {(event.operation_id, event.by) for event in db.scalars(select(OperationEvent).filter_by(kind="closed"))}
    done, over = tasks[by_olivia.id], tasks[by_itself.id]
    assert (done.resolved_by, done.outcome) == ("olivia さん", "予約を進めて、完了にしました。")
    assert (over.resolved_by, over.outcome) == ("システム", "予約が先へ進んだため、自動で完了にしました。")
    assert ends == {(done.id, "olivia さん"), (over.id, "システム")}


def test_without_the_consent_the_shop_is_notified_and_the_next_one_called(olivia: TestClient, db: Session) -> None:
    """2.2.5, 拒否."""
    reservation = answered_reservation(db, Answer.CHANGE_REQUESTED)

    assert post_action(olivia, reservation, "change-refused")["state"] == "calling"
    assert ("shop", "mail", "declined") in sent_messages(db, reservation)


def test_a_customer_without_sms_gets_the_link_by_mail_to_a_new_address(olivia: TestClient, db: Session) -> None:
    """2.2.2."""
    reservation = scene.awaiting_payment(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="payment_link"), source="twilio")
    db.commit()
    possible = get_reservation(olivia, reservation)["actions"]
    assert ("mail_link" in possible, "send_link" in possible) == (True, False)
    assert post_action(olivia, reservation, "link", 409)["status"] == 409
    assert post_action(olivia, reservation, "link-by-mail", 422)["errors"][0]["field"] == "mail"

    updated = post_action(olivia, reservation, "link-by-mail", mail="hanako@mail.example")
    flow.record_event(db, reservation.id, e.CheckoutReady(number=2, session="cs_2"), source="stripe")
    db.commit()

    assert updated["mail"] == "hanako@mail.example"
    assert payment_commands(db) == ["checkout", "expire", "checkout"]
    assert sent_messages(db, reservation)[-1] == ("customer", "mail", "payment_link")
    assert [task["resolved_at"] is not None for task in updated["operations"]] == [True]


def test_a_cancellation_in_time_gives_everything_back(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    assert "cancel" in get_reservation(olivia, reservation)["actions"]

    updated = post_action(olivia, reservation, "cancel", reason="依頼者の都合")

    assert (updated["state"], payment_commands(db)[-1]) == ("refund_pending", "refund")
    assert updated["actions"] == []


def test_after_the_time_limit_a_cancellation_needs_the_shops_agreement(olivia: TestClient, db: Session) -> None:
    """2.2.6."""
    reservation = scene.confirmed(db)
    scene.set_clock(db, reservation.starts_at - timedelta(hours=47))
    db.commit()
    assert get_reservation(olivia, reservation)["actions"] == ["cancel_late"]
    refused = post_action(olivia, reservation, "cancel", 422, reason="入院のため")
    assert refused["errors"][0]["field"] == "shop_agreed"

    updated = post_action(olivia, reservation, "cancel", reason="入院のため", shop_agreed=True)

    assert (updated["state"], payment_commands(db)[-1]) == ("refund_pending", "refund")
    assert updated["timeline"][0]["note"].startswith("入院のため\n提携店の承諾: あり")


def test_before_anything_is_paid_a_cancellation_costs_nothing(olivia: TestClient, db: Session) -> None:
    """2.2.1, キャンセル処理."""
    reservation = refused_by_all(db)

    updated = post_action(olivia, reservation, "cancel", reason="依頼者の希望")

    assert (updated["state"], payment_commands(db)) == ("cancelled", [])
    assert {task["kind"] for task in updated["operations"] if task["resolved_at"] is None} == set()


def test_a_refund_that_failed_is_tried_again(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    post_action(olivia, reservation, "cancel", reason="依頼者の都合")
    assert post_action(olivia, reservation, "refund", 409)["detail"].startswith("返金の結果を待っています。")
    intent = scene.case(db, reservation).intent or ""
    flow.record_event(db, reservation.id, e.RefundFailed(intent=intent), source="stripe")
    db.commit()
    assert get_reservation(olivia, reservation)["actions"] == ["retry_refund", "refunded_otherwise"]

    post_action(olivia, reservation, "refund")

    assert payment_commands(db)[-2:] == ["refund", "refund"]


def test_money_that_stripe_cannot_refund_is_refunded_by_an_operator(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    post_action(olivia, reservation, "cancel", reason="依頼者の都合")
    assert post_action(olivia, reservation, "refunded-otherwise", 409, how="振込")["detail"].startswith(
        "返金の結果を待って"
    )
    intent = scene.case(db, reservation).intent or ""
    flow.record_event(db, reservation.id, e.RefundFailed(intent=intent), source="stripe", note="カードの解約")
    db.commit()
    assert post_action(olivia, reservation, "refunded-otherwise", 422, how="")["status"] == 422
    before = payment_commands(db)

    updated = post_action(olivia, reservation, "refunded-otherwise", how="口座へ振込")

    assert (updated["state"], updated["refunded"], payment_commands(db)) == ("refunded", updated["paid"], before)
    assert {task["kind"]: task["resolved_at"] is not None for task in updated["operations"]} == {"refund_failed": True}
    today = app_now(db)
    counted = figures.by_day(db, today - timedelta(minutes=1), today + timedelta(minutes=1))
    assert [counts.refunded for counts in counted.values()] == [updated["paid"]]


def test_a_misread_call_is_corrected_by_an_operator(olivia: TestClient, db: Session) -> None:
    reservation = answered_reservation(db, Answer.VAGUE)
    call = get_reservation(olivia, reservation)["calls"][0]

    updated = post_action(olivia, reservation, f"calls/{call['number']}/answer", answer="ok", note="録音を確認")

    assert (updated["state"], updated["shop_name"]) == ("calling_success", "フラワー銀座")
    assert (updated["calls"][0]["answer"], updated["calls"][0]["overruled_by"]) == ("ok", "olivia さん")
    assert post_action(olivia, reservation, "calls/1/answer", 409, answer="ok")["detail"].startswith("この電話の判定は")
    assert post_action(olivia, reservation, "calls/9/answer", 404, answer="ok")["status"] == 404
    # The reservation has moved on: the answer of the call is corrected all the same.
    scene.pass_time(db)
    flow.record_event(db, reservation.id, e.CheckoutReady(number=1, session="cs_1"), source="stripe")
    flow.record_event(db, reservation.id, e.LinkSent(minutes=10), source="twilio")
    db.commit()
    after = post_action(olivia, reservation, "calls/1/answer", answer="refused")
    assert (after["state"], after["calls"][0]["answer"]) == ("awaiting_payment", "refused")
    assert after["timeline"][0]["ignored"] == "予約はすでに先へ進んでいます。"


def test_a_stale_action_shows_both_sides_and_changes_nothing(olivia: TestClient, db: Session) -> None:
    reservation = answered_reservation(db, Answer.VAGUE)
    version = get_reservation(olivia, reservation)["version"]
    post_action(olivia, reservation, "shop-refused")

    late = post_action(olivia, reservation, "shop-agreed", 409, version=version, unlisted="花の里")

    assert (late["yours"]["unlisted"], late["current"]["state"]) == ("花の里", "店舗に電話中")
    assert get_reservation(olivia, reservation)["state"] == "calling"


def test_no_action_is_offered_that_would_be_refused_and_none_is_refused_that_is_offered(
    olivia: TestClient, db: Session
) -> None:
    week = (app_now(db) + timedelta(days=7)).isoformat()
    shop = scene.shop(db, "S001").id
    routes: dict[str, tuple[str, dict[str, Any]]] = {
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
        lambda: scene.create_reservation(db),
        lambda: answered_reservation(db, Answer.VAGUE),
        lambda: answered_reservation(db, Answer.CHANGE_REQUESTED),
        lambda: scene.held_by_shop(db),
        lambda: scene.awaiting_payment(db),
        lambda: scene.confirmed(db),
    ]
    for make in makers:
        reservation = make()
        db.commit()
        offered = get_reservation(olivia, reservation)["actions"]
        for name, (route, body) in routes.items():
            if name in offered:
                continue
            response = olivia.post(
                f"{RESERVATIONS}/{reservation.code}/{route}",
                json={"version": get_reservation(olivia, reservation)["version"], **body},
            )
            assert response.status_code == 409, (reservation.state, name)
        name = next(iter(offered))
        route, body = routes[name]
        post_action(olivia, reservation, route, **body)
        # Frees the line for the next reservation.
        if "cancel" in get_reservation(olivia, reservation)["actions"]:
            post_action(olivia, reservation, "cancel", reason="片付け")
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


def test_a_contact_note_of_support_does_not_change_the_version(db: Session, sign_in: SignIn) -> None:
    reservation = answered_reservation(db, Answer.VAGUE)
    sally = sign_in("sally", reservations="support")
    before = get_reservation(sally, reservation)["version"]
    path = f"{RESERVATIONS}/{reservation.code}/contacts"

    response = sally.post(path, json={"party": "customer", "text": "15時に折り返す約束"})

    assert response.status_code == 201
    event = response.json()["timeline"][0]
    assert (event["kind"], event["by"], event["note"]) == ("contact_noted", "sally さん", "15時に折り返す約束")
    assert response.json()["version"] == before
    post_action(sally, reservation, "shop-refused", 403)
    assert sally.post(f"{RESERVATIONS}/QRV-ZZZZZZ/contacts", json={"party": "shop", "text": "なし"}).status_code == 404


def test_messages_are_shown_without_the_links_to_the_customers_pages(olivia: TestClient, db: Session) -> None:
    reservation = scene.awaiting_payment(db)
    db.commit()

    bodies = [message["body"] for message in get_reservation(olivia, reservation)["messages"]]

    assert any("/pay/…" in body for body in bodies)
    assert not any(re.search(r"/(pay|cancel)/[A-Za-z0-9_-]", body) for body in bodies)


def test_reservations_are_searched_filtered_and_exported(olivia: TestClient, db: Session) -> None:
    reservation = answered_reservation(db, Answer.VAGUE, customer_name="百瀬 桃", phone="090-8888-1234")
    scene.create_reservation(db)
    db.commit()

    def codes(**filters: Any) -> list[str]:
        response = olivia.get(RESERVATIONS, params=filters)
        assert response.status_code == 200, response.text
        return [item["code"] for item in response.json()["items"]]

    assert len(codes()) == 2
    assert codes(q="8888-12") == codes(q=reservation.code) == codes(state="pending_shop_response") == [reservation.code]
    assert codes(needs_people=True) == [reservation.code]
    day = reservation.starts_at.astimezone(TOKYO).date()
    assert len(codes(since=day, until=day)) == 2
    assert codes(until=day - timedelta(days=1)) == []
    rows = list(csv.DictReader(io.StringIO(olivia.get(f"{RESERVATIONS}.csv", params={"q": "百瀬"}).text[1:])))
    assert [(row["予約ID"], row["ステータス"], row["料金（円）"]) for row in rows] == [
        (reservation.code, "店舗の回答待ち", "5500")
    ]
