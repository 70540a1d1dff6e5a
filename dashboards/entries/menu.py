"""入退管理"""

from __future__ import annotations

from dashboards.pages import Entry

PAGES: tuple[Entry, ...] = ()
