"""Sends requests to a service over raw asyncio protocols, so that the sender uses little CPU next to what is measured.

`python -m tests.load.driver OPTIONS`, where OPTIONS is JSON such as `{"port": 8000, "tokens": FILE, "connections": 256,
"seconds": 4}`, prints one JSON object. The requests are the page at `path` with `token`, again and again, or with
`tokens` the heartbeats of each token in turn, with a new stream id in each run, so that none is a repeat. Modes:

- each of `connections` sends its next request when it has its answer, for so many `seconds`;
- with `rate`, so many requests a second, each on a new connection;
- with `within`, each token's heartbeat is sent at its own time within so many seconds, on a new connection, and again
  with the agent's own back-off until it is stored.

Loopback only. Clients that must find each of their writes again are in load_clients.py.
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
from tests.processes import last_output_line

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


def drive(port: int, **options: Any) -> dict[str, Any]:
    """One run in its own process: `stream`, `seconds`, `answers`, `statuses`, `p50_ms`, `p99_ms`; with `within` also
    `back` (for each token its index, the Unix time when it was back, and what the service answered) and `last_back`
    (seconds from its own time to the last answer)."""
    arguments = json.dumps(options | {"port": port}, default=str)
    report: dict[str, Any] = json.loads(last_output_line("-m", "tests.load.driver", arguments))
    return report


def measure(port: int, processes: Mapping[str, Iterable[int]], **options: Any) -> Run:
    """One run and its cost for these processes, after a short run to warm them up. Raises SystemExit when an answer was
    not 200."""
    target = {name: options[name] for name in ("path", "token", "tokens") if name in options}
    drive(port, **target, connections=min(options.get("connections", 16), 16), seconds=1)
    meter = Meter(processes)
    report = drive(port, **options)
    if set(report["statuses"]) != {"200"}:
        raise SystemExit(f"{options.get('path', 'heartbeats')}: answered {report['statuses']}; nothing was measured")
    return meter.stop(report["answers"], report["seconds"], report["p50_ms"], report["p99_ms"])


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
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end].lower() + b"\r"
        length_start = head.find(b"content-length: ") + 16
        total = head_end + 4 + int(head[length_start : head.find(b"\r", length_start)])
        if len(self.buffer) >= total:
            answer, self.buffer = self.buffer[:total], self.buffer[total:]
            self._set_answer(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._set_answer(b"")

    def _set_answer(self, answer: bytes) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(answer)

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        """The whole answer; nothing when the connection ended without one."""
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer


class Driver:
    def __init__(self, options: dict[str, Any]) -> None:
        self._options, self._port = options, options["port"]
        self._tokens = Path(options["tokens"]).read_bytes().split() if "tokens" in options else []
        self._stream = str(uuid.uuid4())
        self._statuses: Counter[str] = Counter()
        self._milliseconds: list[float] = []
        self._back: list[tuple[int, float, float]] = []
        self._late: list[float] = []

    async def run(self) -> dict[str, Any]:
        started_at = time.perf_counter()
        mode = (
            self._run_storm
            if "within" in self._options
            else self._run_at_rate
            if "rate" in self._options
            else self._run_connections
        )
        await mode()
        return {
            "stream": self._stream,
            "seconds": time.perf_counter() - started_at,
            "answers": len(self._milliseconds),
            "statuses": self._statuses,
            "p50_ms": percentile(self._milliseconds, 50),
            "p99_ms": percentile(self._milliseconds, 99),
            "back": self._back,
            "last_back": max(self._late, default=0),
        }

    def _requests(self, tokens: list[bytes]) -> Iterator[bytes]:
        if "path" in self._options:
            yield from itertools.repeat(PAGE % (self._options["path"].encode(), self._options["token"].encode()))
        for sequence in itertools.count(1):
            for token in tokens:
                yield heartbeat(token, self._stream.encode(), sequence)

    def _record(self, status: str, started_at: float) -> None:
        self._statuses[status] += 1
        self._milliseconds.append((time.perf_counter() - started_at) * 1000)

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return connection

    async def _send_once(self, request: bytes) -> bytes:
        """On a new connection."""
        try:
            connection = await self._connect()
        except OSError:
            return b""
        answer = await connection.send(request)
        assert connection.transport is not None
        connection.transport.close()
        return answer

    async def _run_connections(self) -> None:
        until, connections = time.perf_counter() + self._options["seconds"], self._options["connections"]

        async def run_connection(number: int) -> None:
            connection = await self._connect()
            for request in self._requests(self._tokens[number::connections]):
                started_at = time.perf_counter()
                if started_at >= until:
                    return
                answer = await connection.send(request)
                self._record(_status(answer), started_at)
                if not answer:
                    connection = await self._connect()

        await asyncio.gather(*(run_connection(number) for number in range(connections)))

    async def _run_at_rate(self) -> None:
        started_at, rate = time.perf_counter(), self._options["rate"]

        async def send(request: bytes) -> None:
            sent_at = time.perf_counter()
            self._record(_status(await self._send_once(request)), sent_at)

        async with asyncio.TaskGroup() as group:
            requests = itertools.islice(self._requests(self._tokens), int(rate * self._options["seconds"]))
            for number, request in enumerate(requests):
                await asyncio.sleep(max(0.0, started_at + number / rate - time.perf_counter()))
                group.create_task(send(request))

    async def _run_storm(self) -> None:
        start, random_times = time.perf_counter() + 0.5, random.Random(20_000)
        async with asyncio.TaskGroup() as group:
            for index in range(len(self._tokens)):
                group.create_task(self._come_back(index, start + random_times.uniform(0, self._options["within"])))

    async def _come_back(self, index: int, due: float) -> None:
        backoff = Backoff(random.Random(index))
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while True:
            started_at = time.perf_counter()
            answer = await self._send_once(heartbeat(self._tokens[index], self._stream.encode(), 1))
            outcome, status = read_heartbeat(_agent_response(answer)), _status(answer)
            if isinstance(outcome, Accepted):
                self._record(status, started_at)
                self._back.append((index, time.time(), outcome.next_heartbeat_in))
                self._late.append(time.perf_counter() - due)
                return
            retry_after = isinstance(outcome, Failed) and outcome.retry_after
            self._record(status if retry_after or status == "429" else f"{status} alone", started_at)
            await asyncio.sleep((retry_after or 0.0) + backoff.next_delay())


def _status(answer: bytes) -> str:
    """0 when there was no answer."""
    return answer[9:12].decode() or "0"


def _agent_response(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return Answer(int(_status(answer)), {name.title(): value for name, _, value in headers}, body)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(Driver(json.loads(sys.argv[1])).run())))
