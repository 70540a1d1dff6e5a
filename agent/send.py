"""Heartbeats and enrolment: the requests, and the outcomes of their answers. loop.py handles the outcomes."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

import httpx2

from agent import __version__
from agent.command import Command, read_commands
from agent.transport import Answer, Transport, describe, enrolments_url, heartbeats_url, request_headers

MAX_RETRY_AFTER_SECONDS = 3600.0
_ROW_REFUSED_STATUSES = (400, 413, 422)
_RETRY_AFTER_STATUSES = (429, 503)


class EnrolmentRefused(Exception):
    """The service did not enrol this terminal; the message is Japanese."""


@dataclass(frozen=True)
class Accepted:
    """Stored by the service. `next_heartbeat_in`: seconds, from the answer."""

    next_heartbeat_in: float
    commands: tuple[Command, ...] = ()
    server_time: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RowRefused:
    """The service will never accept this heartbeat; others may succeed."""

    reason: str


@dataclass(frozen=True)
class Unauthorised:
    """The service does not accept the token (any more)."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """Not stored; try again later. `retry_after`: seconds from the service's Retry-After header, if any."""

    reason: str
    retry_after: float | None = None


Outcome = Accepted | RowRefused | Unauthorised | Failed


@dataclass(frozen=True)
class Enrolment:
    """The service's answer to an enrolment."""

    terminal_id: int
    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"Enrolment(terminal_id={self.terminal_id})"


def enrolment_body(code: str, serial_number: str, store_name: str | None) -> dict[str, Any]:
    """The request body of an enrolment."""
    return {
        "enrolment_code": code,
        "serial_number": serial_number,
        "store_name": store_name,
        "agent_version": __version__,
    }


def read_heartbeat(answer: Answer) -> Outcome:
    """The outcome of a heartbeat from its answer."""
    if answer.status == 401:
        return Unauthorised(detail(answer))
    if answer.status in _ROW_REFUSED_STATUSES:
        return RowRefused(detail(answer))
    if not 200 <= answer.status < 300:
        return failed(answer)
    body = answer.json_object()
    interval = body.get("next_heartbeat_in")
    if not _is_seconds(interval) or "server_time" not in body:
        return unexpected_answer(answer)
    return Accepted(float(interval), read_commands(body.get("commands")), _timestamp(body["server_time"]))


def failed(answer: Answer) -> Failed:
    """The outcome to try again later, at the earliest after the service's Retry-After."""
    return Failed(detail(answer), retry_after(answer) if answer.status in _RETRY_AFTER_STATUSES else None)


def unexpected_answer(answer: Answer) -> Failed:
    """The outcome for a 2xx answer that is not the service's, such as a sign-in page of a network: nothing was
    stored."""
    return Failed(f"サービスではないものが応答しました（HTTP {answer.status}）。service_url を確認してください")


def read_enrolment(answer: Answer) -> Enrolment:
    """The terminal's id and token. Raises EnrolmentRefused with the service's message."""
    if not 200 <= answer.status < 300:
        raise EnrolmentRefused(detail(answer))
    body = answer.json_object()
    terminal_id, token = body.get("terminal_id"), body.get("token")
    if not isinstance(terminal_id, int) or not isinstance(token, str) or not (token and token.isascii()):
        raise EnrolmentRefused(
            f"サービスではないものが応答しました（HTTP {answer.status}）。service_url を確認してください。"
        )
    return Enrolment(terminal_id, token)


class Service:
    """Client for heartbeats and enrolment. Used by one thread at a time."""

    def __init__(self, service_url: str, timeout: float) -> None:
        """`timeout`: seconds for one whole request. Raises UnsafeUrl."""
        self._transport = Transport(service_url, timeout)

    def enrol(self, code: str, serial_number: str, store_name: str | None) -> Enrolment:
        """Exchange an enrolment code for the terminal's token. Raises EnrolmentRefused."""
        body = enrolment_body(code, serial_number, store_name)
        try:
            answer = self._transport.request("POST", enrolments_url(self._transport.url), request_headers(), json=body)
        except httpx2.HTTPError as error:
            raise EnrolmentRefused(describe(error)) from error
        return read_enrolment(answer)

    def heartbeat(self, token: str, body: Mapping[str, Any], timeout: float | None = None) -> Outcome:
        """Send one heartbeat with the current time of this PC's clock. Never raises for errors of network or service.

        `timeout`: seconds, when it must be shorter than usual.
        """
        stamped = {**body, "agent_time": datetime.now(UTC).isoformat()}
        url = heartbeats_url(self._transport.url)
        try:
            answer = self._transport.request("POST", url, request_headers(token), json=stamped, timeout=timeout)
        except httpx2.HTTPError as error:
            return Failed(describe(error))
        return read_heartbeat(answer)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def detail(answer: Answer) -> str:
    """The service's message for users with its field errors; else only the status."""
    problem = answer.json_object()
    parts = [str(problem["detail"])] if problem.get("detail") else []
    errors = problem.get("errors")
    if isinstance(errors, list):
        parts += [json.dumps(error, ensure_ascii=False) for error in errors[:5]]
    return (" ".join(parts) + f"（HTTP {answer.status}）")[:500]


def retry_after(answer: Answer) -> float | None:
    """The seconds of the Retry-After header, an hour at most."""
    try:
        seconds = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _is_seconds(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _timestamp(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
