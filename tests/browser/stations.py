"""A nursery of its own for each test, its station in Chromium, and what the database has of its scans."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from playwright.sync_api import Browser, BrowserContext, Page

from service.core.database.clock import real_now
from service.entries.models import Nursery, Parent
from service.entries.station import actions, rules
from service.entries.station.models import Station
from tests.chromium import HAS_ROSTER
from tests.conftest import Service
from tests.waiting import wait_for

PASSWORD = "password123"
TABLET = {"width": 1280, "height": 800}


@dataclass
class Door:
    """A nursery's station. `url` is where the browser finds the service."""

    service: Service
    url: str
    nursery_id: int
    code: str
    parents: Sequence[int]
    station_id: int
    session: dict[str, object] = field(default_factory=dict)

    def state(self) -> dict[str, object]:
        """Of a browser that is logged in, and of a device of its own."""
        kept = {"genba.station.session": json.dumps(self.session), "genba.station.device": str(uuid.uuid4())}
        return {
            "cookies": [],
            "origins": [{"origin": self.url, "localStorage": [{"name": k, "value": v} for k, v in kept.items()]}],
        }

    def context(self, browser: Browser, logged_in: bool = True, offline: bool = False) -> BrowserContext:
        """`offline`: with the service worker, which takes a moment to keep all files."""
        made = browser.new_context(
            locale="ja-JP",
            service_workers="allow" if offline else "block",
            viewport=TABLET,  # type: ignore[arg-type]  # a size
            storage_state=self.state() if logged_in else None,  # type: ignore[arg-type]  # as Playwright writes it
        )
        made.set_default_timeout(20_000)
        return made

    def rows(self) -> list[tuple[int, str, datetime, str]]:
        """(parent, 入/出, the scan's own time, its id), in the order they were stored."""
        return self.service.rows(  # type: ignore[return-value]  # as selected
            "SELECT parent_id, entry_type, timestamp, client_event_id::text FROM entries_logs"
            " WHERE nursery_id = %s ORDER BY id",
            self.nursery_id,
        )


def found(service: Service, url: str, hashed: str, parents: int = 5, **settings: object) -> Door:
    """A new nursery, whose parents are called 保護者1, 保護者2…, and a session of a station of its."""
    code = uuid.uuid4().hex[:12]
    now = real_now()
    until = now + timedelta(hours=8)
    with service.committed() as db:
        nursery = Nursery(name="さくら保育園", code=code, station_password_hash=hashed, **settings)
        db.add(nursery)
        db.flush()
        station = Station(nursery_id=nursery.id, device_id=uuid.uuid4(), token_expires_at=until)
        listed = [Parent(nursery_id=nursery.id, name=f"保護者{number + 1}") for number in range(parents)]
        db.add_all([station, *listed])
        db.flush()
        session = {
            "token": rules.encode_token(actions.signing_key(), rules.Claims(station.id, nursery.id, until), now),
            "nurseryId": nursery.id,
            "nurseryName": nursery.name,
            "expiresAt": until.isoformat(),
            "offlineCap": 100,
            "skewSeconds": 0,
        }
        return Door(service, url, nursery.id, code, [parent.id for parent in listed], station.id, session)


def open_station(context: BrowserContext, door: Door, online: bool = True) -> Page:
    page = context.new_page()
    page.goto(f"{door.url}/entry-exit-registration")
    await_ready(page, online)
    return page


def await_ready(page: Page, online: bool = True) -> None:
    page.wait_for_selector("body[data-ready]")
    if online:
        page.wait_for_selector("#state.online")
    until(page, HAS_ROSTER)


def until(page: Page, holds: str) -> None:
    """For what takes a promise to find out."""
    wait_for(lambda: page.evaluate(holds), holds)


def await_worker(page: Page) -> None:
    """Until the pages can be opened without a network."""
    page.evaluate("navigator.serviceWorker.ready.then(() => {})")


def scan(page: Page, code: object) -> None:
    """As a scanner does: keys, and Enter."""
    page.keyboard.type(str(code))
    page.keyboard.press("Enter")


def made(page: Page) -> list[tuple[str, str]]:
    """(id, time) of the scans that the station remembers, oldest first."""
    kept = page.evaluate(
        """() => import("/entry-exit-station/queue.js").then(async (queue) => {
          const { nurseryId } = JSON.parse(localStorage.getItem("genba.station.session"));
          return (await queue.recent(nurseryId)).filter((scan) => scan.status !== "recorded");
        })"""
    )
    return [(scan["clientEventId"], scan["scannedAt"]) for scan in reversed(kept)]


def waiting(page: Page) -> int:
    found: int = page.evaluate(
        """() => import("/entry-exit-station/queue.js").then(async (queue) => {
          const { nurseryId } = JSON.parse(localStorage.getItem("genba.station.session"));
          return (await queue.waiting(nurseryId)).length;
        })"""
    )
    return found
