"""What a value from outside may hold, for the models and queries of all doors."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from service.core.times import parse_month

# PostgreSQL's text cannot hold NUL.
NO_NUL = r"^[^\x00]*$"
# A name stands in mail subjects, file names and table cells: one line, no control characters.
ONE_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"


# What Japanese keyboards give where a hyphen is meant.
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—―−─ー", "-"))


def plain(text: str) -> str:
    """Full-width letters, digits and hyphens, as Japanese keyboards give them, are the same number or code."""
    return unicodedata.normalize("NFKC", text).translate(_HYPHENS).strip()


def international(phone: str) -> str | None:
    """A Japanese telephone number as networks write it (+819012345678), however people do: 090-1234-5678,
    ０３（１２３４）５６７８, +81 (0)90…. None for what is none."""
    digits = re.sub(r"[\s().-]", "", re.sub(r"\(0\)", "", plain(phone)))
    # Mobile and IP numbers have a digit more.
    found = re.fullmatch(r"(?:\+81|0081|0)0?([5-9]0[0-9]{8}|(?![5-9]0)[1-9][0-9]{8})", digits)
    return f"+81{found[1]}" if found else None


def normalised(header: str) -> str:
    """A column's title, however a file writes it: ｼﾘｱﾙ番号（必須）, シリアル番号＊ and シリアル番号 are one."""
    text = unicodedata.normalize("NFKC", header)
    text = re.sub(r"[(（][^)）]*[)）]", "", text)
    return re.sub(r"[\s_\-・:*]", "", text).casefold()


def for_slack(text: str) -> str:
    """Slack's three special characters as it wants them: nobody's name makes a link, or calls everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("空白以外の文字を入力してください。")
    return value.strip()


# Also takes the blanks around it away.
NotBlank = AfterValidator(_not_blank)
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
Mail = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$")]
Phone = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[0-9+()\- ]+$")]
# Or empty, where none has to be known. Of a union (`Mail | Literal[""]`) pydantic complains once for each half, about
# fields that no form has.
MaybeMail = Annotated[str, Field(max_length=254, pattern=r"^(?:[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+)?$")]
MaybePhone = Annotated[str, Field(max_length=20, pattern=r"^[0-9+()\- ]*$")]
# The version of a record that was read, and an id.
Edition = Annotated[int, Field(ge=1, lt=2**31)]
Key = Annotated[int, Field(ge=1, lt=2**63)]
# Of a period: it has a next day, whose first moment is its end, and PostgreSQL knows both.
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(9000, 1, 1))]


def _known_moment(moment: datetime) -> datetime:
    """In UTC, since PostgreSQL takes no zone further away than 15:59. A clock that has lost its time begins at 1970."""
    if not 1970 <= moment.year <= 9000:
        raise ValueError("年は1970から9000の間で指定してください。")
    return moment.astimezone(UTC)


# A moment that somebody tells.
Instant = Annotated[AwareDatetime, AfterValidator(_known_moment)]
# A month of Tokyo, written 2026-11.
MonthText = Annotated[str, Field(max_length=7), AfterValidator(lambda text: str(parse_month(text)))]
