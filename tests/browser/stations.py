"""A nursery for each test, its station in Chromium, and its scans in the database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from playwright.sync_api import Browser, BrowserContext, Page

from service.core.database.clock import real_now
from service.entries.models import Nursery, Parent, Station
from service.entries.station import queries, rules
from tests.chromium import HAS_ROSTER
from tests.conftest import Service
from tests.waiting import wait_for

PASSWORD = "password123"
TABLET = {"width": 1280, "height": 800}


@dataclass
class NurseryStation:
    """A nursery's station. `url`: where the browser finds the service."""

    service: Service
    url: str
    nursery_id: int
    code: str
    parents: Sequence[int]
    station_id: int
    session: dict[str, object] = field(default_factory=dict)

    def state(self) -> dict[str, object]:
        """The storage of a browser that is logged in, as a new device."""
        items = {"genba.station.session": json.dumps(self.session), "genba.station.device": str(uuid.uuid4())}
        return {
            "cookies": [],
            "origins": [
                {"origin": self.url, "localStorage": [{"name": key, "value": value} for key, value in items.items()]}
            ],
        }

    def context(self, browser: Browser, logged_in: bool = True, offline: bool = False) -> BrowserContext:
        """`offline`: with the service worker, which needs some time to cache all files."""
        context = browser.new_context(
            locale="ja-JP",
            service_workers="allow" if offline else "block",
            viewport=TABLET,  # type: ignore[arg-type]  # a size
            storage_state=self.state() if logged_in else None,  # type: ignore[arg-type]  # as Playwright writes it
        )
        context.set_default_timeout(20_000)
        return context

    def rows(self) -> list[tuple[int, str, datetime, str]]:
        """(parent, 入/出, the time of the scan, its id), in the order in which they were stored."""
        return self.service.rows(  # type: ignore[return-value]  # as selected
            "SELECT parent_id, entry_type, timestamp, client_event_id::text FROM entries_logs"
            " WHERE nursery_id = %s ORDER BY id",
            self.nursery_id,
        )


def create_station(service: Service, url: str, hashed: str, parents: int = 5, **settings: object) -> NurseryStation:
    """A new nursery, whose parents are called 保護者1, 保護者2…, with a session of its station."""
    code = uuid.uuid4().hex[:12]
    now = real_now()
    expires_at = now + timedelta(hours=8)
    with service.committed() as db:
        nursery = Nursery(name="さくら保育園", code=code, station_password_hash=hashed, **settings)
        db.add(nursery)
        db.flush()
        station = Station(nursery_id=nursery.id, device_id=uuid.uuid4(), token_expires_at=expires_at)
        parent_rows = [Parent(nursery_id=nursery.id, name=f"保護者{number + 1}") for number in range(parents)]
        db.add_all([station, *parent_rows])
        db.flush()
        session = {
            "token": rules.encode_token(queries.signing_key(), rules.Claims(station.id, nursery.id, expires_at), now),
            "nurseryId": nursery.id,
            "nurseryName": nursery.name,
            "expiresAt": expires_at.isoformat(),
            "offlineCap": 100,
            "skewSeconds": 0,
        }
        return NurseryStation(
            service, url, nursery.id, code, [parent.id for parent in parent_rows], station.id, session
        )


def open_station(context: BrowserContext, station: NurseryStation, online: bool = True) -> Page:
    page = context.new_page()
    page.goto(f"{station.url}/entry-exit-registration")
    await_ready(page, online)
    return page


def await_ready(page: Page, online: bool = True) -> None:
    page.wait_for_selector("body[data-ready]")
    if online:
        page.wait_for_selector("#state.online")
    wait_until(page, HAS_ROSTER)


def wait_until(page: Page, condition: str) -> None:
    """Waits for a condition that returns a promise."""
    wait_for(lambda: page.evaluate(condition), condition)


def await_worker(page: Page) -> None:
    """Waits until the pages can be opened without a network."""
    page.evaluate("navigator.serviceWorker.ready.then(() => {})")


def scan(page: Page, code: object) -> None:
    """Types like a scanner: keys, and Enter."""
    page.keyboard.type(str(code))
    page.keyboard.press("Enter")


def remembered_scans(page: Page) -> list[tuple[str, str]]:
    """(id, time) of the scans that the station remembers, oldest first."""
    scans = page.evaluate(
        """() => import("/entry-exit-station/queue.js").then(async (queue) => {
          const { nurseryId } = JSON.parse(localStorage.getItem("genba.station.session"));
          return (await queue.recent(nurseryId)).filter((scan) => scan.status !== "recorded");
        })"""
    )
    return [(scan["clientEventId"], scan["scannedAt"]) for scan in reversed(scans)]


def count_waiting(page: Page) -> int:
    count: int = page.evaluate(
        """() => import("/entry-exit-station/queue.js").then(async (queue) => {
          const { nurseryId } = JSON.parse(localStorage.getItem("genba.station.session"));
          return (await queue.waiting(nurseryId)).length;
        })"""
    )
    return count
