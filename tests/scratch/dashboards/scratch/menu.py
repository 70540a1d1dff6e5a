"""Scratch: its menu."""

from dashboards.pages import Entry

PAGES = (Entry("scratch", "メモ", "notes.py", "メモ一覧", ":material/note:", "notes", "scratch:note:read"),)
