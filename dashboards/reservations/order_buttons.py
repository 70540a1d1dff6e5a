"""The buttons that move a shop in an order of calls."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def order_buttons(key: str, shops: list[int], index: int, moved: Callable[[], object] = lambda: None) -> None:
    """For the shop at `index`. `shops`: the ids, which a button changes; `moved` is called afterwards."""
    with st.container(horizontal=True, width="content", gap="small"):
        for label, target, icon in (
            ("先頭へ", 0, "vertical_align_top"),
            ("上へ", index - 1, "arrow_upward"),
            ("下へ", index + 1, "arrow_downward"),
        ):
            st.button(
                label,
                key=f"{key}.{shops[index]}.{icon}",
                type="tertiary",
                icon=f":material/{icon}:",
                disabled=not 0 <= target < len(shops) or target == index,
                on_click=_move,
                args=(shops, index, target, moved),
            )


def _move(shops: list[int], index: int, target: int, moved: Callable[[], object]) -> None:
    shops.insert(target, shops.pop(index))
    moved()
