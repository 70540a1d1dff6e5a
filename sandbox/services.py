"""What the sandbox's vendors share: the store, a clock that can be moved, a scheduler, scripts, webhook targets."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sandbox.faults import Faults
from sandbox.scripts import Scripts
from sandbox.store import Store
from sandbox.webhooks import Webhooks

# Arguments: the step and the object's id.
StepHandler = Callable[[str, str], None]


@dataclass(frozen=True)
class Pace:
    """Seconds that things take at the vendors, unless a script says otherwise."""

    sms: float = 1
    ringing: float = 3
    conversation: float = 8
    refund: float = 4
    # How long a visitor has for answering by hand.
    manual_answer: float = 40

    @classmethod
    def of(cls, seconds: str) -> Pace:
        """The same duration for everything, except for a visitor's answer."""
        return cls(*(4 * [float(seconds)])) if seconds else cls()


class Clock:
    """The vendors' own time. When it is moved ahead, sessions expire and calls end at once. Signatures use the real
    time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shift = float(store.setting("clock", 0))

    @property
    def shift(self) -> float:
        return self._shift

    def move(self, shift: float) -> None:
        self._store.save_setting("clock", shift)
        self._shift = shift
        self._store.wakeup.notify()

    def now(self) -> float:
        return time.time() + self._shift

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


class Scheduler:
    """The steps that the vendors still have to run, each at its time; they survive a restart (table `agenda`)."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._handlers: dict[str, StepHandler] = {}

    def register_handler(self, vendor: str, handler: StepHandler) -> None:
        self._handlers[vendor] = handler

    def add(self, vendor: str, at: float, step: str, object_id: str) -> None:
        self._store.sql.execute(
            "INSERT INTO agenda (vendor, at, step, thing) VALUES (?, ?, ?, ?)", [vendor, at, step, object_id]
        )
        self._store.wakeup.notify()

    def cancel(self, vendor: str, object_id: str) -> None:
        self._store.sql.execute("DELETE FROM agenda WHERE vendor = ? AND thing = ?", [vendor, object_id])

    def count_due_within(self, seconds: float) -> int:
        """How many steps are due within so many seconds."""
        until = self._clock.now() + seconds
        return int(self._store.sql.execute("SELECT count(*) FROM agenda WHERE at <= ?", [until]).fetchone()[0])

    async def run(self) -> None:
        """Runs due steps until it is cancelled, when the sandbox ends."""
        while True:
            while self._run_next():
                # The event loop can answer requests between two steps.
                await asyncio.sleep(0)
            due = self._store.sql.execute("SELECT min(at) FROM agenda").fetchone()[0]
            await self._store.wakeup.wait(None if due is None else due - self._clock.now())

    def _run_next(self) -> bool:
        row = self._store.sql.execute(
            "SELECT * FROM agenda WHERE at <= ? ORDER BY at, id LIMIT 1", [self._clock.now()]
        ).fetchone()
        if row is None:
            return False
        try:
            with self._store.transaction():
                self._store.sql.execute("DELETE FROM agenda WHERE id = ?", [row["id"]])
                self._handlers[row["vendor"]](row["step"], row["thing"])
        except Exception:
            # A step that fails must not stop the others.
            traceback.print_exc()
            self._store.sql.execute("DELETE FROM agenda WHERE id = ?", [row["id"]])
        return True


class WebhookTargets:
    """Genba's webhook URLs and secrets by vendor. A URL set here replaces the one in a request, as a tunnel would; the
    signature still covers the URL in the request."""

    def __init__(self, store: Store, urls: dict[str, str], secrets: dict[str, Sequence[str]]) -> None:
        self._store, self._urls, self._secrets = store, urls, secrets

    def save(self, vendor: str, values: dict[str, Any]) -> None:
        self._store.save_setting(f"target:{vendor}", self._store.setting(f"target:{vendor}", {}) | values)

    def url(self, vendor: str) -> str:
        return str(self._store.setting(f"target:{vendor}", {}).get("url", self._urls.get(vendor, "")))

    def secrets(self, vendor: str) -> list[str]:
        return list(self._store.setting(f"target:{vendor}", {}).get("secrets", self._secrets.get(vendor, ())))

    def actual_url(self, vendor: str, url: str) -> str:
        """The URL that the webhook is really sent to."""
        target, requested = urlsplit(self.url(vendor)), urlsplit(url)
        return urlunsplit(target._replace(query=requested.query)) if target.netloc else url


@dataclass
class SandboxServices:
    store: Store
    targets: WebhookTargets
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.faults = Faults(self.store)
        self.webhooks = Webhooks(self.store, self.faults, self.targets.actual_url)
        self.clock = Clock(self.store)
        self.scheduler = Scheduler(self.store, self.clock)
        self.scripts = Scripts(self.store)
