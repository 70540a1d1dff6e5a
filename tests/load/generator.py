"""Sends heartbeats over raw asyncio protocols, so that the sender costs little beside what it measures.

`python -m tests.load.generator ORDER`, where ORDER is JSON such as
`{"port": 8000, "tokens": FILE, "stream": UUID, "connections": 256, "seconds": 4}`, prints one JSON object. Either each
of `connections` sends its next heartbeat when the last is answered, or, with `rate`, heartbeats leave at that many a
second, each on a new connection. Loopback only; bounded by `seconds`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import uvloop

HEAD = (
    b"POST /api/fleet/heartbeats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)
BODY = (
    b'{"cpu_usage":%d.5,"memory_usage":61.2,"disk_usage":48,"firmware_version":"1.2.0","agent_version":"0.1.0",'
    b'"terminal_connected":true,"error":null,"sent_at":"2026-11-21T09:05:00.123+09:00",'
    b'"stream_id":"%s","sequence":%d,"agent_time":"%s","terminal_serial":"TC200-000001","event":null}'
)


class Results:
    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.milliseconds: list[float] = []

    def add(self, status: int, started: float) -> None:
        self.statuses[status] += 1
        self.milliseconds.append((time.perf_counter() - started) * 1000)


class Connection(asyncio.Protocol):
    """One keep-alive connection; `on_answer(status)` is called for each answer. Answers have a Content-Length."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[int] | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.buffer.lower().find(b"content-length: ", 0, end) + 16
        length = int(self.buffer[at : self.buffer.find(b"\r", at)])
        if len(self.buffer) < end + 4 + length:
            return
        status, self.buffer = int(self.buffer[9:12]), self.buffer[end + 4 + length :]
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(status)

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(0)

    def send(self, request: bytes) -> asyncio.Future[int]:
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer


def request(token: bytes, stream: bytes, sequence: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
    body = BODY % (sequence % 90, stream, sequence, now)
    return HEAD % (token, len(body), body)


async def closed_loop(order: dict[str, Any], tokens: list[bytes], stream: bytes) -> Results:
    loop, results = asyncio.get_running_loop(), Results()
    until = time.perf_counter() + order["seconds"]

    async def one(number: int) -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", order["port"])
        mine, sequence = tokens[number :: order["connections"]], order.get("first_sequence", 0)
        while True:
            sequence += 1
            for token in mine:
                started = time.perf_counter()
                if started >= until:
                    return
                status = await connection.send(request(token, stream, sequence))
                results.add(status, started)
                if status == 0:
                    _, connection = await loop.create_connection(Connection, "127.0.0.1", order["port"])

    await asyncio.gather(*(one(number) for number in range(order["connections"])))
    return results


async def open_loop(order: dict[str, Any], tokens: list[bytes], stream: bytes) -> Results:
    loop, results = asyncio.get_running_loop(), Results()
    count = int(order["rate"] * order["seconds"])
    begin = time.perf_counter()

    async def one(number: int) -> None:
        started = time.perf_counter()
        transport, connection = await loop.create_connection(Connection, "127.0.0.1", order["port"])
        sequence = order.get("first_sequence", 0) + number // len(tokens) + 1
        results.add(await connection.send(request(tokens[number % len(tokens)], stream, sequence)), started)
        transport.close()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / order["rate"] - time.perf_counter()))
            group.create_task(one(number))
    return results


def main() -> None:
    order = json.loads(sys.argv[1])
    tokens = Path(order["tokens"]).read_bytes().split()
    work = open_loop if "rate" in order else closed_loop
    begin = time.perf_counter()
    results = uvloop.run(work(order, tokens, order["stream"].encode()))
    seconds = time.perf_counter() - begin
    ordered = sorted(results.milliseconds)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "answers": len(ordered),
                "statuses": dict(results.statuses),
                "p50_ms": ordered[len(ordered) // 2],
                "p99_ms": ordered[int(len(ordered) * 0.99)],
            }
        )
    )


if __name__ == "__main__":
    main()
