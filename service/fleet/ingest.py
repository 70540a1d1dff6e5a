"""The heartbeats' own door: a plain ASGI callable in front of the app, and one batcher per process.

A heartbeat is answered only after the transaction that stored it has committed. Many wait together for one commit:
the next batch leaves as soon as the previous one is done, or after a short linger while there are only a few. Tokens
are looked up in memory; the database tells of every token that comes or goes.

What it costs is measured by `make bench`. That rests on: one statement a batch, rows locked in the order of their
ids, the newest heartbeat of a terminal deciding its state, and no index on a column that heartbeats change.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from psycopg.rows import TupleRow
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from service.core import problems
from service.core.identity import hash_token
from service.core.problems import Problem
from service.fleet import rules, schemas

PATH = "/api/fleet/heartbeats"
LARGEST_BODY = 8 * 1024
LARGEST_BATCH = 1000
# While fewer than FEW wait, a batch lingers for more to share its commit.
FEW = 24
LINGER_SECONDS = 0.05
LONGEST_QUEUE = 10_000
LONGEST_LOOKUP_QUEUE = 200
STRANGER_SECONDS = 5
MOST_STRANGERS = 10_000
RECONNECT_SECONDS = 0.5
# How long a commit may take before those who wait are told to try again.
STORE_SECONDS = 10
MOST_GIVEN_UP = 3
ALIVE_EVERY_SECONDS = 10
DEAF_AFTER_SECONDS = 35
# A longer gap was our absence, not jitter: everybody's deadline moves by it.
ABSENT_AFTER = timedelta(seconds=60)

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

ALIVE = """
WITH gap AS (
    SELECT app_now() - alive_at AS absent FROM fleet_liveness WHERE id = 1 FOR UPDATE
), waiting AS MATERIALIZED (
    SELECT terminal_id, absent FROM fleet_terminal_states, gap
    WHERE absent > %s AND status IN ('online', 'error') ORDER BY terminal_id FOR NO KEY UPDATE OF fleet_terminal_states
), moved AS (
    UPDATE fleet_terminal_states AS state SET offline_after = least(offline_after + absent, app_now() + %s)
    FROM waiting WHERE state.terminal_id = waiting.terminal_id
)
UPDATE fleet_liveness SET alive_at = app_now() FROM gap WHERE id = 1 RETURNING absent
"""

LOOK_UP = "SELECT token_hash, terminal_id FROM fleet_terminal_tokens WHERE revoked_at IS NULL"

HASH = re.compile(r"^[0-9a-f]{64}$")

Connection = psycopg.AsyncConnection[TupleRow]


class Waiting:
    """One heartbeat between its arrival and its commit."""

    __slots__ = ("answer", "heartbeat", "terminal_id")

    def __init__(self, terminal_id: int, heartbeat: schemas.Heartbeat, answer: asyncio.Future[bytes]) -> None:
        self.terminal_id = terminal_id
        self.heartbeat = heartbeat
        self.answer = answer


class Ingest:
    """The door and its batcher. `run()` is entered for the life of the process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._conninfo = conninfo
        self._interval_seconds = interval_seconds
        self._silence_allowed = rules.silence_allowed(interval_seconds)
        self._terminals: dict[bytes, int] = {}
        # Hashes that nobody has, for a short while: a stranger's retries must not keep the look-up busy.
        self._strangers: dict[bytes, float] = {}
        self._changes = 0
        self._queue: list[Waiting] = []
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._committing = False
        self._writing: Connection | None = None
        self._given_up: set[asyncio.Task[tuple[datetime, int]]] = set()
        self._looking: Connection | None = None
        self._lookup = asyncio.Lock()
        self._lookups_waiting = 0

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in (self._write, self._work_beside)]
        try:
            yield
        finally:
            # What already waits is still answered; new requests no longer arrive when the server stops.
            while self._queue or self._committing:
                await asyncio.sleep(LINGER_SECONDS)
            for task in [*tasks, *self._given_up]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._writing is not None:
                await self._writing.close()

    # The door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
        except Problem as problem:
            ANSWERED.labels(str(problem.status)).inc()
            await problem.response()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _headers(body)})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise problems.MethodNotAllowed("ハートビートはPOSTで送信してください。")
        token, length = b"", 0
        for name, value in scope["headers"]:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                token = value[7:]
            elif name == b"content-length":
                length = int(value)
        if length > LARGEST_BODY:
            raise _too_large()
        terminal_id = await self._terminal(token)
        body = await _read(receive)
        try:
            heartbeat = schemas.Heartbeat.model_validate_json(body)
        except ValidationError as error:
            raise problems.invalid(error.errors(include_url=False, include_input=False)) from None
        return await self._store(terminal_id, heartbeat)

    async def _terminal(self, token: bytes) -> int:
        try:
            hashed = hash_token(token.decode("ascii"))
        except UnicodeDecodeError:
            hashed = b""
        known = self._terminals.get(hashed)
        if known is None and token and hashed:
            known = await self._look_up(hashed)
        if known is None:
            raise problems.Unauthorized(
                "端末のトークンが無効です。管理者に登録コードの発行を依頼し、登録し直してください。"
            )
        return known

    async def _look_up(self, hashed: bytes) -> int | None:
        """A token enrolled a moment ago may be used before the database's word of it arrives."""
        if self._strangers.get(hashed, 0) > time.monotonic():
            return None
        if self._looking is None or self._lookups_waiting >= LONGEST_LOOKUP_QUEUE:
            raise problems.Unavailable("ただいま端末を確認できません。しばらく待ってから再送してください。")
        self._lookups_waiting += 1
        changes = self._changes
        try:
            async with self._lookup:
                cursor = await self._looking.execute(LOOK_UP + " AND token_hash = %b", [hashed])
                row = await cursor.fetchone()
        except psycopg.Error:
            raise problems.Unavailable("ただいま端末を確認できません。しばらく待ってから再送してください。") from None
        finally:
            self._lookups_waiting -= 1
        if row is None:
            if len(self._strangers) >= MOST_STRANGERS:
                self._strangers.clear()
            self._strangers[hashed] = time.monotonic() + STRANGER_SECONDS
            return None
        # A revocation told of meanwhile may have been this token's: then the answer is not kept.
        if changes == self._changes:
            self._terminals[hashed] = row[1]
        return int(row[1])

    async def _store(self, terminal_id: int, heartbeat: schemas.Heartbeat) -> bytes:
        if len(self._queue) >= LONGEST_QUEUE:
            raise problems.Unavailable("ただいま混み合っています。Retry-After の秒数を待ってから再送してください。")
        waiting = Waiting(terminal_id, heartbeat, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        if len(self._queue) >= FEW:
            self._enough.set()
        return await waiting.answer

    # The batcher

    async def _write(self) -> None:
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
                self._writing = await self._connect()
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
        cursor = await connection.execute(
            STORE, [*map(list, columns), newest, list(columns[0]), self._silence_allowed], prepare=True
        )
        row = await cursor.fetchone()
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

    # Beside the batcher

    async def _work_beside(self) -> None:
        """Follows the tokens and writes down that we are alive; when either fails, both start again."""
        while True:
            try:
                async with await self._connect() as looking, await self._connect() as listening:
                    self._looking = looking
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._follow_tokens(listening))
                        both.create_task(self._stay_alive(looking))
            except* Exception as failures:
                for failure in failures.exceptions:
                    log.warning("starting again beside the batcher", error=str(failure).partition("\n")[0])
            finally:
                self._looking = None
                # A revocation could be missed from here on, so nothing in memory is believed until it is read again.
                self._terminals.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow_tokens(self, listening: Connection) -> None:
        """Keeps the tokens in memory the same as in the database.

        Raises:
            RuntimeError: nothing is heard, not even our own notes. Either the connection is dead, or
                DATABASE_DIRECT_URL leads through a PgBouncer, through which no notification comes.
        """
        await listening.execute("LISTEN fleet_tokens")
        cursor = await listening.execute(LOOK_UP)
        self._terminals = {bytes(hashed): terminal_id async for hashed, terminal_id in cursor}
        while True:
            notes = [note.payload async for note in listening.notifies(timeout=DEAF_AFTER_SECONDS, stop_after=1)]
            if not notes:
                raise RuntimeError("no notification arrives; DATABASE_DIRECT_URL must lead straight to PostgreSQL")
            told = [bytes.fromhex(note) for note in notes if HASH.match(note)]
            if not told:
                continue
            self._changes += 1
            cursor = await listening.execute(LOOK_UP + " AND token_hash = ANY (%b)", [told])
            valid = {bytes(row[0]): int(row[1]) for row in await cursor.fetchall()}
            for hashed in told:
                self._strangers.pop(hashed, None)
                if hashed not in valid:
                    self._terminals.pop(hashed, None)
            self._terminals.update(valid)

    async def _stay_alive(self, looking: Connection) -> None:
        """Writes down that heartbeats could be stored until now. After an absence of our own, every deadline moves by
        it first: a terminal is never offline because we did not listen."""
        while True:
            async with self._lookup:
                cursor = await looking.execute(ALIVE, [ABSENT_AFTER, self._silence_allowed])
                row = await cursor.fetchone()
                # Heard by our own listener, which would otherwise not know that it is deaf.
                await looking.execute("NOTIFY fleet_tokens")
            if row and row[0] > ABSENT_AFTER:
                log.warning("back after an absence; deadlines moved", seconds=int(row[0].total_seconds()))
            await asyncio.sleep(ALIVE_EVERY_SECONDS)

    async def _connect(self) -> Connection:
        # A host that vanished without a word is noticed within half a minute, not by the kernel's two hours.
        return await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=3,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=25_000,
        )


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > LARGEST_BODY:
            raise _too_large()
        message = await receive()
        body += message.get("body", b"")
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _not_stored() -> Problem:
    return problems.Unavailable("ただいま保存できません。Retry-After の秒数を待ってから再送してください。")


def _too_large() -> Problem:
    return problems.TooLarge(f"本文は{LARGEST_BODY // 1024}KB以内にしてください。")


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]


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


def openapi(schema_of: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    """This door's entry in the OpenAPI document; it is no FastAPI route, so it describes itself."""
    refusal = {"content": {problems.MEDIA_TYPE: {"schema": schema_of(problems.ProblemBody)}}}
    refusals = {"400": "Malformed", "401": "Unknown token", "413": "Too large", "422": "Invalid", "503": "Try later"}
    return {
        "post": {
            "tags": ["fleet"],
            "summary": "Heartbeat",
            "description": "For agents. Answered after the commit that stored it; a repeat is stored once.",
            "operationId": "heartbeat_api_fleet_heartbeats_post",
            "security": [{"HTTPBearer": []}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema_of(schemas.Heartbeat)}},
            },
            "responses": {
                "200": {
                    "description": "Stored",
                    "content": {"application/json": {"schema": schema_of(schemas.HeartbeatAnswer)}},
                },
                **{status: {"description": text, **refusal} for status, text in refusals.items()},
            },
        }
    }
