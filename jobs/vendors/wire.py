"""HTTP requests to vendors. Each has a total time limit, however slowly the vendor answers, and a request whose
response was lost is distinguished from one that was never sent."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import structlog

from jobs.vendors import MOST_SECONDS, OutcomeUnknown, PermanentFailure, RateLimited, VendorFailure
from service.core.pages.shell import address
from service.core.settings import settings

# No request is started with less time than this.
LEAST_SECONDS = 1.0

# httpx2 logs the URL of every request, and with it telephone numbers.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class VendorHttp:
    """The HTTP requests of one attempt at one vendor; all of them together end after `MOST_SECONDS`."""

    def __init__(self, vendor: str) -> None:
        """`vendor`: its name in messages for operators."""
        self._vendor = vendor
        self._deadline = time.monotonic() + MOST_SECONDS

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """The response, whatever its status. `options`: keyword arguments of httpx2.

        Raises:
            OutcomeUnknown: the request was sent but no complete response arrived; not for GET, which changes nothing.
            VendorFailure: the request was not sent, or was a GET.
        """
        seconds = min(settings().vendor_timeout_seconds, self._deadline - time.monotonic())
        if seconds < LEAST_SECONDS:
            raise VendorFailure(f"{self._vendor} の応答に時間がかかりすぎています。")
        progress, late = _Progress(), threading.Event()
        try:
            with abort_after(progress.socket, seconds, late):
                options["headers"] = {**(options.get("headers") or {}), **request_header()}
                client = _client(urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost"))
                return client.request(method, url, timeout=seconds, extensions={"trace": progress.note}, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if not progress.is_sent:
                raise VendorFailure(f"{self._vendor} に接続できません（{type(error).__name__}）。") from error
            if late.is_set() or isinstance(error, httpx2.TimeoutException):
                text = f"{self._vendor} の応答が{seconds:g}秒以内に終わりませんでした。"
            else:
                text = f"{self._vendor} の応答が途中で途切れました。"
            if method == "GET":
                raise VendorFailure(text) from error
            raise OutcomeUnknown(f"{text}届いたかどうかは分かりません。") from error

    def json(self, method: str, url: str, refuse: Callable[[httpx2.Response], VendorFailure], **options: Any) -> Any:
        """The JSON object of a successful response. Raises as `request`, and the error that `refuse` returns for a
        rejected request."""
        answer = self.request(method, url, **options)
        if answer.is_success:
            with suppress(ValueError):
                value = answer.json()
                if isinstance(value, dict):
                    return value
            raise self._trouble(method, f"{self._vendor} の応答を読み取れません（{answer.status_code}）。")
        if answer.status_code == 429:
            raise rate_limited(self._vendor, answer.headers)
        if answer.status_code >= 500 or answer.status_code == 408:
            raise self._trouble(method, f"{self._vendor} 側で問題が起きています（{answer.status_code}）。")
        raise refuse(answer)

    def _trouble(self, method: str, text: str) -> VendorFailure:
        return VendorFailure(text) if method == "GET" else OutcomeUnknown(text)


def rate_limited(vendor: str, headers: Mapping[str, str]) -> RateLimited:
    wait = retry_after(headers)
    return RateLimited(f"{vendor} の利用数の上限に達しました（{int(wait.total_seconds())}秒後に再開）。", wait)


def retry_after(headers: Mapping[str, str]) -> timedelta:
    """The pause that the vendor asks for; 30 seconds when its header is not a number of seconds."""
    seconds = str(headers.get("Retry-After", ""))
    return timedelta(seconds=min(int(seconds), 3600) if seconds.isdecimal() else 30)


def request_header() -> dict[str, str]:
    """The header with the id of the original request: the vendor's support can find it in their log."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": request_id} if request_id else {}


def not_configured(vendor: str, *variables: str) -> PermanentFailure:
    return PermanentFailure(
        f"{vendor} が設定されていません。{'と'.join(variables)}を設定してから再送してください。", code="not_configured"
    )


def webhook_url(vendor: str, **query: str) -> str:
    """The URL of our webhook for the vendor."""
    parameters = f"?{urlencode(query)}" if query else ""
    return f"{address()}/api/reservations/webhooks/{vendor}{parameters}"


@lru_cache(maxsize=2)
def _client(is_local: bool) -> httpx2.Client:
    """`is_local`: for the sandbox on this machine, which needs no proxy."""
    # No keep-alive: a connection that the vendor has closed meanwhile would look like a lost response.
    return httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=not is_local)


class _Progress:
    """The progress of a request: whether it was sent, and on which socket."""

    def __init__(self) -> None:
        self.is_sent = False
        self._stream: Any = None

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        # CONNECT goes to a proxy first and is not the request itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.is_sent = True
        stream = info.get("return_value")
        # First the TCP connection, then the same one with TLS.
        if hasattr(stream, "get_extra_info"):
            self._stream = stream

    def socket(self) -> socket.socket | None:
        raw_socket: socket.socket | None = self._stream and self._stream.get_extra_info("socket")
        return raw_socket


@contextmanager
def abort_after(
    get_socket: Callable[[], socket.socket | None], seconds: float, late: threading.Event
) -> Iterator[None]:
    """Shuts the socket down after this time, whatever waits on it, and sets `late`."""

    def shut_down() -> None:
        late.set()
        open_socket = get_socket()
        if open_socket is not None:
            with suppress(OSError):
                # The method of the plain socket: without the handshake of TLS.
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
