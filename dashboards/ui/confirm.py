"""Asks once before what cannot be undone or leaves the house: names the thing and the consequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.once import new_key

REASON_MISSING = "理由を入力してください。履歴に残ります。"


def confirm(
    key: str,
    question: str,
    consequence: str,
    *,
    action: str,
    do: Callable[[str, str], None],
    done: str,
    reason: Literal["no", "optional", "required"] = "no",
    preset: str = "",
    most: int = 500,
    danger: bool = True,
) -> None:
    """Opens the dialog; call it when the person pressed the button on the page, or hand it to `dialogs.open`.

    Args:
        question: names the thing: 「端末 TC200-000123（新宿店）を削除しますか？」.
        consequence: what will happen, and whether it can be undone.
        action: the verb on the button.
        do: called with the reason and with `once`, which is the same for every attempt in the dialog; an ApiProblem is
            said in the dialog, which stays open. May open another dialog.
        preset: the reason that is usually the right one, to be changed; `most`: how long the service lets it be.
        done: said in a toast after the page was drawn anew; empty when `do` says it.
    """

    slot = f"confirm.{key}"

    @dialogs.dialog(
        question,
        width="medium",
        icon=":material/warning:" if danger else ":material/help:",
    )
    def ask() -> None:
        state = st.session_state.setdefault(slot, {})
        if state.get("opened", state) is not dialogs.noted():  # Opened again: what was complained of is forgotten.
            state |= {"opened": dialogs.noted(), "problem": None, "missing": False, "once": new_key()}
        (st.warning if danger else st.info)(consequence)
        if reason != "no":
            mark = " :red-badge[必須]" if reason == "required" else "（任意）"
            st.text_area(f"理由{mark}", key=f"{key}.reason", value=preset, max_chars=most, height=96)
            if state["missing"]:
                st.markdown(f":red[:material/error: {REASON_MISSING}]")
        if state["problem"]:
            feedback.not_done(state["problem"])
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("やめる", key=f"{key}.leave", on_click=dialogs.close)
            st.button(
                f":red[**{action}**]" if danger else action,
                key=f"{key}.confirm",
                type="secondary" if danger else "primary",
                on_click=decided,
            )

    def decided() -> None:
        # In a callback, so that it happens before anything is drawn, whatever is drawn then.
        state, mine = st.session_state[slot], dialogs.noted()
        why = st.session_state.get(f"{key}.reason", "").strip()
        state |= {"problem": None, "missing": reason == "required" and not why}
        if state["missing"]:
            return
        try:
            do(why, state["once"])
        except ApiProblem as problem:
            state["problem"] = problem
            if problem.sent_before:
                state["once"] = new_key()
            return
        if done:
            flash.say(done)
        if dialogs.noted() is mine:
            dialogs.close()

    ask()
