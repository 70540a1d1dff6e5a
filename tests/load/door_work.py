"""Row `door` of `make bench`: a nursery's station, from the scanner's Enter to the stored row, in a real Chromium, and
how fast a queue of old scans is stored."""

from __future__ import annotations

import statistics
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from service.core.access.identity import hash_password
from tests.chromium import chromium, open_station, station_context
from tests.load.environment import BenchEnvironment, RunningService
from tests.load.rows import Claim, RowResult, Run, percentile

PARENTS = 1000
SCANS = 2000
QUEUED_SCANS = 5000
BATCH_SIZE = 100
PASSWORD, CODE = "password123", "BENCH1"
# Scans an entry and later an exit of each parent: types the number and Enter as a scanner does, and waits until the
# service has confirmed it. Returns ms from Enter to the first frame of the flash and to the confirmation.
SCAN_ALL = """async ({ parents, scans }) => {
  const { on } = await import("/entry-exit-station/events.js");
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


def claims(environment: BenchEnvironment) -> RowResult:
    parents = _create_nursery(environment)
    with environment.running_service() as service, httpx2.Client(base_url=service.url, timeout=30) as http:
        credentials = {"nurseryCode": CODE, "password": PASSWORD}
        session = http.post("/api/auth/entry-exit-login", json=credentials).json()
        times = _measure_scans(service, session, parents)
        http.headers["Authorization"] = f"Bearer {session['token']}"
        replay = _measure_replay(service, http, parents)
    [[rows]] = environment.rows("SELECT count(*) FROM entries_logs")
    assert rows == SCANS + QUEUED_SCANS, rows
    flash_ms, stored_ms = (percentile(times[name], 99) for name in ("begun", "stored"))
    lines = [f"| at the door, {SCANS:,} scans | p50 ms | p99 ms | worst ms |", "| --- | ---: | ---: | ---: |"]
    for name, values in (("flash begun", times["begun"]), ("row stored and answered", times["stored"])):
        lines.append(f"| {name} | {statistics.median(values):.0f} | {percentile(values, 99):.0f} | {max(values):.0f} |")
    rate = f"; {replay.per_second:,.0f}/s, {replay.cpu_micros:.0f} CPU-µs each"
    return lines, [
        Claim.under(2000, "ms", "from the scanner's Enter to the stored row, p99", stored_ms),
        Claim.under(200, "ms", "feedback begun after it, p99", flash_ms),
        Claim.under(1, "s", "1,000 queued scans stored", 1000 / replay.per_second, rate, digits=2),
    ]


def _create_nursery(environment: BenchEnvironment) -> list[int]:
    """Creates a nursery and returns the ids of its parents."""
    with environment.owner_connection() as connection:
        [[nursery_id]] = connection.execute(
            "INSERT INTO entries_nurseries (name, code, station_password_hash) VALUES ('さくら保育園', %s, %s)"
            " RETURNING id",
            [CODE, hash_password(PASSWORD)],
        ).fetchall()
        rows = connection.execute(
            "INSERT INTO entries_parents (nursery_id, name) SELECT %s, '保護者' || n FROM generate_series(1, %s) n"
            " RETURNING id",
            [nursery_id, PARENTS],
        )
        return [parent_id for (parent_id,) in rows.fetchall()]


def _measure_scans(service: RunningService, session: dict[str, Any], parents: list[int]) -> dict[str, list[float]]:
    with chromium() as browser:
        page = open_station(station_context(browser, service.url, session), service.url)
        times: dict[str, list[float]] = page.evaluate(SCAN_ALL, {"parents": parents, "scans": SCANS})
        return times


def _measure_replay(service: RunningService, http: httpx2.Client, parents: list[int]) -> Run:
    """Scans of last week, one every 20 seconds."""
    first_at, meter = datetime.now(UTC) - timedelta(days=7), service.meter()
    for start in range(0, QUEUED_SCANS, BATCH_SIZE):
        scans = [
            {
                "parentId": parents[number % PARENTS],
                "entryType": "Entry",
                "clientEventId": str(uuid.uuid4()),
                "scannedAt": (first_at + timedelta(seconds=20 * number)).isoformat(),
                "sentAt": datetime.now(UTC).isoformat(),
            }
            for number in range(start, start + BATCH_SIZE)
        ]
        response = http.post("/api/entries/station/logs", json={"scans": scans})
        assert {result["status"] for result in response.json()["results"]} == {201}
    return meter.stop(QUEUED_SCANS)
