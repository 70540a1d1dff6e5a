"""The straightforward design to compare with: a FastAPI route with one SQLAlchemy session a request, SELECT + UPDATE +
INSERT + COMMIT. It checks and stores the same as the product's own route."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI, HTTPException, Request
from pydantic import ConfigDict
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.database.session import SYSTEM, transaction
from service.fleet.models import TerminalState, TerminalToken, heartbeats
from service.fleet.schemas import Heartbeat, HeartbeatAnswer


class Body(Heartbeat):
    """FastAPI passes decoded JSON, in which a time or a UUID is still a string."""

    model_config = ConfigDict(strict=False)


def app() -> FastAPI:
    api = FastAPI()

    @api.post("/api/fleet/heartbeats")
    def heartbeat(request: Request, beat: Body) -> HeartbeatAnswer:
        with transaction(SYSTEM) as db:
            return store(db, request, beat)

    def store(db: Session, request: Request, beat: Body) -> HeartbeatAnswer:
        token = request.headers.get("authorization", "")[7:]
        state = db.scalars(
            select(TerminalState)
            .join(TerminalToken, TerminalToken.terminal_id == TerminalState.terminal_id)
            .where(TerminalToken.token_hash == hash_token(token), TerminalToken.revoked_at.is_(None))
        ).one_or_none()
        if state is None:
            raise HTTPException(401)
        now = app_now(db)
        if state.stream_id != beat.stream_id or state.sequence is None or beat.sequence > state.sequence:
            status = "online" if beat.error is None and beat.terminal_connected else "error"
            if state.status != status:
                state.status, state.status_since = status, now
            state.last_heartbeat_at, state.offline_after = now, now + timedelta(minutes=11)
            state.cpu_usage, state.memory_usage = round(beat.cpu_usage), round(beat.memory_usage)
            state.disk_usage = round(beat.disk_usage)
            state.firmware_version, state.agent_version = beat.firmware_version, beat.agent_version
            state.terminal_connected, state.error = beat.terminal_connected, beat.error
            state.sent_at, state.stream_id, state.sequence = beat.sent_at, beat.stream_id, beat.sequence
            db.execute(
                insert(heartbeats).values(
                    terminal_id=state.terminal_id,
                    received_at=now,
                    sent_at=beat.sent_at,
                    stream_id=beat.stream_id,
                    sequence=beat.sequence,
                    cpu_usage=state.cpu_usage,
                    memory_usage=state.memory_usage,
                    disk_usage=state.disk_usage,
                    terminal_connected=beat.terminal_connected,
                    error=beat.error,
                )
            )
        return HeartbeatAnswer(server_time=now, next_heartbeat_in=300, commands=[])

    return api
