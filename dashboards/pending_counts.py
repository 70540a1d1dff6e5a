"""The numbers in the menu: how many items wait on each page, and how many of them are due.

They are cached for all tabs of the session, also while the service is away: the menu never waits for it long, and an
outage does not draw every page anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dashboards import session
from dashboards.by_token import ByToken
from dashboards.client import ApiProblem
from dashboards.contract.core import MenuCounts
from dashboards.settings import settings
from dashboards.ui import live


@dataclass(frozen=True)
class PendingCounts:
    """`due`: as many as ホーム counts; `pages`: by URL path, without pages that have none."""

    due: int = 0
    pages: dict[str, int] = field(default_factory=dict)
    expires_at: float = 0.0


_cache: ByToken[PendingCounts] = ByToken()


def cached_counts() -> PendingCounts:
    token = session.token() or ""
    cached = _cache.get(token) or PendingCounts()
    if time.monotonic() >= cached.expires_at:
        cached = _fetch(cached)
        _cache.put(token, cached)
    return cached


def _fetch(previous: PendingCounts) -> PendingCounts:
    """What the service cannot count now stays as it was."""
    due, pages = previous.due, previous.pages
    try:
        answer: MenuCounts = live.fetch_answer("/api/me/counts")
    except ApiProblem:
        pass
    else:
        due = previous.due if answer["due"] is None else answer["due"]
        pages = {}
        for address, count in answer["pages"].items():
            path = address.removeprefix("/")
            pages[path] = previous.pages.get(path, 0) if count is None else count
    return PendingCounts(due, {path: count for path, count in pages.items() if count}, _expiry())


def _expiry() -> float:
    return time.monotonic() + settings().refresh_seconds
