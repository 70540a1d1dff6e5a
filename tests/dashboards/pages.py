"""What tests do on a page, and what they read there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from streamlit.testing.v1 import AppTest

Screen = Callable[..., AppTest]


def said(elements: Iterable[Any]) -> str:
    """Without the backslashes that keep it plain."""
    return "\n".join(element.value for element in elements).replace("\\", "")


def texts(page: AppTest) -> str:
    """All that stands there, boxes of colour included."""
    return said([*page.markdown, *page.warning, *page.success, *page.error, *page.info])


def html(page: AppTest) -> str:
    return "".join(one.value for one in page.html)


def rows(page: AppTest, place: int = 0) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in page.dataframe[place].value.to_dict("records")]


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def act(page: AppTest, table: str, word: str, place: int = 0) -> None:
    """As after a click into the row's menu; AppTest cannot click into a grid."""
    row = page.session_state[f"live.{table}"].data["items"][place]
    page.session_state[f"{table}.clicked"] = (word, row)
    page.run()
    assert not page.exception


def choose(page: AppTest, part: str) -> None:
    page.session_state["part"] = part
    page.run()
    assert not page.exception
