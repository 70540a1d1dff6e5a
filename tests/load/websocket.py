"""A page of the dashboards without a browser: what Streamlit's own script in the browser says over its websocket."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol


def tab(origin: str, cookies: Mapping[str, str], trusted: ssl.SSLContext | None = None) -> ClientConnection:
    """A session of Streamlit in the process that answers there; a context manager."""
    more: dict[str, Any] = {"ssl": trusted} if trusted else {}
    opened: ClientConnection = connect(
        f"{origin.replace('http', 'ws', 1)}/_stcore/stream",
        origin=Origin(origin),
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        subprotocols=[Subprotocol("streamlit")],
        proxy=None,
        max_size=None,
        close_timeout=1,  # nobody here reads what the page goes on to say
        **more,
    )
    return opened


def ask(socket: ClientConnection, page: str = "") -> None:
    wanted = BackMsg()
    wanted.rerun_script.page_name = page
    socket.send(wanted.SerializeToString())


def told(socket: ClientConnection) -> ForwardMsg:
    """The next thing that the page says."""
    said: ForwardMsg = ForwardMsg.FromString(socket.recv(timeout=60, decode=False))
    return said


def open_page(socket: ClientConnection, page: str) -> None:
    """Asks for it and waits for its last word. Raises SystemExit when it is not the page that comes."""
    ask(socket, page)
    blocks = 0
    while True:
        said = told(socket)
        kind = said.WhichOneof("type")
        blocks += kind == "delta"
        if kind == "page_not_found" or kind == "auth_redirect":
            raise SystemExit(f"the page {page} was not opened: {kind}")
        if kind == "script_finished":
            if said.script_finished != ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY or blocks < 5:
                raise SystemExit(f"the page {page} was not drawn: {said.script_finished}, {blocks} blocks")
            return
