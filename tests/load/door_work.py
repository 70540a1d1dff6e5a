"""Row `door` of `make bench`: a nursery's door, from the scanner's Enter to the stored row, in a real Chromium, and how
fast a queue is taken that has waited."""

from __future__ import annotations

import statistics
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from service.core.access.identity import hash_password
from tests.chromium import at_a_station, chromium, open_station
from tests.load.ground import Ground, Served
from tests.load.rows import Goal, Part, Run, percentile

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


def claims(made: Ground) -> Part:
    parents = _nursery(made)
    with made.serving() as served, httpx2.Client(base_url=served.url, timeout=30) as http:
        known = {"nurseryCode": CODE, "password": PASSWORD}
        session = http.post("/api/auth/entry-exit-login", json=known).json()
        times = _scanned(served, session, parents)
        http.headers["Authorization"] = f"Bearer {session['token']}"
        replayed = _replayed(served, http, parents)
    [[rows]] = made.rows("SELECT count(*) FROM entries_logs")
    assert rows == SCANS + WAITING, rows
    begun, stored = (percentile(times[name], 99) for name in ("begun", "stored"))
    lines = [f"| at the door, {SCANS:,} scans | p50 ms | p99 ms | worst ms |", "| --- | ---: | ---: | ---: |"]
    for name, of in (("flash begun", times["begun"]), ("row stored and answered", times["stored"])):
        lines.append(f"| {name} | {statistics.median(of):.0f} | {percentile(of, 99):.0f} | {max(of):.0f} |")
    return lines, [
        Goal("from the scanner's Enter to the stored row, p99 under 2 s", f"{stored:.0f} ms", stored < 2000),
        Goal("feedback begun within 200 ms of it, p99", f"{begun:.0f} ms", begun <= 200),
        Goal(
            "a queue of scans stored at 1,000/s or more",
            f"{replayed.per_second:,.0f}/s, {replayed.cpu_micros:.0f} CPU-µs each",
            replayed.per_second >= 1000,
        ),
    ]


def _nursery(made: Ground) -> list[int]:
    """Its parents."""
    with made.owner() as owner:
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


def _scanned(served: Served, session: dict[str, Any], parents: list[int]) -> dict[str, list[float]]:
    with chromium() as browser:
        page = open_station(at_a_station(browser, served.url, session), served.url)
        times: dict[str, list[float]] = page.evaluate(SCAN_ALL, {"parents": parents, "scans": SCANS})
        return times


def _replayed(served: Served, http: httpx2.Client, parents: list[int]) -> Run:
    """Of last week, a scan every 20 seconds."""
    first, meter = datetime.now(UTC) - timedelta(days=7), served.meter()
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
        answer = http.post("/api/entries/station/logs", json={"scans": scans})
        assert {result["status"] for result in answer.json()["results"]} == {201}
    return meter.stopped(WAITING)
