"""The list's script in a real browser, without Streamlit: a page that draws what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.scripts import FOLDER, open_script_page

PAGE = f"""<!doctype html><meta charset="utf-8"><div id="host"></div>
<script type="module">
import render from "./list.js";
const parentElement = document.querySelector("#host").attachShadow({{ mode: "open" }});
parentElement.innerHTML = `<style>{(FOLDER / "list.css").read_text()}</style><div class="list"></div>`;
window.sent = [];
window.draw = (data) => render({{ data, parentElement, setTriggerValue: (...sent) => window.sent.push(sent) }});
</script>"""
FOCUS = """() => {
    const at = document.querySelector("#host").shadowRoot.activeElement;
    return at && [at.closest("tbody tr")?.dataset.id ?? null, at.ariaLabel ?? at.textContent];
}"""

Draw = Callable[..., None]


@pytest.fixture
def draw(page: Page) -> Draw:
    """draw("CAB") draws the rows C, A and B in this order."""
    open_script_page(page, PAGE, "window.draw !== undefined")

    def draw_list(names: str, note: str = "", **data: Any) -> None:
        rows: list[dict[str, Any]] = [
            {"id": name, "href": None, "cells": [f"端末{name}", note, "東京"], "hints": {}, "sort_values": {}}
            for name in names
        ]
        column = {"kind": "text", "width": 120, "right": False, "help": "", "sort": False, "order": None}
        defaults: dict[str, Any] = {
            "alt": "端末",
            "columns": [column | {"title": title} for title in ("名前", "メモ", "場所")],
            "rows": rows,
            "actions": ["詳細", "再起動する", "削除する"],
            "opens": True,
            "bulk": ["再起動する"],
            "selection": "",
            "hidden": [],
            "local": False,
            "scrolls": False,
        }
        page.evaluate("(data) => window.draw(data)", defaults | data)

    return draw_list


def tick(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_label(f"端末{name}を選ぶ").check()


def sent(page: Page) -> Any:
    return page.evaluate("window.sent.splice(0)")


def test_a_refresh_that_moves_rows_keeps_the_focus_and_the_text_selected_in_others(page: Page, draw: Draw) -> None:
    draw("ABC")
    button = page.get_by_role("button", name="詳細").nth(2)
    button.focus()
    page.get_by_text("端末B").select_text()
    selected = "document.querySelector('#host').shadowRoot.getSelection().toString()"

    draw("CAB")
    assert page.evaluate(selected) == "端末B"
    assert page.evaluate(FOCUS) == ["C", "詳細"]
    for order, note in (("ACB", ""), ("BC", ""), ("CB", "変わった")):
        draw(order, note)
        assert page.evaluate(FOCUS) == ["C", "詳細"], order


def test_what_is_chosen_stays_chosen_until_it_was_acted_upon(page: Page, draw: Draw) -> None:
    draw("ABC")
    tick(page, "A", "C")
    act = page.get_by_role("button", name="再起動する")
    act.focus()
    draw("CAB", note="変わった")
    expect(page.get_by_text("2件を選択中")).to_be_visible()
    assert page.evaluate(FOCUS) == [None, "再起動する"]
    act.press("Enter")
    assert sent(page) == [["bulk", {"ids": ["A", "C"], "label": "再起動する"}]]

    draw("AB")
    expect(page.get_by_text("1件を選択中")).to_be_visible()
    draw("AB", selection="other conditions")
    expect(page.get_by_text("件を選択中")).not_to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_after_the_selection_is_cleared_the_focus_is_in_the_list(page: Page, draw: Draw) -> None:
    draw("ABC")
    page.get_by_label("表示している行をすべて選ぶ").check()
    expect(page.get_by_text("3件を選択中")).to_be_visible()

    page.get_by_role("button", name="選択を解除").press("Enter")

    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    assert page.evaluate(FOCUS) == [None, "表示している行をすべて選ぶ"]


def test_arrow_keys_go_from_row_to_row(page: Page, draw: Draw) -> None:
    draw("ABC")
    page.get_by_label("端末Aを選ぶ").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUS) == ["C", "端末Cを選ぶ"]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUS) == ["B", "端末Bを選ぶ"]


def test_columns_are_chosen_at_once_however_fast(page: Page, draw: Draw) -> None:
    draw("AB")
    button = page.get_by_label("表示する列を選ぶ").first
    expect(button).to_have_attribute("aria-expanded", "false")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    page.get_by_role("checkbox", name="メモ").uncheck()
    draw("BA")  # A refresh that knows nothing of it yet.
    page.get_by_role("checkbox", name="場所").uncheck()
    assert sent(page) == []
    expect(page.get_by_role("columnheader", name="メモ")).to_have_count(0)

    page.keyboard.press("Escape")

    assert sent(page) == [["hidden", ["メモ", "場所"]]]
    expect(button).to_have_attribute("aria-expanded", "false")
    assert page.evaluate(FOCUS) == [None, "表示する列を選ぶ"]
    draw("AB", hidden=["場所"])  # As chosen in another tab.
    expect(page.get_by_role("columnheader", name="メモ")).to_be_visible()
    page.get_by_label("ほかの操作").first.click()
    page.get_by_role("button", name="削除する").click()
    assert sent(page) == [["action", {"id": "A", "label": "削除する"}]]


@pytest.mark.parametrize("browser_knows_what_is_selected", [True, False])
def test_text_is_selected_without_opening_its_row(
    page: Page, draw: Draw, *, browser_knows_what_is_selected: bool
) -> None:
    if not browser_knows_what_is_selected:  # Firefox and Safari.
        page.evaluate("delete ShadowRoot.prototype.getSelection; document.getSelection = () => ''")
    draw("AB")
    box = page.get_by_text("端末A").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 5)
    page.mouse.up()
    assert sent(page) == []

    page.get_by_text("東京").first.click()
    assert sent(page) == [["action", {"id": "A", "label": "詳細"}]]


@pytest.mark.parametrize(
    ("cells", "sort_values", "ascending"),
    [
        (["12.5%", "–", "9.5%"], [12.5, None, 9.5], ["9.5%", "12.5%", "–"]),
        (["3分前", "通信なし", "12分前"], [300.0, None, 200.0], ["12分前", "3分前", "通信なし"]),
        (["レジ10番", "–", "レジ9番"], None, ["レジ9番", "レジ10番", "–"]),
    ],
)
def test_the_browser_sorts_by_what_is_meant_and_what_is_missing_comes_last(
    page: Page, draw: Draw, cells: list[str], sort_values: list[float | None] | None, ascending: list[str]
) -> None:
    rows = [
        {
            "id": str(number),
            "href": None,
            "cells": [cell],
            "hints": {},
            "sort_values": {"値": sort_values[number]} if sort_values else {},
        }
        for number, cell in enumerate(cells)
    ]
    column = {"title": "値", "kind": "text", "width": 90, "right": False, "help": "", "sort": False, "order": None}
    draw("", columns=[column], rows=rows, local=True, actions=[], bulk=[], opens=False)
    shown = page.locator("tbody th")

    page.get_by_role("button", name="値").click()
    expect(shown).to_have_text(ascending)
    page.get_by_role("button", name="値").click()
    expect(shown).to_have_text([*ascending[1::-1], ascending[2]])


def test_cards_have_a_bar_to_choose_all_and_columns_and_no_hidden_stops(page: Page, draw: Draw) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    draw("AB", local=True)
    every = page.get_by_text("すべて選ぶ")
    columns = page.get_by_label("表示する列を選ぶ").first
    for part in (every, columns):
        box = part.locator("xpath=ancestor-or-self::*[self::label or self::button]").bounding_box()
        assert box is not None
        assert box["height"] >= 44
    first = page.locator("tbody tr").first.bounding_box()
    assert first is not None
    assert first["y"] <= 64

    every.click()
    expect(page.get_by_text("2件を選択中")).to_be_visible()
    page.get_by_label("表示している行をすべて選ぶ").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == [None, "表示する列を選ぶ"]
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == ["A", "端末Aを選ぶ"]
