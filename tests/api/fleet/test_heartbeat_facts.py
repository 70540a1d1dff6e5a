"""What a heartbeat reports other than its usages, what it adds to the terminal's log, and what its answer contains."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.fleet.field import Agent


def now(**shifted: float) -> str:
    return (datetime.now(UTC) + timedelta(**shifted)).isoformat()


def kinds(agent: Agent) -> list[str]:
    return [kind for kind, _ in agent.log()]


def create_command(agent: Agent, name: str = "diagnose", expires: str = "1 day", arguments: str = "{}") -> int:
    [(key,)] = agent.service.rows(
        "INSERT INTO fleet_commands (terminal_id, name, arguments, expires_at) "
        "VALUES (%s, %s, %s, app_now() + %s::interval) RETURNING id",
        agent.id,
        name,
        arguments,
        expires,
    )
    return int(str(key))


def test_an_older_agent_leaves_the_new_fields_out(agent: Agent) -> None:
    assert agent.send().status_code == 200

    state = agent.state()
    assert (state["clock_skew_seconds"], state["terminal_serial"], state["shutdown_at"]) == (None, None, None)
    assert agent.log() == []


def test_fields_and_events_of_a_newer_agent_are_passed_over(agent: Agent) -> None:
    answer = agent.send(agent.heartbeat(battery={"percent": 3}, event="hibernated"))

    assert answer.status_code == 200
    assert agent.log() == []


def test_a_heartbeat_says_where_it_comes_from_and_which_terminal_is_on_the_cable(agent: Agent) -> None:
    agent.send(agent.heartbeat(terminal_serial="TC200-777", agent_time=now()))

    state = agent.state()
    assert (str(state["address"]), state["terminal_serial"]) == ("127.0.0.1", "TC200-777")
    assert abs(state["clock_skew_seconds"]) <= 5


def test_behind_a_trusted_proxy_the_address_is_the_shops_own(agent: Agent) -> None:
    headers = {"Authorization": f"Bearer {agent.token}", "X-Forwarded-For": "203.0.113.9"}

    agent.http.post("/api/fleet/heartbeats", json=agent.heartbeat(), headers=headers)

    assert str(agent.state()["address"]) == "203.0.113.9"  # uvicorn trusts loopback by default


def test_a_clock_that_is_off_is_written_down_once_until_it_was_right_again(agent: Agent) -> None:
    for ahead in (0, 119, 300, 400, -500, 0, -121):
        agent.send(agent.heartbeat(agent_time=now(seconds=ahead)))

    skews = [detail["seconds"] for _, detail in agent.log()]
    assert kinds(agent) == ["clock_skew", "clock_skew"]
    assert abs(skews[0] - 300) <= 5
    assert abs(skews[1] + 121) <= 5


def test_a_heartbeat_from_the_future_is_stored_by_our_own_clock(agent: Agent) -> None:
    ahead = now(days=400)

    assert agent.send(agent.heartbeat(sent_at=ahead, agent_time=ahead)).status_code == 200
    assert agent.send(agent.heartbeat()).status_code == 200

    state = agent.state()
    assert abs(state["last_heartbeat_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (state["sequence"], state["cloned_at"]) == (2, None)
    assert agent.stored() == [1, 2]


@pytest.mark.parametrize("usage", ["cpu", "memory"])
def test_two_high_readings_running_count_until_the_usage_has_clearly_fallen(agent: Agent, usage: str) -> None:
    runs = []
    for reading in (89, 90, 85, 95, 96, 97, 80, 79, 90):
        agent.send(agent.heartbeat(**{f"{usage}_usage": reading}))
        runs.append(agent.state()[f"{usage}_run"])

    assert runs == [0, 1, 0, 1, 2, 2, 2, 0, 1]


def test_what_happens_to_a_terminal_is_in_its_log(agent: Agent) -> None:
    agent.send(agent.heartbeat(event="started", terminal_serial="TC200-1"))
    agent.send(agent.heartbeat(event="unplugged", terminal_connected=False))
    agent.send(agent.heartbeat(terminal_connected=False))
    agent.send(agent.heartbeat(event="plugged", terminal_serial="TC200-1"))
    agent.send(agent.heartbeat(firmware_version="1.3.0"))
    agent.send(agent.heartbeat(event="shutdown", firmware_version="1.3.0"))

    assert agent.log() == [
        ("started", {"version": "0.1.0"}),
        ("disconnected", None),
        ("connected", {"serial": "TC200-1"}),
        ("firmware", {"from": "1.2.0", "to": "1.3.0"}),
        ("shutdown", None),
    ]


def test_a_shutdown_is_stored_until_the_next_heartbeat(agent: Agent) -> None:
    agent.send(agent.heartbeat(event="shutdown"))
    assert agent.state()["shutdown_at"] is not None

    agent.send(agent.heartbeat(event="started"))
    assert agent.state()["shutdown_at"] is None


def test_a_repeat_is_logged_once(agent: Agent) -> None:
    body = agent.heartbeat(event="started", agent_time=now(hours=1))

    for _ in range(3):
        agent.send(body)

    assert sorted(kinds(agent)) == ["clock_skew", "started"]


def test_a_new_stream_is_an_agent_installed_again(agent: Agent) -> None:
    agent.send()
    agent.send(agent.heartbeat(stream_id=str(uuid.uuid4()), sequence=1))
    agent.send(agent.heartbeat(stream_id=str(uuid.uuid4()), sequence=1))

    assert agent.state()["cloned_at"] is None
    assert "cloned" not in kinds(agent)


def test_a_repeat_of_the_stream_before_is_no_new_heartbeat(agent: Agent) -> None:
    old = agent.heartbeat()
    agent.send(old)
    agent.send(agent.heartbeat(stream_id=str(uuid.uuid4()), sequence=1, cpu_usage=77))

    assert agent.send(old).status_code == 200

    state = agent.state()
    assert (state["cpu_usage"], state["cloned_at"]) == (77, None)
    assert agent.stored() == [1, 1]


def test_two_streams_that_both_go_on_are_two_agents_with_one_token(agent: Agent) -> None:
    other = str(uuid.uuid4())
    agent.send()
    agent.send(agent.heartbeat(stream_id=other, sequence=1))
    assert agent.state()["cloned_at"] is None

    agent.send(agent.heartbeat(sequence=2))
    first = agent.state()["cloned_at"]
    agent.send(agent.heartbeat(stream_id=other, sequence=2))

    assert first is not None
    assert agent.state()["cloned_at"] == first
    assert kinds(agent) == ["cloned"]
    assert agent.stored() == [1, 1, 2, 2]


def test_a_copied_pc_with_the_same_stream_and_sequence_is_found_too(agent: Agent) -> None:
    """An image of a disk has the spool in it: same token, same stream, same sequence."""
    for _ in range(3):
        agent.send()
    copied = agent.heartbeat(sequence=3, cpu_usage=99)

    assert agent.send(copied).status_code == 200

    state = agent.state()
    assert state["cloned_at"] is not None
    assert state["cpu_usage"] == 12
    assert kinds(agent) == ["cloned"]
    assert agent.stored() == [1, 2, 3]


def test_a_pc_that_lost_its_last_write_with_the_power_is_no_copy(agent: Agent) -> None:
    agent.send()

    agent.send(agent.heartbeat(sequence=1, event="started"))

    assert agent.state()["cloned_at"] is None


def test_the_answer_carries_what_waits_for_this_terminal_alone(agent: Agent, other: Agent) -> None:
    diagnose = create_command(agent)
    bundle = create_command(agent, "send_bundle", arguments='{"lines": 200, "語": "あ"}')
    create_command(agent, "rotate_token", expires="-1 second")

    commands = [
        {"id": diagnose, "name": "diagnose", "arguments": {}},
        {"id": bundle, "name": "send_bundle", "arguments": {"lines": 200, "語": "あ"}},
    ]
    assert agent.send().json()["commands"] == commands
    assert agent.send().json()["commands"] == commands, "until the agent has reported on it"
    assert other.send().json()["commands"] == []
    rows = agent.service.rows(
        "SELECT name, told_at IS NOT NULL FROM fleet_commands WHERE terminal_id = %s AND name <> 'rotate_token'",
        agent.id,
    )
    assert set(rows) == {("diagnose", True), ("send_bundle", True)}


@pytest.mark.parametrize("state", ["accepted", "running"])
def test_a_command_that_the_agent_accepted_is_not_sent_again(agent: Agent, state: str) -> None:
    key = create_command(agent)
    agent.service.rows("UPDATE fleet_commands SET state = %s WHERE id = %s", state, key)

    assert agent.send().json()["commands"] == []


def test_a_locked_command_delays_no_heartbeat(agent: Agent) -> None:
    key = create_command(agent)
    with agent.service.committed() as db:
        db.execute(text("SELECT 1 FROM fleet_commands WHERE id = :key FOR UPDATE"), {"key": key})
        answer = agent.send().json()

    assert [command["id"] for command in answer["commands"]] == [key]


BAD: dict[str, Any] = {
    "a clock without zone": {"agent_time": "2026-11-21T09:00:00"},
    "a long serial": {"terminal_serial": "1" * 51},
    "NUL in the serial": {"terminal_serial": "a\x00"},
    "an event that is no text": {"event": 1},
    "a long event": {"event": "e" * 21},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_new_field_out_of_bounds_is_422_and_nothing_is_stored(agent: Agent, change: dict[str, Any]) -> None:
    answer = agent.send(agent.heartbeat(**change))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(change)
    assert agent.stored() == []
