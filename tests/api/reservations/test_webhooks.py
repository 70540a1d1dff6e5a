"""The doors of vendors' webhooks: what is signed is kept once; nothing else changes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.pages import shell
from service.core.settings import settings
from service.reservations.flow.models import Webhook
from service.reservations.inbox import webhooks
from service.reservations.inbox.rules import MAX_BYTES
from stack.home import Home
from tests.api.reservations.vendors import (
    BLAND,
    PATH,
    STRIPE,
    TOKEN,
    Sent,
    of_bland,
    of_stripe,
    of_twilio,
    sms_fields,
    stripe_event,
)
from tests.conftest import Service, start_service
from tests.processes import end

CALL = {"call_id": "c-1", "status": "completed", "completed": True, "summary": "店舗は予約を受けました。〜①髙"}


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch)


def configure(monkeypatch: pytest.MonkeyPatch, stripe: str = STRIPE, twilio: str = TOKEN, bland: str = BLAND) -> None:
    changed = settings().model_copy(
        update={
            "stripe_webhook_secrets": SecretStr(stripe),
            "twilio_auth_token": SecretStr(twilio),
            "bland_webhook_secret": SecretStr(bland),
        }
    )
    monkeypatch.setattr(webhooks, "settings", lambda: changed)


def post(client: TestClient, sent: Sent) -> int:
    path, body, headers = sent
    return client.post(path, content=body, headers=headers).status_code


def kept(db: Session) -> list[tuple[str, str, str]]:
    db.expire_all()
    rows = db.scalars(select(Webhook).order_by(Webhook.id))
    return [(row.provider, row.event_id, row.kind) for row in rows]


def each() -> list[Sent]:
    return [
        of_stripe(stripe_event()),
        of_twilio(sms_fields(), shell.address(), "0a1b"),
        of_bland(CALL),
    ]


def test_what_each_vendor_signs_is_kept_as_it_came(client: TestClient, db: Session) -> None:
    sent = each()

    assert [post(client, one) for one in sent] == [204, 204, 204]

    assert kept(db) == [
        ("stripe", "evt_1", "checkout.session.completed"),
        ("twilio", "SM1:delivered", "delivered"),
        ("bland", "c-1:completed:true", "completed"),
    ]
    bodies = list(db.scalars(select(Webhook.body).order_by(Webhook.id)))
    assert bodies == [sent[0][1], sent[1][1] + b"&effect=0a1b", sent[2][1]]


def test_what_comes_again_is_taken_and_kept_once(client: TestClient, db: Session) -> None:
    for one in each():
        assert [post(client, one) for _ in range(3)] == [204, 204, 204]

    assert Counter(provider for provider, _, _ in kept(db)) == {"stripe": 1, "twilio": 1, "bland": 1}


def test_each_status_of_an_sms_and_each_stage_of_a_call_is_news(client: TestClient, db: Session) -> None:
    for status in ("sent", "delivered", "sent"):
        assert post(client, of_twilio(sms_fields(status), shell.address())) == 204
    for details in ({"status": "in-progress", "completed": False}, {"status": "completed", "completed": True}):
        assert post(client, of_bland({"call_id": "c-1"} | details)) == 204

    assert [event for _, event, _ in kept(db)] == [
        "SM1:sent",
        "SM1:delivered",
        "c-1:in-progress:false",
        "c-1:completed:true",
    ]


def wrong() -> dict[str, Sent]:
    stripe, twilio, bland = each()
    return {
        "stripe: another secret": of_stripe(stripe_event(), "whsec_of_others"),
        "stripe: old": of_stripe(stripe_event(), seconds=-301),
        "stripe: from the future": of_stripe(stripe_event(), seconds=310),
        "stripe: unsigned": (stripe[0], stripe[1], {}),
        "stripe: another body": (stripe[0], stripe[1] + b" ", stripe[2]),
        "twilio: another token": of_twilio(sms_fields(), shell.address(), token="of-others"),
        "twilio: another host": of_twilio(sms_fields(), "http://testserver"),
        "twilio: another effect": (twilio[0].replace("0a1b", "0a1c"), twilio[1], twilio[2]),
        "twilio: another status": (twilio[0], twilio[1].replace(b"delivered", b"failed"), twilio[2]),
        "twilio: unsigned": (twilio[0], twilio[1], {}),
        "bland: another secret": of_bland(CALL, "of-others"),
        "bland: another call": (bland[0], bland[1].replace(b"c-1", b"c-2"), bland[2]),
        "bland: unsigned": (bland[0], bland[1], {}),
        "bland: as stripe": (bland[0], bland[1], stripe[2]),
    }


@pytest.mark.parametrize("name", list(wrong()))
def test_what_is_not_the_vendors_is_refused_and_changes_nothing(client: TestClient, db: Session, name: str) -> None:
    path, body, headers = wrong()[name]

    answer = client.post(path, content=body, headers=headers)

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "署名" in answer.json()["detail"]
    assert kept(db) == []


def test_the_signature_of_bland_is_over_the_bytes_whatever_they_mean(client: TestClient, db: Session) -> None:
    """Japanese unescaped, as JSON.stringify has it: another layout of the same call is not what was signed."""
    path, body, headers = of_bland(CALL)
    escaped = body.decode().encode("ascii", "backslashreplace")

    assert client.post(path, content=escaped, headers=headers).status_code == 403
    assert kept(db) == []
    assert client.post(path, content=body, headers=headers).status_code == 204


def test_while_a_secret_is_replaced_both_are_good_and_then_only_the_new_one(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, stripe="whsec_new, whsec_old")
    for event, secret in (("evt_1", "whsec_old"), ("evt_2", "whsec_new")):
        assert post(client, of_stripe(stripe_event(event_id=event), secret)) == 204
    configure(monkeypatch, stripe="whsec_new")
    assert post(client, of_stripe(stripe_event(event_id="evt_3"), "whsec_old")) == 403

    assert [event for _, event, _ in kept(db)] == ["evt_1", "evt_2"]


def test_without_a_secret_in_the_settings_a_door_is_closed(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, stripe="", twilio="", bland="")
    signed_with_nothing = [
        of_stripe(stripe_event(), ""),
        of_twilio(sms_fields(), shell.address(), token=""),
        of_bland(CALL, ""),
    ]

    assert [post(client, one) for one in [*signed_with_nothing, *each()]] == [403] * 6
    assert kept(db) == []


def malformed() -> dict[str, Sent]:
    return {
        "stripe: no object": of_stripe([1]),  # type: ignore[arg-type]
        "stripe: no id": of_stripe({"type": "checkout.session.completed"}),
        "stripe: an id that is none": of_stripe(stripe_event(event_id="evt\n1")),
        "stripe: an id without end": of_stripe(stripe_event(event_id="e" * 201)),
        "twilio: nothing": of_twilio({}, shell.address()),
        "twilio: no status": of_twilio({"MessageSid": "SM1"}, shell.address()),
        "bland: no call": of_bland({"status": "completed"}),
        "bland: a call that is a number": of_bland({"call_id": 1}),
        "bland: no text": of_bland({"call_id": "c-1", "status": "\x00"}),
    }


@pytest.mark.parametrize("name", list(malformed()))
def test_what_is_signed_and_cannot_be_read_is_malformed(client: TestClient, db: Session, name: str) -> None:
    assert post(client, malformed()[name]) == 400
    assert kept(db) == []


def test_a_body_without_end_is_not_read_to_its_end(client: TestClient, db: Session) -> None:
    assert post(client, of_bland(CALL | {"summary": "あ" * MAX_BYTES})) == 413
    assert kept(db) == []


def test_nothing_is_to_be_seen_there(client: TestClient) -> None:
    for vendor in ("stripe", "twilio", "bland"):
        assert client.get(f"{PATH}/{vendor}").status_code == 405


@pytest.fixture(scope="module")
def running(running_servers: Home) -> Iterator[Service]:
    """With several connections: here two requests truly come at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("STRIPE_WEBHOOK_SECRETS", STRIPE),
            ("TWILIO_AUTH_TOKEN", TOKEN),
            ("BLAND_WEBHOOK_SECRET", BLAND),
        ):
            patch.setenv(name, value)
        started = start_service(running_servers, "genba_webhooks")
    yield started
    end(started.process)


def test_twenty_at_once_are_one(running: Service) -> None:
    with running.http() as http, ThreadPoolExecutor(20) as pool:
        for path, body, headers in each():
            answers = pool.map(
                lambda _, path=path, body=body, headers=headers: http.post(path, content=body, headers=headers),
                range(20),
            )
            assert {answer.status_code for answer in answers} == {204}

    rows = running.rows("SELECT provider, event_id, tries, processed_at FROM reservations_webhooks ORDER BY id")
    assert rows == [
        ("stripe", "evt_1", 0, None),
        ("twilio", "SM1:delivered", 0, None),
        ("bland", "c-1:completed:true", 0, None),
    ]
