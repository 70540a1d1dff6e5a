"""Reports the progress of a command to the service, whose answer says whether to continue.

Progress is reported at every new step and every five seconds, and does not delay the work; the final report is repeated
until the service has it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

import httpx2

from agent.backoff import Backoff
from agent.command import Cancelled, Stopped
from agent.config import Settings
from agent.send import Failed, Unauthorised, detail, failed, unexpected_answer
from agent.tokens import Tokens
from agent.transport import Answer, Transport, bundle_url, command_url, describe, request_headers, token_url

PROGRESS_SECONDS = 5.0
# Five megabytes over a shop's uplink of 200 kbit/s.
BUNDLE_SECONDS = 240.0
MAX_MESSAGE_CHARACTERS = 500
_REFUSED_STATUSES = (400, 404, 409, 410, 413, 422)

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Acknowledged:
    """The service has the report. `go_on`: False when it has cancelled the command."""

    go_on: bool
    seconds: float
    tls: str | None


@dataclass(frozen=True)
class Refused:
    """The service will never accept this; a retry does not help."""

    status: int
    reason: str


class CommandClient:
    """Client for the service's command endpoints, with the current token or the next one. Used by one thread at a
    time."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self.transport = Transport(settings.service_url, settings.http_timeout_seconds)
        self.tokens = tokens

    def report(self, command_id: int, body: Mapping[str, Any]) -> Acknowledged | Refused | Unauthorised | Failed:
        """Report the state of a command. Never raises for errors of network or service."""
        started = monotonic()
        url = command_url(self.transport.url, command_id)
        outcome = self._send_with_tokens(
            lambda headers: self.transport.request("POST", url, headers, json=body), use_token=True
        )
        if not isinstance(outcome, Answer):
            return outcome
        go_on = outcome.json_object().get("go_on")
        if not isinstance(go_on, bool):
            return unexpected_answer(outcome)
        return Acknowledged(go_on, monotonic() - started, outcome.tls)

    def put_bundle(self, command_id: int, content: bytes) -> Answer | Refused | Unauthorised | Failed:
        """Upload the zip. Never raises for errors of network or service."""
        url = bundle_url(self.transport.url, command_id)
        content_type = {"Content-Type": "application/zip"}
        return self._send_with_tokens(
            lambda headers: self.transport.request(
                "PUT", url, headers | content_type, content=content, timeout=BUNDLE_SECONDS
            )
        )

    def put_token(self, token: str, sha256: str) -> Answer | Refused | Unauthorised | Failed:
        """Send the next token's hash, authenticated with exactly this token. Never raises for errors of network or
        service."""
        url, body = token_url(self.transport.url), {"token_sha256": sha256}
        return self._request(lambda: self.transport.request("PUT", url, request_headers(token), json=body))

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _send_with_tokens(
        self, send: Callable[[dict[str, str]], Answer], *, use_token: bool = False
    ) -> Answer | Refused | Unauthorised | Failed:
        outcome: Answer | Refused | Unauthorised | Failed = Failed("トークンがありません")
        for token in self.tokens.candidates():
            headers = request_headers(token)
            outcome = self._request(lambda headers=headers: send(headers))  # type: ignore[misc]
            if use_token and isinstance(outcome, Answer) and "go_on" in outcome.json_object():
                self.tokens.use(token)
            if not isinstance(outcome, Unauthorised):
                break
        return outcome

    def _request(self, send: Callable[[], Answer]) -> Answer | Refused | Unauthorised | Failed:
        try:
            answer = send()
        except httpx2.HTTPError as error:
            return Failed(describe(error))
        if answer.status == 401:
            return Unauthorised(detail(answer))
        if answer.status in _REFUSED_STATUSES:
            return Refused(answer.status, detail(answer))
        return answer if 200 <= answer.status < 300 else failed(answer)


class Progress:
    """The progress reports of one command."""

    def __init__(self, desk: CommandClient, command_id: int, stop: Event) -> None:
        """`stop`: set when the agent shuts down."""
        self.desk = desk
        self.command_id = command_id
        self._stop = stop
        self._backoff = Backoff()
        self._step: str | None = None
        self._failing = False
        self._not_before = 0.0

    def update(self, step: str, percent: int | None = None, message: str | None = None) -> None:
        """Report when the step is new or five seconds have passed; a report that fails is skipped.

        Raises Cancelled, Stopped.
        """
        if self._stop.is_set():
            raise Stopped
        if monotonic() < self._not_before and (step == self._step or self._failing):
            return
        outcome = self._report(step, percent, message)
        if isinstance(outcome, Acknowledged):
            self._step = step

    def report_and_wait(self, step: str) -> Acknowledged:
        """Report until the service has answered that the command may continue. Raises Cancelled, Stopped."""
        while True:
            outcome = self._report(step, None, None)
            if isinstance(outcome, Acknowledged):
                self._step = step
                return outcome
            if isinstance(outcome, Refused):
                raise Cancelled
            self.pause(wait_seconds(outcome, self._backoff))

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds. Raises Stopped as soon as the agent shuts down."""
        if self._stop.wait(seconds):
            raise Stopped

    def _report(
        self, step: str | None, percent: int | None, message: str | None
    ) -> Acknowledged | Refused | Unauthorised | Failed:
        body = {"state": "running", "step": step, "percent": percent, "message": message, "result": None}
        outcome = self.desk.report(self.command_id, body)
        self._failing = not isinstance(outcome, Acknowledged)
        if isinstance(outcome, Acknowledged):
            self._backoff.reset()
            self._not_before = monotonic() + PROGRESS_SECONDS
            if not outcome.go_on:
                raise Cancelled
        else:
            log.warning("コマンド %d の進み具合を報告できません: %s", self.command_id, outcome.reason)
            self._not_before = monotonic() + max(PROGRESS_SECONDS, wait_seconds(outcome, self._backoff))
        return outcome


def wait_seconds(outcome: Refused | Unauthorised | Failed, backoff: Backoff) -> float:
    """The pause before the next attempt: the service's Retry-After plus the back-off."""
    retry_after = outcome.retry_after if isinstance(outcome, Failed) else None
    return (retry_after or 0.0) + backoff.next_delay()


def final_report(state: str, message: str | None, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The request body of the final report."""
    text = message[:MAX_MESSAGE_CHARACTERS] if message else None
    return {
        "state": state,
        "step": None,
        "percent": 100 if state == "done" else None,
        "message": text,
        "result": result,
    }
