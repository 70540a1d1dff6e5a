"""Connections of the ingest: directly to PostgreSQL, outside the pool."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from service.core.database.session import Scopes
from service.fleet.rules import AREA

Connection = psycopg.AsyncConnection[TupleRow]
RECONNECT_SECONDS = 0.5
# The ingest serves agents: for the life of a connection it sees the whole fleet (row-level security).
SCOPES = Scopes(frozenset({AREA.name})).as_settings()


async def connect(conninfo: str) -> Connection:
    # Detects a dead host within half a minute instead of the kernel's two hours.
    return await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        options=" ".join(f"-c {name}={value}" for name, value in SCOPES.items()),
        connect_timeout=3,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
    )
