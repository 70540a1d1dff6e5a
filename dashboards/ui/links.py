"""Links that look like buttons, and the id in the page's URL.

Streamlit's own links open a new tab, and its download button cannot download from our own origin.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

import streamlit as st

from dashboards.settings import settings
from dashboards.ui.text import Markdown, plain

# What the service has accepted as such: anything else stays text.
_TELEPHONE = re.compile(r"\+?[0-9]{7,15}")
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


def public_url(path: str) -> str:
    """The URL of one of the service's own pages. In production one proxy stands before everything; the demo has
    none."""
    config = settings()
    return (config.service_url if config.demo_mode else config.public_base_url).rstrip("/") + path


def requested_id(name: str = "id") -> int | None:
    """The id in the page's URL; None when there is none or it is invalid."""
    text = st.query_params.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) < 2**63 else None


def link(label: str, href: str, *, primary: bool = False, download: bool = False) -> None:
    """A link in the same tab, or a download."""
    color = st.get_option("theme.primaryColor")
    filled = f"background: {color}; border: 1px solid {color}; color: #fff"
    outlined = f"border: 1px solid {st.get_option('theme.borderColor')}; color: {st.get_option('theme.textColor')}"
    style = (
        "display: inline-block; padding: 0.45rem 0.75rem; border-radius: 6px; font-size: 0.875rem; line-height: 1.6; "
        "white-space: nowrap; "
        f"text-decoration: none; {filled if primary else outlined}"
    )
    attributes = "download" if download else 'target="_self"'
    st.html(f'<a href="{escape(href)}" {attributes} style="{style}">{escape(label)}</a>', width="content")


def telephone(number: str | None, label: str = "") -> Markdown:
    """The number as a link that calls it; empty without one. `label`: Markdown to show instead of the number."""
    dialled = re.sub(r"[\s().-]", "", number or "")
    return _linked(number or "", f"tel:{dialled}" if _TELEPHONE.fullmatch(dialled) else "", label)


def mail(addresses: str | None) -> Markdown:
    """The address, or several with 、 between them, as links that begin a mail; empty without one."""
    return Markdown("、".join(map(_mail, (addresses or "").split("、"))))


def _mail(address: str) -> str:
    return _linked(address, f"mailto:{quote(address, safe='@')}" if _MAIL.fullmatch(address) else "")


def _linked(text: str, href: str, label: str = "") -> Markdown:
    shown = plain(text)
    return Markdown(f"[{label or shown}]({href})" if href else shown)
