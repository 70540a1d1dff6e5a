"""Reads the result of a call with a shop from the vendor's transcript and analysis. Pure.

The analysis of the vendor's model alone books nothing. An acceptance counts only with the shop's own sentence, the name
of the staff member and exactly the requested time. Everything less goes to operators, who see the transcript.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.core.values.times import TOKYO
from service.reservations.state_machine.states import Answer

MAX_LINES, MAX_LINE_LENGTH = 500, 2000
# A shorter quote would match by chance.
MIN_QUOTE_LENGTH = 2
_REFUSAL = re.compile(
    "いっぱい|満席|満員|埋ま|売り切れ|休業|定休|お休み|かねます|できません|出来ません|できない|できかね|空いて(い|お)?り?ません"
    "|空きが?(ありません|ございません|ない)|難し|むずかし|無理|お断り|遠慮"
)
_POSTPONEMENT = re.compile(
    "検討|後で|後ほど|あとで|のちほど|折り返し|改めて|確認して(から)?(ご)?連絡"
    "|(分か|わか)(らな|りませ|りかね)|未定|かもしれ|多分|たぶん"
)
_BUSY, _NO_ANSWER = {"busy"}, {"no-answer", "no_answer", "noanswer", "no answer"}
_VOICEMAIL = {"voicemail", "machine", "answering-machine"}
_FAILED = {"failed", "error", "call-failed"}
_CANCELLED = {"canceled", "cancelled"}
_ENDED = {"completed", "complete"} | _BUSY | _NO_ANSWER | _FAILED | _CANCELLED


class Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    is_shop: bool
    text: str


class Reading(BaseModel):
    """The result that was read. `quote` is in line `line` of the transcript; `why` is the reason, for operators."""

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
    def operator_note(self) -> str:
        """The reason and the change that the shop asked for: what operators need to know."""
        return f"{self.why}{self.change}。" if self.change else self.why


def read_call(details: Mapping[str, Any], requested_at: datetime) -> Reading | None:
    """Reads the vendor's details of a call about a reservation at `requested_at`; None while the call continues."""
    if not is_over(details):
        return None
    transcript = _Transcript(details)
    answer, why = _result_without_talk(details, transcript) or _result_of_talk(transcript, requested_at)
    return Reading(
        answer=answer,
        why=why,
        quote=transcript.quote,
        line=transcript.line,
        staff=transcript.staff,
        confirmed_at=transcript.confirmed_at(requested_at),
        change=_change(transcript, answer, requested_at),
        summary=_text(details.get("summary")),
        seconds=_seconds(details),
        transcript=transcript.lines,
    )


def is_over(details: Mapping[str, Any]) -> bool:
    return details.get("completed") is True or _lower(details.get("status")) in _ENDED


class _Transcript:
    """The vendor's transcript and analysis, in any of its layouts."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        analysis = details.get("analysis")
        self.has_analysis = isinstance(analysis, Mapping)
        fields: Mapping[str, Any] = analysis if isinstance(analysis, Mapping) else {}
        self.lines = _lines(details)
        self.claim = _lower(fields.get("answer"))
        self.staff = _text(fields.get("staff_name"))[:100]
        self.change = _text(fields.get("requested_change"))[:500]
        self.time = _text(fields.get("confirmed_time"))
        self.hung_up = _lower(details.get("call_ended_by")) == "user"
        quote = _text(fields.get("quote"))
        self.line = _find_quote(quote, self.lines)
        # A quote that is not in the transcript is dropped.
        self.quote = quote[:MAX_LINE_LENGTH] if self.line is not None else ""

    @property
    def shop(self) -> list[str]:
        return [line.text for line in self.lines if line.is_shop]

    def from_quote(self) -> str:
        """What the shop said from its answer on: it may have changed its mind."""
        return "\n".join(line.text for line in self.lines[self.line or 0 :] if line.is_shop)

    def confirmed_at(self, requested_at: datetime) -> datetime | None:
        return _parse_time(self.time, requested_at)


def _result_without_talk(details: Mapping[str, Any], transcript: _Transcript) -> tuple[Answer, str] | None:
    """The result when there was no conversation."""
    status, by = _lower(details.get("status")), _lower(details.get("answered_by"))
    if status in _CANCELLED:
        return Answer.NO_RESULT, "通話がつながる前に、こちらから取り消しました。"
    if _BUSY & {status, by}:
        return Answer.BUSY, "話し中でした。"
    if _NO_ANSWER & {status, by}:
        return Answer.NO_ANSWER, "電話に出ませんでした。"
    if by in _VOICEMAIL:
        if transcript.claim == Answer.OK:
            return Answer.VAGUE, "留守番電話と判定された通話に、予約OKの回答が記録されています。"
        return Answer.VOICEMAIL, "留守番電話につながりました。"
    if status in _FAILED:
        return Answer.FAILED, "電話がつながりませんでした。"
    if not transcript.shop:
        return Answer.NO_RESULT, "店舗の発言が記録されていません。"
    return None


def _result_of_talk(transcript: _Transcript, requested_at: datetime) -> tuple[Answer, str]:
    if transcript.claim == Answer.OK:
        return _accepted(transcript, requested_at)
    if transcript.claim == Answer.REFUSED:
        if transcript.line is not None or any(_REFUSAL.search(text) for text in transcript.shop):
            return Answer.REFUSED, "店舗が予約を断りました。"
        return Answer.VAGUE, "予約NGと読み取りましたが、断る発言が会話の記録にありません。"
    if transcript.claim == Answer.CHANGE_REQUESTED:
        return Answer.CHANGE_REQUESTED, "店舗が変更を求めました。"
    if transcript.claim == Answer.VAGUE:
        return Answer.VAGUE, "店舗が回答を保留しました。"
    if transcript.has_analysis and transcript.hung_up and not transcript.claim:
        return Answer.NO_RESULT, "回答を聞く前に、店舗が電話を切りました。"
    return Answer.VAGUE, "店舗の回答を読み取れませんでした。"


def _accepted(transcript: _Transcript, requested_at: datetime) -> tuple[Answer, str]:
    if transcript.line is None:
        return Answer.VAGUE, "予約OKと読み取りましたが、その発言が会話の記録にありません。"
    at = transcript.confirmed_at(requested_at)
    if at is not None and at != _to_minute(requested_at):
        return Answer.CHANGE_REQUESTED, "店舗の答えた日時が、ご希望と違います。"
    after = transcript.from_quote()
    if _REFUSAL.search(after) or _POSTPONEMENT.search(after):
        return Answer.VAGUE, "予約OKと読み取りましたが、断る発言や保留する発言もあります。"
    if at is None:
        return Answer.VAGUE, "予約OKの発言はありますが、日時を確認できていません。"
    if not transcript.staff or _normalised(transcript.staff) not in _normalised("".join(transcript.shop)):
        return Answer.VAGUE, "予約OKの発言はありますが、担当者の名前を確認できていません。"
    return Answer.OK, "店舗が、担当者の名前と日時を確認したうえで予約を受けました。"


def _change(transcript: _Transcript, answer: Answer, requested_at: datetime) -> str:
    if answer is not Answer.CHANGE_REQUESTED or transcript.change:
        return transcript.change
    at = transcript.confirmed_at(requested_at)
    return (
        f"予約日時を{at.month}月{at.day}日{at.hour}:{at:%M}に変更"
        if at
        else "変更の内容は会話の記録を確認してください。"
    )


def _lines(details: Mapping[str, Any]) -> tuple[Line, ...]:
    transcripts = details.get("transcripts")
    lines = []
    for entry in transcripts if isinstance(transcripts, list) else ():
        if isinstance(entry, Mapping) and (text := _text(entry.get("text"))):
            lines.append(
                Line(is_shop=_lower(entry.get("user")) in ("user", "human", "callee"), text=text[:MAX_LINE_LENGTH])
            )
    return tuple(lines[:MAX_LINES]) or _lines_of_text(_text(details.get("concatenated_transcript")))


def _lines_of_text(text: str) -> tuple[Line, ...]:
    """Lines from one text: ` user: … \\n assistant: … `."""
    lines = []
    for row in text.splitlines():
        speaker, colon, speech = row.strip().partition(":")
        if colon and speech.strip() and _lower(speaker) in ("user", "assistant", "agent-action"):
            lines.append(Line(is_shop=_lower(speaker) == "user", text=speech.strip()[:MAX_LINE_LENGTH]))
    return tuple(lines[:MAX_LINES])


def _find_quote(quote: str, lines: tuple[Line, ...]) -> int | None:
    """The index of the shop's line that contains the quote or its beginning: a sentence may be split over lines."""
    sought = _normalised(quote)
    if len(sought) < MIN_QUOTE_LENGTH:
        return None
    for number, line in enumerate(lines):
        if not line.is_shop:
            continue
        if sought in _normalised(line.text):
            return number
        speech = _normalised(line.text)
        for next_line in lines[number + 1 :]:
            if not next_line.is_shop:
                break
            speech += _normalised(next_line.text)
        start = speech.find(sought)
        if 0 <= start < len(_normalised(line.text)):
            return number
    return None


def _normalised(text: str) -> str:
    """Normalised for comparison: without width, spaces and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] not in "ZPSC")


def _parse_time(written: str, requested_at: datetime) -> datetime | None:
    """Parses the time that the model wrote: with or without a time zone (default Tokyo), or only a time of that day."""
    text = unicodedata.normalize("NFKC", written)
    local = _to_minute(requested_at)
    if match := re.fullmatch(r"(\d{1,2}):(\d{2})(:\d{2})?", text):
        hour, minute = int(match[1]), int(match[2])
        return local.replace(hour=hour, minute=minute) if hour < 24 and minute < 60 else None
    if "T" not in text.upper() and not re.search(r"\d\s+\d", text):
        return None
    try:
        at = datetime.fromisoformat(text)
        return _to_minute(at if at.tzinfo else at.replace(tzinfo=TOKYO))
    except (ValueError, OverflowError):
        return None


def _to_minute(at: datetime) -> datetime:
    return at.astimezone(TOKYO).replace(second=0, microsecond=0)


def _seconds(details: Mapping[str, Any]) -> int | None:
    """The vendor reports minutes, with a fraction."""
    length = details.get("call_length")
    if isinstance(length, bool) or not isinstance(length, int | float) or not 0 <= length < 24 * 60:
        return None
    return round(length * 60)


def _lower(value: Any) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _text(value: Any) -> str:
    """Without NUL, which PostgreSQL cannot store."""
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""
