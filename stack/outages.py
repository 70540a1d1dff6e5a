"""Tells Slack that the product is down, once, and in the same place that it is back: the watchdog's own line.

The product's alarms go through its outbox; when that is what has died, nobody would hear of it. An outage is a row of
the watchdog's file before anybody is told, so that a watchdog that was restarted goes on with it and tells nothing
twice. Standard library only, as the watchdog.
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
# The doors answer, and nobody does what is to be done by itself.
STALLED = "定期処理が止まっています"
# What the readiness door says then, and then only.
ONLY_JOBS = "jobs: "
NAMES = {"service": "データサービス", "dashboards": "画面"}
# Somebody has deleted the message in Slack, or closed its channel.
GONE = ("message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "is_archived")
TELL_AGAIN = timedelta(minutes=30)
EVENT_TYPE = "genba_message"
OFF = "off"
JAPAN = timezone(timedelta(hours=9))
WEEKDAYS = "月火水木金土日"
LARGEST_ANSWER = 1024 * 1024
PAGES = 5

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


class Seen(Protocol):
    """What one door answered; `down` says in words what is wrong."""

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


class NotTold(Exception):
    """Slack does not have it. `code`: its own word for why not, where it said one."""

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.code = code


class Unclear(Exception):
    """Slack may have it."""


class Outages:
    """`after`: how many probes in a row, of one door, make an outage; as many rounds without fault end it."""

    def __init__(self, db: sqlite3.Connection, slack: Slack | None, after: int, link: str, source: str) -> None:
        self._db, self._slack, self._after, self._link, self._source = db, slack, after, link, source
        db.executescript(SCHEMA)
        self._failures: Counter[str] = Counter()
        self._first_failure: dict[str, str] = {}
        self._well_since: str | None = None
        self._well = 0

    def take(self, seen: Iterable[Seen]) -> bool:
        """What a round saw. Returns whether the next one should come soon, because it decides."""
        seen = list(seen)
        for one in seen:
            if one.down is None:
                self._failures.pop(one.target, None)
                self._first_failure.pop(one.target, None)
            else:
                self._failures[one.target] += 1
                self._first_failure.setdefault(one.target, one.at)
        if self._failures:
            self._well, self._well_since = 0, None
        else:
            self._well += 1
            self._well_since = self._well_since or min(one.at for one in seen)
        found = self._open()
        down = {one.target: one.down for one in seen if one.down and self._failures[one.target] >= self._after}
        if found is None:
            if down:
                self._begin(down)
            return bool(self._failures) and not down
        if down:
            self._worsen(found, down)
        if self._well >= self._after:
            self._db.execute("UPDATE outages SET over_at = ? WHERE id = ?", [self._well_since, found["id"]])
            return False
        return self._well > 0

    def tell(self) -> str:
        """Says to Slack what it has not heard yet. Returns why it could not, or nothing."""
        if self._slack is None:
            self._db.execute("UPDATE outages SET closed_at = over_at WHERE over_at IS NOT NULL AND closed_at IS NULL")
            return ""
        for row in self._rows("closed_at IS NULL"):
            try:
                self._tell(self._slack, row)
            except NotTold as why:
                if row["ts"] is None or why.code not in GONE:
                    return str(why)
                # There is no message any more that could be changed or answered.
                self._set(row, told_at=_now(), is_worse=0, closed_at=row["over_at"])
            except Unclear as why:
                return str(why)
        return ""

    def _tell(self, slack: Slack, row: Mapping[str, Any]) -> None:
        if row["ts"] is None:
            said = self._post(slack, row, "post", over(row) if row["over_at"] else self._begun(row))
            self._set(row, channel=said[0], ts=said[1], told_at=_now(), trying=None)
            if row["over_at"]:
                self._set(row, closed_at=_now())
            return
        if row["over_at"]:
            if not row["is_edited"]:
                call(slack, "chat.update", {"channel": row["channel"], "ts": row["ts"], "text": over(row)})
                self._set(row, is_edited=1)
            self._post(slack, row, "over", f"解決しました（{lasted(row['begun_at'], row['over_at'])}）")
            self._set(row, trying=None, closed_at=_now())
        elif row["is_worse"] or datetime.now(UTC) - datetime.fromisoformat(row["told_at"]) >= TELL_AGAIN:
            text = f"{row['headline']}（{lasted(row['begun_at'], _now())}経過）\n{escaped(row['words'])}"
            self._post(slack, row, f"reply{row['replies']}", text, loud=bool(row["is_worse"]))
            self._set(row, trying=None, told_at=_now(), replies=row["replies"] + 1, is_worse=0)

    def _post(
        self, slack: Slack, row: Mapping[str, Any], what: str, text: str, *, loud: bool = False
    ) -> tuple[str, str]:
        """Channel and ts. What may have arrived already is looked for first. `loud`: a reply that the channel sees."""
        key = f"{row['key']}:{what}"
        if row["trying"] == key and (known := _look(slack, row, key)):
            return known
        self._set(row, trying=key)
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": key}}
        arguments = {"channel": row["channel"] or slack.channel, "text": text, "metadata": json.dumps(metadata)}
        if row["ts"] is not None:
            arguments |= {"thread_ts": row["ts"]} | ({"reply_broadcast": "true"} if loud else {})
        try:
            said = call(slack, "chat.postMessage", arguments)
        except NotTold:
            self._set(row, trying=None)
            raise
        return said["channel"], said["ts"]

    def _begin(self, down: Mapping[str, str]) -> None:
        self._db.execute(
            "INSERT INTO outages (key, begun_at, headline, words) VALUES (?, ?, ?, ?)",
            [str(uuid.uuid4()), min(self._first_failure[name] for name in down), headline(down), words(down)],
        )

    def _worsen(self, row: Mapping[str, Any], down: Mapping[str, str]) -> None:
        """What only stalled may go down: that is news, and told at once."""
        if row["headline"] == STALLED and headline(down) == DOWN:
            self._set(row, headline=DOWN, is_worse=row["ts"] is not None)
        if row["words"] != words(down):
            self._set(row, words=words(down))

    def _begun(self, row: Mapping[str, Any]) -> str:
        lines = [row["headline"], escaped(row["words"]), f"検知: {moment(row['begun_at'])}（監視元: {self._source}）"]
        return "\n".join([*lines, f"<{self._link}|監視を開く>"])

    def _open(self) -> dict[str, Any] | None:
        return next(iter(self._rows("over_at IS NULL")), None)

    def _rows(self, where: str) -> list[dict[str, Any]]:
        cursor = self._db.execute(f"SELECT * FROM outages WHERE {where} ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _set(self, row: Mapping[str, Any], **values: Any) -> None:
        named = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE outages SET {named} WHERE id = ?", [*values.values(), row["id"]])


def headline(down: Mapping[str, str]) -> str:
    only_jobs = down.keys() == {"service"} and down["service"].startswith(ONLY_JOBS)
    return STALLED if only_jobs else DOWN


def words(down: Mapping[str, str]) -> str:
    return "\n".join(f"{NAMES.get(name, name)}: {said}" for name, said in sorted(down.items(), reverse=True))


def over(row: Mapping[str, Any]) -> str:
    when = f"{moment(row['begun_at'])} から {lasted(row['begun_at'], row['over_at'])}"
    return f"【解決済み】{row['headline']}\n{when}\n{escaped(row['words'])}"


def moment(at: str) -> str:
    """2026/11/22（日）9:05, Tokyo time."""
    local = datetime.fromisoformat(at).astimezone(JAPAN)
    return f"{local.year}/{local.month}/{local.day}（{WEEKDAYS[local.weekday()]}）{local.hour}:{local:%M}"


def lasted(begun_at: str, over_at: str) -> str:
    seconds = max(0, int((datetime.fromisoformat(over_at) - datetime.fromisoformat(begun_at)).total_seconds()))
    if seconds < 60:
        return f"{seconds}秒"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}時間{minutes}分" if hours else f"{minutes}分"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def call(slack: Slack, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Slack's answer. Raises NotTold and Unclear."""
    request = urllib.request.Request(
        f"{slack.base_url}{method}",
        urllib.parse.urlencode(arguments).encode(),
        {"Authorization": f"Bearer {slack.token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=slack.timeout_seconds) as answer:
            said: dict[str, Any] = json.loads(answer.read(LARGEST_ANSWER))
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code == 429:
            raise NotTold("Slack takes no more just now") from None
        raise Unclear(f"Slack answered {refused.code}") from None
    except urllib.error.URLError as error:
        # While connecting; what happens later is an OSError of its own.
        if isinstance(error.reason, TimeoutError):
            raise Unclear("Slack did not answer in time") from error
        raise NotTold(f"Slack cannot be reached ({type(error.reason).__name__})") from error
    except (OSError, HTTPException, ValueError) as error:
        raise Unclear(f"Slack's answer was lost ({type(error).__name__})") from error
    if not said.get("ok"):
        raise NotTold(f"Slack refused: {said.get('error')}", str(said.get("error")))
    return said


def _look(slack: Slack, row: Mapping[str, Any], key: str) -> tuple[str, str] | None:
    """Channel and ts of what arrived; None when it did not, or Slack lets nobody look. Raises NotTold and Unclear while
    Slack cannot be asked."""
    since = datetime.fromisoformat(row["begun_at"]).timestamp() - 60
    try:
        channel = row["channel"] or _channel_id(slack)
        if channel is None:
            return None
        asked = {"channel": channel, "oldest": f"{since:.6f}", "limit": 200, "include_all_metadata": "true"}
        method = "conversations.history"
        if row["ts"] is not None:
            method, asked["ts"] = "conversations.replies", row["ts"]
        for page in _pages(slack, method, asked):
            for posted in page["messages"]:
                if (posted.get("metadata") or {}).get("event_payload", {}).get("key") == key:
                    return channel, posted["ts"]
    except NotTold as why:
        if not why.code:
            raise
    return None


def _channel_id(slack: Slack) -> str | None:
    """History is only given by id."""
    if not slack.channel.startswith("#"):
        return slack.channel
    asked = {"limit": 1000, "exclude_archived": "true", "types": "public_channel,private_channel"}
    for page in _pages(slack, "conversations.list", asked):
        for channel in page["channels"]:
            if channel["name"] == slack.channel.removeprefix("#"):
                return str(channel["id"])
    return None


def _pages(slack: Slack, method: str, asked: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    cursor = ""
    for _ in range(PAGES):
        page = call(slack, method, {**asked, **({"cursor": cursor} if cursor else {})})
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
        if not cursor:
            return


def _now() -> str:
    return datetime.now(UTC).isoformat()
