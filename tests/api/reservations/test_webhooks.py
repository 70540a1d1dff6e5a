"""The webhook routes of vendors: a signed webhook is stored once; anything else changes nothing."""

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
from service.reservations.inbox import webhooks
from service.reservations.inbox.models import Webhook
from service.reservations.inbox.rules import MAX_BYTES
from stack.home import Home
from tests.api.reservations.vendors import (
    BLAND,
    PATH,
    STRIPE,
    TOKEN,
    SignedRequest,
    bland_webhook,
    sms_fields,
    stripe_event,
    stripe_webhook,
    twilio_webhook,
)
from tests.conftest import Service, start_service
from tests.processes import stop_process

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


def post(client: TestClient, request: SignedRequest) -> int:
    path, body, headers = request
    return client.post(path, content=body, headers=headers).status_code


def stored_webhooks(db: Session) -> list[tuple[str, str, str]]:
    db.expire_all()
    rows = db.scalars(select(Webhook).order_by(Webhook.id))
    return [(row.provider, row.event_id, row.kind) for row in rows]


def signed_webhooks() -> list[SignedRequest]:
    return [
        stripe_webhook(stripe_event()),
        twilio_webhook(sms_fields(), shell.address(), "0a1b"),
        bland_webhook(CALL),
    ]


def test_a_signed_webhook_is_stored_as_it_came(client: TestClient, db: Session) -> None:
    requests = signed_webhooks()

    assert [post(client, request) for request in requests] == [204, 204, 204]

    assert stored_webhooks(db) == [
        ("stripe", "evt_1", "checkout.session.completed"),
        ("twilio", "SM1:delivered", "delivered"),
        ("bland", "c-1:completed:true", "completed"),
    ]
    bodies = list(db.scalars(select(Webhook.body).order_by(Webhook.id)))
    assert bodies == [requests[0][1], requests[1][1] + b"&effect=0a1b", requests[2][1]]


def test_a_repeated_webhook_is_accepted_and_stored_once(client: TestClient, db: Session) -> None:
    for request in signed_webhooks():
        assert [post(client, request) for _ in range(3)] == [204, 204, 204]

    assert Counter(provider for provider, _, _ in stored_webhooks(db)) == {"stripe": 1, "twilio": 1, "bland": 1}


def test_each_status_of_an_sms_and_each_stage_of_a_call_is_stored(client: TestClient, db: Session) -> None:
    for status in ("sent", "delivered", "sent"):
        assert post(client, twilio_webhook(sms_fields(status), shell.address())) == 204
    for details in ({"status": "in-progress", "completed": False}, {"status": "completed", "completed": True}):
        assert post(client, bland_webhook({"call_id": "c-1"} | details)) == 204

    assert [event for _, event, _ in stored_webhooks(db)] == [
        "SM1:sent",
        "SM1:delivered",
        "c-1:in-progress:false",
        "c-1:completed:true",
    ]


def forged_webhooks() -> dict[str, SignedRequest]:
    stripe, twilio, bland = signed_webhooks()
    return {
        "stripe: another secret": stripe_webhook(stripe_event(), "whsec_of_others"),
        "stripe: old": stripe_webhook(stripe_event(), seconds=-301),
        "stripe: from the future": stripe_webhook(stripe_event(), seconds=310),
        "stripe: unsigned": (stripe[0], stripe[1], {}),
        "stripe: another body": (stripe[0], stripe[1] + b" ", stripe[2]),
        "twilio: another token": twilio_webhook(sms_fields(), shell.address(), token="of-others"),
        "twilio: another host": twilio_webhook(sms_fields(), "http://testserver"),
        "twilio: another effect": (twilio[0].replace("0a1b", "0a1c"), twilio[1], twilio[2]),
        "twilio: another status": (twilio[0], twilio[1].replace(b"delivered", b"failed"), twilio[2]),
        "twilio: unsigned": (twilio[0], twilio[1], {}),
        "bland: another secret": bland_webhook(CALL, "of-others"),
        "bland: another call": (bland[0], bland[1].replace(b"c-1", b"c-2"), bland[2]),
        "bland: unsigned": (bland[0], bland[1], {}),
        "bland: as stripe": (bland[0], bland[1], stripe[2]),
    }


@pytest.mark.parametrize("name", list(forged_webhooks()))
def test_a_webhook_without_the_vendors_signature_is_refused_and_changes_nothing(
    client: TestClient, db: Session, name: str
) -> None:
    path, body, headers = forged_webhooks()[name]

    response = client.post(path, content=body, headers=headers)

    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert "署名" in response.json()["detail"]
    assert stored_webhooks(db) == []


def test_the_signature_of_bland_is_over_the_bytes_whatever_they_mean(client: TestClient, db: Session) -> None:
    """JSON.stringify leaves Japanese unescaped: another encoding of the same call does not have that signature."""
    path, body, headers = bland_webhook(CALL)
    escaped = body.decode().encode("ascii", "backslashreplace")

    assert client.post(path, content=escaped, headers=headers).status_code == 403
    assert stored_webhooks(db) == []
    assert client.post(path, content=body, headers=headers).status_code == 204


def test_while_a_secret_is_replaced_both_are_valid_and_then_only_the_new_one(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, stripe="whsec_new, whsec_old")
    for event, secret in (("evt_1", "whsec_old"), ("evt_2", "whsec_new")):
        assert post(client, stripe_webhook(stripe_event(event_id=event), secret)) == 204
    configure(monkeypatch, stripe="whsec_new")
    assert post(client, stripe_webhook(stripe_event(event_id="evt_3"), "whsec_old")) == 403

    assert [event for _, event, _ in stored_webhooks(db)] == ["evt_1", "evt_2"]


def test_without_a_secret_in_the_settings_every_webhook_is_refused(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, stripe="", twilio="", bland="")
    signed_with_nothing = [
        stripe_webhook(stripe_event(), ""),
        twilio_webhook(sms_fields(), shell.address(), token=""),
        bland_webhook(CALL, ""),
    ]

    assert [post(client, request) for request in [*signed_with_nothing, *signed_webhooks()]] == [403] * 6
    assert stored_webhooks(db) == []


def malformed_webhooks() -> dict[str, SignedRequest]:
    return {
        "stripe: no object": stripe_webhook([1]),  # type: ignore[arg-type]
        "stripe: no id": stripe_webhook({"type": "checkout.session.completed"}),
        "stripe: an id that is none": stripe_webhook(stripe_event(event_id="evt\n1")),
        "stripe: an id without end": stripe_webhook(stripe_event(event_id="e" * 201)),
        "twilio: nothing": twilio_webhook({}, shell.address()),
        "twilio: no status": twilio_webhook({"MessageSid": "SM1"}, shell.address()),
        "bland: no call": bland_webhook({"status": "completed"}),
        "bland: a call that is a number": bland_webhook({"call_id": 1}),
        "bland: no text": bland_webhook({"call_id": "c-1", "status": "\x00"}),
    }


@pytest.mark.parametrize("name", list(malformed_webhooks()))
def test_what_is_signed_and_cannot_be_read_is_malformed(client: TestClient, db: Session, name: str) -> None:
    assert post(client, malformed_webhooks()[name]) == 400
    assert stored_webhooks(db) == []


def test_a_body_over_the_limit_is_refused(client: TestClient, db: Session) -> None:
    assert post(client, bland_webhook(CALL | {"summary": "あ" * MAX_BYTES})) == 413
    assert stored_webhooks(db) == []


def test_webhook_routes_have_no_get(client: TestClient) -> None:
    for vendor in ("stripe", "twilio", "bland"):
        assert client.get(f"{PATH}/{vendor}").status_code == 405


@pytest.fixture(scope="module")
def running(running_servers: Home) -> Iterator[Service]:
    """With several connections, so that two requests are truly concurrent."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("STRIPE_WEBHOOK_SECRETS", STRIPE),
            ("TWILIO_AUTH_TOKEN", TOKEN),
            ("BLAND_WEBHOOK_SECRET", BLAND),
        ):
            patch.setenv(name, value)
        started = start_service(running_servers, "genba_webhooks")
    yield started
    stop_process(started.process)


def test_twenty_concurrent_repeats_are_stored_once(running: Service) -> None:
    with running.http() as http, ThreadPoolExecutor(20) as pool:
        for path, body, headers in signed_webhooks():
            responses = pool.map(
                lambda _, path=path, body=body, headers=headers: http.post(path, content=body, headers=headers),
                range(20),
            )
            assert {response.status_code for response in responses} == {204}

    rows = running.rows("SELECT provider, event_id, tries, processed_at FROM reservations_webhooks ORDER BY id")
    assert rows == [
        ("stripe", "evt_1", 0, None),
        ("twilio", "SM1:delivered", 0, None),
        ("bland", "c-1:completed:true", 0, None),
    ]
