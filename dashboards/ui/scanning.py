"""A field for scanners, which type what they read and press Enter: it keeps the focus, and no code is lost, however
fast they come and however slow the service is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui.files import component

# Settled ids that the browser is told of: more than it can have waiting.
REMEMBERED = 1_000

Store = Callable[[str], Any]


@dataclass(frozen=True)
class Scan:
    """A code, and what came of it: what `store` answered, or the ApiProblem."""

    code: str
    answer: Any

    @property
    def waits(self) -> bool:
        """It is not settled, and comes again by itself."""
        return isinstance(self.answer, ApiProblem) and (self.answer.temporary or self.answer.status == 401)


Done = Callable[[list[Scan]], None]


def field(label: str, *, key: str, queue: str, store: Store, done: Done, **options: Any) -> None:
    """Options are those of `st.text_input`.

    Args:
        queue: whose codes these are, in this browser: they wait under this name, also when the page is left.
        store: called once with each code, in the order they were read. While the service is away, the code and all
            after it wait, and come again by themselves.
        done: called before the page is drawn, with those that were settled and the one that has to wait.
    """
    slot = f"{key}.settled"
    settled: list[str] = st.session_state.setdefault(slot, [])
    # Without our script, Streamlit hands over what stands in the field.
    st.text_input(label, key=key, label_visibility="collapsed", on_change=_typed, args=(key, store, done), **options)
    # As Streamlit makes a class of a key.
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)
    component("scanner", '<div class="files"><p class="size waiting" role="status" hidden></p></div>')(
        key=f"{key}.scanner",
        data={"field": name, "queue": queue, "done": [*settled]},
        default={"waiting": None},
        on_waiting_change=lambda: _told(key, store, done),
    )


def _typed(key: str, store: Store, done: Done) -> None:
    if code := st.session_state[key].strip():
        done([_scan(code, store)])


def _told(key: str, store: Store, done: Done) -> None:
    told = (st.session_state[f"{key}.scanner"] or {}).get("waiting") or {"items": []}
    settled: list[str] = st.session_state[f"{key}.settled"]
    new = [item for item in told["items"] if item["id"] not in settled]
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
