"""Asks once before an action that cannot be undone or that sends something out: names the thing and the consequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.idempotency import new_key
from dashboards.ui.text import markdown

REASON_MISSING = "理由を入力してください。履歴に残ります。"


def confirm(
    key: str,
    question: str,
    consequence: str,
    *,
    action: str,
    do: Callable[[str, str], None],
    success: str,
    reason: Literal["no", "optional", "required"] = "no",
    preset: str = "",
    max_length: int = 500,
    danger: bool = True,
) -> None:
    """Opens the dialog; call it when the user pressed the button on the page, or pass it to `dialogs.open`.

    Args:
        question: names the thing: 「端末 TC200-000123（新宿店）を削除しますか？」.
        consequence: what will happen, and whether it can be undone; a sentence, or `Markdown`.
        action: the verb on the button.
        do: called with the reason and the idempotency key, which is the same for every attempt in the dialog. An
            ApiProblem is shown in the dialog, which stays open. It may open another dialog.
        preset: the usual reason, which the user can change.
        max_length: the service's maximum length of the reason.
        success: shown in a toast after the page was drawn again; empty when `do` shows a message itself.
    """

    slot = f"confirm.{key}"

    @dialogs.dialog(
        question,
        width="medium",
        icon=":material/warning:" if danger else ":material/help:",
    )
    def ask() -> None:
        state = st.session_state.setdefault(slot, {})
        if state.get("opened", state) is not dialogs.pending():  # Opened again: old errors are removed.
            state |= {"opened": dialogs.pending(), "problem": None, "missing": False, "idempotency_key": new_key()}
        (st.warning if danger else st.info)(markdown(consequence))
        if reason != "no":
            mark = " :red-badge[必須]" if reason == "required" else "（任意）"
            st.text_area(f"理由{mark}", key=f"{key}.reason", value=preset, max_chars=max_length, height=96)
            if state["missing"]:
                st.markdown(f":red[:material/error: {REASON_MISSING}]")
        if state["problem"]:
            feedback.action_failed(state["problem"])
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("やめる", key=f"{key}.leave", on_click=dialogs.close)
            st.button(
                f":red[**{action}**]" if danger else action,
                key=f"{key}.confirm",
                type="secondary" if danger else "primary",
                on_click=submit,
            )

    def submit() -> None:
        # In a callback, so that it runs before anything is drawn.
        state, own_dialog = st.session_state[slot], dialogs.pending()
        reason_text = st.session_state.get(f"{key}.reason", "").strip()
        state |= {"problem": None, "missing": reason == "required" and not reason_text}
        if state["missing"]:
            return
        try:
            do(reason_text, state["idempotency_key"])
        except ApiProblem as problem:
            state["problem"] = problem
            if problem.key_reused:
                state["idempotency_key"] = new_key()
            return
        if success:
            flash.add(success)
        if dialogs.pending() is own_dialog:
            dialogs.close()

    ask()
