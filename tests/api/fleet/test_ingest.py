"""The parts of the ingest one by one, on real connections that are cut on purpose."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from service.core.access.identity import hash_token, new_token
from service.core.problems import Invalid, Problem, Unauthorized, Unavailable
from service.fleet.ingest import batches as batches_module
from service.fleet.ingest.batches import Batches, PendingHeartbeat
from service.fleet.ingest.tokens import OUTAGE_AFTER, RECORD_ALIVE, Tokens
from service.fleet.models import TerminalToken
from service.fleet.schemas import Heartbeat
from service.fleet.watch import actions
from stack import servers
from stack.home import Home
from tests import factories
from tests.conftest import committed_database, worker_database_name
from tests.restored import RestoredDatabase
from tests.rls_bypass import rls_bypass_url
from tests.waiting import wait_for


@dataclass
class IngestDatabase:
    """A database with three terminals, and access to it as its owner."""

    app_url: str
    owner_url: str
    superuser_url: str
    tokens: dict[int, str]

    def owner(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(rls_bypass_url(self.owner_url), autocommit=True) as connection:
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []

    def cut_connections(self) -> None:
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'genba_app'"
                " AND datname = current_database()"
            )

    def stored(self) -> dict[int, int]:
        return dict(self.owner("SELECT terminal_id, count(*) FROM fleet_heartbeats GROUP BY 1"))


@pytest.fixture(scope="module")
def restored_database(running_servers: Home) -> Iterator[tuple[RestoredDatabase, IngestDatabase]]:
    name = worker_database_name("genba_ingest")
    with committed_database(running_servers, name):
        restored, tokens = RestoredDatabase(running_servers, name), dict[int, str]()
        with restored.session() as db, db.begin():
            customer = factories.customer(db)
            for _ in range(3):
                terminal, token = factories.terminal(db, customer), new_token()
                db.add(TerminalToken(token_hash=hash_token(token), terminal_id=terminal.id))
                tokens[terminal.id] = token
        restored.keep()
        yield (
            restored,
            IngestDatabase(restored.url, restored.owner_url, servers.url(running_servers, "superuser", name), tokens),
        )
        restored.close()


@pytest.fixture
def ingest_database(restored_database: tuple[RestoredDatabase, IngestDatabase]) -> IngestDatabase:
    """As it was created, whatever the previous test has done."""
    restored, created = restored_database
    restored.restore()
    return created


def heartbeat(sequence: int = 1, stream: uuid.UUID | None = None) -> Heartbeat:
    return Heartbeat(
        cpu_usage=10,
        memory_usage=20,
        disk_usage=30,
        firmware_version="1.0.0",
        agent_version="0.1.0",
        terminal_connected=True,
        sent_at=datetime.now(UTC),
        stream_id=stream or uuid.uuid4(),
        sequence=sequence,
    )


@asynccontextmanager
async def running(component: Batches | Tokens) -> AsyncIterator[None]:
    task = asyncio.create_task(component.work())
    try:
        yield
    finally:
        if isinstance(component, Batches):
            await component.drain()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if isinstance(component, Batches):
            await component.close()


async def outcome(answer: Awaitable[object]) -> str:
    try:
        await answer
    except Problem as problem:
        return str(problem.status)
    return "200"


async def wait_until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_in_a_batch_only_the_bad_row_fails(ingest_database: IngestDatabase) -> None:
    bad, *good = ingest_database.tokens
    ingest_database.owner(f"ALTER TABLE fleet_heartbeats ADD CONSTRAINT refuse CHECK (terminal_id <> {bad})")

    async def one_batch() -> list[object]:
        batches, loop = Batches(ingest_database.app_url, 300), asyncio.get_running_loop()
        waiting = [PendingHeartbeat(terminal, heartbeat(), loop.create_future()) for terminal in ingest_database.tokens]
        await batches._commit(waiting)
        await batches.close()
        return list(await asyncio.gather(*(pending.answer for pending in waiting), return_exceptions=True))

    refused, *answered = asyncio.run(one_batch())
    ingest_database.owner("ALTER TABLE fleet_heartbeats DROP CONSTRAINT refuse")

    assert isinstance(refused, Invalid)
    assert all(isinstance(answer, bytes) for answer in answered)
    assert ingest_database.stored() == dict.fromkeys(good, 1)


@pytest.mark.parametrize(
    ("fault", "repair"),
    [
        ("REVOKE INSERT ON fleet_heartbeats FROM genba_app", "GRANT INSERT ON fleet_heartbeats TO genba_app"),
        ("ALTER TABLE fleet_heartbeats RENAME TO hidden", "ALTER TABLE hidden RENAME TO fleet_heartbeats"),
    ],
)
def test_a_database_fault_is_503_and_never_a_refusal_of_the_row(
    ingest_database: IngestDatabase, fault: str, repair: str
) -> None:
    """A 422 would make the agent throw the heartbeat away."""
    terminal = next(iter(ingest_database.tokens))

    async def before_and_after() -> list[str]:
        batches = Batches(ingest_database.app_url, 300)
        async with running(batches):
            ingest_database.owner(fault)
            during = await outcome(batches.put(terminal, heartbeat()))
            ingest_database.owner(repair)
            return [during, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(before_and_after()) == ["503", "200"]


def test_a_lost_connection_is_503_once_and_then_reopened(ingest_database: IngestDatabase) -> None:
    terminal = next(iter(ingest_database.tokens))

    async def cut_in_between() -> list[str]:
        batches = Batches(ingest_database.app_url, 300)
        async with running(batches):
            first = await outcome(batches.put(terminal, heartbeat()))
            ingest_database.cut_connections()
            second = await outcome(batches.put(terminal, heartbeat()))
            return [first, second, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(cut_in_between()) == ["200", "503", "200"]


def test_a_silent_database_is_503_after_a_timeout(
    ingest_database: IngestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "STORE_TIMEOUT_SECONDS", 0.3)
    terminal = next(iter(ingest_database.tokens))

    async def behind_a_lock() -> list[str]:
        batches = Batches(ingest_database.app_url, 300)
        with psycopg.connect(rls_bypass_url(ingest_database.owner_url)) as holder:
            holder.execute("LOCK TABLE fleet_terminal_states")
            async with running(batches):
                during = await outcome(batches.put(terminal, heartbeat()))
                holder.rollback()
                return [during, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(behind_a_lock()) == ["503", "200"]


def test_a_full_queue_is_503_with_the_seconds_to_wait(
    ingest_database: IngestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "MAX_QUEUE", 2)
    terminal = next(iter(ingest_database.tokens))

    async def three_at_once() -> list[object]:
        batches = Batches(ingest_database.app_url, 300)
        puts = [batches.put(terminal, heartbeat(sequence)) for sequence in (1, 2, 3)]
        answers = asyncio.gather(*puts, return_exceptions=True)
        await asyncio.sleep(0)
        async with running(batches):
            return list(await answers)

    *stored, refused = asyncio.run(three_at_once())

    assert all(isinstance(answer, bytes) for answer in stored)
    assert isinstance(refused, Unavailable)
    assert refused.headers["Retry-After"] == "5"


def test_queued_heartbeats_are_stored_during_a_graceful_shutdown(ingest_database: IngestDatabase) -> None:
    async def put_and_shut_down() -> list[str]:
        batches = Batches(ingest_database.app_url, 300)
        answers = [
            asyncio.create_task(outcome(batches.put(terminal, heartbeat()))) for terminal in ingest_database.tokens
        ]
        async with running(batches):
            await asyncio.sleep(0)
        return list(await asyncio.gather(*answers))

    assert asyncio.run(put_and_shut_down()) == ["200"] * 3
    assert ingest_database.stored() == dict.fromkeys(ingest_database.tokens, 1)


async def status_of(tokens: Tokens, token: str) -> str:
    return await outcome(tokens.terminal(token.encode()))


def test_tokens_are_loaded_at_start(ingest_database: IngestDatabase) -> None:
    token = next(iter(ingest_database.tokens.values()))

    async def preloaded() -> bool:
        tokens = Tokens(ingest_database.app_url, 300)
        async with running(tokens):

            async def is_in_memory() -> bool:
                return hash_token(token) in tokens._terminals

            await wait_until(is_in_memory)
        return True

    assert asyncio.run(preloaded())


def test_an_invalid_notification_is_ignored(ingest_database: IngestDatabase) -> None:
    terminal, token = next(iter(ingest_database.tokens.items()))

    async def revoke_after_nonsense() -> bool:
        tokens = Tokens(ingest_database.app_url, 300)
        async with running(tokens):

            async def is_known() -> bool:
                return await status_of(tokens, token) == "200"

            async def is_refused() -> bool:
                return await status_of(tokens, token) == "401"

            await wait_until(is_known)
            ingest_database.owner("NOTIFY fleet_tokens, 'hello'")
            ingest_database.owner(
                "UPDATE fleet_terminal_tokens SET revoked_at = now() WHERE terminal_id = %s", terminal
            )
            await wait_until(is_refused)
        return True

    assert asyncio.run(revoke_after_nonsense())


def test_a_lost_listener_or_look_up_connection_starts_again(ingest_database: IngestDatabase) -> None:
    token = next(iter(ingest_database.tokens.values()))

    async def cut() -> bool:
        tokens = Tokens(ingest_database.app_url, 300)
        async with running(tokens):

            async def is_known() -> bool:
                return await status_of(tokens, token) == "200"

            async def is_unavailable() -> bool:
                return await status_of(tokens, token) == "503"

            await wait_until(is_known)
            ingest_database.cut_connections()
            await wait_until(is_unavailable)
            await wait_until(is_known)
        return True

    assert asyncio.run(cut())


def test_an_unknown_token_is_401_and_not_looked_up_again_at_once(ingest_database: IngestDatabase) -> None:
    async def twice() -> int:
        tokens = Tokens(ingest_database.app_url, 300)
        async with running(tokens):

            async def is_refused() -> bool:
                return await status_of(tokens, "stranger") == "401"

            await wait_until(is_refused)
            assert tokens._lookup_connection is not None
            await tokens._lookup_connection.close()
            with pytest.raises(Unauthorized):
                await tokens.terminal(b"stranger")
        return 1

    assert asyncio.run(twice())


def test_after_an_outage_deadlines_move_but_not_beyond_the_allowed_silence(ingest_database: IngestDatabase) -> None:
    waiting, fresh, offline = ingest_database.tokens
    ingest_database.owner("UPDATE fleet_liveness SET alive_at = now() - interval '8 hours'")
    ingest_database.owner(
        "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() - interval '7 hours 55 minutes' "
        "WHERE terminal_id = %s",
        waiting,
    )
    ingest_database.owner(
        "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() + interval '11 minutes' "
        "WHERE terminal_id = %s",
        fresh,
    )
    ingest_database.owner(
        "UPDATE fleet_terminal_states SET offline_after = '2026-01-01' WHERE terminal_id = %s", offline
    )

    async def come_back() -> None:
        tokens = Tokens(ingest_database.app_url, 300)
        async with running(tokens):

            async def is_alive() -> bool:
                [(late,)] = ingest_database.owner("SELECT now() - alive_at FROM fleet_liveness")
                return bool(late < timedelta(seconds=5))

            await wait_until(is_alive)

    asyncio.run(come_back())

    remaining = dict(
        ingest_database.owner(
            "SELECT terminal_id, extract(epoch FROM offline_after - now())::int FROM fleet_terminal_states"
        )
    )
    assert 4 * 60 < remaining[waiting] < 6 * 60
    assert 10 * 60 < remaining[fresh] <= 11 * 60
    assert remaining[offline] < 0


def test_a_sign_of_life_begun_before_the_clock_moved_does_not_set_it_back(ingest_database: IngestDatabase) -> None:
    """It would look like an outage of the service, and silent terminals would get time that they did not have."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with (
        psycopg.connect(rls_bypass_url(ingest_database.owner_url)) as mover,
        psycopg.connect(rls_bypass_url(ingest_database.app_url), autocommit=True) as app,
        psycopg.connect(ingest_database.superuser_url, autocommit=True) as observer,
        ThreadPoolExecutor(1) as pool,
    ):
        mover.execute("UPDATE app_clock SET shift = shift + interval '3 minutes'")
        mover.execute("UPDATE fleet_liveness SET alive_at = app_now()")
        future = pool.submit(app.execute, RECORD_ALIVE, [OUTAGE_AFTER] * 3, binary=True)
        wait_for(
            lambda: observer.execute(waiting).fetchone() is not None, "the sign of life did not wait for the clock"
        )
        mover.commit()
        future.result(10)

    [(lag,)] = ingest_database.owner("SELECT app_now() - alive_at FROM fleet_liveness")
    assert lag < timedelta(seconds=30)


def test_two_sweeps_at_once_do_the_work_once_and_do_not_wait(ingest_database: IngestDatabase) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from service.core.database.session import sqlalchemy_url

    ingest_database.owner(
        "UPDATE fleet_terminal_states SET status = 'online', last_heartbeat_at = now(), offline_after = now()"
    )
    ingest_database.owner("UPDATE fleet_liveness SET alive_at = now() + interval '1 minute'")
    engine = create_engine(sqlalchemy_url(rls_bypass_url(ingest_database.app_url)))
    with Session(engine) as first_session, Session(engine) as second_session:
        first = actions.mark_offline(first_session)
        second = actions.mark_offline(second_session)
        first_session.commit()
        second_session.commit()
    engine.dispose()

    assert (first, second) == (3, 0)
