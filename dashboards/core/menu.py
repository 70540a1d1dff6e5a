"""共通: the pages of the floor."""

from __future__ import annotations

from dashboards.pages import Entry

PAGES: tuple[Entry, ...] = ()
