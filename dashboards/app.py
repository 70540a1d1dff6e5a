"""The ASGI application: login, authentication and Streamlit in one process. Run it with `uvicorn
dashboards.app:app`."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import streamlit as st
from anyio import to_thread
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from dashboards import relay
from dashboards.addresses import DOWNLOAD, FILES, HEALTH, LOGIN, LOGOUT
from dashboards.client import Api, ApiProblem, new_reference
from dashboards.fragment_reruns import keep_on_page
from dashboards.gate import AuthenticationMiddleware
from dashboards.headers import HEADERS, SecurityHeadersMiddleware
from dashboards.hosts import AllowedHostsMiddleware
from dashboards.login import login, logout
from dashboards.plain import notice
from dashboards.settings import settings
from dashboards.shell import IndexPageMiddleware
from dashboards.ui.feedback import script_failed

log = logging.getLogger(__name__)

# Absolute, because Streamlit would look in the working directory. It also finds .streamlit/config.toml next to it.
FRAME = Path(__file__).resolve().parent / "frame.py"
HEAVY_IMPORTS = ("pandas", "pyarrow", "streamlit.elements.arrow")


def health(_: Request) -> PlainTextResponse:
    """Whether these dashboards can show data; `/_stcore/health` says whether the process is alive."""
    try:
        Api().get("/api/health/live")
    except ApiProblem as problem:
        return PlainTextResponse(problem.detail, HTTPStatus.SERVICE_UNAVAILABLE)
    return PlainTextResponse("ok")


async def request_failed(request: Request, error: Exception) -> HTMLResponse:
    """An error in our own routes and middleware. Starlette raises it again afterwards, so the log has the traceback."""
    reference = new_reference()
    log.error("%s failed, shown to a person with reference %s", request.url.path, reference)
    response = notice(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        title="画面を表示できません",
        text="プログラムの不具合により、画面を表示できませんでした。保存済みのデータはそのままです。"
        "もう一度開いても続く場合は、管理者に受付番号をお知らせください。",
        reference=reference,
    )
    response.headers.update(HEADERS)  # Starlette answers errors outside all middleware.
    return response


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Imports Streamlit's heavy libraries before the first visitor comes, and freezes them, so that the garbage
    collector skips them."""
    settings()  # A wrong setting stops the start, not the first visit.
    for name in HEAVY_IMPORTS:
        await to_thread.run_sync(importlib.import_module, name)
    gc.freeze()
    async with relay.open_client():
        yield


keep_on_page()
app = st.App(
    FRAME,
    routes=[
        Route(LOGIN, login, methods=["GET", "POST"]),
        Route(LOGOUT, logout),
        Route(HEALTH, health),
        Route(FILES, relay.upload, methods=["PUT"]),
        Route(f"{FILES}/{{file_id:path}}", relay.show),
        Route(f"{DOWNLOAD}/{{path:path}}", relay.download),
    ],
    middleware=[
        Middleware(SecurityHeadersMiddleware),
        Middleware(AllowedHostsMiddleware),
        Middleware(AuthenticationMiddleware),
        Middleware(IndexPageMiddleware),
    ],
    lifespan=lifespan,
    on_script_error=script_failed,
    exception_handlers={Exception: request_failed},
)
