"""Validated text types for the models and query parameters of all routes, and normalisation of texts."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from service.core.values.times import parse_month

# PostgreSQL's text cannot contain NUL.
NO_NUL = r"^[^\x00]*$"
# Names are used in mail subjects, file names and table cells: one line, no control characters.
ONE_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"


# Characters that users type on Japanese keyboards for a hyphen.
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—―−─ー", "-"))


def half_width(text: str) -> str:
    """The text with full-width letters, digits and hyphens (from Japanese keyboards) as half-width ones."""
    return unicodedata.normalize("NFKC", text).translate(_HYPHENS).strip()


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
Mail = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$")]
Phone = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[0-9+()\- ]+$")]
# Or empty, where the value is optional. For a union (`Mail | Literal[""]`) pydantic would report one error for each
# half, with field names that no form has.
MailOrEmpty = Annotated[str, Field(max_length=254, pattern=r"^(?:[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+)?$")]
PhoneOrEmpty = Annotated[str, Field(max_length=20, pattern=r"^[0-9+()\- ]*$")]
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
