"""The database session. Only `transaction()` commits.

Sync from end to end, so that the same actions serve the API and the jobs. Every transaction sets whose rows it may see
(`Scopes`), and row-level security enforces that (service/migrations/schema/core/access.sql). Without scopes it sees no
rows.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Request
from sqlalchemy import CheckConstraint, Engine, ExceptionContext, MetaData, create_engine, event, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InvalidRequestError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from service.core.areas import AREAS, CORE
from service.core.settings import settings


@dataclass(frozen=True)
class Scopes:
    """Whose rows a transaction sees: whole areas, and single tenants (agencies, nurseries) of areas."""

    whole: frozenset[str] = frozenset()
    tenants: frozenset[tuple[str, int]] = frozenset()

    def as_settings(self) -> dict[str, str]:
        """The settings that the row-level security policies read, as PostgreSQL arrays."""
        return {
            "genba.areas": "{" + ",".join(sorted(self.whole)) + "}",
            "genba.tenants": "{" + ",".join(sorted(f"{area}:{tenant}" for area, tenant in self.tenants)) + "}",
        }


NO_SCOPES = Scopes()
# For jobs, the launcher, and machines' routes before they have authenticated the caller.
SYSTEM = Scopes(frozenset({CORE, *AREAS}))


class Base(DeclarativeBase):
    # Named constraints, so that a migration can drop what an earlier one has created.
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class VersionColumns:
    """The columns of a record that users edit (`core/edits`)."""

    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class RecordColumns(VersionColumns):
    """And of one that they archive."""

    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


def enum_check(column: str, choices: type[StrEnum]) -> CheckConstraint:
    """The check that a column holds one of an enumeration's values."""
    quoted_values = ", ".join(f"'{choice.value}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({quoted_values})", name=column)


def sqlalchemy_url(url: str) -> str:
    """Converts libpq's form (postgresql://) into SQLAlchemy's, with psycopg 3 as the driver."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@lru_cache(maxsize=1)
def engine() -> Engine:
    return create_pooled_engine(settings().database_url.get_secret_value())


class _Pool(QueuePool):
    """Behind PgBouncer, connections succeed while PostgreSQL is down, and each one turns out dead. SQLAlchemy reports
    that as a wrong use of the pool (InvalidRequestError); this makes it an OperationalError."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except InvalidRequestError as error:
            raise OperationalError(None, None, error) from error


def create_pooled_engine(url: str, connect_seconds: int = 5) -> Engine:
    new_engine = create_engine(
        sqlalchemy_url(url),
        poolclass=_Pool,
        pool_size=settings().database_pool_size,
        max_overflow=0,
        # Last in, first out: the server process of the connection used last has warm caches.
        pool_use_lifo=True,
        pool_timeout=5,
        # Error texts go to the log, and parameters may be personal data.
        hide_parameters=True,
        connect_args={
            "prepare_threshold": PREPARED_FROM if settings().prepares_statements else None,
            "connect_timeout": connect_seconds,
        },
    )
    event.listen(new_engine, "checkin", _note_time)
    event.listen(new_engine, "checkout", _refuse_if_dead)
    event.listen(new_engine, "handle_error", _treat_torn_as_lost)
    return new_engine


def drop_inherited_connections() -> None:
    """For a forked process: the open connections are its parent's."""
    engine().dispose(close=False)


TRUSTED_SECONDS = 10
# A statement is prepared at its fifth execution on a connection; psycopg keeps a hundred prepared statements.
PREPARED_FROM = 5


def _note_time(_: object, record: ConnectionPoolEntry) -> None:
    record.info["since"] = time.monotonic()


def _refuse_if_dead(connection: psycopg.Connection, record: ConnectionPoolEntry, _: object) -> None:
    """Raises DisconnectionError for a dead connection. A server that went away has closed the socket, which polling
    shows; the usual ping would be a round trip for every request. A connection that was idle for longer is pinged."""
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
def transaction(scopes: Scopes = NO_SCOPES) -> Iterator[Session]:
    """A session that commits when the block ends and rolls back when it raises."""
    with session_factory()() as session, session.begin():
        # Scopes end with their transaction, so an empty scope needs no statement.
        if scopes != NO_SCOPES:
            set_scopes(session, scopes)
        yield session


_SET_SCOPES = text("SELECT set_config('genba.areas', :areas, true), set_config('genba.tenants', :tenants, true)")


def set_scopes(db: Session, scopes: Scopes) -> None:
    """Sets the scopes from here to the end of the transaction."""
    scope_settings = scopes.as_settings()
    db.execute(_SET_SCOPES, {"areas": scope_settings["genba.areas"], "tenants": scope_settings["genba.tenants"]})


def _is_torn(error: BaseException | None) -> bool:
    """When a server dies in the middle of its answer, PgBouncer sends an error behind the part that has come. psycopg
    reports that as an InternalError without an SQLSTATE. Whether the transaction was committed is unknown."""
    return isinstance(error, psycopg.InternalError) and error.sqlstate is None


def _treat_torn_as_lost(context: ExceptionContext) -> OperationalError | None:
    if not _is_torn(context.original_exception):
        return None
    context.is_disconnect = True
    return _lost(context.statement, context.original_exception)


def _lost(statement: str | None, error: BaseException) -> OperationalError:
    return OperationalError(statement, None, error, hide_parameters=True, connection_invalidated=True)


def fetch(db: Session, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement in the driver's own SQL form, in the session's transaction. It bypasses SQLAlchemy, whose
    overhead is larger than the server's work; for statements of every request. Flushes and raises as SQLAlchemy
    does."""
    db.flush()
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
    """Whether this constraint refused the row."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


EXIT_STACK_KEY = "genba.exit_stack"


def exit_stack(request: Request) -> ExitStack:
    """Of the route that runs (`routing.one_thread`): what is entered here ends before the answer goes out."""
    stack: ExitStack = request.scope[EXIT_STACK_KEY]
    return stack


@contextmanager
def _committed_at_the_end() -> Iterator[Session]:
    with session_factory()() as session:
        yield session
        if session.in_transaction():
            session.commit()


async def route_session(request: Request) -> Session:
    """As `transaction`, for a route: the commit happens before the answer, so that a request whose commit fails is not
    answered with 200. The first statement takes the connection."""
    return exit_stack(request).enter_context(_committed_at_the_end())


def commit(session: Session) -> None:
    """Commits, and gives the connection back."""
    with session:
        session.commit()


Db = Annotated[Session, Depends(route_session)]
