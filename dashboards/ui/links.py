"""Links that look like buttons: Streamlit's own open a new tab, and none of them downloads from our own origin. And
what the page's own address asks for."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboards.settings import settings


def public(path: str) -> str:
    """The address of one of the service's own pages. In production one proxy stands before everything; the demo has
    none."""
    config = settings()
    return (config.service_url if config.demo_mode else config.public_base_url).rstrip("/") + path


def asked_id(name: str = "id") -> int | None:
    """The id that the page's address asks for; None for none, and for what can be none."""
    text = st.query_params.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) < 2**63 else None


def link(label: str, href: str, *, primary: bool = False, download: bool = False) -> None:
    """In the same tab, or as a download."""
    color = st.get_option("theme.primaryColor")
    filled = f"background: {color}; border: 1px solid {color}; color: #fff"
    outlined = f"border: 1px solid {st.get_option('theme.borderColor')}; color: {st.get_option('theme.textColor')}"
    style = (
        "display: inline-block; padding: 0.45rem 0.75rem; border-radius: 6px; font-size: 0.875rem; line-height: 1.6; "
        "white-space: nowrap; "
        f"text-decoration: none; {filled if primary else outlined}"
    )
    how = "download" if download else 'target="_self"'
    st.html(f'<a href="{escape(href)}" {how} style="{style}">{escape(label)}</a>', width="content")
