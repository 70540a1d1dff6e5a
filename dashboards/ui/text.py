"""Text from users and machines, escaped for Streamlit's Markdown."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """The text as it is: no links, images, colours or formulas hidden in a shop's name."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def small(text: str) -> str:
    """Secondary text as Markdown; st.caption has less contrast than the 4.5:1 needed for reading."""
    return f":gray[:small[{text}]]"
