"""Scripted answers: the result of an SMS, what a shop says on the phone, the result of a refund.

Each phone number (`*`: every number) has a queue of answers, which are used up one by one, and an answer for
afterwards."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sandbox.store import Store

ANY_PHONE = "*"
ScriptSubject = Literal["shop", "sms", "refund"]

ANSWER_KINDS: dict[str, dict[str, str]] = {
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
DEFAULT_KINDS = {"shop": "ok", "sms": "delivered", "refund": "succeeded"}


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str
    # sms: Twilio's error code.
    code: int | None = None
    # Replaces the usual duration: of the conversation, the SMS, the refund.
    seconds: float | None = Field(None, ge=0, le=60 * 86_400)
    # shop: the time (HH:MM) or size that it offers, the name of the staff member, the deciding sentence.
    time: str | None = Field(None, pattern=r"^([01]?\d|2[0-3]):[0-5]\d$")
    size: str | None = None
    staff: str | None = None
    text: str | None = None
    # shop: the analysis of Bland's model, where it differs from what was said.
    analysis: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """A string is a kind. `change` means `change_size` when a size is given, otherwise `change_time`."""
        answer = {"kind": value} if isinstance(value, str) else value
        if isinstance(answer, dict) and answer.get("kind") == "change":
            return answer | {"kind": "change_size" if answer.get("size") else "change_time"}
        return answer


class Script(BaseModel):
    """`next` replaces the rest of the queue. `then` is the answer when the queue is empty (None: unchanged)."""

    model_config = ConfigDict(extra="forbid")

    what: ScriptSubject
    phone: str = ANY_PHONE
    next: list[Answer] = []
    then: Answer | None = None

    @field_validator("next", "then")
    @classmethod
    def _check_kinds(cls, value: Any, info: Any) -> Any:
        kinds = ANSWER_KINDS.get(info.data.get("what", ""), {})
        for answer in value if isinstance(value, list) else [value] if value else []:
            if answer.kind not in kinds:
                raise ValueError(f"no such answer: {answer.kind}")
        return value


class Scripts:
    def __init__(self, store: Store) -> None:
        self._sql = store.sql

    def save(self, script: Script) -> None:
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

    def by_phone(self, subject: ScriptSubject) -> dict[str, Script]:
        rows = self._sql.execute("SELECT * FROM scripts WHERE what = ? ORDER BY phone", [subject])
        return {row["phone"]: _script(row) for row in rows}

    def all(self) -> list[Script]:
        return [_script(row) for row in self._sql.execute("SELECT * FROM scripts ORDER BY what, phone")]

    def peek(self, subject: ScriptSubject, phone: str) -> Answer:
        return self._find(subject, phone)[0]

    def take_next(self, subject: ScriptSubject, phone: str) -> Answer:
        """The next answer, removed from the queue."""
        answer, script = self._find(subject, phone)
        if script:
            self.save(script.model_copy(update={"next": script.next[1:]}))
        return answer

    def clear(self) -> None:
        self._sql.execute("DELETE FROM scripts")

    def _find(self, subject: ScriptSubject, phone: str) -> tuple[Answer, Script | None]:
        """The next answer, and the script that has it in its queue."""
        for number in (phone, ANY_PHONE):
            row = self._sql.execute("SELECT * FROM scripts WHERE what = ? AND phone = ?", [subject, number]).fetchone()
            if row is None:
                continue
            script = _script(row)
            if script.next:
                return script.next[0], script
            if script.then:
                return script.then, None
        return Answer(kind=DEFAULT_KINDS[subject]), None


def _script(row: Any) -> Script:
    return Script(
        what=row["what"],
        phone=row["phone"],
        next=json.loads(row["next"]),
        then=json.loads(row["afterwards"]) if row["afterwards"] else None,
    )
