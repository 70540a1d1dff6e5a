"""Who takes over: a person is chosen, then a button is pressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from dashboards.ui.columns import Row

Do = Callable[[Row, str, dict[str, object], str], None]


def hand_over(key: str, item: Row, people: Mapping[str, str], do: Do) -> None:
    """`people` by their ids; `do` is called with the item, the door's name, its body, and what is said then."""
    chosen = f"{key}.owner.{item['id']}.{item['version']}"
    st.selectbox(
        "担当者",
        [*people],
        index=None,
        format_func=lambda person: people[person],
        placeholder="選ぶ",
        key=chosen,
    )
    st.button(
        "担当を決める",
        key=f"{key}.hand_over",
        disabled=st.session_state[chosen] is None,
        on_click=_handed_over,
        args=(item, chosen, people, do),
    )


def _handed_over(item: Row, key: str, people: Mapping[str, str], do: Do) -> None:
    """For callbacks: who was chosen just now may be later than what was drawn last."""
    chosen = str(st.session_state[key])
    body: dict[str, object] = {"version": item["version"], "user_id": int(chosen)}
    do(item, "hand-over", body, f"担当を{people[chosen]}にしました。")
