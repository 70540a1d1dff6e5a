"""`python -m tests.sandbox`: the sandbox as a process, on loopback.

SANDBOX_PORT, SANDBOX_SMTP_PORT: where it listens. SANDBOX_STORE: the file it keeps everything in (none: in memory).
SANDBOX_REMEMBERED: a file of payments from before there was a sandbox.
SANDBOX_PACE: seconds that an SMS, a ring, a talk, a refund take (none: as people can watch).
SANDBOX_PUBLIC_URL: how a browser reaches it (none: as the API is reached).

SLACK_BOT_TOKEN: the token its Slack takes. SANDBOX_SLACK_EVENTS_URL, SANDBOX_SLACK_SIGNING_SECRET: where it tells of
posts (none: nowhere), and the secret it signs that with.

TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN; BLAND_API_KEY, BLAND_WEBHOOK_SECRET; STRIPE_API_KEY, STRIPE_WEBHOOK_SECRETS
(several by comma: each signs): as Genba's own settings. SANDBOX_STRIPE_URL: where Stripe sends its events (none:
nowhere). SANDBOX_TWILIO_URL, SANDBOX_BLAND_URL: where callbacks go instead of where a request says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import uvicorn

from tests.sandbox.app import make_app
from tests.sandbox.control import Control
from tests.sandbox.house import House, Pace, Targets
from tests.sandbox.people import People
from tests.sandbox.store import Store
from tests.sandbox.vendors import SandboxVendor
from tests.sandbox.vendors.bland import Bland
from tests.sandbox.vendors.checkout import Checkout
from tests.sandbox.vendors.mail import Mail
from tests.sandbox.vendors.slack import Slack
from tests.sandbox.vendors.stripe import Stripe
from tests.sandbox.vendors.twilio import Twilio
from tests.sandbox.view import View
from tests.sandbox.wire import Cuttable


def told(name: str, otherwise: str = "") -> str:
    return os.environ.get(name) or otherwise


store = Store(told("SANDBOX_STORE", ":memory:"))
secrets = [secret.strip() for secret in told("STRIPE_WEBHOOK_SECRETS", "whsec_genba_demo").split(",")]
urls = {vendor: told(f"SANDBOX_{vendor.upper()}_URL") for vendor in ("twilio", "bland", "stripe")}
house = House(store, Targets(store, urls, {"stripe": secrets}), Pace.of(told("SANDBOX_PACE")))
twilio = Twilio(
    house, told("TWILIO_ACCOUNT_SID", f"AC{'genbademo':0<32}"), told("TWILIO_AUTH_TOKEN", "twilio-genba-demo")
)
bland = Bland(
    house, told("BLAND_API_KEY", "bland-genba-demo"), told("BLAND_WEBHOOK_SECRET", "bland-webhook-genba-demo")
)
stripe = Stripe(house, told("STRIPE_API_KEY", "sk_test_genba_demo"), told("SANDBOX_PUBLIC_URL"))
if Path(told("SANDBOX_REMEMBERED", "/nonexistent")).is_file():
    # Payments of the demo's past, so that they can be given back.
    for payment in json.loads(Path(told("SANDBOX_REMEMBERED")).read_text()):
        stripe.payments.remember(
            payment, told("SANDBOX_PUBLIC_URL") or f"http://127.0.0.1:{told('SANDBOX_PORT', '8100')}"
        )
slack = Slack(
    house,
    told("SLACK_BOT_TOKEN", "xoxb-genba-demo"),
    told("SANDBOX_SLACK_EVENTS_URL"),
    told("SANDBOX_SLACK_SIGNING_SECRET"),
)
listed: list[SandboxVendor] = [Mail(house), slack, twilio, bland, stripe]
view = View(house.faults, clock=house.clock, vendors={vendor.name: vendor for vendor in listed})
routes = [
    *Control(house, twilio, bland, stripe).routes(),
    *Checkout(house, stripe.payments, view).routes(),
    *People(house, twilio, bland.calls, stripe.payments, view).routes(),
]
uvicorn.run(
    make_app(house, listed, view, routes, "127.0.0.1", int(told("SANDBOX_SMTP_PORT", "8125"))),
    host="127.0.0.1",
    port=int(told("SANDBOX_PORT", "8100")),
    http=Cuttable,
    access_log=False,
    log_level="warning",
    timeout_graceful_shutdown=5,
)
