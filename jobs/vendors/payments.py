"""Payments by Stripe: pages to pay on (Checkout Sessions), closing them, refunds.

Stripe does a thing once for each Idempotency-Key and tells its first answer again: each try of a message has the same
key. What it tells again may be a failure of its own; then it is looked whether the thing is there all the same, and
asked for under the next key.
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
from jobs.vendors.wire import Line, not_configured, rate_limited
from service.core import outbox
from service.core.clock import clock_shift, real_now
from service.core.db import SYSTEM, transaction
from service.core.outbox import Claimed
from service.core.settings import settings

Found = Sent | NotSent | Unknown

MOST_KEYS = 5
# Of what was made since the message was written; more cannot be looked through.
MOST_LISTED = 1000
# For clocks that differ.
SLACK = timedelta(minutes=1)
# Stripe takes half an hour at least.
SHORTEST = timedelta(minutes=31)
_KEY = "Stripe に接続する権限がありません。STRIPE_API_KEYを確認してください。"
_SUPPORT = "Stripe の管理画面で支払いの状態を確認し、必要なら管理画面から返金してください。"
WORDS = {
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

# It logs the address of every request and Stripe's own words about a refusal.
logging.getLogger("stripe").setLevel(logging.CRITICAL)


def send(message: Claimed) -> Sent:
    """By the payload's `do`: `checkout` opens a page to pay on, `expire` closes it, `refund` gives money back. Stripe's
    id, and where the thing stands (`_session`, `_refund`).

    A page that is not open any more is what `expire` leaves as it is.

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Stripe or the line to it has it.
    """
    return _DO[message.payload["do"]](_client(), message)


def reconcile(message: Claimed) -> Found:
    """Looks for what carries the message's key."""
    return _FIND[message.payload["do"]](_client(), message)


def session(session_id: str) -> dict[str, Any]:
    """A page to pay on as it is now, as `send` answers it.

    Raises:
        PermanentFailure: there is none (code resource_missing), or Stripe does not let us in.
        RateLimited, VendorFailure: it cannot be asked just now.
    """
    with _reading():
        return _session(_client().v1.checkout.sessions.retrieve(session_id))


def refund(refund_id: str) -> dict[str, Any]:
    """A refund as it is now. Raises as `session`."""
    with _reading():
        return _refund(_client().v1.refunds.retrieve(refund_id))


def _checkout(client: stripe.StripeClient, message: Claimed) -> Sent:
    payload, metadata = message.payload, _metadata(message)
    page: SessionCreateParams = {
        "mode": "payment",
        # Others may bring the money days later.
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
        # Refunds and disputes know the payment, not the page.
        "payment_intent_data": {"metadata": metadata},
        "success_url": payload["success_url"],
        "cancel_url": payload["cancel_url"],
        "expires_at": _expires_at(message),
        "locale": "ja",
    }

    def make(key: str) -> Sent:
        return _sent_session(client.v1.checkout.sessions.create(page, {"idempotency_key": key}))

    return _once(message, make, lambda: _find_checkout(client, message))


def _expire(client: stripe.StripeClient, message: Claimed) -> Sent:
    session_id = message.payload["session_id"]

    def make(key: str) -> Sent:
        try:
            return _sent_session(client.v1.checkout.sessions.expire(session_id, None, {"idempotency_key": key}))
        except stripe.InvalidRequestError as refused:
            if refused.http_status != 400:
                raise
            found = _find_expired(client, message)
            if isinstance(found, Sent):
                return found
            # Somebody is paying just now.
            raise VendorFailure("Stripe がまだ決済ページを閉じられません。", code=_code(refused)) from None

    return _once(message, make, lambda: _find_expired(client, message))


def _give_back(client: stripe.StripeClient, message: Claimed) -> Sent:
    payload = message.payload

    def make(key: str) -> Sent:
        try:
            made = client.v1.refunds.create(
                {
                    "payment_intent": payload["payment_intent"],
                    "amount": payload["amount"],
                    "reason": "requested_by_customer",
                    "metadata": _metadata(message),
                },
                {"idempotency_key": key},
            )
        except stripe.InvalidRequestError as refused:
            if _code(refused) != "charge_already_refunded":
                raise
            # By this very message, perhaps: Stripe forgets its keys after a day.
            for find in (_find_refund, _find_forgotten_refund):
                if isinstance(found := find(client, message), Sent):
                    return found
            raise
        return _sent_refund(made)

    return _once(message, make, lambda: _find_refund(client, message))


def _once(message: Claimed, make: Callable[[str], Sent], find: Callable[[], Found]) -> Sent:
    """`make` under the message's key, or under the next one as long as Stripe only tells an old failure again."""
    for number in range(1, MOST_KEYS + 1):
        try:
            return make(str(message.key) if number == 1 else f"{message.key}:{number}")
        except stripe.StripeError as error:
            if not _is_old(error):
                raise _failure(error) from None
            found = _look(find)
            if isinstance(found, Sent):
                return found
    raise VendorFailure("Stripe が以前のエラーを返し続けています。時間をおいて再送してください。")


def _look(find: Callable[[], Found]) -> Sent | NotSent:
    """Raises OutcomeUnknown: it cannot be seen just now."""
    try:
        found = find()
    except RateLimited:
        raise
    except VendorFailure as failure:
        raise OutcomeUnknown(f"Stripe で前回の処理を確認できません: {failure}") from failure
    if isinstance(found, Unknown):
        raise OutcomeUnknown("Stripe で前回の処理を確認できません。管理画面で確認してください。")
    return found


def _is_old(error: stripe.StripeError) -> bool:
    """A failure from before, or a key that was used with what was different then."""
    replayed = str((error.headers or {}).get("Idempotent-Replayed", "")).lower() == "true"
    return isinstance(error, stripe.IdempotencyError) or (replayed and (error.http_status or 0) >= 500)


def _find_checkout(client: stripe.StripeClient, message: Claimed) -> Found:
    since = int((message.created_at - SLACK).timestamp())
    with _reading():
        pages = client.v1.checkout.sessions.list({"created": {"gte": since}, "limit": 100})
        return _among(pages.auto_paging_iter(), message, _sent_session)


def _find_expired(client: stripe.StripeClient, message: Claimed) -> Found:
    with _reading():
        found = client.v1.checkout.sessions.retrieve(message.payload["session_id"])
    return NotSent() if found.status == "open" else _sent_session(found)


def _find_refund(client: stripe.StripeClient, message: Claimed) -> Found:
    with _reading():
        return _among(_refunds(client, message), message, _sent_refund)


def _find_forgotten_refund(client: stripe.StripeClient, message: Claimed) -> Sent | None:
    """The same money given back for the same thing, by a message that was lost with the database: a backup of before
    does not know it, and its reservation is cancelled once more."""
    with _reading():
        listed = [one for one in islice(_refunds(client, message), MOST_LISTED) if _gives_back_the_same(one, message)]
    return next((_sent_refund(one) for one in listed if _is_forgotten(_said(one, "effect"))), None)


def _gives_back_the_same(one: stripe.Refund, message: Claimed) -> bool:
    is_for_it = _said(one, "reference") == message.payload["reference"]
    return is_for_it and one.amount == message.payload["amount"] and one.status in ("pending", "succeeded")


def _is_forgotten(effect: str) -> bool:
    """Asked for by a message that is not there any more. What people give back by hand carries no key."""
    try:
        key = uuid.UUID(effect)
    except ValueError:
        return False
    with transaction(SYSTEM) as db:
        return not outbox.is_known(db, key)


def _refunds(client: stripe.StripeClient, message: Claimed) -> Iterator[stripe.Refund]:
    asked = client.v1.refunds.list({"payment_intent": message.payload["payment_intent"], "limit": 100})
    return asked.auto_paging_iter()


def _among(listed: Iterator[Any], message: Claimed, as_sent: Callable[[Any], Sent]) -> Found:
    looked_at = 0
    for one in islice(listed, MOST_LISTED):
        looked_at += 1
        if _said(one, "effect") == str(message.key):
            return as_sent(one)
    return NotSent() if looked_at < MOST_LISTED else Unknown()


def _said(one: Any, name: str) -> str:
    """Of its metadata, which is no mapping and may be absent."""
    return str(one.metadata[name]) if name in (one.metadata or {}) else ""


_DO: Mapping[str, Callable[[stripe.StripeClient, Claimed], Sent]] = {
    "checkout": _checkout,
    "expire": _expire,
    "refund": _give_back,
}
_FIND: Mapping[str, Callable[[stripe.StripeClient, Claimed], Found]] = {
    "checkout": _find_checkout,
    "expire": _find_expired,
    "refund": _find_refund,
}


def _metadata(message: Claimed) -> dict[str, str]:
    given: Mapping[str, Any] = message.payload.get("metadata") or {}
    own = {"reference": message.payload["reference"], "effect": str(message.key)}
    return {name: str(value) for name, value in given.items()} | own


def _expires_at(message: Claimed) -> int:
    """Counted from when the message was written, so that each try says the same. On the product's clock, which the
    sandbox's follows."""
    with transaction(SYSTEM) as db:
        shift = clock_shift(db)
    wanted = message.created_at + timedelta(seconds=message.payload["expires_in_seconds"])
    return int((max(wanted, real_now() + SHORTEST) + shift).timestamp())


def _sent_session(made: Session) -> Sent:
    return Sent(made.id, _session(made))


def _session(made: Session) -> dict[str, Any]:
    return {
        "session_id": made.id,
        "url": made.url,
        "status": made.status,
        "payment_status": made.payment_status,
        "payment_intent": _id_of(made.payment_intent),
        "amount_total": made.amount_total,
        "expires_at": made.expires_at,
    }


def _sent_refund(made: stripe.Refund) -> Sent:
    return Sent(made.id, _refund(made))


def _refund(made: stripe.Refund) -> dict[str, Any]:
    return {
        "refund_id": made.id,
        "status": made.status,
        "amount": made.amount,
        "payment_intent": _id_of(made.payment_intent),
        "failure_reason": getattr(made, "failure_reason", None),
    }


def _id_of(thing: Any) -> str | None:
    return thing if thing is None or isinstance(thing, str) else str(thing.id)


class _Http(stripe.HTTPClient):
    """The SDK over a line of ours. Its own clients let an answer that comes in drops take as long as it likes, and do
    not tell a lost answer from a request that never left."""

    name = "genba"

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        answer = self._line.request(method.upper(), url, headers=headers, content=post_data)
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        """Nothing stays open."""


def _client() -> stripe.StripeClient:
    config = settings()
    key = config.stripe_api_key.get_secret_value()
    if not key:
        raise not_configured("Stripe", "STRIPE_API_KEY")
    return stripe.StripeClient(
        key,
        base_addresses={"api": config.stripe_base_url},
        # Repeats are the outbox's.
        max_network_retries=0,
        http_client=_Http(Line("Stripe")),
    )


@contextmanager
def _reading() -> Iterator[None]:
    """What changes nothing leaves nothing in doubt."""
    try:
        yield
    except stripe.StripeError as error:
        failure = _failure(error)
        raise VendorFailure(str(failure)) if isinstance(failure, OutcomeUnknown) else failure from None


def _failure(error: stripe.StripeError) -> VendorFailure:
    """In words of our own: Stripe's are English, and name what they please."""
    status, code = error.http_status or 0, _code(error)
    if status == 429 and code != "lock_timeout":
        return rate_limited("Stripe", error.headers or {})
    if status in (409, 429):
        return OutcomeUnknown(f"Stripe が同じ決済の別の処理を終えるのを待っています（{code or status}）。")
    if status in (401, 403):
        return PermanentFailure(f"{_KEY}（{code or status}）", code=code or str(status))
    if 400 <= status < 500:
        what = WORDS.get(code or "", f"Stripe に拒否されました。{_SUPPORT}")
        return PermanentFailure(f"{what}（{code or status}）", code=code)
    return OutcomeUnknown(f"Stripe 側で問題が起きています（{status}）。")


def _code(error: stripe.StripeError) -> str | None:
    """Not every kind of error carries it itself."""
    body: Any = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    code = told.get("code") if isinstance(told, dict) else None
    return str(code)[:80] if code else None


VENDOR = Vendor(send, reconcile, when_unknown="send")
