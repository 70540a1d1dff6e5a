"""Words for what stands in the audit trail as a code: who acted, when it was no person, and the values of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.core.areas import areas, ticks
from service.core.clock import in_words
from service.core.exports.declared import lists
from service.core.users.actions import COMMAND_LINE

# How the names of machines that sign in begin, as they are written in the trail and as they are shown.
MACHINES = {"agent ": "エージェント ", "station ": "入退登録端末 "}
# What follows from somebody's entry by itself is the system's.
PROGRAMS = {COMMAND_LINE: "コマンド操作", "tasks": "自動処理（長い処理）", "system": "自動処理"}
# Field, or subject.field where the same field has other codes elsewhere → code → word.
CORE_VALUES: Mapping[str, Mapping[str, str]] = {
    "format": {"csv": "CSV", "xlsx": "Excel"},
    "kind": {"core.export": "一覧の出力", "core.import": "取り込み"},
    "message.state": {
        "waiting": "送信待ち",
        "sending": "送信中",
        "retrying": "再送待ち",
        "sent": "送信済み",
        "dead": "送信失敗",
        "discarded": "破棄",
    },
    "task.state": {
        "waiting": "待機中",
        "running": "実行中",
        "done": "完了",
        "failed": "失敗",
        "cancelled": "中止",
    },
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


def who(actor: str, name: str | None) -> str:
    """bob さん（bob）, エージェント TC200-000001, 自動処理（端末の監視）; what nobody knows stands for itself."""
    if name:
        return f"{name}（{actor}）"
    for written, word in MACHINES.items():
        if actor.startswith(written):
            return word + actor.removeprefix(written)
    if actor in PROGRAMS:
        return PROGRAMS[actor]
    tick = ticks().get(actor)
    return f"自動処理（{tick.title}）" if tick else actor


def as_stored(asked: str | None) -> str | None:
    """What is looked for, as machines are written in the trail."""
    for written, word in MACHINES.items():
        asked = asked and asked.replace(word.strip(), written.strip())
    return asked


def values(area: str, subject: str) -> dict[str, Mapping[str, str]]:
    """Words for the codes of an entry's fields, by field."""
    found = areas().get(area)
    known = dict(CORE_VALUES)
    for name, words in (found.values if found else {}).items():
        known[name] = {**known.get(name, {}), **words}
    known["area"] = {one.name: one.title for one in areas().values()}
    known["list"] = {**known.get("list", {}), **{key: listed.title for key, listed in lists().items()}}
    mine = f"{subject}."
    return known | {name.removeprefix(mine): words for name, words in known.items() if name.startswith(mine)}


def text(field: str, value: Any, words: Mapping[str, Mapping[str, str]], fields: Mapping[str, str]) -> str:
    """A field's single value, that is neither none nor a list."""
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    said = str(value)
    if field == "sort":
        return fields.get(said.removeprefix("-"), said) + ("（降順）" if said.startswith("-") else "（昇順）")
    if _MOMENT.fullmatch(said):
        return in_words(datetime.fromisoformat(said))
    return words.get(field, {}).get(said, said)
