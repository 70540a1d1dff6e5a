"""HTTP connections that can be cut before the answer, as a network would."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "sandbox.cut"


class Cuttable(HttpToolsProtocol):
    """uvicorn's protocol, with the connection's own end within reach of the app."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"abort": self.transport.abort}}


class Cut(Response):
    """Says nothing and ends the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][EXTENSION]["abort"]()
        while (await receive())["type"] != "http.disconnect":
            pass
