"""Stripe's objects and how they change: sessions, payment intents, refunds, disputes, events.

Every change happens without an await, so a session can never be both paid and expired.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from typing import Any

from sandbox.scripts import ANY_PHONE
from sandbox.services import SandboxServices
from sandbox.vendor_objects import VendorObjects

API_VERSION = "2026-10-28.endive"
WEBHOOK = "webhook"
EVENT_TYPES = (
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
)
MIN_SESSION_SECONDS, MAX_SESSION_SECONDS = 30 * 60, 24 * 3600
MIN_YEN = 50


class StripeRequestError(Exception):
    """A request that Stripe refuses."""

    def __init__(self, message: str, param: str = "", code: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": message}
        if param:
            self.error["param"] = param
        if code:
            self.error |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}


class Payments:
    name = "stripe"

    def __init__(self, services: SandboxServices) -> None:
        self._services = services
        self.objects = VendorObjects(services.store, self.name)

    # Sessions

    def create_session(self, parameters: Mapping[str, Any], base_url: str, hold: bool) -> dict[str, Any]:
        now = int(self._services.clock.now())
        amount, description = _total_and_description(parameters)
        # Checked with the vendors' clock; the caller's clock may differ.
        expires_at = _parse_integer(parameters.get("expires_at", now + MAX_SESSION_SECONDS), "expires_at")
        if expires_at < now + MIN_SESSION_SECONDS:
            message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
            raise StripeRequestError(message, "expires_at")
        if expires_at > now + MAX_SESSION_SECONDS:
            message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
            raise StripeRequestError(message, "expires_at")
        session_id = _new_id("cs_test_", 58)
        session = self._session(session_id, parameters, amount, now, expires_at, base_url)
        record = self._session_record(session, description, parameters.get("payment_intent_data") or {})
        self.objects.add("session", session_id, record)
        content = {"kind": "session", "id": session_id}
        search_text = f"{description} {session_id} {json.dumps(session['metadata'], ensure_ascii=False)}"
        identity = str(session["metadata"].get("effect") or session_id)
        self._services.store.add_message(self.name, identity, content, search_text, hold=hold)
        self._services.scheduler.add(self.name, expires_at, "expire", session_id)
        return session

    def import_payment(self, payment: Mapping[str, Any], base_url: str) -> None:
        """A session from before the sandbox existed: `id`, `amount`, `name`, `created` and `expires_at` (seconds),
        `success_url`, `cancel_url`, `metadata`, and `intent` when it is paid. An existing session stays as it is."""
        session_id, intent_id = str(payment["id"]), payment.get("intent")
        if self.objects.get("session", session_id) is not None:
            return
        session = self._session(
            session_id, payment, payment["amount"], payment["created"], payment["expires_at"], base_url
        )
        record = self._session_record(session, str(payment["name"]), {"metadata": payment["metadata"]})
        self.objects.add("session", session_id, record)
        if intent_id is None:
            self._services.scheduler.add(self.name, payment["expires_at"], "expire", session_id)
            return
        intent = self._intent(record, str(intent_id))
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": _new_id("ch_", 24)}
        self.objects.update("payment_intent", intent["id"], intent)
        session |= {"status": "complete", "payment_status": "paid", "url": None}
        self.objects.update("session", session_id, record)

    def _session(
        self, session_id: str, parameters: Mapping[str, Any], amount: int, now: int, expires_at: int, base_url: str
    ) -> dict[str, Any]:
        return {
            "id": session_id,
            "object": "checkout.session",
            "after_expiration": None,
            "allow_promotion_codes": None,
            "allowed_payment_method_types": parameters.get("allowed_payment_method_types"),
            "amount_subtotal": amount,
            "amount_total": amount,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": parameters.get("cancel_url"),
            "client_reference_id": parameters.get("client_reference_id"),
            "client_secret": None,
            "consent": None,
            "created": now,
            "currency": "jpy",
            "custom_fields": [],
            "customer": None,
            "customer_creation": "if_required",
            "customer_details": None,
            "customer_email": parameters.get("customer_email"),
            "discounts": [],
            "expires_at": expires_at,
            "invoice": None,
            "livemode": False,
            "locale": parameters.get("locale"),
            "metadata": _metadata(parameters),
            "mode": "payment",
            # Like Stripe: created at the first attempt to pay, not before.
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_types": parameters.get("allowed_payment_method_types") or ["card"],
            "payment_status": "unpaid",
            "recovered_from": None,
            "setup_intent": None,
            "status": "open",
            "submit_type": None,
            "subscription": None,
            "success_url": parameters["success_url"],
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{base_url}/checkout/c/pay/{session_id}",
        }

    def _session_record(
        self, session: dict[str, Any], description: str, intent_data: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "session": session,
            "description": description,
            "intent_data": intent_data,
            "declined": 0,
            "history": [{"at": self._services.clock.now(), "status": "open"}],
        }

    def session(self, session_id: str) -> dict[str, Any]:
        """The stored record. An open session past its time is expired first."""
        record = self.objects.get("session", session_id)
        if record is None:
            raise StripeRequestError(f"No such checkout.session: '{session_id}'", "session", "resource_missing", 404)
        if record["session"]["status"] == "open" and self._services.clock.now() >= record["session"]["expires_at"]:
            self._expire(record)
        return record

    def expire(self, session_id: str) -> dict[str, Any]:
        record = self.session(session_id)
        status = record["session"]["status"]
        if status != "open":
            raise StripeRequestError(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of `{status}`."
            )
        self._expire(record)
        return dict(record["session"])

    def _expire(self, record: dict[str, Any]) -> None:
        record["session"] |= {"status": "expired", "url": None}
        self._save_session(record, "expired", "決済ページの期限が切れた")
        self.send_event("checkout.session.expired", record["session"])

    def pay(self, session_id: str, card: str = "ok") -> dict[str, Any]:
        """The customer presses 支払う. Returns whether it was paid, the reason if not, and the session."""
        record = self.session(session_id)
        session = record["session"]
        if session["status"] != "open":
            return {"paid": False, "reason": session["status"], "session": session}
        intent = self._intent(record)
        if card != "ok":
            card_error = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
            intent["last_payment_error"] = card_error | {"message": "Your card was declined."}
            self.objects.update("payment_intent", intent["id"], intent)
            record["declined"] += 1
            self._save_session(record, "declined", "カードが拒否された")
            self.send_event("payment_intent.payment_failed", intent)
            return {"paid": False, "reason": "card_declined", "session": session}
        charge_id = _new_id("ch_", 24)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge_id,
            "last_payment_error": None,
            "payment_method": _new_id("pm_", 24),
        }
        self.objects.update("payment_intent", intent["id"], intent)
        email = session["customer_email"] or "guest@example.com"
        details = {"address": None, "email": email, "name": "テスト 太郎", "phone": None, "tax_exempt": "none"}
        session |= {"status": "complete", "payment_status": "paid", "url": None, "customer_details": details}
        self._save_session(record, "complete", f"¥{session['amount_total']:,}が支払われた")
        self._services.scheduler.cancel(self.name, session_id)
        self.send_event("payment_intent.succeeded", intent)
        self.send_event("checkout.session.completed", session)
        return {"paid": True, "reason": "", "session": session}

    def _intent(self, record: dict[str, Any], intent_id: str = "") -> dict[str, Any]:
        """The session's payment intent, created at the first attempt to pay."""
        session = record["session"]
        if session["payment_intent"]:
            return self.intent(session["payment_intent"])
        intent_id = intent_id or _new_id("pi_", 24)
        intent = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": session["amount_total"],
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
            "confirmation_method": "automatic",
            "created": int(self._services.clock.now()),
            "currency": "jpy",
            "customer": None,
            "description": record["intent_data"].get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": _metadata(record["intent_data"]),
            "next_action": None,
            "payment_method": None,
            "payment_method_types": session["payment_method_types"],
            "processing": None,
            "receipt_email": record["intent_data"].get("receipt_email"),
            "status": "requires_payment_method",
        }
        self.objects.add("payment_intent", intent_id, intent, session["id"])
        session["payment_intent"] = intent_id
        return intent

    def intent(self, intent_id: str) -> dict[str, Any]:
        intent = self.objects.get("payment_intent", intent_id)
        if intent is None:
            raise StripeRequestError(f"No such payment_intent: '{intent_id}'", "intent", "resource_missing", 404)
        return intent

    def _save_session(self, record: dict[str, Any], status: str, action: str) -> None:
        session = record["session"]
        record["history"].append({"at": self._services.clock.now(), "status": status})
        self.objects.update("session", session["id"], record)
        metadata = session["metadata"]
        request = {
            "session_id": session["id"],
            "status": session["status"],
            "payment_intent": session["payment_intent"],
        }
        self._services.store.add_log_entry(self.name, "session", request | {"metadata": metadata}, [], [action], "－")

    # Refunds

    def create_refund(self, parameters: Mapping[str, Any], hold: bool) -> dict[str, Any]:
        intent_id = parameters.get("payment_intent")
        if not intent_id:
            message = "One of the following params should be provided for this request: payment_intent or charge."
            raise StripeRequestError(message)
        intent = self.objects.get("payment_intent", str(intent_id))
        if intent is None:
            raise StripeRequestError(
                f"No such payment_intent: '{intent_id}'", "payment_intent", "resource_missing", 404
            )
        if intent["status"] != "succeeded":
            raise StripeRequestError(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
        refundable = intent["amount"] - self._refunded(intent["id"])
        amount = _parse_integer(parameters.get("amount", refundable), "amount")
        if refundable <= 0:
            charge = intent["latest_charge"]
            raise StripeRequestError(f"Charge {charge} has already been refunded.", "", "charge_already_refunded")
        if amount > refundable:
            raise StripeRequestError(
                f"Refund amount (¥{amount:,}) is greater than unrefunded amount on charge (¥{refundable:,})", "amount"
            )
        if amount <= 0:
            raise StripeRequestError("Invalid positive integer", "amount", "parameter_invalid_integer")
        reason = parameters.get("reason")
        if reason not in (None, "duplicate", "fraudulent", "requested_by_customer"):
            raise StripeRequestError(
                "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer", "reason"
            )
        answer = self._services.scripts.take_next("refund", ANY_PHONE)
        refund_id = _new_id("re_", 24)
        refund = {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": _new_id("txn_", 24),
            "charge": intent["latest_charge"],
            "created": int(self._services.clock.now()),
            "currency": "jpy",
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": _metadata(parameters),
            "payment_intent": intent["id"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded" if answer.kind in ("at_once", "fails_later") else "pending",
            "transfer_reversal": None,
        }
        history = [{"at": self._services.clock.now(), "status": refund["status"]}]
        self.objects.add("refund", refund_id, {"refund": refund, "history": history}, intent["id"])
        identity = str(refund["metadata"].get("effect") or refund_id)
        content = {"kind": "refund", "id": refund_id}
        self._services.store.add_message(self.name, identity, content, f"返金 {refund_id} {intent['id']}", hold=hold)
        self.send_event("refund.created", refund)
        final_steps = {"succeeded": "refund.succeeded", "failed": "refund.failed", "fails_later": "refund.failed"}
        if answer.kind in final_steps:
            seconds = self._services.pace.refund if answer.seconds is None else answer.seconds
            self._services.scheduler.add(
                self.name, self._services.clock.now() + seconds, final_steps[answer.kind], refund_id
            )
        return refund

    def refund(self, refund_id: str) -> dict[str, Any]:
        record = self.objects.get("refund", refund_id)
        if record is None:
            raise StripeRequestError(f"No such refund: '{refund_id}'", "id", "resource_missing", 404)
        return dict(record["refund"])

    def _refunded(self, intent_id: str) -> int:
        refunds = [record["refund"] for record in self.objects.newest("refund", intent_id)]
        return sum(refund["amount"] for refund in refunds if refund["status"] != "failed")

    def _finish_refund(self, refund_id: str, status: str) -> None:
        record = self.objects.get("refund", refund_id)
        if record is None or record["refund"]["status"] == "failed":
            return
        refund = record["refund"]
        refund["status"] = status
        record["history"].append({"at": self._services.clock.now(), "status": status})
        if status == "failed":
            refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": _new_id("txn_", 24)}
        self.objects.update("refund", refund_id, record)
        request = {name: refund[name] for name in ("id", "payment_intent", "amount", "status", "metadata")}
        action = "返金された" if status == "succeeded" else "返金に失敗した"
        self._services.store.add_log_entry(self.name, "refund", request, [], [action], "－")
        self.send_event("refund.updated", refund)
        if status == "failed":
            self.send_event("refund.failed", refund)

    # Changes that do not come through the API

    def dispute(self, intent_id: str, reason: str) -> dict[str, Any]:
        intent = self.intent(intent_id)
        if not intent["latest_charge"]:
            raise StripeRequestError("Nothing was paid.")
        now = int(self._services.clock.now())
        dispute: dict[str, Any] = {
            "id": _new_id("du_", 24),
            "object": "dispute",
            "amount": intent["amount"],
            "balance_transactions": [],
            "charge": intent["latest_charge"],
            "created": now,
            "currency": "jpy",
            "evidence": {},
            "evidence_details": {
                "due_by": now + 7 * 86_400,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": intent_id,
            "reason": reason,
            "status": "needs_response",
        }
        self.objects.add("dispute", dispute["id"], dispute, intent_id)
        request = {"id": dispute["id"], "payment_intent": intent_id}
        self._services.store.add_log_entry(self.name, "dispute", request, [], ["異議申し立てがあった"], "－")
        self.send_event("charge.dispute.created", dispute)
        return dispute

    def run_step(self, step: str, object_id: str) -> None:
        if step == "expire":
            if self.objects.get("session", object_id):
                # Reading it expires it.
                self.session(object_id)
        else:
            self._finish_refund(object_id, step.removeprefix("refund."))

    def send_event(self, event_type: str, api_object: Mapping[str, Any]) -> None:
        event: dict[str, Any] = {
            "id": _new_id("evt_", 24),
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self._services.clock.now()),
            "data": {"object": api_object},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": event_type,
        }
        self.objects.add("event", event["id"], event)
        url = self._services.targets.url(self.name)
        if url:
            # Formatted like Stripe's. The signature covers exactly these bytes.
            body = json.dumps(event, ensure_ascii=False, indent=2).encode()
            self._services.webhooks.enqueue(self.name, f"{WEBHOOK}:{event_type}", url, body)

    # For tests and pages, oldest first

    def sessions(self) -> list[dict[str, Any]]:
        records = reversed(self.objects.newest("session"))
        return [
            record["session"] | {name: record[name] for name in ("description", "declined", "history")}
            for record in records
        ]

    def refunds(self) -> list[dict[str, Any]]:
        return [record["refund"] | {"history": record["history"]} for record in reversed(self.objects.newest("refund"))]


def _total_and_description(parameters: Mapping[str, Any]) -> tuple[int, str]:
    """The amount to pay, and the description of what it is for."""
    if parameters.get("mode") != "payment":
        raise StripeRequestError("The sandbox takes sessions of mode `payment` only.", "mode")
    if not parameters.get("success_url"):
        raise StripeRequestError("Missing required param: success_url.", "success_url", "parameter_missing")
    lines = parameters.get("line_items")
    if not isinstance(lines, list) or not lines:
        raise StripeRequestError("Missing required param: line_items.", "line_items", "parameter_missing")
    total, names = 0, []
    for number, line in enumerate(lines):
        price = line.get("price_data") or {}
        path = f"line_items[{number}]"
        if price.get("currency") != "jpy":
            raise StripeRequestError(f"Invalid currency: {price.get('currency')}", f"{path}[price_data][currency]")
        name = (price.get("product_data") or {}).get("name")
        if not name:
            param = f"{path}[price_data][product_data][name]"
            raise StripeRequestError(f"Missing required param: {param}.", param, "parameter_missing")
        amount = _parse_integer(price.get("unit_amount", ""), f"{path}[price_data][unit_amount]")
        total += amount * _parse_integer(line.get("quantity", 1), f"{path}[quantity]")
        names.append(str(name))
    if total < MIN_YEN:
        message = f"The Checkout Session's total amount due must add up to at least ¥{MIN_YEN} jpy"
        raise StripeRequestError(message, "", "amount_too_small")
    return total, "、".join(names)


def _metadata(parameters: Mapping[str, Any]) -> dict[str, str]:
    metadata = parameters.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise StripeRequestError("Invalid object", "metadata")
    if len(metadata) > 50 or any(len(name) > 40 or len(str(value)) > 500 for name, value in metadata.items()):
        message = "Metadata can have up to 50 keys, with key names up to 40 characters and values up to 500 characters."
        raise StripeRequestError(message, "metadata")
    return {str(name): str(value) for name, value in metadata.items()}


def _parse_integer(value: Any, param: str) -> int:
    """Yen have no decimals, and no other number here has any."""
    try:
        return int(str(value))
    except ValueError:
        raise StripeRequestError(f"Invalid integer: {value}", param, "parameter_invalid_integer") from None


def _new_id(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
