"""Payments at a Stripe that misbehaves: one page and one refund for each message, whatever is repeated."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
import stripe
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import PermanentFailure, VendorFailure, payments
from service.core.database.clock import app_clock
from service.core.outbox.records import OutboxMessage, Settled
from tests.jobs.conftest import configure_clients
from tests.jobs.outbox_scene import CHECKOUT, history, make_due, only_message, publish
from tests.sandbox.process import STRIPE_KEY, Sandbox

HALF_AN_HOUR = 1800


def send() -> None:
    outbox_jobs.send_topic("payments")


def official_client(sandbox: Sandbox) -> stripe.StripeClient:
    """Stripe's own client with its own HTTP client."""
    http = stripe.RequestsClient(timeout=5)
    return stripe.StripeClient(STRIPE_KEY, base_addresses={"api": sandbox.url}, http_client=http, max_network_retries=0)


def test_a_payment_page_is_opened_once_and_reported_with_its_url(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "payments")

    send()
    send()

    [session] = sandbox.sessions()
    message = only_message(db)
    metadata = {"reservation": "1", "reference": "QRV-000001", "effect": str(message.key)}
    assert (session["amount_total"], session["client_reference_id"], session["metadata"]) == (
        5500,
        "QRV-000001",
        metadata,
    )
    assert session["description"] == "ペットホテル 1泊"
    assert session["expires_at"] == int((message.created_at + timedelta(seconds=2700)).timestamp())
    [result] = results
    assert (result.outcome, result.external_id) == ("sent", session["id"])
    assert result.answer == {
        "session_id": session["id"],
        "url": session["url"],
        "status": "open",
        "payment_status": "unpaid",
        "payment_intent": None,
        "amount_total": 5500,
        "expires_at": session["expires_at"],
    }


def test_only_cards_are_taken_and_the_payment_carries_the_key_too(db: Session, sandbox: Sandbox) -> None:
    publish(db, "payments")

    send()

    [entry] = sandbox.truth("stripe", "sessions.create")
    key = str(only_message(db).key)
    assert entry["request"]["allowed_payment_method_types"] == ["card"]
    assert entry["request"]["Idempotency-Key"] == key
    paid = sandbox.pay(sandbox.sessions()[0]["id"])["session"]
    assert official_client(sandbox).v1.payment_intents.retrieve(paid["payment_intent"]).metadata["effect"] == key


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_page_whose_answer_was_lost_is_found_and_not_opened_again(
    db: Session, sandbox: Sandbox, results: list[Settled], fault: dict[str, Any]
) -> None:
    publish(db, "payments")
    sandbox.fault("stripe", **fault, operation="sessions.create", count=1)

    send()
    assert only_message(db).in_doubt
    make_due(db)
    send()

    [session] = sandbox.sessions()
    assert history(db) == ["unknown", "found"]
    assert [(result.external_id, result.answer["url"]) for result in results] == [(session["id"], session["url"])]


def test_a_failure_that_stripe_replays_is_passed_with_the_next_key(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "payments")
    sandbox.fault("stripe", "error", operation="sessions.create", status=500, count=1)

    send()
    make_due(db)
    send()

    assert len(sandbox.sessions()) == 1
    assert history(db) == ["unknown", "sent"]
    key = str(only_message(db).key)
    keys = [entry["request"]["Idempotency-Key"] for entry in sandbox.truth("stripe", "sessions.create")]
    assert keys == [key, key, f"{key}:2"]
    assert len(results) == 1


def test_a_page_behind_a_replayed_failure_is_found_before_the_next_key_is_used(db: Session, sandbox: Sandbox) -> None:
    """As if it were unknown that the first try is in doubt."""
    publish(db, "payments")
    sandbox.fault("stripe", "error", operation="sessions.create", status=500, done=True, count=1)
    send()
    db.execute(update(OutboxMessage).values(in_doubt=False))
    make_due(db)

    send()

    assert len(sandbox.sessions()) == 1
    assert only_message(db).external_id == sandbox.sessions()[0]["id"]
    assert len(sandbox.truth("stripe", "sessions.create")) == 2


def test_after_five_old_failures_it_waits_for_another_try(db: Session, sandbox: Sandbox) -> None:
    key = publish(db, "payments").key
    for used_key in (str(key), *(f"{key}:{number}" for number in (2, 3, 4, 5))):
        sandbox.fault("stripe", "error", operation="sessions.create", status=500, count=1)
        with pytest.raises(stripe.APIError):
            official_client(sandbox).v1.checkout.sessions.create({"mode": "payment"}, {"idempotency_key": used_key})

    send()

    assert sandbox.sessions() == []
    assert len(sandbox.truth("stripe", "sessions.create")) == 10
    assert (history(db), only_message(db).in_doubt) == (["failed"], False)
    assert "時間をおいて再送してください" in str(only_message(db).last_error)


def test_a_request_that_differs_from_an_earlier_try_uses_the_next_key(db: Session, sandbox: Sandbox) -> None:
    """The second try is so late that the page must expire later than in the first request."""
    publish(db, "payments")
    sandbox.fault("stripe", "error", operation="sessions.create", status=500, count=1)
    send()
    db.execute(update(OutboxMessage).values(created_at=OutboxMessage.created_at - timedelta(minutes=40)))
    make_due(db)

    send()

    [session] = sandbox.sessions()
    assert time.time() + HALF_AN_HOUR < session["expires_at"] < time.time() + HALF_AN_HOUR + 120
    keys = [entry["request"]["Idempotency-Key"] for entry in sandbox.truth("stripe", "sessions.create")]
    assert keys[-1] == f"{only_message(db).key}:2"


def test_the_sdk_repeats_nothing_by_itself(db: Session, sandbox: Sandbox) -> None:
    publish(db, "payments")
    sandbox.fault("stripe", "error", operation="sessions.create", status=503)

    send()

    assert len(sandbox.truth("stripe", "sessions.create")) == 1


def test_while_stripe_cannot_be_asked_nothing_is_opened(db: Session, sandbox: Sandbox) -> None:
    publish(db, "payments")
    sandbox.fault("stripe", "drop", operation="sessions.create", count=1)
    send()
    outage = sandbox.fault("stripe", "error", operation="sessions.list", status=503)

    make_due(db)
    send()
    assert only_message(db).in_doubt
    sandbox.switch_off(outage)
    make_due(db)
    send()

    assert len(sandbox.sessions()) == 1
    assert history(db) == ["unknown", "unknown", "found"]


def test_a_page_keeps_to_the_products_clock_and_the_sandboxs(db: Session, sandbox: Sandbox) -> None:
    two_days = timedelta(days=2)
    db.execute(update(app_clock).values(shift=two_days))
    db.commit()
    sandbox.clock(shift=two_days.total_seconds())
    publish(db, "payments")

    send()

    [session] = sandbox.sessions()
    assert session["expires_at"] > time.time() + two_days.total_seconds() + HALF_AN_HOUR


def open_page(db: Session, sandbox: Sandbox) -> str:
    publish(db, "payments")
    send()
    return str(sandbox.sessions()[-1]["id"])


def pay_page(db: Session, sandbox: Sandbox) -> str:
    """Opens a page and pays it. Returns the id of the payment intent."""
    return str(sandbox.pay(open_page(db, sandbox))["session"]["payment_intent"])


def test_an_open_page_is_closed(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    page = open_page(db, sandbox)
    publish(db, "payments", payload={"do": "expire", "session_id": page})

    send()

    assert (results[-1].outcome, results[-1].external_id, results[-1].answer["status"]) == ("sent", page, "expired")
    assert sandbox.sessions()[0]["status"] == "expired"


def test_a_paid_page_stays_and_is_reported_as_paid(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    """Stripe decides whether the deadline or the payment came first."""
    page = open_page(db, sandbox)
    sandbox.pay(page)
    publish(db, "payments", payload={"do": "expire", "session_id": page})

    send()

    answer = results[-1].answer
    assert (answer["status"], answer["payment_status"]) == ("complete", "paid")
    assert str(answer["payment_intent"]).startswith("pi_")


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_closing_whose_answer_was_lost_is_found(
    db: Session, sandbox: Sandbox, results: list[Settled], fault: dict[str, Any]
) -> None:
    page = open_page(db, sandbox)
    publish(db, "payments", payload={"do": "expire", "session_id": page})
    sandbox.fault("stripe", **fault, operation="sessions.expire", count=1)

    send()
    make_due(db)
    send()

    assert history(db) == ["sent", "unknown", "found"]
    assert results[-1].answer["status"] == "expired"


def test_a_closing_that_failed_under_its_key_is_repeated_under_the_next(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    page = open_page(db, sandbox)
    publish(db, "payments", payload={"do": "expire", "session_id": page})
    sandbox.fault("stripe", "error", operation="sessions.expire", status=500, count=1)

    send()
    make_due(db)
    send()

    assert results[-1].answer["status"] == "expired"
    assert len(sandbox.truth("stripe", "sessions.expire")) == 3


def test_a_page_with_a_payment_in_progress_is_closed_later(db: Session, sandbox: Sandbox) -> None:
    page = open_page(db, sandbox)
    publish(db, "payments", payload={"do": "expire", "session_id": page})
    sandbox.fault("stripe", "error", operation="sessions.expire", status=400, count=1)

    send()
    assert history(db)[-1] == "failed"
    make_due(db)
    send()

    assert sandbox.sessions()[0]["status"] == "expired"


def test_a_page_that_stripe_does_not_know_cannot_be_closed(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "payments", payload={"do": "expire", "session_id": "cs_test_unknown"})

    send()

    assert [(result.outcome, result.code) for result in results] == [("dead", "resource_missing")]
    assert "別のアカウントのものでないか、管理者に確認してください" in str(results[0].error)


def refund_payload(intent: str, amount: int = 5500) -> dict[str, Any]:
    return {"do": "refund", "payment_intent": intent, "amount": amount, "reference": "QRV-000001"}


def test_money_is_given_back_once(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    publish(db, "payments", payload=refund_payload(pay_page(db, sandbox), 3000))

    send()
    send()

    [refund] = sandbox.refunds()
    assert (refund["amount"], refund["reason"]) == (3000, "requested_by_customer")
    assert refund["metadata"] == {"reference": "QRV-000001", "effect": str(results[-1].message.key)}
    assert results[-1].external_id == refund["id"]
    assert (results[-1].answer["status"], results[-1].answer["amount"]) == ("pending", 3000)


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_refund_whose_answer_was_lost_is_found_and_not_made_again(
    db: Session, sandbox: Sandbox, results: list[Settled], fault: dict[str, Any]
) -> None:
    publish(db, "payments", payload=refund_payload(pay_page(db, sandbox), 1000))
    sandbox.fault("stripe", **fault, operation="refunds.create", count=1)

    send()
    make_due(db)
    send()

    [refund] = sandbox.refunds()
    assert history(db) == ["sent", "unknown", "found"]
    assert results[-1].external_id == refund["id"]


def test_a_refund_that_failed_under_its_key_is_made_under_the_next(db: Session, sandbox: Sandbox) -> None:
    publish(db, "payments", payload=refund_payload(pay_page(db, sandbox), 1000))
    sandbox.fault("stripe", "error", operation="refunds.create", status=500, count=1)

    send()
    make_due(db)
    send()

    assert [refund["amount"] for refund in sandbox.refunds()] == [1000]


def test_a_second_full_refund_is_a_dead_letter_with_a_message(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    intent = pay_page(db, sandbox)
    for _ in range(2):
        publish(db, "payments", payload=refund_payload(intent))

    send()

    assert [result.outcome for result in results] == ["sent", "sent", "dead"]
    assert results[-1].code == "charge_already_refunded"
    assert "すでに全額返金されています" in str(results[-1].error)
    assert len(sandbox.refunds()) == 1


def test_a_refund_whose_message_was_lost_with_the_database_counts_as_made(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    intent = pay_page(db, sandbox)
    lost = publish(db, "payments", payload=refund_payload(intent))
    send()
    db.execute(update(OutboxMessage).where(OutboxMessage.id == lost.id).values(key=uuid.uuid4()))
    publish(db, "payments", payload=refund_payload(intent))

    send()

    [refund] = sandbox.refunds()
    assert (results[-1].outcome, results[-1].external_id, results[-1].answer["amount"]) == ("sent", refund["id"], 5500)


@pytest.mark.parametrize(
    "metadata",
    [
        {"reference": "QRV-000002", "effect": "eb5cd3be-0000-4000-8000-000000000000"},
        {"reference": "QRV-000001"},
        {"reference": "QRV-000001", "effect": "by hand"},
    ],
)
def test_only_a_refund_of_genba_for_the_same_reservation_is_accepted(
    db: Session, sandbox: Sandbox, results: list[Settled], metadata: dict[str, str]
) -> None:
    intent = pay_page(db, sandbox)
    official_client(sandbox).v1.refunds.create({"payment_intent": intent, "metadata": metadata})
    publish(db, "payments", payload=refund_payload(intent))

    send()

    assert (results[-1].outcome, results[-1].code) == ("dead", "charge_already_refunded")


def test_our_own_refund_is_found_even_after_stripe_forgot_the_key(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(db, "payments", payload=refund_payload(pay_page(db, sandbox)))
    sandbox.fault("stripe", "drop", operation="refunds.create", count=1)
    send()
    db.execute(update(OutboxMessage).values(in_doubt=False))
    make_due(db)
    # A changed key stands for one that Stripe has forgotten.
    create = payments._create_or_find
    monkeypatch.setattr(
        payments,
        "_create_or_find",
        lambda message, make, find: create(message, lambda key: make(f"{key}!"), find),
    )

    send()

    [refund] = sandbox.refunds()
    assert results[-1].external_id == refund["id"]


def test_a_page_and_a_refund_are_read_as_they_are(db: Session, sandbox: Sandbox) -> None:
    page = open_page(db, sandbox)
    intent = sandbox.pay(page)["session"]["payment_intent"]
    sandbox.script("refund", "at_once")
    publish(db, "payments", payload=refund_payload(intent))
    send()
    [refund] = sandbox.refunds()

    assert payments.session(page)["payment_intent"] == intent
    assert payments.refund(refund["id"]) == {
        "refund_id": refund["id"],
        "status": "succeeded",
        "amount": 5500,
        "payment_intent": intent,
        "failure_reason": None,
    }


def test_a_read_that_fails_leaves_nothing_in_doubt(sandbox: Sandbox) -> None:
    with pytest.raises(PermanentFailure) as absent:
        payments.session("cs_test_unknown")
    sandbox.fault("stripe", "error", operation="sessions.get", status=500, count=1)
    with pytest.raises(VendorFailure) as failed:
        payments.session("cs_test_unknown")
    sandbox.fault("stripe", "drop", operation="refunds.get", count=1)
    with pytest.raises(VendorFailure) as cut_off:
        payments.refund("re_unknown")

    assert absent.value.code == "resource_missing"
    assert [type(error.value) for error in (failed, cut_off)] == [VendorFailure, VendorFailure]


def test_a_rate_limit_holds_the_payments(db: Session, sandbox: Sandbox) -> None:
    publish(db, "payments")
    sandbox.fault("stripe", "error", status=429, retry_after=60, count=1)

    send()
    send()

    assert sandbox.sessions() == []
    assert history(db) == ["rate_limited"]


def test_a_wrong_key_names_the_setting_to_check(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, stripe_api_key=SecretStr("sk_test_another"))
    publish(db, "payments")

    send()

    assert [(result.outcome, result.code) for result in results] == [("dead", "401")]
    assert "STRIPE_API_KEYを確認してください" in str(results[0].error)


def test_an_amount_that_stripe_refuses_is_a_dead_letter_with_a_message(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "payments", payload=CHECKOUT | {"amount": 10})

    send()

    assert [(result.outcome, result.code) for result in results] == [("dead", "amount_too_small")]
    assert "予約の金額を確認してください" in str(results[0].error)


def test_nothing_secret_or_personal_is_logged(
    db: Session,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    publish(db, "payments", payload=CHECKOUT | {"amount": 10})
    publish(db, "payments")
    sandbox.fault("stripe", "drop", operation="sessions.create", count=1)
    send()
    make_due(db)

    send()

    logged = caplog.text + "".join(capsys.readouterr())
    assert [secret for secret in (STRIPE_KEY, "ペットホテル", "genba.example", "cs_test") if secret in logged] == []


def test_without_settings_nothing_is_tried(db: Session, results: list[Settled]) -> None:
    publish(db, "payments")

    send()

    assert [result.code for result in results] == ["not_configured"]
