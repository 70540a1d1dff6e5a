"""Idempotency keys of confirmations and buttons: one for each request that the user means."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.client import IDEMPOTENCY_KEY_REUSED, ApiProblem
from dashboards.ui import idempotency

LOST = ApiProblem(0, "", "応答がありません。")
REFUSED = ApiProblem(409, "", "ほかの人が変更しました。")
ALREADY_STORED = ApiProblem(422, "", "すでに保存されています。", type=IDEMPOTENCY_KEY_REUSED)


def confirmation_page() -> None:
    import streamlit as st

    from dashboards.ui import confirm, dialogs

    def do(_: str, key: str) -> None:
        st.session_state["keys"] = [*st.session_state.get("keys", []), key]
        if st.session_state.get("problems"):
            raise st.session_state["problems"].pop(0)

    def ask() -> None:
        confirm.confirm("shop", "送りますか？", "取り消せません。", action="送る", do=do, success="")

    with dialogs.draw_after("here"):
        st.button("送る", key="open", on_click=dialogs.open, args=(ask,))


def button_page() -> None:
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


def press_and_read_keys(page: AppTest, button: str, times: int) -> list[str]:
    for _ in range(times):
        page.button(key=button).click().run()
    used_keys: list[str] = page.session_state["keys"]
    return used_keys


def groups(used_keys: list[str]) -> list[int]:
    """The index of each key among the different keys: [0, 0, 1] are two equal keys and another one."""
    return [list(dict.fromkeys(used_keys)).index(key) for key in used_keys]


def test_a_confirmation_has_one_key_until_it_is_opened_again() -> None:
    page = AppTest.from_function(confirmation_page, default_timeout=30)
    page.session_state["problems"] = [LOST, REFUSED, LOST]
    page.run()
    page.button(key="open").click().run()
    assert groups(press_and_read_keys(page, "shop.confirm", 2)) == [0, 0]

    page.button(key="shop.leave").click().run()
    page.button(key="open").click().run()
    assert groups(press_and_read_keys(page, "shop.confirm", 2)) == [0, 0, 1, 1]


def test_a_confirmation_gets_a_new_key_once_the_service_answers_that_something_else_was_stored() -> None:
    page = AppTest.from_function(confirmation_page, default_timeout=30)
    page.session_state["problems"] = [LOST, ALREADY_STORED]
    page.run()
    page.button(key="open").click().run()

    assert groups(press_and_read_keys(page, "shop.confirm", 3)) == [0, 0, 1]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["noted", "noted"], [0, 1]),
        ([LOST, "noted", "noted"], [0, 0, 1]),
        (["cut short", "noted", "noted"], [0, 0, 1]),
        ([REFUSED, "noted"], [0, 1]),
        ([ALREADY_STORED, "noted"], [0, 1]),
    ],
)
def test_a_button_keeps_its_key_until_the_answer_was_noted(outcomes: list[Any], expected: list[int]) -> None:
    page = AppTest.from_function(button_page, default_timeout=30)
    page.session_state["outcomes"] = outcomes[:]
    page.run()

    assert groups(press_and_read_keys(page, "send", len(outcomes))) == expected


def test_a_press_much_later_gets_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    page = AppTest.from_function(button_page, default_timeout=30)
    page.session_state["outcomes"] = [LOST, "noted"]
    page.run()
    press_and_read_keys(page, "send", 1)
    monkeypatch.setattr(idempotency, "KEY_LIFETIME_SECONDS", -1)

    assert groups(press_and_read_keys(page, "send", 1)) == [0, 1]
