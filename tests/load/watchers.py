"""Clients that read their answer times from what a component has left behind."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from tests.load.load_clients import Client, RunningProduct, Unavailable
from tests.load.shops import Shop

VENDORS = ("twilio", "bland", "stripe")


class Watcher(Client):
    """Polls twice a second. `new_answer_times` returns the new times, in Unix seconds."""

    def __init__(self, product: RunningProduct) -> None:
        super().__init__()
        self.product = product

    def next(self) -> None:
        return None

    def new_answer_times(self) -> list[float]:
        raise NotImplementedError

    def _run_once(self) -> None:
        clock_offset = time.time() - time.monotonic()
        try:
            self.answered += [(at - clock_offset, at - clock_offset) for at in self.new_answer_times()]
        except (Unavailable, psycopg.Error, OSError, sqlite3.Error):
            return  # not available at this time


class Jobs(Watcher):
    """Any job run that ended."""

    kind = "jobs"
    _last_seen = 0.0

    def new_answer_times(self) -> list[float]:
        [(last,)] = self.product.rows("SELECT extract(epoch FROM max(at))::float FROM job_heartbeats")
        if not last or last == self._last_seen:
            return []
        self._last_seen = last
        return [last]


class Agent(Watcher):
    """A real agent's heartbeats."""

    kind = "agents"

    def __init__(self, product: RunningProduct, shop: Shop) -> None:
        super().__init__(product)
        self.shop = shop
        self._last_seen = 0.0

    def new_answer_times(self) -> list[float]:
        rows = self.product.rows(
            "SELECT extract(epoch FROM h.received_at)::float FROM fleet_heartbeats h "
            "JOIN fleet_terminals t ON t.id = h.terminal_id "
            "WHERE t.serial_number = %s AND h.received_at > to_timestamp(%s) ORDER BY 1",
            self.shop.serial_number,
            self._last_seen + 0.001,
        )
        times = [at for (at,) in rows]
        self._last_seen = max([self._last_seen, *times])
        return times


class Webhooks(Watcher):
    """The vendors' signed webhooks. In every turn one accepted webhook of each vendor is sent again: it must be
    answered, and have no effect."""

    kind = "webhooks"
    pause = 1.0

    def __init__(self, product: RunningProduct, store: Path) -> None:
        super().__init__(product)
        self._store = store
        self._last_id = 0
        self.sent_again = 0

    def new_answer_times(self) -> list[float]:
        with sqlite3.connect(f"file:{self._store}?mode=ro", uri=True, timeout=2) as store:
            log_rows = store.execute(
                "SELECT id, at FROM truth WHERE id > ? AND did LIKE '%回目を送った%' AND answer LIKE '2%' ORDER BY id",
                [self._last_id],
            ).fetchall()
            accepted = store.execute(
                f"SELECT max(id) FROM webhooks WHERE done = 1 AND vendor IN ({','.join('?' * len(VENDORS))}) "
                "GROUP BY vendor",
                VENDORS,
            ).fetchall()
        for (webhook_id,) in accepted:
            self.sent_again += int(self.product.stack.control(f"webhooks/{webhook_id}/again", {})["sent"])
        if log_rows:
            self._last_id = log_rows[-1][0]
        tokyo = ZoneInfo("Asia/Tokyo")
        return [datetime.strptime(at, "%Y/%m/%d %H:%M:%S").replace(tzinfo=tokyo).timestamp() for _, at in log_rows]
