"""The only HTTP client of the dashboards. Every failure becomes one exception, ApiProblem."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import httpx2

from dashboards.by_token import ByToken
from dashboards.settings import settings

SAFE_METHODS = {"GET", "HEAD"}
# What users arrange for themselves is read once per session: after such a write no list has to be read anew.
PREFERENCES = "/api/me/preferences"
# Seconds since the user's last write was answered. A replica read is never older (`core/replica.py`).
SINCE_WRITE_HEADER = "X-Genba-Since-Write"
ADDRESS_HEADER = "X-Genba-Address"
STALE = "urn:genba:stale"
IDEMPOTENCY_KEY_REUSED = "urn:genba:sent-before"
STILL_RUNNING = "urn:genba:still-running"
# As the service's Retry-After says.
STILL_RUNNING_PAUSE_SECONDS = 1
# uvicorn closes an idle connection after 5 seconds, and loses a request sent at that time (the demo's pages poll every
# 5 seconds). Two seconds keep clear of it on a slow machine too.
KEEPALIVE_SECONDS = 2
# Timeout of what a page loads while the user waits: longer than any good answer takes.
PAGE_TIMEOUT_SECONDS = 4


@dataclass(eq=False)
class ApiProblem(Exception):
    """A refusal or a failure, with a text for the user. `status` 0 means that no answer came from the service."""

    status: int
    title: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    reference: str = ""
    type: str = ""
    # Of a stale edit: the values that were sent, and the present ones.
    yours: dict[str, Any] | None = None
    current: dict[str, Any] | None = None
    # False: the request was never sent, so nothing can have been stored.
    was_sent: bool = True

    @property
    def temporary(self) -> bool:
        """True when the service failed, could not be reached or still works on the same request, so that asking again
        later makes sense."""
        return self.status == 0 or self.status >= 500 or self.type == STILL_RUNNING

    @property
    def stale(self) -> bool:
        """A stale edit: another user changed the record since it was read (optimistic locking)."""
        return self.type == STALE

    @property
    def key_reused(self) -> bool:
        """The idempotency key was used before with another body, and that first request was stored."""
        return self.type == IDEMPOTENCY_KEY_REUSED


def new_reference() -> str:
    """A request id short enough to read out on the phone; the service logs the request under it."""
    return uuid.uuid4().hex[:12]


@cache
def make_client() -> httpx2.Client:
    """One pooled, thread-safe client for all sessions; tests replace it with the service's test client."""
    config = settings()
    return httpx2.Client(
        base_url=config.service_url,
        timeout=httpx2.Timeout(config.service_timeout_seconds, connect=3),
        limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_SECONDS),
        trust_env=False,
    )


class LastWrites:
    """When each session last wrote through this process. A session that is new here may just have written through
    another process, or one that died: its first request counts as a write."""

    def __init__(self) -> None:
        self._times: ByToken[float] = ByToken(max_tokens=4096)

    def note(self, token: str) -> None:
        self._times.put(token, time.monotonic())

    def seconds_since(self, token: str) -> float:
        last = self._times.get(token)
        if last is None:
            self.note(token)
            return 0.0
        return time.monotonic() - last


last_writes = LastWrites()


@dataclass(frozen=True)
class Api:
    """The service as the signed-in user sees it."""

    token: str | None = None
    patience: float | None = None  # Seconds to wait for an answer, instead of those of the settings.
    address: str = ""  # The browser's IP address.

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None, reads: bool = False
    ) -> Any:
        """A repeat with the same idempotency key, a UUID, gets the first answer and is stored once. Forms and dialogs
        have a key; a button has that of `ui.idempotency`. None: a repeat does no harm, because the call only reads, or
        its body has an id of its own; tests/house/test_idempotency.py lists these calls. `reads`: without an answer
        nothing was stored, and the message says so."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        ends_at = time.monotonic() + (self.patience or settings().service_timeout_seconds)
        while True:
            try:
                return self._call("POST", path, headers, reads, json=body)
            except ApiProblem as problem:
                # A second press while the first one works: its answer is the answer.
                if problem.type != STILL_RUNNING or time.monotonic() > ends_at:
                    raise
            time.sleep(STILL_RUNNING_PAUSE_SECONDS)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PUT", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        options: dict[str, Any] = {"json": body} if body is not None else {}
        return self._call("DELETE", path, **options)

    def _call(
        self,
        method: str,
        path: str,
        extra: Mapping[str, str] = MappingProxyType({}),
        reads: bool = False,
        **options: Any,
    ) -> Any:
        reference = new_reference()
        headers = {"X-Request-Id": reference, **extra}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
            if method in SAFE_METHODS:
                headers[SINCE_WRITE_HEADER] = f"{last_writes.seconds_since(self.token):.3f}"
        if self.address:
            headers |= signed_address_header(self.address, self.token or "")
        if self.patience:
            # As an extension, because Starlette's test client refuses the argument of that name.
            options["extensions"] = {"timeout": httpx2.Timeout(self.patience).as_dict()}
        try:
            response = make_client().request(method, path, headers=headers, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise _not_connected(method, reference) from error
        except httpx2.HTTPError as error:
            if reads:
                raise _read_failed(reference) from error
            raise _no_answer(method, reference, has_idempotency_key="Idempotency-Key" in extra) from error
        finally:
            # Also after a lost answer: the write may have been stored.
            if self.token and method not in SAFE_METHODS and not path.startswith(PREFERENCES):
                last_writes.note(self.token)
        if response.is_success and not response.content:
            return None
        reference = response.headers.get("X-Request-Id", reference)
        try:
            body = response.json()
        except ValueError:
            raise _unexpected_response(response, reference) from None
        if response.is_success:
            return body
        raise _problem_from(response, body, reference)


def signed_address_header(address: str, token: str) -> dict[str, str]:
    """The header with the browser's IP address, signed for this session and minute; the service reads it in
    `core/addresses.py`."""
    key = settings().secret_key.get_secret_value().encode()
    if not key:
        return {}
    timestamp = str(int(time.time()))
    message = "\n".join(("genba person's address", address, timestamp, hashlib.sha256(token.encode()).hexdigest()))
    return {ADDRESS_HEADER: f"{address};{timestamp};{hmac.new(key, message.encode(), hashlib.sha256).hexdigest()}"}


def _not_connected(method: str, reference: str) -> ApiProblem:
    stored = "" if method in SAFE_METHODS else "保存はされていません。"
    detail = f"サービスに接続できません。{stored}しばらく待ってから、もう一度お試しください。"
    return ApiProblem(0, "サービスに接続できません", detail, reference=reference, was_sent=False)


def _no_answer(method: str, reference: str, *, has_idempotency_key: bool) -> ApiProblem:
    if method in SAFE_METHODS:
        detail = "サービスから応答がありませんでした。しばらく待ってから、もう一度お試しください。"
    elif has_idempotency_key:
        detail = (
            "サービスから応答がなく、保存されたかどうかを確認できません。"
            "この画面のままもう一度お試しください。保存されていた場合も、二重には保存されません。"
        )
    else:
        detail = (
            "サービスから応答がなく、保存されたかどうかを確認できません。"
            "画面を読み込み直して、内容が変わったかどうかをお確かめください。"
        )
    return ApiProblem(0, "サービスから応答がありません", detail, reference=reference)


def _read_failed(reference: str) -> ApiProblem:
    """A POST that only reads."""
    detail = (
        "サービスから応答がありませんでした。この操作では何も保存されていません。"
        "入力した内容はこの画面に残っています。しばらく待ってから、もう一度お試しください。"
    )
    return ApiProblem(0, "サービスから応答がありません", detail, reference=reference, was_sent=False)


def _problem_from(response: httpx2.Response, body: Any, reference: str) -> ApiProblem:
    if not isinstance(body, dict) or "detail" not in body:
        return _unexpected_response(response, reference)
    title, detail, errors = str(body.get("title", "")), str(body["detail"]), body.get("errors") or []
    return ApiProblem(
        response.status_code,
        title,
        detail,
        errors,
        reference,
        str(body.get("type", "")),
        body.get("yours"),
        body.get("current"),
    )


def _unexpected_response(response: httpx2.Response, reference: str) -> ApiProblem:
    """The answer of a proxy in between, or of a wrong SERVICE_URL. Even its 200 or 401 says nothing about the user or
    the data."""
    status = response.status_code
    detail = f"サービスが正しく応答しませんでした（状態 {status}）。しばらく待ってから、もう一度お試しください。"
    return ApiProblem(max(status, 502), "サービスの応答が正しくありません", detail, reference=reference)
