"""One request id from the route to the vendor: in the log line, the audit log, the message, the job and the vendor's
request."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from service.core.database.clock import app_now, real_now
from service.core.monitoring import logs
from service.core.outbox.queue import REQUEST_ID
from service.core.outbox.records import OutboxMessage
from tests.api.reservations import scene
from tests.jobs.conftest import configure_clients
from tests.sandbox.webhook_receiver import running_receiver

CLIENT_REQUEST_ID = "journey-0123456789"


pytestmark = pytest.mark.usefixtures("logging_as_before")


def test_a_request_is_followed_to_the_vendor_by_its_id(
    sign_in: Callable[..., TestClient],
    db: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene.fill(db)
    db.commit()
    olivia = sign_in("olivia", reservations="operator")
    body = {
        **{"client_request_id": "followed", "service": "cake", "plan": "5", "customer_name": "百瀬 桃"},
        **{"phone": "090-8888-1234", "starts_at": (app_now(db) + timedelta(days=3)).isoformat()},
    }
    logs.configure_logging("info")
    response = olivia.post("/api/reservations/reservations", json=body, headers={"X-Request-Id": CLIENT_REQUEST_ID})
    assert (response.status_code, response.headers["x-request-id"]) == (201, CLIENT_REQUEST_ID)

    [message] = db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "sms"))
    assert message.payload[REQUEST_ID] == CLIENT_REQUEST_ID

    with running_receiver() as receiver:
        account = {"twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": SecretStr("x"), "twilio_from": "+8150"}
        configure_clients(monkeypatch, twilio_base_url=receiver.url.rstrip("/"), **account)
        db.execute(update(OutboxMessage).values(next_attempt_at=real_now()))
        db.commit()
        outbox_jobs.send_topic("sms")
        [(headers, _)] = receiver.received
    assert headers["X-Request-Id"] == CLIENT_REQUEST_ID

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    events = [line["event"] for line in lines if line.get("request_id") == CLIENT_REQUEST_ID]
    assert "audited" in events
    assert "request" in events
    # The receiver is not Twilio: the job's error has the same id.
    assert "message not sent" in events
