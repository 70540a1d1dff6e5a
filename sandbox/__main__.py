"""`python -m sandbox`: runs the sandbox as a process, on loopback.

SANDBOX_PORT, SANDBOX_SMTP_PORT: the ports it listens on. SANDBOX_STORE: the SQLite file of its state (default: in
memory). SANDBOX_REMEMBERED: a JSON file of payments from before the sandbox existed.
SANDBOX_PACE: seconds that an SMS, ringing, a conversation, a refund take (default: slow enough to watch).
SANDBOX_PUBLIC_URL: the base URL for a browser (default: the base URL of the API request).

SLACK_BOT_TOKEN: the token that its Slack accepts. SANDBOX_SLACK_EVENTS_URL, SANDBOX_SLACK_SIGNING_SECRET: the URL that
receives Slack's events (default: no events), and the secret that signs them.

TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN; BLAND_API_KEY, BLAND_WEBHOOK_SECRET; STRIPE_API_KEY, STRIPE_WEBHOOK_SECRETS
(comma-separated; each one signs): the same as Genba's own settings. SANDBOX_STRIPE_URL: the URL that receives Stripe's
events (default: no events). SANDBOX_TWILIO_URL, SANDBOX_BLAND_URL: the URL that receives callbacks, in place of the one
in the request.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import uvicorn

from sandbox.app import create_app
from sandbox.connections import AbortableProtocol
from sandbox.control import ControlApi
from sandbox.services import Pace, SandboxServices, WebhookTargets
from sandbox.store import Store
from sandbox.vendors import SandboxVendor
from sandbox.vendors.bland import Bland
from sandbox.vendors.checkout import Checkout
from sandbox.vendors.mail import Mail
from sandbox.vendors.slack import Slack
from sandbox.vendors.stripe import Stripe
from sandbox.vendors.twilio import Twilio
from sandbox.view import PageRenderer
from sandbox.visitor_pages import VisitorPages


def setting(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


store = Store(setting("SANDBOX_STORE", ":memory:"))
stripe_secrets = [secret.strip() for secret in setting("STRIPE_WEBHOOK_SECRETS", "whsec_genba_demo").split(",")]
target_urls = {vendor: setting(f"SANDBOX_{vendor.upper()}_URL") for vendor in ("twilio", "bland", "stripe")}
services = SandboxServices(
    store, WebhookTargets(store, target_urls, {"stripe": stripe_secrets}), Pace.of(setting("SANDBOX_PACE"))
)
twilio = Twilio(
    services, setting("TWILIO_ACCOUNT_SID", f"AC{'genbademo':0<32}"), setting("TWILIO_AUTH_TOKEN", "twilio-genba-demo")
)
bland = Bland(
    services, setting("BLAND_API_KEY", "bland-genba-demo"), setting("BLAND_WEBHOOK_SECRET", "bland-webhook-genba-demo")
)
stripe = Stripe(services, setting("STRIPE_API_KEY", "sk_test_genba_demo"), setting("SANDBOX_PUBLIC_URL"))
if Path(setting("SANDBOX_REMEMBERED", "/nonexistent")).is_file():
    # Payments of the demo's past, so that they can be refunded.
    for payment in json.loads(Path(setting("SANDBOX_REMEMBERED")).read_text()):
        stripe.payments.import_payment(
            payment, setting("SANDBOX_PUBLIC_URL") or f"http://127.0.0.1:{setting('SANDBOX_PORT', '8100')}"
        )
slack = Slack(
    services,
    setting("SLACK_BOT_TOKEN", "xoxb-genba-demo"),
    setting("SANDBOX_SLACK_EVENTS_URL"),
    setting("SANDBOX_SLACK_SIGNING_SECRET"),
)
vendors: list[SandboxVendor] = [Mail(services), slack, twilio, bland, stripe]
view = PageRenderer(services.faults, clock=services.clock, vendors={vendor.name: vendor for vendor in vendors})
routes = [
    *ControlApi(services, twilio, bland, stripe).routes(),
    *Checkout(services, stripe.payments, view).routes(),
    *VisitorPages(services, twilio, bland.calls, stripe.payments, view).routes(),
]
uvicorn.run(
    create_app(services, vendors, view, routes, "127.0.0.1", int(setting("SANDBOX_SMTP_PORT", "8125"))),
    host="127.0.0.1",
    port=int(setting("SANDBOX_PORT", "8100")),
    http=AbortableProtocol,
    access_log=False,
    log_level="warning",
    timeout_graceful_shutdown=5,
)
