"""Clients that answer to nobody but whom they serve: when each last had an answer is read off what it left behind."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from tests.load.crowd import Away, Client, Scene
from tests.load.shops import Shop

VENDORS = ("twilio", "bland", "stripe")


class Watcher(Client):
    """Looks twice a second; `news` gives the moments, on the wall's clock, of what is new since."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def next(self) -> None:
        return None

    def news(self) -> list[float]:
        raise NotImplementedError

    def _turn(self) -> None:
        ahead = time.time() - time.monotonic()
        try:
            self.answered += [(moment - ahead, moment - ahead) for moment in self.news()]
        except (Away, psycopg.Error, OSError, sqlite3.Error):
            return  # what cannot be asked just now


class Jobs(Watcher):
    """Any tick that ran to its end."""

    kind = "jobs"
    _seen = 0.0

    def news(self) -> list[float]:
        [(last,)] = self.scene.rows("SELECT extract(epoch FROM max(at))::float FROM job_heartbeats")
        if not last or last == self._seen:
            return []
        self._seen = last
        return [last]


class Agent(Watcher):
    """A real agent's heartbeats."""

    kind = "agents"

    def __init__(self, scene: Scene, shop: Shop) -> None:
        super().__init__(scene)
        self.shop = shop
        self._seen = 0.0

    def news(self) -> list[float]:
        found = self.scene.rows(
            "SELECT extract(epoch FROM h.received_at)::float FROM fleet_heartbeats h "
            "JOIN fleet_terminals t ON t.id = h.terminal_id "
            "WHERE t.serial_number = %s AND h.received_at > to_timestamp(%s) ORDER BY 1",
            self.shop.serial_number,
            self._seen + 0.001,
        )
        moments = [moment for (moment,) in found]
        self._seen = max([self._seen, *moments])
        return moments


class Webhooks(Watcher):
    """The vendors', signed. Of each vendor one that was taken before goes out once more in every turn: it must be
    answered, and do nothing."""

    kind = "webhooks"
    pause = 1.0

    def __init__(self, scene: Scene, store: Path) -> None:
        super().__init__(scene)
        self._store = store
        self._seen = 0
        self.sent_again = 0

    def news(self) -> list[float]:
        with sqlite3.connect(f"file:{self._store}?mode=ro", uri=True, timeout=2) as store:
            told = store.execute(
                "SELECT id, at FROM truth WHERE id > ? AND did LIKE '%回目を送った%' AND answer LIKE '2%' ORDER BY id",
                [self._seen],
            ).fetchall()
            taken = store.execute(
                f"SELECT max(id) FROM webhooks WHERE done = 1 AND vendor IN ({','.join('?' * len(VENDORS))}) "
                "GROUP BY vendor",
                VENDORS,
            ).fetchall()
        for (webhook_id,) in taken:
            self.sent_again += int(self.scene.stack.control(f"webhooks/{webhook_id}/again", {})["sent"])
        if told:
            self._seen = told[-1][0]
        zone = ZoneInfo("Asia/Tokyo")
        return [datetime.strptime(at, "%Y/%m/%d %H:%M:%S").replace(tzinfo=zone).timestamp() for _, at in told]
