"""The button that looks an address up by its postal code. It writes only when it is pressed: what somebody typed is
never overwritten by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui.text import plain

PATH = "/api/agencies/postal-codes"
LABEL = "郵便番号から住所を入力"
SEVEN = "郵便番号を7桁の数字で入力してから押してください。"

Candidate = Mapping[str, str]


def button(key: str, zip_key: str, targets: Mapping[str, str], *, disabled: bool = False) -> None:
    """`zip_key` is the session's key of the postal code's field, `targets` of those for prefecture, city and town."""
    st.button(
        LABEL, key=f"{key}.button", icon=":material/pin_drop:", on_click=_look_up, args=(key, zip_key, targets),
        disabled=disabled,
    )  # fmt: skip
    found: list[Candidate] = st.session_state.get(f"{key}.found", [])
    if len(found) > 1:
        # Its state goes with the widget: an earlier choice belongs to an earlier code.
        st.selectbox(
            f"住所の候補（{len(found)}件）",
            range(len(found)),
            index=None,
            format_func=lambda place: in_words(found[place]),
            placeholder="住所を選んでください",
            key=f"{key}.place.{found[0].get('zip_code', '')}",
            on_change=_choose,
            args=(key, found, targets),
        )
    if said := st.session_state.get(f"{key}.said"):
        st.markdown(f":red[:material/error: {plain(said)}]")


def in_words(place: Candidate) -> str:
    return "".join(place[part] for part in ("prefecture", "city", "town"))


def _look_up(key: str, zip_key: str, targets: Mapping[str, str]) -> None:
    typed = unicodedata.normalize("NFKC", str(st.session_state.get(zip_key) or ""))
    code = re.sub(r"[^0-9]", "", typed)
    st.session_state[f"{key}.found"], st.session_state[f"{key}.said"] = [], ""
    if len(code) != 7:
        st.session_state[f"{key}.said"] = SEVEN
        return
    try:
        found = session.api().get(f"{PATH}/{code}")["candidates"]
    except ApiProblem as problem:
        st.session_state[f"{key}.said"] = problem.detail
        return
    if len(found) == 1:
        _fill(found[0], targets)
    else:
        st.session_state[f"{key}.found"] = [{**place, "zip_code": code} for place in found]


def _choose(key: str, found: list[Candidate], targets: Mapping[str, str]) -> None:
    chosen = st.session_state.get(f"{key}.place.{found[0].get('zip_code', '')}")
    if chosen is not None:
        _fill(found[chosen], targets)


def _fill(place: Candidate, targets: Mapping[str, str]) -> None:
    for part, target in targets.items():
        st.session_state[target] = place[part]
