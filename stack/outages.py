"""Reports to Slack once that the product is down, and in the same message that it is back: the watchdog's own channel.

The product sends its alarms through its outbox; when the outbox is down, no operator would see them. An outage is a row
of the watchdog's file before it is reported, so that a restarted watchdog continues with it and reports nothing twice.
Standard library only, like the watchdog.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from http.client import HTTPException
from typing import Any, Protocol

DOWN = "システムがダウンしています"
# The service answers, but the scheduled jobs do not run.
STALLED = "定期処理が止まっています"
# The prefix of the readiness check's text in this case only.
JOBS_PREFIX = "jobs: "
NAMES = {"service": "データサービス", "dashboards": "画面"}
# The message was deleted in Slack, or its channel was closed.
DELETED_CODES = ("message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "is_archived")
REPEAT_AFTER = timedelta(minutes=30)
EVENT_TYPE = "genba_message"
OFF = "off"
JAPAN = timezone(timedelta(hours=9))
WEEKDAYS = "月火水木金土日"
MAX_ANSWER_BYTES = 1024 * 1024
MAX_PAGES = 5

SCHEMA = """
CREATE TABLE IF NOT EXISTS outages (
    id integer PRIMARY KEY,
    key text NOT NULL UNIQUE,
    begun_at text NOT NULL,
    headline text NOT NULL,
    words text NOT NULL,
    over_at text,
    -- Slack's own name of the message, and when its thread last heard of it.
    channel text,
    ts text,
    told_at text,
    replies integer NOT NULL DEFAULT 0,
    -- It became worse: the channel should hear of it at once.
    is_worse integer NOT NULL DEFAULT 0,
    -- What was being posted when nobody knows any more whether it arrived.
    trying text,
    is_edited integer NOT NULL DEFAULT 0,
    closed_at text
);
"""


class ProbeResult(Protocol):
    """The result of one probe; `down` is the text of the problem."""

    @property
    def target(self) -> str: ...
    @property
    def at(self) -> str: ...
    @property
    def down(self) -> str | None: ...


@dataclass(frozen=True)
class Slack:
    base_url: str
    token: str
    channel: str
    timeout_seconds: float = 10.0


class NotDelivered(Exception):
    """Slack did not accept the message. `code`: Slack's error code, if there is one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class DeliveryUnknown(Exception):
    """Slack may have received the message."""


class Outages:
    """`after`: how many failed probes of one target in a row make an outage; as many rounds without a failure end
    it."""

    def __init__(self, db: sqlite3.Connection, slack: Slack | None, after: int, link: str, source: str) -> None:
        self._db, self._slack, self._after, self._link, self._source = db, slack, after, link, source
        db.executescript(SCHEMA)
        self._failures: Counter[str] = Counter()
        self._first_failure: dict[str, str] = {}
        self._healthy_since: str | None = None
        self._healthy_rounds = 0

    def take(self, results: Iterable[ProbeResult]) -> bool:
        """Records the results of one round. Returns whether the next round should come soon, because it decides."""
        results = list(results)
        for result in results:
            if result.down is None:
                self._failures.pop(result.target, None)
                self._first_failure.pop(result.target, None)
            else:
                self._failures[result.target] += 1
                self._first_failure.setdefault(result.target, result.at)
        if self._failures:
            self._healthy_rounds, self._healthy_since = 0, None
        else:
            self._healthy_rounds += 1
            self._healthy_since = self._healthy_since or min(result.at for result in results)
        outage = self._open()
        down = {
            result.target: result.down
            for result in results
            if result.down and self._failures[result.target] >= self._after
        }
        if outage is None:
            if down:
                self._begin(down)
            return bool(self._failures) and not down
        if down:
            self._update(outage, down)
        if self._healthy_rounds >= self._after:
            self._db.execute("UPDATE outages SET over_at = ? WHERE id = ?", [self._healthy_since, outage["id"]])
            return False
        return self._healthy_rounds > 0

    def send_reports(self) -> str:
        """Sends the open reports to Slack. Returns why it could not, or ""."""
        if self._slack is None:
            self._db.execute("UPDATE outages SET closed_at = over_at WHERE over_at IS NOT NULL AND closed_at IS NULL")
            return ""
        for row in self._rows("closed_at IS NULL"):
            try:
                self._report(self._slack, row)
            except NotDelivered as error:
                if row["ts"] is None or error.code not in DELETED_CODES:
                    return str(error)
                # The message that could be updated or answered no longer exists.
                self._set(row, told_at=_now(), is_worse=0, closed_at=row["over_at"])
            except DeliveryUnknown as error:
                return str(error)
        return ""

    def _report(self, slack: Slack, row: Mapping[str, Any]) -> None:
        if row["ts"] is None:
            posted = self._post(slack, row, "post", resolved_text(row) if row["over_at"] else self._opening_text(row))
            self._set(row, channel=posted[0], ts=posted[1], told_at=_now(), trying=None)
            if row["over_at"]:
                self._set(row, closed_at=_now())
            return
        if row["over_at"]:
            if not row["is_edited"]:
                call_slack(
                    slack, "chat.update", {"channel": row["channel"], "ts": row["ts"], "text": resolved_text(row)}
                )
                self._set(row, is_edited=1)
            self._post(slack, row, "over", f"解決しました（{duration_text(row['begun_at'], row['over_at'])}）")
            self._set(row, trying=None, closed_at=_now())
        elif row["is_worse"] or datetime.now(UTC) - datetime.fromisoformat(row["told_at"]) >= REPEAT_AFTER:
            text = f"{row['headline']}（{duration_text(row['begun_at'], _now())}経過）\n{escaped(row['words'])}"
            self._post(slack, row, f"reply{row['replies']}", text, loud=bool(row["is_worse"]))
            self._set(row, trying=None, told_at=_now(), replies=row["replies"] + 1, is_worse=0)

    def _post(
        self, slack: Slack, row: Mapping[str, Any], part: str, text: str, *, loud: bool = False
    ) -> tuple[str, str]:
        """Returns channel and ts. A message that may have arrived already is searched first. `loud`: a reply that is
        also shown in the channel."""
        key = f"{row['key']}:{part}"
        if row["trying"] == key and (found_message := _find_message(slack, row, key)):
            return found_message
        self._set(row, trying=key)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": key}}
        arguments = {"channel": row["channel"] or slack.channel, "text": text, "metadata": json.dumps(metadata)}
        if row["ts"] is not None:
            arguments |= {"thread_ts": row["ts"]} | ({"reply_broadcast": "true"} if loud else {})
        try:
            answer = call_slack(slack, "chat.postMessage", arguments)
        except NotDelivered:
            self._set(row, trying=None)
            raise
        return answer["channel"], answer["ts"]

    def _begin(self, down: Mapping[str, str]) -> None:
        self._db.execute(
            "INSERT INTO outages (key, begun_at, headline, words) VALUES (?, ?, ?, ?)",
            [str(uuid.uuid4()), min(self._first_failure[name] for name in down), headline(down), details_text(down)],
        )

    def _update(self, row: Mapping[str, Any], down: Mapping[str, str]) -> None:
        """From stalled to down is news, and is reported at once."""
        if row["headline"] == STALLED and headline(down) == DOWN:
            self._set(row, headline=DOWN, is_worse=row["ts"] is not None)
        if row["words"] != details_text(down):
            self._set(row, words=details_text(down))

    def _opening_text(self, row: Mapping[str, Any]) -> str:
        lines = [
            row["headline"],
            escaped(row["words"]),
            f"検知: {time_text(row['begun_at'])}（監視元: {self._source}）",
        ]
        return "\n".join([*lines, f"<{self._link}|監視を開く>"])

    def _open(self) -> dict[str, Any] | None:
        return next(iter(self._rows("over_at IS NULL")), None)

    def _rows(self, condition: str) -> list[dict[str, Any]]:
        cursor = self._db.execute(f"SELECT * FROM outages WHERE {condition} ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _set(self, row: Mapping[str, Any], **values: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE outages SET {assignments} WHERE id = ?", [*values.values(), row["id"]])


def headline(down: Mapping[str, str]) -> str:
    only_jobs = down.keys() == {"service"} and down["service"].startswith(JOBS_PREFIX)
    return STALLED if only_jobs else DOWN


def details_text(down: Mapping[str, str]) -> str:
    return "\n".join(f"{NAMES.get(name, name)}: {text}" for name, text in sorted(down.items(), reverse=True))


def resolved_text(row: Mapping[str, Any]) -> str:
    period = f"{time_text(row['begun_at'])} から {duration_text(row['begun_at'], row['over_at'])}"
    return f"【解決済み】{row['headline']}\n{period}\n{escaped(row['words'])}"


def time_text(at: str) -> str:
    """2026/11/22（日）9:05, Tokyo time."""
    local = datetime.fromisoformat(at).astimezone(JAPAN)
    return f"{local.year}/{local.month}/{local.day}（{WEEKDAYS[local.weekday()]}）{local.hour}:{local:%M}"


def duration_text(begun_at: str, over_at: str) -> str:
    seconds = max(0, int((datetime.fromisoformat(over_at) - datetime.fromisoformat(begun_at)).total_seconds()))
    if seconds < 60:
        return f"{seconds}秒"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}時間{minutes}分" if hours else f"{minutes}分"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def call_slack(slack: Slack, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Slack's answer. Raises NotDelivered and DeliveryUnknown."""
    request = urllib.request.Request(
        f"{slack.base_url}{method}",
        urllib.parse.urlencode(arguments).encode(),
        {"Authorization": f"Bearer {slack.token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=slack.timeout_seconds) as response:
            payload: dict[str, Any] = json.loads(response.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error_response:
        error_response.close()
        if error_response.code == 429:
            raise NotDelivered("Slack takes no more just now") from None
        raise DeliveryUnknown(f"Slack answered {error_response.code}") from None
    except urllib.error.URLError as error:
        # While connecting; what happens later is an OSError of its own.
        if isinstance(error.reason, TimeoutError):
            raise DeliveryUnknown("Slack did not answer in time") from error
        raise NotDelivered(f"Slack cannot be reached ({type(error.reason).__name__})") from error
    except (OSError, HTTPException, ValueError) as error:
        raise DeliveryUnknown(f"Slack's answer was lost ({type(error).__name__})") from error
    if not payload.get("ok"):
        raise NotDelivered(f"Slack refused: {payload.get('error')}", str(payload.get("error")))
    return payload


def _find_message(slack: Slack, row: Mapping[str, Any], key: str) -> tuple[str, str] | None:
    """Channel and ts of the message, if it arrived; None when it did not, or when Slack does not allow the search.
    Raises NotDelivered and DeliveryUnknown while Slack cannot be asked."""
    since = datetime.fromisoformat(row["begun_at"]).timestamp() - 60
    try:
        channel = row["channel"] or _channel_id(slack)
        if channel is None:
            return None
        arguments = {"channel": channel, "oldest": f"{since:.6f}", "limit": 200, "include_all_metadata": "true"}
        method = "conversations.history"
        if row["ts"] is not None:
            method, arguments["ts"] = "conversations.replies", row["ts"]
        for page in _pages(slack, method, arguments):
            for posted in page["messages"]:
                if (posted.get("metadata") or {}).get("event_payload", {}).get("key") == key:
                    return channel, posted["ts"]
    except NotDelivered as error:
        if not error.code:
            raise
    return None


def _channel_id(slack: Slack) -> str | None:
    """Slack gives the history only by channel id."""
    if not slack.channel.startswith("#"):
        return slack.channel
    arguments = {"limit": 1000, "exclude_archived": "true", "types": "public_channel,private_channel"}
    for page in _pages(slack, "conversations.list", arguments):
        for channel in page["channels"]:
            if channel["name"] == slack.channel.removeprefix("#"):
                return str(channel["id"])
    return None


def _pages(slack: Slack, method: str, arguments: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    cursor = ""
    for _ in range(MAX_PAGES):
        page = call_slack(slack, method, {**arguments, **({"cursor": cursor} if cursor else {})})
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
        if not cursor:
            return


def _now() -> str:
    return datetime.now(UTC).isoformat()
