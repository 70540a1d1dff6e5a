"""Secrets go through a real service, rightly and wrongly, and are looked for afterwards: in its log, in what it
refused, in the trail, in messages that leave and in tasks."""

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
from tests.api.reservations.vendors import of_bland, of_stripe, of_twilio, sms_fields, stripe_event
from tests.conftest import Service, start_service
from tests.processes import end

# What lies in the database beside the rows that are meant to hold it, by hash or sealed.
SEARCHED = ("audit_entries", "outbox_messages", "outbox_attempts", "tasks", "throttles", "sessions", "users")


def marked(what: str) -> str:
    """A secret that is found wherever it stands."""
    return f"sk-{what}-{secrets.token_hex(12)}"


@dataclass
class Passage:
    """One service, the secrets that went through it, and all that it refused."""

    service: Service
    log: str
    secrets: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def new(self, what: str) -> str:
        self.secrets[what] = marked(what)
        return self.secrets[what]

    def sent(self, answer: httpx2.Response, *statuses: int) -> httpx2.Response:
        assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
        if answer.status_code >= 400:
            self.refused.append(answer.text + str(answer.headers))
        return answer


@pytest.fixture(scope="module")
def passage(running_servers: Home) -> Iterator[Passage]:
    made = Passage(None, str(running_servers.logs / "genba_secrets.log"))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STRIPE_WEBHOOK_SECRETS", "TWILIO_AUTH_TOKEN", "BLAND_WEBHOOK_SECRET", "STRIPE_API_KEY"):
            patch.setenv(name, made.new(name))
        for name in ("WATCHDOG_TOKEN", "SECRET_KEY", "SMTP_PASSWORD", "SLACK_BOT_TOKEN", "BLAND_API_KEY"):
            patch.setenv(name, made.new(name))
        patch.setenv("LOG_LEVEL", "debug")
        made.service = start_service(running_servers, "genba_secrets")
    made.secrets |= {f"database {role}": word for role, word in running_servers.secrets().items()}
    yield made
    end(made.service.process)


def test_no_secret_that_passed_through_is_left_anywhere(passage: Passage) -> None:
    with passage.service.committed() as db:
        people.person(db, "alice", fleet="admin", entries="admin", reservations="admin")
        station_password = passage.new("station-password")
        db.add(Nursery(name="さくら保育園", code="ABC123", station_password_hash=hash_password(station_password)))
        code = passage.secrets["enrolment"] = factories.enrolment_code(db, factories.customer(db))
    with passage.service.http() as http:
        signed_in = _people(passage, http)
        _machines(passage, http, code, station_password)
        _vendors(passage, http)
        _by_address(passage, http)
        _made_for_others(passage, http, signed_in)

    _nowhere(passage)


def _people(passage: Passage, http: httpx2.Client) -> dict[str, str]:
    def sign_in(login_id: str, password: str, **more: object) -> httpx2.Response:
        return http.post("/api/auth/login", json={"login_id": login_id, "password": password, **more})

    passage.sent(sign_in("alice", passage.new("wrong-password")), 401)
    passage.sent(sign_in(passage.new("password-as-login-id"), "x"), 401)
    passage.sent(sign_in("alice", passage.new("password-of-a-bad-body") * 40, extra=1), 422)
    passage.sent(http.post("/api/auth/login", json={passage.new("password-as-field name"): 1}), 422)
    passage.sent(http.post("/api/auth/login", content=f'{{"password": "{passage.new("torn")}'), 400, 422)
    token = passage.sent(sign_in("alice", people.PASSWORD), 200).json()["token"]
    passage.secrets |= {"session": token, "password": people.PASSWORD}
    headers = {"Authorization": f"Bearer {token}"}
    change = {"current_password": passage.new("wrong-current"), "new_password": passage.new("new-password")}
    passage.sent(http.post("/api/auth/password", json=change, headers=headers), 401, 403, 422)
    passage.sent(http.get("/api/auth/me", headers={"Authorization": f"Bearer {passage.new('wrong-token')}"}), 401)
    passage.sent(http.get("/api/auth/me", headers={"Cookie": f"genba_session={passage.new('cookie')}"}), 401)
    return headers


def _machines(passage: Passage, http: httpx2.Client, code: str, station_password: str) -> None:
    enrolment = {"serial_number": "TC200-SECRET-1", "store_name": "新宿店"}
    wrong = {"enrolment_code": passage.new("wrong-enrolment"), **enrolment}
    passage.sent(http.post("/api/fleet/enrolments", json=wrong), 403, 422)
    enrolled = passage.sent(http.post("/api/fleet/enrolments", json={"enrolment_code": code, **enrolment}), 201).json()
    passage.secrets["terminal-token"] = enrolled["token"]
    heartbeat = {"Authorization": f"Bearer {enrolled['token']}"}
    passage.sent(http.post("/api/fleet/heartbeats", json={"cpu_usage": 300}, headers=heartbeat), 422)
    door, right = "/api/auth/entry-exit-login", {"nurseryCode": "ABC123", "password": station_password}
    passage.sent(http.post(door, json={**right, "password": passage.new("wrong-station-password")}), 401)
    passage.secrets["station-token"] = passage.sent(http.post(door, json=right), 200).json()["token"]
    probe = {"Authorization": f"Bearer {passage.new('wrong-watchdog')}"}
    passage.sent(http.post("/api/core/probes", json={}, headers=probe), 401)


def _vendors(passage: Passage, http: httpx2.Client) -> None:
    """A payment, an SMS and a call, signed as the vendors do; and by somebody else."""
    told = passage.secrets
    paid = {"client_secret": passage.new("client_secret")}
    for sent in (
        of_stripe(stripe_event(), told["STRIPE_WEBHOOK_SECRETS"]),
        of_twilio(sms_fields(), passage.service.url, "0a1b", told["TWILIO_AUTH_TOKEN"]),
        of_bland({"call_id": "c-1", "status": "completed", "completed": True, **paid}, told["BLAND_WEBHOOK_SECRET"]),
    ):
        path, body, headers = sent
        # The address that Twilio signs is that of the settings, which is not this one's.
        passage.sent(http.post(path, content=body, headers=headers), 204, 403)
        forged = {name: passage.new(f"forged-{name}") for name in headers if "ignature" in name}
        passage.sent(http.post(path, content=body, headers=headers | forged), 403)


def _by_address(passage: Passage, http: httpx2.Client) -> None:
    for page in ("pay", "cancel", "survey"):
        passage.sent(http.get(f"/{page}/{passage.new(f'{page}-link')}"), 404)
    passage.sent(http.get("/api/nowhere", params={"token": passage.new("in-a-query")}), 404)
    passage.sent(http.post("/api/entries/cards/open", json={"token": passage.new("card-link")}), 404, 422)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assistant = {"Authorization": f"Bearer {passage.new('assistant')}", "Accept": "application/json"}
    passage.sent(http.post("/mcp", json=call, headers=assistant), 401)


def _made_for_others(passage: Passage, http: httpx2.Client, headers: dict[str, str]) -> None:
    """What the service itself makes up, shows once and keeps as a hash."""
    new = {"login_id": "bob", "name": "ボブ", "memberships": [{"area": "fleet", "role": "viewer"}]}
    made = passage.sent(http.post("/api/core/users", json=new, headers=headers), 201).json()
    passage.secrets["one-time password"] = next(value for name, value in made.items() if "password" in name)
    asked = {"name": "アシスタント", "is_shared": False}
    made = passage.sent(http.post("/api/reservations/assistants", json=asked, headers=headers), 201).json()
    passage.secrets["assistant's token"] = made["token"]


def _nowhere(passage: Passage) -> None:
    with open(passage.log, encoding="utf-8", errors="replace") as file:
        logged = file.read()
    assert '"event": "request"' in logged
    places = {"log": logged, "refusals": "\n".join(passage.refused)}
    for table in SEARCHED:
        rows = passage.service.rows(f"SELECT to_jsonb(t)::text FROM {table} t")
        places[table] = "\n".join(str(row) for (row,) in rows)
    assert "login_failed" in places["audit_entries"]
    assert len(passage.secrets) > 35
    found = [
        (place, what)
        for place, text in places.items()
        for what, secret in passage.secrets.items()
        if secret in text or json.dumps(secret)[1:-1] in text or re.sub(r"\W", "%", secret) in text
    ]
    assert found == []
