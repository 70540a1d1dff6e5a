"""連絡先を訂正: who had a wrong number or address hears how things stand, and the wrong one opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.outbox.records import OutboxMessage
from service.reservations.events import rules as e
from service.reservations.events.rules import Answer
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Payment, Reservation
from service.reservations.outgoing.models import Message
from service.reservations.vendor_events.actions import is_still_valid, record_sms_failure
from tests.api.reservations import scene
from tests.api.reservations.test_desk import do, letters, olivia, shown, world

SignIn = Callable[..., TestClient]
__all__ = ["olivia", "world"]
RIGHT = "090-5555-0001"


def right(reservation: Reservation, **said: Any) -> dict[str, Any]:
    now: dict[str, Any] = {
        "customer_name": reservation.customer_name,
        "phone": reservation.phone,
        "mail": reservation.mail,
    }
    return now | {"reason": "お電話で伺った"} | said


def correct(client: TestClient, reservation: Reservation, status: int = 200, **said: Any) -> dict[str, Any]:
    return do(client, reservation, "customer", status, **right(reservation, **said))


def sms_to(db: Session, number: str) -> list[str]:
    found = select(Message.purpose).where(Message.address == number, Message.channel == "sms").order_by(Message.id)
    return list(db.scalars(found))


def test_a_right_number_gets_what_holds_now_and_the_history_says_why(olivia: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    db.commit()
    was = reservation.phone
    assert shown(olivia, reservation)["sms_fails"]

    now = correct(olivia, reservation, phone=RIGHT)

    assert (now["phone"], now["sms_fails"], now["state"]) == ("+819055550001", False, "requested")
    assert [task["resolved_at"] is not None for task in now["operations"]] == [True]
    assert sms_to(db, "+819055550001") == ["request_received"]
    told = now["timeline"][0]
    assert (told["title"], told["by"]) == ("依頼者の連絡先を訂正しました", "olivia さん")
    assert told["note"] == f"電話番号: 0{was[3:]} → 09055550001\n理由: お電話で伺った"
    [entry] = db.scalars(
        select(AuditEntry).where(AuditEntry.subject == "reservation", AuditEntry.before["phone"].is_not(None))
    )
    assert (entry.before, entry.after) == ({"phone": was}, {"phone": "+819055550001", "reason": "お電話で伺った"})


def test_links_that_went_to_the_wrong_number_open_nothing_any_more(
    olivia: TestClient, client: TestClient, db: Session
) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    paths = {purpose: scene.link(db, reservation, purpose) for purpose in ("cancel", "pay")}
    assert {client.get(path).status_code for path in paths.values()} == {200}

    correct(olivia, reservation, phone=RIGHT)

    assert {client.get(path).status_code for path in paths.values()} == {404}
    assert client.get(scene.link(db, reservation, "cancel")).status_code == 200
    assert sms_to(db, "+819055550001") == ["confirmed"]
    assert letters(db, reservation)[-2:] == [("shop", "mail", "corrected"), ("customer", "sms", "confirmed")]
    mail = db.scalars(select(Message).where(Message.purpose == "corrected")).one()
    assert "お客様の電話番号: 09055550001" in mail.body


def test_who_was_to_pay_gets_a_new_page_and_ten_new_minutes(olivia: TestClient, db: Session) -> None:
    reservation = scene.awaiting(db)
    db.commit()
    before = scene.case(db, reservation)

    now = correct(olivia, reservation, phone=RIGHT)

    after = scene.case(db, reservation)
    assert (now["state"], after.deadline, after.checkouts) == ("calling_success", None, before.checkouts + 1)
    done = [
        message.payload["do"]
        for message in db.scalars(
            select(OutboxMessage).where(OutboxMessage.topic == "payments").order_by(OutboxMessage.id)
        )
    ]
    assert done == ["checkout", "expire", "checkout"]
    ready = e.CheckoutReady(number=after.checkouts, session="cs_new")
    flow.record_event(db, reservation.id, ready, source="stripe")
    assert sms_to(db, "+819055550001") == ["payment_link"]
    # Who pays on the old page all the same gets that back.
    paid = e.Paid(session=before.session or "", intent="pi_old", amount=5500)
    outcome = flow.record_event(db, reservation.id, paid, source="stripe")
    assert e.Refund(number=1, intent="pi_old", amount=5500) in outcome.effects


def test_who_could_not_be_sent_a_link_gets_one_as_soon_as_the_number_is_right(olivia: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    scene.pass_time(db)
    scene.shop_says(db, reservation, Answer.OK)
    db.commit()
    assert db.scalars(select(Payment)).all() == []

    now = correct(olivia, reservation, phone=RIGHT)

    assert [task["resolved_at"] is not None for task in now["operations"]] == [True]
    assert len(db.scalars(select(Payment)).all()) == 1


def test_a_link_that_went_by_mail_is_not_taken_away_by_a_right_number(olivia: TestClient, db: Session) -> None:
    reservation = scene.held(db, mail="aoki@example.com")
    flow.record_event(db, reservation.id, e.CheckoutRetried(by_mail=True), source="operator")
    db.commit()
    checkouts = scene.case(db, reservation).checkouts

    correct(olivia, reservation, phone=RIGHT)
    assert scene.case(db, reservation).checkouts == checkouts

    correct(olivia, reservation, mail="aoki@right.example")
    assert (scene.case(db, reservation).checkouts, scene.case(db, reservation).by_mail) == (checkouts + 1, True)


def test_an_address_that_was_missing_gets_a_mail_and_no_sms(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()

    correct(olivia, reservation, mail="aoki@example.com")

    assert letters(db, reservation)[-1] == ("customer", "mail", "confirmed")
    assert sms_to(db, reservation.phone).count("confirmed") == 1


def test_a_wrong_name_is_told_to_the_shop_and_nobody_else(olivia: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    before = letters(db, reservation)

    assert correct(olivia, reservation, customer_name="青木 華子")["customer_name"] == "青木 華子"

    assert letters(db, reservation) == [*before, ("shop", "mail", "corrected")]


def test_what_the_wrong_number_says_later_is_nobodys_failure(olivia: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    db.commit()
    old = db.scalars(select(Message)).one()
    correct(olivia, reservation, phone=RIGHT)

    assert not is_still_valid(db, old, scene.case(db, reservation))
    record_sms_failure(db, old, "30005")
    assert not scene.case(db, reservation).sms_fails


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "phone"),
        ({"phone": "12345"}, "phone"),
        ({"phone": "03-1234-5678"}, "phone"),
        ({"phone": RIGHT, "reason": " "}, "reason"),
    ],
)
def test_what_corrects_nothing_is_refused(olivia: TestClient, db: Session, said: dict[str, str], field: str) -> None:
    reservation = scene.ask(db)
    db.commit()

    assert correct(olivia, reservation, 422, **said)["errors"][0]["field"] == field


def test_who_was_known_by_a_land_line_keeps_it_while_the_name_is_corrected(olivia: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    reservation.phone = "+81312345678"
    db.commit()

    assert correct(olivia, reservation, customer_name="青木 華子")["customer_name"] == "青木 華子"


def test_a_stale_correction_is_a_conflict_and_support_may_not(olivia: TestClient, db: Session, sign_in: SignIn) -> None:
    reservation = scene.ask(db)
    db.commit()
    correct(olivia, reservation, phone=RIGHT)

    assert do(olivia, reservation, "customer", 409, **right(reservation, phone=RIGHT, version=1))["current"]
    assert do(
        sign_in("sally", reservations="support"), reservation, "customer", 403, **right(reservation, mail="a@b.c")
    )
