"""Stores heartbeats: those that arrive together share one commit, and each waits for it.

The next batch leaves as soon as the previous one is done, or after a short linger while there are only a few.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from service.core import problems
from service.core.problems import Problem
from service.fleet import rules, schemas
from service.fleet.ingest.connections import RECONNECT_SECONDS, Connection, connect

LARGEST_BATCH = 1000
# While fewer than FEW wait, a batch lingers for more to share its commit.
FEW = 24
LINGER_SECONDS = 0.05
LONGEST_QUEUE = 10_000
# How long a commit may take before those who wait are told to try again.
STORE_SECONDS = 10
MOST_GIVEN_UP = 3

ANSWERED = Counter("genba_heartbeats_total", "Heartbeats answered", ["outcome"])
WAITING = Gauge("genba_heartbeats_waiting", "Heartbeats waiting for their commit")

log = structlog.get_logger()

STORE = """
WITH sample AS (
    SELECT *, CASE WHEN error IS NULL AND terminal_connected THEN 'online' ELSE 'error' END AS reported
    FROM unnest(
        %b::bigint[], %b::uuid[], %b::bigint[], %b::timestamptz[], %b::int[], %b::int[], %b::int[],
        %b::text[], %b::text[], %b::bool[], %b::text[], %b::bool[]
    ) AS s(terminal_id, stream_id, sequence, sent_at, cpu_usage, memory_usage, disk_usage,
           firmware_version, agent_version, terminal_connected, error, is_newest)
), held AS MATERIALIZED (
    SELECT terminal_id, stream_id, sequence FROM fleet_terminal_states
    WHERE terminal_id = ANY (%b::bigint[]) ORDER BY terminal_id FOR NO KEY UPDATE
), clock AS MATERIALIZED (
    SELECT app_now() AS now
), fresh AS MATERIALIZED (
    SELECT sample.*, now FROM clock, sample JOIN held USING (terminal_id)
    WHERE held.stream_id IS DISTINCT FROM sample.stream_id OR sample.sequence > held.sequence
), kept AS (
    INSERT INTO fleet_heartbeats (terminal_id, received_at, sent_at, stream_id, sequence, cpu_usage, memory_usage,
                                  disk_usage, terminal_connected, error)
    SELECT terminal_id, now, sent_at, stream_id, sequence, cpu_usage, memory_usage, disk_usage, terminal_connected,
           error
    FROM fresh
), changed AS (
    UPDATE fleet_terminal_states AS state SET
        status = CASE WHEN state.status = 'maintenance' THEN state.status ELSE reported END,
        status_since = CASE WHEN state.status IN ('maintenance', reported) THEN state.status_since ELSE now END,
        last_heartbeat_at = now,
        offline_after = now + %b::interval,
        cpu_usage = fresh.cpu_usage,
        memory_usage = fresh.memory_usage,
        disk_usage = fresh.disk_usage,
        firmware_version = fresh.firmware_version,
        agent_version = fresh.agent_version,
        terminal_connected = fresh.terminal_connected,
        error = fresh.error,
        sent_at = fresh.sent_at,
        stream_id = fresh.stream_id,
        sequence = fresh.sequence
    FROM fresh
    WHERE state.terminal_id = fresh.terminal_id AND fresh.is_newest
)
SELECT now, (SELECT count(*) FROM held) FROM clock
"""


class Waiting:
    """One heartbeat between its arrival and its commit."""

    __slots__ = ("answer", "heartbeat", "terminal_id")

    def __init__(self, terminal_id: int, heartbeat: schemas.Heartbeat, answer: asyncio.Future[bytes]) -> None:
        self.terminal_id = terminal_id
        self.heartbeat = heartbeat
        self.answer = answer


class Batches:
    """The batcher of one process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._conninfo = conninfo
        self._interval_seconds = interval_seconds
        self._silence_allowed = rules.silence_allowed(interval_seconds)
        self._queue: list[Waiting] = []
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._committing = False
        self._writing: Connection | None = None
        self._given_up: set[asyncio.Task[tuple[datetime, int]]] = set()

    async def put(self, terminal_id: int, heartbeat: schemas.Heartbeat) -> bytes:
        if len(self._queue) >= LONGEST_QUEUE:
            raise problems.Unavailable("ただいま混み合っています。Retry-After の秒数を待ってから再送してください。")
        waiting = Waiting(terminal_id, heartbeat, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        if len(self._queue) >= FEW:
            self._enough.set()
        return await waiting.answer

    async def drain(self) -> None:
        """Returns when nothing waits for its commit any more."""
        while self._queue or self._committing:
            await asyncio.sleep(LINGER_SECONDS)

    async def close(self) -> None:
        for statement in self._given_up:
            statement.cancel()
        await asyncio.gather(*self._given_up, return_exceptions=True)
        await self._forget_connection()

    async def work(self) -> None:
        while True:
            await self._arrived.wait()
            if len(self._queue) < FEW:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._enough.wait(), LINGER_SECONDS)
            batch, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
            if not self._queue:
                self._arrived.clear()
            if len(self._queue) < FEW:
                self._enough.clear()
            WAITING.set(len(batch) + len(self._queue))
            self._committing = True
            try:
                await self._commit(batch)
            except Exception:
                # Whatever it was, those who wait get an answer and the next batch a new connection.
                log.exception("heartbeats not stored", count=len(batch))
                _refuse(batch, _not_stored())
                await self._forget_connection()
            self._committing = False
            WAITING.set(len(self._queue))

    async def _commit(self, batch: list[Waiting]) -> None:
        """Answers every one of the batch. A row that the database refuses fails alone: the batch is halved until the
        row is found. Any other fault is ours, not the row's: the agents keep their heartbeats and send them again."""
        try:
            now, held = await self._execute(batch)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            log.error("heartbeat refused by the database", error=type(error).__name__, count=len(batch))
            await self._commit_apart(batch, problems.Invalid("このハートビートは保存できない値を含んでいます。"))
            return
        except (psycopg.Error, TimeoutError) as error:
            log.error("heartbeats not stored", error=str(error).partition("\n")[0], count=len(batch))
            _refuse(batch, _not_stored())
            await self._forget_connection()
            return
        if held < len({waiting.terminal_id for waiting in batch}):
            await self._commit_apart(
                batch, problems.Unauthorized("この端末は登録されていません。登録し直してください。")
            )
            return
        answer = b'{"server_time":"%s","next_heartbeat_in":%d,"commands":[]}' % (
            now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(),
            self._interval_seconds,
        )
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        ANSWERED.labels("200").inc(len(batch))

    async def _commit_apart(self, batch: list[Waiting], problem: Problem) -> None:
        if len(batch) == 1:
            _refuse(batch, problem)
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    async def _execute(self, batch: list[Waiting]) -> tuple[datetime, int]:
        """The database's time and how many of the terminals it holds.

        Raises:
            TimeoutError: the database did not answer. Its connection is left to end by itself: a statement under way
                cannot be cancelled on a server that does not listen.
        """
        if self._writing is None:
            if len(self._given_up) >= MOST_GIVEN_UP:
                raise TimeoutError("the database is still silent")
            try:
                self._writing = await connect(self._conninfo)
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)
                raise
        statement = asyncio.create_task(self._statement(self._writing, batch))
        done, _ = await asyncio.wait({statement}, timeout=STORE_SECONDS)
        if not done:
            self._writing = None
            self._given_up.add(statement)
            statement.add_done_callback(self._let_go)
            raise TimeoutError(f"the database did not answer within {STORE_SECONDS} s")
        return statement.result()

    async def _statement(self, connection: Connection, batch: list[Waiting]) -> tuple[datetime, int]:
        rows, newest = _distinct(batch)
        columns = list(zip(*rows, strict=True))
        try:
            cursor = await connection.execute(
                STORE, [*map(list, columns), newest, list(columns[0]), self._silence_allowed], prepare=True
            )
            row = await cursor.fetchone()
        finally:
            if connection is not self._writing:  # given up meanwhile
                await connection.close()
        assert row is not None  # the statement selects from one row
        return row[0], row[1]

    def _let_go(self, statement: asyncio.Task[tuple[datetime, int]]) -> None:
        self._given_up.discard(statement)
        if not statement.cancelled():
            statement.exception()  # taken notice of; its heartbeats were answered long ago

    async def _forget_connection(self) -> None:
        if self._writing is not None:
            connection, self._writing = self._writing, None
            with contextlib.suppress(psycopg.Error):
                await connection.close()


def _not_stored() -> Problem:
    return problems.Unavailable("ただいま保存できません。Retry-After の秒数を待ってから再送してください。")


def _refuse(batch: list[Waiting], problem: Problem) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(problem)


def _distinct(batch: list[Waiting]) -> tuple[list[tuple[Any, ...]], list[bool]]:
    """The batch's rows without repeats, and for each whether it is its terminal's newest: the highest sequence of the
    stream heard last."""
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    newest: dict[int, tuple[Any, ...]] = {}
    for waiting in batch:
        beat = waiting.heartbeat
        key = (waiting.terminal_id, beat.stream_id, beat.sequence)
        rows[key] = (
            waiting.terminal_id,
            beat.stream_id,
            beat.sequence,
            beat.sent_at,
            round(beat.cpu_usage),
            round(beat.memory_usage),
            round(beat.disk_usage),
            beat.firmware_version,
            beat.agent_version,
            beat.terminal_connected,
            beat.error,
        )
        before = newest.get(waiting.terminal_id)
        if before is None or before[1] != beat.stream_id or before[2] < beat.sequence:
            newest[waiting.terminal_id] = key
    return list(rows.values()), [newest[key[0]] == key for key in rows]
