"""Webhook routes of the vendors: the signature is verified, the body is stored once, the answer is immediate. A job
processes it.

The signature covers the raw bytes, so they are read first; while they arrive slowly, no database connection and no
thread is held. A webhook with a wrong signature changes nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.requests import ClientDisconnect

from service.core.database.clock import real_now
from service.core.database.session import SYSTEM
from service.core.http.problem_responses import RESPONSES
from service.core.outbox import MESSAGE_KEY
from service.core.pages import shell
from service.core.problems import Forbidden, Malformed, TooLarge, TooSlow
from service.core.routing.short_transactions import short_transaction
from service.core.settings import settings
from service.reservations.inbox import actions
from service.reservations.inbox.rules import (
    MAX_BYTES,
    Provider,
    Unreadable,
    WebhookEvent,
    parse_bland_webhook,
    parse_stripe_webhook,
    parse_twilio_webhook,
)
from service.reservations.inbox.signatures import is_bland_signature, is_stripe_signature, is_twilio_signature

PATH = "/api/reservations/webhooks/"
MAX_SECONDS = 20
router = APIRouter(
    prefix=PATH.rstrip("/"),
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 403, 408, 413, 422, 503)},
)

log = structlog.get_logger()


async def _bytes(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise TooLarge("Webhookの本文が大きすぎます。")
    except TimeoutError:
        raise TooSlow("Webhookの本文が届かなくなりました。") from None
    except ClientDisconnect:
        raise Malformed("Webhookの本文が途中で切れました。") from None
    return bytes(body)


Body = Annotated[bytes, Depends(_bytes)]
Signature = Annotated[str, Header()]


@router.post("/stripe", status_code=204)
async def stripe(request: Request, body: Body, stripe_signature: Signature = "") -> Response:
    """Events of Stripe, authorised by their signature."""
    secrets = [secret.strip() for secret in settings().stripe_webhook_secrets.get_secret_value().split(",")]
    _require_signature("stripe", is_stripe_signature(stripe_signature, body, secrets, real_now()))
    return await _store(request, _parse("stripe", partial(parse_stripe_webhook, body)))


@router.post("/twilio", status_code=204)
async def twilio(
    request: Request,
    body: Body,
    x_twilio_signature: Signature = "",
    message_key: Annotated[str, Query(alias=MESSAGE_KEY)] = "",
) -> Response:
    """The delivery status of an SMS, authorised by its signature. `effect`: the key of the message in the outbox."""
    query = f"?{request.url.query}" if request.url.query else ""
    # The URL that we gave to Twilio: behind a proxy the request has another one.
    url = f"{shell.address()}{PATH}twilio{query}"
    token = settings().twilio_auth_token.get_secret_value()
    _require_signature("twilio", is_twilio_signature(x_twilio_signature, url, body, token))
    return await _store(request, _parse("twilio", partial(parse_twilio_webhook, body, message_key)))


@router.post("/bland", status_code=204)
async def bland(request: Request, body: Body, x_webhook_signature: Signature = "") -> Response:
    """A call's details when it is over, authorised by the signature."""
    secret = settings().bland_webhook_secret.get_secret_value()
    _require_signature("bland", is_bland_signature(x_webhook_signature, body, secret))
    return await _store(request, _parse("bland", partial(parse_bland_webhook, body)))


def _require_signature(provider: Provider, is_valid: bool) -> None:
    if not is_valid:
        log.warning("webhook refused: wrong signature", provider=provider)
        raise Forbidden("Webhookの署名が正しくありません。")


def _parse(provider: Provider, parse: partial[WebhookEvent]) -> WebhookEvent:
    try:
        return parse()
    except Unreadable:
        log.warning("webhook refused: unreadable", provider=provider)
        raise Malformed("Webhookの本文を読み取れません。") from None


async def _store(request: Request, event: WebhookEvent) -> Response:
    is_new = await short_transaction(request, SYSTEM, partial(actions.store_webhook, event=event))
    log.info("webhook kept" if is_new else "webhook known already", provider=event.provider, kind=event.kind)
    return Response(status_code=204)
