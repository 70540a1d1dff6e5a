"""Titles for codes in the audit log: actors that are not users, and values of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from service.core.areas import areas, ticks
from service.core.audit import COMMAND_LINE
from service.core.catalogue import Entry, entries_by_key
from service.core.values import labels
from service.core.values.states import MessageState, TaskState
from service.core.values.times import format_day, format_local_datetime

# Prefixes of the names of machines that sign in: as stored in the audit log → as shown.
MACHINES = {"agent ": "エージェント ", "station ": "入退登録端末 "}
# "system" is the actor of changes that follow automatically from a user's change.
PROGRAMS = {COMMAND_LINE: "コマンド操作", "tasks": "自動処理（長い処理）", "system": "自動処理"}
# Field, or subject.field where the same field has other codes elsewhere → code → title.
CORE_VALUES: Mapping[str, Mapping[str, str]] = {
    "format": {"csv": "CSV", "xlsx": "Excel"},
    "kind": {"core.export": "一覧の出力", "core.import": "取り込み"},
    "message.state": MessageState.labels(),
    "task.state": TaskState.labels(),
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_TIME_OF_DAY = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


def actor_title(actor: str, name: str | None) -> str:
    """bob さん（bob）, エージェント TC200-000001, 自動処理（端末の監視）; an unknown actor stays as it is."""
    if name:
        return f"{name}（{actor}）"
    for prefix, title in MACHINES.items():
        if actor.startswith(prefix):
            return title + actor.removeprefix(prefix)
    if actor in PROGRAMS:
        return PROGRAMS[actor]
    tick = ticks().get(actor)
    return f"自動処理（{tick.title}）" if tick else actor


def stored_actor_text(query: str | None) -> str | None:
    """A search text with the names of machines as they are stored in the audit log."""
    for prefix, title in MACHINES.items():
        query = query and query.replace(title.strip(), prefix.strip())
    return query


@lru_cache(maxsize=1)
def exported_lists() -> dict[str, str]:
    """The titles of the lists that can be exported, by key."""
    return {key: entry.title for key, entry in entries_by_key("exports", Entry).items()}


def values(area: str, subject: str) -> dict[str, Mapping[str, str]]:
    """Titles of the codes in an entry's fields, by field."""
    declared_area = areas().get(area)
    titles = dict(CORE_VALUES)
    for name, codes in (declared_area.values if declared_area else {}).items():
        titles[name] = {**titles.get(name, {}), **labels.resolved(area, codes)}
    titles["area"] = {listed_area.name: listed_area.title for listed_area in areas().values()}
    titles["list"] = {**titles.get("list", {}), **exported_lists()}
    prefix = f"{subject}."
    return titles | {name.removeprefix(prefix): codes for name, codes in titles.items() if name.startswith(prefix)}


def value_text(field: str, value: Any, titles: Mapping[str, Mapping[str, str]], fields: Mapping[str, str]) -> str:
    """The text of a field's single value, which is neither None nor a list."""
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    raw = str(value)
    if field == "sort":
        return fields.get(raw.removeprefix("-"), raw) + ("（降順）" if raw.startswith("-") else "（昇順）")
    return titles.get(field, {}).get(raw) or time_text(raw) or raw


def time_text(raw: str) -> str | None:
    """Times, days, months and times of day as people write them: 2026/11/21（土）9:05, 2026年11月, 9:00."""
    try:
        if _DATETIME.fullmatch(raw):
            return format_local_datetime(datetime.fromisoformat(raw))
        if _DAY.fullmatch(raw):
            return format_day(date.fromisoformat(raw))
        if _TIME_OF_DAY.fullmatch(raw):
            clock = time.fromisoformat(raw)
            return f"{clock.hour}:{clock:%M}"
    except ValueError:
        return None
    month = _MONTH.fullmatch(raw)
    return f"{month[1]}年{int(month[2])}月" if month else None
