"""A field for scanners, which type what they read and press Enter: it keeps the focus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboards.ui.files import component


def field(label: str, *, key: str, on_change: Callable[..., None], **options: Any) -> None:
    """Options are those of `st.text_input`. `on_change` takes what was read out of the session, and empties it there,
    so that the next one finds an empty field."""
    st.text_input(label, key=key, label_visibility="collapsed", on_change=on_change, **options)
    # As Streamlit makes a class of a key.
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)
    component("focus", '<div class="focus"></div>')(key=f"{key}.focus", data={"field": name})
