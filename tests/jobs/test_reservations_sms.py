"""SMS that do not arrive, or are told of in another order than they happened."""

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
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from service.reservations.outgoing.models import Message
from service.reservations.vendor_events.rules import SMS_RETRY_DELAYS, TEMPORARY_CODES
from tests.jobs.reservations_world import World
from tests.waiting import wait_for

PASSING = {"kind": "undelivered", "code": 30003}


def the_link(world: World) -> Message:
    [letter] = [one for one in world.letters() if one.purpose == "payment_link"]
    return letter


def first(world: World) -> Message:
    return world.letters()[0]


def pause_of(letter: Message, world: World) -> timedelta:
    """How long its next try waits, from when it was written."""
    with transaction(SYSTEM) as db:
        message = db.scalars(select(OutboxMessage).where(OutboxMessage.key == letter.message_key)).one()
        return message.next_attempt_at - message.created_at


def read(world: World) -> None:
    world.until(lambda: all(webhook.processed_at for webhook in world.webhooks()))


def test_tries_and_codes_are_those_of_the_client() -> None:
    assert list(SMS_RETRY_DELAYS) == client.BACK_OFF
    # The client's are of what Twilio accepts: a request that comes too soon is none of a delivery's.
    assert TEMPORARY_CODES - {""} == set(client.TEMPORARY_ERRORS) - {"14107"}


def test_a_link_that_did_not_arrive_is_sent_again_and_its_ten_minutes_begin_anew(world: World) -> None:
    world.sandbox.script("sms", "delivered", PASSING)
    world.ask().until(lambda: "link_lost" in world.events())
    world.settle()

    letter = the_link(world)
    assert (world.state, world.case.deadline) == (State.CALLING_SUCCESS, None)
    assert (letter.status, letter.tries, letter.error_code) == ("waiting", 1, "30003")
    assert abs(pause_of(letter, world) - timedelta(minutes=1)) < timedelta(seconds=5)
    assert len(world.told("/pay/")) == 1
    world.pass_time(timedelta(minutes=1)).await_link().settle()

    sent = world.told("/pay/")
    assert [one["status"] for one in sent] == ["undelivered", "delivered"]
    assert sent[0]["body"] == sent[1]["body"]
    assert the_link(world).status == "delivered"
    assert world.case.deadline == world.case.since + timedelta(minutes=10)
    assert world.tasks(is_open=False) == []


def waits_after(world: World, tries: int) -> bool:
    return (first(world).tries, first(world).status) == (tries, "waiting")


def test_after_three_repeats_people_are_told_once(world: World) -> None:
    world.sandbox.script("sms", then=PASSING)
    world.ask()
    for number, minutes in enumerate((1, 5, 15), 1):
        world.until(partial(waits_after, world, number))
        assert abs(pause_of(first(world), world) - timedelta(minutes=minutes)) < timedelta(seconds=5)
        world.pass_time(timedelta(minutes=minutes))

    world.until(lambda: first(world).status == "undelivered")
    world.settle()

    received = [one for one in world.sandbox.sms() if one["body"] == first(world).body]
    assert [one["status"] for one in received] == ["undelivered"] * 4
    assert world.tasks() == ["sms_failed"]
    code = world.reservation.code
    texts = [post["text"] for post in world.sandbox.posts()]
    assert texts == [f"予約ID: {code} のSMS送信が全て失敗"]
    assert world.case.sms_fails


@pytest.mark.parametrize("fate", [{"kind": "undelivered", "code": 30005}, {"kind": "refused", "code": 21614}])
def test_a_number_that_takes_no_sms_is_not_tried_again(world: World, fate: dict[str, object]) -> None:
    world.sandbox.script("sms", then=fate)
    world.ask().until(lambda: world.tasks() == ["sms_failed"])
    world.settle().pass_time(timedelta(minutes=20)).settle()

    assert len([one for one in world.sandbox.truth("twilio", "messages.create") if "/pay/" not in str(one)]) == 1
    assert first(world).error_code == str(fate["code"])
    assert world.told("/pay/") == []
    code = world.reservation.code
    assert [post["text"] for post in world.sandbox.posts()] == [f"予約ID: {code} のSMS送信が全て失敗"]


def test_a_link_to_a_number_that_takes_no_sms_does_not_run_out(world: World) -> None:
    world.sandbox.script("sms", "delivered", {"kind": "undelivered", "code": 30006})
    world.ask().until(lambda: world.tasks() == ["sms_failed"])
    world.settle()
    world.pass_time(timedelta(minutes=12)).settle()

    assert (world.state, world.case.deadline) == (State.CALLING_SUCCESS, None)
    assert [one["status"] for one in world.sandbox.sessions()] == ["open"]


def test_what_is_told_in_another_order_takes_nothing_back(world: World) -> None:
    world.ask().until(lambda: first(world).status == "delivered")
    letter = first(world)

    for status in ("sent", "undelivered", "failed", "queued", "nonsense"):
        world.twilio_says(letter, status, ErrorCode="30003")
    read(world)

    assert first(world).status == "delivered"
    assert first(world).message_key == letter.message_key
    assert world.tasks(is_open=False) == []


def test_what_twilio_says_of_an_earlier_try_is_not_about_the_next(world: World) -> None:
    world.sandbox.script("sms", PASSING)
    world.ask().until(lambda: first(world).tries == 1 and first(world).status == "waiting")
    [earlier] = world.told("ご予約を受け付けました")
    key = str(earlier["effect"])

    old = Message(message_key=key, external_id=earlier["sid"])
    before = len(world.webhooks("twilio"))
    for status, code in (("failed", "30005"), ("delivered", "")):
        world.twilio_says(old, status, ErrorCode=code)
    read(world)

    assert (first(world).status, first(world).tries) == ("waiting", 1)
    assert world.tasks(is_open=False) == []
    late = world.webhooks("twilio")[before : before + 2]
    assert [(one.kind, one.outcome) for one in late] == [
        ("failed", "以前の送信についての連絡です。"),
        ("delivered", "以前の送信についての連絡です。"),
    ]


def test_an_sms_that_arrives_before_we_know_its_number_is_told_by_our_own_key(world: World) -> None:
    world.sandbox.fault("twilio", "late", door="messages.create", seconds=2, count=1)
    world.ask()
    with world.sending("sms"):
        wait_for(lambda: [one for one in world.webhooks("twilio") if one.kind == "delivered"])
        jobs.read_webhooks()
        assert first(world).status == "delivered"
    read(world)

    [sms] = world.told("ご予約を受け付けました")
    assert (first(world).status, first(world).external_id) == ("delivered", sms["sid"])


def test_a_link_is_not_sent_again_to_who_has_cancelled_meanwhile(world: World) -> None:
    world.sandbox.script("sms", "delivered", PASSING)
    world.ask().until(lambda: "link_lost" in world.events())

    world.happen(e.CancelAsked(by="customer"))
    world.pass_time(timedelta(minutes=1)).until_state(State.CANCELLED).settle()

    assert len(world.told("/pay/")) == 1
    assert the_link(world).status == "dropped"


def test_people_send_the_link_by_mail_instead(world: World) -> None:
    world.sandbox.script("sms", then={"kind": "undelivered", "code": 30006})
    world.ask(mail="hanako@customer.test").until(lambda: world.state is State.CALLING_SUCCESS and world.tasks())
    world.settle()
    assert world.sandbox.sessions() == [] or world.state is State.CALLING_SUCCESS

    world.happen(e.CheckoutRetried(by_mail=True), source="operator")
    world.await_link().settle()

    assert world.told("/pay/") == []
    link = [letter for letter in world.letters("mail") if letter.purpose == "payment_link"][-1]
    assert (link.status, link.address, "/pay/" in link.body) == ("sent", "hanako@customer.test", True)
    assert world.tasks() == []
    world.pay()
    world.until_state(State.CONFIRMED)


def test_what_twilio_told_while_nobody_listened_is_found_by_asking(world: World) -> None:
    """Twilio tells of each status once, and not again."""
    world.sandbox.fault("twilio", "drop", door="callback")
    world.sandbox.script("sms", {"kind": "undelivered", "code": 30005})
    world.ask().until(lambda: [one["status"] for one in world.sandbox.sms()] == ["undelivered"])
    world.settle()
    assert first(world).status == "sent"

    world.pass_time(timedelta(minutes=2)).until(lambda: world.tasks() == ["sms_failed"])

    assert world.webhooks("twilio") == []
    assert (first(world).status, first(world).error_code, first(world).look_at) == ("undelivered", "30005", None)


def test_an_sms_of_which_nobody_says_that_it_arrived_is_not_asked_about_for_ever(world: World) -> None:
    world.sandbox.script("sms", then="stuck")
    world.ask().until(lambda: first(world).status == "sent" and first(world).look_at)

    with transaction(SYSTEM) as db:
        db.execute(update(Message).values(sent_at=app_now(db) - timedelta(hours=11), look_at=real_now()))
    world.until(lambda: first(world).look_at is None)

    assert first(world).status == "sent"
