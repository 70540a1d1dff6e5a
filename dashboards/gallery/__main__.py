"""`make widgets`: serves the gallery alone on GALLERY_PORT, without the service and without a login. It needs
GENBA_MODE=demo: plain HTTP on loopback, and no secret."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.middleware import Middleware

from dashboards.headers import SecurityHeadersMiddleware
from dashboards.shell import IndexPageMiddleware
from dashboards.ui.feedback import script_failed

port = int(os.environ.get("GALLERY_PORT") or "8502")
app = st.App(
    Path(__file__).resolve().parent.parent / "gallery_page.py",
    middleware=[Middleware(SecurityHeadersMiddleware), Middleware(IndexPageMiddleware)],
    on_script_error=script_failed,
)
print(f"http://127.0.0.1:{port}/ (Ctrl-C stops it)", flush=True)
uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=5)
