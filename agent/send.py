"""The agent's one way to the service: HTTPS requests, and what their answers mean.

An answer becomes one of a few outcomes; what to do about each is decided in loop.py.
"""

import ipaddress
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeGuard

import httpx2

from agent import __version__

MAX_ANSWER_BYTES = 256 * 1024
MAX_RETRY_AFTER_SECONDS = 3600.0
_ROW_REFUSED = (400, 413, 422)
_ASKED_TO_WAIT = (429, 503)


class UnsafeUrl(ValueError):
    """The service's address cannot be used; the message is Japanese."""


class EnrolmentRefused(Exception):
    """The service did not enrol this terminal; the message is Japanese."""


@dataclass(frozen=True)
class Accepted:
    """Stored by the service. `next_heartbeat_in`: seconds, as the service said."""

    next_heartbeat_in: float


@dataclass(frozen=True)
class RowRefused:
    """This heartbeat can never succeed; others may."""

    reason: str


@dataclass(frozen=True)
class Unauthorised:
    """The service does not know the token (any more)."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """Not stored for now. `retry_after`: seconds the service asked for, if it did."""

    reason: str
    retry_after: float | None = None


Outcome = Accepted | RowRefused | Unauthorised | Failed


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Enrolment:
    """The service's answer to an enrolment."""

    terminal_id: int
    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"Enrolment(terminal_id={self.terminal_id})"


def safe_service_url(text: str) -> str:
    """The address without a trailing slash. Raises UnsafeUrl for anything but https, or http to this machine itself.

    Judged on the URL as the HTTP client reads it, so that no oddly written address means one host here and
    another one there.
    """
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise UnsafeUrl(f"サービスのURL {text} の形式が正しくありません（例: https://tms.example.jp）。") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise UnsafeUrl(f"サービスのURL {text} の形式が正しくありません（例: https://tms.example.jp）。")
    if url.scheme == "http" and not is_loopback(text):
        raise UnsafeUrl(
            f"{text} は暗号化されない http:// のため使用できません。https:// で始まるURLを指定してください"
            "（http:// はこのPC自身を指す場合だけ使えます）。"
        )
    return str(url).rstrip("/")


def is_loopback(text: str) -> bool:
    """Whether the address is this machine itself. `text` must be a URL that httpx2 can read."""
    host = httpx2.URL(text).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def enrolments_url(service_url: str) -> str:
    """Where terminals enrol."""
    return f"{service_url}/api/fleet/enrolments"


def heartbeats_url(service_url: str) -> str:
    """Where heartbeats go."""
    return f"{service_url}/api/fleet/heartbeats"


def request_headers(token: str | None = None) -> dict[str, str]:
    """The headers of every request; a body is never compressed, it is 300 bytes."""
    headers = {"User-Agent": f"genba-agent/{__version__}", "Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def enrolment_body(code: str, serial_number: str, store_name: str | None) -> dict[str, Any]:
    """The wire form of an enrolment."""
    return {
        "enrolment_code": code,
        "serial_number": serial_number,
        "store_name": store_name,
        "agent_version": __version__,
    }


def describe(error: httpx2.HTTPError) -> str:
    """A network failure in words."""
    if isinstance(error, httpx2.TimeoutException):
        return f"サービスから時間内に応答がありません（{type(error).__name__}）"
    if "CERTIFICATE" in str(error).upper():
        return f"サービスの証明書を確認できません（{error}）"
    return f"サービスに接続できません（{type(error).__name__}: {error}）"


def read_heartbeat(answer: Answer) -> Outcome:
    """What the answer to a heartbeat means."""
    if answer.status == 401:
        return Unauthorised(_detail(answer))
    if answer.status in _ROW_REFUSED:
        return RowRefused(_detail(answer))
    if answer.status in _ASKED_TO_WAIT:
        return Failed(_detail(answer), _retry_after(answer))
    if not 200 <= answer.status < 300:
        return Failed(_detail(answer))
    body = _json_object(answer)
    interval = body.get("next_heartbeat_in")
    if not _is_seconds(interval) or "server_time" not in body:
        # A sign-in page of some network in between says 200 too; it has stored nothing.
        return Failed(f"サービスではないものが応答しました（HTTP {answer.status}）。service_url を確認してください")
    return Accepted(float(interval))


def read_enrolment(answer: Answer) -> Enrolment:
    """The terminal's id and token. Raises EnrolmentRefused with the service's words."""
    if not 200 <= answer.status < 300:
        raise EnrolmentRefused(_detail(answer))
    body = _json_object(answer)
    terminal_id, token = body.get("terminal_id"), body.get("token")
    if not isinstance(terminal_id, int) or not isinstance(token, str) or not (token and token.isascii()):
        raise EnrolmentRefused(
            f"サービスではないものが応答しました（HTTP {answer.status}）。service_url を確認してください。"
        )
    return Enrolment(terminal_id, token)


class Service:
    """The service, as one store PC talks to it. Used by one thread at a time."""

    def __init__(self, service_url: str, timeout: float) -> None:
        """`timeout`: seconds for one whole request. Raises UnsafeUrl."""
        self._url = safe_service_url(service_url)
        self._timeout = timeout
        # Shops may sit behind a proxy named in the environment; the way to this machine itself never does.
        self._client = httpx2.Client(timeout=timeout, trust_env=not is_loopback(self._url), follow_redirects=False)

    def enrol(self, code: str, serial_number: str, store_name: str | None) -> Enrolment:
        """Trade an enrolment code for the terminal's token. Raises EnrolmentRefused."""
        body = enrolment_body(code, serial_number, store_name)
        try:
            answer = self._post(enrolments_url(self._url), body, request_headers())
        except httpx2.HTTPError as error:
            raise EnrolmentRefused(describe(error)) from error
        return read_enrolment(answer)

    def heartbeat(self, token: str, body: Mapping[str, Any]) -> Outcome:
        """Send one heartbeat. Never raises for what network or service do."""
        try:
            answer = self._post(heartbeats_url(self._url), body, request_headers(token))
        except httpx2.HTTPError as error:
            return Failed(describe(error))
        return read_heartbeat(answer)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        """httpx2's timeouts count from byte to byte; an answer that drips or never ends is cut off here."""
        deadline = monotonic() + self._timeout
        with self._client.stream("POST", url, json=body, headers=headers) as response:
            content = b""
            for chunk in response.iter_bytes():
                content += chunk
                if monotonic() > deadline:
                    raise httpx2.ReadTimeout("the answer took too long", request=response.request)
                if len(content) > MAX_ANSWER_BYTES:
                    raise httpx2.ReadError("the answer is too long", request=response.request)
        return Answer(response.status_code, response.headers, content)


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _detail(answer: Answer) -> str:
    """The service's own words for people, its field errors included; else the bare status."""
    problem = _json_object(answer)
    words = [str(problem["detail"])] if problem.get("detail") else []
    errors = problem.get("errors")
    if isinstance(errors, list):
        words += [json.dumps(error, ensure_ascii=False) for error in errors[:5]]
    return (" ".join(words) + f"（HTTP {answer.status}）")[:500]


def _retry_after(answer: Answer) -> float | None:
    try:
        seconds = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _is_seconds(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
