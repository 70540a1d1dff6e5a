"""How the world answers the vendors: what becomes of an SMS, what a shop says on the phone, how a refund ends.

For each phone number (`*`: every number) a queue of answers, taken one by one, and what comes after them.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tests.sandbox.store import Store

ANYBODY = "*"
What = Literal["shop", "sms", "refund"]

KINDS: dict[str, dict[str, str]] = {
    "shop": {
        "ok": "予約を受ける（担当者名あり）",
        "ok_without_name": "予約を受ける（名前を言わない）",
        "slow": "長く待たせてから予約を受ける",
        "refused": "断る",
        "vague": "あいまいに答える",
        "change_time": "別の時間を希望する",
        "change_size": "別のサイズを希望する",
        "hang_up": "途中で電話を切る",
        "voicemail": "留守番電話",
        "busy": "話し中",
        "no_answer": "電話に出ない",
        "failed": "つながらない（回線の障害）",
        "ask": "この画面で自分が応対する",
    },
    "sms": {
        "delivered": "届く",
        "undelivered": "届かない（エラーコード）",
        "failed": "送信できない（エラーコード）",
        "refused": "受け付けない（エラーコード）",
        "stuck": "送信済みのまま、有効期間が切れる",
    },
    "refund": {
        "succeeded": "しばらくして返金される",
        "at_once": "すぐに返金される",
        "failed": "しばらくして失敗する",
        "fails_later": "返金されたあとで失敗する",
        "stuck": "保留のまま",
    },
}
STANDARD = {"shop": "ok", "sms": "delivered", "refund": "succeeded"}


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str
    # sms: Twilio's error code.
    code: int | None = None
    # How long it takes, instead of the usual: the talk, the SMS's way, the refund's.
    seconds: float | None = Field(None, ge=0, le=60 * 86_400)
    # shop: the time (HH:MM) or size it offers, who answers, the deciding sentence.
    time: str | None = Field(None, pattern=r"^([01]?\d|2[0-3]):[0-5]\d$")
    size: str | None = None
    staff: str | None = None
    text: str | None = None
    # shop: what Bland's model makes of the talk, where that is not what was said.
    analysis: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, given: Any) -> Any:
        """A word is a kind; a change is one of the time or, where a size is given, of that."""
        answer = {"kind": given} if isinstance(given, str) else given
        if isinstance(answer, dict) and answer.get("kind") == "change":
            return answer | {"kind": "change_size" if answer.get("size") else "change_time"}
        return answer


class Script(BaseModel):
    """`next` replaces what is left of the queue; `then` comes when it is empty (not given: as it was)."""

    model_config = ConfigDict(extra="forbid")

    what: What
    phone: str = ANYBODY
    next: list[Answer] = []
    then: Answer | None = None

    @field_validator("next", "then")
    @classmethod
    def _known(cls, given: Any, info: Any) -> Any:
        known = KINDS.get(info.data.get("what", ""), {})
        for answer in given if isinstance(given, list) else [given] if given else []:
            if answer.kind not in known:
                raise ValueError(f"no such answer: {answer.kind}")
        return given


class Scripts:
    def __init__(self, store: Store) -> None:
        self._sql = store.sql

    def set(self, script: Script) -> None:
        self._sql.execute(
            """INSERT INTO scripts (what, phone, next, afterwards) VALUES (?, ?, ?, ?) ON CONFLICT (what, phone)
            DO UPDATE SET next = excluded.next, afterwards = coalesce(excluded.afterwards, afterwards)""",
            [
                script.what,
                script.phone,
                json.dumps([answer.model_dump() for answer in script.next], ensure_ascii=False),
                script.then.model_dump_json() if script.then else None,
            ],
        )

    def of(self, what: What) -> dict[str, Script]:
        rows = self._sql.execute("SELECT * FROM scripts WHERE what = ? ORDER BY phone", [what])
        return {row["phone"]: _script(row) for row in rows}

    def all(self) -> list[Script]:
        return [_script(row) for row in self._sql.execute("SELECT * FROM scripts ORDER BY what, phone")]

    def peek(self, what: What, phone: str) -> Answer:
        return self._find(what, phone)[0]

    def draw(self, what: What, phone: str) -> Answer:
        """The next answer; a queued one is used up by it."""
        answer, script = self._find(what, phone)
        if script:
            self.set(script.model_copy(update={"next": script.next[1:]}))
        return answer

    def forget(self) -> None:
        self._sql.execute("DELETE FROM scripts")

    def _find(self, what: What, phone: str) -> tuple[Answer, Script | None]:
        """What it says, and the script in whose queue it stands."""
        for number in (phone, ANYBODY):
            row = self._sql.execute("SELECT * FROM scripts WHERE what = ? AND phone = ?", [what, number]).fetchone()
            if row is None:
                continue
            script = _script(row)
            if script.next:
                return script.next[0], script
            if script.then:
                return script.then, None
        return Answer(kind=STANDARD[what]), None


def _script(row: Any) -> Script:
    return Script(
        what=row["what"],
        phone=row["phone"],
        next=json.loads(row["next"]),
        then=json.loads(row["afterwards"]) if row["afterwards"] else None,
    )
