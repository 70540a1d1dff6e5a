"""Stripe's objects and what may become of them: sessions, payment intents, refunds, disputes, events.

Everything here happens at once, under no await: paying and expiring a session can never both win.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from typing import Any

from tests.sandbox.house import House
from tests.sandbox.scripts import ANYBODY
from tests.sandbox.things import Things

VERSION = "2026-10-28.endive"
WEBHOOK = "webhook"
EVENTS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
)
SHORTEST, LONGEST = 30 * 60, 24 * 3600
LEAST_YEN = 50


class Refused(Exception):
    """A request that Stripe says no to."""

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

    def __init__(self, house: House) -> None:
        self._house = house
        self.things = Things(house.store, self.name)

    # Sessions

    def create_session(self, given: Mapping[str, Any], base_url: str, hold: bool) -> dict[str, Any]:
        now = int(self._house.clock.now())
        amount, description = _priced(given)
        # The account has the right time, whoever asks may not: what is said is what is checked.
        expires_at = _whole(given.get("expires_at", now + LONGEST), "expires_at")
        if expires_at < now + SHORTEST:
            words = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
            raise Refused(words, "expires_at")
        if expires_at > now + LONGEST:
            words = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
            raise Refused(words, "expires_at")
        session_id = _id("cs_test_", 58)
        session = self._session(session_id, given, amount, now, expires_at, base_url)
        kept = self._kept(session, description, given.get("payment_intent_data") or {})
        self.things.add("session", session_id, kept)
        shown = {"kind": "session", "id": session_id}
        words = f"{description} {session_id} {json.dumps(session['metadata'], ensure_ascii=False)}"
        identity = str(session["metadata"].get("effect") or session_id)
        self._house.store.add(self.name, identity, shown, words, hold=hold)
        self._house.agenda.add(self.name, expires_at, "expire", session_id)
        return session

    def remember(self, told: Mapping[str, Any], base_url: str) -> None:
        """A session from before there was a sandbox: `id`, `amount`, `name`, `created` and `expires_at` (seconds),
        `success_url`, `cancel_url`, `metadata`, and `intent` when it is paid. One that is known stays as it is."""
        session_id, intent_id = str(told["id"]), told.get("intent")
        if self.things.get("session", session_id) is not None:
            return
        session = self._session(session_id, told, told["amount"], told["created"], told["expires_at"], base_url)
        kept = self._kept(session, str(told["name"]), {"metadata": told["metadata"]})
        self.things.add("session", session_id, kept)
        if intent_id is None:
            self._house.agenda.add(self.name, told["expires_at"], "expire", session_id)
            return
        intent = self._intent(kept, str(intent_id))
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": _id("ch_", 24)}
        self.things.put("payment_intent", intent["id"], intent)
        session |= {"status": "complete", "payment_status": "paid", "url": None}
        self.things.put("session", session_id, kept)

    def _session(
        self, session_id: str, given: Mapping[str, Any], amount: int, now: int, expires_at: int, base_url: str
    ) -> dict[str, Any]:
        return {
            "id": session_id,
            "object": "checkout.session",
            "after_expiration": None,
            "allow_promotion_codes": None,
            "allowed_payment_method_types": given.get("allowed_payment_method_types"),
            "amount_subtotal": amount,
            "amount_total": amount,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": given.get("cancel_url"),
            "client_reference_id": given.get("client_reference_id"),
            "client_secret": None,
            "consent": None,
            "created": now,
            "currency": "jpy",
            "custom_fields": [],
            "customer": None,
            "customer_creation": "if_required",
            "customer_details": None,
            "customer_email": given.get("customer_email"),
            "discounts": [],
            "expires_at": expires_at,
            "invoice": None,
            "livemode": False,
            "locale": given.get("locale"),
            "metadata": _metadata(given),
            "mode": "payment",
            # As at Stripe: made when somebody pays, not before.
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_types": given.get("allowed_payment_method_types") or ["card"],
            "payment_status": "unpaid",
            "recovered_from": None,
            "setup_intent": None,
            "status": "open",
            "submit_type": None,
            "subscription": None,
            "success_url": given["success_url"],
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{base_url}/checkout/c/pay/{session_id}",
        }

    def _kept(self, session: dict[str, Any], description: str, intent_data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "session": session,
            "description": description,
            "intent_data": intent_data,
            "declined": 0,
            "history": [{"at": self._house.clock.now(), "status": "open"}],
        }

    def session(self, session_id: str) -> dict[str, Any]:
        """With everything; one whose time is over is expired by now."""
        kept = self.things.get("session", session_id)
        if kept is None:
            raise Refused(f"No such checkout.session: '{session_id}'", "session", "resource_missing", 404)
        if kept["session"]["status"] == "open" and self._house.clock.now() >= kept["session"]["expires_at"]:
            self._expire(kept)
        return kept

    def expire(self, session_id: str) -> dict[str, Any]:
        kept = self.session(session_id)
        status = kept["session"]["status"]
        if status != "open":
            raise Refused(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of `{status}`."
            )
        self._expire(kept)
        return dict(kept["session"])

    def _expire(self, kept: dict[str, Any]) -> None:
        kept["session"] |= {"status": "expired", "url": None}
        self._changed(kept, "expired", "決済ページの期限が切れた")
        self.tell("checkout.session.expired", kept["session"])

    def pay(self, session_id: str, card: str = "ok") -> dict[str, Any]:
        """Somebody presses 支払う: whether the money moved, and where the session stands."""
        kept = self.session(session_id)
        session = kept["session"]
        if session["status"] != "open":
            return {"paid": False, "reason": session["status"], "session": session}
        intent = self._intent(kept)
        if card != "ok":
            refusal = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
            intent["last_payment_error"] = refusal | {"message": "Your card was declined."}
            self.things.put("payment_intent", intent["id"], intent)
            kept["declined"] += 1
            self._changed(kept, "declined", "カードが拒否された")
            self.tell("payment_intent.payment_failed", intent)
            return {"paid": False, "reason": "card_declined", "session": session}
        charge_id = _id("ch_", 24)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge_id,
            "last_payment_error": None,
            "payment_method": _id("pm_", 24),
        }
        self.things.put("payment_intent", intent["id"], intent)
        email = session["customer_email"] or "guest@example.com"
        details = {"address": None, "email": email, "name": "テスト 太郎", "phone": None, "tax_exempt": "none"}
        session |= {"status": "complete", "payment_status": "paid", "url": None, "customer_details": details}
        self._changed(kept, "complete", f"¥{session['amount_total']:,}が支払われた")
        self._house.agenda.drop(self.name, session_id)
        self.tell("payment_intent.succeeded", intent)
        self.tell("checkout.session.completed", session)
        return {"paid": True, "reason": "", "session": session}

    def _intent(self, kept: dict[str, Any], intent_id: str = "") -> dict[str, Any]:
        """The session's payment intent; made at the first attempt to pay."""
        session = kept["session"]
        if session["payment_intent"]:
            return self.intent(session["payment_intent"])
        intent_id = intent_id or _id("pi_", 24)
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
            "created": int(self._house.clock.now()),
            "currency": "jpy",
            "customer": None,
            "description": kept["intent_data"].get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": _metadata(kept["intent_data"]),
            "next_action": None,
            "payment_method": None,
            "payment_method_types": session["payment_method_types"],
            "processing": None,
            "receipt_email": kept["intent_data"].get("receipt_email"),
            "status": "requires_payment_method",
        }
        self.things.add("payment_intent", intent_id, intent, session["id"])
        session["payment_intent"] = intent_id
        return intent

    def intent(self, intent_id: str) -> dict[str, Any]:
        intent = self.things.get("payment_intent", intent_id)
        if intent is None:
            raise Refused(f"No such payment_intent: '{intent_id}'", "intent", "resource_missing", 404)
        return intent

    def _changed(self, kept: dict[str, Any], status: str, did: str) -> None:
        session = kept["session"]
        kept["history"].append({"at": self._house.clock.now(), "status": status})
        self.things.put("session", session["id"], kept)
        metadata = session["metadata"]
        request = {
            "session_id": session["id"],
            "status": session["status"],
            "payment_intent": session["payment_intent"],
        }
        self._house.store.note(self.name, "session", request | {"metadata": metadata}, [], [did], "－")

    # Refunds

    def create_refund(self, given: Mapping[str, Any], hold: bool) -> dict[str, Any]:
        intent_id = given.get("payment_intent")
        if not intent_id:
            words = "One of the following params should be provided for this request: payment_intent or charge."
            raise Refused(words)
        intent = self.things.get("payment_intent", str(intent_id))
        if intent is None:
            raise Refused(f"No such payment_intent: '{intent_id}'", "payment_intent", "resource_missing", 404)
        if intent["status"] != "succeeded":
            raise Refused(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
        left = intent["amount"] - self._refunded(intent["id"])
        amount = _whole(given.get("amount", left), "amount")
        if left <= 0:
            charge = intent["latest_charge"]
            raise Refused(f"Charge {charge} has already been refunded.", "", "charge_already_refunded")
        if amount > left:
            raise Refused(
                f"Refund amount (¥{amount:,}) is greater than unrefunded amount on charge (¥{left:,})", "amount"
            )
        if amount <= 0:
            raise Refused("Invalid positive integer", "amount", "parameter_invalid_integer")
        reason = given.get("reason")
        if reason not in (None, "duplicate", "fraudulent", "requested_by_customer"):
            raise Refused("Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer", "reason")
        answer = self._house.scripts.draw("refund", ANYBODY)
        refund_id = _id("re_", 24)
        refund = {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": _id("txn_", 24),
            "charge": intent["latest_charge"],
            "created": int(self._house.clock.now()),
            "currency": "jpy",
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": _metadata(given),
            "payment_intent": intent["id"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded" if answer.kind in ("at_once", "fails_later") else "pending",
            "transfer_reversal": None,
        }
        history = [{"at": self._house.clock.now(), "status": refund["status"]}]
        self.things.add("refund", refund_id, {"refund": refund, "history": history}, intent["id"])
        identity = str(refund["metadata"].get("effect") or refund_id)
        shown = {"kind": "refund", "id": refund_id}
        self._house.store.add(self.name, identity, shown, f"返金 {refund_id} {intent['id']}", hold=hold)
        self.tell("refund.created", refund)
        ends = {"succeeded": "refund.succeeded", "failed": "refund.failed", "fails_later": "refund.failed"}
        if answer.kind in ends:
            seconds = self._house.pace.refund if answer.seconds is None else answer.seconds
            self._house.agenda.add(self.name, self._house.clock.now() + seconds, ends[answer.kind], refund_id)
        return refund

    def refund(self, refund_id: str) -> dict[str, Any]:
        kept = self.things.get("refund", refund_id)
        if kept is None:
            raise Refused(f"No such refund: '{refund_id}'", "id", "resource_missing", 404)
        return dict(kept["refund"])

    def _refunded(self, intent_id: str) -> int:
        refunds = [kept["refund"] for kept in self.things.newest("refund", intent_id)]
        return sum(refund["amount"] for refund in refunds if refund["status"] != "failed")

    def _settle(self, refund_id: str, status: str) -> None:
        kept = self.things.get("refund", refund_id)
        if kept is None or kept["refund"]["status"] == "failed":
            return
        refund = kept["refund"]
        refund["status"] = status
        kept["history"].append({"at": self._house.clock.now(), "status": status})
        if status == "failed":
            refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": _id("txn_", 24)}
        self.things.put("refund", refund_id, kept)
        request = {name: refund[name] for name in ("id", "payment_intent", "amount", "status", "metadata")}
        did = "返金された" if status == "succeeded" else "返金に失敗した"
        self._house.store.note(self.name, "refund", request, [], [did], "－")
        self.tell("refund.updated", refund)
        if status == "failed":
            self.tell("refund.failed", refund)

    # What is not asked for through the API

    def dispute(self, intent_id: str, reason: str) -> dict[str, Any]:
        intent = self.intent(intent_id)
        if not intent["latest_charge"]:
            raise Refused("Nothing was paid.")
        now = int(self._house.clock.now())
        dispute: dict[str, Any] = {
            "id": _id("du_", 24),
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
        self.things.add("dispute", dispute["id"], dispute, intent_id)
        request = {"id": dispute["id"], "payment_intent": intent_id}
        self._house.store.note(self.name, "dispute", request, [], ["異議申し立てがあった"], "－")
        self.tell("charge.dispute.created", dispute)
        return dispute

    def step(self, step: str, thing: str) -> None:
        if step == "expire":
            if self.things.get("session", thing):
                # Looking at it is enough.
                self.session(thing)
        else:
            self._settle(thing, step.removeprefix("refund."))

    def tell(self, kind: str, about: Mapping[str, Any]) -> None:
        event: dict[str, Any] = {
            "id": _id("evt_", 24),
            "object": "event",
            "api_version": VERSION,
            "created": int(self._house.clock.now()),
            "data": {"object": about},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.things.add("event", event["id"], event)
        url = self._house.targets.url(self.name)
        if url:
            # Laid out as Stripe lays it out: whoever signs another form of it gets another signature.
            body = json.dumps(event, ensure_ascii=False, indent=2).encode()
            self._house.webhooks.enqueue(self.name, f"{WEBHOOK}:{kind}", url, body)

    # For tests and pages, oldest first

    def sessions(self) -> list[dict[str, Any]]:
        kept = reversed(self.things.newest("session"))
        return [one["session"] | {name: one[name] for name in ("description", "declined", "history")} for one in kept]

    def refunds(self) -> list[dict[str, Any]]:
        return [one["refund"] | {"history": one["history"]} for one in reversed(self.things.newest("refund"))]


def _priced(given: Mapping[str, Any]) -> tuple[int, str]:
    """What is to be paid, and what for."""
    if given.get("mode") != "payment":
        raise Refused("The sandbox takes sessions of mode `payment` only.", "mode")
    if not given.get("success_url"):
        raise Refused("Missing required param: success_url.", "success_url", "parameter_missing")
    lines = given.get("line_items")
    if not isinstance(lines, list) or not lines:
        raise Refused("Missing required param: line_items.", "line_items", "parameter_missing")
    total, names = 0, []
    for number, line in enumerate(lines):
        price = line.get("price_data") or {}
        where = f"line_items[{number}]"
        if price.get("currency") != "jpy":
            raise Refused(f"Invalid currency: {price.get('currency')}", f"{where}[price_data][currency]")
        name = (price.get("product_data") or {}).get("name")
        if not name:
            param = f"{where}[price_data][product_data][name]"
            raise Refused(f"Missing required param: {param}.", param, "parameter_missing")
        amount = _whole(price.get("unit_amount", ""), f"{where}[price_data][unit_amount]")
        total += amount * _whole(line.get("quantity", 1), f"{where}[quantity]")
        names.append(str(name))
    if total < LEAST_YEN:
        words = f"The Checkout Session's total amount due must add up to at least ¥{LEAST_YEN} jpy"
        raise Refused(words, "", "amount_too_small")
    return total, "、".join(names)


def _metadata(given: Mapping[str, Any]) -> dict[str, str]:
    metadata = given.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Refused("Invalid object", "metadata")
    if len(metadata) > 50 or any(len(name) > 40 or len(str(value)) > 500 for name, value in metadata.items()):
        words = "Metadata can have up to 50 keys, with key names up to 40 characters and values up to 500 characters."
        raise Refused(words, "metadata")
    return {str(name): str(value) for name, value in metadata.items()}


def _whole(given: Any, param: str) -> int:
    """Yen have no decimals: neither has anything else here."""
    try:
        return int(str(given))
    except ValueError:
        raise Refused(f"Invalid integer: {given}", param, "parameter_invalid_integer") from None


def _id(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
