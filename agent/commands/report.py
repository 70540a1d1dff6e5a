"""How a command tells the service where it stands, and hears whether to go on.

Progress is told at every new step and every five seconds, and never holds up the work; the end is told until the
service knows it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

import httpx2

from agent.backoff import Backoff
from agent.commands import Cancelled, Stopped
from agent.config import Settings
from agent.send import Failed, Unauthorised, detail, failed, not_the_service
from agent.tokens import Tokens
from agent.transport import Answer, Transport, bundle_url, command_url, describe, request_headers, token_url

PROGRESS_SECONDS = 5.0
# Five megabytes over a shop's uplink of 200 kbit/s.
BUNDLE_SECONDS = 240.0
MAX_MESSAGE_CHARACTERS = 500
_GONE_FOR_GOOD = (400, 404, 409, 410, 413, 422)

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Told:
    """The service has it. `go_on`: False when it wants no more of this command."""

    go_on: bool
    seconds: float
    tls: str | None


@dataclass(frozen=True)
class Refused:
    """The service will never take this; asking again changes nothing."""

    status: int
    reason: str


class Desk:
    """The service's side of the commands, with the present token or the next one. Used by one thread at a time."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self.transport = Transport(settings.service_url, settings.http_timeout_seconds)
        self.tokens = tokens

    def report(self, command_id: int, body: Mapping[str, Any]) -> Told | Refused | Unauthorised | Failed:
        """Tell where the command stands. Never raises for what network or service do."""
        started = monotonic()
        url = command_url(self.transport.url, command_id)
        outcome = self._tried(lambda headers: self.transport.request("POST", url, headers, json=body), use_token=True)
        if not isinstance(outcome, Answer):
            return outcome
        go_on = outcome.json_object().get("go_on")
        if not isinstance(go_on, bool):
            return not_the_service(outcome)
        return Told(go_on, monotonic() - started, outcome.tls)

    def put_bundle(self, command_id: int, content: bytes) -> Answer | Refused | Unauthorised | Failed:
        """Hand in the zip. Never raises for what network or service do."""
        url = bundle_url(self.transport.url, command_id)
        zipped = {"Content-Type": "application/zip"}
        return self._tried(
            lambda headers: self.transport.request(
                "PUT", url, headers | zipped, content=content, timeout=BUNDLE_SECONDS
            )
        )

    def put_token(self, token: str, sha256: str) -> Answer | Refused | Unauthorised | Failed:
        """Name the next token's hash, with exactly this token. Never raises for what network or service do."""
        url, body = token_url(self.transport.url), {"token_sha256": sha256}
        return self._read(lambda: self.transport.request("PUT", url, request_headers(token), json=body))

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _tried(
        self, send: Callable[[dict[str, str]], Answer], *, use_token: bool = False
    ) -> Answer | Refused | Unauthorised | Failed:
        outcome: Answer | Refused | Unauthorised | Failed = Failed("トークンがありません")
        for token in self.tokens.candidates():
            headers = request_headers(token)
            outcome = self._read(lambda headers=headers: send(headers))  # type: ignore[misc]
            if use_token and isinstance(outcome, Answer) and "go_on" in outcome.json_object():
                self.tokens.use(token)
            if not isinstance(outcome, Unauthorised):
                break
        return outcome

    def _read(self, send: Callable[[], Answer]) -> Answer | Refused | Unauthorised | Failed:
        try:
            answer = send()
        except httpx2.HTTPError as error:
            return Failed(describe(error))
        if answer.status == 401:
            return Unauthorised(detail(answer))
        if answer.status in _GONE_FOR_GOOD:
            return Refused(answer.status, detail(answer))
        return answer if 200 <= answer.status < 300 else failed(answer)


class Progress:
    """One command's reports."""

    def __init__(self, desk: Desk, command_id: int, stop: Event) -> None:
        """`stop`: the agent is ending."""
        self.desk = desk
        self.command_id = command_id
        self._stop = stop
        self._backoff = Backoff()
        self._step: str | None = None
        self._failing = False
        self._not_before = 0.0

    def tell(self, step: str, percent: int | None = None, message: str | None = None) -> None:
        """Report when the step is new or five seconds are over; a report that fails is left out.

        Raises Cancelled, Stopped.
        """
        if self._stop.is_set():
            raise Stopped
        if monotonic() < self._not_before and (step == self._step or self._failing):
            return
        outcome = self._report(step, percent, message)
        if isinstance(outcome, Told):
            self._step = step

    def hear(self, step: str) -> Told:
        """Report until the service has said that it may go on. Raises Cancelled, Stopped."""
        while True:
            outcome = self._report(step, None, None)
            if isinstance(outcome, Told):
                self._step = step
                return outcome
            if isinstance(outcome, Refused):
                raise Cancelled
            self.pause(wait_seconds(outcome, self._backoff))

    def pause(self, seconds: float) -> None:
        """Raises Stopped as soon as the agent ends."""
        if self._stop.wait(seconds):
            raise Stopped

    def _report(
        self, step: str | None, percent: int | None, message: str | None
    ) -> Told | Refused | Unauthorised | Failed:
        body = {"state": "running", "step": step, "percent": percent, "message": message, "result": None}
        outcome = self.desk.report(self.command_id, body)
        self._failing = not isinstance(outcome, Told)
        if isinstance(outcome, Told):
            self._backoff.reset()
            self._not_before = monotonic() + PROGRESS_SECONDS
            if not outcome.go_on:
                raise Cancelled
        else:
            log.warning("コマンド %d の進み具合を報告できません: %s", self.command_id, outcome.reason)
            self._not_before = monotonic() + max(PROGRESS_SECONDS, wait_seconds(outcome, self._backoff))
        return outcome


def wait_seconds(outcome: Refused | Unauthorised | Failed, backoff: Backoff) -> float:
    """How long to wait before asking again: what the service asked for, and the back-off on top."""
    asked = outcome.retry_after if isinstance(outcome, Failed) else None
    return (asked or 0.0) + backoff.next_delay()


def final(state: str, message: str | None, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The wire form of the last report."""
    words = message[:MAX_MESSAGE_CHARACTERS] if message else None
    return {
        "state": state,
        "step": None,
        "percent": 100 if state == "done" else None,
        "message": words,
        "result": result,
    }
