"""The watchdog: asks the doors of the product, again and again, whether they answer, remembers what it saw, and tells
Slack when they do not (`outages`).

It shares nothing with what it watches: what it sees goes into a SQLite file of its own first, and from there to the
service whenever that answers, so that an outage is on record afterwards. Standard library only: it must not fail
together with the product, and it costs little memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sqlite3
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

from stack.outages import OFF, Outages, Slack
from stack.secrets import with_secrets

MOST_AT_ONCE = 500
# Delivered ones are kept here for a while too: whoever doubts the figures can look.
KEPT = timedelta(days=40)
LARGEST_ANSWER = 64 * 1024
LONGEST_WORDS = 500
# While a round decides whether something is down, or well again, the next one comes this much sooner: with two answers
# that do not come in time, an outage is told within a minute.
HURRY = 6
# Why a door could not be asked, the narrower kind first.
REASONS: dict[type[Exception], str] = {
    ConnectionRefusedError: "プログラムが動いていません",
    ConnectionError: "応答の途中で切断されました",
    HTTPException: "応答を読み取れません",
    socket.gaierror: "サーバーの名前が見つかりません",
    ssl.SSLCertVerificationError: "証明書を確認できません",
    ssl.SSLError: "暗号化した接続ができません",
}

SCHEMA = """
CREATE TABLE IF NOT EXISTS probes (
    at text NOT NULL,
    target text NOT NULL,
    every_seconds integer NOT NULL,
    ok integer NOT NULL,
    latency_ms integer NOT NULL,
    down text,
    delivered_at text,
    PRIMARY KEY (at, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON probes (at) WHERE delivered_at IS NULL;
"""


@dataclass(frozen=True)
class Settings:
    """`targets`: name → URL that answers 200 when all is well; `down_after`: how many failures in a row make an outage;
    `slack`: who is told of it, None for nobody; `page`: where people look then."""

    file: Path
    source: str
    targets: Mapping[str, str]
    every_seconds: int
    timeout_seconds: float
    deliver_to: str
    token: str
    down_after: int
    slack: Slack | None
    page: str


def settings(environ: Mapping[str, str]) -> Settings:
    """Raises ValueError, in words, for what cannot be."""
    every = environ.get("WATCHDOG_INTERVAL_SECONDS") or "30"
    if not every.isdecimal() or not 1 <= int(every) <= 3600:
        raise ValueError(f"WATCHDOG_INTERVAL_SECONDS must be a number from 1 to 3600, not {every!r}.")
    after = environ.get("WATCHDOG_DOWN_AFTER") or "2"
    if not after.isdecimal() or not 1 <= int(after) <= 100:
        raise ValueError(f"WATCHDOG_DOWN_AFTER must be a number from 1 to 100, not {after!r}.")
    service = environ.get("SERVICE_URL") or "http://127.0.0.1:8000"
    dashboards = environ.get("PUBLIC_BASE_URL") or "http://127.0.0.1:8501"
    return Settings(
        file=Path(environ.get("WATCHDOG_FILE") or "probes.sqlite"),
        source=source(environ),
        targets={"service": f"{service}/api/health/ready", "dashboards": f"{dashboards}/health"},
        every_seconds=int(every),
        timeout_seconds=min(10.0, int(every) / 2),
        deliver_to=f"{service}/api/core/probes",
        token=environ.get("WATCHDOG_TOKEN", ""),
        down_after=int(after),
        slack=slack(environ),
        page=f"{dashboards.rstrip('/')}/monitoring",
    )


def slack(environ: Mapping[str, str]) -> Slack | None:
    """The line to Slack; None without a token, and where another watchdog tells."""
    channel = environ.get("WATCHDOG_SLACK_CHANNEL") or environ.get("RESERVATIONS_SLACK_CHANNEL") or "#qrv-alerts"
    token = environ.get("SLACK_BOT_TOKEN", "")
    if not token or channel == OFF:
        return None
    return Slack(environ.get("SLACK_BASE_URL") or "https://slack.com/api/", token, channel)


def source(environ: Mapping[str, str]) -> str:
    """Who is speaking: this machine, unless it was given another name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", environ.get("WATCHDOG_SOURCE") or socket.gethostname())[:64]


@dataclass(frozen=True)
class Probe:
    """What one question was answered. `down` says in words what is wrong, None when nothing is."""

    target: str
    at: str
    latency_ms: int
    down: str | None


def probe(target: str, url: str, timeout_seconds: float) -> Probe:
    at, begun = datetime.now(UTC).isoformat(), time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as answer:
            answer.read(LARGEST_ANSWER)
            down = None if answer.status == 200 else f"状態 {answer.status}"
    except urllib.error.HTTPError as refused:
        down = _words(refused)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        down = f"{timeout_seconds:g}秒以内に応答がありません" if isinstance(reason, TimeoutError) else _why(reason)
    return Probe(target, at, round((time.monotonic() - begun) * 1000), down)


def _why(reason: object) -> str:
    """People read it in システム状態, 監視 and Slack."""
    for kind, said in REASONS.items():
        if isinstance(reason, kind):
            return f"接続できません（{said}）"
    return "接続できません"


def _words(refused: urllib.error.HTTPError) -> str:
    """The readiness door names what is down; other doors answer a sentence or nothing."""
    text = ""
    with refused, contextlib.suppress(OSError, HTTPException):
        text = refused.read(LARGEST_ANSWER).decode(errors="replace")
    try:
        parts = json.loads(text)["parts"]
        return "、".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")[:LONGEST_WORDS]
    except (ValueError, TypeError, KeyError, AttributeError):
        sentence = text.strip() if refused.headers.get_content_type() == "text/plain" else ""
        # Its first sentence: what to do is for those who look at the page.
        return f"状態 {refused.code} {sentence.partition('。')[0]}".strip()[:LONGEST_WORDS]


class Memory:
    """The file of what was seen."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def outages(self, how: Settings) -> Outages:
        return Outages(self._db, how.slack, how.down_after, how.page, how.source)

    def keep(self, probes: list[Probe], every_seconds: int) -> None:
        rows = [(seen.at, seen.target, every_seconds, seen.down is None, seen.latency_ms, seen.down) for seen in probes]
        with self._whole():
            self._db.executemany(
                "INSERT INTO probes (at, target, every_seconds, ok, latency_ms, down) VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def waiting(self) -> list[dict[str, Any]]:
        """The oldest that the service does not have yet, as it wants them."""
        names = ("at", "target", "every_seconds", "ok", "latency_ms", "down")
        rows = self._db.execute(
            f"SELECT {', '.join(names)} FROM probes WHERE delivered_at IS NULL ORDER BY at LIMIT ?", [MOST_AT_ONCE]
        )
        return [dict(zip(names, row, strict=True)) | {"ok": bool(row[3])} for row in rows]

    def delivered(self, probes: list[dict[str, Any]]) -> None:
        now = datetime.now(UTC)
        with self._whole():
            self._db.executemany(
                "UPDATE probes SET delivered_at = ? WHERE at = ? AND target = ?",
                [(now.isoformat(), seen["at"], seen["target"]) for seen in probes],
            )
            self._db.execute("DELETE FROM probes WHERE delivered_at < ?", [(now - KEPT).isoformat()])

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def deliver(memory: Memory, to: Settings) -> str:
    """Sends all that waits, the oldest first. Returns why it could not, or nothing."""
    while waiting := memory.waiting():
        why_not = tell(to.deliver_to, to.token, {"source": to.source, "probes": waiting}, to.timeout_seconds)
        if why_not:
            return why_not
        memory.delivered(waiting)
    return ""


def tell(url: str, token: str, news: Mapping[str, Any], timeout_seconds: float) -> str:
    """Tells the service. Returns why it could not, or nothing."""
    request = urllib.request.Request(
        url, json.dumps(news).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return ""
    except urllib.error.HTTPError as refused:
        refused.close()
        return f"the service answered {refused.code}"
    except (OSError, HTTPException) as error:
        return f"the service cannot be reached ({type(error).__name__})"


def watch(how: Settings, memory: Memory) -> Iterator[bool]:
    """One round each time it is asked to go on; whether the next one should come sooner."""
    before: dict[str, str | None] = {}
    outages = memory.outages(how)
    with ThreadPoolExecutor(len(how.targets)) as pool:
        while True:
            asked = [pool.submit(probe, *target, how.timeout_seconds) for target in how.targets.items()]
            seen = [answer.result() for answer in asked]
            memory.keep(seen, how.every_seconds)
            hurry = outages.take(seen)
            now = {one.target: one.down for one in seen} | {"slack": outages.tell() or None}
            # A service that does not answer would only keep the next round waiting.
            now["delivery"] = before.get("delivery") if hurry else deliver(memory, how) or None
            for name, down in now.items():
                if down != before.get(name, ""):
                    _say(name, down)
            before = now
            yield hurry


def _say(name: str, down: str | None) -> None:
    line = {"timestamp": datetime.now(UTC).isoformat(), "event": f"{name}: {down or 'ok'}"}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main() -> int:
    try:
        how = settings(with_secrets(os.environ))
    except ValueError as wrong:
        print(wrong)
        return 1
    begun, rounds = time.monotonic(), 0
    for hurry in watch(how, Memory(how.file)):
        if hurry:
            time.sleep(how.every_seconds / HURRY)
            continue
        # In step with the clock, however long the answers took; rounds that were slept through are left out.
        rounds = max(rounds + 1, int((time.monotonic() - begun) // how.every_seconds))
        time.sleep(max(0.0, begun + rounds * how.every_seconds - time.monotonic()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
