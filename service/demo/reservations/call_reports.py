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
class CallRequest:
    """What the shop is asked for."""

    shop: str
    staff: Sequence[str]
    what: str
    starts_at: datetime
    customer: str
    wishes: str = ""


def call_report(answer: str, request: CallRequest, rng: Random) -> dict[str, Any]:
    """The vendor's account of a call that is over; `answer` is one of `states.Answer` that a call ends with."""
    texts = load("reservations_calls")
    if answer in texts["unanswered"]:
        unanswered = texts["unanswered"][answer]
        return _account(unanswered["status"], unanswered["seconds"])
    if answer == "voicemail":
        answer_texts = texts["voicemail"]
        lines = [(SHOP, line.format(shop=request.shop)) for line in answer_texts["shop"]]
        talk = _talk(lines, {}, answer_texts["summary"]) | {"answered_by": "voicemail"}
        return _account("completed", answer_texts["seconds"]) | talk
    answer_texts, when = texts["answers"][answer], _when(request.starts_at)
    words = {
        "when": when,
        "staff": rng.choice(request.staff),
        "clock": _clock((request.starts_at + timedelta(minutes=30)).astimezone(TOKYO)),
        "iso": f"{request.starts_at.astimezone(TOKYO):%Y-%m-%dT%H:%M}",
    }
    quote = rng.choice(answer_texts["quotes"]).format(**words)
    question = f"{when}から、{request.what}を1件お願いできますでしょうか。お名前は{request.customer}様です。"
    lines = [
        (SHOP, f"お電話ありがとうございます。{request.shop}でございます。"),
        (ASSISTANT, texts["first"]),
        (SHOP, rng.choice(texts["greetings"])),
        (ASSISTANT, question),
        *([(ASSISTANT, f"ご要望は「{request.wishes}」とのことです。")] if request.wishes else []),
        (SHOP, quote),
        *((who, text.format(**words)) for who, text in answer_texts["rest"]),
    ]
    fields = {name: value.format(**words) for name, value in answer_texts.get("analysis", {}).items()}
    talk = _talk(lines, {"answer": answer, "quote": quote} | fields, answer_texts["summary"].format(**words))
    return _account("completed", 22 + 6 * len(lines) + rng.randrange(25)) | talk


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
