"""Connections that still read an answer which comes before the whole body was sent.

A server that refuses a large file by its headers may answer and close. The next write then gets a reset; asyncio closes
its end on the first failed write and throws away the answer that had arrived before. The system keeps received data
while the socket is open, so a second handle of it is held here.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

import httpcore2
import httpx2


class Transport(httpx2.AsyncHTTPTransport):
    """A new connection for each request: the other side may close a kept one just when it is used again, and a streamed
    body cannot be sent twice."""

    def __init__(self, max_connections: int) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(trust_env=False),
            max_connections=max_connections,
            max_keepalive_connections=0,
            network_backend=_Network(),
        )


class _Network(httpcore2.AnyIOBackend):
    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return _Connection(await super().connect_tcp(*args, **kwargs))


class _Connection(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        sock = stream.get_extra_info("socket")
        self._duplicate = socket.fromfd(sock.fileno(), sock.family, sock.type)
        self._received = b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.write(buffer, timeout)
        except httpcore2.WriteError:
            # Nothing arrives after a reset: what is there now is all.
            with suppress(OSError):
                while chunk := self._duplicate.recv(65536, socket.MSG_DONTWAIT):
                    self._received += chunk
            raise  # httpcore looks for an answer then.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._received:
            chunk, self._received = self._received[:max_bytes], self._received[max_bytes:]
            return chunk
        return await self._stream.read(max_bytes, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """From here on the data is encrypted, and of no use to the second handle."""
        self._duplicate.close()
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        self._duplicate.close()
        await self._stream.aclose()
