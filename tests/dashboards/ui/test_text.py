"""Text of users stays plain text in Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboards.ui import text
from dashboards.ui.links import mail, telephone
from dashboards.ui.text import JOINT, addresses, plain, small
from service.core.values.texts import visible

PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
# What Streamlit 1.67 (StreamlitMarkdown.js, with mdast-util-gfm-autolink-literal and remark-emoji) looks for in the
# text that is left after Markdown's escapes.
STREAMLIT = (
    re.compile(r"(https?://|www(?=\.))([-.\w]+)([^ \t\r\n]*)", re.IGNORECASE | re.ASCII),
    re.compile(r"[-.\w+]+@[-\w]+(?:\.[-\w]+)+", re.ASCII),
    re.compile(r":material_\w+:", re.ASCII),
    re.compile(r":streamlit:"),
    re.compile(r":(?!\d\d:)[\w+-]+:", re.ASCII),  # two digits are a time of day, and no emoji
    re.compile(r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)"),
)
# Pieces of what each of its plugins takes for its own.
PIECES = [
    "https://", "http://", "HTTPS://", "www.", "WWW.", "evil.example", "a@b.example", "xmpp:", "@", ":", "//",
    ":material/delete:", ":material_delete:", ":streamlit:", ":smile:", ":100:", ":+1:", "12:30:45", ":red[", ":small[",
    "]", ":red-badge[x]", ":help[x]", "$x^2$", "$$", "`x`", "```\n", "<b>", "<a href='//evil.example'>", "&amp;",
    "&#58;", "[x](https://evil.example)", "![x](//evil.example/x.png)", "[^1]", "[x]: //evil.example", "\\", "\\\\",
    "\n", "\n\n", "\r\n", " ", "    ", "　", "- ", "* ", "1. ", "# ", "> ", "===", "---", "|a|b|\n|-|-|", "~~x~~",
    "**", "__", "->", "<-", "<->", "--", ">=", "<=", "~=", "\u202e", "\u200b", "\u2060", "\x00", "👩\u200d⚕️", "山田",
]  # fmt: skip
TYPED = st.text(max_size=30) | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)


def rendered(markdown: str) -> list[list[str]]:
    """The runs of text of each line, as any Markdown parser sees them: `plain` writes only escaped punctuation, joints
    (empty elements, which separate the runs), hard line breaks and blanks that stay."""
    lines = markdown.replace("&nbsp;", "\u00a0").split("  \n")
    return [[re.sub(r"\\(.)", r"\1", run) for run in _runs(line)] for line in lines]


def _runs(line: str) -> list[str]:
    runs = line.split(JOINT)
    for run in runs:
        assert PUNCTUATION.search(re.sub(r"\\[!-/:-@\[-`{-~]", "", run)) is None, run
    return runs


@given(TYPED)
@example("https://evil.example/?q=a&b=c#d")
@example("www.evil.example, WWW.EVIL.EXAMPLE")
@example("振込先は taro.yamada+x@evil.example まで")
@example("a -> b -- c <-> d >= e")
def test_what_was_typed_is_shown_and_nothing_is_made_of_it(typed: str) -> None:
    shown = rendered(plain(typed))

    lines = [re.sub(r"[^\S　]+", " ", line).strip(" ") for line in text.visible(typed).strip().splitlines()]
    assert ["".join(runs) for runs in shown] == ([line or "\u00a0" for line in lines] or [""])
    for run in (run for runs in shown for run in runs):
        assert not any(pattern.search(run) for pattern in STREAMLIT), run


@pytest.mark.parametrize(
    ("typed", "escaped"),
    [
        ("新宿店 レジ1番", "新宿店 レジ1番"),
        ("[x](https://evil.example)", f"\\[x\\]\\(https\\:{JOINT}\\/\\/evil\\.example\\)"),
        (":red[x] $x^2$ `x` <b>", "\\:red\\[x\\] \\$x\\^2\\$ \\`x\\` \\<b\\>"),
        ("# 見出し\n\n- 項目", "\\# 見出し  \n&nbsp;  \n\\- 項目"),
        ("a\\b", "a\\\\b"),
        ("9:05:33", "9\\:05\\:33"),
        ("  ", ""),
    ],
)
def test_marks_of_markdown_are_escaped(typed: str, escaped: str) -> None:
    assert plain(typed) == escaped


def test_small_text_cannot_break_out_of_its_colour() -> None:
    assert small(plain("a] :red[b")) == ":gray[:small[a\\] \\:red\\[b]]"


@given(TYPED)
def test_hidden_characters_are_marked_as_by_the_service(typed: str) -> None:
    without_controls = re.sub(r"[\x00-\x08\x0e-\x1b\x7f]", "", typed)

    assert text.visible(without_controls) == visible(without_controls)


def test_hidden_characters_are_seen_and_those_of_names_and_emoji_stay() -> None:
    assert plain("evil\u202egpj.exe\u200b") == "evil［U\\+202E］gpj\\.exe［U\\+200B］"
    assert plain("NUL\x00") == "NUL［U\\+0000］"
    assert plain("葛\U000e0100飾 👩\u200d⚕️") == "葛\U000e0100飾 👩\u200d⚕️"


def test_addresses_in_a_text_are_found_for_copying() -> None:
    typed = (
        "https://shop.example/a?b=c（写真）と www.shop.example、連絡先: taro@shop.example。https://shop.example/a?b=c"
    )

    assert addresses(typed) == ["https://shop.example/a?b=c", "www.shop.example", "taro@shop.example"]
    assert addresses("080-1234-5678 10:30 a@b") == []


@pytest.mark.parametrize(
    ("number", "link"),
    [
        ("03-1234-5678", "[03\\-1234\\-5678](tel:0312345678)"),
        ("+81 (0)90 1234 5678", "[\\+81 \\(0\\)90 1234 5678](tel:+8109012345678)"),
        ("03-1234-5678) [x](//evil.example", "03\\-1234\\-5678\\) \\[x\\]\\(\\/\\/evil\\.example"),
        ("なし", "なし"),
        (None, ""),
    ],
)
def test_a_telephone_number_can_be_called(number: str | None, link: str) -> None:
    assert telephone(number) == link


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("a+b@c.example", f"[a\\+b\\@{JOINT}c\\.example](mailto:a%2Bb@c.example)"),
        (
            "a@c.example、b@c.example",
            f"[a\\@{JOINT}c\\.example](mailto:a@c.example)、[b\\@{JOINT}c\\.example](mailto:b@c.example)",
        ),
        ("a@c.example?bcc=x@y.example", f"a\\@{JOINT}c\\.example\\?bcc\\=x\\@{JOINT}y\\.example"),
        (None, ""),
    ],
)
def test_a_mail_can_be_written(address: str | None, link: str) -> None:
    assert mail(address) == link
