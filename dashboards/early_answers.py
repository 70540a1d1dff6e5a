"""Connections on which an answer is heard that comes before the body was sent, although sending then fails.

Who refuses a large file by its head alone may answer and close. Whatever is sent after that is met by a reset; asyncio
closes its end on the first write that fails, and throws away the answer that had arrived before the reset. The system
keeps what has arrived for as long as anybody holds the socket, so here is a second handle of it.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

import httpcore2
import httpx2


class Transport(httpx2.AsyncHTTPTransport):
    """A connection for each request: one that is kept may be closed by the other side at the moment in which it is
    used again, and a body that streams through cannot be sent twice."""

    def __init__(self, max_connections: int) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(trust_env=False),
            max_connections=max_connections,
            max_keepalive_connections=0,
            network_backend=_Network(),
        )


class _Network(httpcore2.AnyIOBackend):
    async def connect_tcp(self, *where: Any, **how: Any) -> httpcore2.AsyncNetworkStream:
        return _Connection(await super().connect_tcp(*where, **how))


class _Connection(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        first = stream.get_extra_info("socket")
        self._second = socket.fromfd(first.fileno(), first.family, first.type)
        self._arrived = b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.write(buffer, timeout)
        except httpcore2.WriteError:
            # Nothing comes after a reset: what is there now is all.
            with suppress(OSError):
                while part := self._second.recv(65536, socket.MSG_DONTWAIT):
                    self._arrived += part
            raise  # httpcore looks for an answer then

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._arrived:
            part, self._arrived = self._arrived[:max_bytes], self._arrived[max_bytes:]
            return part
        return await self._stream.read(max_bytes, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """What arrives is encrypted from here on, and of no use to the second handle."""
        self._second.close()
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        self._second.close()
        await self._stream.aclose()
