"""Idempotency keys: a request that is sent again has its effect once and gets the first answer again (a replay).

The caller of a POST may send an `Idempotency-Key`, a UUID that it has generated. The key is claimed in the request's
own transaction, and the answer is stored in the same one, so that a change is committed with its answer or not at all.
While it works, a repeat is refused at once (409 with Retry-After): waiting repeats would fill the pool. A refusal rolls
back the transaction, and the claim with it: refusals are not stored.

Routes that authenticate by a session do this without more code (`auth.Authenticated` claims the key,
`with_idempotency` stores the answer); routes with short transactions use `short_transactions.idempotent_transaction`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column
from starlette.responses import Response
from starlette.routing import BaseRoute

from service.core.database.session import Base, fetch
from service.core.problems import Conflict, Invalid
from service.core.settings import settings
from service.core.values.messages import MESSAGES

HEADER = "Idempotency-Key"
# Response header: the answer was given before.
REPLAYED_HEADER = "Idempotent-Replayed"
# Long enough for a retry on the next day.
KEY_LIFETIME = timedelta(hours=48)

INVALID_KEY = f"送信番号（Idempotency-Key）は{MESSAGES['uuid_parsing']}"
STILL_RUNNING = "同じ送信をまだ処理しています。しばらく待ってから、もう一度お試しください。"
KEY_REUSED = (
    "前回の送信は、応答が届きませんでしたが、すでに保存されています。今回の内容は前回と違うため、まだ保存していません。"
    "保存された内容を確かめて、それとは別に送る場合は、もう一度送信してください。"
)
_NONCE_BYTES = 12


class KeyReused(Invalid):
    """The key was used for a different request. Forms recognise the problem by its type and take another key."""

    title, type = "前回の送信はすでに保存されています", "urn:genba:sent-before"


class StillRunning(Conflict):
    """The first request with the key has not ended; the same request can be sent again."""

    title, type = "前回の送信を処理しています", "urn:genba:still-running"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class Answer(Base):
    """The answer to a user's request with a key. Until the request commits, no other transaction sees the row."""

    __tablename__ = "answers"
    __table_args__ = (
        CheckConstraint("(status IS NULL) = (sealed IS NULL)", name="sealed"),
        Index("ix_answers_created_at", "created_at"),
    )

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # HMAC of path and body: a body may hold a password, which could be guessed from a digest without a secret.
    request: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    # The encrypted body: it may hold a secret that is shown once, such as a one-time password.
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Replay(Exception):
    """The stored answer of an earlier request; raised to end the repeated one, not a failure."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body

    def response(self) -> Response:
        headers = {REPLAYED_HEADER: "true", "Cache-Control": "no-store"}
        return Response(self.body, self.status, headers, "application/json" if self.body else None)


@dataclass
class IdempotentRequest:
    """A request with an idempotency key; `claimed_in` is the transaction that does its work."""

    key: str
    digest: bytes
    claimed_in: Session | None = None
    user_id: int = 0
    replay: Replay | None = None


def find_idempotent_request(request: Request) -> IdempotentRequest | None:
    idempotent_request: IdempotentRequest | None = getattr(request.state, "idempotent_request", None)
    return idempotent_request


# Row-level security reads `genba.person`. The statement sets it and inserts in one: the row is computed, with the
# setting, before the policy checks it. Without the lock the insert would wait for a first request that still works.
_CLAIM = """
    INSERT INTO answers (user_id, key, request)
    SELECT set_config('genba.person', %(user_id)s, true)::bigint, %(key)s, %(digest)s
    WHERE pg_try_advisory_xact_lock(hashtextextended(%(user_id)s || ' ' || %(key)s::text, 0))
    ON CONFLICT DO NOTHING RETURNING user_id
"""
_FIND_ANSWER = "SELECT request, status, sealed FROM answers WHERE user_id = %(user_id)s AND key = %(key)s"
_STORE_ANSWER = text("UPDATE answers SET status = :status, sealed = :sealed WHERE user_id = :user_id AND key = :key")


def claim(request: Request, db: Session, user_id: int) -> None:
    """Claims the key in this transaction. When it was answered before, the answer is remembered here and raised by
    `raise_replay`, once the user's permission has been checked. Raises Invalid, KeyReused, StillRunning."""
    idempotent_request = find_idempotent_request(request)
    if idempotent_request is None:
        return
    parameters = {"user_id": str(user_id), "key": _parsed(idempotent_request.key), "digest": idempotent_request.digest}
    claimed = fetch(db, _CLAIM, parameters)
    idempotent_request.user_id = user_id
    if claimed:
        idempotent_request.claimed_in = db
        return
    rows = fetch(db, _FIND_ANSWER, parameters)
    if not rows:
        raise StillRunning(STILL_RUNNING)
    [(digest, status, sealed)] = rows
    if not hmac.compare_digest(digest, idempotent_request.digest):
        raise KeyReused(KEY_REUSED)
    idempotent_request.replay = Replay(
        status, _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(idempotent_request))
    )


def raise_replay(request: Request) -> None:
    """Raises Replay when the request was answered before."""
    if (idempotent_request := find_idempotent_request(request)) is not None and idempotent_request.replay is not None:
        raise idempotent_request.replay


def store_answer(idempotent_request: IdempotentRequest, db: Session, status: int, body: bytes) -> None:
    """Stores the answer in the transaction of the change."""
    idempotent_request.claimed_in = None
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + _cipher().encrypt(nonce, body, _bound_to(idempotent_request))
    db.execute(
        _STORE_ANSWER,
        {
            "status": status,
            "sealed": sealed,
            "user_id": idempotent_request.user_id,
            "key": _parsed(idempotent_request.key),
        },
    )


def _parsed(key: str) -> uuid.UUID:
    try:
        return uuid.UUID(key)
    except ValueError:
        raise Invalid.at_field(HEADER, INVALID_KEY) from None


def _cipher() -> AESGCM:
    return AESGCM(settings().derived_key(b"answers"))


def _bound_to(idempotent_request: IdempotentRequest) -> bytes:
    return f"{idempotent_request.user_id} {_parsed(idempotent_request.key)}".encode()


async def _digest(request: Request) -> bytes:
    request_bytes = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return hmac.new(settings().derived_key(b"what was asked"), request_bytes, hashlib.sha256).digest()


Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def with_idempotency(handle: Handler) -> Handler:
    """The handler of an idempotent route, inside its transaction."""

    async def handler(request: Request) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return await handle(request)
        idempotent_request = request.state.idempotent_request = IdempotentRequest(key, await _digest(request))
        try:
            response = await handle(request)
        except Replay as replay:
            return replay.response()
        if idempotent_request.claimed_in is not None:
            # Before the commit, which follows when this has returned.
            session, body = idempotent_request.claimed_in, bytes(response.body)
            store_answer(idempotent_request, session, response.status_code, body)
        return response

    return handler


def claims_by_itself(endpoint: Endpoint) -> Endpoint:
    """Marks a route that claims its key through `idempotent_transaction`."""
    endpoint.claims = True  # type: ignore[attr-defined]
    return endpoint


def is_idempotent(route: BaseRoute) -> bool:
    """Whether the route honours idempotency keys: a POST that authenticates by a session."""
    return isinstance(route, APIRoute) and "POST" in (route.methods or ()) and _claims(route.dependant)


def _claims(dependant: Dependant) -> bool:
    return getattr(dependant.call, "claims", False) or any(map(_claims, dependant.dependencies))


def describe(operation: dict[str, Any]) -> None:
    """Adds the header to an operation of the OpenAPI document."""
    operation.setdefault("parameters", []).append(
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "format": "uuid"},
            "description": "The sender's own name for this request: a repeat under it is answered like the first.",
        }
    )
