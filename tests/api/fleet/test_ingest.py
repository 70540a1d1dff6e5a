"""The ingest's parts by themselves, on real connections that are cut on purpose."""

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
from tests.conftest import committed_database, own_database
from tests.restored import Restored
from tests.rls_bypass import seeing_all
from tests.waiting import wait_for


@dataclass
class Place:
    """A database with three terminals, and the owner's hands in it."""

    app_url: str
    owner_url: str
    superuser_url: str
    tokens: dict[int, str]

    def owner(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(seeing_all(self.owner_url), autocommit=True) as connection:
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
def three(running_servers: Home) -> Iterator[tuple[Restored, Place]]:
    name = own_database("genba_ingest")
    with committed_database(running_servers, name):
        made, tokens = Restored(running_servers, name), dict[int, str]()
        with made.session() as db, db.begin():
            customer = factories.customer(db)
            for _ in range(3):
                terminal, token = factories.terminal(db, customer), new_token()
                db.add(TerminalToken(token_hash=hash_token(token), terminal_id=terminal.id))
                tokens[terminal.id] = token
        made.keep()
        yield made, Place(made.url, made.owner_url, servers.url(running_servers, "superuser", name), tokens)
        made.close()


@pytest.fixture
def place(three: tuple[Restored, Place]) -> Place:
    """As it was made, whatever the test before has done."""
    restored, made = three
    restored.restore()
    return made


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
async def at_work(part: Batches | Tokens) -> AsyncIterator[None]:
    task = asyncio.create_task(part.work())
    try:
        yield
    finally:
        if isinstance(part, Batches):
            await part.drain()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if isinstance(part, Batches):
            await part.close()


async def outcome(answer: Awaitable[object]) -> str:
    try:
        await answer
    except Problem as problem:
        return str(problem.status)
    return "200"


async def soon(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_in_a_batch_only_the_bad_row_fails(place: Place) -> None:
    bad, *good = place.tokens
    place.owner(f"ALTER TABLE fleet_heartbeats ADD CONSTRAINT refuse CHECK (terminal_id <> {bad})")

    async def one_batch() -> list[object]:
        batches, loop = Batches(place.app_url, 300), asyncio.get_running_loop()
        waiting = [PendingHeartbeat(terminal, heartbeat(), loop.create_future()) for terminal in place.tokens]
        await batches._commit(waiting)
        await batches.close()
        return list(await asyncio.gather(*(one.answer for one in waiting), return_exceptions=True))

    refused, *answered = asyncio.run(one_batch())
    place.owner("ALTER TABLE fleet_heartbeats DROP CONSTRAINT refuse")

    assert isinstance(refused, Invalid)
    assert all(isinstance(answer, bytes) for answer in answered)
    assert place.stored() == dict.fromkeys(good, 1)


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        ("REVOKE INSERT ON fleet_heartbeats FROM genba_app", "GRANT INSERT ON fleet_heartbeats TO genba_app"),
        ("ALTER TABLE fleet_heartbeats RENAME TO hidden", "ALTER TABLE hidden RENAME TO fleet_heartbeats"),
    ],
)
def test_a_fault_of_ours_is_try_again_never_a_refusal_of_the_row(place: Place, fault: str, mend: str) -> None:
    """A 422 would make the agent throw the heartbeat away."""
    terminal = next(iter(place.tokens))

    async def before_and_after() -> list[str]:
        batches = Batches(place.app_url, 300)
        async with at_work(batches):
            place.owner(fault)
            during = await outcome(batches.put(terminal, heartbeat()))
            place.owner(mend)
            return [during, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(before_and_after()) == ["503", "200"]


def test_a_lost_connection_is_503_once_and_then_made_anew(place: Place) -> None:
    terminal = next(iter(place.tokens))

    async def cut_in_between() -> list[str]:
        batches = Batches(place.app_url, 300)
        async with at_work(batches):
            first = await outcome(batches.put(terminal, heartbeat()))
            place.cut_connections()
            second = await outcome(batches.put(terminal, heartbeat()))
            return [first, second, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(cut_in_between()) == ["200", "503", "200"]


def test_a_database_that_is_silent_is_answered_for_not_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "STORE_TIMEOUT_SECONDS", 0.3)
    terminal = next(iter(place.tokens))

    async def behind_a_lock() -> list[str]:
        batches = Batches(place.app_url, 300)
        with psycopg.connect(seeing_all(place.owner_url)) as holder:
            holder.execute("LOCK TABLE fleet_terminal_states")
            async with at_work(batches):
                during = await outcome(batches.put(terminal, heartbeat()))
                holder.rollback()
                return [during, await outcome(batches.put(terminal, heartbeat()))]

    assert asyncio.run(behind_a_lock()) == ["503", "200"]


def test_a_full_queue_is_503_with_the_seconds_to_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MAX_QUEUE", 2)
    terminal = next(iter(place.tokens))

    async def three_at_once() -> list[object]:
        batches = Batches(place.app_url, 300)
        puts = [batches.put(terminal, heartbeat(sequence)) for sequence in (1, 2, 3)]
        answers = asyncio.gather(*puts, return_exceptions=True)
        await asyncio.sleep(0)
        async with at_work(batches):
            return list(await answers)

    *stored, refused = asyncio.run(three_at_once())

    assert all(isinstance(answer, bytes) for answer in stored)
    assert isinstance(refused, Unavailable)
    assert refused.headers["Retry-After"] == "5"


def test_what_waits_at_the_end_is_still_stored(place: Place) -> None:
    async def put_and_leave() -> list[str]:
        batches = Batches(place.app_url, 300)
        answers = [asyncio.create_task(outcome(batches.put(terminal, heartbeat()))) for terminal in place.tokens]
        async with at_work(batches):
            await asyncio.sleep(0)
        return list(await asyncio.gather(*answers))

    assert asyncio.run(put_and_leave()) == ["200"] * 3
    assert place.stored() == dict.fromkeys(place.tokens, 1)


async def knows(tokens: Tokens, token: str) -> str:
    return await outcome(tokens.terminal(token.encode()))


def test_tokens_are_known_at_start_without_asking_for_each(place: Place) -> None:
    token = next(iter(place.tokens.values()))

    async def preloaded() -> bool:
        tokens = Tokens(place.app_url, 300)
        async with at_work(tokens):

            async def is_in_memory() -> bool:
                return hash_token(token) in tokens._terminals

            await soon(is_in_memory)
        return True

    assert asyncio.run(preloaded())


def test_a_note_that_makes_no_sense_stops_nothing(place: Place) -> None:
    terminal, token = next(iter(place.tokens.items()))

    async def revoke_after_nonsense() -> bool:
        tokens = Tokens(place.app_url, 300)
        async with at_work(tokens):

            async def is_known() -> bool:
                return await knows(tokens, token) == "200"

            async def is_refused() -> bool:
                return await knows(tokens, token) == "401"

            await soon(is_known)
            place.owner("NOTIFY fleet_tokens, 'hello'")
            place.owner("UPDATE fleet_terminal_tokens SET revoked_at = now() WHERE terminal_id = %s", terminal)
            await soon(is_refused)
        return True

    assert asyncio.run(revoke_after_nonsense())


def test_a_lost_listener_or_look_up_connection_starts_again(place: Place) -> None:
    token = next(iter(place.tokens.values()))

    async def cut() -> bool:
        tokens = Tokens(place.app_url, 300)
        async with at_work(tokens):

            async def is_known() -> bool:
                return await knows(tokens, token) == "200"

            async def is_away() -> bool:
                return await knows(tokens, token) == "503"

            await soon(is_known)
            place.cut_connections()
            await soon(is_away)
            await soon(is_known)
        return True

    assert asyncio.run(cut())


def test_an_unknown_token_is_401_and_not_asked_again_at_once(place: Place) -> None:
    async def twice() -> int:
        tokens = Tokens(place.app_url, 300)
        async with at_work(tokens):

            async def is_refused() -> bool:
                return await knows(tokens, "stranger") == "401"

            await soon(is_refused)
            assert tokens._looking is not None
            await tokens._looking.close()
            with pytest.raises(Unauthorized):
                await tokens.terminal(b"stranger")
        return 1

    assert asyncio.run(twice())


def test_after_our_absence_deadlines_move_but_never_beyond_the_silence_allowed(place: Place) -> None:
    waiting, fresh, offline = place.tokens
    place.owner("UPDATE fleet_liveness SET alive_at = now() - interval '8 hours'")
    place.owner(
        "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() - interval '7 hours 55 minutes' "
        "WHERE terminal_id = %s",
        waiting,
    )
    place.owner(
        "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() + interval '11 minutes' "
        "WHERE terminal_id = %s",
        fresh,
    )
    place.owner("UPDATE fleet_terminal_states SET offline_after = '2026-01-01' WHERE terminal_id = %s", offline)

    async def back() -> None:
        tokens = Tokens(place.app_url, 300)
        async with at_work(tokens):

            async def is_alive() -> bool:
                [(late,)] = place.owner("SELECT now() - alive_at FROM fleet_liveness")
                return bool(late < timedelta(seconds=5))

            await soon(is_alive)

    asyncio.run(back())

    left = dict(
        place.owner("SELECT terminal_id, extract(epoch FROM offline_after - now())::int FROM fleet_terminal_states")
    )
    assert 4 * 60 < left[waiting] < 6 * 60
    assert 10 * 60 < left[fresh] <= 11 * 60
    assert left[offline] < 0


def test_a_sign_of_life_begun_before_the_clock_moved_does_not_set_it_back(place: Place) -> None:
    """It would look like an absence of ours afterwards, and the silent would get time that they did not have."""
    waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with (
        psycopg.connect(seeing_all(place.owner_url)) as mover,
        psycopg.connect(seeing_all(place.app_url), autocommit=True) as ours,
        psycopg.connect(place.superuser_url, autocommit=True) as watching,
        ThreadPoolExecutor(1) as beside,
    ):
        mover.execute("UPDATE app_clock SET shift = shift + interval '3 minutes'")
        mover.execute("UPDATE fleet_liveness SET alive_at = app_now()")
        sign = beside.submit(ours.execute, RECORD_ALIVE, [OUTAGE_AFTER] * 3, binary=True)
        wait_for(lambda: watching.execute(waits).fetchone() is not None, "the sign of life did not wait for the clock")
        mover.commit()
        sign.result(10)

    [(behind,)] = place.owner("SELECT app_now() - alive_at FROM fleet_liveness")
    assert behind < timedelta(seconds=30)


def test_two_sweeps_at_once_do_the_work_once_and_do_not_wait(place: Place) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from service.core.database.session import sqlalchemy_url

    place.owner("UPDATE fleet_terminal_states SET status = 'online', last_heartbeat_at = now(), offline_after = now()")
    place.owner("UPDATE fleet_liveness SET alive_at = now() + interval '1 minute'")
    engine = create_engine(sqlalchemy_url(seeing_all(place.app_url)))
    with Session(engine) as one, Session(engine) as other:
        first = actions.mark_offline(one)
        second = actions.mark_offline(other)
        one.commit()
        other.commit()
    engine.dispose()

    assert (first, second) == (3, 0)
