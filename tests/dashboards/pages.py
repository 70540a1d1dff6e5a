"""What tests do on a page, and what they read there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.testing.v1 import AppTest

from service.core.access.identity import User
from tests.dashboards.conftest import Line

Screen = Callable[..., AppTest]
Opened = Callable[[User], AppTest]
Open = Callable[..., AppTest]

REFUSED = "この画面を表示する権限がありません"


def said(elements: Iterable[Any]) -> str:
    """Without the backslashes that keep it plain."""
    return "\n".join(element.value for element in elements).replace("\\", "")


def texts(page: AppTest) -> str:
    """All that stands there, boxes of colour included."""
    return said([*page.markdown, *page.warning, *page.success, *page.error, *page.info])


def html(page: AppTest) -> str:
    return "".join(one.value for one in page.html)


def titles(page: AppTest) -> list[str]:
    return [title.value for title in page.title]


def toasts(page: AppTest) -> list[str]:
    return [toast.value for toast in page.toast]


def outside(page: AppTest) -> list[str]:
    """What stands outside of the page's flow, in Streamlit's order. What moves in it is drawn from nothing there."""
    return [one.type for one in page._tree[RootContainer.EVENT].children.values()]


def rows(page: AppTest, place: int = 0) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in page.dataframe[place].value.to_dict("records")]


def keys(page: AppTest) -> set[str]:
    """Of the buttons."""
    return {button.key for button in page.button if button.key}


def widget(page: AppTest, key: str) -> Any:
    """Whatever is filled in there, of any kind."""
    return next(one for one in page._tree if getattr(one, "key", None) == key)


def fill(page: AppTest, form: str, /, **typed: Any) -> None:
    """Into the fields of a form that nothing was sent from yet; the page is not run."""
    for name, value in typed.items():
        widget(page, f"{form}.{name}.0").set_value(value)


def run(page: AppTest) -> None:
    page.run()
    assert not page.exception


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click()
    run(page)


def goes_away(page: AppTest, line: Line) -> None:
    """The service; the last state of the page stays, and says so."""
    line.cut()
    run(page)
    assert "最新の状態を取得できません" in said(page.warning)


def act(page: AppTest, table: str, word: str, place: int = 0) -> None:
    """As after a click into the row's menu; AppTest cannot click into a grid."""
    row = page.session_state[f"live.{table}"].data["items"][place]
    page.session_state[f"{table}.clicked"] = (word, row)
    run(page)


def choose(page: AppTest, part: str) -> None:
    page.session_state["part"] = part
    run(page)
