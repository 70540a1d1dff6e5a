"""Secrets are sent through a real service, in right and wrong requests, and searched for afterwards: in its log, in
its refusals, in the audit log, in outgoing messages and in tasks."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
import pytest

from service.core.access.identity import hash_password
from service.entries.models import Nursery
from stack.home import Home
from tests import factories, people
from tests.api.reservations.vendors import bland_webhook, sms_fields, stripe_event, stripe_webhook, twilio_webhook
from tests.conftest import Service, start_service
from tests.processes import stop_process

# Tables other than those that hold secrets on purpose, hashed or sealed.
SEARCHED = ("audit_entries", "outbox_messages", "outbox_attempts", "tasks", "throttles", "sessions", "users")


def marked(name: str) -> str:
    """A secret that is found in any text."""
    return f"sk-{name}-{secrets.token_hex(12)}"


@dataclass
class Passage:
    """One service, the secrets that were sent to it, and all its refusals."""

    service: Service
    log: str
    secrets: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def new(self, name: str) -> str:
        self.secrets[name] = marked(name)
        return self.secrets[name]

    def expect(self, answer: httpx2.Response, *statuses: int) -> httpx2.Response:
        assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
        if answer.status_code >= 400:
            self.refused.append(answer.text + str(answer.headers))
        return answer


@pytest.fixture(scope="module")
def passage(running_servers: Home) -> Iterator[Passage]:
    created = Passage(None, str(running_servers.logs / "genba_secrets.log"))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STRIPE_WEBHOOK_SECRETS", "TWILIO_AUTH_TOKEN", "BLAND_WEBHOOK_SECRET", "STRIPE_API_KEY"):
            patch.setenv(name, created.new(name))
        for name in ("WATCHDOG_TOKEN", "SECRET_KEY", "SMTP_PASSWORD", "SLACK_BOT_TOKEN", "BLAND_API_KEY"):
            patch.setenv(name, created.new(name))
        patch.setenv("LOG_LEVEL", "debug")
        created.service = start_service(running_servers, "genba_secrets")
    created.secrets |= {f"database {role}": password for role, password in running_servers.secrets().items()}
    yield created
    stop_process(created.service.process)


def test_no_secret_that_passed_through_is_left_anywhere(passage: Passage) -> None:
    with passage.service.committed() as db:
        people.create_user(db, "alice", fleet="admin", entries="admin", reservations="admin")
        station_password = passage.new("station-password")
        db.add(Nursery(name="さくら保育園", code="ABC123", station_password_hash=hash_password(station_password)))
        code = passage.secrets["enrolment"] = factories.enrolment_code(db, factories.customer(db))
    with passage.service.http() as http:
        signed_in = _sign_ins(passage, http)
        _machines(passage, http, code, station_password)
        _vendors(passage, http)
        _secret_links(passage, http)
        _created_secrets(passage, http, signed_in)

    _assert_no_secret_is_stored(passage)


def _sign_ins(passage: Passage, http: httpx2.Client) -> dict[str, str]:
    def sign_in(login_id: str, password: str, **more: object) -> httpx2.Response:
        return http.post("/api/auth/login", json={"login_id": login_id, "password": password, **more})

    passage.expect(sign_in("alice", passage.new("wrong-password")), 401)
    passage.expect(sign_in(passage.new("password-as-login-id"), "x"), 401)
    passage.expect(sign_in("alice", passage.new("password-of-a-bad-body") * 40, extra=1), 422)
    passage.expect(http.post("/api/auth/login", json={passage.new("password-as-field name"): 1}), 422)
    passage.expect(http.post("/api/auth/login", content=f'{{"password": "{passage.new("torn")}'), 400, 422)
    token = passage.expect(sign_in("alice", people.PASSWORD), 200).json()["token"]
    passage.secrets |= {"session": token, "password": people.PASSWORD}
    headers = {"Authorization": f"Bearer {token}"}
    change = {"current_password": passage.new("wrong-current"), "new_password": passage.new("new-password")}
    passage.expect(http.post("/api/auth/password", json=change, headers=headers), 401, 403, 422)
    passage.expect(http.get("/api/auth/me", headers={"Authorization": f"Bearer {passage.new('wrong-token')}"}), 401)
    passage.expect(http.get("/api/auth/me", headers={"Cookie": f"genba_session={passage.new('cookie')}"}), 401)
    return headers


def _machines(passage: Passage, http: httpx2.Client, code: str, station_password: str) -> None:
    enrolment = {"serial_number": "TC200-SECRET-1", "store_name": "新宿店"}
    wrong = {"enrolment_code": passage.new("wrong-enrolment"), **enrolment}
    passage.expect(http.post("/api/fleet/enrolments", json=wrong), 403, 422)
    enrolled = passage.expect(
        http.post("/api/fleet/enrolments", json={"enrolment_code": code, **enrolment}), 201
    ).json()
    passage.secrets["terminal-token"] = enrolled["token"]
    heartbeat = {"Authorization": f"Bearer {enrolled['token']}"}
    passage.expect(http.post("/api/fleet/heartbeats", json={"cpu_usage": 300}, headers=heartbeat), 422)
    url, credentials = "/api/auth/entry-exit-login", {"nurseryCode": "ABC123", "password": station_password}
    passage.expect(http.post(url, json={**credentials, "password": passage.new("wrong-station-password")}), 401)
    passage.secrets["station-token"] = passage.expect(http.post(url, json=credentials), 200).json()["token"]
    probe = {"Authorization": f"Bearer {passage.new('wrong-watchdog')}"}
    passage.expect(http.post("/api/core/probes", json={}, headers=probe), 401)


def _vendors(passage: Passage, http: httpx2.Client) -> None:
    """A payment, an SMS and a call, signed as the vendors do; and with a forged signature."""
    keys = passage.secrets
    payment = {"client_secret": passage.new("client_secret")}
    for webhook in (
        stripe_webhook(stripe_event(), keys["STRIPE_WEBHOOK_SECRETS"]),
        twilio_webhook(sms_fields(), passage.service.url, "0a1b", keys["TWILIO_AUTH_TOKEN"]),
        bland_webhook(
            {"call_id": "c-1", "status": "completed", "completed": True, **payment}, keys["BLAND_WEBHOOK_SECRET"]
        ),
    ):
        path, body, headers = webhook
        # The address that Twilio signs is that of the settings, which is not this one's.
        passage.expect(http.post(path, content=body, headers=headers), 204, 403)
        forged = {name: passage.new(f"forged-{name}") for name in headers if "ignature" in name}
        passage.expect(http.post(path, content=body, headers=headers | forged), 403)


def _secret_links(passage: Passage, http: httpx2.Client) -> None:
    for page in ("pay", "cancel", "survey"):
        passage.expect(http.get(f"/{page}/{passage.new(f'{page}-link')}"), 404)
    passage.expect(http.get("/api/nowhere", params={"token": passage.new("in-a-query")}), 404)
    passage.expect(http.post("/api/entries/cards/open", json={"token": passage.new("card-link")}), 404, 422)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assistant = {"Authorization": f"Bearer {passage.new('assistant')}", "Accept": "application/json"}
    passage.expect(http.post("/mcp", json=call, headers=assistant), 401)


def _created_secrets(passage: Passage, http: httpx2.Client, headers: dict[str, str]) -> None:
    """Secrets that the service itself creates, shows once and stores as a hash."""
    new = {"login_id": "bob", "name": "ボブ", "memberships": [{"area": "fleet", "role": "viewer"}]}
    created = passage.expect(http.post("/api/core/users", json=new, headers=headers), 201).json()
    passage.secrets["one-time password"] = next(value for name, value in created.items() if "password" in name)
    body = {"name": "アシスタント", "is_shared": False}
    created = passage.expect(http.post("/api/reservations/assistants", json=body, headers=headers), 201).json()
    passage.secrets["assistant's token"] = created["token"]


def _assert_no_secret_is_stored(passage: Passage) -> None:
    with open(passage.log, encoding="utf-8", errors="replace") as file:
        logged = file.read()
    assert '"event": "request"' in logged
    texts = {"log": logged, "refusals": "\n".join(passage.refused)}
    for table in SEARCHED:
        rows = passage.service.rows(f"SELECT to_jsonb(t)::text FROM {table} t")
        texts[table] = "\n".join(str(row) for (row,) in rows)
    assert "login_failed" in texts["audit_entries"]
    assert len(passage.secrets) > 35
    leaks = [
        (name, secret_name)
        for name, text in texts.items()
        for secret_name, secret in passage.secrets.items()
        if secret in text or json.dumps(secret)[1:-1] in text or re.sub(r"\W", "%", secret) in text
    ]
    assert leaks == []
