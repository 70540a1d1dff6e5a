"""連絡先を訂正: a customer with a wrong number or address gets the current message, and the links that were sent to
it stop working."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.outbox.records import OutboxMessage
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Message, Payment
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from service.reservations.vendor_events.messages import is_still_valid, record_sms_failure
from tests.api.reservations import scene
from tests.api.reservations.test_desk import get_reservation, olivia, post_action, sent_messages, shops_and_services

SignIn = Callable[..., TestClient]
__all__ = ["olivia", "shops_and_services"]
RIGHT_PHONE = "090-5555-0001"


def correction(reservation: Reservation, **fields: Any) -> dict[str, Any]:
    current: dict[str, Any] = {
        "customer_name": reservation.customer_name,
        "phone": reservation.phone,
        "mail": reservation.mail,
    }
    return current | {"reason": "お電話で伺った"} | fields


def correct(client: TestClient, reservation: Reservation, status: int = 200, **fields: Any) -> dict[str, Any]:
    return post_action(client, reservation, "customer", status, **correction(reservation, **fields))


def sms_to(db: Session, number: str) -> list[str]:
    query = select(Message.purpose).where(Message.address == number, Message.channel == "sms").order_by(Message.id)
    return list(db.scalars(query))


def test_a_right_number_gets_the_current_message_and_the_history_says_why(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    db.commit()
    old_phone = reservation.phone
    assert get_reservation(olivia, reservation)["sms_fails"]

    updated = correct(olivia, reservation, phone=RIGHT_PHONE)

    assert (updated["phone"], updated["sms_fails"], updated["state"]) == ("+819055550001", False, "requested")
    assert [task["resolved_at"] is not None for task in updated["operations"]] == [True]
    assert sms_to(db, "+819055550001") == ["request_received"]
    event = updated["timeline"][0]
    assert (event["title"], event["by"]) == ("依頼者の連絡先を訂正しました", "olivia さん")
    assert event["note"] == f"電話番号: 0{old_phone[3:]} → 09055550001\n理由: お電話で伺った"
    [entry] = db.scalars(
        select(AuditEntry).where(AuditEntry.subject == "reservation", AuditEntry.before["phone"].is_not(None))
    )
    before, after = entry.before or {}, entry.after or {}
    assert (before["phone"], after["phone"], after["reason"]) == (old_phone, "+819055550001", "お電話で伺った")


def test_links_that_went_to_the_wrong_number_stop_working(olivia: TestClient, client: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    paths = {purpose: scene.link(db, reservation, purpose) for purpose in ("cancel", "pay")}
    assert {client.get(path).status_code for path in paths.values()} == {200}

    correct(olivia, reservation, phone=RIGHT_PHONE)

    assert {client.get(path).status_code for path in paths.values()} == {404}
    assert client.get(scene.link(db, reservation, "cancel")).status_code == 200
    assert sms_to(db, "+819055550001") == ["confirmed"]
    assert sent_messages(db, reservation)[-2:] == [("shop", "mail", "corrected"), ("customer", "sms", "confirmed")]
    mail = db.scalars(select(Message).where(Message.purpose == "corrected")).one()
    assert "お客様の電話番号: 09055550001" in mail.body


def test_an_awaited_payment_gets_a_new_page_and_ten_new_minutes(olivia: TestClient, db: Session) -> None:
    reservation = scene.awaiting_payment(db)
    db.commit()
    before = scene.case(db, reservation)

    updated = correct(olivia, reservation, phone=RIGHT_PHONE)

    after = scene.case(db, reservation)
    assert (updated["state"], after.deadline, after.checkouts) == ("calling_success", None, before.checkouts + 1)
    commands = [
        message.payload["do"]
        for message in db.scalars(
            select(OutboxMessage).where(OutboxMessage.topic == "payments").order_by(OutboxMessage.id)
        )
    ]
    assert commands == ["checkout", "expire", "checkout"]
    ready = e.CheckoutReady(number=after.checkouts, session="cs_new")
    flow.record_event(db, reservation.id, ready, source="stripe")
    assert sms_to(db, "+819055550001") == ["payment_link"]
    # A payment on the old page is refunded.
    paid = e.Paid(session=before.session or "", intent="pi_old", amount=5500)
    outcome = flow.record_event(db, reservation.id, paid, source="stripe")
    assert e.Refund(number=1, intent="pi_old", amount=5500) in outcome.effects


def test_a_link_that_could_not_be_sent_is_sent_as_soon_as_the_number_is_right(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.OK)
    db.commit()
    assert db.scalars(select(Payment)).all() == []

    updated = correct(olivia, reservation, phone=RIGHT_PHONE)

    assert [task["resolved_at"] is not None for task in updated["operations"]] == [True]
    assert len(db.scalars(select(Payment)).all()) == 1


def test_a_link_that_went_by_mail_stays_valid_after_a_right_number(olivia: TestClient, db: Session) -> None:
    reservation = scene.held_by_shop(db, mail="aoki@example.com")
    flow.record_event(db, reservation.id, e.CheckoutRetried(by_mail=True), source="operator")
    db.commit()
    checkouts = scene.case(db, reservation).checkouts

    correct(olivia, reservation, phone=RIGHT_PHONE)
    assert scene.case(db, reservation).checkouts == checkouts

    correct(olivia, reservation, mail="aoki@right.example")
    assert (scene.case(db, reservation).checkouts, scene.case(db, reservation).by_mail) == (checkouts + 1, True)


def test_an_address_that_was_missing_gets_a_mail_and_no_sms(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()

    correct(olivia, reservation, mail="aoki@example.com")

    assert sent_messages(db, reservation)[-1] == ("customer", "mail", "confirmed")
    assert sms_to(db, reservation.phone).count("confirmed") == 1


def test_a_corrected_name_is_sent_to_the_shop_only(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    before = sent_messages(db, reservation)

    assert correct(olivia, reservation, customer_name="青木 華子")["customer_name"] == "青木 華子"

    assert sent_messages(db, reservation) == [*before, ("shop", "mail", "corrected")]


def test_a_later_failure_of_the_wrong_number_is_ignored(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    db.commit()
    old = db.scalars(select(Message)).one()
    correct(olivia, reservation, phone=RIGHT_PHONE)

    db.refresh(reservation)
    assert not is_still_valid(db, reservation, old)
    record_sms_failure(db, reservation, old, "30005")
    assert not scene.case(db, reservation).sms_fails


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "phone"),
        ({"phone": "12345"}, "phone"),
        ({"phone": "03-1234-5678"}, "phone"),
        ({"phone": RIGHT_PHONE, "reason": " "}, "reason"),
    ],
)
def test_what_corrects_nothing_is_refused(olivia: TestClient, db: Session, fields: dict[str, str], field: str) -> None:
    reservation = scene.create_reservation(db)
    db.commit()

    assert correct(olivia, reservation, 422, **fields)["errors"][0]["field"] == field


def test_a_stored_land_line_stays_while_the_name_is_corrected(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    reservation.phone = "+81312345678"
    db.commit()

    assert correct(olivia, reservation, customer_name="青木 華子")["customer_name"] == "青木 華子"


def test_a_stale_correction_is_a_conflict_and_support_may_not(olivia: TestClient, db: Session, sign_in: SignIn) -> None:
    reservation = scene.create_reservation(db)
    db.commit()
    correct(olivia, reservation, phone=RIGHT_PHONE)

    assert post_action(olivia, reservation, "customer", 409, **correction(reservation, phone=RIGHT_PHONE, version=1))[
        "current"
    ]
    assert post_action(
        sign_in("sally", reservations="support"), reservation, "customer", 403, **correction(reservation, mail="a@b.c")
    )
