"""The database session. Only `transaction()` commits.

Sync from end to end: the same actions serve the API and the jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated

import psycopg
from fastapi import Depends
from sqlalchemy import Engine, MetaData, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from service.core.settings import settings


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


def sqlalchemy_url(url: str) -> str:
    """libpq's form (postgresql://) as SQLAlchemy's, with psycopg 3 as the driver."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@lru_cache(maxsize=1)
def engine() -> Engine:
    return create_engine(
        sqlalchemy_url(settings().database_url.get_secret_value()),
        pool_size=settings().database_pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        # An error's text goes to the log; the parameters of its statement may be personal data.
        hide_parameters=True,
        # PgBouncer in transaction mode hands each transaction another server: no server-side prepared statements.
        connect_args={"prepare_threshold": None, "connect_timeout": 5},
    )


@lru_cache(maxsize=1)
def session_factory() -> sessionmaker[Session]:
    return sessionmaker(engine(), expire_on_commit=False)


@contextmanager
def transaction() -> Iterator[Session]:
    """A session whose changes are committed when the block ends and rolled back when it raises."""
    with session_factory()() as session, session.begin():
        yield session


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether it was this constraint, and not another, that refused the row."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


def _session_for_a_route() -> Iterator[Session]:
    with transaction() as session:
        yield session


# scope="function": the commit happens before the answer. With the standard scope it would happen after it, and a
# commit that fails would still have answered 200.
Db = Annotated[Session, Depends(_session_for_a_route, scope="function")]
