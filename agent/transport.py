"""The agent's HTTP: whole requests with one deadline and a capped answer, and where everything is at the service."""

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
    """The service's address cannot be used; the message is Japanese."""


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP, whole. `tls` names the version, None on a plain connection."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    tls: str | None = None

    def json_object(self) -> dict[str, Any]:
        """The body, or an empty object when it is none."""
        try:
            body = json_text.loads(self.content)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


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


def command_url(service_url: str, command_id: int) -> str:
    """Where the progress of a command goes."""
    return f"{service_url}/api/fleet/agent/commands/{command_id}"


def bundle_url(service_url: str, command_id: int) -> str:
    """Where the bundle that a command asked for goes."""
    return f"{command_url(service_url, command_id)}/bundle"


def token_url(service_url: str) -> str:
    """Where the hash of the next token goes."""
    return f"{service_url}/api/fleet/agent/token"


def firmware_url(service_url: str, task_id: int) -> str:
    """Where the firmware of an update is."""
    return f"{service_url}/api/fleet/agent/firmware/{task_id}"


def request_headers(token: str | None = None) -> dict[str, str]:
    """The headers of every request; a body is never compressed, it is 300 bytes."""
    headers = {"User-Agent": f"genba-agent/{__version__}", "Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def describe(error: httpx2.HTTPError) -> str:
    """A network failure in words, with the address that was asked: a wrong one is the first thing to look for."""
    where = _address(error)
    if isinstance(error, httpx2.TimeoutException):
        return f"サービス{where}から時間内に応答がありません（{type(error).__name__}）"
    if "CERTIFICATE" in str(error).upper():
        return f"サービス{where}の証明書を確認できません（{error}）"
    what = f"{type(error).__name__}: {error}"
    return f"サービス{where}に接続できません（{what}）。設定のservice_urlとネットワークを確認してください。"


def _address(error: httpx2.HTTPError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # It failed before there was a request.
        return ""
    return f" {url.scheme}://{url.netloc.decode()} "


class Transport:
    """Requests to one service. Used by one thread at a time."""

    def __init__(self, service_url: str, timeout: float) -> None:
        """`timeout`: seconds for one whole request. Raises UnsafeUrl."""
        self.url = safe_service_url(service_url)
        self._timeout = timeout
        # Shops may sit behind a proxy named in the environment; the way to this machine itself never does, but the
        # authority that the environment names (SSL_CERT_FILE) holds for it too.
        here = is_loopback(self.url)
        verify = ssl.create_default_context() if here else True
        self._client = httpx2.Client(timeout=timeout, trust_env=not here, verify=verify, follow_redirects=False)

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
        """One whole request within `timeout` seconds (None: the client's own). Raises httpx2.HTTPError.

        httpx2's timeouts count from byte to byte; an answer that drips or never ends is cut off here.
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
        """The open answer to a GET; its bytes may take as long as they come. Raises httpx2.HTTPError."""
        with self._client.stream("GET", url, headers=headers) as response:
            yield response

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _tls(response: httpx2.Response) -> str | None:
    stream = response.extensions.get("network_stream")
    secured = stream.get_extra_info("ssl_object") if stream is not None else None
    return str(secured.version()) if secured is not None else None
