"""Text of users stays plain text in Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.ui.text import plain, small


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("新宿店 レジ1番", "新宿店 レジ1番"),
        ("[x](https://evil.example)", "\\[x\\]\\(https\\:\\/\\/evil\\.example\\)"),
        (":red[x] $x^2$ `x` <b>", "\\:red\\[x\\] \\$x\\^2\\$ \\`x\\` \\<b\\>"),
        ("# 見出し\n\n- 項目", "\\# 見出し \\- 項目"),
        ("a\\b", "a\\\\b"),
        ("  ", ""),
    ],
)
def test_marks_of_markdown_are_escaped(text: str, escaped: str) -> None:
    assert plain(text) == escaped


@given(st.text())
def test_escaping_loses_nothing_but_surplus_space_and_leaves_no_mark_unescaped(text: str) -> None:
    escaped = plain(text)

    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped) == " ".join(text.split())
    assert re.search(r"[!-/:-@\[-`{-~]", re.sub(r"\\.", "", escaped, flags=re.DOTALL)) is None


def test_small_text_cannot_break_out_of_its_colour() -> None:
    assert small(plain("a] :red[b")) == ":gray[:small[a\\] \\:red\\[b]]"
