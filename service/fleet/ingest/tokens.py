"""Which token is whose, kept in memory and kept true by the database's notifications; and our own sign of life."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta

import psycopg
import structlog

from service.core import problems
from service.core.identity import hash_token
from service.fleet import rules
from service.fleet.ingest.connections import RECONNECT_SECONDS, Connection, connect

LONGEST_LOOKUP_QUEUE = 200
STRANGER_SECONDS = 5
MOST_STRANGERS = 10_000
ALIVE_EVERY_SECONDS = 10
DEAF_AFTER_SECONDS = 35
# A longer gap was our absence, not jitter: everybody's deadline moves by it.
ABSENT_AFTER = timedelta(seconds=60)
HASH = re.compile(r"^[0-9a-f]{64}$")

log = structlog.get_logger()

ALIVE = """
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

# Which terminal a token lets in; the doors of agents beside this one ask the same.
LOOK_UP = "SELECT token_hash, terminal_id FROM fleet_terminal_tokens WHERE revoked_at IS NULL"


class Tokens:
    """The tokens known to one process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._conninfo = conninfo
        self._silence_allowed = rules.silence_allowed(interval_seconds)
        self._terminals: dict[bytes, int] = {}
        # Hashes that nobody has, for a short while: a stranger's retries must not keep the look-up busy.
        self._strangers: dict[bytes, float] = {}
        self._changes = 0
        self._looking: Connection | None = None
        self._lookup = asyncio.Lock()
        self._lookups_waiting = 0

    async def terminal(self, token: bytes) -> int:
        """The id of the token's terminal.

        Raises:
            Unauthorized: the token is unknown or revoked.
            Unavailable: that cannot be said just now.
        """
        known = None
        if token and token.isascii():
            hashed = hash_token(token.decode())
            known = self._terminals.get(hashed)
            if known is None:
                known = await self._look_up(hashed)
        if known is None:
            raise stranger()
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

    async def work(self) -> None:
        """Follows the tokens and writes down that we are alive; when either fails, both start again."""
        while True:
            try:
                async with await connect(self._conninfo) as looking, await connect(self._conninfo) as listening:
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
                cursor = await looking.execute(ALIVE, [ABSENT_AFTER, self._silence_allowed, self._silence_allowed])
                row = await cursor.fetchone()
                # Heard by our own listener, which would otherwise not know that it is deaf.
                await looking.execute("NOTIFY fleet_tokens")
            if row and row[0] > ABSENT_AFTER:
                log.warning("back after an absence; deadlines moved", seconds=int(row[0].total_seconds()))
            await asyncio.sleep(ALIVE_EVERY_SECONDS)


def stranger() -> problems.Unauthorized:
    return problems.Unauthorized("端末のトークンが無効です。管理者に登録コードの発行を依頼し、登録し直してください。")
