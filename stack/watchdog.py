"""The watchdog: probes the product's health checks regularly, records the results, and reports outages to Slack
(`outages`).

It shares nothing with what it watches: results first go into its own SQLite file, and from there to the service
whenever that answers, so that outages are recorded. Standard library only: it must not fail together with the product,
and it needs little memory.
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

BATCH_SIZE = 500
# Delivered probes stay here for a while too, for an operator who wants to check the figures.
RETENTION = timedelta(days=40)
MAX_ANSWER_BYTES = 64 * 1024
MAX_TEXT_LENGTH = 500
# While a round decides whether something is down or healthy again, the next round comes this much sooner: with two
# timeouts an outage is reported within a minute.
FASTER_FACTOR = 6
# Why a probe got no answer, subclasses first.
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
    """`targets`: name → URL that answers 200 when healthy; `down_after`: failures in a row that make an outage;
    `slack`: where outages are reported, None for nowhere; `page`: the link for the operator."""

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
    """Raises ValueError, with a message for the user, for invalid values."""
    interval = environ.get("WATCHDOG_INTERVAL_SECONDS") or "30"
    if not interval.isdecimal() or not 1 <= int(interval) <= 3600:
        raise ValueError(f"WATCHDOG_INTERVAL_SECONDS must be a number from 1 to 3600, not {interval!r}.")
    down_after = environ.get("WATCHDOG_DOWN_AFTER") or "2"
    if not down_after.isdecimal() or not 1 <= int(down_after) <= 100:
        raise ValueError(f"WATCHDOG_DOWN_AFTER must be a number from 1 to 100, not {down_after!r}.")
    service = environ.get("SERVICE_URL") or "http://127.0.0.1:8000"
    dashboards = environ.get("PUBLIC_BASE_URL") or "http://127.0.0.1:8501"
    return Settings(
        file=Path(environ.get("WATCHDOG_FILE") or "probes.sqlite"),
        source=source(environ),
        targets={"service": f"{service}/api/health/ready", "dashboards": f"{dashboards}/health"},
        every_seconds=int(interval),
        timeout_seconds=min(10.0, int(interval) / 2),
        deliver_to=f"{service}/api/core/probes",
        token=environ.get("WATCHDOG_TOKEN", ""),
        down_after=int(down_after),
        slack=slack(environ),
        page=f"{dashboards.rstrip('/')}/monitoring",
    )


def slack(environ: Mapping[str, str]) -> Slack | None:
    """The connection to Slack; None without a token, or when another watchdog reports."""
    channel = environ.get("WATCHDOG_SLACK_CHANNEL") or environ.get("RESERVATIONS_SLACK_CHANNEL") or "#qrv-alerts"
    token = environ.get("SLACK_BOT_TOKEN", "")
    if not token or channel == OFF:
        return None
    return Slack(environ.get("SLACK_BASE_URL") or "https://slack.com/api/", token, channel)


def source(environ: Mapping[str, str]) -> str:
    """The name of this watchdog: WATCHDOG_SOURCE or the host name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", environ.get("WATCHDOG_SOURCE") or socket.gethostname())[:64]


@dataclass(frozen=True)
class Probe:
    """The result of one probe. `down` is the text of the problem, None when healthy."""

    target: str
    at: str
    latency_ms: int
    down: str | None


def probe(target: str, url: str, timeout_seconds: float) -> Probe:
    at, started = datetime.now(UTC).isoformat(), time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            response.read(MAX_ANSWER_BYTES)
            down = None if response.status == 200 else f"状態 {response.status}"
    except urllib.error.HTTPError as error_response:
        down = _error_text(error_response)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        down = (
            f"{timeout_seconds:g}秒以内に応答がありません" if isinstance(reason, TimeoutError) else _reason_text(reason)
        )
    return Probe(target, at, round((time.monotonic() - started) * 1000), down)


def _reason_text(reason: object) -> str:
    """The text is shown in システム状態, 監視 and Slack."""
    for kind, text in REASONS.items():
        if isinstance(reason, kind):
            return f"接続できません（{text}）"
    return "接続できません"


def _error_text(response: urllib.error.HTTPError) -> str:
    """The readiness check names the parts that are down; other routes answer a sentence or nothing."""
    text = ""
    with response, contextlib.suppress(OSError, HTTPException):
        text = response.read(MAX_ANSWER_BYTES).decode(errors="replace")
    try:
        parts = json.loads(text)["parts"]
        return "、".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")[:MAX_TEXT_LENGTH]
    except (ValueError, TypeError, KeyError, AttributeError):
        sentence = text.strip() if response.headers.get_content_type() == "text/plain" else ""
        # Only the first sentence: the rest is advice for users who look at the page.
        return f"状態 {response.code} {sentence.partition('。')[0]}".strip()[:MAX_TEXT_LENGTH]


class ProbeStore:
    """The SQLite file of the probe results."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def outages(self, config: Settings) -> Outages:
        return Outages(self._db, config.slack, config.down_after, config.page, config.source)

    def keep(self, probes: list[Probe], every_seconds: int) -> None:
        rows = [
            (result.at, result.target, every_seconds, result.down is None, result.latency_ms, result.down)
            for result in probes
        ]
        with self._transaction():
            self._db.executemany(
                "INSERT INTO probes (at, target, every_seconds, ok, latency_ms, down) VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def waiting(self) -> list[dict[str, Any]]:
        """The oldest results that the service does not have yet, as it expects them."""
        names = ("at", "target", "every_seconds", "ok", "latency_ms", "down")
        rows = self._db.execute(
            f"SELECT {', '.join(names)} FROM probes WHERE delivered_at IS NULL ORDER BY at LIMIT ?", [BATCH_SIZE]
        )
        return [dict(zip(names, row, strict=True)) | {"ok": bool(row[3])} for row in rows]

    def delivered(self, probes: list[dict[str, Any]]) -> None:
        now = datetime.now(UTC)
        with self._transaction():
            self._db.executemany(
                "UPDATE probes SET delivered_at = ? WHERE at = ? AND target = ?",
                [(now.isoformat(), result["at"], result["target"]) for result in probes],
            )
            self._db.execute("DELETE FROM probes WHERE delivered_at < ?", [(now - RETENTION).isoformat()])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def deliver(memory: ProbeStore, config: Settings) -> str:
    """Sends all undelivered results, the oldest first. Returns why it could not, or ""."""
    while undelivered := memory.waiting():
        error = post_report(
            config.deliver_to, config.token, {"source": config.source, "probes": undelivered}, config.timeout_seconds
        )
        if error:
            return error
        memory.delivered(undelivered)
    return ""


def post_report(url: str, token: str, report: Mapping[str, Any], timeout_seconds: float) -> str:
    """Posts a report to the service. Returns why it could not, or ""."""
    request = urllib.request.Request(
        url, json.dumps(report).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return ""
    except urllib.error.HTTPError as error_response:
        error_response.close()
        return f"the service answered {error_response.code}"
    except (OSError, HTTPException) as error:
        return f"the service cannot be reached ({type(error).__name__})"


def watch(config: Settings, memory: ProbeStore) -> Iterator[bool]:
    """One round per iteration; yields whether the next one should come sooner."""
    previous: dict[str, str | None] = {}
    outages = memory.outages(config)
    with ThreadPoolExecutor(len(config.targets)) as pool:
        while True:
            futures = [pool.submit(probe, *target, config.timeout_seconds) for target in config.targets.items()]
            results = [future.result() for future in futures]
            memory.keep(results, config.every_seconds)
            next_is_soon = outages.take(results)
            current = {result.target: result.down for result in results} | {"slack": outages.send_reports() or None}
            # A service that does not answer would only delay the next round.
            current["delivery"] = previous.get("delivery") if next_is_soon else deliver(memory, config) or None
            for name, down in current.items():
                if down != previous.get(name, ""):
                    _log_state(name, down)
            previous = current
            yield next_is_soon


def _log_state(name: str, down: str | None) -> None:
    line = {"timestamp": datetime.now(UTC).isoformat(), "event": f"{name}: {down or 'ok'}"}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main() -> int:
    try:
        config = settings(with_secrets(os.environ))
    except ValueError as error:
        print(error)
        return 1
    started_at, rounds = time.monotonic(), 0
    for next_is_soon in watch(config, ProbeStore(config.file)):
        if next_is_soon:
            time.sleep(config.every_seconds / FASTER_FACTOR)
            continue
        # At fixed intervals, however long the answers took; missed rounds are skipped.
        rounds = max(rounds + 1, int((time.monotonic() - started_at) // config.every_seconds))
        time.sleep(max(0.0, started_at + rounds * config.every_seconds - time.monotonic()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
