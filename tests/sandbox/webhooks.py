"""What vendors send to Genba: signed when it goes out, repeated until it is taken, kept over a restart.

A door of this kind has the same fault switches: delay, drop (it never goes out), duplicate, reorder (held back, then
sent in reverse). Each try stands in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2

from tests.sandbox.faults import Faults
from tests.sandbox.store import Store

# Seconds after each failed try; vendors take hours, which nobody would watch.
RETRIES = (1, 5, 30, 120)
# The address, the body and the time in; the vendor's headers out.
Sign = Callable[[str, bytes, int], Mapping[str, str]]


class Webhooks:
    def __init__(self, store: Store, faults: Faults, reach: Callable[[str, str], str]) -> None:
        """`reach`: where to knock for an address of a vendor's request."""
        self._store, self._faults, self._reach = store, faults, reach
        self._signs: dict[str, Sign] = {}
        self._retries: dict[str, Sequence[int]] = {}
        # How many are on the line just now.
        self.under_way = 0

    def signed_by(self, vendor: str, sign: Sign, retries: Sequence[int] = RETRIES) -> None:
        self._signs[vendor], self._retries[vendor] = sign, retries

    def enqueue(self, vendor: str, door: str, url: str, body: bytes) -> int:
        row = self._store.sql.execute(
            "INSERT INTO webhooks (vendor, door, url, body, due) VALUES (?, ?, ?, ?, ?) RETURNING id",
            [vendor, door, url, body, time.time()],
        ).fetchone()
        self._store.trim_webhooks()
        self._store.bell.ring()
        return int(row["id"])

    def listed(self, vendor: str | None = None) -> list[dict[str, Any]]:
        """All that were made, oldest first, also those that never went out."""
        rows = self._store.sql.execute(
            "SELECT * FROM webhooks WHERE :vendor IS NULL OR vendor = :vendor ORDER BY id", {"vendor": vendor}
        )
        return [dict(row) | {"body": row["body"].decode()} for row in rows]

    def ahead(self, seconds: float) -> int:
        """How many are to go out until then, those on their way included."""
        found = self._store.sql.execute(
            "SELECT count(*) FROM webhooks WHERE held = 0 AND done = 0 AND due <= ?", [time.time() + seconds]
        )
        return int(found.fetchone()[0])

    def again(self, webhook_id: int) -> bool:
        """Sends a copy, whatever became of the first; no switch hits it."""
        row = self._store.sql.execute(
            """INSERT INTO webhooks (vendor, door, url, body, due, drawn)
            SELECT vendor, door, url, body, ?, 1 FROM webhooks WHERE id = ? RETURNING id""",
            [time.time(), webhook_id],
        ).fetchone()
        self._store.bell.ring()
        return row is not None

    async def run(self) -> None:
        """Delivers for ever; cancelled when the sandbox ends. No vendor waits for another's."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            await asyncio.gather(*(self._deliver(http, vendor) for vendor in self._signs))

    async def _deliver(self, http: httpx2.AsyncClient, vendor: str) -> None:
        waiting = "FROM webhooks WHERE vendor = ? AND held = 0 AND done = 0"
        while True:
            due = self._store.sql.execute(
                f"SELECT * {waiting} AND due <= ? ORDER BY due, id", [vendor, time.time()]
            ).fetchall()
            for row in due:
                times = 1 if row["drawn"] else self._times(row["id"], row["vendor"], row["door"], row["body"])
                for _ in range(times):
                    await self._send(http, row["id"])
            following = self._store.sql.execute(f"SELECT min(due) {waiting}", [vendor]).fetchone()[0]
            await self._store.bell.wait(None if following is None else following - time.time())

    def _times(self, webhook_id: int, vendor: str, door: str, body: bytes) -> int:
        """How often to send it now, as the switches have it; a fault is drawn once for each webhook."""
        sql = self._store.sql
        drawn = self._faults.draw(vendor, door)
        sql.execute("UPDATE webhooks SET drawn = 1 WHERE id = ?", [webhook_id])
        did = ""
        if "drop" in drawn:
            sql.execute("UPDATE webhooks SET done = 1 WHERE id = ?", [webhook_id])
            did = "送らなかった"
        elif "reorder" in drawn:
            sql.execute("UPDATE webhooks SET held = 1 WHERE id = ?", [webhook_id])
            did = "止めた"
        elif "delay" in drawn:
            sql.execute("UPDATE webhooks SET due = ? WHERE id = ?", [time.time() + drawn["delay"].seconds, webhook_id])
            did = "遅らせた"
        if drawn:
            names = [fault.in_words for fault in drawn.values()]
            self._store.note(vendor, door, {"body": body.decode()}, names, [did] if did else [], "－")
        self._faults.end_those_used_up(drawn)
        return 0 if did else 2 if "duplicate" in drawn else 1

    async def _send(self, http: httpx2.AsyncClient, webhook_id: int) -> None:
        row = self._store.sql.execute("SELECT * FROM webhooks WHERE id = ?", [webhook_id]).fetchone()
        if row is None:  # forgotten meanwhile
            return
        vendor, body, url = row["vendor"], row["body"], row["url"]
        headers = {"Content-Type": "application/json", **self._signs[vendor](url, body, int(time.time()))}
        self.under_way += 1
        try:
            answer = await http.post(self._reach(vendor, url), content=body, headers=headers)
            said, taken = str(answer.status_code), answer.is_success
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            said, taken = type(error).__name__, False
        finally:
            self.under_way -= 1
        did = f"{row['tries'] + 1}回目を送った"
        self._store.note(vendor, row["door"], {"url": url, "body": body.decode()}, [], [did], said)
        retries = self._retries[vendor]
        if taken or row["tries"] >= len(retries):
            self._store.sql.execute("UPDATE webhooks SET done = 1, tries = tries + 1 WHERE id = ?", [webhook_id])
        else:
            self._store.sql.execute(
                "UPDATE webhooks SET due = ?, tries = tries + 1 WHERE id = ?",
                [time.time() + retries[row["tries"]], webhook_id],
            )
