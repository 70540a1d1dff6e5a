"""Clients of every kind at once, each in a thread of its own: what each wrote under which name, and when it had its
last good answer.

A client has one write at a time, under a name that is its own, and repeats it until it is answered: so every name that
was given out must be found once, whatever died meanwhile.
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
from tests import people, rls_bypass
from tests.load.falling import PATIENCE_SECONDS
from tests.rls_bypass import seeing_all
from tests.stack import Stack
from tests.waiting import wait_for

# Answers that are on their way when something dies may still arrive; what counts was asked after that.
ON_THEIR_WAY_SECONDS = 0.5
ANSWER_SECONDS = 20
# What is said by whoever cannot do it just now: the service, and a proxy without a service.
TEMPORARY = (502, 503, 504)


C = TypeVar("C", bound="Client")


class Away(Exception):
    """No answer, or one that says to come again."""


def token_of(http: httpx2.Client, login_id: str, password: str = people.PASSWORD) -> str:
    """Of a session of that person."""
    answer = http.post("/api/auth/login", json={"login_id": login_id, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@dataclass
class Scene:
    """A running product. `service` and `dashboards` are where its clients find it, if not at its own ports; `trusted`
    is whom they trust there. `servers`: those that nobody of the product starts again; each is killed and started
    here."""

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
        return create_engine(sqlalchemy_url(seeing_all(self.stack.database)), pool_pre_ping=True, pool_size=20)

    @contextmanager
    def db(self) -> Iterator[Session]:
        """Sees everything; its rows are there when the block ends."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rls_bypass.rows(self.stack.database, statement, *parameters)

    def http(self, token: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(
            base_url=self.service, headers=headers, timeout=ANSWER_SECONDS, trust_env=False, verify=self.trusted
        )

    def signed_in(self, login_id: str) -> httpx2.Client:
        """As somebody of the cast."""
        with self.http() as http:
            token = token_of(http, login_id)
        return self.http(token)


class Client(threading.Thread):
    """Subclasses say what they write next and how they send it; `kind` is what people would call them."""

    kind = ""
    pause = 0.5

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        # What was answered, by its name, and when each answer was asked for and there.
        self.done: list[Any] = []
        self.answered: list[tuple[float, float]] = []
        self.failures: Counter[str] = Counter()
        self.broken: BaseException | None = None
        self._open: Any = None

    def next(self) -> Any:
        """What it writes next, with its name."""
        raise NotImplementedError

    def send(self, write: Any) -> None:
        """Raises Away when it may or may not be stored: it is then sent again."""
        raise NotImplementedError

    def close(self) -> None:
        """In its own thread, when it ends."""

    def run(self) -> None:
        try:
            # Nobody leaves while something of theirs may or may not be stored.
            while not self.stopping.is_set() or self._open is not None:
                self._turn()
                if self.stopping.wait(self.pause):
                    # From then on `stopping` is no pause any more.
                    time.sleep(0.2)
        except BaseException as error:
            self.broken = error
        finally:
            self.close()

    def _turn(self) -> None:
        begun = time.monotonic()
        try:
            if self._open is None:
                self._open = self.next()
            self.send(self._open)
        except (Away, httpx2.TransportError) as error:
            self.failures[str(error) if isinstance(error, Away) else type(error).__name__] += 1
        else:
            self.done.append(self._open)
            self._open = None
            self.answered.append((begun, time.monotonic()))

    def back_after(self, moment: float) -> float | None:
        """Seconds from that moment until this one had an answer again; None: it has none yet."""
        place = bisect_right(self.answered, (moment + ON_THEIR_WAY_SECONDS, math.inf))
        return self.answered[place][1] - moment if place < len(self.answered) else None


class Caller(Client):
    """Speaks HTTP."""

    def __init__(self, http: httpx2.Client) -> None:
        super().__init__()
        self._http = http

    def close(self) -> None:
        self._http.close()


class Reader(Caller):
    """Reads these in turn. A write is the path."""

    kind = "readers"
    pause = 0.02

    def __init__(self, http: httpx2.Client, *paths: str, expected: int = 200) -> None:
        super().__init__(http)
        self._paths, self._expected = itertools.cycle(paths), expected

    def next(self) -> str:
        return next(self._paths)

    def send(self, write: str) -> None:
        checked(self._http.get(write), self._expected)


def checked(answer: httpx2.Response, expected: int = 0) -> httpx2.Response:
    """Raises Away for what may be tried again, and AssertionError for any other that is not a success or `expected`."""
    if answer.status_code in TEMPORARY:
        raise Away(str(answer.status_code))
    well = answer.status_code == expected if expected else answer.is_success
    assert well, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer


@dataclass
class Crowd:
    clients: Sequence[Client]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """All of them, until the block ends and each has its last answer."""
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
        self.look_after()
        assert not [client for client in self.clients if client.is_alive()], "somebody never had an answer"

    def look_after(self) -> None:
        """Raises what made a client give up."""
        for client in self.clients:
            if client.broken is not None:
                raise AssertionError(f"{client.kind}: {client.broken!r}") from client.broken

    def await_answers(self, since: float = 0) -> None:
        """Until everybody has had one."""

        def answered() -> bool:
            self.look_after()
            return None not in self.back_after(since).values()

        wait_for(answered, lambda: f"not everybody is answered: {self.back_after(since)}", PATIENCE_SECONDS)

    def flow(self, more: int) -> None:
        """Until there are so many more answers of anybody."""
        wanted = self.answers() + more

        def flown() -> bool:
            self.look_after()
            return self.answers() >= wanted

        wait_for(flown, lambda: f"no answers any more: {self.failures()}")

    def answers(self) -> int:
        return sum(len(client.done) for client in self.clients)

    def those(self, kind: type[C]) -> list[C]:
        return [client for client in self.clients if isinstance(client, kind)]

    def of(self, kind: type[Client]) -> list[Any]:
        """What those of a kind were answered."""
        return [write for client in self.those(kind) for write in client.done]

    def back_after(self, moment: float) -> dict[str, float | None]:
        """Seconds by kind, of the last one of it; None while one has no answer yet."""
        found: dict[str, float | None] = {}
        for client in self.clients:
            mine, known = client.back_after(moment), found.get(client.kind, 0.0)
            found[client.kind] = None if mine is None or known is None else max(mine, known)
        return found

    def failures(self) -> dict[str, dict[str, int]]:
        found: dict[str, Counter[str]] = {}
        for client in self.clients:
            found.setdefault(client.kind, Counter()).update(client.failures)
        return {kind: dict(counted) for kind, counted in found.items()}
