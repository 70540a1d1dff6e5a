"""An agent in front of a running service, for tests of the routes that agents use."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
from psycopg.rows import dict_row

from service.core.access.identity import hash_token, new_token
from service.fleet.models import TerminalToken
from tests import factories
from tests.conftest import Service
from tests.rls_bypass import rls_bypass_url


class Agent:
    """An enrolled terminal that calls a running service."""

    def __init__(self, service: Service, http: httpx2.Client) -> None:
        self.service, self.http = service, http
        self.token, self.stream_id, self.sequence = new_token(), str(uuid.uuid4()), 0
        with service.committed() as db:
            terminal = factories.terminal(db, factories.customer(db, f"顧客 {uuid.uuid4()}"), f"T-{uuid.uuid4()}")
            db.add(TerminalToken(token_hash=hash_token(self.token), terminal_id=terminal.id))
            self.id = terminal.id

    def heartbeat(self, **changes: Any) -> dict[str, Any]:
        self.sequence += 1
        return {
            "cpu_usage": 12.4,
            "memory_usage": 40,
            "disk_usage": 55.5,
            "firmware_version": "1.2.0",
            "agent_version": "0.1.0",
            "terminal_connected": True,
            "error": None,
            "sent_at": datetime.now(UTC).isoformat(),
            "stream_id": self.stream_id,
            "sequence": self.sequence,
        } | changes

    def send(self, body: dict[str, Any] | bytes | None = None, token: str | None = None) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else self.heartbeat())
        headers = {"Authorization": f"Bearer {token if token is not None else self.token}"}
        return self.http.post("/api/fleet/heartbeats", content=content, headers=headers)

    def state(self) -> dict[str, Any]:
        with psycopg.connect(rls_bypass_url(self.service.database_url), row_factory=dict_row) as connection:
            cursor = connection.execute("SELECT * FROM fleet_terminal_states WHERE terminal_id = %s", [self.id])
            state = cursor.fetchone()
        assert state is not None
        return state

    def stored(self) -> list[int]:
        rows = self.service.rows(
            "SELECT sequence FROM fleet_heartbeats WHERE terminal_id = %s ORDER BY received_at, sequence", self.id
        )
        return [int(str(row[0])) for row in rows]

    def log(self) -> list[tuple[Any, ...]]:
        """The entries of the terminal's log other than its statuses: (kind, detail), in order."""
        return self.service.rows(
            "SELECT kind, detail FROM fleet_terminal_logs WHERE terminal_id = %s AND kind <> 'status' "
            "ORDER BY at, kind",
            self.id,
        )
