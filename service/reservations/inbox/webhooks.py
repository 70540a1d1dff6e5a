"""Where vendors tell us things: signed, kept once, answered at once. What follows from it is a job's.

The signature is over the bytes as they come, so they are read before anything else; while they trickle in, neither a
connection nor a thread is held. What is not the vendor's changes nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.requests import ClientDisconnect

from service.core.brief import brief
from service.core.clock import real_now
from service.core.db import SYSTEM
from service.core.pages import shell
from service.core.problems import RESPONSES, Forbidden, Malformed, TooLarge, TooSlow
from service.core.settings import settings
from service.reservations.inbox import actions
from service.reservations.inbox.rules import MOST_BYTES, Provider, Told, Unreadable, of_bland, of_stripe, of_twilio
from service.reservations.signatures.rules import is_blands, is_stripes, is_twilios

PATH = "/api/reservations/webhooks/"
LONGEST_SECONDS = 20
router = APIRouter(
    prefix=PATH.rstrip("/"),
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 403, 408, 413, 422, 503)},
)

log = structlog.get_logger()


async def _bytes(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
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
    """Events of Stripe: the signature is the key."""
    secrets = [secret.strip() for secret in settings().stripe_webhook_secrets.get_secret_value().split(",")]
    _refuse_unless("stripe", is_stripes(stripe_signature, body, secrets, real_now()))
    return await _kept(request, _read("stripe", partial(of_stripe, body)))


@router.post("/twilio", status_code=204)
async def twilio(
    request: Request,
    body: Body,
    x_twilio_signature: Signature = "",
    effect: Annotated[str, Query()] = "",
) -> Response:
    """What became of an SMS: the signature is the key. `effect` is the message's own."""
    asked = f"?{request.url.query}" if request.url.query else ""
    # As we gave it to Twilio: behind a proxy the request itself has another one.
    url = f"{shell.address()}{PATH}twilio{asked}"
    token = settings().twilio_auth_token.get_secret_value()
    _refuse_unless("twilio", is_twilios(x_twilio_signature, url, body, token))
    return await _kept(request, _read("twilio", partial(of_twilio, body, effect)))


@router.post("/bland", status_code=204)
async def bland(request: Request, body: Body, x_webhook_signature: Signature = "") -> Response:
    """A call's details when it is over: the signature is the key."""
    secret = settings().bland_webhook_secret.get_secret_value()
    _refuse_unless("bland", is_blands(x_webhook_signature, body, secret))
    return await _kept(request, _read("bland", partial(of_bland, body)))


def _refuse_unless(provider: Provider, is_theirs: bool) -> None:
    if not is_theirs:
        log.warning("webhook refused: wrong signature", provider=provider)
        raise Forbidden("Webhookの署名が正しくありません。")


def _read(provider: Provider, read: partial[Told]) -> Told:
    try:
        return read()
    except Unreadable:
        log.warning("webhook refused: unreadable", provider=provider)
        raise Malformed("Webhookの本文を読み取れません。") from None


async def _kept(request: Request, told: Told) -> Response:
    is_new = await brief(request, SYSTEM, partial(actions.keep, told=told))
    log.info("webhook kept" if is_new else "webhook known already", provider=told.provider, kind=told.kind)
    return Response(status_code=204)
