"""The database session. Only `transaction()` commits.

Sync from end to end: the same actions serve the API and the jobs. Every transaction says whose rows it may see;
row-level security holds it to that (migration 0003), and who says nothing sees nothing.
"""

from __future__ import annotations

import select
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import psycopg
from anyio import CapacityLimiter, to_thread
from fastapi import Depends
from sqlalchemy import CheckConstraint, Engine, ExceptionContext, MetaData, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InvalidRequestError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from service.core.areas import AREAS, CORE
from service.core.settings import settings


@dataclass(frozen=True)
class Scopes:
    """Whose rows a transaction sees: whole areas, and single tenants (an agency, a nursery) of areas."""

    whole: frozenset[str] = frozenset()
    tenants: frozenset[tuple[str, int]] = frozenset()

    def as_settings(self) -> dict[str, str]:
        """As the settings that the policies read: PostgreSQL's arrays."""
        return {
            "genba.areas": "{" + ",".join(sorted(self.whole)) + "}",
            "genba.tenants": "{" + ",".join(sorted(f"{area}:{tenant}" for area, tenant in self.tenants)) + "}",
        }


NOBODY = Scopes()
# Jobs, the launcher, and machines' doors before they know who is calling see what they are there for.
SYSTEM = Scopes(frozenset({CORE, *AREAS}))


class Base(DeclarativeBase):
    # Named constraints, so that a migration can drop what an earlier one made.
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def one_of(column: str, choices: type[StrEnum]) -> CheckConstraint:
    """The check that a column holds one of an enumeration's values."""
    listed = ", ".join(f"'{choice.value}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def sqlalchemy_url(url: str) -> str:
    """libpq's form (postgresql://) as SQLAlchemy's, with psycopg 3 as the driver."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@lru_cache(maxsize=1)
def engine() -> Engine:
    return engine_of(settings().database_url.get_secret_value())


class _Pool(QueuePool):
    """Behind PgBouncer connections are made while PostgreSQL is away, and each one that is tried turns out dead. To
    SQLAlchemy that is a wrong use of the pool."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except InvalidRequestError as error:
            raise OperationalError(None, None, error) from error


def engine_of(url: str, connect_seconds: int = 5) -> Engine:
    made = create_engine(
        sqlalchemy_url(url),
        poolclass=_Pool,
        pool_size=settings().database_pool_size,
        max_overflow=0,
        # The one used last: its server still has everything at hand.
        pool_use_lifo=True,
        pool_timeout=5,
        # An error's text goes to the log; the parameters of its statement may be personal data.
        hide_parameters=True,
        connect_args={
            "prepare_threshold": PREPARED_FROM if settings().prepares_statements else None,
            "connect_timeout": connect_seconds,
        },
    )
    event.listen(made, "checkin", _note_time)
    event.listen(made, "checkout", _refuse_if_dead)
    event.listen(made, "handle_error", _torn_is_lost)
    return made


def forget_connections() -> None:
    """In a process that was forked: those that are open are its parent's."""
    engine().dispose(close=False)


TRUSTED_SECONDS = 10
# A statement's fifth time on a connection is the first that the server need not plan; psycopg keeps a hundred.
PREPARED_FROM = 5


def _note_time(_: object, record: ConnectionPoolEntry) -> None:
    record.info["since"] = time.monotonic()


def _refuse_if_dead(connection: psycopg.Connection, record: ConnectionPoolEntry, _: object) -> None:
    """A server that went away says so by closing the socket, which can be seen without asking it: the usual ping would
    be a round trip for every request. Who has been idle for longer is asked all the same."""
    idle = time.monotonic() - record.info.get("since", -TRUSTED_SECONDS)
    if idle < TRUSTED_SECONDS and not connection.closed:
        socket = select.poll()
        socket.register(connection.fileno(), select.POLLIN)
        if not socket.poll(0):
            return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        raise DisconnectionError from None  # the pool takes another one


@lru_cache(maxsize=1)
def session_factory() -> sessionmaker[Session]:
    return sessionmaker(engine(), expire_on_commit=False)


@contextmanager
def transaction(scopes: Scopes = NOBODY) -> Iterator[Session]:
    """A session whose changes are committed when the block ends and rolled back when it raises."""
    with session_factory()() as session, session.begin():
        # What a transaction before it saw ended with that one: who says nothing needs no statement to see nothing.
        if scopes != NOBODY:
            set_scopes(session, scopes)
        yield session


_SET_SCOPES = text("SELECT set_config('genba.areas', :areas, true), set_config('genba.tenants', :tenants, true)")


def set_scopes(db: Session, scopes: Scopes) -> None:
    """From here to the end of the transaction."""
    named = scopes.as_settings()
    db.execute(_SET_SCOPES, {"areas": named["genba.areas"], "tenants": named["genba.tenants"]})


def _is_torn(error: BaseException | None) -> bool:
    """PgBouncer tells of a server that died in the middle of its answer with a second one, behind what had come. To
    psycopg that is a fault of its own, for which there is no code. Nobody knows whether it was committed."""
    return isinstance(error, psycopg.InternalError) and error.sqlstate is None


def _torn_is_lost(context: ExceptionContext) -> OperationalError | None:
    if not _is_torn(context.original_exception):
        return None
    context.is_disconnect = True
    return _lost(context.statement, context.original_exception)


def _lost(statement: str | None, error: BaseException) -> OperationalError:
    return OperationalError(statement, None, error, hide_parameters=True, connection_invalidated=True)


def fetch(db: Session, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement in the driver's own words, in the session's transaction: past SQLAlchemy, whose way costs
    more than the server's. For what every request asks. Raises as SQLAlchemy does."""
    connection = db.connection()
    raw: Any = connection.connection.driver_connection
    try:
        rows: list[tuple[Any, ...]] = raw.execute(statement, values).fetchall()
    except psycopg.Error as error:
        if _is_torn(error):
            connection.invalidate(error)
            raise _lost(statement, error) from error
        if raw.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=raw.closed
        ) from error
    return rows


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether it was this constraint, and not another, that refused the row."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


async def _session_for_a_route() -> AsyncIterator[Session]:
    """As `transaction`, for a route. It begins without a thread: the connection is taken by the first statement."""
    session = session_factory()()
    try:
        yield session
    except BaseException:
        await in_a_thread(session.close)
        raise
    if session.in_transaction():
        await in_a_thread(commit, session)


def commit(session: Session) -> None:
    with session:
        session.commit()


async def in_a_thread(end: Callable[..., None], *given: Any) -> None:
    """In one of its own if need be: those that wait for a connection may hold all others, and this gives one back."""
    await to_thread.run_sync(end, *given, limiter=CapacityLimiter(1))


# scope="function": the commit happens before the answer. With the standard scope it would happen after it, and a
# commit that fails would still have answered 200.
Db = Annotated[Session, Depends(_session_for_a_route, scope="function")]
