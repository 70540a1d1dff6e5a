"""A streaming replica of the database, for answers that may lag: its replication lag, and when it can be used.

Every second each process reads the end of the primary's WAL (a sample) and how far the replica has replayed it. The
replica must have replayed a sample that is no older than the limit and that was taken after the user's last write was
answered: then it shows that write, without comparing the clocks of machines. When the caller does not send how long ago
its last write was, the primary answers, as if there were no replica.
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

from service.core.database.session import Scopes, create_pooled_engine
from service.core.settings import settings

# Seconds since the caller's last write was answered.
SINCE_WRITE = "X-Genba-Since-Write"
EVERY_SECONDS = 1
# Enough samples to give the lag of a replica that is far behind.
MAX_SAMPLES = 600
CONNECT_SECONDS = 2
# SQLSTATEs that only the replica causes: a conflict with replay, a shutdown, a refused write.
BUSY = {"40001", "40P01", "25006"}
REPLICA_ERRORS = {*BUSY, "57P01", "57P02", "57P03"}

READS = Counter("genba_lagging_reads_total", "Answers that may lag, by the server that gave them", ["server", "why"])
USABLE = Gauge("genba_replica_usable", "1 while the replica answers and is not too far behind")
BEHIND = Gauge("genba_replica_behind_seconds", "How far the replica is behind, seconds")

log = structlog.get_logger()


@dataclass
class Samples:
    """Ends of the primary's WAL by our own monotonic clock: (time, bytes), the oldest first."""

    entries: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))

    def reached(self, replayed: int, since: float) -> bool:
        """Whether `replayed` includes all that was written until `since`. False without a sample from then on."""
        wal_end = next((end for sampled_at, end in self.entries if sampled_at >= since), None)
        return wal_end is not None and replayed >= wal_end

    def behind(self, replayed: int, now: float) -> float | None:
        """The lag in seconds, 0 at the newest sample; None when it is longer than the samples go back."""
        if not self.entries or replayed >= self.entries[-1][1]:
            return 0.0
        reached_at = next((sampled_at for sampled_at, end in reversed(self.entries) if end <= replayed), None)
        return None if reached_at is None else now - reached_at


class ReplicaWatch:
    """This process's view of the replica. `state`: "off" (none is configured), "ok", "late", "away" (unreachable), or
    "other" when the server at the address replays nothing: a promoted replica, or the primary itself."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.samples = Samples()
        self.state = "off"
        self.behind: float | None = None
        self._stopped = threading.Event()
        self._primary: psycopg.Connection | None = None
        self._replica: psycopg.Connection | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Polls in a thread of its own until the block ends."""
        thread = threading.Thread(target=self._poll_until_stopped, name="replica", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(timeout=5)
            self.close()

    def close(self) -> None:
        for connection in (self._primary, self._replica):
            if connection is not None:
                connection.close()

    def _poll_until_stopped(self) -> None:
        while not self._stopped.is_set():
            before = self.state
            self.look()
            if self.state != before:
                log.warning("replica", state=self.state, behind=self.behind)
            self._stopped.wait(EVERY_SECONDS)

    def look(self) -> None:
        started = time.monotonic()
        with contextlib.suppress(psycopg.Error):
            # Without the primary no sample is added, and the samples become too old.
            self._primary = _connected(self._primary, settings().direct_url)
            self.samples.entries.append((started, _fetch_row(self._primary, _WAL_END)[0]))
        try:
            self._replica = _connected(self._replica, settings().database_read_url.get_secret_value())
            replays, replayed = _fetch_row(self._replica, f"SELECT {_STATE}")
        except psycopg.Error:
            self.set_state("away", None)
            return
        if not replays:
            self.set_state("other", None)
            return
        now = time.monotonic()
        is_recent = self.samples.reached(replayed, now - self.limit)
        self.set_state("ok" if is_recent else "late", self.samples.behind(replayed, now))

    def set_state(self, state: str, behind: float | None) -> None:
        self.state, self.behind = state, behind
        USABLE.set(state == "ok")
        BEHIND.set(float("nan") if behind is None else behind)


_WAL_END = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint"
_STATE = "pg_is_in_recovery(), coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint"
_BEGIN = text("SELECT set_config('genba.areas', :areas, true), set_config('genba.tenants', :tenants, true), " + _STATE)


def _connected(connection: psycopg.Connection | None, url: str) -> psycopg.Connection:
    if connection is not None and not connection.closed:
        return connection
    # A short time-out: while a server hangs, the state would stay what it was.
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, connect_timeout=CONNECT_SECONDS, tcp_user_timeout=3000
    )


def _fetch_row(connection: psycopg.Connection, statement: str) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row


@lru_cache(maxsize=1)
def watch() -> ReplicaWatch:
    return ReplicaWatch(settings().database_read_lag_seconds)


def watch_in_background() -> contextlib.AbstractContextManager[None]:
    return watch().running() if is_configured() else contextlib.nullcontext()


def is_configured() -> bool:
    return bool(settings().database_read_url.get_secret_value())


@lru_cache(maxsize=1)
def _sessions() -> sessionmaker[Session]:
    engine = create_pooled_engine(settings().database_read_url.get_secret_value(), CONNECT_SECONDS)
    return sessionmaker(engine.execution_options(postgresql_readonly=True), expire_on_commit=False)


class Failed(Exception):
    """The replica could not finish a request: the primary has to answer it."""


def open_session(scopes: Scopes, since_write: str | None, *, retried: bool) -> Session | None:
    """A session of the replica with these `scopes`, or None when the primary has to answer. `since_write` is the
    caller's header; `retried`: the replica has failed this request before."""
    if not is_configured():
        return None
    session_or_reason = "failed" if retried else _session_or_reason(scopes, since_write)
    if isinstance(session_or_reason, str):
        READS.labels("primary", session_or_reason).inc()
        return None
    READS.labels("replica", "").inc()
    return session_or_reason


def _session_or_reason(scopes: Scopes, since_write: str | None) -> Session | str:
    """The session, or the reason why the primary has to answer (a label of the metric)."""
    replica_watch, arrived = watch(), time.monotonic()
    seconds_since_write = _seconds(since_write)
    if seconds_since_write is None:
        return "not said"
    if replica_watch.state != "ok":
        return replica_watch.state
    since, reason = max((arrived - seconds_since_write, "just written"), (arrived - replica_watch.limit, "late"))
    # Saves a query: no sample is recent enough yet.
    if not replica_watch.samples.entries or replica_watch.samples.entries[-1][0] < since:
        return reason
    session = _sessions()()
    scope_settings = scopes.as_settings()
    try:
        row = session.execute(
            _BEGIN, {"areas": scope_settings["genba.areas"], "tenants": scope_settings["genba.tenants"]}
        ).one()
    except (DBAPIError, PoolTimeout):
        session.close()
        replica_watch.set_state("away", None)
        return "away"
    if row[2] and replica_watch.samples.reached(row[3], since):
        return session
    session.close()
    return reason if row[2] else "other"


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if seconds >= 0 else None


def is_lost(error: DBAPIError) -> bool:
    """Whether the server is gone, or a replica could not answer: no statement that follows could do better."""
    code = _sqlstate(error)
    return error.connection_invalidated or code in REPLICA_ERRORS or code.startswith("08")


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


@contextlib.contextmanager
def failing_over() -> Iterator[None]:
    """For a block that works on the replica. Raises Failed instead of errors that only the replica causes: a conflict
    with replay, a server that is gone."""
    try:
        yield
    except DBAPIError as error:
        if not is_lost(error):
            raise
        code = _sqlstate(error)
        log.warning("replica failed a request", code=code)
        if code not in BUSY:
            watch().set_state("away", None)
        raise Failed from error
