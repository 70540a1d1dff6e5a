"""Text from people and machines, made safe to stand inside Streamlit's Markdown."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """The text as it is: no links, pictures, colours or formulas hidden in a shop's name."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def small(text: str) -> str:
    """Secondary text as Markdown; st.caption is paler than the 4.5:1 that reading takes."""
    return f":gray[:small[{text}]]"
