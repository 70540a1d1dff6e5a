"""The ASGI app of the heartbeat endpoint: authentication, validation, answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from service.core import problems
from service.core.http import addresses, problem_responses
from service.core.problems import Problem
from service.fleet import schemas
from service.fleet.ingest.batches import ANSWERED, Batches
from service.fleet.ingest.tokens import Tokens

PATH = "/api/fleet/heartbeats"
MAX_BODY_BYTES = 8 * 1024


class Ingest:
    """The ASGI app. `run()` is entered for the life of the process."""

    def __init__(self, conninfo: str, interval_seconds: int) -> None:
        self._tokens = Tokens(conninfo, interval_seconds)
        self._batches = Batches(conninfo, interval_seconds)

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part.work()) for part in (self._tokens, self._batches)]
        try:
            yield
        finally:
            # Graceful shutdown: pending heartbeats are still answered; the server accepts no new requests.
            await self._batches.drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._batches.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
        except Problem as problem:
            ANSWERED.labels(str(problem.status)).inc()
            await problem.response()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _headers(body)})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise problems.MethodNotAllowed("ハートビートはPOSTで送信してください。")
        token, length = b"", 0
        for name, value in scope["headers"]:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                token = value[7:]
            elif name == b"content-length":
                length = int(value)
        if length > MAX_BODY_BYTES:
            raise _too_large()
        terminal_id = await self._tokens.terminal(token)
        body = await _read(receive)
        try:
            heartbeat = schemas.Heartbeat.model_validate_json(body)
        except ValidationError as error:
            raise problem_responses.invalid(error.errors(include_url=False, include_input=False)) from None
        client = scope.get("client")
        return await self._batches.put(
            terminal_id, heartbeat, addresses.normalised_address(client[0]) if client else None
        )


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        message = await receive()
        body += message.get("body", b"")
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> Problem:
    return problems.TooLarge(f"本文は{MAX_BODY_BYTES // 1024}KB以内にしてください。")


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]


def openapi(schema_of: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    """The endpoint's entry in the OpenAPI document; FastAPI does not know it, because it is not a FastAPI route."""
    error = {"content": {problems.MEDIA_TYPE: {"schema": schema_of(problems.ProblemBody)}}}
    errors = {"400": "Malformed", "401": "Unknown token", "413": "Too large", "422": "Invalid", "503": "Try later"}
    return {
        "post": {
            "tags": ["fleet"],
            "summary": "Heartbeat",
            "description": "For agents. Answered after the commit that stored it; a repeat is stored once.",
            "operationId": "heartbeat_api_fleet_heartbeats_post",
            "security": [{"HTTPBearer": []}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema_of(schemas.Heartbeat)}},
            },
            "responses": {
                "200": {
                    "description": "Stored",
                    "content": {"application/json": {"schema": schema_of(schemas.HeartbeatAnswer)}},
                },
                **{status: {"description": text, **error} for status, text in errors.items()},
            },
        }
    }
