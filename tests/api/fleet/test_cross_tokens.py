"""Two kinds of keys: a user's session and a terminal's token. At every route of the OpenAPI document a token of the
wrong kind, and a terminal's token that was revoked, is a 401, whatever else was sent."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from service.core.access.identity import open_session
from service.fleet import actions
from tests import people
from tests.api.fleet.field import Agent
from tests.api.walks.walk import PARAMETER, Operation, operations
from tests.conftest import Service
from tests.waiting import wait_for


def agent_operations() -> list[Operation]:
    return [
        operation
        for operation in operations()
        if operation.path.startswith(("/api/fleet/heartbeats", "/api/fleet/agent/"))
    ]


def user_operations() -> list[Operation]:
    return [
        operation
        for operation in operations()
        if operation.permission or operation.path in ("/api/auth/me", "/api/auth/logout")
    ]


@pytest.fixture(scope="module")
def agent(service: Service) -> Iterator[Agent]:
    with service.http() as http:
        yield Agent(service, http)


@pytest.fixture
def other(service: Service, agent: Agent) -> Agent:
    return Agent(service, agent.http)


@pytest.fixture(scope="module")
def session_token(service: Service) -> str:
    with service.committed() as db:
        token, _ = open_session(db, people.create_user(db, "cross-admin", fleet="admin"), "test", timedelta(hours=1))
    return token


def status_of(agent: Agent, operation: Operation, token: str) -> int:
    path = PARAMETER.sub("1", operation.path)
    headers = {"Authorization": f"Bearer {token}"}
    return agent.http.request(operation.method, path, content=json.dumps({}), headers=headers).status_code


def test_the_document_names_both_kinds_of_routes() -> None:
    assert {"/api/fleet/heartbeats", "/api/fleet/agent/token"} <= {operation.path for operation in agent_operations()}
    assert len(agent_operations()) >= 5
    assert len(user_operations()) > 80


def test_a_terminals_token_is_refused_at_every_route_of_users(agent: Agent) -> None:
    assert agent.send().status_code == 200

    assert [operation for operation in user_operations() if status_of(agent, operation, agent.token) != 401] == []


def test_a_users_session_is_refused_at_every_route_of_agents(agent: Agent, session_token: str) -> None:
    assert agent.http.get("/api/auth/me", headers={"Authorization": f"Bearer {session_token}"}).status_code == 200

    assert [operation for operation in agent_operations() if status_of(agent, operation, session_token) != 401] == []


def test_a_revoked_token_is_refused_at_every_route_of_agents(service: Service, other: Agent) -> None:
    assert other.send().status_code == 200
    with service.committed() as db:
        actions.revoke_tokens(db, other.id)
    wait_for(lambda: other.send().status_code != 200, "the ingest hears of it by notification")

    assert [operation for operation in agent_operations() if status_of(other, operation, other.token) != 401] == []


def test_heartbeats_of_every_odd_kind_have_an_answer_and_corrupt_nothing(service: Service, other: Agent) -> None:
    """Replayed, out of order, from the future and the past, of a new stream, of the stream before: each is answered
    200, stored at most once by our own clock, and the newest of the present stream remains the state."""
    terminal = other
    first, second, third = (terminal.heartbeat(cpu_usage=usage) for usage in (10, 20, 30))
    future = terminal.heartbeat(cpu_usage=40, sent_at="2099-01-01T00:00:00Z", agent_time="2099-01-01T00:00:00Z")
    past = terminal.heartbeat(cpu_usage=50, sent_at="2020-01-01T00:00:00Z")
    again = terminal.heartbeat(cpu_usage=60, stream_id=str(uuid.uuid4()), sequence=1)

    sent = [second, second, first, third, third, future, past, again, second]
    assert [terminal.send(body).status_code for body in sent] == [200] * len(sent)

    stored = terminal.stored()
    assert sorted(stored) == [1, 2, 3, 4, 5]  # the late first of the same stream is older than the second: a repeat
    state = terminal.state()
    assert (str(state["stream_id"]), state["sequence"], state["cpu_usage"]) == (again["stream_id"], 1, 60)
    received = service.rows(
        "SELECT max(received_at) < now() + interval '1 minute', min(received_at) > now() - interval '1 minute' "
        "FROM fleet_heartbeats WHERE terminal_id = %s",
        terminal.id,
    )
    assert received == [(True, True)]
