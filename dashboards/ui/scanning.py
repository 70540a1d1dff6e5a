"""A field for scanners, which type what they read and press Enter: it keeps the focus, and takes one code after the
other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboards.ui.files import component


def field(label: str, *, key: str, on_change: Callable[..., None], **options: Any) -> None:
    """Options are those of `st.text_input`. `on_change` reads what was scanned in the session and leaves it there: to
    empty the field would come late, and wipe out half of the next code. It stays marked, and the next one replaces it.
    """
    st.text_input(label, key=key, label_visibility="collapsed", on_change=on_change, **options)
    # As Streamlit makes a class of a key.
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)
    component("focus", '<div class="focus"></div>')(key=f"{key}.focus", data={"field": name})
