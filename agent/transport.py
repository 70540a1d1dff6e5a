"""The agent's HTTP client, with a total deadline and a size limit for each request, and the URLs of the service."""

import ipaddress
import json as json_text
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx2

from agent import __version__

MAX_ANSWER_BYTES = 256 * 1024


class UnsafeUrl(ValueError):
    """The service's URL cannot be used; the message is Japanese."""


@dataclass(frozen=True)
class Answer:
    """A complete HTTP response. `tls` is the TLS version, None for plain HTTP."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    tls: str | None = None

    def json_object(self) -> dict[str, Any]:
        """The body, or an empty dict when it is not a JSON object."""
        try:
            body = json_text.loads(self.content)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def safe_service_url(text: str) -> str:
    """The URL without a trailing slash. Raises UnsafeUrl for anything but https, or http to this machine itself.

    Parsed by the HTTP client's own parser, so that an unusual URL cannot mean one host here and another in the client.
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
    """Whether the URL's host is this machine itself. `text` must be a URL that httpx2 can parse."""
    host = httpx2.URL(text).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def enrolments_url(service_url: str) -> str:
    """The URL for enrolments."""
    return f"{service_url}/api/fleet/enrolments"


def heartbeats_url(service_url: str) -> str:
    """The URL for heartbeats."""
    return f"{service_url}/api/fleet/heartbeats"


def command_url(service_url: str, command_id: int) -> str:
    """The URL for reports of a command."""
    return f"{service_url}/api/fleet/agent/commands/{command_id}"


def bundle_url(service_url: str, command_id: int) -> str:
    """The URL for the bundle of a command."""
    return f"{command_url(service_url, command_id)}/bundle"


def token_url(service_url: str) -> str:
    """The URL for the hash of the next token."""
    return f"{service_url}/api/fleet/agent/token"


def firmware_url(service_url: str, task_id: int) -> str:
    """The URL of the firmware of an update."""
    return f"{service_url}/api/fleet/agent/firmware/{task_id}"


def request_headers(token: str | None = None) -> dict[str, str]:
    """The headers of every request. Bodies are not compressed: they have about 300 bytes."""
    headers = {"User-Agent": f"genba-agent/{__version__}", "Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def describe(error: httpx2.HTTPError) -> str:
    """The message for a network failure, with the requested URL: a wrong URL is the most likely cause."""
    at_address = _address(error)
    if isinstance(error, httpx2.TimeoutException):
        return f"サービス{at_address}から時間内に応答がありません（{type(error).__name__}）"
    if "CERTIFICATE" in str(error).upper():
        return f"サービス{at_address}の証明書を確認できません（{error}）"
    detail = f"{type(error).__name__}: {error}"
    return f"サービス{at_address}に接続できません（{detail}）。設定のservice_urlとネットワークを確認してください。"


def _address(error: httpx2.HTTPError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # The error has no request.
        return ""
    return f" {url.scheme}://{url.netloc.decode()} "


class Transport:
    """Requests to one service. Used by one thread at a time."""

    def __init__(self, service_url: str, timeout: float) -> None:
        """`timeout`: seconds for one whole request. Raises UnsafeUrl."""
        self.url = safe_service_url(service_url)
        self._timeout = timeout
        # Shops may need the proxy of the environment. Connections to this machine never use it, but they do use the
        # certificate authority of the environment (SSL_CERT_FILE).
        is_local = is_loopback(self.url)
        verify = ssl.create_default_context() if is_local else True
        self._client = httpx2.Client(timeout=timeout, trust_env=not is_local, verify=verify, follow_redirects=False)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """One complete request within `timeout` seconds (None: the client's own). Raises httpx2.HTTPError.

        httpx2's timeouts count from byte to byte; a response that arrives slowly or never ends is aborted here.
        """
        seconds = self._timeout if timeout is None else timeout
        deadline = monotonic() + seconds
        with self._client.stream(method, url, json=json, content=content, headers=headers, timeout=seconds) as response:
            received = b""
            for chunk in response.iter_bytes():
                received += chunk
                if monotonic() > deadline:
                    raise httpx2.ReadTimeout("the answer took too long", request=response.request)
                if len(received) > MAX_ANSWER_BYTES:
                    raise httpx2.ReadError("the answer is too long", request=response.request)
            return Answer(response.status_code, response.headers, received, _tls(response))

    @contextmanager
    def download(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """The open response to a GET; there is no total time limit for its bytes. Raises httpx2.HTTPError."""
        with self._client.stream("GET", url, headers=headers) as response:
            yield response

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _tls(response: httpx2.Response) -> str | None:
    stream = response.extensions.get("network_stream")
    secured = stream.get_extra_info("ssl_object") if stream is not None else None
    return str(secured.version()) if secured is not None else None
