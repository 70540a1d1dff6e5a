"""Stripe's API as its SDK speaks it: forms with brackets in, JSON out, the first answer kept under each key."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import stripe.params
import stripe.params.checkout
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.sandbox.faults import Set
from tests.sandbox.house import House
from tests.sandbox.store import Message
from tests.sandbox.vendors import Card
from tests.sandbox.vendors.payments import EVENTS, VERSION, WEBHOOK, Payments, Refused
from tests.sandbox.wire import Cut

STATES = {"open": "支払い待ち", "complete": "支払い済み", "expired": "期限切れ"}
REFUND_STATES = {"pending": "返金処理中", "succeeded": "返金済み", "failed": "返金失敗"}
# Parameters that the vendor's own SDK knows; others are refused, as at Stripe.
KNOWN = {
    "sessions.create": frozenset(stripe.params.checkout.SessionCreateParams.__annotations__),
    "sessions.list": frozenset(stripe.params.checkout.SessionListParams.__annotations__),
    "refunds.create": frozenset(stripe.params.RefundCreateParams.__annotations__),
    "refunds.list": frozenset(stripe.params.RefundListParams.__annotations__),
}
Do = Callable[[Mapping[str, Any], bool], tuple[str, dict[str, Any]]]


class Stripe:
    name, title = "stripe", "決済"
    doors: tuple[str, ...] = (
        "sessions.create",
        "sessions.get",
        "sessions.list",
        "sessions.expire",
        "payment_intents.get",
        "refunds.create",
        "refunds.get",
        "refunds.list",
        "pay",
        WEBHOOK,
        *(f"{WEBHOOK}:{kind}" for kind in EVENTS),
    )

    def __init__(self, house: House, api_key: str, public_url: str = "") -> None:
        """`public_url`: how a customer's browser reaches us, where that differs from how the API is reached."""
        self._house, self._key, self._public_url = house, api_key, public_url.rstrip("/")
        self.payments = Payments(house)
        self._keys = self.payments.things

    def routes(self) -> list[BaseRoute]:
        self._house.webhooks.signed_by(self.name, self._sign)
        self._house.agenda.done_by(self.name, self.payments.step)
        return [
            Route("/v1/checkout/sessions", self._create_session, methods=["POST"]),
            Route("/v1/checkout/sessions", self._list_sessions),
            Route("/v1/checkout/sessions/{id}", self._get_session),
            Route("/v1/checkout/sessions/{id}/expire", self._expire_session, methods=["POST"]),
            Route("/v1/payment_intents/{id}", self._get_intent),
            Route("/v1/refunds", self._create_refund, methods=["POST"]),
            Route("/v1/refunds", self._list_refunds),
            Route("/v1/refunds/{id}", self._get_refund),
        ]

    async def _create_session(self, request: Request) -> Response:
        base_url = self._public_url or str(request.base_url).rstrip("/")

        def do(given: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.create_session(given, base_url, hold)
            return f"決済ページ {session['id']} を作った", session

        return await self._call(request, "sessions.create", do)

    async def _get_session(self, request: Request) -> Response:
        def do(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.session(request.path_params["id"])["session"]
            return f"決済ページ {session['id']} を見せた", session

        return await self._call(request, "sessions.get", do)

    async def _expire_session(self, request: Request) -> Response:
        def do(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.expire(request.path_params["id"])
            return f"決済ページ {session['id']} を閉じた", session

        return await self._call(request, "sessions.expire", do)

    async def _list_sessions(self, request: Request) -> Response:
        def do(given: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
            found = [
                # Each of them as it stands now.
                self.payments.session(kept["session"]["id"])["session"]
                for kept in self._keys.newest("session")
                if _within(kept["session"]["created"], given.get("created"))
            ]
            for name in ("payment_intent", "status"):
                found = [session for session in found if given.get(name) in (None, session[name])]
            return f"決済ページ{len(found)}件を見せた", _listed("/v1/checkout/sessions", found, given)

        return await self._call(request, "sessions.list", do)

    async def _get_intent(self, request: Request) -> Response:
        def do(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            intent = self.payments.intent(request.path_params["id"])
            return f"支払い {intent['id']} を見せた", intent

        return await self._call(request, "payment_intents.get", do)

    async def _create_refund(self, request: Request) -> Response:
        def do(given: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
            refund = self.payments.create_refund(given, hold)
            return f"返金 {refund['id']}（¥{refund['amount']:,}）を受け付けた", refund

        return await self._call(request, "refunds.create", do)

    async def _get_refund(self, request: Request) -> Response:
        def do(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            refund = self.payments.refund(request.path_params["id"])
            return f"返金 {refund['id']} を見せた", refund

        return await self._call(request, "refunds.get", do)

    async def _list_refunds(self, request: Request) -> Response:
        def do(given: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
            found = [
                kept["refund"]
                for kept in self._keys.newest("refund", given.get("payment_intent"))
                if _within(kept["refund"]["created"], given.get("created"))
            ]
            return f"返金{len(found)}件を見せた", _listed("/v1/refunds", found, given)

        return await self._call(request, "refunds.list", do)

    async def _call(self, request: Request, door: str, do: Do) -> Response:
        raw = (await request.body()).decode() if request.method == "POST" else request.url.query
        given = bracketed(raw)
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        print_of = f"{request.method} {request.url.path} {sorted(parse_qsl(raw, keep_blank_values=True))}"

        is_ours = False

        def work(hold: bool) -> tuple[str, Response]:
            nonlocal is_ours
            if request.headers.get("authorization") != f"Bearer {self._key}":
                return "断った", _refused(Refused("Invalid API Key provided", status=401))
            try:
                kept = self._kept(key, print_of)
                if kept:
                    again = {"Idempotent-Replayed": "true"}
                    return "前と同じ応答を返した", _json(json.loads(kept["body"]), kept["status"], key, again)
                _known(door, given)
                did, body = do(given, hold)
            except Refused as refused:
                return "断った", _refused(refused, key)
            self._keep(key, print_of, 200, body)
            is_ours = True
            return did, _json(body, 200, key)

        def refuse(fault: Set) -> Response:
            kind = "rate_limit_error" if fault.status == 429 else "api_error"
            error = {"type": kind, "message": "An unknown error occurred", "code": fault.code or None}
            if fault.status == 429:
                again = {"Retry-After": str(fault.retry_after or 1), "Stripe-Should-Retry": "true"}
                return _json({"error": error | {"code": "rate_limit", "message": "Too many requests"}}, 429, key, again)
            if fault.status >= 500 and (is_ours or self._keys.get("key", key) is None):
                # A server's failure is what Stripe remembers of this key, whatever was done.
                self._keep(key, print_of, fault.status, {"error": error})
            # What is kept would only be told again.
            return _json({"error": error}, fault.status, key, {"Stripe-Should-Retry": str(not key).lower()})

        named = given | ({"Idempotency-Key": key} if key else {})
        answer = await self._house.faults.passing(self.name, door, named | request.path_params, work, refuse, _in_words)
        return Cut() if answer is None else answer

    def _kept(self, key: str, print_of: str) -> dict[str, Any] | None:
        if len(key) > 255:
            raise Refused("Idempotency key too long: it must be at most 255 characters.")
        kept = self._keys.get("key", key) if key else None
        if kept and kept["print"] != print_of:
            refused = Refused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
            refused.error["type"] = "idempotency_error"
            raise refused
        return kept

    def _keep(self, key: str, print_of: str, status: int, body: Mapping[str, Any]) -> None:
        if not key:
            return
        kept = {"print": print_of, "status": status, "body": json.dumps(body, ensure_ascii=False)}
        if self._keys.get("key", key) is None:
            self._keys.add("key", key, kept)
        else:
            self._keys.put("key", key, kept)

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        signed = f"{at}.".encode() + body
        signatures = [
            f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
            for secret in self._house.targets.secrets(self.name)
        ]
        return {"Stripe-Signature": ",".join([f"t={at}", *signatures]), "User-Agent": "Stripe/1.0 (sandbox)"}

    def card(self, message: Message) -> Card:
        kept = message.content
        return self._refund_card(kept["id"]) if kept["kind"] == "refund" else self._session_card(kept["id"])

    def _session_card(self, session_id: str) -> Card:
        kept = self._keys.get("session", session_id) or {"session": {}, "description": "", "declined": 0}
        session = kept["session"]
        reference = session.get("client_reference_id") or ""
        return Card(
            title=f"¥{session.get('amount_total', 0):,} {kept['description']}",
            where=reference or "決済ページ",
            preview="",
            text=f"{kept['description']}\n¥{session.get('amount_total', 0):,}",
            facts=[
                ("決済ページ", session_id),
                ("予約", reference),
                ("支払い", session.get("payment_intent") or ""),
                ("拒否された回数", str(kept["declined"])),
            ],
            state=STATES.get(session.get("status", ""), ""),
            bad=session.get("status") == "expired",
            counter="回目",
            link=("/payments", "決済の一覧を見る"),
        )

    def _refund_card(self, refund_id: str) -> Card:
        kept = self._keys.get("refund", refund_id)
        gone: dict[str, Any] = {"amount": 0, "payment_intent": "", "status": "", "reason": ""}
        refund = kept["refund"] if kept else gone
        return Card(
            title=f"返金 ¥{refund['amount']:,}",
            where=refund["payment_intent"],
            preview="",
            text=f"返金 ¥{refund['amount']:,}",
            facts=[("返金", refund_id), ("支払い", refund["payment_intent"]), ("理由", refund["reason"] or "")],
            state=REFUND_STATES.get(refund["status"], ""),
            bad=refund["status"] == "failed",
            counter="回目",
            link=("/payments", "決済の一覧を見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def bracketed(form: str) -> dict[str, Any]:
    """`a[0][b]=1` is {"a": [{"b": "1"}]}; so is `a[][b]` with one element."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        first, *inner = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name) or [name]
        node, part = tree, first
        for deeper in inner:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
            part = deeper or str(len(node))
        if isinstance(node, dict):
            node[part] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    inner = {name: _lists(value) for name, value in node.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def _known(door: str, given: Mapping[str, Any]) -> None:
    known = KNOWN.get(door, frozenset({"expand"}))
    for name in given:
        if name == "payment_method_types":
            # Gone since 2026-09-30.endive.
            words = "`payment_method_types` is no longer supported. Use `allowed_payment_method_types` instead."
            raise Refused(words, name, "payment_method_types_no_longer_supported")
        if name not in known:
            raise Refused(f"Received unknown parameter: {name}", name, "parameter_unknown")


def _within(created: int, asked: Any) -> bool:
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return created == int(asked)
    tests = {"gte": created.__ge__, "gt": created.__gt__, "lte": created.__le__, "lt": created.__lt__}
    return all(bool(tests[name](int(value))) for name, value in asked.items() if name in tests)


def _listed(url: str, found: list[dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Newest first, as all of Stripe's lists."""
    limit = str(given.get("limit", 10))
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise Refused(f"Invalid integer: {limit}. Must be between 1 and 100.", "limit", "parameter_invalid_integer")
    ids = [one["id"] for one in found]
    after = given.get("starting_after")
    if after is not None and after not in ids:
        raise Refused(f"No such object: '{after}'", "starting_after", "resource_missing")
    start = ids.index(after) + 1 if after else 0
    shown = found[start : start + int(limit)]
    return {"object": "list", "data": shown, "has_more": len(found) > start + len(shown), "url": url}


def _json(body: Mapping[str, Any], status: int, key: str, headers: Mapping[str, str] | None = None) -> Response:
    own = {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": VERSION} | dict(headers or {})
    if key:
        own["Idempotency-Key"] = key
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return Response(text, status, own, media_type="application/json")


def _refused(refused: Refused, key: str = "") -> Response:
    return _json({"error": refused.error}, refused.status, key)


def _in_words(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"
