"""Text from users and machines, escaped for Streamlit's Markdown: what was typed is shown, and nothing else happens."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_BLANKS = re.compile(r"[^\S\u3000]+")
# As `service.core.values.texts.visible`, and control characters.
_HIDDEN = re.compile(
    r"(?!\u200d[\u2190-\u2bff\U0001f000-\U0001faff])"
    r"[\x00-\x08\x0e-\x1b\x7f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\U000e0000-\U000e007f]"
)
# Streamlit looks for these in text that Markdown's escapes have left as it is: addresses become links, words between
# colons pictures, signs arrows. A joint inside each keeps them apart; it has no width, and nobody copies it.
_JOINTS = re.compile(
    r"(?<=:)(?=//)|(?<=:)(?!\d\d:)(?=[A-Za-z0-9_+-]+:)|(?<=[Ww]{3})(?=\.)|(?<=@)(?=[A-Za-z0-9_-])|(?<=[<>~-])(?=[-=>])"
)
JOINT = ":small[]"
_ADDRESS = re.compile(
    r"(?i:https?://|www\.)[^\s<>\"、。（）「」『』【】]*[^\s<>\"、。（）「」『』【】,.:;!?)'\]]"
    r"|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)


class Markdown(str):
    """Markdown that we have made: not to be escaped again."""

    __slots__ = ()


def visible(text: str) -> str:
    """The text with a mark in place of each character that nobody sees: evil［U+202E］gpj.exe."""
    return _HIDDEN.sub(lambda hidden: f"［U+{ord(hidden[0]):04X}］", text)


def plain(text: str) -> Markdown:
    """The text as it is, with its line breaks: no links, images, colours or formulas hidden in a shop's name."""
    lines = [_BLANKS.sub(" ", line).strip(" ") for line in visible(text).strip().splitlines()]
    return Markdown("  \n".join(_escaped(line) or "&nbsp;" for line in lines))


def markdown(text: str) -> Markdown:
    """For widgets that take a sentence: Markdown of ours as it is, anything else as `plain`."""
    return text if isinstance(text, Markdown) else plain(text)


def _escaped(line: str) -> str:
    return JOINT.join(_PUNCTUATION.sub(r"\\\1", part) for part in _JOINTS.split(line))


def addresses(text: str) -> list[str]:
    """The web and mail addresses in the text, each once: they are no links, but may be worth copying."""
    return list(dict.fromkeys(_ADDRESS.findall(text)))


def small(text: str) -> str:
    """Secondary text as Markdown; st.caption has less contrast than the 4.5:1 needed for reading."""
    return f":gray[:small[{text}]]"
