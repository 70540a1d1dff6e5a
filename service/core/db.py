"""The database session. Only `transaction()` commits.

Sync from end to end: the same actions serve the API and the jobs. Every transaction says whose rows it may see;
row-level security holds it to that (migration 0003), and who says nothing sees nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import psycopg
from fastapi import Depends
from sqlalchemy import Engine, MetaData, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

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
def transaction(scopes: Scopes = NOBODY) -> Iterator[Session]:
    """A session whose changes are committed when the block ends and rolled back when it raises."""
    with session_factory()() as session, session.begin():
        # Always, also for nobody: what a transaction before it set must not reach into this one.
        set_scopes(session, scopes)
        yield session


_SET_SCOPES = text("SELECT set_config('genba.areas', :areas, true), set_config('genba.tenants', :tenants, true)")


def set_scopes(db: Session, scopes: Scopes) -> None:
    """From here to the end of the transaction."""
    named = scopes.as_settings()
    db.execute(_SET_SCOPES, {"areas": named["genba.areas"], "tenants": named["genba.tenants"]})


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether it was this constraint, and not another, that refused the row."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


def _session_for_a_route() -> Iterator[Session]:
    with transaction() as session:
        yield session


# scope="function": the commit happens before the answer. With the standard scope it would happen after it, and a
# commit that fails would still have answered 200.
Db = Annotated[Session, Depends(_session_for_a_route, scope="function")]
