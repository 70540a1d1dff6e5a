"""The keys of confirmations and buttons: one for each time that something is meant."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.client import IDEMPOTENCY_KEY_REUSED, ApiProblem
from dashboards.ui import idempotency

LOST = ApiProblem(0, "", "応答がありません。")
REFUSED = ApiProblem(409, "", "ほかの人が変更しました。")
BEFORE = ApiProblem(422, "", "すでに保存されています。", type=IDEMPOTENCY_KEY_REUSED)


def confirming() -> None:
    import streamlit as st

    from dashboards.ui import confirm, dialogs

    def do(_: str, key: str) -> None:
        st.session_state["keys"] = [*st.session_state.get("keys", []), key]
        if st.session_state.get("problems"):
            raise st.session_state["problems"].pop(0)

    def ask() -> None:
        confirm.confirm("shop", "送りますか？", "取り消せません。", action="送る", do=do, done="")

    with dialogs.draw_after("here"):
        st.button("送る", key="open", on_click=dialogs.open, args=(ask,))


def pressing() -> None:
    import streamlit as st

    from dashboards.client import ApiProblem
    from dashboards.ui.idempotency import button_idempotency_key

    if st.button("送る", key="send"):
        state = st.session_state
        try:
            with button_idempotency_key("/api/shops") as key:
                state["keys"] = [*state.get("keys", []), key]
                outcome = state["outcomes"].pop(0)
                if isinstance(outcome, ApiProblem):
                    raise outcome
                if outcome == "cut short":
                    st.rerun()
        except ApiProblem:
            pass


def keys(page: AppTest, button: str, times: int) -> list[str]:
    for _ in range(times):
        page.button(key=button).click().run()
    found: list[str] = page.session_state["keys"]
    return found


def groups(found: list[str]) -> list[int]:
    """Which are the same: [0, 0, 1] of two alike and another."""
    return [list(dict.fromkeys(found)).index(one) for one in found]


def test_a_confirmation_has_one_key_until_it_is_opened_again() -> None:
    page = AppTest.from_function(confirming, default_timeout=30)
    page.session_state["problems"] = [LOST, REFUSED, LOST]
    page.run()
    page.button(key="open").click().run()
    assert groups(keys(page, "shop.confirm", 2)) == [0, 0]

    page.button(key="shop.leave").click().run()
    page.button(key="open").click().run()
    assert groups(keys(page, "shop.confirm", 2)) == [0, 0, 1, 1]


def test_who_is_told_that_something_else_was_stored_may_confirm_anew() -> None:
    page = AppTest.from_function(confirming, default_timeout=30)
    page.session_state["problems"] = [LOST, BEFORE]
    page.run()
    page.button(key="open").click().run()

    assert groups(keys(page, "shop.confirm", 3)) == [0, 0, 1]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["noted", "noted"], [0, 1]),
        ([LOST, "noted", "noted"], [0, 0, 1]),
        (["cut short", "noted", "noted"], [0, 0, 1]),
        ([REFUSED, "noted"], [0, 1]),
        ([BEFORE, "noted"], [0, 1]),
    ],
)
def test_a_button_keeps_its_key_until_the_answer_was_noted(outcomes: list[Any], expected: list[int]) -> None:
    page = AppTest.from_function(pressing, default_timeout=30)
    page.session_state["outcomes"] = outcomes[:]
    page.run()

    assert groups(keys(page, "send", len(outcomes))) == expected


def test_who_presses_again_much_later_means_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    page = AppTest.from_function(pressing, default_timeout=30)
    page.session_state["outcomes"] = [LOST, "noted"]
    page.run()
    keys(page, "send", 1)
    monkeypatch.setattr(idempotency, "KEY_LIFETIME_SECONDS", -1)

    assert groups(keys(page, "send", 1)) == [0, 1]
