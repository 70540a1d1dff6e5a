"""The routes of agents: the terminal's token is the key, and gives access to what belongs to this terminal only."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token, new_token
from service.core.audit import AuditEntry
from service.core.database.clock import app_clock, app_now
from service.core.files.records import File
from service.core.files.storage import storage
from service.fleet import actions
from service.fleet.agents import rules
from service.fleet.agents.models import Command
from service.fleet.models import Terminal, TerminalState, TerminalToken, terminal_logs
from tests import factories
from tests.api.fleet.field import Agent
from tests.conftest import Service
from tests.pictures import workbook

SignIn = Callable[..., TestClient]


class EnrolledAgent:
    """An agent in front of the API in-process."""

    def __init__(self, db: Session, client: TestClient) -> None:
        self.db, self.client, self.token = db, client, new_token()
        self.terminal: Terminal = factories.terminal(db)
        db.add(TerminalToken(token_hash=hash_token(self.token), terminal_id=self.terminal.id))
        db.commit()

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        answer: httpx2.Response = self.client.request(method, f"/api/fleet/agent/{path}", headers=headers, **options)
        return answer

    def create_command(self, name: str = "diagnose", **overrides: Any) -> int:
        values = {
            "terminal_id": self.terminal.id,
            "name": name,
            "expires_at": app_now(self.db) + rules.COMMAND_TTL,
        } | overrides
        command = Command(**values)
        self.db.add(command)
        self.db.commit()
        return command.id

    def report(self, key: int, state: str, **values: Any) -> httpx2.Response:
        return self.call("POST", f"commands/{key}", json={"state": state} | values)

    def send_bundle(self, key: int, content: bytes) -> httpx2.Response:
        return self.call("PUT", f"commands/{key}/bundle", content=content)

    def command(self, key: int) -> Command:
        return self.db.get_one(Command, key, populate_existing=True)

    def renew(self, token: str, current_token: str | None = None) -> int:
        body = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        return self.call("PUT", "token", current_token, json=body).status_code


@pytest.fixture
def agent(db: Session, client: TestClient) -> EnrolledAgent:
    return EnrolledAgent(db, client)


@pytest.fixture
def other(db: Session, client: TestClient) -> EnrolledAgent:
    return EnrolledAgent(db, client)


def archive(parts: dict[str, bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zip_file:
        for name, content in (parts or {"log.txt": "起動しました\n".encode() * 100}).items():
            zip_file.writestr(name, content)
    return buffer.getvalue()


CHECKS = {"checks": [{"name": "service", "ok": True, "detail": "12 ms、TLS 1.3"}]}


def test_a_command_is_followed_from_accepted_to_done(agent: EnrolledAgent) -> None:
    key = agent.create_command()

    answers = [
        agent.report(key, "accepted"),
        agent.report(key, "running", step="disk", percent=40, message="確認しています"),
        agent.report(key, "done", result=CHECKS),
    ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"go_on": True})] * 3
    command = agent.command(key)
    assert (command.state, command.result, command.percent) == ("done", CHECKS, None)
    assert command.finished_at == command.reported_at is not None
    kinds = agent.db.execute(select(terminal_logs.c.kind, terminal_logs.c.detail)).all()
    assert kinds == [("command", {"id": key, "name": "diagnose", "state": "done"})]


def test_a_repeat_of_the_last_report_changes_nothing(agent: EnrolledAgent) -> None:
    key = agent.create_command()
    agent.report(key, "done", result=CHECKS)
    finished_at = agent.command(key).finished_at

    assert agent.report(key, "done", result={"checks": []}).json() == {"go_on": False}
    assert agent.report(key, "running").json() == {"go_on": False}

    command = agent.command(key)
    assert (command.state, command.result, command.finished_at) == ("done", CHECKS, finished_at)


def test_a_late_report_undoes_nothing(agent: EnrolledAgent) -> None:
    key = agent.create_command()
    agent.report(key, "running", percent=50)

    assert agent.report(key, "accepted").json() == {"go_on": True}

    assert (agent.command(key).state, agent.command(key).percent) == ("running", 50)


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_the_answer_stops_the_agent_once_its_command_has_ended(agent: EnrolledAgent, state: str) -> None:
    key = agent.create_command(state=state, finished_at=app_now(agent.db))

    assert agent.report(key, "running", percent=1).json() == {"go_on": False}
    assert agent.report(key, "done").json() == {"go_on": False}

    assert agent.command(key).state == state


def test_while_it_reports_a_command_does_not_run_out(agent: EnrolledAgent) -> None:
    key = agent.create_command()

    agent.report(key, "running")

    assert agent.command(key).expires_at == app_now(agent.db) + rules.REPORT_TIMEOUT


BAD: dict[str, dict[str, Any]] = {
    "another state": {"state": "cancelled"},
    "more than all": {"state": "running", "percent": 101},
    "a long message": {"state": "running", "message": "あ" * 501},
    "NUL in the message": {"state": "failed", "message": "a\x00"},
    "NUL in the result": {"state": "done", "result": {"checks": ["\x00"]}},
    "a result without end": {"state": "done", "result": {"log": "x" * 20_000}},
    "a result that is no object": {"state": "done", "result": ["x"]},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_report_out_of_bounds_is_422_in_words(agent: EnrolledAgent, body: dict[str, Any]) -> None:
    key = agent.create_command()

    answer = agent.call("POST", f"commands/{key}", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"].endswith("。")
    assert agent.command(key).state == "waiting"


@pytest.mark.parametrize("raw", [b'{"state":"done","result":{"a":NaN}}', b'{"state":"done","result":{"a":"\\ud800"}}'])
def test_a_result_that_no_database_takes_is_refused(agent: EnrolledAgent, raw: bytes) -> None:
    key = agent.create_command()

    answer = agent.call("POST", f"commands/{key}", content=raw)

    assert answer.status_code == 422
    assert agent.command(key).state == "waiting"


def test_another_terminals_command_is_not_there(agent: EnrolledAgent, other: EnrolledAgent) -> None:
    key = agent.create_command("send_bundle")

    assert other.report(key, "done").status_code == 404
    assert other.send_bundle(key, archive()).status_code == 404

    assert (agent.command(key).state, agent.command(key).file_id) == ("waiting", None)
    assert agent.db.scalars(select(File)).all() == []


def test_a_revoked_token_is_refused_at_every_route(agent: EnrolledAgent) -> None:
    key = agent.create_command("send_bundle")
    actions.revoke_tokens(agent.db, agent.terminal.id)
    agent.db.commit()

    answers = [agent.report(key, "done"), agent.send_bundle(key, archive()), agent.call("PUT", "token", json={})]

    assert [answer.status_code for answer in answers] == [401] * 3
    assert "登録し直してください" in answers[0].json()["detail"]
    assert agent.renew(new_token()) == 401
    assert agent.command(key).state == "waiting"


def test_a_user_is_no_agent_and_an_agent_no_user(agent: EnrolledAgent, sign_in: SignIn) -> None:
    key = agent.create_command()
    user = sign_in("alice", fleet="admin")

    assert user.post(f"/api/fleet/agent/commands/{key}", json={"state": "done"}).status_code == 401
    assert user.put("/api/fleet/agent/token", json={"token_sha256": "0" * 64}).status_code == 401
    headers = {"Authorization": f"Bearer {agent.token}"}
    assert user.get(f"/api/fleet/terminals/{agent.terminal.id}/commands", headers=headers).status_code == 401


def test_a_bundle_is_stored_for_those_who_read_terminals(agent: EnrolledAgent, sign_in: SignIn) -> None:
    key, content = agent.create_command("send_bundle"), archive()

    answer = agent.send_bundle(key, content)
    agent.report(key, "done")

    assert answer.status_code == 201
    support = sign_in("sam", fleet="support")
    [item] = support.get(f"/api/fleet/terminals/{agent.terminal.id}/commands").json()["items"]
    assert (item["state"], item["file_id"]) == ("done", answer.json()["file_id"])
    read = support.get(f"/api/core/files/{item['file_id']}")
    assert (read.content, read.headers["content-type"]) == (content, "application/zip")
    assert read.headers["content-disposition"].startswith("attachment")
    viewer = sign_in("vera", fleet="viewer")
    assert viewer.get(f"/api/core/files/{item['file_id']}").status_code == 404


def test_a_bundle_sent_again_is_the_first_one_and_nothing_else_is_stored(agent: EnrolledAgent) -> None:
    key = agent.create_command("send_bundle")
    before = stored_keys()

    first, again = (agent.send_bundle(key, archive()).json() for _ in range(2))

    assert first == again
    assert len(stored_keys() - before) == 1
    assert len(agent.db.scalars(select(File)).all()) == 1


def stored_keys() -> set[str]:
    return {stored.key for listed in storage().all() for stored in listed}


NO_BUNDLES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "text": (b"log log log", 415),
    "torn": (archive()[:-30], 422),
    "too large": (b"PK\x03\x04" + b"\0" * (5 * 1024 * 1024), 413),
    "unpacks without end": (archive({"zero": b"\0" * (101 * 1024 * 1024)}), 422),
    "too many parts": (archive({f"{number}": b"" for number in range(201)}), 422),
}


@pytest.mark.parametrize("case", NO_BUNDLES)
def test_what_is_no_bundle_is_refused_and_not_stored(agent: EnrolledAgent, case: str) -> None:
    key, before = agent.create_command("send_bundle"), stored_keys()
    content, status = NO_BUNDLES[case]

    assert agent.send_bundle(key, content).status_code == status

    assert stored_keys() == before
    assert agent.command(key).file_id is None


def test_a_bundle_without_a_waiting_command_is_refused(agent: EnrolledAgent) -> None:
    finished = agent.create_command("send_bundle", state="cancelled", finished_at=app_now(agent.db))

    assert agent.send_bundle(agent.create_command("diagnose"), archive()).status_code == 409
    assert agent.send_bundle(finished, archive()).status_code == 409


def test_a_workbook_is_a_zip_as_well(agent: EnrolledAgent) -> None:
    assert agent.send_bundle(agent.create_command("send_bundle"), workbook()).status_code == 201


def test_a_renewed_token_replaces_the_old_one(agent: EnrolledAgent) -> None:
    agent.db.execute(update(TerminalState).values(cloned_at=app_now(agent.db)))
    agent.db.commit()
    old, new = agent.token, new_token()

    assert agent.renew(new) == 204

    key = agent.create_command()
    assert agent.report(key, "accepted").status_code == 401
    agent.token = new
    assert agent.report(key, "accepted").status_code == 200
    assert agent.renew(new_token(), current_token=old) == 401
    state = agent.db.get_one(TerminalState, agent.terminal.id, populate_existing=True)
    assert (state.cloned_at, state.previous_stream_id) == (None, None)
    entries = agent.db.scalars(select(AuditEntry).where(AuditEntry.subject == "terminal_token")).all()
    assert {"renewed": True} in [entry.after for entry in entries]
    assert hash_token(new).hex() not in " ".join(str(entry.after) for entry in entries)


def test_renewing_to_the_token_that_is_shown_changes_nothing(agent: EnrolledAgent) -> None:
    """The reply was lost, and the agent found out by itself that the new token is the valid one."""
    assert agent.renew(agent.token) == 204
    assert len(agent.db.scalars(select(TerminalToken)).all()) == 1


def test_the_token_of_another_terminal_is_refused(agent: EnrolledAgent, other: EnrolledAgent) -> None:
    assert agent.renew(other.token) == 409

    assert agent.report(agent.create_command(), "accepted").status_code == 200
    assert other.report(other.create_command(), "accepted").status_code == 200


@pytest.mark.parametrize("digest", ["", "0" * 63, "G" * 64, "A" * 64])
def test_what_is_no_digest_is_refused(agent: EnrolledAgent, digest: str) -> None:
    assert agent.call("PUT", "token", json={"token_sha256": digest}).status_code == 422


def test_the_clock_may_be_moved_under_a_command(agent: EnrolledAgent) -> None:
    key = agent.create_command()
    agent.db.execute(update(app_clock).values(shift=app_clock.c.shift + rules.COMMAND_TTL * 2))
    agent.db.commit()

    # The tick has not ended it yet: a late agent still finds it.
    assert agent.report(key, "accepted").json() == {"go_on": True}


def test_of_concurrent_renewals_one_counts_and_its_token_is_valid(service: Service, http: httpx2.Client) -> None:
    """Two agents with one token, or one whose replies are lost: in every case exactly one token is valid."""
    terminal = Agent(service, http)
    tokens = [new_token() for _ in range(6)]

    def renew(token: str) -> int:
        with service.http() as own_http:
            body = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}
            headers = {"Authorization": f"Bearer {terminal.token}"}
            return own_http.put("/api/fleet/agent/token", json=body, headers=headers).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(renew, tokens))

    assert sorted(answers) == [204, 401, 401, 401, 401, 401]
    winner = tokens[answers.index(204)]
    [(valid,)] = service.rows(
        "SELECT encode(token_hash, 'hex') FROM fleet_terminal_tokens WHERE terminal_id = %s AND revoked_at IS NULL",
        terminal.id,
    )
    assert valid == hash_token(winner).hex()
    assert terminal.send(token=winner).status_code == 200


def test_the_same_renewal_sent_again_while_its_reply_is_lost_leaves_the_new_token_valid(
    service: Service, http: httpx2.Client
) -> None:
    terminal, token = Agent(service, http), new_token()
    body = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}

    def renew(current_token: str) -> int:
        with service.http() as own_http:
            headers = {"Authorization": f"Bearer {current_token}"}
            return own_http.put("/api/fleet/agent/token", json=body, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(renew, [terminal.token] * 4))

    assert sorted(answers) == [204, 401, 401, 401]
    assert renew(token) == 204
    assert terminal.send(token=token).status_code == 200
