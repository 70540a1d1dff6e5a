"""The state sentence of a page, which ホーム says too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

Tone = Literal["error", "warning", "info", "success", "plain"]
_COLORS = {"error": "red", "warning": "orange", "info": "blue", "success": "green"}


@dataclass(frozen=True)
class Sentence:
    """`text` is Markdown; `icon` is the name of a Material symbol."""

    text: str
    tone: Tone = "plain"
    icon: str = ""

    def draw(self) -> None:
        if self.tone == "plain":
            st.markdown(self.text)
        else:
            getattr(st, self.tone)(self.text, icon=f":material/{self.icon}:")

    def mark(self) -> str:
        """The icon in the colour of its tone, for a line of text."""
        symbol = f":material/{self.icon or 'info'}:"
        return f":{_COLORS.get(self.tone, 'gray')}[{symbol}]"
