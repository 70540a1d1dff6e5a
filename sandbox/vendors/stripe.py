"""Stripe's API as its SDK uses it: forms with brackets in, JSON out, the first response stored under each idempotency
key."""

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

from sandbox.connections import AbortedResponse
from sandbox.faults import ActiveSwitch
from sandbox.services import SandboxServices
from sandbox.store import Message
from sandbox.vendors import Card
from sandbox.vendors.payments import API_VERSION, EVENT_TYPES, WEBHOOK, Payments, StripeRequestError

SESSION_STATUS_TITLES = {"open": "支払い待ち", "complete": "支払い済み", "expired": "期限切れ"}
REFUND_STATUS_TITLES = {"pending": "返金処理中", "succeeded": "返金済み", "failed": "返金失敗"}
# Parameters that the vendor's own SDK knows; others are refused, as at Stripe.
KNOWN_PARAMETERS = {
    "sessions.create": frozenset(stripe.params.checkout.SessionCreateParams.__annotations__),
    "sessions.list": frozenset(stripe.params.checkout.SessionListParams.__annotations__),
    "refunds.create": frozenset(stripe.params.RefundCreateParams.__annotations__),
    "refunds.list": frozenset(stripe.params.RefundListParams.__annotations__),
}
Operation = Callable[[Mapping[str, Any], bool], tuple[str, dict[str, Any]]]


class Stripe:
    name, title = "stripe", "決済"
    operations: tuple[str, ...] = (
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
        *(f"{WEBHOOK}:{kind}" for kind in EVENT_TYPES),
    )

    def __init__(self, services: SandboxServices, api_key: str, public_url: str = "") -> None:
        """`public_url`: the base URL for a customer's browser, where it differs from the base URL of the API."""
        self._services, self._key, self._public_url = services, api_key, public_url.rstrip("/")
        self.payments = Payments(services)
        self._objects = self.payments.objects

    def routes(self) -> list[BaseRoute]:
        self._services.webhooks.register_signer(self.name, self._sign)
        self._services.scheduler.register_handler(self.name, self.payments.run_step)
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

        def execute(parameters: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.create_session(parameters, base_url, hold)
            return f"決済ページ {session['id']} を作った", session

        return await self._handle(request, "sessions.create", execute)

    async def _get_session(self, request: Request) -> Response:
        def execute(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.session(request.path_params["id"])["session"]
            return f"決済ページ {session['id']} を見せた", session

        return await self._handle(request, "sessions.get", execute)

    async def _expire_session(self, request: Request) -> Response:
        def execute(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            session = self.payments.expire(request.path_params["id"])
            return f"決済ページ {session['id']} を閉じた", session

        return await self._handle(request, "sessions.expire", execute)

    async def _list_sessions(self, request: Request) -> Response:
        def execute(parameters: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
            sessions = [
                # Reading it expires it when its time is over.
                self.payments.session(stored["session"]["id"])["session"]
                for stored in self._objects.newest("session")
                if _matches_time_filter(stored["session"]["created"], parameters.get("created"))
            ]
            for name in ("payment_intent", "status"):
                sessions = [session for session in sessions if parameters.get(name) in (None, session[name])]
            return f"決済ページ{len(sessions)}件を見せた", _list_response("/v1/checkout/sessions", sessions, parameters)

        return await self._handle(request, "sessions.list", execute)

    async def _get_intent(self, request: Request) -> Response:
        def execute(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            intent = self.payments.intent(request.path_params["id"])
            return f"支払い {intent['id']} を見せた", intent

        return await self._handle(request, "payment_intents.get", execute)

    async def _create_refund(self, request: Request) -> Response:
        def execute(parameters: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
            refund = self.payments.create_refund(parameters, hold)
            return f"返金 {refund['id']}（¥{refund['amount']:,}）を受け付けた", refund

        return await self._handle(request, "refunds.create", execute)

    async def _get_refund(self, request: Request) -> Response:
        def execute(_: Mapping[str, Any], __: bool) -> tuple[str, dict[str, Any]]:
            refund = self.payments.refund(request.path_params["id"])
            return f"返金 {refund['id']} を見せた", refund

        return await self._handle(request, "refunds.get", execute)

    async def _list_refunds(self, request: Request) -> Response:
        def execute(parameters: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
            refunds = [
                stored["refund"]
                for stored in self._objects.newest("refund", parameters.get("payment_intent"))
                if _matches_time_filter(stored["refund"]["created"], parameters.get("created"))
            ]
            return f"返金{len(refunds)}件を見せた", _list_response("/v1/refunds", refunds, parameters)

        return await self._handle(request, "refunds.list", execute)

    async def _handle(self, request: Request, operation: str, execute: Operation) -> Response:
        query = (await request.body()).decode() if request.method == "POST" else request.url.query
        parameters = parse_bracketed(query)
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        fingerprint = f"{request.method} {request.url.path} {sorted(parse_qsl(query, keep_blank_values=True))}"

        is_stored_here = False

        def work(hold: bool) -> tuple[str, Response]:
            nonlocal is_stored_here
            if request.headers.get("authorization") != f"Bearer {self._key}":
                return "断った", _error_response(StripeRequestError("Invalid API Key provided", status=401))
            try:
                stored = self._stored_response(key, fingerprint)
                if stored:
                    headers = {"Idempotent-Replayed": "true"}
                    return "前と同じ応答を返した", _json_response(
                        json.loads(stored["body"]), stored["status"], key, headers
                    )
                _check_parameters(operation, parameters)
                action, body = execute(parameters, hold)
            except StripeRequestError as error:
                return "断った", _error_response(error, key)
            self._store_response(key, fingerprint, 200, body)
            is_stored_here = True
            return action, _json_response(body, 200, key)

        def error_answer(fault: ActiveSwitch) -> Response:
            kind = "rate_limit_error" if fault.status == 429 else "api_error"
            error = {"type": kind, "message": "An unknown error occurred", "code": fault.code or None}
            if fault.status == 429:
                headers = {"Retry-After": str(fault.retry_after or 1), "Stripe-Should-Retry": "true"}
                return _json_response(
                    {"error": error | {"code": "rate_limit", "message": "Too many requests"}}, 429, key, headers
                )
            if fault.status >= 500 and (is_stored_here or self._objects.get("key", key) is None):
                # Stripe stores a server error under the key, whether or not the work was done.
                self._store_response(key, fingerprint, fault.status, {"error": error})
            # A retry with a key would only get the stored response.
            return _json_response({"error": error}, fault.status, key, {"Stripe-Should-Retry": str(not key).lower()})

        logged_request = parameters | ({"Idempotency-Key": key} if key else {})
        answer = await self._services.faults.handle_request(
            self.name, operation, logged_request | request.path_params, work, error_answer, _response_text
        )
        return AbortedResponse() if answer is None else answer

    def _stored_response(self, key: str, fingerprint: str) -> dict[str, Any] | None:
        if len(key) > 255:
            raise StripeRequestError("Idempotency key too long: it must be at most 255 characters.")
        stored = self._objects.get("key", key) if key else None
        if stored and stored["print"] != fingerprint:
            error = StripeRequestError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
            error.error["type"] = "idempotency_error"
            raise error
        return stored

    def _store_response(self, key: str, fingerprint: str, status: int, body: Mapping[str, Any]) -> None:
        if not key:
            return
        stored = {"print": fingerprint, "status": status, "body": json.dumps(body, ensure_ascii=False)}
        if self._objects.get("key", key) is None:
            self._objects.add("key", key, stored)
        else:
            self._objects.update("key", key, stored)

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        signed = f"{at}.".encode() + body
        signatures = [
            f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
            for secret in self._services.targets.secrets(self.name)
        ]
        return {"Stripe-Signature": ",".join([f"t={at}", *signatures]), "User-Agent": "Stripe/1.0 (sandbox)"}

    def card(self, message: Message) -> Card:
        stored = message.content
        return self._refund_card(stored["id"]) if stored["kind"] == "refund" else self._session_card(stored["id"])

    def _session_card(self, session_id: str) -> Card:
        stored = self._objects.get("session", session_id) or {"session": {}, "description": "", "declined": 0}
        session = stored["session"]
        reference = session.get("client_reference_id") or ""
        return Card(
            title=f"¥{session.get('amount_total', 0):,} {stored['description']}",
            where=reference or "決済ページ",
            preview="",
            text=f"{stored['description']}\n¥{session.get('amount_total', 0):,}",
            facts=[
                ("決済ページ", session_id),
                ("予約", reference),
                ("支払い", session.get("payment_intent") or ""),
                ("拒否された回数", str(stored["declined"])),
            ],
            state=SESSION_STATUS_TITLES.get(session.get("status", ""), ""),
            bad=session.get("status") == "expired",
            counter="回目",
            link=("/payments", "決済の一覧を見る"),
        )

    def _refund_card(self, refund_id: str) -> Card:
        stored = self._objects.get("refund", refund_id)
        missing: dict[str, Any] = {"amount": 0, "payment_intent": "", "status": "", "reason": ""}
        refund = stored["refund"] if stored else missing
        return Card(
            title=f"返金 ¥{refund['amount']:,}",
            where=refund["payment_intent"],
            preview="",
            text=f"返金 ¥{refund['amount']:,}",
            facts=[("返金", refund_id), ("支払い", refund["payment_intent"]), ("理由", refund["reason"] or "")],
            state=REFUND_STATUS_TITLES.get(refund["status"], ""),
            bad=refund["status"] == "failed",
            counter="回目",
            link=("/payments", "決済の一覧を見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def parse_bracketed(form: str) -> dict[str, Any]:
    """Parses `a[0][b]=1`, and `a[][b]=1` with one element, to {"a": [{"b": "1"}]}."""
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
    return {name: _to_lists(value) for name, value in tree.items()}


def _to_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    children = {name: _to_lists(value) for name, value in node.items()}
    if children and all(name.isdecimal() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


def _check_parameters(operation: str, parameters: Mapping[str, Any]) -> None:
    known_names = KNOWN_PARAMETERS.get(operation, frozenset({"expand"}))
    for name in parameters:
        if name == "payment_method_types":
            # Removed in 2026-09-30.endive.
            message = "`payment_method_types` is no longer supported. Use `allowed_payment_method_types` instead."
            raise StripeRequestError(message, name, "payment_method_types_no_longer_supported")
        if name not in known_names:
            raise StripeRequestError(f"Received unknown parameter: {name}", name, "parameter_unknown")


def _matches_time_filter(created: int, time_filter: Any) -> bool:
    if time_filter is None:
        return True
    if not isinstance(time_filter, dict):
        return created == int(time_filter)
    comparisons = {"gte": created.__ge__, "gt": created.__gt__, "lte": created.__le__, "lt": created.__lt__}
    return all(bool(comparisons[name](int(value))) for name, value in time_filter.items() if name in comparisons)


def _list_response(url: str, items: list[dict[str, Any]], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A page, newest first, like all of Stripe's lists."""
    limit = str(parameters.get("limit", 10))
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise StripeRequestError(
            f"Invalid integer: {limit}. Must be between 1 and 100.", "limit", "parameter_invalid_integer"
        )
    ids = [item["id"] for item in items]
    starting_after = parameters.get("starting_after")
    if starting_after is not None and starting_after not in ids:
        raise StripeRequestError(f"No such object: '{starting_after}'", "starting_after", "resource_missing")
    start = ids.index(starting_after) + 1 if starting_after else 0
    page = items[start : start + int(limit)]
    return {"object": "list", "data": page, "has_more": len(items) > start + len(page), "url": url}


def _json_response(
    body: Mapping[str, Any], status: int, key: str, headers: Mapping[str, str] | None = None
) -> Response:
    all_headers = {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": API_VERSION} | dict(headers or {})
    if key:
        all_headers["Idempotency-Key"] = key
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return Response(text, status, all_headers, media_type="application/json")


def _error_response(error: StripeRequestError, key: str = "") -> Response:
    return _json_response({"error": error.error}, error.status, key)


def _response_text(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"
