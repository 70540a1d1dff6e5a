"""The numbers in the menu: how many items wait for the user on each page.

They are cached in the session, also while the service is away: the menu never waits for it long, and an outage does not
draw every page anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.pages import Entry
from dashboards.settings import settings
from dashboards.ui import live

_CACHE = "pending_counts"


@dataclass
class CachedCounts:
    until: float = 0.0
    numbers: dict[str, int] = field(default_factory=dict)


def cached_counts(entries: Iterable[Entry]) -> dict[str, int]:
    """By the page's URL path, without pages that have none."""
    cached: CachedCounts = st.session_state.setdefault(_CACHE, CachedCounts())
    if time.monotonic() >= cached.until:
        cached.numbers = fetch_counts(entries, cached.numbers)
        cached.until = time.monotonic() + settings().refresh_seconds
    return cached.numbers


def fetch_counts(entries: Iterable[Entry], previous: dict[str, int]) -> dict[str, int]:
    counts = {}
    for entry in entries:
        if entry.pending_count is None:
            continue
        try:
            count = live.fetch_answer(entry.pending_count.path)[entry.pending_count.field]
        except ApiProblem:
            count = previous.get(entry.url_path, 0)
        if count:
            counts[entry.url_path] = count
    return counts
