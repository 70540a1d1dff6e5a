"""Stripe's SDK checks the sandbox's Stripe: sessions, refunds, keys, and the signatures of events."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe import RequestsClient, StripeClient, WebhookSignature

from tests.sandbox.process import STRIPE_KEY, STRIPE_SECRET, Sandbox, running_sandbox
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.waiting import wait_for

HALF_HOUR = 1800


def client(sandbox: Sandbox, key: str = STRIPE_KEY) -> StripeClient:
    return StripeClient(
        key, base_addresses={"api": sandbox.url}, max_network_retries=0, http_client=RequestsClient(timeout=10)
    )


def params(**changed: Any) -> Any:
    return {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": "jpy",
                    "unit_amount": 5500,
                    "product_data": {"name": "ハウスクリーニング 2LDK"},
                },
                "quantity": 1,
            }
        ],
        "allowed_payment_method_types": ["card"],
        "success_url": "https://genba.example/pay/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://genba.example/pay/left",
        "client_reference_id": "QRV-ABC123",
        "expires_at": int(time.time()) + 31 * 60,
        "metadata": {"effect": "k-1"},
        "payment_intent_data": {"metadata": {"effect": "k-1"}},
    } | changed


def create(sandbox: Sandbox, key: str = "", **changed: Any) -> stripe.checkout.Session:
    options: Any = {"idempotency_key": key} if key else {}
    return client(sandbox).v1.checkout.sessions.create(params(**changed), options)


def paid_intent(sandbox: Sandbox) -> str:
    """A payment intent that succeeded."""
    return str(sandbox.pay(create(sandbox).id)["session"]["payment_intent"])


def metadata(stripe_object: Any) -> dict[str, str]:
    return dict(stripe_object.metadata.to_dict())


def refund(sandbox: Sandbox, intent: str, key: str = "", **more: Any) -> stripe.Refund:
    options: Any = {"idempotency_key": key} if key else {}
    parameters: Any = {"payment_intent": intent, "reason": "requested_by_customer"} | more
    return client(sandbox).v1.refunds.create(parameters, options)


def test_a_session_is_open_until_it_is_paid(sandbox: Sandbox) -> None:
    api = client(sandbox).v1
    session = create(sandbox)

    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 5500)
    assert session.payment_intent is None
    assert str(session.url).startswith(f"{sandbox.url}/checkout/c/pay/cs_test_")
    result = sandbox.pay(session.id)
    assert result["paid"]

    retrieved = api.checkout.sessions.retrieve(session.id)
    assert (retrieved.status, retrieved.payment_status, retrieved.url) == ("complete", "paid", None)
    assert metadata(retrieved) == {"effect": "k-1"}
    intent = api.payment_intents.retrieve(str(retrieved.payment_intent))
    assert (intent.status, intent.amount_received, metadata(intent)) == ("succeeded", 5500, {"effect": "k-1"})
    assert sandbox.pay(session.id)["reason"] == "complete"
    assert [step["status"] for step in sandbox.sessions()[0]["history"]] == ["open", "complete"]


def test_only_an_open_session_can_be_expired(sandbox: Sandbox) -> None:
    api = client(sandbox).v1.checkout.sessions
    open_session, paid_session = create(sandbox), create(sandbox)
    sandbox.pay(paid_session.id)

    assert api.expire(open_session.id).status == "expired"
    for session, status in ((open_session, "expired"), (paid_session, "complete")):
        with pytest.raises(stripe.InvalidRequestError, match=f"has a status of `{status}`") as refused:
            api.expire(session.id)
        assert refused.value.http_status == 400
    assert sandbox.pay(open_session.id) == sandbox.pay(open_session.id)
    assert sandbox.pay(open_session.id)["reason"] == "expired"


def test_a_session_expires_by_itself_when_its_time_is_over(sandbox: Sandbox) -> None:
    session = create(sandbox)

    sandbox.clock(advance=31 * 60 - 30)
    assert client(sandbox).v1.checkout.sessions.retrieve(session.id).status == "open"
    sandbox.clock(advance=31)
    assert sandbox.pay(session.id)["reason"] == "expired"

    assert len(sandbox.events("checkout.session.expired")) == 1
    other = create(sandbox, expires_at=int(sandbox.clock()["now"]) + HALF_HOUR + 60)
    sandbox.clock(advance=HALF_HOUR + 61)
    wait_for(lambda: sandbox.sessions()[1]["status"] == "expired")
    assert client(sandbox).v1.checkout.sessions.retrieve(other.id).status == "expired"
    assert len(sandbox.events("checkout.session.expired")) == 2


@pytest.mark.parametrize(
    ("changed", "param", "code"),
    [
        ({"expires_at": int(time.time()) + HALF_HOUR - 60}, "expires_at", None),
        ({"expires_at": int(time.time()) + 25 * 3600}, "expires_at", None),
        ({"line_items": []}, "line_items", "parameter_missing"),
        ({"success_url": ""}, "success_url", "parameter_missing"),
        ({"colour": "blue"}, "colour", "parameter_unknown"),
        ({"payment_method_types": ["card"]}, "payment_method_types", "payment_method_types_no_longer_supported"),
        (
            {
                "line_items": [
                    {
                        "price_data": {"currency": "jpy", "unit_amount": "55.00", "product_data": {"name": "x"}},
                        "quantity": 1,
                    }
                ]
            },
            "line_items[0][price_data][unit_amount]",
            "parameter_invalid_integer",
        ),
        (
            {
                "line_items": [
                    {"price_data": {"currency": "jpy", "unit_amount": 49, "product_data": {"name": "x"}}, "quantity": 1}
                ]
            },
            None,
            "amount_too_small",
        ),
    ],
)
def test_stripe_refuses_with_its_own_error_codes(
    sandbox: Sandbox, changed: dict[str, Any], param: str | None, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create(sandbox, **changed)

    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)
    assert sandbox.sessions() == []


def test_wrong_keys_and_unknown_objects_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client(sandbox, "sk_test_stranger").v1.refunds.list()
    for request in (
        lambda: client(sandbox).v1.checkout.sessions.retrieve("cs_test_none"),
        lambda: client(sandbox).v1.payment_intents.retrieve("pi_none"),
        lambda: client(sandbox).v1.refunds.retrieve("re_none"),
        lambda: refund(sandbox, "pi_none"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            request()
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_the_same_key_gets_the_first_response_again(sandbox: Sandbox) -> None:
    until = int(time.time()) + 31 * 60
    first, second = (create(sandbox, "key-1", expires_at=until) for _ in range(2))

    assert first.id == second.id
    assert len(sandbox.sessions()) == 1
    responses = [session.last_response for session in (first, second)]
    assert [response and response.headers.get("Idempotent-Replayed") for response in responses] == [None, "true"]
    with pytest.raises(stripe.IdempotencyError):
        create(sandbox, "key-1", expires_at=until + 1)
    assert create(sandbox, "key-2", expires_at=until).id != first.id


@pytest.mark.parametrize("done", [False, True])
def test_a_server_error_is_stored_under_the_key(sandbox: Sandbox, done: bool) -> None:
    until = int(time.time()) + 31 * 60
    sandbox.fault("stripe", "error", operation="sessions.create", status=500, done=done, count=1)

    replayed = []
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            create(sandbox, "key-1", expires_at=until)
        assert failed.value.http_status == 500
        replayed.append((failed.value.headers or {}).get("Idempotent-Replayed"))

    assert replayed == [None, "true"]
    assert len(sandbox.sessions()) == int(done)
    assert create(sandbox, "key-1:2", expires_at=until).status == "open"


def test_a_request_that_was_not_executed_is_not_stored(sandbox: Sandbox) -> None:
    session = create(sandbox)
    with pytest.raises(stripe.InvalidRequestError):
        create(sandbox, "key-1", success_url="")
    sandbox.fault("stripe", "error", status=409, count=1)
    with pytest.raises(stripe.APIError):
        create(sandbox, "key-1")
    sandbox.fault("stripe", "error", status=429, count=1)
    with pytest.raises(stripe.RateLimitError):
        create(sandbox, "key-1")

    assert create(sandbox, "key-1").id != session.id


def test_a_lost_response_is_stored_under_its_key(sandbox: Sandbox) -> None:
    until = int(time.time()) + 31 * 60
    sandbox.fault("stripe", "drop", operation="sessions.create", count=1)

    with pytest.raises(stripe.APIConnectionError):
        create(sandbox, "key-1", expires_at=until)
    again = create(sandbox, "key-1", expires_at=until)

    assert [session["id"] for session in sandbox.sessions()] == [again.id]
    assert sandbox.pay(again.id)["paid"]


def test_sessions_are_listed_newest_first(sandbox: Sandbox) -> None:
    api = client(sandbox).v1.checkout.sessions
    started_at = int(time.time())
    ids = [create(sandbox).id for _ in range(5)]

    page = api.list({"created": {"gte": started_at}, "limit": 2})
    assert ([session.id for session in page.data], page.has_more) == (ids[:2:-1], True)
    next_page = api.list({"created": {"gte": started_at}, "limit": 2, "starting_after": ids[3]})
    assert [session.id for session in next_page.data] == [ids[2], ids[1]]
    assert [session.id for session in page.auto_paging_iter()] == ids[::-1]
    assert api.list({"created": {"gte": started_at + 3600}}).data == []


def test_a_refund_is_pending_and_then_succeeds(sandbox: Sandbox) -> None:
    intent = paid_intent(sandbox)
    created = refund(sandbox, intent, "key-1", amount=5500, metadata={"effect": "k-2"})

    assert (created.status, created.amount, created.payment_intent) == ("pending", 5500, intent)
    wait_for(lambda: client(sandbox).v1.refunds.retrieve(created.id).status == "succeeded")
    assert refund(sandbox, intent, "key-1", amount=5500, metadata={"effect": "k-2"}).id == created.id
    page = client(sandbox).v1.refunds.list({"payment_intent": intent})
    assert [(item.id, metadata(item)) for item in page.data] == [(created.id, {"effect": "k-2"})]
    assert client(sandbox).v1.refunds.list({"payment_intent": paid_intent(sandbox)}).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(sandbox, intent)
    assert refused.value.code == "charge_already_refunded"


def test_a_refund_can_fail_and_be_repeated(sandbox: Sandbox) -> None:
    intent = paid_intent(sandbox)
    sandbox.script("refund", "failed", "fails_later", "at_once")

    first = refund(sandbox, intent)
    wait_for(lambda: sandbox.refunds()[0]["status"] == "failed")
    second = refund(sandbox, intent)
    assert second.status == "succeeded"
    wait_for(lambda: sandbox.refunds()[1]["status"] == "failed")
    assert refund(sandbox, intent, amount=500).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        refund(sandbox, intent, amount=5001)

    assert client(sandbox).v1.refunds.retrieve(first.id).failure_reason == "expired_or_canceled_card"
    failed_events = [(event["type"], event["data"]["object"]["id"]) for event in sandbox.events("refund.failed")]
    assert failed_events == [("refund.failed", first.id), ("refund.failed", second.id)]


def test_nothing_unpaid_is_refunded(sandbox: Sandbox) -> None:
    session = create(sandbox)
    declined = sandbox.pay(session.id, card="declined")

    assert (declined["paid"], declined["reason"]) == (False, "card_declined")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        refund(sandbox, str(declined["session"]["payment_intent"]))
    assert sandbox.pay(session.id)["paid"]
    assert sandbox.sessions()[0]["declined"] == 1


def test_events_are_signed_and_complete(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.target("stripe", receiver.url)
    session = create(sandbox)
    intent = str(sandbox.pay(session.id)["session"]["payment_intent"])
    refund(sandbox, intent)
    sandbox.dispute(intent)
    event_types = [
        "payment_intent.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.dispute.created",
        "refund.updated",
    ]
    wait_for(lambda: len(receiver.received) == len(event_types))

    assert sorted(event["type"] for event in receiver.events()) == sorted(event_types)
    for headers, body in receiver.received:
        assert WebhookSignature.verify_header(body, headers["Stripe-Signature"], STRIPE_SECRET, 300)
        with pytest.raises(stripe.SignatureVerificationError):
            WebhookSignature.verify_header(body + b" ", headers["Stripe-Signature"], STRIPE_SECRET, 300)
        event = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], STRIPE_SECRET, api_key=STRIPE_KEY)
        assert event.api_version == "2026-10-28.endive"
    objects = {event["type"]: event["data"]["object"] for event in receiver.events()}
    assert objects["checkout.session.completed"]["payment_status"] == "paid"
    assert objects["checkout.session.completed"]["metadata"] == {"effect": "k-1"}
    assert objects["refund.created"]["status"] == "pending"
    assert objects["charge.dispute.created"]["payment_intent"] == intent


def test_both_secrets_sign_during_a_rotation(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.target("stripe", receiver.url, ["whsec_old", "whsec_new"])
    try:
        sandbox.pay(create(sandbox).id)
        wait_for(lambda: len(receiver.received) == 2)
    finally:
        sandbox.target("stripe", receiver.url, [STRIPE_SECRET])

    [(headers, body), _] = receiver.received
    for secret in ("whsec_old", "whsec_new"):
        assert WebhookSignature.verify_header(body, headers["Stripe-Signature"], secret, 300)
    with pytest.raises(stripe.SignatureVerificationError):
        WebhookSignature.verify_header(body, headers["Stripe-Signature"], STRIPE_SECRET, 300)


def test_single_kinds_of_events_are_withheld_and_repeated(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.target("stripe", receiver.url)
    sandbox.fault("stripe", "drop", operation="webhook:checkout.session.completed", count=1)
    sandbox.fault("stripe", "duplicate", operation="webhook:payment_intent.succeeded", count=1)
    sandbox.pay(create(sandbox).id)
    wait_for(lambda: len(receiver.received) == 2)
    [withheld] = sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    sandbox.send_again(withheld["id"], times=3)
    wait_for(lambda: len(receiver.received) == 5)

    assert [event["type"] for event in receiver.events()] == 2 * ["payment_intent.succeeded"] + 3 * [
        "checkout.session.completed"
    ]
    assert len({event["id"] for event in receiver.events()}) == 2


def test_an_event_that_was_not_accepted_is_retried(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.target("stripe", receiver.url)
    receiver.statuses.append(500)
    client(sandbox).v1.checkout.sessions.expire(create(sandbox).id)
    wait_for(lambda: len(receiver.received) == 2)

    assert len({event["id"] for event in receiver.events()}) == 1


def test_a_session_is_never_both_paid_and_expired(sandbox: Sandbox) -> None:
    api = client(sandbox).v1.checkout.sessions

    def expire(session_id: str) -> bool:
        try:
            return api.expire(session_id).status == "expired"
        except stripe.InvalidRequestError:
            return False

    def pay(session_id: str) -> bool:
        return sandbox.http.post(f"/checkout/c/pay/{session_id}", data={"card": "ok"}).status_code == 303

    statuses = set()
    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            session_id = create(sandbox).id
            requests: list[Any] = [pay, expire, pay, expire]
            results = list(
                pool.map(lambda send, target_id=session_id: send(target_id), requests[:: 1 if number % 2 else -1])
            )
            assert sum(results) == 1
            statuses.add(api.retrieve(session_id).status)
    assert statuses <= {"complete", "expired"}
    later_steps = [session["history"][1:] for session in sandbox.sessions()]
    assert [len(steps) for steps in later_steps] == [1] * 20
    assert len(sandbox.events("checkout.session.")) == 20


def test_a_restart_keeps_sessions_keys_and_the_clock(tmp_path: Path) -> None:
    store, until = tmp_path / "sandbox.sqlite", int(time.time()) + 31 * 60
    with running_sandbox(store) as first:
        session = create(first, "key-1", expires_at=until)
        first.clock(shift=1000)
        first.process.kill()
        first.process.wait(10)
    with running_sandbox(store) as second:
        assert create(second, "key-1", expires_at=until).id == session.id
        assert second.clock()["shift"] == 1000
        second.clock(advance=1000)
        wait_for(lambda: second.sessions()[0]["status"] == "expired")


def test_imported_payments_can_be_paid_expired_and_refunded_and_are_imported_once(tmp_path: Path) -> None:
    now, file = int(time.time()), tmp_path / "payments.json"
    payment = {"name": "花束 M", "amount": 5500, "created": now - 60, "expires_at": now + 2000, "metadata": {"a": "b"}}
    payment |= {"success_url": "https://genba.example/done", "cancel_url": "https://genba.example/left"}
    payments = [
        payment | {"id": "cs_test_demo_open", "intent": None},
        payment | {"id": "cs_test_demo_late", "intent": None},
    ]
    file.write_text(json.dumps([*payments, payment | {"id": "cs_test_demo_paid", "intent": "pi_demo_paid"}]))
    for _ in range(2):
        with running_sandbox(tmp_path / "store.sqlite", remembered=file) as sandbox:
            sessions = client(sandbox).v1.checkout.sessions
            assert sessions.retrieve("cs_test_demo_paid").payment_status == "paid"
            if sessions.retrieve("cs_test_demo_late").status == "open":
                assert sandbox.pay("cs_test_demo_open")["paid"]
                assert sessions.expire("cs_test_demo_late").status == "expired"
                refund = client(sandbox).v1.refunds.create({"payment_intent": "pi_demo_paid"})
                assert refund.amount == 5500
            assert len(sandbox.sessions()) == 3
            assert sessions.retrieve("cs_test_demo_open").payment_status == "paid"
