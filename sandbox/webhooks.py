"""Webhooks from the vendors to Genba: signed when they are sent, retried until they are accepted, stored over a
restart.

Their fault switches are delay, drop (never sent), duplicate, reorder (held, then sent in reverse order). Each attempt
is in the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2

from sandbox.faults import Faults
from sandbox.store import Store

# Seconds after each failed attempt. Real vendors retry for hours, too long to watch.
RETRY_DELAYS = (1, 5, 30, 120)
# Arguments: URL, body, time. Returns the vendor's headers.
Signer = Callable[[str, bytes, int], Mapping[str, str]]


class Webhooks:
    def __init__(self, store: Store, faults: Faults, actual_url: Callable[[str, str], str]) -> None:
        """`actual_url`: for a vendor and the URL of its request, the URL that is really called."""
        self._store, self._faults, self._actual_url = store, faults, actual_url
        self._signers: dict[str, Signer] = {}
        self._retry_delays: dict[str, Sequence[int]] = {}
        # The number of requests that are being sent at this time.
        self.in_flight = 0

    def register_signer(self, vendor: str, signer: Signer, retry_delays: Sequence[int] = RETRY_DELAYS) -> None:
        self._signers[vendor], self._retry_delays[vendor] = signer, retry_delays

    def enqueue(self, vendor: str, operation: str, url: str, body: bytes) -> int:
        row = self._store.sql.execute(
            "INSERT INTO webhooks (vendor, operation, url, body, due) VALUES (?, ?, ?, ?, ?) RETURNING id",
            [vendor, operation, url, body, time.time()],
        ).fetchone()
        self._store.trim_webhooks()
        self._store.wakeup.notify()
        return int(row["id"])

    def list_all(self, vendor: str | None = None) -> list[dict[str, Any]]:
        """All webhooks, oldest first, also those that were never sent."""
        rows = self._store.sql.execute(
            "SELECT * FROM webhooks WHERE :vendor IS NULL OR vendor = :vendor ORDER BY id", {"vendor": vendor}
        )
        return [dict(row) | {"body": row["body"].decode()} for row in rows]

    def count_due_within(self, seconds: float) -> int:
        """How many will be sent within so many seconds, with those in flight."""
        cursor = self._store.sql.execute(
            "SELECT count(*) FROM webhooks WHERE held = 0 AND done = 0 AND due <= ?", [time.time() + seconds]
        )
        return int(cursor.fetchone()[0])

    def send_again(self, webhook_id: int) -> bool:
        """Sends a copy, whatever the result of the first. No fault switch hits it."""
        row = self._store.sql.execute(
            """INSERT INTO webhooks (vendor, operation, url, body, due, drawn)
            SELECT vendor, operation, url, body, ?, 1 FROM webhooks WHERE id = ? RETURNING id""",
            [time.time(), webhook_id],
        ).fetchone()
        self._store.wakeup.notify()
        return row is not None

    async def run(self) -> None:
        """Delivers webhooks until it is cancelled, when the sandbox ends. Each vendor has its own loop, so none waits
        for another."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            await asyncio.gather(*(self._deliver(http, vendor) for vendor in self._signers))

    async def _deliver(self, http: httpx2.AsyncClient, vendor: str) -> None:
        pending_sql = "FROM webhooks WHERE vendor = ? AND held = 0 AND done = 0"
        while True:
            due = self._store.sql.execute(
                f"SELECT * {pending_sql} AND due <= ? ORDER BY due, id", [vendor, time.time()]
            ).fetchall()
            for row in due:
                send_count = (
                    1
                    if row["drawn"]
                    else self._draw_send_count(row["id"], row["vendor"], row["operation"], row["body"])
                )
                for _ in range(send_count):
                    await self._send(http, row["id"])
            next_due = self._store.sql.execute(f"SELECT min(due) {pending_sql}", [vendor]).fetchone()[0]
            await self._store.wakeup.wait(None if next_due is None else next_due - time.time())

    def _draw_send_count(self, webhook_id: int, vendor: str, operation: str, body: bytes) -> int:
        """How often to send it now, according to the fault switches; drawn once for each webhook."""
        sql = self._store.sql
        faults = self._faults.draw(vendor, operation)
        sql.execute("UPDATE webhooks SET drawn = 1 WHERE id = ?", [webhook_id])
        action = ""
        if "drop" in faults:
            sql.execute("UPDATE webhooks SET done = 1 WHERE id = ?", [webhook_id])
            action = "送らなかった"
        elif "reorder" in faults:
            sql.execute("UPDATE webhooks SET held = 1 WHERE id = ?", [webhook_id])
            action = "止めた"
        elif "delay" in faults:
            sql.execute("UPDATE webhooks SET due = ? WHERE id = ?", [time.time() + faults["delay"].seconds, webhook_id])
            action = "遅らせた"
        if faults:
            fault_texts = [fault.in_words for fault in faults.values()]
            self._store.add_log_entry(
                vendor, operation, {"body": body.decode()}, fault_texts, [action] if action else [], "－"
            )
        self._faults.switch_off_used_up(faults)
        return 0 if action else 2 if "duplicate" in faults else 1

    async def _send(self, http: httpx2.AsyncClient, webhook_id: int) -> None:
        row = self._store.sql.execute("SELECT * FROM webhooks WHERE id = ?", [webhook_id]).fetchone()
        if row is None:  # deleted in the meantime
            return
        vendor, body, url = row["vendor"], row["body"], row["url"]
        headers = {"Content-Type": "application/json", **self._signers[vendor](url, body, int(time.time()))}
        self.in_flight += 1
        try:
            response = await http.post(self._actual_url(vendor, url), content=body, headers=headers)
            result, accepted = str(response.status_code), response.is_success
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            result, accepted = type(error).__name__, False
        finally:
            self.in_flight -= 1
        action = f"{row['tries'] + 1}回目を送った"
        self._store.add_log_entry(vendor, row["operation"], {"url": url, "body": body.decode()}, [], [action], result)
        retry_delays = self._retry_delays[vendor]
        if accepted or row["tries"] >= len(retry_delays):
            self._store.sql.execute("UPDATE webhooks SET done = 1, tries = tries + 1 WHERE id = ?", [webhook_id])
        else:
            self._store.sql.execute(
                "UPDATE webhooks SET due = ?, tries = tries + 1 WHERE id = ?",
                [time.time() + retry_delays[row["tries"]], webhook_id],
            )
