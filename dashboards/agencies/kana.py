"""The button that proposes the kana of a name. It fills only empty fields, and only when it is pressed."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui.text import plain, small

PATH = "/api/agencies/kana"
LABEL = "名前からカナを入力"
NOTHING = "名前を入力してから押してください。"
FULL = "カナはすでに入力されています。提案を使う場合は、カナを空にしてから押してください。"
UNKNOWN = "読みを判断できない文字（漢字など）が含まれています。カナを入力してください。"


def button(key: str, targets: Mapping[str, str]) -> None:
    """`targets`: the session key of each name's field → the key of its kana's field."""
    st.button(
        LABEL, key=f"{key}.button", type="tertiary", icon=":material/translate:", on_click=_propose, args=(key, targets)
    )
    message = st.session_state.get(f"{key}.message")
    # Once the kana is typed, the message is not shown any more.
    if message and (message == FULL or not all(st.session_state.get(kana) for kana in targets.values())):
        st.markdown(small(plain(message)))


def _propose(key: str, targets: Mapping[str, str]) -> None:
    names = {kana: str(st.session_state.get(name) or "").strip() for name, kana in targets.items()}
    empty = {kana: name for kana, name in names.items() if name and not st.session_state.get(kana)}
    st.session_state[f"{key}.message"] = "" if empty else FULL if any(names.values()) else NOTHING
    for kana, name in empty.items():
        try:
            proposal = session.api().get(PATH, name=name)["kana"]
        except ApiProblem as problem:
            st.session_state[f"{key}.message"] = problem.detail
            return
        if proposal:
            st.session_state[kana] = proposal
        else:
            st.session_state[f"{key}.message"] = UNKNOWN
