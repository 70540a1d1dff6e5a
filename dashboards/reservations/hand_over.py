"""Handing over: the user selects a new owner and presses the button."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from dashboards.ui.columns import Row

Post = Callable[[Row, str, dict[str, object], str], None]


def hand_over(key: str, item: Row, assignees: Mapping[str, str], do: Post) -> None:
    """`assignees`: name by user id. `do` is called with the item, the route's name, its body, and the success
    message."""
    select_key = f"{key}.owner.{item['id']}.{item['version']}"
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
        key=f"{key}.hand_over",
        disabled=st.session_state[select_key] is None,
        on_click=_submit,
        args=(item, select_key, assignees, do),
    )


def _submit(item: Row, key: str, assignees: Mapping[str, str], do: Post) -> None:
    """For callbacks: the selection may be newer than what was drawn last."""
    chosen = str(st.session_state[key])
    body: dict[str, object] = {"version": item["version"], "user_id": int(chosen)}
    do(item, "hand-over", body, f"担当を{assignees[chosen]}にしました。")
