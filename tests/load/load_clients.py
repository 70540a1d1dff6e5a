"""Load clients of every kind that run at the same time, each in its own thread. They record what each wrote and when
each had an answer.

A client has one write at a time, under a unique name, and repeats it until it is answered. So every name must be stored
exactly once, whatever was killed in the meantime.
"""

from __future__ import annotations

import itertools
import math
import ssl
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import httpx2
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from service.core.database.session import sqlalchemy_url
from service.core.http.idempotency import StillRunning
from tests import people, rls_bypass
from tests.load.kills import PATIENCE_SECONDS
from tests.rls_bypass import rls_bypass_url
from tests.stack import Stack
from tests.waiting import wait_for

# Answers in flight may still arrive after a kill. Only requests sent after this time count.
IN_FLIGHT_SECONDS = 0.5
ANSWER_SECONDS = 20
# The statuses of a service, or of a proxy without a service, that is unavailable for a time.
TEMPORARY_STATUSES = (502, 503, 504)


C = TypeVar("C", bound="Client")


class Unavailable(Exception):
    """No answer, or an answer that asks for a retry."""


def session_token(http: httpx2.Client, login_id: str, password: str = people.PASSWORD) -> str:
    """Logs in and returns the token of the session."""
    response = http.post("/api/auth/login", json={"login_id": login_id, "password": password})
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


@dataclass
class RunningProduct:
    """A running product. `service` and `dashboards`: the base URLs for its clients (default: its own ports). `trusted`:
    the certificates that they trust. `servers`: servers that the product does not restart; each function kills and
    starts one."""

    stack: Stack
    service: str = ""
    dashboards: str = ""
    trusted: ssl.SSLContext | bool = True
    servers: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.service = self.service or self.stack.service
        self.dashboards = self.dashboards or self.stack.dashboards

    @cached_property
    def engine(self) -> Engine:
        return create_engine(sqlalchemy_url(rls_bypass_url(self.stack.database)), pool_pre_ping=True, pool_size=20)

    @contextmanager
    def db(self) -> Iterator[Session]:
        """A session that sees all rows; it commits at the end of the block."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rls_bypass.fetch_rows(self.stack.database, statement, *parameters)

    def http(self, token: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(
            base_url=self.service, headers=headers, timeout=ANSWER_SECONDS, trust_env=False, verify=self.trusted
        )

    def signed_in(self, login_id: str) -> httpx2.Client:
        """A client with a session of that user."""
        with self.http() as http:
            token = session_token(http, login_id)
        return self.http(token)


class Client(threading.Thread):
    """Subclasses define the next write and how it is sent. `kind` is its name in reports."""

    kind = ""
    pause = 0.5

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        # The writes that were answered, and the times of each request and its answer.
        self.completed: list[Any] = []
        self.answered: list[tuple[float, float]] = []
        self.failures: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._pending: Any = None

    def next(self) -> Any:
        """The next write, with its name."""
        raise NotImplementedError

    def send(self, write: Any) -> None:
        """Raises Unavailable when the write may or may not be stored: it is then sent again."""
        raise NotImplementedError

    def close(self) -> None:
        """Runs in the client's own thread, at its end."""

    def run(self) -> None:
        try:
            # A client does not stop while its write may or may not be stored.
            while not self.stopping.is_set() or self._pending is not None:
                self._run_once()
                if self.stopping.wait(self.pause):
                    # `stopping` is set from here on, so waiting for it is no pause.
                    time.sleep(0.2)
        except BaseException as error:
            self.error = error
        finally:
            self.close()

    def _run_once(self) -> None:
        started_at = time.monotonic()
        try:
            if self._pending is None:
                self._pending = self.next()
            self.send(self._pending)
        except (Unavailable, httpx2.TransportError) as error:
            self.failures[str(error) if isinstance(error, Unavailable) else type(error).__name__] += 1
        else:
            self.completed.append(self._pending)
            self._pending = None
            self.answered.append((started_at, time.monotonic()))

    def recovery_seconds(self, since: float) -> float | None:
        """Seconds from that time (monotonic) until the client had an answer again; None: not yet."""
        index = bisect_right(self.answered, (since + IN_FLIGHT_SECONDS, math.inf))
        return self.answered[index][1] - since if index < len(self.answered) else None


class HttpClient(Client):
    """A client that uses HTTP."""

    def __init__(self, http: httpx2.Client) -> None:
        super().__init__()
        self._http = http

    def close(self) -> None:
        self._http.close()


class Reader(HttpClient):
    """Reads the paths in turn. A write is the path."""

    kind = "readers"
    pause = 0.02

    def __init__(self, http: httpx2.Client, *paths: str, expected: int = 200) -> None:
        super().__init__(http)
        self._paths, self._expected = itertools.cycle(paths), expected

    def next(self) -> str:
        return next(self._paths)

    def send(self, write: str) -> None:
        check_response(self._http.get(write), self._expected)


def check_response(response: httpx2.Response, expected: int = 0) -> httpx2.Response:
    """Raises Unavailable for an answer that can be retried, and AssertionError for any other that is not a success or
    `expected`."""
    if response.status_code in TEMPORARY_STATUSES or StillRunning.type in response.text:
        raise Unavailable(str(response.status_code))
    is_expected = response.status_code == expected if expected else response.is_success
    assert is_expected, f"{response.request.method} {response.request.url}: {response.status_code} {response.text}"
    return response


@dataclass
class ClientGroup:
    clients: Sequence[Client]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs all clients until the block ends and each has its last answer."""
        for client in self.clients:
            client.start()
        try:
            yield
        finally:
            for client in self.clients:
                client.stopping.set()
            deadline = time.monotonic() + PATIENCE_SECONDS
            for client in self.clients:
                client.join(max(1.0, deadline - time.monotonic()))
        self.raise_errors()
        assert not [client for client in self.clients if client.is_alive()], "somebody never had an answer"

    def raise_errors(self) -> None:
        """Raises the error that ended a client."""
        for client in self.clients:
            if client.error is not None:
                raise AssertionError(f"{client.kind}: {client.error!r}") from client.error

    def await_answers(self, since: float = 0) -> None:
        """Waits until every client has had an answer."""

        def all_answered() -> bool:
            self.raise_errors()
            return None not in self.recovery_seconds(since).values()

        wait_for(all_answered, lambda: f"not everybody is answered: {self.recovery_seconds(since)}", PATIENCE_SECONDS)

    def await_more_answers(self, count: int) -> None:
        """Waits for so many more answers."""
        target = self.count_answers() + count

        def is_reached() -> bool:
            self.raise_errors()
            return self.count_answers() >= target

        wait_for(is_reached, lambda: f"no answers any more: {self.failures()}")

    def count_answers(self) -> int:
        return sum(len(client.completed) for client in self.clients)

    def of_kind(self, kind: type[C]) -> list[C]:
        return [client for client in self.clients if isinstance(client, kind)]

    def completed_writes(self, kind: type[Client]) -> list[Any]:
        """The answered writes of a kind."""
        return [write for client in self.of_kind(kind) for write in client.completed]

    def recovery_seconds(self, since: float) -> dict[str, float | None]:
        """Seconds by kind until its last client was answered again; None while one has no answer yet."""
        seconds_by_kind: dict[str, float | None] = {}
        for client in self.clients:
            seconds, slowest = client.recovery_seconds(since), seconds_by_kind.get(client.kind, 0.0)
            seconds_by_kind[client.kind] = None if seconds is None or slowest is None else max(seconds, slowest)
        return seconds_by_kind

    def failures(self) -> dict[str, dict[str, int]]:
        by_kind: dict[str, Counter[str]] = {}
        for client in self.clients:
            by_kind.setdefault(client.kind, Counter()).update(client.failures)
        return {kind: dict(counts) for kind, counts in by_kind.items()}
