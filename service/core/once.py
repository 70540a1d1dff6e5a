"""A request that is sent again is answered as it was answered first, and what it does is done once.

Whoever posts may name the request: `Idempotency-Key`, a UUID of their own making. The name is claimed in the request's
own transaction, and the answer is kept in it, so that a change is committed with its answer or not at all. A twin that
comes meanwhile waits at the claim. A refusal ends the transaction and the claim with it: it is no answer to keep.

Doors that know the person by a session have it by themselves (`auth.Recognised` claims, `install` keeps); those that
work in transactions of their own ask for it by `brief_once`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, request_response
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column
from starlette.responses import Response
from starlette.routing import BaseRoute

from service.core.db import Base, fetch, in_a_thread
from service.core.problems import Invalid, Unavailable
from service.core.settings import settings

HEADER = "Idempotency-Key"
# Says that an answer was given before.
REPEATED = "Idempotent-Replayed"
# Long enough for whoever comes back the day after.
KEPT = timedelta(hours=48)

NOT_A_KEY = "送信番号（Idempotency-Key）はUUIDで指定してください。"
STILL_RUNNING = "同じ送信をまだ処理しています。しばらく待ってから、もう一度お試しください。"
SENT_BEFORE = (
    "前回の送信は、応答が届きませんでしたが、すでに保存されています。今回の内容は前回と違うため、まだ保存していません。"
    "保存された内容を確かめて、それとは別に送る場合は、もう一度送信してください。"
)
_NONCE_BYTES = 12


class SentBefore(Invalid):
    """Something else was stored under this key. Known by its type, so that a form can take another key."""

    title, type = "前回の送信はすでに保存されています", "urn:genba:sent-before"


class Answer(Base):
    """What a person was answered under a key. While the request is at work nobody but itself sees the row."""

    __tablename__ = "answers"
    __table_args__ = (
        CheckConstraint("(status IS NULL) = (sealed IS NULL)", name="sealed"),
        Index("ix_answers_created_at", "created_at"),
    )

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # Path and body, keyed: a body may be a password, which could be guessed from a plain digest.
    request: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    # The body: it may be what is shown once, such as a one-time password.
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Repeat(Exception):
    """Not a failure: the answer is there already."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body

    def response(self) -> Response:
        headers = {REPEATED: "true", "Cache-Control": "no-store"}
        return Response(self.body, self.status, headers, "application/json" if self.body else None)


@dataclass
class Once:
    """A request with a key; `claimed_in` is the transaction that does its work."""

    key: str
    digest: bytes
    claimed_in: Session | None = None
    user_id: int = 0
    repeat: Repeat | None = None


def of(request: Request) -> Once | None:
    found: Once | None = getattr(request.state, "once", None)
    return found


# Row-level security asks whose rows they are, and the same statement says so: a row is made before it is looked at.
_CLAIM = """
    INSERT INTO answers (user_id, key, request)
    SELECT set_config('genba.person', %(user_id)s, true)::bigint, %(key)s, %(digest)s
    ON CONFLICT DO NOTHING RETURNING user_id
"""
_FIND = "SELECT request, status, sealed FROM answers WHERE user_id = %(user_id)s AND key = %(key)s"
_KEEP = text("UPDATE answers SET status = :status, sealed = :sealed WHERE user_id = :user_id AND key = :key")


def claim(request: Request, db: Session, user_id: int) -> None:
    """Takes the key for this transaction. Has it been answered before, the answer is noted, and given by
    `answer_repeat` once it is clear that the person may still ask. Raises Invalid, SentBefore, Unavailable."""
    once = of(request)
    if once is None:
        return
    named = {"user_id": str(user_id), "key": _parsed(once.key), "digest": once.digest}
    try:
        claimed = fetch(db, _CLAIM, named)
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.QueryCanceled):  # it waited as long as a statement may
            raise Unavailable(STILL_RUNNING) from None
        raise
    once.user_id = user_id
    if claimed:
        once.claimed_in = db
        return
    # A statement of its own: it sees what the twin has committed while the claim waited for it.
    found = fetch(db, _FIND, named)
    if not found:  # swept away between the two
        raise Unavailable(STILL_RUNNING)
    [(digest, status, sealed)] = found
    if not hmac.compare_digest(digest, once.digest):
        raise SentBefore(SENT_BEFORE)
    once.repeat = Repeat(status, _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(once)))


def answer_repeat(request: Request) -> None:
    """Raises Repeat when the request was answered before."""
    if (once := of(request)) is not None and once.repeat is not None:
        raise once.repeat


def keep(once: Once, db: Session, status: int, body: bytes) -> None:
    """The answer, with what is committed now."""
    once.claimed_in = None
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + _cipher().encrypt(nonce, body, _bound_to(once))
    db.execute(_KEEP, {"status": status, "sealed": sealed, "user_id": once.user_id, "key": _parsed(once.key)})


def _parsed(key: str) -> uuid.UUID:
    try:
        return uuid.UUID(key)
    except ValueError:
        raise Invalid(NOT_A_KEY, [(HEADER, NOT_A_KEY)]) from None


def _secret(purpose: bytes) -> bytes:
    return hmac.new(settings().secret_key.get_secret_value().encode(), purpose, hashlib.sha256).digest()


def _cipher() -> AESGCM:
    return AESGCM(_secret(b"answers"))


def _bound_to(once: Once) -> bytes:
    return f"{once.user_id} {_parsed(once.key)}".encode()


async def _digest(request: Request) -> bytes:
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return hmac.new(_secret(b"what was asked"), said, hashlib.sha256).digest()


Handler = Callable[[Request], Awaitable[Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def _once(answered: Handler) -> Handler:
    async def handler(request: Request) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return await answered(request)
        once = request.state.once = Once(key, await _digest(request))
        try:
            response = await answered(request)
        except Repeat as repeat:
            return repeat.response()
        if once.claimed_in is not None:
            # Before the transaction is committed, which happens once this has returned.
            await in_a_thread(keep, once, once.claimed_in, response.status_code, bytes(response.body))
        return response

    return handler


def by_itself(endpoint: Endpoint) -> Endpoint:
    """Marks a route that claims by `brief_once`."""
    endpoint.claims = True  # type: ignore[attr-defined]
    return endpoint


def remembers(route: BaseRoute) -> bool:
    """Whether a repeat of what is posted here is known: where a session says who is there."""
    return isinstance(route, APIRoute) and "POST" in (route.methods or ()) and _claims(route.dependant)


def _claims(dependant: Dependant) -> bool:
    return getattr(dependant.call, "claims", False) or any(map(_claims, dependant.dependencies))


def install(routes: Iterable[BaseRoute]) -> None:
    """Around each such route, inside the transaction that its dependencies keep open."""
    for route in routes:
        if isinstance(route, APIRoute) and remembers(route):
            route.app = request_response(_once(route.get_route_handler()))


def describe(operation: dict[str, Any]) -> None:
    """In the OpenAPI document."""
    operation.setdefault("parameters", []).append(
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "format": "uuid"},
            "description": "The sender's own name for this request: a repeat under it is answered like the first.",
        }
    )
