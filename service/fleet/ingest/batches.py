"""Stores heartbeats in batches: those that arrive at the same time share one commit, and each waits for it.

The next batch starts as soon as the previous one is done, or after a short linger while only a few heartbeats wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from service.core import problems
from service.core.database.clock import real_now
from service.core.problems import Problem
from service.core.values.times import clock_skew
from service.fleet import rules, schemas
from service.fleet.ingest.connections import RECONNECT_SECONDS, Connection, connect

MAX_BATCH = 1000
# While fewer than this wait, a batch lingers so that more can share its commit.
SMALL_BATCH = 24
LINGER_SECONDS = 0.05
MAX_QUEUE = 10_000
# How long a commit may take before the waiting agents are asked to retry.
STORE_TIMEOUT_SECONDS = 10
MAX_ABANDONED = 3

ANSWERED = Counter("genba_heartbeats_total", "Heartbeats answered", ["outcome"])
WAITING = Gauge("genba_heartbeats_waiting", "Heartbeats waiting for their commit")

log = structlog.get_logger()

Stored = tuple[datetime, int, Mapping[str, Any] | None]
MOST_SKEW = int(rules.MAX_CLOCK_SKEW.total_seconds())


def _high_usage_run(usage: str) -> str:
    """SQL: consecutive heartbeats with a high usage, capped at 2; stays 2 until the usage falls below HIGH_UNTIL."""
    reported, run = f"judged.{usage}_usage", f"state.{usage}_run"
    return (
        f"CASE WHEN {reported} >= {rules.HIGH_FROM} THEN least({run} + 1, 2) "
        f"WHEN {run} = 2 AND {reported} >= {rules.HIGH_UNTIL} THEN 2 ELSE 0 END"
    )


# `held` locks the terminals in the order of their ids. `judged` compares each heartbeat with the terminal's state:
# is_fresh: it is not a replay, neither of the present stream nor of the previous one.
# is_twin (clone detection): the previous stream continues, or a sequence of the present stream is used again with a
# later reading. One agent does neither; two agents with one token do. (A PC that lost its last write in a power cut
# also uses one sequence again, just after its start.)
STORE = f"""
WITH sample AS (
    SELECT *, CASE WHEN error IS NULL AND terminal_connected THEN 'online' ELSE 'error' END AS reported
    FROM unnest(
        %b::bigint[], %b::uuid[], %b::bigint[], %b::timestamptz[], %b::int[], %b::int[], %b::int[],
        %b::text[], %b::text[], %b::bool[], %b::text[], %b::int[], %b::text[], %b::text[], %b::text[], %b::bool[]
    ) AS s(terminal_id, stream_id, sequence, sent_at, cpu_usage, memory_usage, disk_usage,
           firmware_version, agent_version, terminal_connected, error, skew, terminal_serial, event, address, is_newest)
), held AS MATERIALIZED (
    SELECT terminal_id, stream_id AS held_stream, sequence AS held_sequence, sent_at AS held_sent_at,
           previous_stream_id AS before_stream, previous_sequence AS before_sequence, cloned_at,
           terminal_connected AS was_connected, clock_skew_seconds AS was_skew,
           CASE WHEN last_heartbeat_at IS NOT NULL THEN firmware_version END AS was_version
    FROM fleet_terminal_states
    WHERE terminal_id = ANY (%b::bigint[]) ORDER BY terminal_id FOR NO KEY UPDATE
), clock AS MATERIALIZED (
    SELECT app_now() AS now
), judged AS MATERIALIZED (
    SELECT *,
        CASE stream_id WHEN held_stream THEN sequence > held_sequence
                       WHEN before_stream THEN sequence > before_sequence ELSE true END AS is_fresh,
        CASE stream_id WHEN held_stream THEN sequence <= held_sequence AND sent_at > held_sent_at
                                             AND event IS DISTINCT FROM 'started'
                       WHEN before_stream THEN sequence > before_sequence ELSE false END AS is_twin
    FROM clock, sample JOIN held USING (terminal_id)
), inserted AS (
    INSERT INTO fleet_heartbeats (terminal_id, received_at, sent_at, stream_id, sequence, cpu_usage, memory_usage,
                                  disk_usage, terminal_connected, error)
    SELECT terminal_id, now, sent_at, stream_id, sequence, cpu_usage, memory_usage, disk_usage, terminal_connected,
           error
    FROM judged WHERE is_fresh
), updated AS (
    UPDATE fleet_terminal_states AS state SET
        status = CASE WHEN state.status = 'maintenance' THEN state.status ELSE reported END,
        status_since = CASE WHEN state.status IN ('maintenance', reported) THEN state.status_since ELSE now END,
        last_heartbeat_at = now,
        offline_after = now + %b::interval,
        cpu_usage = judged.cpu_usage,
        memory_usage = judged.memory_usage,
        disk_usage = judged.disk_usage,
        firmware_version = judged.firmware_version,
        agent_version = judged.agent_version,
        terminal_connected = judged.terminal_connected,
        error = judged.error,
        sent_at = judged.sent_at,
        stream_id = judged.stream_id,
        sequence = judged.sequence,
        previous_stream_id = CASE judged.stream_id WHEN held_stream THEN before_stream ELSE held_stream END,
        previous_sequence = CASE judged.stream_id WHEN held_stream THEN before_sequence ELSE held_sequence END,
        cloned_at = CASE WHEN is_twin THEN coalesce(state.cloned_at, now) ELSE state.cloned_at END,
        address = judged.address::inet,
        clock_skew_seconds = skew,
        cpu_run = {_high_usage_run("cpu")},
        memory_run = {_high_usage_run("memory")},
        shutdown_at = CASE WHEN event = 'shutdown' THEN now END,
        terminal_serial = judged.terminal_serial
    FROM judged
    WHERE state.terminal_id = judged.terminal_id AND is_fresh AND is_newest
), marked_clones AS (
    UPDATE fleet_terminal_states AS state SET cloned_at = now FROM judged
    WHERE state.terminal_id = judged.terminal_id AND is_twin AND is_newest AND NOT is_fresh AND judged.cloned_at IS NULL
), logged AS (
    INSERT INTO fleet_terminal_logs (terminal_id, at, kind, detail)
    SELECT judged.terminal_id, now, kind, detail
    FROM judged, LATERAL (VALUES
        (is_fresh AND event = 'started', 'started', jsonb_build_object('version', agent_version)),
        (is_fresh AND event = 'shutdown', 'shutdown', NULL),
        (is_fresh AND is_newest AND terminal_connected AND NOT was_connected, 'connected',
         jsonb_build_object('serial', terminal_serial)),
        (is_fresh AND is_newest AND was_connected AND NOT terminal_connected, 'disconnected', NULL),
        (is_fresh AND is_newest AND firmware_version <> was_version, 'firmware',
         jsonb_build_object('from', was_version, 'to', firmware_version)),
        (is_fresh AND is_newest AND abs(skew) > {MOST_SKEW} AND coalesce(abs(was_skew) <= {MOST_SKEW}, true),
         'clock_skew', jsonb_build_object('seconds', skew)),
        (is_newest AND is_twin AND judged.cloned_at IS NULL, 'cloned', jsonb_build_object('address', address))
    ) AS happening(happened, kind, detail)
    WHERE (event IS NOT NULL OR terminal_connected <> was_connected OR firmware_version <> was_version OR is_twin
           OR abs(skew) > {MOST_SKEW}) AND happened
), marked_commands AS (
    UPDATE fleet_commands SET told_at = now FROM clock
    WHERE id IN (
        SELECT id FROM fleet_commands
        WHERE state = 'waiting' AND terminal_id = ANY (%b::bigint[]) AND told_at IS NULL FOR UPDATE SKIP LOCKED
    )
)
SELECT now, (SELECT count(*) FROM held), (
    SELECT jsonb_object_agg(terminal_id, commands) FROM (
        SELECT terminal_id, jsonb_agg(
            jsonb_build_object('id', id, 'name', name, 'arguments', arguments) ORDER BY id
        ) AS commands
        FROM fleet_commands
        WHERE state = 'waiting' AND terminal_id = ANY (%b::bigint[]) AND expires_at > clock.now GROUP BY terminal_id
    ) AS waiting
) FROM clock
"""


class PendingHeartbeat:
    """A heartbeat between its arrival and its commit. `address`: the sender's; `skew`: by how many seconds the PC's
    clock is ahead of the server's."""

    __slots__ = ("address", "answer", "heartbeat", "skew", "terminal_id")

    def __init__(
        self,
        terminal_id: int,
        heartbeat: schemas.Heartbeat,
        answer: asyncio.Future[bytes],
        address: str | None = None,
    ) -> None:
        self.terminal_id = terminal_id
        self.heartbeat = heartbeat
        self.answer = answer
        self.address = address
        self.skew = clock_skew(heartbeat.agent_time, real_now()) if heartbeat.agent_time else None


class Batches:
    """The batcher of one process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._conninfo = conninfo
        self._interval_seconds = interval_seconds
        self._silence_allowed = rules.silence_allowed(interval_seconds)
        self._queue: list[PendingHeartbeat] = []
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._committing = False
        self._connection: Connection | None = None
        self._abandoned: set[asyncio.Task[Stored]] = set()

    async def put(self, terminal_id: int, heartbeat: schemas.Heartbeat, address: str | None = None) -> bytes:
        if len(self._queue) >= MAX_QUEUE:
            raise problems.Unavailable("ただいま混み合っています。Retry-After の秒数を待ってから再送してください。")
        waiting = PendingHeartbeat(terminal_id, heartbeat, asyncio.get_running_loop().create_future(), address)
        self._queue.append(waiting)
        self._arrived.set()
        if len(self._queue) >= SMALL_BATCH:
            self._enough.set()
        return await waiting.answer

    async def drain(self) -> None:
        """Returns when no heartbeat waits for its commit any more."""
        while self._queue or self._committing:
            await asyncio.sleep(LINGER_SECONDS)

    async def close(self) -> None:
        for statement in self._abandoned:
            statement.cancel()
        await asyncio.gather(*self._abandoned, return_exceptions=True)
        await self._close_connection()

    async def work(self) -> None:
        while True:
            await self._arrived.wait()
            if len(self._queue) < SMALL_BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._enough.wait(), LINGER_SECONDS)
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            if not self._queue:
                self._arrived.clear()
            if len(self._queue) < SMALL_BATCH:
                self._enough.clear()
            WAITING.set(len(batch) + len(self._queue))
            self._committing = True
            try:
                await self._commit(batch)
            except Exception:
                # After any error the waiting agents get an answer and the next batch a new connection.
                log.exception("heartbeats not stored", count=len(batch))
                _refuse(batch, _not_stored())
                await self._close_connection()
            self._committing = False
            WAITING.set(len(self._queue))

    async def _commit(self, batch: list[PendingHeartbeat]) -> None:
        """Answers every heartbeat of the batch. A row that the database rejects fails alone: the batch is halved until
        the row is found. Any other error is the service's: the agents keep their heartbeats and send them again."""
        batch, later = _split_streams(batch)
        await self._commit_together(batch)
        if later:
            await self._commit(later)

    async def _commit_together(self, batch: list[PendingHeartbeat]) -> None:
        try:
            now, terminal_count, commands = await self._execute(batch)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            log.error("heartbeat refused by the database", error=type(error).__name__, count=len(batch))
            await self._commit_halves(batch, problems.Invalid("このハートビートは保存できない値を含んでいます。"))
            return
        except (psycopg.Error, TimeoutError) as error:
            log.error("heartbeats not stored", error=str(error).partition("\n")[0], count=len(batch))
            _refuse(batch, _not_stored())
            await self._close_connection()
            return
        if terminal_count < len({waiting.terminal_id for waiting in batch}):
            await self._commit_halves(
                batch, problems.Unauthorized("この端末は登録されていません。登録し直してください。")
            )
            return
        self._answer(batch, now, commands or {})
        ANSWERED.labels("200").inc(len(batch))

    def _answer(self, batch: list[PendingHeartbeat], now: datetime, commands: Mapping[str, Any]) -> None:
        """Most agents are on time and have no commands: they share one encoded answer."""
        head = b'{"server_time":"%s","next_heartbeat_in":' % (
            now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
        )
        shared_answers: dict[int, bytes] = {}
        interval, unix_now = self._interval_seconds, time.time()
        for waiting in batch:
            wait = rules.next_heartbeat_in(waiting.terminal_id, unix_now, interval)
            answer = shared_answers.get(wait)
            if answer is None:
                answer = shared_answers[wait] = b'%s%d,"commands":[]}' % (head, wait)
            if commands and (own_commands := commands.get(str(waiting.terminal_id))):
                answer = b'%s%d,"commands":%s}' % (head, wait, json.dumps(own_commands).encode())
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    async def _commit_halves(self, batch: list[PendingHeartbeat], problem: Problem) -> None:
        if len(batch) == 1:
            _refuse(batch, problem)
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    async def _execute(self, batch: list[PendingHeartbeat]) -> Stored:
        """The database's time, how many of the terminals exist, and the waiting commands by terminal id.

        Raises:
            TimeoutError: the database did not answer. The connection is abandoned: a running statement cannot be
                cancelled on a server that does not respond.
        """
        if self._connection is None:
            if len(self._abandoned) >= MAX_ABANDONED:
                raise TimeoutError("the database is still silent")
            try:
                self._connection = await connect(self._conninfo)
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)
                raise
        statement = asyncio.create_task(self._statement(self._connection, batch))
        done, _ = await asyncio.wait({statement}, timeout=STORE_TIMEOUT_SECONDS)
        if not done:
            self._connection = None
            self._abandoned.add(statement)
            statement.add_done_callback(self._discard)
            raise TimeoutError(f"the database did not answer within {STORE_TIMEOUT_SECONDS} s")
        return statement.result()

    async def _statement(self, connection: Connection, batch: list[PendingHeartbeat]) -> Stored:
        rows, newest = _unique_rows(batch)
        columns = [list(column) for column in zip(*rows, strict=True)]
        terminals = columns[0]
        try:
            cursor = await connection.execute(
                STORE, [*columns, newest, terminals, self._silence_allowed, terminals, terminals], prepare=True
            )
            row = await cursor.fetchone()
        finally:
            if connection is not self._connection:  # abandoned in the meantime
                await connection.close()
        assert row is not None  # the statement selects from one row
        return row[0], row[1], row[2]

    def _discard(self, statement: asyncio.Task[Stored]) -> None:
        self._abandoned.discard(statement)
        if not statement.cancelled():
            statement.exception()  # marks it as retrieved; its heartbeats were answered long ago

    async def _close_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(psycopg.Error):
                await connection.close()


def _not_stored() -> Problem:
    return problems.Unavailable("ただいま保存できません。Retry-After の秒数を待ってから再送してください。")


def _refuse(batch: list[PendingHeartbeat], problem: Problem) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(problem)


def _split_streams(batch: list[PendingHeartbeat]) -> tuple[list[PendingHeartbeat], list[PendingHeartbeat]]:
    """Splits off the heartbeats that have to wait for the next batch: a terminal's second stream is compared with the
    state that the first one sets."""
    streams: dict[int, uuid.UUID] = {}
    together: list[PendingHeartbeat] = []
    later: list[PendingHeartbeat] = []
    for waiting in batch:
        stream = waiting.heartbeat.stream_id
        first = streams.setdefault(waiting.terminal_id, stream)
        # Usually the identical object, which is the cheap comparison.
        (together if first is stream or first == stream else later).append(waiting)
    return together, later


def _unique_rows(batch: list[PendingHeartbeat]) -> tuple[list[tuple[Any, ...]], list[bool]]:
    """The batch's rows without duplicates, and for each whether it is its terminal's newest (with the highest
    sequence)."""
    rows: dict[tuple[int, int], tuple[Any, ...]] = {}
    newest: dict[int, int] = {}
    for waiting in batch:
        heartbeat, terminal_id = waiting.heartbeat, waiting.terminal_id
        rows[terminal_id, heartbeat.sequence] = (
            terminal_id,
            heartbeat.stream_id,
            heartbeat.sequence,
            heartbeat.sent_at,
            round(heartbeat.cpu_usage),
            round(heartbeat.memory_usage),
            round(heartbeat.disk_usage),
            heartbeat.firmware_version,
            heartbeat.agent_version,
            heartbeat.terminal_connected,
            heartbeat.error,
            waiting.skew,
            heartbeat.terminal_serial,
            heartbeat.event,
            waiting.address,
        )
        if newest.get(terminal_id, 0) < heartbeat.sequence:
            newest[terminal_id] = heartbeat.sequence
    return list(rows.values()), [newest[terminal_id] == sequence for terminal_id, sequence in rows]
