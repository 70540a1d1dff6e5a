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
from tests.jobs.reservation_scenario import Scenario
from tests.waiting import wait_for

TEMPORARY_FAILURE = {"kind": "undelivered", "code": 30003}


def payment_link(scenario: Scenario) -> Message:
    [message] = [message for message in scenario.messages() if message.purpose == "payment_link"]
    return message


def first_message(scenario: Scenario) -> Message:
    return scenario.messages()[0]


def retry_delay(sms: Message, scenario: Scenario) -> timedelta:
    """The delay of the next try, from when the outbox message was created."""
    with transaction(SYSTEM) as db:
        message = db.scalars(select(OutboxMessage).where(OutboxMessage.key == sms.message_key)).one()
        return message.next_attempt_at - message.created_at


def run_until_processed(scenario: Scenario) -> None:
    scenario.run_until(lambda: all(webhook.processed_at for webhook in scenario.webhooks()))


def test_tries_and_codes_are_those_of_the_client() -> None:
    assert list(SMS_RETRY_DELAYS) == client.BACK_OFF
    # The client also retries 14107 (rate limit): it refuses a request, and is no result of a delivery.
    assert TEMPORARY_CODES - {""} == set(client.TEMPORARY_ERRORS) - {"14107"}


def test_a_link_that_did_not_arrive_is_sent_again_and_its_ten_minutes_begin_anew(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", "delivered", TEMPORARY_FAILURE)
    scenario.request_reservation().run_until(lambda: "link_lost" in scenario.events())
    scenario.run_until_idle()

    message = payment_link(scenario)
    assert (scenario.state, scenario.case.deadline) == (State.CALLING_SUCCESS, None)
    assert (message.status, message.tries, message.error_code) == ("waiting", 1, "30003")
    assert abs(retry_delay(message, scenario) - timedelta(minutes=1)) < timedelta(seconds=5)
    assert len(scenario.sent_sms("/pay/")) == 1
    scenario.pass_time(timedelta(minutes=1)).await_link().run_until_idle()

    sent = scenario.sent_sms("/pay/")
    assert [sms["status"] for sms in sent] == ["undelivered", "delivered"]
    assert sent[0]["body"] == sent[1]["body"]
    assert payment_link(scenario).status == "delivered"
    assert scenario.case.deadline == scenario.case.since + timedelta(minutes=10)
    assert scenario.tasks(is_open=False) == []


def is_waiting_after(scenario: Scenario, tries: int) -> bool:
    return (first_message(scenario).tries, first_message(scenario).status) == (tries, "waiting")


def test_after_three_repeats_staff_are_notified_once(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", then=TEMPORARY_FAILURE)
    scenario.request_reservation()
    for number, minutes in enumerate((1, 5, 15), 1):
        scenario.run_until(partial(is_waiting_after, scenario, number))
        assert abs(retry_delay(first_message(scenario), scenario) - timedelta(minutes=minutes)) < timedelta(seconds=5)
        scenario.pass_time(timedelta(minutes=minutes))

    scenario.run_until(lambda: first_message(scenario).status == "undelivered")
    scenario.run_until_idle()

    received = [sms for sms in scenario.sandbox.sms() if sms["body"] == first_message(scenario).body]
    assert [sms["status"] for sms in received] == ["undelivered"] * 4
    assert scenario.tasks() == ["sms_failed"]
    code = scenario.reservation.code
    texts = [post["text"] for post in scenario.sandbox.posts()]
    assert texts == [f"予約ID: {code} のSMS送信が全て失敗"]
    assert scenario.case.sms_fails


@pytest.mark.parametrize("outcome", [{"kind": "undelivered", "code": 30005}, {"kind": "refused", "code": 21614}])
def test_a_number_that_takes_no_sms_is_not_tried_again(scenario: Scenario, outcome: dict[str, object]) -> None:
    scenario.sandbox.script("sms", then=outcome)
    scenario.request_reservation().run_until(lambda: scenario.tasks() == ["sms_failed"])
    scenario.run_until_idle().pass_time(timedelta(minutes=20)).run_until_idle()

    assert (
        len([entry for entry in scenario.sandbox.truth("twilio", "messages.create") if "/pay/" not in str(entry)]) == 1
    )
    assert first_message(scenario).error_code == str(outcome["code"])
    assert scenario.sent_sms("/pay/") == []
    code = scenario.reservation.code
    assert [post["text"] for post in scenario.sandbox.posts()] == [f"予約ID: {code} のSMS送信が全て失敗"]


def test_a_link_to_a_number_that_takes_no_sms_does_not_run_out(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", "delivered", {"kind": "undelivered", "code": 30006})
    scenario.request_reservation().run_until(lambda: scenario.tasks() == ["sms_failed"])
    scenario.run_until_idle()
    scenario.pass_time(timedelta(minutes=12)).run_until_idle()

    assert (scenario.state, scenario.case.deadline) == (State.CALLING_SUCCESS, None)
    assert [session["status"] for session in scenario.sandbox.sessions()] == ["open"]


def test_status_events_in_another_order_change_nothing(scenario: Scenario) -> None:
    scenario.request_reservation().run_until(lambda: first_message(scenario).status == "delivered")
    message = first_message(scenario)

    for status in ("sent", "undelivered", "failed", "queued", "nonsense"):
        scenario.post_twilio_status(message, status, ErrorCode="30003")
    run_until_processed(scenario)

    assert first_message(scenario).status == "delivered"
    assert first_message(scenario).message_key == message.message_key
    assert scenario.tasks(is_open=False) == []


def test_a_status_of_an_earlier_try_does_not_change_the_next(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", TEMPORARY_FAILURE)
    scenario.request_reservation().run_until(
        lambda: first_message(scenario).tries == 1 and first_message(scenario).status == "waiting"
    )
    [earlier] = scenario.sent_sms("ご予約を受け付けました")
    key = str(earlier["effect"])

    old = Message(message_key=key, external_id=earlier["sid"])
    before = len(scenario.webhooks("twilio"))
    for status, code in (("failed", "30005"), ("delivered", "")):
        scenario.post_twilio_status(old, status, ErrorCode=code)
    run_until_processed(scenario)

    assert (first_message(scenario).status, first_message(scenario).tries) == ("waiting", 1)
    assert scenario.tasks(is_open=False) == []
    late = scenario.webhooks("twilio")[before : before + 2]
    assert [(webhook.kind, webhook.outcome) for webhook in late] == [
        ("failed", "以前の送信についての連絡です。"),
        ("delivered", "以前の送信についての連絡です。"),
    ]


def test_an_sms_status_before_its_id_is_known_is_matched_by_our_own_key(scenario: Scenario) -> None:
    scenario.sandbox.fault("twilio", "late", operation="messages.create", seconds=2, count=1)
    scenario.request_reservation()
    with scenario.sending("sms"):
        wait_for(lambda: [webhook for webhook in scenario.webhooks("twilio") if webhook.kind == "delivered"])
        jobs.read_webhooks()
        assert first_message(scenario).status == "delivered"
    run_until_processed(scenario)

    [sms] = scenario.sent_sms("ご予約を受け付けました")
    assert (first_message(scenario).status, first_message(scenario).external_id) == ("delivered", sms["sid"])


def test_a_link_is_not_sent_again_after_a_cancellation(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", "delivered", TEMPORARY_FAILURE)
    scenario.request_reservation().run_until(lambda: "link_lost" in scenario.events())

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.pass_time(timedelta(minutes=1)).run_until_state(State.CANCELLED).run_until_idle()

    assert len(scenario.sent_sms("/pay/")) == 1
    assert payment_link(scenario).status == "dropped"


def test_staff_send_the_link_by_mail_instead(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", then={"kind": "undelivered", "code": 30006})
    scenario.request_reservation(mail="hanako@customer.test").run_until(
        lambda: scenario.state is State.CALLING_SUCCESS and scenario.tasks()
    )
    scenario.run_until_idle()
    assert scenario.sandbox.sessions() == [] or scenario.state is State.CALLING_SUCCESS

    scenario.record_event(e.CheckoutRetried(by_mail=True), source="operator")
    scenario.await_link().run_until_idle()

    assert scenario.sent_sms("/pay/") == []
    link = [mail for mail in scenario.messages("mail") if mail.purpose == "payment_link"][-1]
    assert (link.status, link.address, "/pay/" in link.body) == ("sent", "hanako@customer.test", True)
    assert scenario.tasks() == []
    scenario.pay()
    scenario.run_until_state(State.CONFIRMED)


def test_a_lost_status_of_twilio_is_found_by_polling(scenario: Scenario) -> None:
    """Twilio reports each status only once."""
    scenario.sandbox.fault("twilio", "drop", operation="callback")
    scenario.sandbox.script("sms", {"kind": "undelivered", "code": 30005})
    scenario.request_reservation().run_until(
        lambda: [sms["status"] for sms in scenario.sandbox.sms()] == ["undelivered"]
    )
    scenario.run_until_idle()
    assert first_message(scenario).status == "sent"

    scenario.pass_time(timedelta(minutes=2)).run_until(lambda: scenario.tasks() == ["sms_failed"])

    assert scenario.webhooks("twilio") == []
    assert (first_message(scenario).status, first_message(scenario).error_code, first_message(scenario).look_at) == (
        "undelivered",
        "30005",
        None,
    )


def test_an_sms_without_a_final_status_is_not_polled_forever(scenario: Scenario) -> None:
    scenario.sandbox.script("sms", then="stuck")
    scenario.request_reservation().run_until(
        lambda: first_message(scenario).status == "sent" and first_message(scenario).look_at
    )

    with transaction(SYSTEM) as db:
        db.execute(update(Message).values(sent_at=app_now(db) - timedelta(hours=11), look_at=real_now()))
    scenario.run_until(lambda: first_message(scenario).look_at is None)

    assert first_message(scenario).status == "sent"
