"""Payments by Stripe: payment pages (Checkout Sessions), expiring them, refunds.

Each attempt of a message has the same Idempotency-Key, and Stripe replays its first response. When the replayed
response is a failure on Stripe's side, this module checks whether the object exists nevertheless, and else tries again
with the next key.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import stripe
from stripe.checkout import Session
from stripe.params.checkout import SessionCreateParams

from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, RateLimited, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import VendorHttp, not_configured, rate_limited
from service.core.database.clock import clock_shift, real_now
from service.core.database.session import SYSTEM, transaction
from service.core.outbox import MESSAGE_KEY, queue
from service.core.outbox.records import Claimed
from service.core.settings import settings

Outcome = Sent | NotSent | Unknown

MAX_KEYS = 5
# The most objects since the message was created that are searched; with more, the outcome is unknown.
MAX_LISTED = 1000
# Tolerance for clocks that differ.
CLOCK_TOLERANCE = timedelta(minutes=1)
# Stripe accepts 30 minutes at least.
MIN_EXPIRY = timedelta(minutes=31)
_KEY = "Stripe に接続する権限がありません。STRIPE_API_KEYを確認してください。"
_SUPPORT = "Stripe の管理画面で支払いの状態を確認し、必要なら管理画面から返金してください。"
ERROR_TEXTS = {
    "amount_too_large": "金額が大きすぎます。予約の金額を確認してください。",
    "amount_too_small": "金額が小さすぎます。予約の金額を確認してください。",
    "balance_insufficient": f"Stripe の残高が足りないため、返金できません。{_SUPPORT}",
    "charge_already_refunded": f"この支払いはすでに全額返金されています。{_SUPPORT}",
    "charge_disputed": f"この支払いには異議申し立てがあるため、返金できません。{_SUPPORT}",
    "charge_exceeds_source_limit": "Stripe の利用限度額を超えています。Stripe の管理画面を確認してください。",
    "resource_missing": "Stripe にこの決済の記録がありません。"
    "STRIPE_API_KEYが別のアカウントのものでないか、管理者に確認してください。",
    "url_invalid": "決済後に戻るURLが正しくありません。PUBLIC_BASE_URLを確認してください。",
}

# The SDK logs the URL of every request and Stripe's own texts of errors.
logging.getLogger("stripe").setLevel(logging.CRITICAL)


def send(message: Claimed) -> Sent:
    """By the payload's `do`: `checkout` creates a payment page, `expire` closes it, `refund` refunds a payment. Returns
    Stripe's id and the state of the object (`_session_state`, `_refund_state`).

    `expire` succeeds and changes nothing when the page is no longer open.

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Stripe answers, or the connection fails.
    """
    return _SENDERS[message.payload["do"]](_client(), message)


def reconcile(message: Claimed) -> Outcome:
    """Looks for the object with the message's key."""
    return _FINDERS[message.payload["do"]](_client(), message)


def session(session_id: str) -> dict[str, Any]:
    """The current state of a payment page, as in the answer of `send`.

    Raises:
        PermanentFailure: it does not exist (code resource_missing), or Stripe refuses the credentials.
        RateLimited, VendorFailure: Stripe cannot be queried now.
    """
    with _reading():
        return _session_state(_client().v1.checkout.sessions.retrieve(session_id))


def refund(refund_id: str) -> dict[str, Any]:
    """The current state of a refund. Raises as `session`."""
    with _reading():
        return _refund_state(_client().v1.refunds.retrieve(refund_id))


def _checkout(client: stripe.StripeClient, message: Claimed) -> Sent:
    payload, metadata = message.payload, _metadata(message)
    parameters: SessionCreateParams = {
        "mode": "payment",
        # With other payment methods the money may arrive days later.
        "allowed_payment_method_types": ["card"],
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": "jpy",
                    "unit_amount": payload["amount"],
                    "product_data": {"name": payload["name"]},
                },
            }
        ],
        "client_reference_id": payload["reference"],
        "metadata": metadata,
        # Refunds and disputes refer to the payment, not to the page.
        "payment_intent_data": {"metadata": metadata},
        "success_url": payload["success_url"],
        "cancel_url": payload["cancel_url"],
        "expires_at": _expires_at(message),
        "locale": "ja",
    }

    def make(key: str) -> Sent:
        return _sent_session(client.v1.checkout.sessions.create(parameters, {"idempotency_key": key}))

    return _create_or_find(message, make, lambda: _find_checkout(client, message))


def _expire(client: stripe.StripeClient, message: Claimed) -> Sent:
    session_id = message.payload["session_id"]

    def make(key: str) -> Sent:
        try:
            return _sent_session(client.v1.checkout.sessions.expire(session_id, None, {"idempotency_key": key}))
        except stripe.InvalidRequestError as error:
            if error.http_status != 400:
                raise
            outcome = _find_expired(client, message)
            if isinstance(outcome, Sent):
                return outcome
            # The customer is paying now.
            raise VendorFailure("Stripe がまだ決済ページを閉じられません。", code=_code(error)) from None

    return _create_or_find(message, make, lambda: _find_expired(client, message))


def _make_refund(client: stripe.StripeClient, message: Claimed) -> Sent:
    payload = message.payload

    def make(key: str) -> Sent:
        try:
            stripe_refund = client.v1.refunds.create(
                {
                    "payment_intent": payload["payment_intent"],
                    "amount": payload["amount"],
                    "reason": "requested_by_customer",
                    "metadata": _metadata(message),
                },
                {"idempotency_key": key},
            )
        except stripe.InvalidRequestError as error:
            if _code(error) != "charge_already_refunded":
                raise
            # Perhaps by this message: Stripe forgets idempotency keys after a day.
            for find in (_find_refund, _find_forgotten_refund):
                if isinstance(outcome := find(client, message), Sent):
                    return outcome
            raise
        return _sent_refund(stripe_refund)

    return _create_or_find(message, make, lambda: _find_refund(client, message))


def _create_or_find(message: Claimed, make: Callable[[str], Sent], find: Callable[[], Outcome]) -> Sent:
    """Calls `make` with the message's key, or with the next key while Stripe replays an old failure."""
    for number in range(1, MAX_KEYS + 1):
        try:
            return make(str(message.key) if number == 1 else f"{message.key}:{number}")
        except stripe.StripeError as error:
            if not _is_old(error):
                raise _failure(error) from None
            outcome = _find_or_raise(find)
            if isinstance(outcome, Sent):
                return outcome
    raise VendorFailure("Stripe が以前のエラーを返し続けています。時間をおいて再送してください。")


def _find_or_raise(find: Callable[[], Outcome]) -> Sent | NotSent:
    """Raises OutcomeUnknown when Stripe cannot be queried now."""
    try:
        outcome = find()
    except RateLimited:
        raise
    except VendorFailure as failure:
        raise OutcomeUnknown(f"Stripe で前回の処理を確認できません: {failure}") from failure
    if isinstance(outcome, Unknown):
        raise OutcomeUnknown("Stripe で前回の処理を確認できません。管理画面で確認してください。")
    return outcome


def _is_old(error: stripe.StripeError) -> bool:
    """Whether this is a replayed failure, or the key was used before with other parameters."""
    replayed = str((error.headers or {}).get("Idempotent-Replayed", "")).lower() == "true"
    return isinstance(error, stripe.IdempotencyError) or (replayed and (error.http_status or 0) >= 500)


def _find_checkout(client: stripe.StripeClient, message: Claimed) -> Outcome:
    since = int((message.created_at - CLOCK_TOLERANCE).timestamp())
    with _reading():
        pages = client.v1.checkout.sessions.list({"created": {"gte": since}, "limit": 100})
        return _find_by_key(pages.auto_paging_iter(), message, _sent_session)


def _find_expired(client: stripe.StripeClient, message: Claimed) -> Outcome:
    with _reading():
        checkout_session = client.v1.checkout.sessions.retrieve(message.payload["session_id"])
    return NotSent() if checkout_session.status == "open" else _sent_session(checkout_session)


def _find_refund(client: stripe.StripeClient, message: Claimed) -> Outcome:
    with _reading():
        return _find_by_key(_refunds(client, message), message, _sent_refund)


def _find_forgotten_refund(client: stripe.StripeClient, message: Claimed) -> Sent | None:
    """The same refund made by a message that is lost: after a restore the backup does not contain the message, and the
    reservation was cancelled again."""
    with _reading():
        matches = [
            stripe_refund
            for stripe_refund in islice(_refunds(client, message), MAX_LISTED)
            if _is_same_refund(stripe_refund, message)
        ]
    return next(
        (
            _sent_refund(stripe_refund)
            for stripe_refund in matches
            if _is_forgotten(_metadata_value(stripe_refund, MESSAGE_KEY))
        ),
        None,
    )


def _is_same_refund(stripe_refund: stripe.Refund, message: Claimed) -> bool:
    same_reference = _metadata_value(stripe_refund, "reference") == message.payload["reference"]
    return (
        same_reference
        and stripe_refund.amount == message.payload["amount"]
        and stripe_refund.status in ("pending", "succeeded")
    )


def _is_forgotten(message_key: str) -> bool:
    """Whether the refund was made by a message that no longer exists. Refunds that operators made by hand have no
    key."""
    try:
        key = uuid.UUID(message_key)
    except ValueError:
        return False
    with transaction(SYSTEM) as db:
        return not queue.message_exists(db, key)


def _refunds(client: stripe.StripeClient, message: Claimed) -> Iterator[stripe.Refund]:
    page = client.v1.refunds.list({"payment_intent": message.payload["payment_intent"], "limit": 100})
    return page.auto_paging_iter()


def _find_by_key(objects: Iterator[Any], message: Claimed, as_sent: Callable[[Any], Sent]) -> Outcome:
    searched = 0
    for item in islice(objects, MAX_LISTED):
        searched += 1
        if _metadata_value(item, MESSAGE_KEY) == str(message.key):
            return as_sent(item)
    return NotSent() if searched < MAX_LISTED else Unknown()


def _metadata_value(item: Any, name: str) -> str:
    """A value of the object's metadata, which is not a mapping and may be absent; "" without it."""
    return str(item.metadata[name]) if name in (item.metadata or {}) else ""


_SENDERS: Mapping[str, Callable[[stripe.StripeClient, Claimed], Sent]] = {
    "checkout": _checkout,
    "expire": _expire,
    "refund": _make_refund,
}
_FINDERS: Mapping[str, Callable[[stripe.StripeClient, Claimed], Outcome]] = {
    "checkout": _find_checkout,
    "expire": _find_expired,
    "refund": _find_refund,
}


def _metadata(message: Claimed) -> dict[str, str]:
    values: Mapping[str, Any] = message.payload.get("metadata") or {}
    own_values = {"reference": message.payload["reference"], MESSAGE_KEY: str(message.key)}
    return {name: str(value) for name, value in values.items()} | own_values


def _expires_at(message: Claimed) -> int:
    """Counted from the creation of the message, so that each attempt sends the same value. In the product's time, which
    the sandbox follows."""
    with transaction(SYSTEM) as db:
        shift = clock_shift(db)
    requested = message.created_at + timedelta(seconds=message.payload["expires_in_seconds"])
    return int((max(requested, real_now() + MIN_EXPIRY) + shift).timestamp())


def _sent_session(checkout_session: Session) -> Sent:
    return Sent(checkout_session.id, _session_state(checkout_session))


def _session_state(checkout_session: Session) -> dict[str, Any]:
    return {
        "session_id": checkout_session.id,
        "url": checkout_session.url,
        "status": checkout_session.status,
        "payment_status": checkout_session.payment_status,
        "payment_intent": _id_of(checkout_session.payment_intent),
        "amount_total": checkout_session.amount_total,
        "expires_at": checkout_session.expires_at,
    }


def _sent_refund(stripe_refund: stripe.Refund) -> Sent:
    return Sent(stripe_refund.id, _refund_state(stripe_refund))


def _refund_state(stripe_refund: stripe.Refund) -> dict[str, Any]:
    return {
        "refund_id": stripe_refund.id,
        "status": stripe_refund.status,
        "amount": stripe_refund.amount,
        "payment_intent": _id_of(stripe_refund.payment_intent),
        "failure_reason": getattr(stripe_refund, "failure_reason", None),
    }


def _id_of(reference: Any) -> str | None:
    return reference if reference is None or isinstance(reference, str) else str(reference.id)


class _Http(stripe.HTTPClient):
    """Runs the SDK over our HTTP client. The SDK's own clients have no limit for a response that arrives slowly, and do
    not distinguish a lost response from a request that was never sent."""

    name = "genba"

    def __init__(self, http: VendorHttp) -> None:
        super().__init__()
        self._http = http

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        answer = self._http.request(method.upper(), url, headers=headers, content=post_data)
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        """Does nothing: no connection stays open."""


def _client() -> stripe.StripeClient:
    config = settings()
    key = config.stripe_api_key.get_secret_value()
    if not key:
        raise not_configured("Stripe", "STRIPE_API_KEY")
    return stripe.StripeClient(
        key,
        base_addresses={"api": config.stripe_base_url},
        # Retries are made by the outbox.
        max_network_retries=0,
        http_client=_Http(VendorHttp("Stripe")),
    )


@contextmanager
def _reading() -> Iterator[None]:
    """Converts errors of read requests: their outcome is never unknown, because they change nothing."""
    try:
        yield
    except stripe.StripeError as error:
        failure = _failure(error)
        raise VendorFailure(str(failure)) if isinstance(failure, OutcomeUnknown) else failure from None


def _failure(error: stripe.StripeError) -> VendorFailure:
    """The error with our own text: Stripe's texts are English and may contain any data."""
    status, code = error.http_status or 0, _code(error)
    if status == 429 and code != "lock_timeout":
        return rate_limited("Stripe", error.headers or {})
    if status in (409, 429):
        return OutcomeUnknown(f"Stripe が同じ決済の別の処理を終えるのを待っています（{code or status}）。")
    if status in (401, 403):
        return PermanentFailure(f"{_KEY}（{code or status}）", code=code or str(status))
    if 400 <= status < 500:
        text = ERROR_TEXTS.get(code or "", f"Stripe に拒否されました。{_SUPPORT}")
        return PermanentFailure(f"{text}（{code or status}）", code=code)
    return OutcomeUnknown(f"Stripe 側で問題が起きています（{status}）。")


def _code(error: stripe.StripeError) -> str | None:
    """Stripe's error code, from the body: not every error class has it as an attribute."""
    body: Any = error.json_body
    details = body.get("error") if isinstance(body, dict) else None
    code = details.get("code") if isinstance(details, dict) else None
    return str(code)[:80] if code else None


VENDOR = Vendor(send, reconcile, when_unknown="send")
