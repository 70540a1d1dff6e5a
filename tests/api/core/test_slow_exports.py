"""Downloads over a real socket, by a client that does not read the answer."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import text

from service.core.access.identity import open_session
from service.core.settings import settings
from tests import people
from tests.conftest import Service


def stalled(service: Service, token: str) -> socket.socket:
    """A connection on which the answer has begun; nothing more of it is read."""
    host, port = service.url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect((host, int(port)))
    head = f"GET /api/core/audit/export.csv?subject=stalled HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}"
    connection.sendall(f"{head}\r\n\r\n".encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def test_stalled_exports_hold_neither_a_slot_nor_a_connection(service: Service) -> None:
    """More of them than there are connections, and all other requests are answered as if they were not there."""
    with service.committed() as db:
        token, _ = open_session(db, people.create_user(db, "auditor", fleet="admin"), "testclient", timedelta(hours=1))
        # More than the buffers of the sockets hold.
        db.execute(
            text(
                "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id, after) "
                "SELECT 'demo', '-', 'fleet', 'create', 'stalled', n, jsonb_build_object('name', repeat('x', 100000)) "
                "FROM generate_series(1, 100) n"
            )
        )
    with ExitStack() as stack, service.http() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for _ in range(settings().database_pool_size + 2):
            stack.enter_context(stalled(service, token))

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: client.get("/api/fleet/summary").status_code, range(20)))
        long_transactions = service.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND xact_start < now() - interval '1 s'"
        )

    assert answers == [200] * 20
    assert long_transactions == [(0,)]
