"""A page of the dashboards without a browser: speaks Streamlit's websocket protocol as its script in the browser
does."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol


def connect_tab(origin: str, cookies: Mapping[str, str], trusted: ssl.SSLContext | None = None) -> ClientConnection:
    """Opens a Streamlit session in the process at the origin; a context manager."""
    more: dict[str, Any] = {"ssl": trusted} if trusted else {}
    connection: ClientConnection = connect(
        f"{origin.replace('http', 'ws', 1)}/_stcore/stream",
        origin=Origin(origin),
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        subprotocols=[Subprotocol("streamlit")],
        proxy=None,
        max_size=None,
        close_timeout=1,  # the rest of the page is not read
        **more,
    )
    return connection


def request_page(socket: ClientConnection, page: str = "") -> None:
    message = BackMsg()
    message.rerun_script.page_name = page
    socket.send(message.SerializeToString())


def receive(socket: ClientConnection) -> ForwardMsg:
    """The next message of the page."""
    message: ForwardMsg = ForwardMsg.FromString(socket.recv(timeout=60, decode=False))
    return message


def open_page(socket: ClientConnection, page: str, blocks_at_least: int = 5) -> None:
    """Requests a page and waits for its last message. Raises SystemExit when another page comes, or fewer blocks than
    every page has."""
    request_page(socket, page)
    blocks = 0
    while True:
        message = receive(socket)
        kind = message.WhichOneof("type")
        blocks += kind == "delta"
        if kind == "page_not_found" or kind == "auth_redirect":
            raise SystemExit(f"the page {page} was not opened: {kind}")
        if kind == "script_finished":
            is_drawn = message.script_finished == ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY
            if not is_drawn or blocks < blocks_at_least:
                raise SystemExit(f"the page {page} was not drawn: {message.script_finished}, {blocks} blocks")
            return
