"""SMS that do not arrive, or whose status events come in another order."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from jobs import reservations as jobs
from jobs.vendors import sms as client
from service.core.database.clock import app_now, real_now
from service.core.database.session import SYSTEM, transaction
from service.core.outbox.records import OutboxMessage
from service.reservations.outgoing.models import Message
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State
from service.reservations.vendor_events.rules import SMS_RETRY_DELAYS, TEMPORARY_CODES
from tests.jobs.reservations_world import World
from tests.waiting import wait_for

TEMPORARY_FAILURE = {"kind": "undelivered", "code": 30003}


def payment_link(world: World) -> Message:
    [message] = [message for message in world.messages() if message.purpose == "payment_link"]
    return message


def first_message(world: World) -> Message:
    return world.messages()[0]


def retry_delay(sms: Message, world: World) -> timedelta:
    """The delay of the next try, from when the outbox message was created."""
    with transaction(SYSTEM) as db:
        message = db.scalars(select(OutboxMessage).where(OutboxMessage.key == sms.message_key)).one()
        return message.next_attempt_at - message.created_at


def run_until_processed(world: World) -> None:
    world.run_until(lambda: all(webhook.processed_at for webhook in world.webhooks()))


def test_tries_and_codes_are_those_of_the_client() -> None:
    assert list(SMS_RETRY_DELAYS) == client.BACK_OFF
    # The client also retries 14107 (rate limit): it refuses a request, and is no result of a delivery.
    assert TEMPORARY_CODES - {""} == set(client.TEMPORARY_ERRORS) - {"14107"}


def test_a_link_that_did_not_arrive_is_sent_again_and_its_ten_minutes_begin_anew(world: World) -> None:
    world.sandbox.script("sms", "delivered", TEMPORARY_FAILURE)
    world.request_reservation().run_until(lambda: "link_lost" in world.events())
    world.run_until_idle()

    message = payment_link(world)
    assert (world.state, world.case.deadline) == (State.CALLING_SUCCESS, None)
    assert (message.status, message.tries, message.error_code) == ("waiting", 1, "30003")
    assert abs(retry_delay(message, world) - timedelta(minutes=1)) < timedelta(seconds=5)
    assert len(world.sent_sms("/pay/")) == 1
    world.pass_time(timedelta(minutes=1)).await_link().run_until_idle()

    sent = world.sent_sms("/pay/")
    assert [sms["status"] for sms in sent] == ["undelivered", "delivered"]
    assert sent[0]["body"] == sent[1]["body"]
    assert payment_link(world).status == "delivered"
    assert world.case.deadline == world.case.since + timedelta(minutes=10)
    assert world.tasks(is_open=False) == []


def is_waiting_after(world: World, tries: int) -> bool:
    return (first_message(world).tries, first_message(world).status) == (tries, "waiting")


def test_after_three_repeats_staff_are_notified_once(world: World) -> None:
    world.sandbox.script("sms", then=TEMPORARY_FAILURE)
    world.request_reservation()
    for number, minutes in enumerate((1, 5, 15), 1):
        world.run_until(partial(is_waiting_after, world, number))
        assert abs(retry_delay(first_message(world), world) - timedelta(minutes=minutes)) < timedelta(seconds=5)
        world.pass_time(timedelta(minutes=minutes))

    world.run_until(lambda: first_message(world).status == "undelivered")
    world.run_until_idle()

    received = [sms for sms in world.sandbox.sms() if sms["body"] == first_message(world).body]
    assert [sms["status"] for sms in received] == ["undelivered"] * 4
    assert world.tasks() == ["sms_failed"]
    code = world.reservation.code
    texts = [post["text"] for post in world.sandbox.posts()]
    assert texts == [f"予約ID: {code} のSMS送信が全て失敗"]
    assert world.case.sms_fails


@pytest.mark.parametrize("outcome", [{"kind": "undelivered", "code": 30005}, {"kind": "refused", "code": 21614}])
def test_a_number_that_takes_no_sms_is_not_tried_again(world: World, outcome: dict[str, object]) -> None:
    world.sandbox.script("sms", then=outcome)
    world.request_reservation().run_until(lambda: world.tasks() == ["sms_failed"])
    world.run_until_idle().pass_time(timedelta(minutes=20)).run_until_idle()

    assert len([entry for entry in world.sandbox.truth("twilio", "messages.create") if "/pay/" not in str(entry)]) == 1
    assert first_message(world).error_code == str(outcome["code"])
    assert world.sent_sms("/pay/") == []
    code = world.reservation.code
    assert [post["text"] for post in world.sandbox.posts()] == [f"予約ID: {code} のSMS送信が全て失敗"]


def test_a_link_to_a_number_that_takes_no_sms_does_not_run_out(world: World) -> None:
    world.sandbox.script("sms", "delivered", {"kind": "undelivered", "code": 30006})
    world.request_reservation().run_until(lambda: world.tasks() == ["sms_failed"])
    world.run_until_idle()
    world.pass_time(timedelta(minutes=12)).run_until_idle()

    assert (world.state, world.case.deadline) == (State.CALLING_SUCCESS, None)
    assert [session["status"] for session in world.sandbox.sessions()] == ["open"]


def test_status_events_in_another_order_change_nothing(world: World) -> None:
    world.request_reservation().run_until(lambda: first_message(world).status == "delivered")
    message = first_message(world)

    for status in ("sent", "undelivered", "failed", "queued", "nonsense"):
        world.post_twilio_status(message, status, ErrorCode="30003")
    run_until_processed(world)

    assert first_message(world).status == "delivered"
    assert first_message(world).message_key == message.message_key
    assert world.tasks(is_open=False) == []


def test_a_status_of_an_earlier_try_does_not_change_the_next(world: World) -> None:
    world.sandbox.script("sms", TEMPORARY_FAILURE)
    world.request_reservation().run_until(
        lambda: first_message(world).tries == 1 and first_message(world).status == "waiting"
    )
    [earlier] = world.sent_sms("ご予約を受け付けました")
    key = str(earlier["effect"])

    old = Message(message_key=key, external_id=earlier["sid"])
    before = len(world.webhooks("twilio"))
    for status, code in (("failed", "30005"), ("delivered", "")):
        world.post_twilio_status(old, status, ErrorCode=code)
    run_until_processed(world)

    assert (first_message(world).status, first_message(world).tries) == ("waiting", 1)
    assert world.tasks(is_open=False) == []
    late = world.webhooks("twilio")[before : before + 2]
    assert [(webhook.kind, webhook.outcome) for webhook in late] == [
        ("failed", "以前の送信についての連絡です。"),
        ("delivered", "以前の送信についての連絡です。"),
    ]


def test_an_sms_status_before_its_id_is_known_is_matched_by_our_own_key(world: World) -> None:
    world.sandbox.fault("twilio", "late", operation="messages.create", seconds=2, count=1)
    world.request_reservation()
    with world.sending("sms"):
        wait_for(lambda: [webhook for webhook in world.webhooks("twilio") if webhook.kind == "delivered"])
        jobs.read_webhooks()
        assert first_message(world).status == "delivered"
    run_until_processed(world)

    [sms] = world.sent_sms("ご予約を受け付けました")
    assert (first_message(world).status, first_message(world).external_id) == ("delivered", sms["sid"])


def test_a_link_is_not_sent_again_after_a_cancellation(world: World) -> None:
    world.sandbox.script("sms", "delivered", TEMPORARY_FAILURE)
    world.request_reservation().run_until(lambda: "link_lost" in world.events())

    world.record_event(e.CancelAsked(by="customer"))
    world.pass_time(timedelta(minutes=1)).run_until_state(State.CANCELLED).run_until_idle()

    assert len(world.sent_sms("/pay/")) == 1
    assert payment_link(world).status == "dropped"


def test_staff_send_the_link_by_mail_instead(world: World) -> None:
    world.sandbox.script("sms", then={"kind": "undelivered", "code": 30006})
    world.request_reservation(mail="hanako@customer.test").run_until(
        lambda: world.state is State.CALLING_SUCCESS and world.tasks()
    )
    world.run_until_idle()
    assert world.sandbox.sessions() == [] or world.state is State.CALLING_SUCCESS

    world.record_event(e.CheckoutRetried(by_mail=True), source="operator")
    world.await_link().run_until_idle()

    assert world.sent_sms("/pay/") == []
    link = [mail for mail in world.messages("mail") if mail.purpose == "payment_link"][-1]
    assert (link.status, link.address, "/pay/" in link.body) == ("sent", "hanako@customer.test", True)
    assert world.tasks() == []
    world.pay()
    world.run_until_state(State.CONFIRMED)


def test_a_lost_status_of_twilio_is_found_by_polling(world: World) -> None:
    """Twilio reports each status only once."""
    world.sandbox.fault("twilio", "drop", operation="callback")
    world.sandbox.script("sms", {"kind": "undelivered", "code": 30005})
    world.request_reservation().run_until(lambda: [sms["status"] for sms in world.sandbox.sms()] == ["undelivered"])
    world.run_until_idle()
    assert first_message(world).status == "sent"

    world.pass_time(timedelta(minutes=2)).run_until(lambda: world.tasks() == ["sms_failed"])

    assert world.webhooks("twilio") == []
    assert (first_message(world).status, first_message(world).error_code, first_message(world).look_at) == (
        "undelivered",
        "30005",
        None,
    )


def test_an_sms_without_a_final_status_is_not_polled_forever(world: World) -> None:
    world.sandbox.script("sms", then="stuck")
    world.request_reservation().run_until(
        lambda: first_message(world).status == "sent" and first_message(world).look_at
    )

    with transaction(SYSTEM) as db:
        db.execute(update(Message).values(sent_at=app_now(db) - timedelta(hours=11), look_at=real_now()))
    world.run_until(lambda: first_message(world).look_at is None)

    assert first_message(world).status == "sent"
