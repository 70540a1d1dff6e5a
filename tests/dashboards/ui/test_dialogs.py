"""Dialogs: one at a time, opened from anywhere, open until they are closed."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from dashboards.ui import dialogs

    def first(about: str) -> None:
        if st.session_state.pop("cut short", False):
            st.rerun()
        if st.session_state.get("nothing to show"):
            return

        @dialogs.dialog("一つ目")
        def show() -> None:
            st.markdown(f"{about}の一つ目")
            st.text_input("メモ", key="memo")
            st.button("二つ目へ", key="on", on_click=dialogs.open, args=(second, about))

        show()

    def second(about: str) -> None:
        @dialogs.dialog("二つ目")
        def show() -> None:
            st.markdown(f"{about}の二つ目")
            st.button("閉じる", key="close", on_click=dialogs.close)
            if st.button("三つ目へ", key="third"):
                third()

        show()

    @dialogs.dialog("三つ目")
    def third() -> None:
        st.markdown("三つ目")

    def once() -> None:
        st.session_state["done"] = st.session_state.get("done", 0) + 1

    with dialogs.draw_after(st.session_state.get("address", "here")):
        st.button("開く", key="open", on_click=dialogs.open, args=(first, "新宿店"))
        st.button("一度だけ", key="once", on_click=dialogs.open, args=(once,))
        if st.button("すぐ開く", key="now"):
            first("渋谷店")


def texts(at: AppTest) -> list[str]:
    assert not at.exception
    return [element.value for element in at.markdown]


def press(at: AppTest, key: str) -> list[str]:
    at.button(key=key).click().run()
    return texts(at)


def test_a_dialog_stays_with_what_was_typed_until_another_takes_its_place() -> None:
    at = AppTest.from_function(page).run()
    assert press(at, "open") == ["新宿店の一つ目"]
    at.text_input(key="memo").input("途中まで").run()
    assert texts(at.run()) == ["新宿店の一つ目"]
    assert at.text_input(key="memo").value == "途中まで"

    assert press(at, "on") == ["新宿店の二つ目"]
    assert press(at, "third") == ["三つ目"]


def test_a_run_that_the_next_click_cuts_short_leaves_the_dialog_open() -> None:
    at = AppTest.from_function(page).run()
    press(at, "open")
    at.text_input(key="memo").input("途中まで").run()

    at.session_state["cut short"] = True

    assert texts(at.run()) == ["新宿店の一つ目"]
    assert at.text_input(key="memo").value == "途中まで"


def test_a_dialog_that_has_nothing_to_show_any_more_is_closed() -> None:
    at = AppTest.from_function(page).run()
    press(at, "open")
    at.session_state["nothing to show"] = True
    assert texts(at.run()) == []

    at.session_state["nothing to show"] = False

    assert texts(at.run()) == []


def test_a_closed_dialog_stays_closed() -> None:
    at = AppTest.from_function(page).run()
    press(at, "open")
    press(at, "on")

    assert press(at, "close") == []
    assert texts(at.run()) == []


def test_a_dialog_opens_from_the_middle_of_a_page_too() -> None:
    at = AppTest.from_function(page).run()

    assert press(at, "now") == ["渋谷店の一つ目"]
    assert texts(at.run()) == ["渋谷店の一つ目"]


def test_what_opens_no_dialog_is_done_once() -> None:
    at = AppTest.from_function(page).run()
    press(at, "once")

    at.run()

    assert at.session_state["done"] == 1


def test_a_dialog_does_not_follow_to_another_page() -> None:
    at = AppTest.from_function(page).run()
    press(at, "open")

    at.session_state["address"] = "elsewhere"

    assert texts(at.run()) == []
