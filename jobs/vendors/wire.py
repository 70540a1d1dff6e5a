"""Requests to vendors over HTTP: each ends in time, however slowly the other side answers, and one whose answer was
lost is told from one that never left."""

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

# With less than that left nothing new is begun.
LEAST_SECONDS = 1.0

# It logs the address of every request, and with it telephone numbers.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class Line:
    """The requests of one try to one vendor; all of them together end after `MOST_SECONDS`."""

    def __init__(self, vendor: str) -> None:
        """`vendor`: its name, for people."""
        self._vendor = vendor
        self._until = time.monotonic() + MOST_SECONDS

    def request(self, method: str, url: str, **given: Any) -> httpx2.Response:
        """The answer, whatever its status. `given`: as httpx2 takes it.

        Raises:
            OutcomeUnknown: the request was out and no whole answer came; not for GET, which does nothing.
            VendorFailure: it never left, or was only a GET.
        """
        seconds = min(settings().vendor_timeout_seconds, self._until - time.monotonic())
        if seconds < LEAST_SECONDS:
            raise VendorFailure(f"{self._vendor} の応答に時間がかかりすぎています。")
        course, late = _Course(), threading.Event()
        try:
            with cut_off(course.socket, seconds, late):
                given["headers"] = {**(given.get("headers") or {}), **request_header()}
                client = _client(urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost"))
                return client.request(method, url, timeout=seconds, extensions={"trace": course.note}, **given)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if not course.is_out:
                raise VendorFailure(f"{self._vendor} に接続できません（{type(error).__name__}）。") from error
            if late.is_set() or isinstance(error, httpx2.TimeoutException):
                what = f"{self._vendor} の応答が{seconds:g}秒以内に終わりませんでした。"
            else:
                what = f"{self._vendor} の応答が途中で途切れました。"
            if method == "GET":
                raise VendorFailure(what) from error
            raise OutcomeUnknown(f"{what}届いたかどうかは分かりません。") from error

    def json(self, method: str, url: str, refuse: Callable[[httpx2.Response], VendorFailure], **given: Any) -> Any:
        """What a success says, as an object. Raises as `request`, and what `refuse` makes of a refusal."""
        answer = self.request(method, url, **given)
        if answer.is_success:
            with suppress(ValueError):
                said = answer.json()
                if isinstance(said, dict):
                    return said
            raise self._trouble(method, f"{self._vendor} の応答を読み取れません（{answer.status_code}）。")
        if answer.status_code == 429:
            raise rate_limited(self._vendor, answer.headers)
        if answer.status_code >= 500 or answer.status_code == 408:
            raise self._trouble(method, f"{self._vendor} 側で問題が起きています（{answer.status_code}）。")
        raise refuse(answer)

    def _trouble(self, method: str, what: str) -> VendorFailure:
        return VendorFailure(what) if method == "GET" else OutcomeUnknown(what)


def rate_limited(vendor: str, headers: Mapping[str, str]) -> RateLimited:
    wait = retry_after(headers)
    return RateLimited(f"{vendor} の利用数の上限に達しました（{int(wait.total_seconds())}秒後に再開）。", wait)


def retry_after(headers: Mapping[str, str]) -> timedelta:
    """How long a vendor wants to be left alone; half a minute when it does not say so in seconds."""
    seconds = str(headers.get("Retry-After", ""))
    return timedelta(seconds=min(int(seconds), 3600) if seconds.isdecimal() else 30)


def request_header() -> dict[str, str]:
    """The id of the request that all began with: a vendor's support finds it in its own log."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": request_id} if request_id else {}


def not_configured(vendor: str, *variables: str) -> PermanentFailure:
    return PermanentFailure(
        f"{vendor} が設定されていません。{'と'.join(variables)}を設定してから再送してください。", code="not_configured"
    )


def webhook(vendor: str, **query: str) -> str:
    """Where a vendor tells us of what became of something."""
    asked = f"?{urlencode(query)}" if query else ""
    return f"{address()}/api/reservations/webhooks/{vendor}{asked}"


@lru_cache(maxsize=2)
def _client(is_here: bool) -> httpx2.Client:
    """`is_here`: for this machine's own sandbox, to which no proxy leads."""
    # No connection is kept: one that the vendor has closed meanwhile would look like an answer that was lost.
    return httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=not is_here)


class _Course:
    """How far a request has come."""

    def __init__(self) -> None:
        self.is_out = False
        self._stream: Any = None

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        # What a proxy is asked first is not the request itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.is_out = True
        stream = info.get("return_value")
        # A connection, and then the same one under TLS.
        if hasattr(stream, "get_extra_info"):
            self._stream = stream

    def socket(self) -> socket.socket | None:
        found: socket.socket | None = self._stream and self._stream.get_extra_info("socket")
        return found


@contextmanager
def cut_off(line: Callable[[], socket.socket | None], seconds: float, late: threading.Event) -> Iterator[None]:
    """After so long the line is dead, whoever waits on it; `late` then says why."""

    def cut() -> None:
        late.set()
        found = line()
        if found is not None:
            with suppress(OSError):
                # The socket's own, under any TLS: nobody is asked whether this is a good moment.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
