"""Scratch: its menu."""

from dashboards.pages import Section

PAGES = (Section("scratch", "メモ").page("notes", "メモ一覧", "note", "scratch:note:read"),)
