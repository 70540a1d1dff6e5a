"""Asks a service for answers over raw asyncio protocols, so that who asks costs little beside what is measured.

`python -m tests.load.driver ORDER`, where ORDER is JSON such as `{"port": 8000, "tokens": FILE, "connections": 256,
"seconds": 4}`, prints one JSON object. What is asked: the page at `path` with `token`, again and again, or with
`tokens` heartbeats of each of them in turn, which are a stream of their own in each run, so that none is a repeat. How:

- each of `connections` asks again when it has its answer, for so many `seconds`;
- with `rate`, so many leave a second, each on a new connection;
- with `within`, each token's heartbeat leaves at a moment of its own within so many seconds, on a new connection, and
  again with the agent's own back-off until it is stored.

Loopback only. Clients that must find each of their writes again are in crowd.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import uvloop

from agent.backoff import Backoff
from agent.send import Accepted, Failed, read_heartbeat
from agent.transport import Answer
from tests.load.rows import Meter, Run, percentile
from tests.processes import last_line

HEARTBEAT = (
    b"POST /api/fleet/heartbeats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)
BODY = (
    b'{"cpu_usage":%d.5,"memory_usage":61.2,"disk_usage":48,"firmware_version":"1.2.0","agent_version":"0.1.0",'
    b'"terminal_connected":true,"error":null,"sent_at":"2026-11-21T09:05:00.123+09:00",'
    b'"stream_id":"%s","sequence":%d,"agent_time":"%s","terminal_serial":"TC200-000001","event":null}'
)
PAGE = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n"


def drive(port: int, **order: Any) -> dict[str, Any]:
    """One run, in a process of its own: `stream`, `seconds`, `answers`, `statuses`, `p50_ms`, `p99_ms`; with `within`
    also `back` (of each token its place, when it was back in Unix seconds, and what the service answered) and
    `last_back` (seconds that the last one took after its moment)."""
    whole = json.dumps(order | {"port": port}, default=str)
    found: dict[str, Any] = json.loads(last_line("-m", "tests.load.driver", whole))
    return found


def measured(port: int, parts: Mapping[str, Iterable[int]], **order: Any) -> Run:
    """One run and what it cost these processes, after a short one to warm them up. Raises SystemExit when something was
    not answered with 200."""
    what = {name: order[name] for name in ("path", "token", "tokens") if name in order}
    drive(port, **what, connections=min(order.get("connections", 16), 16), seconds=1)
    meter = Meter(parts)
    found = drive(port, **order)
    if set(found["statuses"]) != {"200"}:
        raise SystemExit(f"{order.get('path', 'heartbeats')}: answered {found['statuses']}; nothing was measured")
    return meter.stopped(found["answers"], found["seconds"], found["p50_ms"], found["p99_ms"])


def heartbeat(token: bytes, stream: bytes, sequence: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
    body = BODY % (sequence % 90, stream, sequence, now)
    return HEARTBEAT % (token, len(body), body)


class Connection(asyncio.Protocol):
    """One keep-alive connection. Answers have a Content-Length."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[bytes] | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower() + b"\r"
        at = head.find(b"content-length: ") + 16
        whole = end + 4 + int(head[at : head.find(b"\r", at)])
        if len(self.buffer) >= whole:
            answer, self.buffer = self.buffer[:whole], self.buffer[whole:]
            self._give(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._give(b"")

    def _give(self, answer: bytes) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(answer)

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        """The whole answer; nothing when the connection ended without one."""
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer


class Driver:
    def __init__(self, order: dict[str, Any]) -> None:
        self._order, self._port = order, order["port"]
        self._tokens = Path(order["tokens"]).read_bytes().split() if "tokens" in order else []
        self._stream = str(uuid.uuid4())
        self._statuses: Counter[str] = Counter()
        self._milliseconds: list[float] = []
        self._back: list[tuple[int, float, float]] = []
        self._late: list[float] = []

    async def run(self) -> dict[str, Any]:
        begun = time.perf_counter()
        work = self._storm if "within" in self._order else self._at_a_rate if "rate" in self._order else self._in_turn
        await work()
        return {
            "stream": self._stream,
            "seconds": time.perf_counter() - begun,
            "answers": len(self._milliseconds),
            "statuses": self._statuses,
            "p50_ms": percentile(self._milliseconds, 50),
            "p99_ms": percentile(self._milliseconds, 99),
            "back": self._back,
            "last_back": max(self._late, default=0),
        }

    def _requests(self, tokens: list[bytes]) -> Iterator[bytes]:
        if "path" in self._order:
            yield from itertools.repeat(PAGE % (self._order["path"].encode(), self._order["token"].encode()))
        for sequence in itertools.count(1):
            for token in tokens:
                yield heartbeat(token, self._stream.encode(), sequence)

    def _note(self, status: str, begun: float) -> None:
        self._statuses[status] += 1
        self._milliseconds.append((time.perf_counter() - begun) * 1000)

    async def _connect(self) -> Connection:
        _, made = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return made

    async def _ask_once(self, request: bytes) -> bytes:
        """On a new connection."""
        try:
            connection = await self._connect()
        except OSError:
            return b""
        answer = await connection.send(request)
        assert connection.transport is not None
        connection.transport.close()
        return answer

    async def _in_turn(self) -> None:
        until, connections = time.perf_counter() + self._order["seconds"], self._order["connections"]

        async def one(number: int) -> None:
            connection = await self._connect()
            for request in self._requests(self._tokens[number::connections]):
                begun = time.perf_counter()
                if begun >= until:
                    return
                answer = await connection.send(request)
                self._note(_status(answer), begun)
                if not answer:
                    connection = await self._connect()

        await asyncio.gather(*(one(number) for number in range(connections)))

    async def _at_a_rate(self) -> None:
        begin, rate = time.perf_counter(), self._order["rate"]

        async def one(request: bytes) -> None:
            begun = time.perf_counter()
            self._note(_status(await self._ask_once(request)), begun)

        async with asyncio.TaskGroup() as group:
            requests = itertools.islice(self._requests(self._tokens), int(rate * self._order["seconds"]))
            for number, request in enumerate(requests):
                await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
                group.create_task(one(request))

    async def _storm(self) -> None:
        begin, chance = time.perf_counter() + 0.5, random.Random(20_000)
        async with asyncio.TaskGroup() as group:
            for place in range(len(self._tokens)):
                group.create_task(self._come_back(place, begin + chance.uniform(0, self._order["within"])))

    async def _come_back(self, place: int, due: float) -> None:
        backoff = Backoff(random.Random(place))
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while True:
            begun = time.perf_counter()
            answer = await self._ask_once(heartbeat(self._tokens[place], self._stream.encode(), 1))
            outcome, status = read_heartbeat(_as_the_agent_reads(answer)), _status(answer)
            if isinstance(outcome, Accepted):
                self._note(status, begun)
                self._back.append((place, time.time(), outcome.next_heartbeat_in))
                self._late.append(time.perf_counter() - due)
                return
            asked = isinstance(outcome, Failed) and outcome.retry_after
            self._note(status if asked or status == "429" else f"{status} alone", begun)
            await asyncio.sleep((asked or 0.0) + backoff.next_delay())


def _status(answer: bytes) -> str:
    """0 where there was no answer."""
    return answer[9:12].decode() or "0"


def _as_the_agent_reads(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    named = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return Answer(int(_status(answer)), {name.title(): value for name, _, value in named}, body)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(Driver(json.loads(sys.argv[1])).run())))
