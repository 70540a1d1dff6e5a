"""What a call with a shop came to, read from the vendor's account of it. Pure.

The vendor's model says what it understood; that alone books nothing. A yes counts only with the shop's own sentence,
the name of who said it and the very time that was asked for. Whatever is less goes to people, who see the transcript.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.core.times import TOKYO
from service.reservations.events.rules import Answer

MOST_LINES, LONGEST_LINE = 500, 2000
# So short a sentence is among any others.
SHORTEST_QUOTE = 2
_NO = re.compile(
    "いっぱい|満席|満員|埋ま|売り切れ|休業|定休|お休み|かねます|できません|出来ません|できない|できかね|空いて(い|お)?り?ません"
    "|空きが?(ありません|ございません|ない)|難し|むずかし|無理|お断り|遠慮"
)
_LATER = re.compile(
    "検討|後で|後ほど|あとで|のちほど|折り返し|改めて|確認して(から)?(ご)?連絡"
    "|(分か|わか)(らな|りませ|りかね)|未定|かもしれ|多分|たぶん"
)
_BUSY, _NO_ANSWER = {"busy"}, {"no-answer", "no_answer", "noanswer", "no answer"}
_VOICEMAIL = {"voicemail", "machine", "answering-machine"}
_FAILED = {"failed", "error", "call-failed"}
_CANCELLED = {"canceled", "cancelled"}
_OVER = {"completed", "complete"} | _BUSY | _NO_ANSWER | _FAILED | _CANCELLED


class Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    is_shop: bool
    text: str


class Reading(BaseModel):
    """What was read, and by what: `quote` stands in line `line` of the transcript; `why` is for people."""

    model_config = ConfigDict(frozen=True)

    answer: Answer
    why: str
    quote: str = ""
    line: int | None = None
    staff: str = ""
    confirmed_at: datetime | None = None
    change: str = ""
    summary: str = ""
    seconds: int | None = None
    transcript: tuple[Line, ...] = ()

    @property
    def told(self) -> str:
        """Why, and which change the shop asked for: what people have to know to act."""
        return f"{self.why}{self.change}。" if self.change else self.why


def read(details: Mapping[str, Any], wanted: datetime) -> Reading | None:
    """The vendor's details of a call about a reservation for `wanted`; None while it goes on."""
    if not is_over(details):
        return None
    heard = _Heard(details)
    answer, why = _transport(details, heard) or _said(heard, wanted)
    return Reading(
        answer=answer,
        why=why,
        quote=heard.quote,
        line=heard.line,
        staff=heard.staff,
        confirmed_at=heard.confirmed_at(wanted),
        change=_change(heard, answer, wanted),
        summary=_text(details.get("summary")),
        seconds=_seconds(details),
        transcript=heard.lines,
    )


def is_over(details: Mapping[str, Any]) -> bool:
    return details.get("completed") is True or _word(details.get("status")) in _OVER


class _Heard:
    """The vendor's account, however it was laid out."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        analysis = details.get("analysis")
        self.has_analysis = isinstance(analysis, Mapping)
        found: Mapping[str, Any] = analysis if isinstance(analysis, Mapping) else {}
        self.lines = _lines(details)
        self.claim = _word(found.get("answer"))
        self.staff = _text(found.get("staff_name"))[:100]
        self.change = _text(found.get("requested_change"))[:500]
        self.time = _text(found.get("confirmed_time"))
        self.hung_up = _word(details.get("call_ended_by")) == "user"
        wanted = _text(found.get("quote"))
        self.line = _place(wanted, self.lines)
        # A sentence that was not said is not shown as one that was.
        self.quote = wanted[:LONGEST_LINE] if self.line is not None else ""

    @property
    def shop(self) -> list[str]:
        return [line.text for line in self.lines if line.is_shop]

    def from_quote(self) -> str:
        """What the shop said from its answer on: it may have thought better of it."""
        return "\n".join(line.text for line in self.lines[self.line or 0 :] if line.is_shop)

    def confirmed_at(self, wanted: datetime) -> datetime | None:
        return _moment(self.time, wanted)


def _transport(details: Mapping[str, Any], heard: _Heard) -> tuple[Answer, str] | None:
    """How the call itself went, when nobody came to talk."""
    status, by = _word(details.get("status")), _word(details.get("answered_by"))
    if status in _CANCELLED:
        return Answer.NO_RESULT, "通話がつながる前に、こちらから取り消しました。"
    if _BUSY & {status, by}:
        return Answer.BUSY, "話し中でした。"
    if _NO_ANSWER & {status, by}:
        return Answer.NO_ANSWER, "電話に出ませんでした。"
    if by in _VOICEMAIL:
        if heard.claim == Answer.OK:
            return Answer.VAGUE, "留守番電話と判定された通話に、予約OKの回答が記録されています。"
        return Answer.VOICEMAIL, "留守番電話につながりました。"
    if status in _FAILED:
        return Answer.FAILED, "電話がつながりませんでした。"
    if not heard.shop:
        return Answer.NO_RESULT, "店舗の発言が記録されていません。"
    return None


def _said(heard: _Heard, wanted: datetime) -> tuple[Answer, str]:
    if heard.claim == Answer.OK:
        return _yes(heard, wanted)
    if heard.claim == Answer.REFUSED:
        if heard.line is not None or any(_NO.search(text) for text in heard.shop):
            return Answer.REFUSED, "店舗が予約を断りました。"
        return Answer.VAGUE, "予約NGと読み取りましたが、断る発言が会話の記録にありません。"
    if heard.claim == Answer.CHANGE_REQUESTED:
        return Answer.CHANGE_REQUESTED, "店舗が変更を求めました。"
    if heard.claim == Answer.VAGUE:
        return Answer.VAGUE, "店舗が回答を保留しました。"
    if heard.has_analysis and heard.hung_up and not heard.claim:
        return Answer.NO_RESULT, "回答を聞く前に、店舗が電話を切りました。"
    return Answer.VAGUE, "店舗の回答を読み取れませんでした。"


def _yes(heard: _Heard, wanted: datetime) -> tuple[Answer, str]:
    if heard.line is None:
        return Answer.VAGUE, "予約OKと読み取りましたが、その発言が会話の記録にありません。"
    at = heard.confirmed_at(wanted)
    if at is not None and at != _minute(wanted):
        return Answer.CHANGE_REQUESTED, "店舗の答えた日時が、ご希望と違います。"
    after = heard.from_quote()
    if _NO.search(after) or _LATER.search(after):
        return Answer.VAGUE, "予約OKと読み取りましたが、断る発言や保留する発言もあります。"
    if at is None:
        return Answer.VAGUE, "予約OKの発言はありますが、日時を確認できていません。"
    if not heard.staff or _plain(heard.staff) not in _plain("".join(heard.shop)):
        return Answer.VAGUE, "予約OKの発言はありますが、担当者の名前を確認できていません。"
    return Answer.OK, "店舗が、担当者の名前と日時を確認したうえで予約を受けました。"


def _change(heard: _Heard, answer: Answer, wanted: datetime) -> str:
    if answer is not Answer.CHANGE_REQUESTED or heard.change:
        return heard.change
    at = heard.confirmed_at(wanted)
    return (
        f"予約日時を{at.month}月{at.day}日{at.hour}:{at:%M}に変更"
        if at
        else "変更の内容は会話の記録を確認してください。"
    )


def _lines(details: Mapping[str, Any]) -> tuple[Line, ...]:
    listed = details.get("transcripts")
    lines = []
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and (text := _text(one.get("text"))):
            lines.append(Line(is_shop=_word(one.get("user")) in ("user", "human", "callee"), text=text[:LONGEST_LINE]))
    return tuple(lines[:MOST_LINES]) or _from_one_text(_text(details.get("concatenated_transcript")))


def _from_one_text(text: str) -> tuple[Line, ...]:
    """` user: … \\n assistant: … `, where the lines are not told one by one."""
    lines = []
    for row in text.splitlines():
        who, colon, said = row.strip().partition(":")
        if colon and said.strip() and _word(who) in ("user", "assistant", "agent-action"):
            lines.append(Line(is_shop=_word(who) == "user", text=said.strip()[:LONGEST_LINE]))
    return tuple(lines[:MOST_LINES])


def _place(quote: str, lines: tuple[Line, ...]) -> int | None:
    """The line of the shop's in which it was said, or in which it begins: a sentence may be told in pieces."""
    wanted = _plain(quote)
    if len(wanted) < SHORTEST_QUOTE:
        return None
    for number, line in enumerate(lines):
        if not line.is_shop:
            continue
        if wanted in _plain(line.text):
            return number
        turn = _plain(line.text)
        for more in lines[number + 1 :]:
            if not more.is_shop:
                break
            turn += _plain(more.text)
        begins = turn.find(wanted)
        if 0 <= begins < len(_plain(line.text)):
            return number
    return None


def _plain(text: str) -> str:
    """Without what writing adds to what was said: width, spaces, marks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "ZPSC")


def _moment(told: str, wanted: datetime) -> datetime | None:
    """As the model wrote it: with or without a zone (then Tokyo's), or only the time of the day that was asked for."""
    text = unicodedata.normalize("NFKC", told)
    local = _minute(wanted)
    if match := re.fullmatch(r"(\d{1,2}):(\d{2})(:\d{2})?", text):
        hour, minute = int(match[1]), int(match[2])
        return local.replace(hour=hour, minute=minute) if hour < 24 and minute < 60 else None
    if "T" not in text.upper() and not re.search(r"\d\s+\d", text):
        return None
    try:
        at = datetime.fromisoformat(text)
        return _minute(at if at.tzinfo else at.replace(tzinfo=TOKYO))
    except (ValueError, OverflowError):
        return None


def _minute(at: datetime) -> datetime:
    return at.astimezone(TOKYO).replace(second=0, microsecond=0)


def _seconds(details: Mapping[str, Any]) -> int | None:
    """The vendor counts minutes, with a fraction."""
    length = details.get("call_length")
    if isinstance(length, bool) or not isinstance(length, int | float) or not 0 <= length < 24 * 60:
        return None
    return round(length * 60)


def _word(given: Any) -> str:
    return given.strip().casefold() if isinstance(given, str) else ""


def _text(given: Any) -> str:
    """PostgreSQL keeps no NUL."""
    return given.replace("\x00", "").strip() if isinstance(given, str) else ""
