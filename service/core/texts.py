"""What a text from outside may hold, for the models and queries of all doors."""

from __future__ import annotations

from pydantic import AfterValidator

# PostgreSQL's text cannot hold NUL.
NO_NUL = r"^[^\x00]*$"
# A name stands in mail subjects, file names and table cells: one line, no control characters.
ONE_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("空白以外の文字を入力してください。")
    return value.strip()


# Also takes the blanks around it away.
NotBlank = AfterValidator(_not_blank)
