"""The button that looks up an address by its postal code. It writes only when it is pressed: typed text is never
overwritten automatically."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.agencies import Address
from dashboards.ui.text import plain

PATH = "/api/agencies/postal-codes"
LABEL = "郵便番号から住所を入力"
SEVEN_DIGITS = "郵便番号を7桁の数字で入力してから押してください。"

Candidate = Mapping[str, Any]


def button(key: str, zip_key: str, targets: Mapping[str, str], *, disabled: bool = False) -> None:
    """`zip_key`: the session key of the postal code's field; `targets`: those for prefecture, city and town."""
    st.button(
        LABEL,
        key=f"{key}.button",
        icon=":material/pin_drop:",
        on_click=_look_up,
        args=(key, zip_key, targets),
        disabled=disabled,
    )
    candidates: list[Candidate] = st.session_state.get(f"{key}.candidates", [])
    if len(candidates) > 1:
        # The key contains the code, so that an earlier choice is not used for another code.
        st.selectbox(
            f"住所の候補（{len(candidates)}件）",
            range(len(candidates)),
            index=None,
            format_func=lambda index: address_text(candidates[index]),
            placeholder="住所を選んでください",
            key=f"{key}.place.{candidates[0].get('zip_code', '')}",
            on_change=_choose,
            args=(key, candidates, targets),
        )
    if message := st.session_state.get(f"{key}.message"):
        st.markdown(f":red[:material/error: {plain(message)}]")


def address_text(candidate: Candidate) -> str:
    return "".join(candidate[part] for part in ("prefecture", "city", "town"))


def _look_up(key: str, zip_key: str, targets: Mapping[str, str]) -> None:
    text = unicodedata.normalize("NFKC", str(st.session_state.get(zip_key) or ""))
    code = re.sub(r"[^0-9]", "", text)
    st.session_state[f"{key}.candidates"], st.session_state[f"{key}.message"] = [], ""
    if len(code) != 7:
        st.session_state[f"{key}.message"] = SEVEN_DIGITS
        return
    try:
        candidates: list[Address] = session.api().get(f"{PATH}/{code}")["candidates"]
    except ApiProblem as problem:
        st.session_state[f"{key}.message"] = problem.detail
        return
    if len(candidates) == 1:
        _fill(candidates[0], targets)
    else:
        st.session_state[f"{key}.candidates"] = [{**candidate, "zip_code": code} for candidate in candidates]


def _choose(key: str, candidates: list[Candidate], targets: Mapping[str, str]) -> None:
    chosen = st.session_state.get(f"{key}.place.{candidates[0].get('zip_code', '')}")
    if chosen is not None:
        _fill(candidates[chosen], targets)


def _fill(candidate: Candidate, targets: Mapping[str, str]) -> None:
    for part, target in targets.items():
        st.session_state[target] = candidate[part]
