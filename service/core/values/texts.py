"""Validated text types for the models and query parameters of all routes, and normalisation of texts."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from service.core.values.messages import described
from service.core.values.times import parse_month

# PostgreSQL's text cannot contain NUL.
NO_NUL = described(
    r"^[^\x00]*$", "目に見えない文字（NUL）が含まれています。取り除いて、入力し直してください（例: 新宿店）。"
)
# Characters that nobody sees: blanks without width, marks that change the direction of the text, fillers, tags. Not
# the selectors of variants (葛󠄀), which are part of names. For a character class of any regex dialect.
HIDDEN = (
    r"\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\U000e0000-\U000e007f"
)
# Names are used in mail subjects, file names and table cells: one line, no control characters, nothing hidden.
ONE_LINE = described(
    rf"^[^\x00-\x1f\x7f\u2028\u2029{HIDDEN}]*$",
    "改行・タブや、目に見えない文字（幅のない空白、文字の向きを変える記号など）を除いて、"
    "1行で入力してください（例: 新宿店）。",
)
# Not the joiner inside an emoji of several.
_HIDDEN = re.compile(f"(?!\u200d[\u2190-\u2bff\U0001f000-\U0001faff])[{HIDDEN}]")
TAKES_MAIL = "メールアドレスを、半角の英数字と @ で入力してください（例: hanako@example.jp）。"
TAKES_PHONE = "電話番号を、半角の数字とハイフンで入力してください（例: 03-1234-5678）。"
# Patterns of several areas: codes that people choose, and a person in a filter.
CODE = described(r"^[A-Za-z0-9_-]*$", "半角の英数字・ハイフン・下線で入力してください（例: A-001）。")
LOWER_CODE = described(r"^[a-z0-9-]+$", "半角の小文字の英字・数字・ハイフンで入力してください（例: birthday-cake）。")
ASSIGNEE = described(
    r"^(me|none|[1-9][0-9]{0,17})$",
    "me（自分）、none（担当者なし）、または利用者の番号を指定してください（例: 12）。",
)


# Characters that users type on Japanese keyboards for a hyphen.
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—―−─ー", "-"))


def half_width(text: str) -> str:
    """The text with full-width letters, digits and hyphens (from Japanese keyboards) as half-width ones."""
    return unicodedata.normalize("NFKC", text).translate(_HYPHENS).strip()


def visible(text: str) -> str:
    """The text with a mark in place of each hidden character, for pages, files, paper and mails: evil［U+202E］gpj.exe.
    `dashboards.ui.text` has the same."""
    return text if text.isascii() else _HIDDEN.sub(lambda hidden: f"［U+{ord(hidden[0]):04X}］", text)


def to_e164(phone: str) -> str | None:
    """A Japanese telephone number in E.164 (+819012345678), from any usual form: 090-1234-5678,
    ０３（１２３４）５６７８, +81 (0)90…. None when it is not such a number."""
    digits = re.sub(r"[\s().-]", "", re.sub(r"\(0\)", "", half_width(phone)))
    # Mobile and IP numbers have one more digit.
    match = re.fullmatch(r"(?:\+81|0081|0)0?([5-9]0[0-9]{8}|(?![5-9]0)[1-9][0-9]{8})", digits)
    return f"+81{match[1]}" if match else None


def normalised_header(header: str) -> str:
    """A column's title in one form for all ways to write it: ｼﾘｱﾙ番号（必須）, シリアル番号＊ and シリアル番号."""
    text = unicodedata.normalize("NFKC", header)
    text = re.sub(r"[(（][^)）]*[)）]", "", text)
    return re.sub(r"[\s_\-・:*]", "", text).casefold()


def escape_for_slack(text: str) -> str:
    """Escapes Slack's three special characters, so that a name cannot become a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("空白以外の文字を入力してください。")
    return value.strip()


# Also strips leading and trailing blanks.
NotBlank = AfterValidator(_not_blank)
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
_MAIL_PART = rf"[^@\s\x00{HIDDEN}]+"
_MAIL = rf"{_MAIL_PART}@{_MAIL_PART}\.{_MAIL_PART}"
Mail = Annotated[str, Field(max_length=254, pattern=described(rf"^{_MAIL}$", TAKES_MAIL))]
Phone = Annotated[str, Field(min_length=1, max_length=20, pattern=described(r"^[0-9+()\- ]+$", TAKES_PHONE))]
# Or empty, where the value is optional. For a union (`Mail | Literal[""]`) pydantic would report one error for each
# half, with field names that no form has.
MailOrEmpty = Annotated[str, Field(max_length=254, pattern=described(rf"^(?:{_MAIL})?$", TAKES_MAIL))]
PhoneOrEmpty = Annotated[str, Field(max_length=20, pattern=described(r"^[0-9+()\- ]*$", TAKES_PHONE))]
# The version of a record that was read, and an id.
RecordVersion = Annotated[int, Field(ge=1, lt=2**31)]
RecordId = Annotated[int, Field(ge=1, lt=2**63)]
# A day of a period: the next day, whose start is its end, is also in PostgreSQL's range.
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(9000, 1, 1))]


def _to_utc(timestamp: datetime) -> datetime:
    """Converts to UTC, because PostgreSQL accepts no offset beyond 15:59. A clock that was reset starts at 1970."""
    if not 1970 <= timestamp.year <= 9000:
        raise ValueError("年は1970から9000の間で指定してください。")
    return timestamp.astimezone(UTC)


# A timestamp from a client.
Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
# A Tokyo month as text: 2026-11.
MonthText = Annotated[str, Field(max_length=7), AfterValidator(lambda text: str(parse_month(text)))]
