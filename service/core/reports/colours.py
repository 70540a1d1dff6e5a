"""The dashboards' colours for paper: the same as in dashboards/.streamlit/config.toml, which a test checks."""

from __future__ import annotations

from typing import Literal

Tone = Literal["good", "warning", "bad", "info", "quiet"]

# Colours of lines and bars, in the order of the series.
CATEGORIES = ("#0F5FA8", "#D97706", "#2E8B57", "#B23A48", "#6B5B95", "#5F7A8A")
# tone -> strong colour for marks, background and text of badges
TONES: dict[Tone, dict[str, str]] = {
    "good": {"mark": "#137A4B", "ground": "#E7F6EE", "text": "#0F6A40"},
    "warning": {"mark": "#B45309", "ground": "#FEF3E2", "text": "#92400E"},
    "bad": {"mark": "#C2303B", "ground": "#FDECEC", "text": "#A3212C"},
    "info": {"mark": "#0F5FA8", "ground": "#E8F1FA", "text": "#0D528F"},
    "quiet": {"mark": "#5B6876", "ground": "#EEF1F4", "text": "#4B5763"},
}
PAPER = {
    "primary": "#0F5FA8",
    "text": "#1F2A37",
    "muted": "#5B6876",
    "border": "#D5DDE6",
    "ground": "#F3F6F9",
    "head": "#EAF0F6",
    "head-text": "#3B4A5A",
}
