"""Handing over: the user selects a new owner and presses the button."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards.reservations.actions import Target


def hand_over(target: Target, assignees: Mapping[str, str]) -> None:
    """`assignees`: name by user id."""
    select_key = f"{target.key}.owner.{target.id}.{target.version}"
    st.selectbox(
        "担当者",
        [*assignees],
        index=None,
        format_func=lambda user_id: assignees[user_id],
        placeholder="選ぶ",
        key=select_key,
    )
    st.button(
        "担当を決める",
        key=f"{target.key}.hand_over",
        disabled=st.session_state[select_key] is None,
        on_click=_submit,
        args=(target, select_key, assignees),
    )


def _submit(target: Target, select_key: str, assignees: Mapping[str, str]) -> None:
    """For callbacks: the selection may be newer than what was drawn last."""
    chosen = str(st.session_state[select_key])
    target.do("hand-over", {"user_id": int(chosen)}, f"担当を{assignees[chosen]}にしました。")
