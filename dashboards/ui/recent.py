"""The records that the user has opened last, for 探す: the newest first."""

from __future__ import annotations

from typing import TypedDict

import streamlit as st

from dashboards.ui import preferences

NAME = "recent"
MAX_RECORDS = 20
MAX_TITLE_LENGTH = 80
_OPENED = "recent.opened"


class Opened(TypedDict):
    title: str
    address: str


def records() -> list[Opened]:
    return preferences.get(NAME, [])


def remember(title: str, address: str) -> None:
    """Call it on the page of a record: `address` is the page's, with the id. It is stored by `store`."""
    st.session_state[_OPENED] = Opened(title=title[:MAX_TITLE_LENGTH], address=address)


def store() -> None:
    """For the frame, after the page: nobody waits for the call. A record that is still the newest is not stored
    again."""
    opened: Opened | None = st.session_state.pop(_OPENED, None)
    if opened and opened not in records()[:1]:
        preferences.change(NAME, list[Opened](), lambda stored: [opened, *_others(stored, opened)][:MAX_RECORDS])


def _others(stored: list[Opened], opened: Opened) -> list[Opened]:
    return [record for record in stored if record["address"] != opened["address"]]
