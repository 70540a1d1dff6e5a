"""探す with the keyboard, as a user who never touches the mouse."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from tests.chromium import get_session_token, set_session_cookies
from tests.stack import Stack


class HeldLine:
    """The connection of one tab. While `is_held` the server hears the browser, but the browser hears nothing.
    `refreshes`: how often the page asked to be refreshed in that time."""

    def __init__(self) -> None:
        self.is_held = False
        self.refreshes = 0
        self._held: list[str | bytes] = []

    def connect(self, browser: WebSocketRoute) -> None:
        self._browser, self._server = browser, browser.connect_to_server()
        browser.on_message(self._from_browser)
        self._server.on_message(self._from_server)

    def _from_browser(self, message: str | bytes) -> None:
        self._server.send(message)
        if self.is_held and isinstance(message, bytes):
            self.refreshes += BackMsg.FromString(message).rerun_script.is_auto_rerun

    def _from_server(self, message: str | bytes) -> None:
        self._held.append(message)
        if not self.is_held:
            self.release()

    def release(self) -> None:
        self.is_held = False
        while self._held:
            self._browser.send(self._held.pop(0))


def open_dashboard(page: Page, stack: Stack) -> None:
    set_session_cookies(page.context, stack, get_session_token(stack, "admin"))
    page.goto(f"{stack.dashboards}/dashboard")
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    # Its script has been loaded.
    expect(page.locator("input[role=combobox][aria-controls]")).to_be_attached()


def test_a_number_is_typed_and_its_page_opened_without_the_mouse(page: Page, stack: Stack) -> None:
    open_dashboard(page, stack)
    field = page.get_by_role("combobox", name="探すことば")

    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    # r and c are keys of Streamlit's own.
    field.press_sequentially("rc")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("/")
    field.fill("ＴＣ２００ー００００４２")
    option = page.get_by_role("option", name=re.compile("TC200-000042"))
    expect(option.first).to_be_visible()
    expect(option.first).to_have_attribute("aria-selected", "true")
    expect(option.first).to_have_attribute("href", re.compile(r"^/terminal\?id=\d+$"))
    page.evaluate("window.isSameDocument = true")
    field.press("Enter")

    expect(page).to_have_url(re.compile(r"/terminal\?id=\d+"))
    expect(page.get_by_role("heading", name=re.compile("TC200-000042"))).to_be_visible()
    assert page.evaluate("window.isSameDocument")
    expect(field).to_be_hidden()


def test_a_number_and_enter_open_its_page_at_once_and_a_name_is_listed(page: Page, stack: Stack) -> None:
    """As a scanner types: Enter is there before the answer."""
    open_dashboard(page, stack)
    field = page.get_by_role("combobox", name="探すことば")

    page.keyboard.press("Control+k")
    field.fill("新宿")
    field.press("Enter")
    expect(page.get_by_role("option").nth(1)).to_contain_text("新宿")
    field.fill("TC200-000042")
    field.press("Enter")

    expect(page.get_by_role("heading", name=re.compile("TC200-000042"))).to_be_visible()
    expect(field).to_be_hidden()


def test_a_page_that_is_found_stays_while_the_one_before_refreshes(context: BrowserContext, stack: Stack) -> None:
    """As on a slow line: what the server sends is held until the dashboard has refreshed itself once more."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    line = HeldLine()
    page.route_web_socket(re.compile("/_stcore/stream"), line.connect)
    open_dashboard(page, stack)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="探すことば").fill("TC200-000042")
    expect(page.get_by_role("option", name=re.compile("TC200-000042")).first).to_have_attribute("aria-selected", "true")

    line.is_held = True
    page.keyboard.press("Enter")
    while not line.refreshes:
        page.wait_for_timeout(50)
    page.wait_for_timeout(1000)
    line.release()

    heading = page.get_by_role("heading", name=re.compile("TC200-000042"))
    expect(heading).to_be_visible()
    page.wait_for_timeout(1000)
    expect(heading).to_be_visible()
    assert errors == []


def test_arrows_move_through_the_hits_and_nothing_found_is_said(page: Page, stack: Stack) -> None:
    open_dashboard(page, stack)
    field = page.get_by_role("combobox", name="探すことば")
    page.get_by_role("button", name="探す").click()

    field.fill("新宿")
    expect(page.get_by_role("option").nth(1)).to_contain_text("新宿")
    field.press("ArrowDown")
    expect(page.get_by_role("option").nth(1)).to_have_attribute("aria-selected", "true")
    field.press("ArrowUp")
    field.press("ArrowUp")
    expect(page.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    field.fill("どこにもないことば")
    expect(page.get_by_text("「どこにもないことば」に当てはまるものは見つかりませんでした。")).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(0)


def test_a_slash_opens_nothing_over_a_dialog_or_beside_a_scanners_field(page: Page, stack: Stack) -> None:
    open_dashboard(page, stack)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    field = page.get_by_role("combobox", name="探すことば")
    # As a browser that fills in a field.
    page.evaluate("document.dispatchEvent(new Event('keydown'))")
    page.goto(f"{stack.dashboards}/stocktakes")
    expect(page.locator("input[role=combobox][aria-controls]")).to_be_attached()

    page.get_by_role("button", name="棚卸を始める").click()
    page.get_by_role("dialog").get_by_text("棚卸を始める").click()
    page.keyboard.press("/")
    expect(field).to_be_hidden()
    page.get_by_role("dialog").get_by_role("combobox").click()
    page.get_by_role("option", name="大阪").click()
    page.get_by_role("dialog").get_by_role("button", name="始める", exact=True).click()
    expect(page.get_by_placeholder("QRコードをスキャン、または拠点管理番号を入力")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")

    expect(field).to_be_hidden()
    assert errors == []
