"""What tests do on a page, and what they read there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.testing.v1 import AppTest

from dashboards import pending_counts
from dashboards.ui.text import JOINT
from service.core.access.identity import User
from tests.dashboards.conftest import Network

Screen = Callable[..., AppTest]
OpenTab = Callable[[User], AppTest]
OpenPage = Callable[..., AppTest]

REFUSED = "この画面を表示する権限がありません"


def text_of(elements: Iterable[Any]) -> str:
    """The texts of the elements, without the backslashes and joints that escape Markdown."""
    return "\n".join(element.value for element in elements).replace("\\", "").replace(JOINT, "")


def menu_counts(page: AppTest) -> dict[str, int]:
    """The numbers in the menu, by URL path."""
    cached = pending_counts._cache.get(page.session_state["test.token"])
    return cached.pages if cached else {}


def texts(page: AppTest) -> str:
    """All text of the page, coloured boxes included."""
    return text_of([*page.markdown, *page.warning, *page.success, *page.error, *page.info])


def html(page: AppTest) -> str:
    return "".join(element.value for element in page.html)


def titles(page: AppTest) -> list[str]:
    return [text_of([title]) for title in page.title]


def toasts(page: AppTest) -> list[str]:
    return [text_of([toast]) for toast in page.toast]


def overlays(page: AppTest) -> list[str]:
    """The types of the elements outside of the page's flow (dialogs, toasts), in Streamlit's order. An element that
    moves in this order is drawn from scratch."""
    return [element.type for element in page._tree[RootContainer.EVENT].children.values()]


def dialogs(page: AppTest) -> list[str]:
    """The titles of the open dialogs and drawers."""
    opened = page._tree[RootContainer.EVENT].children.values()
    return [block.proto.dialog.title for block in opened if block.type == "dialog"]


def lists(page: AppTest) -> list[dict[str, Any]]:
    """What the browser draws of each list, in the page's order: see `dashboards/components/list.js`."""
    drawn = [element.proto for element in page.get("bidi_component")]
    return [json.loads(proto.json) for proto in drawn if proto.component_name == "genba.list"]


def column_titles(page: AppTest, index: int = 0) -> list[str]:
    return [column["title"] for column in lists(page)[index]["columns"]]


def rows(page: AppTest, index: int = 0) -> list[dict[str, Any]]:
    """The cells of a list by column title; of a badge its labels."""
    titles = column_titles(page, index)
    return [dict(zip(titles, map(_cell, row["cells"]), strict=True)) for row in lists(page)[index]["rows"]]


def cells(page: AppTest, title: str, index: int = 0) -> list[Any]:
    return [row[title] for row in rows(page, index)]


def _cell(cell: Any) -> Any:
    return [label for label, _ in cell] if isinstance(cell, list) else cell


def keys(page: AppTest) -> set[str]:
    """The keys of the buttons."""
    return {button.key for button in page.button if button.key}


def widget(page: AppTest, key: str) -> Any:
    """The input widget with this key, of any kind."""
    return next(element for element in page._tree if getattr(element, "key", None) == key)


def fill(page: AppTest, form: str, /, **values: Any) -> None:
    """Types into the fields of a form that was not sent yet. The page is not run."""
    for name, value in values.items():
        widget(page, f"{form}.{name}.0").set_value(value)


def run(page: AppTest) -> None:
    page.run()
    assert not page.exception


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click()
    run(page)


def assert_survives_outage(page: AppTest, network: Network) -> None:
    """Without the service the page keeps its last state, and says so."""
    network.cut()
    run(page)
    assert "最新の状態を取得できません" in text_of(page.warning)


def click_row_action(page: AppTest, table: str, label: str, index: int = 0) -> None:
    """As after a click in the row's menu: AppTest cannot click into a grid."""
    row = page.session_state[f"live.{table}"].data["items"][index]
    page.session_state[f"{table}.clicked"] = (label, row)
    run(page)


def choose_part(page: AppTest, part: str) -> None:
    page.session_state["part"] = part
    run(page)
