"""Scratch: its page."""

import streamlit as st

from dashboards.ui import live

reading = live.block("scratch.notes", "メモ一覧", "/api/scratch/notes", headline=True)
if reading:
    for note in reading.data["items"]:
        st.write(note["text"])
