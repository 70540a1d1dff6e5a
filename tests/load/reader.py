"""Reads one address of the service over and over, as people's pages do: `python -m tests.load.reader '{…}'`.

The order: port, path, token, connections, seconds. The answer, on standard output: answers, seconds, statuses, p50_ms,
p99_ms. Each connection is kept open and asks again as soon as it has been answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any


async def _connection(
    order: dict[str, Any], until: float, times: list[float], statuses: Counter[str], host: str = "127.0.0.1"
) -> None:
    reader, writer = await asyncio.open_connection(host, order["port"])
    request = (
        f"GET {order['path']} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {order['token']}\r\n\r\n"
    ).encode()
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
        statuses[head.split(b" ", 2)[1].decode()] += 1
    writer.close()


async def read(order: dict[str, Any]) -> dict[str, Any]:
    times: list[float] = []
    statuses: Counter[str] = Counter()
    begun = time.perf_counter()
    until = begun + order["seconds"]
    await asyncio.gather(*(_connection(order, until, times, statuses) for _ in range(order["connections"])))
    seconds = time.perf_counter() - begun
    times.sort()
    return {
        "answers": len(times),
        "seconds": seconds,
        "statuses": statuses,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(read(json.loads(sys.argv[1])))))
