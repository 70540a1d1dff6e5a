"""What the demo's shops said on the telephone, as the vendor tells of a call: the product reads it as any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from service.core.values.times import TOKYO, WEEKDAYS
from service.demo.files import load

ASSISTANT, SHOP = "assistant", "user"


@dataclass(frozen=True)
class Wish:
    """What the shop is asked for."""

    shop: str
    staff: Sequence[str]
    what: str
    starts_at: datetime
    customer: str
    wishes: str = ""


def told(answer: str, wish: Wish, chance: Random) -> dict[str, Any]:
    """The vendor's account of a call that is over; `answer` is one of `states.Answer` that a call ends with."""
    texts = load("reservations_talk")
    if answer in texts["nobody"]:
        nobody = texts["nobody"][answer]
        return _account(nobody["status"], nobody["seconds"])
    if answer == "voicemail":
        said = texts["voicemail"]
        lines = [(SHOP, line.format(shop=wish.shop)) for line in said["shop"]]
        talk = _talk(lines, {}, said["summary"]) | {"answered_by": "voicemail"}
        return _account("completed", said["seconds"]) | talk
    said, when = texts["answers"][answer], _when(wish.starts_at)
    words = {
        "when": when,
        "staff": chance.choice(wish.staff),
        "clock": _clock((wish.starts_at + timedelta(minutes=30)).astimezone(TOKYO)),
        "iso": f"{wish.starts_at.astimezone(TOKYO):%Y-%m-%dT%H:%M}",
    }
    quote = chance.choice(said["quotes"]).format(**words)
    asked = f"{when}から、{wish.what}を1件お願いできますでしょうか。お名前は{wish.customer}様です。"
    lines = [
        (SHOP, f"お電話ありがとうございます。{wish.shop}でございます。"),
        (ASSISTANT, texts["first"]),
        (SHOP, chance.choice(texts["greetings"])),
        (ASSISTANT, asked),
        *([(ASSISTANT, f"ご要望は「{wish.wishes}」とのことです。")] if wish.wishes else []),
        (SHOP, quote),
        *((who, text.format(**words)) for who, text in said["rest"]),
    ]
    fields = {name: value.format(**words) for name, value in said.get("analysis", {}).items()}
    talk = _talk(lines, {"answer": answer, "quote": quote} | fields, said["summary"].format(**words))
    return _account("completed", 22 + 6 * len(lines) + chance.randrange(25)) | talk


def _account(status: str, seconds: int) -> dict[str, Any]:
    return {"status": status, "completed": True, "call_length": seconds / 60, "transcripts": [], "analysis": None}


def _talk(lines: Sequence[tuple[str, str]], analysis: Mapping[str, str], summary: str) -> dict[str, Any]:
    return {
        "answered_by": "human",
        "call_ended_by": "ASSISTANT",
        "transcripts": [{"user": who, "text": text} for who, text in lines],
        "analysis": analysis,
        "summary": summary,
    }


def _when(moment: datetime) -> str:
    local = moment.astimezone(TOKYO)
    return f"{local.month}月{local.day}日（{WEEKDAYS[local.weekday()]}）の{_clock(local)}"


def _clock(local: datetime) -> str:
    return f"{local.hour}時{f'{local.minute}分' if local.minute else ''}"
