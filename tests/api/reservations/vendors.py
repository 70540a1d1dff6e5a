"""Webhooks as vendors send them: signed by their own SDKs where there is one."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import stripe
from twilio.request_validator import RequestValidator

PATH = "/api/reservations/webhooks"
TOKEN, BLAND, STRIPE = "twilio-token-of-tests", "bland-secret-of-tests", "whsec_of_tests"
Sent = tuple[str, bytes, dict[str, str]]


def of_stripe(event: dict[str, Any], secret: str = STRIPE, seconds: int = 0) -> Sent:
    body = json.dumps(event, ensure_ascii=False, indent=2)
    signed = stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time()) + seconds)
    return f"{PATH}/stripe", body.encode(), {"Stripe-Signature": str(signed)}


def of_twilio(fields: dict[str, str], public: str, effect: str = "", token: str = TOKEN) -> Sent:
    """`public`: the address that Twilio was given."""
    path = f"{PATH}/twilio" + (f"?{urlencode({'effect': effect})}" if effect else "")
    signed = RequestValidator(token).compute_signature(f"{public}{path}", fields)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return path, urlencode(fields).encode(), form | {"X-Twilio-Signature": str(signed)}


def of_bland(details: dict[str, Any], secret: str = BLAND) -> Sent:
    body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
    signed = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"{PATH}/bland", body, {"X-Webhook-Signature": signed}


def stripe_event(kind: str = "checkout.session.completed", event_id: str = "evt_1", **about: Any) -> dict[str, Any]:
    return {"id": event_id, "object": "event", "type": kind, "data": {"object": {"id": "cs_1"} | about}}


def sms_fields(status: str = "delivered", sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": status, "To": "+819012345678", "AccountSid": "AC1"} | more
