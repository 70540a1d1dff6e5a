"""`python -m tests.sandbox`: the sandbox as a process, on loopback.

SANDBOX_PORT, SANDBOX_SMTP_PORT: where it listens. SANDBOX_STORE: the file it keeps everything in (none: in memory).
SLACK_BOT_TOKEN: the token its Slack takes. SANDBOX_SLACK_EVENTS_URL, SANDBOX_SLACK_SIGNING_SECRET: where it tells of
posts (none: nowhere), and the secret it signs that with.
"""

from __future__ import annotations

import os

import uvicorn

from tests.sandbox.app import make_app
from tests.sandbox.store import Store
from tests.sandbox.vendors.mail import Mail
from tests.sandbox.vendors.slack import Slack
from tests.sandbox.wire import Cuttable

app = make_app(
    Store(os.environ.get("SANDBOX_STORE") or ":memory:"),
    [
        Mail(),
        Slack(
            os.environ.get("SLACK_BOT_TOKEN") or "xoxb-genba-demo",
            os.environ.get("SANDBOX_SLACK_EVENTS_URL", ""),
            os.environ.get("SANDBOX_SLACK_SIGNING_SECRET", ""),
        ),
    ],
    "127.0.0.1",
    int(os.environ.get("SANDBOX_SMTP_PORT") or 8125),
)
uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(os.environ.get("SANDBOX_PORT") or 8100),
    http=Cuttable,
    access_log=False,
    log_level="warning",
    timeout_graceful_shutdown=5,
)
