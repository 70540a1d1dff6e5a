"""Scratch: the looks of states in 探す, and further words for its page."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {}
PAGE_WORDS = {"notes": "覚え書き"}
