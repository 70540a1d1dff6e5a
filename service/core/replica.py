"""A streaming replica of the database, for answers that may lag: how far it is, and when it may be asked.

Every second each process notes where the primary's log ends (a sample) and how far the replica has replayed it. What
the replica has replayed must reach a sample that is no older than the limit, and that was taken after the person's last
write was answered: then it shows that write, and nobody needs to compare the clocks of machines. Whoever does not say
how long ago the last write was is answered by the primary, as if there were no replica.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from service.core.db import Scopes, engine_of
from service.core.settings import settings

# Seconds since the caller's last write was answered.
SINCE_WRITE = "X-Genba-Since-Write"
EVERY_SECONDS = 1
# Samples kept, to say how far a replica is behind that is far behind.
KEPT = 600
CONNECT_SECONDS = 2
# SQLSTATEs that are the replica's affair: replay needs what the statement reads, it goes down, it writes nothing.
BUSY = {"40001", "40P01", "25006"}
ITS_OWN = {*BUSY, "57P01", "57P02", "57P03"}

READS = Counter("genba_lagging_reads_total", "Answers that may lag, by the server that gave them", ["server", "why"])
USABLE = Gauge("genba_replica_usable", "1 while the replica answers and is not too far behind")
BEHIND = Gauge("genba_replica_behind_seconds", "How far the replica is behind, seconds")

log = structlog.get_logger()


@dataclass
class Samples:
    """Where the primary's log ended, by our own monotonic clock: (moment, bytes), the oldest first."""

    known: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def reached(self, replayed: int, since: float) -> bool:
        """Whether `replayed` holds all that was there at `since`. Without a sample from then on, nobody knows."""
        after = next((end for moment, end in self.known if moment >= since), None)
        return after is not None and replayed >= after

    def behind(self, replayed: int, now: float) -> float | None:
        """Seconds, none while it is at the newest sample; None when it is further behind than we remember."""
        if not self.known or replayed >= self.known[-1][1]:
            return 0.0
        at = next((moment for moment, end in reversed(self.known) if end <= replayed), None)
        return None if at is None else now - at


class Watch:
    """One process's view of the replica. `state`: "off" (there is none), "ok", "late", "away", or "other" when the
    address leads to a server that replays nothing: a replica that was promoted, or the primary itself."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.samples = Samples()
        self.state = "off"
        self.behind: float | None = None
        self._ended = threading.Event()
        self._primary: psycopg.Connection | None = None
        self._replica: psycopg.Connection | None = None

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Looks from a thread of its own until the block ends."""
        thread = threading.Thread(target=self._look_on, name="replica", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(timeout=5)
            self.close()

    def close(self) -> None:
        for connection in (self._primary, self._replica):
            if connection is not None:
                connection.close()

    def _look_on(self) -> None:
        while not self._ended.is_set():
            before = self.state
            self.look()
            if self.state != before:
                log.warning("replica", state=self.state, behind=self.behind)
            self._ended.wait(EVERY_SECONDS)

    def look(self) -> None:
        moment = time.monotonic()
        with contextlib.suppress(psycopg.Error):
            # Without the primary no sample is added, and what there is grows too old to be trusted.
            self._primary = _opened(self._primary, settings().direct_url)
            self.samples.known.append((moment, _asked(self._primary, _END)[0]))
        try:
            self._replica = _opened(self._replica, settings().database_read_url.get_secret_value())
            replays, replayed = _asked(self._replica, f"SELECT {_STATE}")
        except psycopg.Error:
            self.told("away", None)
            return
        if not replays:
            self.told("other", None)
            return
        now = time.monotonic()
        fresh = self.samples.reached(replayed, now - self.limit)
        self.told("ok" if fresh else "late", self.samples.behind(replayed, now))

    def told(self, state: str, behind: float | None) -> None:
        self.state, self.behind = state, behind
        USABLE.set(state == "ok")
        BEHIND.set(float("nan") if behind is None else behind)


_END = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint"
_STATE = "pg_is_in_recovery(), coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint"
_BEGIN = text("SELECT set_config('genba.areas', :areas, true), set_config('genba.tenants', :tenants, true), " + _STATE)


def _opened(kept: psycopg.Connection | None, url: str) -> psycopg.Connection:
    if kept is not None and not kept.closed:
        return kept
    # A server that hangs must not hold up the view of it: its state would stay what it was.
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, connect_timeout=CONNECT_SECONDS, tcp_user_timeout=3000
    )


def _asked(connection: psycopg.Connection, statement: str) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row


@lru_cache(maxsize=1)
def watch() -> Watch:
    return Watch(settings().database_read_lag_seconds)


def watching() -> contextlib.AbstractContextManager[None]:
    return watch().on() if is_set() else contextlib.nullcontext()


def is_set() -> bool:
    return bool(settings().database_read_url.get_secret_value())


def state() -> dict[str, Any] | None:
    """As this process sees it; None when there is none."""
    seen = watch()
    if not is_set():
        return None
    return {"state": seen.state, "behind_seconds": seen.behind, "limit_seconds": seen.limit}


@lru_cache(maxsize=1)
def _sessions() -> sessionmaker[Session]:
    engine = engine_of(settings().database_read_url.get_secret_value(), CONNECT_SECONDS)
    return sessionmaker(engine.execution_options(postgresql_readonly=True), expire_on_commit=False)


class Failed(Exception):
    """The replica could not finish what it began: to be asked again, of the primary."""


def opened(scopes: Scopes, since_write: str | None, *, retried: bool) -> Session | None:
    """A session of the replica that sees what `scopes` say, or None when the primary has to answer. `since_write` is
    what the caller said; `retried`: the replica has failed this request before."""
    if not is_set():
        return None
    found = "failed" if retried else _found(scopes, since_write)
    if isinstance(found, str):
        READS.labels("primary", found).inc()
        return None
    READS.labels("replica", "").inc()
    return found


def _found(scopes: Scopes, since_write: str | None) -> Session | str:
    """The session, or why there is none."""
    seen, arrived = watch(), time.monotonic()
    ago = _seconds(since_write)
    if ago is None:
        return "not said"
    if seen.state != "ok":
        return seen.state
    since, why = max((arrived - ago, "just written"), (arrived - seen.limit, "late"))
    # Not worth the way: no sample is young enough yet.
    if not seen.samples.known or seen.samples.known[-1][0] < since:
        return why
    session = _sessions()()
    named = scopes.as_settings()
    try:
        row = session.execute(_BEGIN, {"areas": named["genba.areas"], "tenants": named["genba.tenants"]}).one()
    except (DBAPIError, PoolTimeout):
        session.close()
        seen.told("away", None)
        return "away"
    if row[2] and seen.samples.reached(row[3], since):
        return session
    session.close()
    return why if row[2] else "other"


def _seconds(said: str | None) -> float | None:
    try:
        seconds = float(said or "")
    except ValueError:
        return None
    return seconds if seconds >= 0 else None


@contextlib.contextmanager
def failing_over() -> Iterator[None]:
    """The block's work is on the replica. Raises Failed instead of what is the replica's affair: a conflict with
    replay, a server that went away."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or ""
        if not (error.connection_invalidated or code in ITS_OWN or code.startswith("08")):
            raise
        log.warning("replica failed a request", code=code)
        if code not in BUSY:
            watch().told("away", None)
        raise Failed from error
