"""What the sandbox's vendors share: the store, a clock that can be moved, an agenda, scripts, our addresses."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.sandbox.faults import Faults
from tests.sandbox.scripts import Scripts
from tests.sandbox.store import Store
from tests.sandbox.webhooks import Webhooks

# The step and the thing's id.
Take = Callable[[str, str], None]


@dataclass(frozen=True)
class Pace:
    """Seconds that things take at the vendors, where no script says otherwise."""

    sms: float = 1
    ringing: float = 3
    talking: float = 8
    refund: float = 4
    # As long as a person may look for the button.
    asking: float = 40

    @classmethod
    def of(cls, seconds: str) -> Pace:
        """Everything takes that long, but for a person's part."""
        return cls(*(4 * [float(seconds)])) if seconds else cls()


class Clock:
    """The vendors' own time. Moved, it lets sessions expire and calls end at once; signatures keep the real time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shift = float(store.setting("clock", 0))

    @property
    def shift(self) -> float:
        return self._shift

    def move(self, shift: float) -> None:
        self._store.set("clock", shift)
        self._shift = shift
        self._store.bell.ring()

    def now(self) -> float:
        return time.time() + self._shift

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


class Agenda:
    """What a vendor still has to do, when it is time; kept over a restart."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._takes: dict[str, Take] = {}

    def done_by(self, vendor: str, take: Take) -> None:
        self._takes[vendor] = take

    def add(self, vendor: str, at: float, step: str, thing: str) -> None:
        self._store.sql.execute(
            "INSERT INTO agenda (vendor, at, step, thing) VALUES (?, ?, ?, ?)", [vendor, at, step, thing]
        )
        self._store.bell.ring()

    def drop(self, vendor: str, thing: str) -> None:
        self._store.sql.execute("DELETE FROM agenda WHERE vendor = ? AND thing = ?", [vendor, thing])

    def ahead(self, seconds: float) -> int:
        """How much is due until then."""
        until = self._clock.now() + seconds
        return int(self._store.sql.execute("SELECT count(*) FROM agenda WHERE at <= ?", [until]).fetchone()[0])

    async def run(self) -> None:
        """Does what is due, for ever; cancelled when the sandbox ends."""
        while True:
            while self._next():
                # Requests are answered in between.
                await asyncio.sleep(0)
            due = self._store.sql.execute("SELECT min(at) FROM agenda").fetchone()[0]
            await self._store.bell.wait(None if due is None else due - self._clock.now())

    def _next(self) -> bool:
        row = self._store.sql.execute(
            "SELECT * FROM agenda WHERE at <= ? ORDER BY at, id LIMIT 1", [self._clock.now()]
        ).fetchone()
        if row is None:
            return False
        try:
            with self._store.whole():
                self._store.sql.execute("DELETE FROM agenda WHERE id = ?", [row["id"]])
                self._takes[row["vendor"]](row["step"], row["thing"])
        except Exception:
            # One step that cannot be done is no reason for the others to stand still.
            traceback.print_exc()
            self._store.sql.execute("DELETE FROM agenda WHERE id = ?", [row["id"]])
        return True


class Targets:
    """Where we listen and what is signed with, by vendor. An address given here outweighs the one in a request, as a
    tunnel would: what is signed stays the address in the request."""

    def __init__(self, store: Store, urls: dict[str, str], secrets: dict[str, Sequence[str]]) -> None:
        self._store, self._urls, self._secrets = store, urls, secrets

    def set(self, vendor: str, given: dict[str, Any]) -> None:
        self._store.set(f"target:{vendor}", self._store.setting(f"target:{vendor}", {}) | given)

    def url(self, vendor: str) -> str:
        return str(self._store.setting(f"target:{vendor}", {}).get("url", self._urls.get(vendor, "")))

    def secrets(self, vendor: str) -> list[str]:
        return list(self._store.setting(f"target:{vendor}", {}).get("secrets", self._secrets.get(vendor, ())))

    def reach(self, vendor: str, url: str) -> str:
        """Where to knock for `url`."""
        instead, asked = urlsplit(self.url(vendor)), urlsplit(url)
        return urlunsplit(instead._replace(query=asked.query)) if instead.netloc else url


@dataclass
class House:
    store: Store
    targets: Targets
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.faults = Faults(self.store)
        self.webhooks = Webhooks(self.store, self.faults, self.targets.reach)
        self.clock = Clock(self.store)
        self.agenda = Agenda(self.store, self.clock)
        self.scripts = Scripts(self.store)
