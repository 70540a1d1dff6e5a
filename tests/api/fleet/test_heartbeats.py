"""The heartbeat route of a running service: stored before the answer, refused in words, never half."""

from __future__ import annotations

import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from service.fleet import actions
from tests.api.fleet.field import Agent
from tests.conftest import Service
from tests.rls_bypass import rls_bypass_url
from tests.waiting import wait_for


def test_an_answered_heartbeat_is_in_the_database(agent: Agent) -> None:
    answer = agent.send()

    assert answer.status_code == 200
    assert 150 <= answer.json()["next_heartbeat_in"] <= 450
    assert answer.json()["commands"] == []
    assert abs(datetime.fromisoformat(answer.json()["server_time"]) - datetime.now(UTC)) < timedelta(seconds=5)
    state = agent.state()
    assert (state["status"], state["cpu_usage"], state["firmware_version"]) == ("online", 12, "1.2.0")
    assert state["offline_after"] - state["last_heartbeat_at"] == timedelta(minutes=11)
    assert agent.stored() == [1]


def test_a_repeat_is_answered_and_stored_once(agent: Agent) -> None:
    body = agent.heartbeat()

    assert [agent.send(body).status_code for _ in range(3)] == [200, 200, 200]

    assert agent.stored() == [1]


def test_an_older_heartbeat_of_the_same_stream_does_not_overwrite_the_newer(agent: Agent) -> None:
    older, newer = agent.heartbeat(cpu_usage=10), agent.heartbeat(cpu_usage=90)
    agent.send(newer)

    assert agent.send(older).status_code == 200

    assert (agent.state()["cpu_usage"], agent.state()["sequence"]) == (90, 2)


def test_a_new_stream_starts_over(agent: Agent) -> None:
    for _ in range(3):
        agent.send()

    assert agent.send(agent.heartbeat(stream_id=str(uuid.uuid4()), sequence=1)).status_code == 200

    assert agent.state()["sequence"] == 1
    assert agent.stored() == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({}, "online"),
        ({"error": "カードリーダー応答なし"}, "error"),
        ({"terminal_connected": False}, "error"),
    ],
)
def test_the_status_is_what_the_agent_reports(agent: Agent, report: dict[str, Any], status: str) -> None:
    agent.send(agent.heartbeat(**report))

    assert agent.state()["status"] == status
    assert agent.state()["error"] == report.get("error")


def test_maintenance_is_not_ended_by_a_heartbeat(agent: Agent) -> None:
    agent.service.rows("UPDATE fleet_terminal_states SET status = 'maintenance' WHERE terminal_id = %s", agent.id)

    agent.send()

    assert agent.state()["status"] == "maintenance"
    assert agent.stored() == [1]


REFUSED: dict[str, Any] = {
    "a percentage over 100": {"cpu_usage": 100.1},
    "a negative percentage": {"memory_usage": -1},
    "a percentage as text": {"disk_usage": "50"},
    "a percentage as truth": {"disk_usage": True},
    "an empty version": {"firmware_version": ""},
    "a long version": {"agent_version": "1" * 21},
    "NUL in the error": {"error": "a\x00b"},
    "NUL in the version": {"firmware_version": "1\x000"},
    "a long error": {"error": "あ" * 501},
    "connected as a number": {"terminal_connected": 1},
    "a time without zone": {"sent_at": "2026-11-21T09:00:00"},
    "a time as number": {"sent_at": 1763700000},
    "a time from year 1": {"sent_at": "0001-01-01T00:00:00Z"},
    "a time at the end of time": {"sent_at": "9999-12-31T23:59:59-12:00"},
    "a stream that is no UUID": {"stream_id": "abc"},
    "sequence zero": {"sequence": 0},
    "a sequence beyond 64 bits": {"sequence": 2**63},
    "a sequence with a fraction": {"sequence": 1.5},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_a_value_out_of_bounds_is_422_in_words_and_nothing_is_stored(agent: Agent, change: dict[str, Any]) -> None:
    answer = agent.send(agent.heartbeat(**change))

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == list(change)
    assert answer.json()["errors"][0]["message"].endswith("。")
    assert agent.stored() == []


@pytest.mark.parametrize("missing", sorted({"cpu_usage", "sent_at", "stream_id", "sequence", "terminal_connected"}))
def test_a_missing_field_is_named(agent: Agent, missing: str) -> None:
    body = agent.heartbeat()
    del body[missing]

    answer = agent.send(body)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": missing, "message": "必須の項目です。"}]


MALFORMED = {
    "nothing": b"",
    "half an object": b'{"cpu_usage": 1',
    "not UTF-8": b'{"error": "\xff\xfe"}',
    "a lone surrogate": b'{"error": "\\ud800"}',
    "not a number": b'{"cpu_usage": NaN}',
    "deep nesting": b"[" * 4000,
    "not JSON": b"cpu_usage=1",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_json_is_a_400_or_422_problem(agent: Agent, body: bytes) -> None:
    answer = agent.send(body)

    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"].endswith("。")
    assert agent.stored() == []


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"'])
def test_json_that_is_no_object_is_refused(agent: Agent, body: bytes) -> None:
    assert agent.send(body).status_code == 422


def test_an_oversized_body_is_413(agent: Agent) -> None:
    assert agent.send(b" " * 9000).status_code == 413


def test_an_oversized_body_without_a_length_is_413(agent: Agent) -> None:
    """Sent in chunks that never end: the answer must not wait for the last one."""
    host, port = agent.service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as endless:
        endless.sendall(
            b"POST /api/fleet/heartbeats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Authorization: Bearer " + agent.token.encode() + b"\r\n\r\n"
        )
        endless.sendall((b"400\r\n" + b" " * 1024 + b"\r\n") * 9)
        answer = endless.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("token", ["unknown", "x" * 4000])
def test_an_unknown_token_is_401_with_what_to_do(agent: Agent, token: str) -> None:
    answer = agent.send(token=token)

    assert answer.status_code == 401
    assert "登録" in answer.json()["detail"]
    assert agent.stored() == []


def test_no_token_at_all_is_401(agent: Agent) -> None:
    assert agent.http.post("/api/fleet/heartbeats", json=agent.heartbeat()).status_code == 401


def test_a_token_that_is_not_ascii_is_401(agent: Agent) -> None:
    headers = [(b"authorization", b"Bearer \xff\xfe")]

    assert agent.http.post("/api/fleet/heartbeats", content=b"{}", headers=headers).status_code == 401


def test_other_methods_are_405(agent: Agent) -> None:
    assert agent.http.get("/api/fleet/heartbeats").status_code == 405


def test_a_terminal_is_not_a_user(agent: Agent) -> None:
    headers = {"Authorization": f"Bearer {agent.token}"}

    assert agent.http.get("/api/auth/me", headers=headers).status_code == 401


def test_a_revoked_token_is_refused_by_a_running_service(agent: Agent) -> None:
    assert agent.send().status_code == 200

    with agent.service.committed() as db:
        actions.revoke_tokens(db, agent.id)

    wait_for(lambda: agent.send().status_code == 401, "the revocation did not reach the ingest")
    count = len(agent.stored())
    assert agent.send().status_code == 401
    assert len(agent.stored()) == count


def test_many_at_once_are_all_stored_each_in_its_place(service: Service, http: httpx2.Client) -> None:
    agents = [Agent(service, http) for _ in range(20)]

    def ten(agent: Agent) -> list[int]:
        return [agent.send().status_code for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ten, agents))

    assert answers == [[200] * 10] * 20
    assert all(agent.stored() == list(range(1, 11)) for agent in agents)


def test_one_bad_row_never_fails_its_neighbours(service: Service, http: httpx2.Client) -> None:
    """A row that only the database can refuse: its terminal breaks a constraint made for this test."""
    bad, *good = [Agent(service, http) for _ in range(8)]
    with psycopg.connect(rls_bypass_url(service.owner_url)) as owner:
        owner.execute(
            f"ALTER TABLE fleet_terminal_states ADD CONSTRAINT refuse_bad CHECK (terminal_id <> {bad.id} "
            "OR sequence IS NULL) NOT VALID"
        )
    try:
        start = threading.Barrier(8)

        def send(agent: Agent) -> int:
            start.wait()
            return agent.send().status_code

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, [bad, *good]))
    finally:
        with psycopg.connect(rls_bypass_url(service.owner_url)) as owner:
            owner.execute("ALTER TABLE fleet_terminal_states DROP CONSTRAINT refuse_bad")

    assert answers == [422] + [200] * 7
    assert bad.stored() == []
    assert all(agent.stored() == [1] for agent in good)


def test_a_sender_that_hangs_up_in_the_middle_disturbs_no_other(agent: Agent) -> None:
    host, port = agent.service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(
            b"POST /api/fleet/heartbeats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n"
            b"Authorization: Bearer " + agent.token.encode() + b'\r\n\r\n{"cpu_usage"'
        )

    assert agent.send().status_code == 200
    assert agent.stored() == [1]


def test_heartbeats_land_in_the_partition_of_their_day(agent: Agent) -> None:
    agent.send()

    [(partition,)] = agent.service.rows(
        "SELECT tableoid::regclass::text FROM fleet_heartbeats WHERE terminal_id = %s", agent.id
    )
    assert str(partition).startswith("fleet_heartbeats_p2")
