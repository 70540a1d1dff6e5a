"""One action on several rows: each is done once, and nothing is left unsaid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from dashboards.client import ApiProblem
from tests.dashboards.pages import lists, press, run, texts

AWAY = ApiProblem(0, "", "サービスに接続できません。", reference="abc123")
REFUSED = ApiProblem(409, "", "ほかの人が先に変更しました。")


def page() -> None:
    import streamlit as st

    from dashboards.ui import bulk, dialogs, tables
    from dashboards.ui.columns import text

    rows = [{"id": number, "name": f"端末{number}"} for number in range(1, 6)]

    def restart(chosen: list[dict[str, object]]) -> None:
        bulk.confirm(
            "restart",
            chosen,
            f"端末{len(chosen)}台を再起動しますか？",
            "決済が止まります。",
            action="再起動する",
            name=lambda row: row["name"],
            do=st.session_state["do"],
        )

    with dialogs.draw_after("here"):
        conditions = {"day": st.session_state.get("day", "21")}
        tables.grid("list", "端末", rows, [text("名前", "name")], bulk={"再起動する": restart}, conditions=conditions)
        st.button("開く", key="open", on_click=dialogs.open, args=(restart, rows))


class Service:
    """Answers for each row in turn; what is missing succeeds."""

    def __init__(self, **answers: list[ApiProblem]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str]] = []

    def __call__(self, row: Mapping[str, Any], _values: object, key: str) -> None:
        self.calls.append((row["name"], key))
        if waiting := self.answers.get(row["name"]):
            raise waiting.pop(0)


@pytest.fixture
def open_dialog() -> Callable[[Service], AppTest]:
    def open_with(service: Service) -> AppTest:
        at = AppTest.from_function(page)
        at.session_state["do"] = service
        run(at)
        press(at, "open")
        return at

    return open_with


def names(calls: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in calls]


def selection(at: AppTest) -> str:
    token: str = lists(at)[0]["selection"]
    return token


def test_each_row_says_what_came_of_it_and_a_second_press_does_nothing(
    open_dialog: Callable[[Service], AppTest],
) -> None:
    service = Service(端末2=[REFUSED])
    at = open_dialog(service)
    pressed = WidgetState(id=at.button(key="restart.confirm").id, trigger_value=True)
    press(at, "restart.confirm")
    states = at._tree.get_widget_states()
    states.widgets.append(pressed)

    at._run(states)

    assert not at.exception
    assert names(service.calls) == [f"端末{number}" for number in range(1, 6)]
    assert "5件のうち1件はできませんでした。ほかの4件は終わりました。" in texts(at)
    assert "ほかの人が先に変更しました。" in texts(at)
    press(at, "restart.close")
    assert not at.warning


def test_an_outage_stops_the_action_which_goes_on_with_the_same_keys(open_dialog: Callable[[Service], AppTest]) -> None:
    service = Service(端末1=[REFUSED], 端末3=[AWAY])
    at = open_dialog(service)

    press(at, "restart.confirm")
    assert names(service.calls) == ["端末1", "端末2", "端末3"]
    assert (
        "5件のうち1件が終わりました。1件はできませんでした。残りの3件は、まだ終わっていません。" in at.warning[0].value
    )
    assert "サービスに接続できません。（受付番号 abc123）" in texts(at)
    assert texts(at).count("まだ実行していません") == 2

    press(at, "restart.resume")
    assert names(service.calls[3:]) == ["端末3", "端末4", "端末5"]
    assert service.calls[2] == service.calls[3]
    assert len({key for _, key in service.calls}) == 5
    assert "5件のうち1件はできませんでした。ほかの4件は終わりました。" in texts(at)


def test_what_was_acted_upon_is_chosen_no_longer_nor_what_was_chosen_under_other_conditions(
    open_dialog: Callable[[Service], AppTest],
) -> None:
    at = open_dialog(Service())
    press(at, "restart.leave")
    before = selection(at)
    press(at, "open")
    assert selection(at) == before
    press(at, "restart.confirm")
    press(at, "restart.close")
    after = selection(at)
    assert after != before

    at.session_state["day"] = "22"
    run(at)
    assert selection(at) not in (before, after)
