"""Rows of `make bench` about the nursery's door: from the scanner's Enter to the stored row, in a real Chromium, and
how fast a queue is taken that has waited."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
import psycopg
from playwright.sync_api import StorageState

from service.core.identity import hash_password
from tests.chromium import chromium
from tests.load.ground import Ground
from tests.sight import seeing_all

PARENTS = 1000
SCANS = 2000
WAITING = 5000
AT_ONCE = 100
PASSWORD, CODE = "password123", "BENCH1"
# Scans each parent in and later out: types the number and Enter as a scanner does, and waits until the service has said
# that it is stored. Gives ms from Enter to the first frame of the flash and to that answer.
SCAN_ALL = """async ({ parents, scans }) => {
  const { on } = await import("/entry-exit-station/news.js");
  const scanner = document.getElementById("scan");
  const begun = [], stored = [];
  let settled = () => {};
  on("settled", () => settled());
  new PerformanceObserver((list) => begun.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "measure" });
  const press = (key, code) => scanner.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
  for (let turn = 0; turn < scans; turn += 1) {
    if (turn === parents.length) document.getElementById("exit").click();
    for (const digit of String(parents[turn % parents.length])) press(digit, `Digit${digit}`);
    const answered = new Promise((resolve) => { settled = resolve; });
    const enter = performance.now();
    press("Enter", "Enter");
    await answered;
    stored.push(performance.now() - enter);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { begun, stored };
}"""


@dataclass(frozen=True)
class Door:
    """Milliseconds of each scan; scans a second of a queue, and the service's and PostgreSQL's CPU-µs for each."""

    begun: list[float]
    stored: list[float]
    replayed: float
    cpu_micros: float


def measured(made: Ground) -> Door:
    parents = _nursery(made)
    with made.serving("service.main:app") as (port, process):
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, timeout=30) as http:
            session = http.post("/api/auth/entry-exit-login", json={"nurseryCode": CODE, "password": PASSWORD}).json()
            times = _scanned(url, session, parents)
            before, begun = made.cpu_seconds(process), time.perf_counter()
            _replay(http, session["token"], parents)
            spent = time.perf_counter() - begun
            cpu = made.cpu_seconds(process) - before
    [[rows]] = made.rows("SELECT count(*) FROM entries_logs")
    assert rows == SCANS + WAITING, rows
    return Door(times["begun"], times["stored"], WAITING / spent, cpu / WAITING * 1e6)


def _nursery(made: Ground) -> list[int]:
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        [[nursery]] = owner.execute(
            "INSERT INTO entries_nurseries (name, code, station_password_hash) VALUES ('さくら保育園', %s, %s)"
            " RETURNING id",
            [CODE, hash_password(PASSWORD)],
        ).fetchall()
        listed = owner.execute(
            "INSERT INTO entries_parents (nursery_id, name) SELECT %s, '保護者' || n FROM generate_series(1, %s) n"
            " RETURNING id",
            [nursery, PARENTS],
        )
        return [number for (number,) in listed.fetchall()]


def _scanned(url: str, session: dict[str, object], parents: list[int]) -> dict[str, list[float]]:
    kept = json.dumps(session | {"offlineCap": 100, "skewSeconds": 0})
    local: StorageState = {
        "cookies": [],
        "origins": [{"origin": url, "localStorage": [{"name": "genba.station.session", "value": kept}]}],
    }
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800},
            storage_state=local,
        )
        page = context.new_page()
        page.goto(f"{url}/entry-exit-registration")
        page.wait_for_selector("#state.online")
        page.wait_for_timeout(2000)
        times: dict[str, list[float]] = page.evaluate(SCAN_ALL, {"parents": parents, "scans": SCANS})
        return times


def _replay(http: httpx2.Client, token: str, parents: list[int]) -> None:
    """Of last week, a scan every 20 seconds."""
    first = datetime.now(UTC) - timedelta(days=7)
    for start in range(0, WAITING, AT_ONCE):
        scans = [
            {
                "parentId": parents[number % PARENTS],
                "entryType": "Entry",
                "clientEventId": str(uuid.uuid4()),
                "scannedAt": (first + timedelta(seconds=20 * number)).isoformat(),
                "sentAt": datetime.now(UTC).isoformat(),
            }
            for number in range(start, start + AT_ONCE)
        ]
        answer = http.post(
            "/api/entries/station/logs", json={"scans": scans}, headers={"Authorization": f"Bearer {token}"}
        )
        assert {result["status"] for result in answer.json()["results"]} == {201}


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def lines(door: Door) -> list[str]:
    rows = (("flash begun", door.begun), ("row stored and answered", door.stored))
    return [
        f"| at the door, {SCANS:,} scans | p50 ms | p99 ms | worst ms |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {statistics.median(of):.0f} | {p99(of):.0f} | {max(of):.0f} |" for name, of in rows),
    ]
