"""Webhooks as vendors send them, signed with the vendors' own SDKs where there are any."""

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
SignedRequest = tuple[str, bytes, dict[str, str]]


def stripe_webhook(event: dict[str, Any], secret: str = STRIPE, seconds: int = 0) -> SignedRequest:
    body = json.dumps(event, ensure_ascii=False, indent=2)
    signature = stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time()) + seconds)
    return f"{PATH}/stripe", body.encode(), {"Stripe-Signature": str(signature)}


def twilio_webhook(fields: dict[str, str], public_url: str, effect: str = "", token: str = TOKEN) -> SignedRequest:
    """`public_url`: the address that Twilio was given."""
    path = f"{PATH}/twilio" + (f"?{urlencode({'effect': effect})}" if effect else "")
    signature = RequestValidator(token).compute_signature(f"{public_url}{path}", fields)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return path, urlencode(fields).encode(), form | {"X-Twilio-Signature": str(signature)}


def bland_webhook(details: dict[str, Any], secret: str = BLAND) -> SignedRequest:
    body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"{PATH}/bland", body, {"X-Webhook-Signature": signature}


def stripe_event(kind: str = "checkout.session.completed", event_id: str = "evt_1", **fields: Any) -> dict[str, Any]:
    return {"id": event_id, "object": "event", "type": kind, "data": {"object": {"id": "cs_1"} | fields}}


def sms_fields(status: str = "delivered", sid: str = "SM1", **fields: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": status, "To": "+819012345678", "AccountSid": "AC1"} | fields
