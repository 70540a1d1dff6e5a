"""A field for scanners, which type the code and press Enter: it keeps the focus, and no code is lost, however fast they
come and however slow the service is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui.components import component

# Ids of settled codes that are sent to the browser: more than can be waiting there.
REMEMBERED = 1_000

Store = Callable[[str], Any]


@dataclass(frozen=True)
class Scan:
    """A code and its result: what `store` returned, or the ApiProblem."""

    code: str
    answer: Any

    @property
    def waits(self) -> bool:
        """The code is not settled, and comes again by itself."""
        return isinstance(self.answer, ApiProblem) and (self.answer.temporary or self.answer.status == 401)


Done = Callable[[list[Scan]], None]


def field(label: str, *, key: str, queue: str, store: Store, done: Done, **options: Any) -> None:
    """Options are those of `st.text_input`.

    Args:
        queue: the name under which codes wait in this browser, also when the user leaves the page.
        store: called once with each code, in the order they were read. While the service is away, the code and all
            after it wait, and come again by themselves.
        done: called before the page is drawn, with the settled codes and the one that has to wait.
    """
    slot = f"{key}.settled"
    settled: list[str] = st.session_state.setdefault(slot, [])
    # Without our script, Streamlit passes the field's text.
    st.text_input(
        label, key=key, label_visibility="collapsed", on_change=_code_typed, args=(key, store, done), **options
    )
    # As Streamlit makes a CSS class from a key.
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)
    component("scanner", '<div class="files"><p class="size waiting" role="status" hidden></p></div>')(
        key=f"{key}.scanner",
        data={"field": name, "queue": queue, "done": [*settled]},
        default={"waiting": None},
        on_waiting_change=lambda: _codes_received(key, store, done),
    )


def _code_typed(key: str, store: Store, done: Done) -> None:
    if code := st.session_state[key].strip():
        done([_scan(code, store)])


def _codes_received(key: str, store: Store, done: Done) -> None:
    message = (st.session_state[f"{key}.scanner"] or {}).get("waiting") or {"items": []}
    settled: list[str] = st.session_state[f"{key}.settled"]
    new = [item for item in message["items"] if item["id"] not in settled]
    scans: list[Scan] = []
    for item in new:
        scans.append(_scan(item["code"], store))
        if scans[-1].waits:
            break
        settled.append(item["id"])
    del settled[:-REMEMBERED]
    if scans:
        done(scans)


def _scan(code: str, store: Store) -> Scan:
    try:
        return Scan(code, store(code))
    except ApiProblem as problem:
        return Scan(code, problem)
