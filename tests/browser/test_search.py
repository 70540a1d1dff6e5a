"""The script of 探す in a real browser, without Streamlit: its element comes late, and anew, as on a slow machine."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from dashboards.core import search
from tests.browser.scripts import open_script_page

PAGE = f"""<!doctype html><meta charset="utf-8"><div id="host"></div>
<script type="module">
import render from "./search.js";
const host = document.querySelector("#host");
let stop = () => {{}};
const nothing = {{ text: "", groups: [], note: "", failed: false }};
window.asked = [];
window.mount = () => {{
  stop();
  host.innerHTML = `{search._HTML}`;
  const setStateValue = (name, value) => window.asked.push(value.text);
  stop = render({{ data: {{ answer: nothing, start: nothing }}, parentElement: host, setStateValue }});
}};
</script>"""


def test_the_button_cannot_be_pressed_before_its_script_is_there(page: Page) -> None:
    open_script_page(page, PAGE, "window.mount !== undefined")
    page.locator("#host").evaluate("(host, html) => { host.innerHTML = html; }", search._HTML)
    expect(page.get_by_role("button", name="探す")).to_be_disabled()

    page.evaluate("window.mount()")
    page.get_by_role("button", name="探す").click()
    expect(page.get_by_role("combobox")).to_be_focused()


def test_what_is_typed_stays_when_the_element_is_put_in_anew(page: Page) -> None:
    open_script_page(page, PAGE, "window.mount !== undefined")
    page.evaluate("window.mount()")
    page.get_by_role("button", name="探す").click()
    page.keyboard.type("新宿")

    page.evaluate("window.mount()")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("店")
    expect(page.get_by_role("combobox")).to_have_value("新宿店")
    page.wait_for_function("window.asked.at(-1) === '新宿店'")

    page.keyboard.press("Escape")
    page.evaluate("window.mount()")
    expect(page.get_by_role("combobox")).to_be_hidden()
