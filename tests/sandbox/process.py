"""Runs the sandbox as a process and gives tests a client for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import ForkedProcess, free_port, stop_process, wait_until_ok

TOKEN = "xoxb-for-tests"
SIGNING_SECRET = "signing-secret-for-tests"
TWILIO_SID, TWILIO_TOKEN = f"AC{32 * '7'}", "twilio-token-for-tests"
BLAND_KEY, BLAND_SECRET = "bland-key-for-tests", "bland-secret-for-tests"
STRIPE_KEY, STRIPE_SECRET = "sk_test_for_tests", "whsec_for_tests"
# Seconds that an SMS, a call, a refund take.
PACE = 0.05


@dataclass
class Sandbox:
    http: httpx2.Client
    port: int
    smtp_port: int
    process: ForkedProcess

    @property
    def slack_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/slack/api/"

    def fault(self, vendor: str, kind: str, **settings: Any) -> int:
        response = self.http.post("/_control/faults", json={"vendor": vendor, "kind": kind} | settings)
        assert response.status_code == 201, response.text
        return int(response.json()["id"])

    def switch_off(self, fault_id: int) -> None:
        assert self.http.delete(f"/_control/faults/{fault_id}").status_code == 204

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self.http.get("/_control/faults").json()
        return faults

    def truth(self, vendor: str, operation: str) -> list[dict[str, Any]]:
        """The log of one operation, oldest first."""
        log = self.http.get("/_control/log", params={"vendor": vendor}).json()
        return [entry for entry in reversed(log) if entry["operation"] == operation]

    def mails(self) -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = self.http.get("/mails").json()
        return mails

    def posts(self) -> list[dict[str, Any]]:
        posts: list[dict[str, Any]] = self.http.get("/slack/messages").json()
        return posts

    def reset(self) -> None:
        """Deletes everything except the settings."""
        assert self.http.post("/_control/reset").status_code == 204

    # Twilio, Bland and Stripe. All lists are oldest first.

    @property
    def url(self) -> str:
        """The base URL of the APIs of Twilio, Bland and Stripe."""
        return f"http://127.0.0.1:{self.port}"

    def sms(self, to: str | None = None) -> list[dict[str, Any]]:
        """Twilio's resource with `effect`, `callback`, `validity` (seconds), `history` [{at, status}]."""
        return self._list("sms", to)

    def calls(self, to: str | None = None) -> list[dict[str, Any]]:
        """Bland's call details with `effect`, `answer` (the script's), `history`, and `overlapped`: whether the same
        number was already in another call."""
        return self._list("calls", to)

    def sessions(self) -> list[dict[str, Any]]:
        """Stripe's objects with `description`, `declined` (how often a card was declined), `history`."""
        return self._list("sessions")

    def refunds(self) -> list[dict[str, Any]]:
        return self._list("refunds")

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Stripe's events, also those whose webhook was not sent."""
        return [event for event in self._list("events") if event["type"].startswith(kind)]

    def script(self, what: str, *answers: str | dict[str, Any], phone: str = "*", then: Any = None) -> None:
        """The next answers of a `shop` (on the phone), to an `sms`, to a `refund`; `then` is the answer to everything
        after those. Kinds and fields of an answer: `scripts.py`."""
        body = {"what": what, "phone": phone, "next": list(answers)} | ({"then": then} if then else {})
        self._control("script", body)

    def pay(self, session_id: str, card: str = "ok") -> dict[str, Any]:
        """Pays as the customer's browser does. Returns {"paid", "reason": "" | "card_declined" | "complete" |
        "expired", "session"}."""
        return self._control("stripe/pay", {"session_id": session_id, "card": card})

    def dispute(self, payment_intent: str, reason: str = "fraudulent") -> dict[str, Any]:
        return self._control("stripe/dispute", {"payment_intent": payment_intent, "reason": reason})

    def answer(self, call_id: str, answer: str | dict[str, Any]) -> bool:
        """Picks up a ringing call. Returns False when the call does not ring."""
        return bool(self._control(f"calls/{call_id}/answer", answer)["answered"])

    def clock(self, *, shift: float | None = None, advance: float = 0) -> dict[str, float]:
        """Moves the vendors' clock and returns {"shift", "now"} in seconds. Sessions, calls and SMS use it."""
        return dict(self._control("clock", {"shift": shift, "advance": advance}))

    def rest(self, seconds: float) -> bool:
        """Waits until the vendors have no step and no webhook due within so many seconds. Returns False when it did not
        have to wait."""
        return bool(self._control("rest", {"seconds": seconds})["waited"])

    def target(self, vendor: str, url: str | None = None, secrets: Sequence[str] | None = None) -> None:
        """Sets the URL of a vendor's webhooks, in place of the one in a request ("" restores that), and the secrets
        that sign them. Stripe signs with each of several secrets."""
        self._control("targets", {vendor: {"url": url, "secrets": None if secrets is None else list(secrets)}})

    def webhooks(self, vendor: str, operation: str = "") -> list[dict[str, Any]]:
        """All webhooks, also withheld ones: `id`, `operation`, `url`, `body`, `tries`, `held`, `done`."""
        webhooks = self.http.get("/_control/webhooks", params={"vendor": vendor}).json()
        return [webhook for webhook in webhooks if webhook["operation"].startswith(operation)]

    def send_again(self, webhook_id: int, times: int = 1) -> None:
        self._control(f"webhooks/{webhook_id}/again", {"times": times})

    def _list(self, name: str, to: str | None = None) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.http.get(f"/_control/{name}", params={"to": to} if to else {}).json()
        return items

    def _control(self, path: str, body: Any) -> dict[str, Any]:
        response = self.http.post(f"/_control/{path}", json=body)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()
        return result


@contextmanager
def running_sandbox(
    store: Path | None = None,
    events_url: str = "",
    pace: float | None = PACE,
    stripe_url: str = "",
    remembered: Path | None = None,
) -> Iterator[Sandbox]:
    """`pace`: None for a speed that visitors can watch. `stripe_url`: Genba's endpoint for Stripe's events;
    `Sandbox.target` sets it later. `remembered`: a JSON file of payments from before the sandbox existed."""
    port, smtp_port = free_port(), free_port()
    environ = os.environ | {
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_STORE": str(store or ""),
        "SANDBOX_REMEMBERED": str(remembered or ""),
        "SLACK_BOT_TOKEN": TOKEN,
        "SANDBOX_SLACK_EVENTS_URL": events_url,
        "SANDBOX_SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "SANDBOX_PACE": "" if pace is None else str(pace),
        "TWILIO_ACCOUNT_SID": TWILIO_SID,
        "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "BLAND_API_KEY": BLAND_KEY,
        "BLAND_WEBHOOK_SECRET": BLAND_SECRET,
        "STRIPE_API_KEY": STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRETS": STRIPE_SECRET,
        "SANDBOX_STRIPE_URL": stripe_url,
    }
    process = ForkedProcess("sandbox", environ=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ok(f"{url}/health", process)
        with httpx2.Client(base_url=url, timeout=15) as http:
            yield Sandbox(http, port, smtp_port, process)
    finally:
        if process.poll() is None:
            stop_process(process)
