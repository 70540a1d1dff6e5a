"""The only HTTP client of the dashboards: whatever goes wrong on the way becomes one exception, ApiProblem."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import httpx2

from dashboards.settings import settings

SAFE_METHODS = {"GET", "HEAD"}
# Seconds since the last write of this person was answered: answers that may lag are then no older (`core/replica.py`).
SINCE_WRITE_HEADER = "X-Genba-Since-Write"
ADDRESS_HEADER = "X-Genba-Address"
STALE = "urn:genba:stale"
SENT_BEFORE = "urn:genba:sent-before"
# uvicorn closes a connection 5 s after its last answer, and what is sent in that very moment is lost (the demo's pages
# ask every 5 s). Well before that, so that a slow machine keeps clear of it too.
KEPT_SECONDS = 2
# For what a person looks at while it loads: longer than any good answer takes, shorter than she would wait.
PATIENCE_SECONDS = 4


@dataclass(eq=False)
class ApiProblem(Exception):
    """A refusal or a failure, in words for the person. `status` 0 means that no answer came from the service."""

    status: int
    title: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    reference: str = ""
    type: str = ""
    # Of a stale edit: what was sent, and what is there now.
    yours: dict[str, Any] | None = None
    current: dict[str, Any] | None = None
    # False: it never left here, so that nothing can have been stored.
    was_sent: bool = True

    @property
    def temporary(self) -> bool:
        """True when the service failed or could not be reached, so that asking again later makes sense."""
        return self.status == 0 or self.status >= 500

    @property
    def stale(self) -> bool:
        """Somebody changed it since it was read."""
        return self.type == STALE

    @property
    def sent_before(self) -> bool:
        """What was sent before under the same `once`, and differs from this, has been stored."""
        return self.type == SENT_BEFORE


def new_reference() -> str:
    """A number short enough to read out on the phone; the service logs a request under the one it was sent with."""
    return uuid.uuid4().hex[:12]


@cache
def make_client() -> httpx2.Client:
    """One pooled, thread-safe client for all sessions; tests put the service's test client in its place."""
    config = settings()
    return httpx2.Client(
        base_url=config.service_url,
        timeout=httpx2.Timeout(config.service_timeout_seconds, connect=3),
        limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEPT_SECONDS),
        trust_env=False,
    )


class Writes:
    """When each person last wrote through this process, as far as it knows. Somebody new here may just have written
    through another process, or one that died: their first request counts as a write."""

    AT_MOST = 4096

    def __init__(self) -> None:
        self._last: OrderedDict[str, float] = OrderedDict()
        self._guard = threading.Lock()

    def note(self, token: str) -> None:
        with self._guard:
            self._last[token] = time.monotonic()
            self._last.move_to_end(token)
            while len(self._last) > self.AT_MOST:
                self._last.popitem(last=False)

    def seconds_since(self, token: str) -> float:
        with self._guard:
            last = self._last.get(token)
        if last is None:
            self.note(token)
            return 0.0
        return time.monotonic() - last


writes = Writes()


@dataclass(frozen=True)
class Api:
    """The service as one signed-in person sees it."""

    token: str | None = None
    patience: float | None = None  # seconds to wait for an answer, when not those of the settings
    address: str = ""  # the browser's

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, once: str | None, reads: bool = False) -> Any:
        """`once`, a UUID, goes out as Idempotency-Key: a repeat with the same one is answered like the first and stored
        once. Forms and dialogs have one, a button has that of `ui.once`. None: twice does no harm, because it only
        reads, or its body has an id of its own; tests/house/test_once.py names these. `reads`: what gets no answer has
        stored nothing, and that is said."""
        return self._call("POST", path, {"Idempotency-Key": once} if once else {}, reads, json=body)

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
                headers[SINCE_WRITE_HEADER] = f"{writes.seconds_since(self.token):.3f}"
        if self.address:
            headers |= vouched(self.address, self.token or "")
        if self.patience:
            # As an extension, because Starlette's test client refuses the argument of that name.
            options["extensions"] = {"timeout": httpx2.Timeout(self.patience).as_dict()}
        try:
            response = make_client().request(method, path, headers=headers, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise _never_sent(method, reference) from error
        except httpx2.HTTPError as error:
            if reads:
                raise _unread(reference) from error
            raise _no_answer(method, reference, known="Idempotency-Key" in extra) from error
        finally:
            # Also one that nobody heard the end of: it may have been stored.
            if self.token and method not in SAFE_METHODS:
                writes.note(self.token)
        if response.is_success and not response.content:
            return None
        reference = response.headers.get("X-Request-Id", reference)
        try:
            body = response.json()
        except ValueError:
            raise _not_ours(response, reference) from None
        if response.is_success:
            return body
        raise _refused(response, body, reference)


def vouched(address: str, token: str) -> dict[str, str]:
    """The browser's address, signed for this session and this minute; the service reads it in `core/addresses.py`."""
    key = settings().secret_key.get_secret_value().encode()
    if not key:
        return {}
    moment = str(int(time.time()))
    said = "\n".join(("genba person's address", address, moment, hashlib.sha256(token.encode()).hexdigest()))
    return {ADDRESS_HEADER: f"{address};{moment};{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"}


def _never_sent(method: str, reference: str) -> ApiProblem:
    stored = "" if method in SAFE_METHODS else "保存はされていません。"
    detail = f"サービスに接続できません。{stored}しばらく待ってから、もう一度お試しください。"
    return ApiProblem(0, "サービスに接続できません", detail, reference=reference, was_sent=False)


def _no_answer(method: str, reference: str, *, known: bool) -> ApiProblem:
    if method in SAFE_METHODS:
        detail = "サービスから応答がありませんでした。しばらく待ってから、もう一度お試しください。"
    elif known:
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


def _unread(reference: str) -> ApiProblem:
    """Of a question that has to be posted."""
    detail = (
        "サービスから応答がありませんでした。この操作では何も保存されていません。"
        "入力した内容はこの画面に残っています。しばらく待ってから、もう一度お試しください。"
    )
    return ApiProblem(0, "サービスから応答がありません", detail, reference=reference, was_sent=False)


def _refused(response: httpx2.Response, body: Any, reference: str) -> ApiProblem:
    if not isinstance(body, dict) or "detail" not in body:
        return _not_ours(response, reference)
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


def _not_ours(response: httpx2.Response, reference: str) -> ApiProblem:
    """Not our service's words: a proxy in between, or a wrong SERVICE_URL. Whatever it says, even 200 or 401, says
    nothing about the person or the data."""
    status = response.status_code
    detail = f"サービスが正しく応答しませんでした（状態 {status}）。しばらく待ってから、もう一度お試しください。"
    return ApiProblem(max(status, 502), "サービスの応答が正しくありません", detail, reference=reference)
