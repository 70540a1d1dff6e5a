"""What vendors send to Genba: signed when it goes out, repeated until it is taken, kept over a restart.

A door of this kind has the same fault switches: delay, drop (it never goes out), duplicate, reorder (held back, then
sent in reverse). Each try stands in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import httpx2

from tests.sandbox.faults import Faults
from tests.sandbox.store import Store

# Seconds after each failed try; vendors take hours, which nobody would watch.
RETRIES = (1, 5, 30, 120)
LOOK_EVERY = 0.1
# The body and the time in, the vendor's signature headers out.
Sign = Callable[[bytes, int], Mapping[str, str]]


class Webhooks:
    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults
        self._signs: dict[str, Sign] = {}

    def signed_by(self, vendor: str, sign: Sign) -> None:
        self._signs[vendor] = sign

    def enqueue(self, vendor: str, door: str, url: str, body: bytes) -> None:
        self._store.sql.execute(
            "INSERT INTO webhooks (vendor, door, url, body, due) VALUES (?, ?, ?, ?, ?)",
            [vendor, door, url, body, time.time()],
        )

    async def run(self) -> None:
        """Delivers for ever; cancelled when the sandbox ends."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            while True:
                due = self._store.sql.execute(
                    "SELECT * FROM webhooks WHERE held = 0 AND done = 0 AND due <= ? ORDER BY due, id", [time.time()]
                ).fetchall()
                for row in due:
                    times = 1 if row["drawn"] else self._times(row["id"], row["vendor"], row["door"], row["body"])
                    for _ in range(times):
                        await self._send(http, row["id"])
                await asyncio.sleep(LOOK_EVERY)

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
        vendor, body = row["vendor"], row["body"]
        headers = {"Content-Type": "application/json", **self._signs[vendor](body, int(time.time()))}
        try:
            answer = await http.post(row["url"], content=body, headers=headers)
            said, taken = str(answer.status_code), answer.is_success
        except httpx2.HTTPError as error:
            said, taken = type(error).__name__, False
        did = f"{row['tries'] + 1}回目を送った"
        self._store.note(vendor, row["door"], {"url": row["url"], "body": body.decode()}, [], [did], said)
        if taken or row["tries"] >= len(RETRIES):
            self._store.sql.execute("UPDATE webhooks SET done = 1, tries = tries + 1 WHERE id = ?", [webhook_id])
        else:
            self._store.sql.execute(
                "UPDATE webhooks SET due = ?, tries = tries + 1 WHERE id = ?",
                [time.time() + RETRIES[row["tries"]], webhook_id],
            )
