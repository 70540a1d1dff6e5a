"""Processes killed under load: what was answered is there, once; what died is back within 30 seconds by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import psycopg
import pytest

from service.core.identity import hash_token
from stack import servers
from tests.sight import seeing_all
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.faults

AGENTS = 64
RECOVERY_SECONDS = 30


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


class Fleet:
    """Agents that send without pause, each in order: the next heartbeat only after the last was answered."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.stream = str(uuid.uuid4())
        self.answered: dict[int, list[int]] = {}
        self.answered_at: list[float] = []
        self.failures: Counter[str] = Counter()
        self.stopping = False
        with psycopg.connect(seeing_all(servers.url(stack.home, "owner"))) as owner:
            self.tokens = {}
            for _ in range(AGENTS):
                serial, token = f"FAULT-{uuid.uuid4()}", f"fault-{uuid.uuid4()}"
                row = owner.execute(
                    "INSERT INTO fleet_terminals (serial_number, customer_id, store_name) "
                    "SELECT %s, min(id), '店' FROM fleet_customers RETURNING id",
                    [serial],
                ).fetchone()
                assert row is not None
                owner.execute("INSERT INTO fleet_terminal_states (terminal_id) VALUES (%s)", [row[0]])
                owner.execute(
                    "INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) VALUES (%s, %s)",
                    [hash_token(token), row[0]],
                )
                self.tokens[int(row[0])] = token

    async def agent(self, terminal_id: int, http: httpx2.AsyncClient) -> None:
        sequence, done = 0, self.answered.setdefault(terminal_id, [])
        while not self.stopping:
            sequence += 1
            while not self.stopping:
                outcome = await self.send(terminal_id, sequence, http)
                if outcome == "200":
                    done.append(sequence)
                    self.answered_at.append(time.monotonic())
                    break
                self.failures[outcome] += 1
                await asyncio.sleep(0.2)

    async def send(self, terminal_id: int, sequence: int, http: httpx2.AsyncClient) -> str:
        body = {
            "cpu_usage": 10,
            "memory_usage": 20,
            "disk_usage": 30,
            "firmware_version": "1.0.0",
            "agent_version": "0.1.0",
            "terminal_connected": True,
            "error": None,
            "sent_at": datetime.now(UTC).isoformat(),
            "stream_id": self.stream,
            "sequence": sequence,
        }
        try:
            answer = await http.post(
                f"{self.stack.service}/api/fleet/heartbeats",
                json=body,
                headers={"Authorization": f"Bearer {self.tokens[terminal_id]}"},
            )
        except httpx2.TransportError as error:
            return type(error).__name__
        return str(answer.status_code)

    async def under_load(self, kills: list[str], pause: float) -> dict[str, list[float]]:
        """Kills each of the named processes in turn while all agents send; seconds until answers flowed again."""
        back: dict[str, list[float]] = {}
        async with httpx2.AsyncClient(timeout=10) as http, asyncio.TaskGroup() as group:
            for terminal_id in self.tokens:
                group.create_task(self.agent(terminal_id, http))
            await asyncio.sleep(pause)
            for name in kills:
                killed, count = time.monotonic(), len(self.answered_at)
                os.kill(self.stack.pid(name), signal.SIGKILL)
                # Answers already on their way may still arrive; what counts is a flow, well after the kill.
                while not self._flowing(killed, count):
                    assert time.monotonic() < killed + RECOVERY_SECONDS, f"no answers 30 s after {name} was killed"
                    await asyncio.sleep(0.05)
                back.setdefault(name, []).append(self.answered_at[-AGENTS] - killed)
                await asyncio.sleep(pause)
            self.stopping = True
        return back

    def _flowing(self, killed: float, count: int) -> bool:
        later = self.answered_at[count + AGENTS :]
        return len(later) > 2 * AGENTS and later[-1] > killed + 0.5

    def stored(self) -> dict[int, Counter[int]]:
        with psycopg.connect(seeing_all(servers.url(self.stack.home, "app"))) as connection:
            rows = connection.execute(
                "SELECT terminal_id, sequence FROM fleet_heartbeats WHERE stream_id = %s", [self.stream]
            ).fetchall()
        found: dict[int, Counter[int]] = {terminal_id: Counter() for terminal_id in self.tokens}
        for terminal_id, sequence in rows:
            found[terminal_id][sequence] += 1
        return found


@pytest.mark.parametrize("kills", [["service"] * 3, ["postgres"] * 3, ["service", "postgres", "valkey", "worker"]])
def test_no_answered_heartbeat_is_missing_and_none_is_doubled(stack: Stack, kills: list[str]) -> None:
    fleet = Fleet(stack)

    back = asyncio.run(fleet.under_load(kills, pause=2))

    stored = fleet.stored()
    answered = sum(map(len, fleet.answered.values()))
    missing = [(t, s) for t, sequences in fleet.answered.items() for s in sequences if stored[t][s] == 0]
    doubled = [(t, s) for t, counts in stored.items() for s, times in counts.items() if times > 1]
    print(f"{answered} answered, {len(missing)} missing, {len(doubled)} doubled; back after {back}; {fleet.failures}")
    assert answered > 1000
    assert missing == []
    assert doubled == []
    assert set(fleet.failures) <= {"503", "ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}


@pytest.mark.parametrize("name", ["worker", "beat", "valkey"])
def test_jobs_run_again_within_30_seconds(stack: Stack, name: str) -> None:
    killed = datetime.now(UTC)
    os.kill(stack.pid(name), signal.SIGKILL)
    deadline = time.monotonic() + RECOVERY_SECONDS

    with psycopg.connect(servers.url(stack.home, "app"), autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT max(at) FROM job_heartbeats").fetchone()
            # A tick that was under way may still end just after the kill.
            if row and (row[0] - killed).total_seconds() > 5:
                return
            assert time.monotonic() < deadline, f"no job ran 30 s after {name} was killed"
            time.sleep(0.5)
