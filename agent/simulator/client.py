"""The HTTP client of a simulated fleet: many terminals over one asynchronous client, with counts of the answers."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import httpx2

from agent.backoff import Backoff
from agent.command import Command
from agent.send import (
    Accepted,
    Enrolment,
    EnrolmentRefused,
    Failed,
    Outcome,
    enrolment_body,
    read_enrolment,
    read_heartbeat,
)
from agent.simulator import SimulatorError
from agent.simulator.terminal import FleetTerminal
from agent.transport import (
    Answer,
    UnsafeUrl,
    describe,
    enrolments_url,
    heartbeats_url,
    is_loopback,
    request_headers,
    safe_service_url,
)

_TIMEOUT_SECONDS = 30.0
_KEEP_ALIVE_CONNECTIONS = 100
_STORM_CONNECTIONS = 500
_ENROLMENT_ATTEMPTS = 20
_MAX_TIMES = 200_000


class FleetClient:
    """Sends the requests of all simulated terminals. Use it with `async with`."""

    def __init__(self, service_url: str, *, keep_alive: bool) -> None:
        """`keep_alive=False`: a new connection for each request. Raises SimulatorError for a service on another
        machine."""
        try:
            self._url = safe_service_url(service_url)
        except UnsafeUrl as error:
            raise SimulatorError(str(error)) from None
        if not is_loopback(self._url):
            raise SimulatorError(f"シミュレーションの相手は、このPC自身のサービスだけです（指定: {service_url}）。")
        self._headers = {} if keep_alive else {"Connection": "close"}
        connections = _KEEP_ALIVE_CONNECTIONS if keep_alive else _STORM_CONNECTIONS
        self._client = httpx2.AsyncClient(
            # A request that waits for a free connection is late but not lost: the pool never times out.
            timeout=httpx2.Timeout(_TIMEOUT_SECONDS, pool=None),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections if keep_alive else 0
            ),
            trust_env=False,
        )
        self.statuses: Counter[str] = Counter()
        # Bounded, because steady may run for weeks.
        self.seconds: deque[float] = deque(maxlen=_MAX_TIMES)
        self.retries = 0
        # Called with the service's commands for a terminal.
        self.on_commands: Callable[[FleetTerminal, Sequence[Command]], None] | None = None

    async def __aenter__(self) -> "FleetClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def enrol(self, code: str, serial_number: str, store_name: str | None) -> Enrolment:
        """Enrol one terminal; waits and retries when the service is busy. Raises EnrolmentRefused."""
        backoff = Backoff()
        error_to_raise = EnrolmentRefused("サービスが混み合っているため、登録できません。")
        for _ in range(_ENROLMENT_ATTEMPTS):
            try:
                answer = await self._post(
                    enrolments_url(self._url), enrolment_body(code, serial_number, store_name), request_headers()
                )
            except httpx2.HTTPError as error:
                error_to_raise = EnrolmentRefused(describe(error))
                await asyncio.sleep(backoff.next_delay())
                continue
            outcome = read_heartbeat(answer) if answer.status in (429, 503) else None
            if not isinstance(outcome, Failed):
                return read_enrolment(answer)
            error_to_raise = EnrolmentRefused(outcome.reason)
            await asyncio.sleep((outcome.retry_after or 0.0) + backoff.next_delay())
        raise error_to_raise

    async def deliver(self, terminal: FleetTerminal, body: dict[str, Any]) -> Outcome:
        """Send one heartbeat until it is stored or permanently refused, with the agent's back-off."""
        backoff = Backoff(terminal.rng)
        while isinstance(outcome := await self._heartbeat(terminal, body), Failed):
            self.retries += 1
            await asyncio.sleep((outcome.retry_after or 0.0) + backoff.next_delay())
        if isinstance(outcome, Accepted) and self.on_commands:
            self.on_commands(terminal, outcome.commands)
        return outcome

    async def ask(self, terminal: FleetTerminal, method: str, path: str, **options: Any) -> Answer:
        """Send another request of a terminal, until the answer is neither 429 nor 503."""
        backoff = Backoff(terminal.rng)
        while True:
            try:
                answer = await self._send(terminal, method, f"{self._url}{path}", **options)
                if answer.status not in (429, 503):
                    return answer
            except httpx2.HTTPError:
                self.retries += 1
            await asyncio.sleep(backoff.next_delay())

    async def _send(
        self, terminal: FleetTerminal, method: str, url: str, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        """Send with the current token, and again when it is refused and the terminal has another one."""
        extra_headers = self._headers | (headers or {})
        if terminal.address:
            extra_headers["X-Forwarded-For"] = terminal.address
        while True:
            token = terminal.token
            response = await self._client.request(
                method, url, headers=request_headers(token) | extra_headers, **options
            )
            if response.status_code == 401 and terminal.token == token and terminal.next_token:
                terminal.token, terminal.next_token = terminal.next_token, None
            if response.status_code != 401 or terminal.token == token:
                return Answer(response.status_code, response.headers, response.content)

    async def _heartbeat(self, terminal: FleetTerminal, body: dict[str, Any]) -> Outcome:
        started = monotonic()
        stamped = {**body, "agent_time": terminal.clock().isoformat()}
        try:
            answer = await self._send(terminal, "POST", heartbeats_url(self._url), json=stamped)
        except httpx2.HTTPError as error:
            self.statuses[type(error).__name__] += 1
            return Failed(describe(error))
        finally:
            self.seconds.append(monotonic() - started)
        outcome = read_heartbeat(answer)
        # A 2xx answer that is not the service's is not a success.
        genuine = isinstance(outcome, Accepted) or not 200 <= answer.status < 300
        self.statuses[str(answer.status) if genuine else f"{answer.status}?"] += 1
        return outcome

    async def _post(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        response = await self._client.post(url, json=body, headers=headers | self._headers)
        return Answer(response.status_code, response.headers, response.content)
