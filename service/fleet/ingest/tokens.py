"""The cache of valid tokens, updated by PostgreSQL notifications; and the record that the ingest is alive."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta

import psycopg
import structlog

from service.core import problems
from service.core.access.identity import hash_token
from service.fleet import rules
from service.fleet.ingest.connections import RECONNECT_SECONDS, Connection, connect

MAX_LOOKUP_QUEUE = 200
UNKNOWN_TOKEN_SECONDS = 5
MAX_UNKNOWN_TOKENS = 10_000
RECORD_ALIVE_SECONDS = 10
NOTIFICATION_TIMEOUT_SECONDS = 35
# A longer gap is an outage of the service, not jitter: all terminals' deadlines move by it.
OUTAGE_AFTER = timedelta(seconds=60)
HASH = re.compile(r"^[0-9a-f]{64}$")

log = structlog.get_logger()

RECORD_ALIVE = """
WITH gap AS (
    SELECT app_now() - alive_at AS absent FROM fleet_liveness WHERE id = 1 FOR UPDATE
), waiting AS MATERIALIZED (
    SELECT terminal_id, status, absent FROM fleet_terminal_states, gap
    WHERE absent > %s AND (status IN ('online', 'error') OR status = 'offline' AND alert_after > app_now() - absent)
    ORDER BY terminal_id FOR NO KEY UPDATE OF fleet_terminal_states
), moved AS (
    UPDATE fleet_terminal_states AS state SET offline_after = least(offline_after + absent, app_now() + %s)
    FROM waiting WHERE state.terminal_id = waiting.terminal_id AND waiting.status <> 'offline'
), opened AS (
    -- A shop that has opened meanwhile could not say so.
    UPDATE fleet_terminal_states AS state SET alert_after = greatest(alert_after, app_now() + %s)
    FROM waiting WHERE state.terminal_id = waiting.terminal_id AND waiting.status = 'offline'
)
-- Never back: a clock that was moved on while this waited for the row is not the one this began with.
UPDATE fleet_liveness SET alive_at = greatest(alive_at, app_now()) FROM gap WHERE id = 1 RETURNING absent
"""

# The valid tokens and their terminals; the HTTP routes for agents use the same statement.
SELECT_TOKENS = "SELECT token_hash, terminal_id FROM fleet_terminal_tokens WHERE revoked_at IS NULL"


class Tokens:
    """The token cache of one process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._conninfo = conninfo
        self._silence_allowed = rules.silence_allowed(interval_seconds)
        self._terminals: dict[bytes, int] = {}
        # Negative cache: hashes of unknown tokens, for a short time, so that retries do not block the look-up.
        self._unknown: dict[bytes, float] = {}
        self._change_count = 0
        self._lookup_connection: Connection | None = None
        self._lookup = asyncio.Lock()
        self._lookups_waiting = 0

    async def terminal(self, token: bytes) -> int:
        """The id of the token's terminal.

        Raises:
            Unauthorized: the token is unknown or revoked.
            Unavailable: the token cannot be checked at the moment.
        """
        terminal_id = None
        if token and token.isascii():
            token_hash = hash_token(token.decode())
            terminal_id = self._terminals.get(token_hash)
            if terminal_id is None:
                terminal_id = await self._look_up(token_hash)
        if terminal_id is None:
            raise unknown_token()
        return terminal_id

    async def _look_up(self, token_hash: bytes) -> int | None:
        """Looks the token up in the database: a new token may be used before the notification about it arrives."""
        if self._unknown.get(token_hash, 0) > time.monotonic():
            return None
        if self._lookup_connection is None or self._lookups_waiting >= MAX_LOOKUP_QUEUE:
            raise problems.Unavailable("ただいま端末を確認できません。しばらく待ってから再送してください。")
        self._lookups_waiting += 1
        changes = self._change_count
        try:
            async with self._lookup:
                cursor = await self._lookup_connection.execute(SELECT_TOKENS + " AND token_hash = %b", [token_hash])
                row = await cursor.fetchone()
        except psycopg.Error:
            raise problems.Unavailable("ただいま端末を確認できません。しばらく待ってから再送してください。") from None
        finally:
            self._lookups_waiting -= 1
        if row is None:
            if len(self._unknown) >= MAX_UNKNOWN_TOKENS:
                self._unknown.clear()
            self._unknown[token_hash] = time.monotonic() + UNKNOWN_TOKEN_SECONDS
            return None
        # A revocation that was notified in the meantime may be this token's: then the answer is not cached.
        if changes == self._change_count:
            self._terminals[token_hash] = row[1]
        return int(row[1])

    async def work(self) -> None:
        """Follows the tokens and records that the ingest is alive; when either fails, both are restarted."""
        while True:
            try:
                async with await connect(self._conninfo) as connection, await connect(self._conninfo) as listener:
                    self._lookup_connection = connection
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._follow_tokens(listener))
                        group.create_task(self._record_alive(connection))
            except* Exception as failures:
                for failure in failures.exceptions:
                    log.warning("starting again beside the batcher", error=str(failure).partition("\n")[0])
            finally:
                self._lookup_connection = None
                # From here on a revocation could be missed, so the cache is cleared until it is read again.
                self._terminals.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow_tokens(self, listener: Connection) -> None:
        """Keeps the cache in sync with the database.

        Raises:
            RuntimeError: no notification arrives, not even the process's own. Either the connection is dead, or
                DATABASE_DIRECT_URL leads through a PgBouncer, which passes on no notifications.
        """
        await listener.execute("LISTEN fleet_tokens")
        cursor = await listener.execute(SELECT_TOKENS)
        self._terminals = {bytes(token_hash): terminal_id async for token_hash, terminal_id in cursor}
        while True:
            payloads = [
                notification.payload
                async for notification in listener.notifies(timeout=NOTIFICATION_TIMEOUT_SECONDS, stop_after=1)
            ]
            if not payloads:
                raise RuntimeError("no notification arrives; DATABASE_DIRECT_URL must lead straight to PostgreSQL")
            changed = [bytes.fromhex(payload) for payload in payloads if HASH.match(payload)]
            if not changed:
                continue
            self._change_count += 1
            cursor = await listener.execute(SELECT_TOKENS + " AND token_hash = ANY (%b)", [changed])
            valid = {bytes(row[0]): int(row[1]) for row in await cursor.fetchall()}
            for token_hash in changed:
                self._unknown.pop(token_hash, None)
                if token_hash not in valid:
                    self._terminals.pop(token_hash, None)
            self._terminals.update(valid)

    async def _record_alive(self, connection: Connection) -> None:
        """Records that heartbeats could be stored until now. After an outage of the service all deadlines are moved by
        its length first: no terminal becomes offline because of it."""
        while True:
            async with self._lookup:
                cursor = await connection.execute(
                    RECORD_ALIVE, [OUTAGE_AFTER, self._silence_allowed, self._silence_allowed]
                )
                row = await cursor.fetchone()
                # Received by the process's own listener, which otherwise could not detect a dead connection.
                await connection.execute("NOTIFY fleet_tokens")
            if row and row[0] > OUTAGE_AFTER:
                log.warning("back after an absence; deadlines moved", seconds=int(row[0].total_seconds()))
            await asyncio.sleep(RECORD_ALIVE_SECONDS)


def unknown_token() -> problems.Unauthorized:
    return problems.Unauthorized("端末のトークンが無効です。管理者に登録コードの発行を依頼し、登録し直してください。")
