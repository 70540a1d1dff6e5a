"""Connections of the ingest: straight to PostgreSQL, outside the pool."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.AsyncConnection[TupleRow]
RECONNECT_SECONDS = 0.5


async def connect(conninfo: str) -> Connection:
    # A host that vanished without a word is noticed within half a minute, not by the kernel's two hours.
    return await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        connect_timeout=3,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
    )
