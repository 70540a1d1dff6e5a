"""Load clients with a real Chromium each: users at the dashboards and a nursery's tablet."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from urllib.parse import quote

import httpx2
from playwright.sync_api import Browser, Error, Page

from tests import people
from tests.chromium import chromium, desktop_context, open_station, station_context, submit_sign_in
from tests.load.callers import station_session
from tests.load.kills import PATIENCE_SECONDS
from tests.load.load_clients import Client, RunningProduct, Unavailable
from tests.waiting import wait_for

# A page that is not ready by then is opened again, as a user would.
PATIENCE_MS = 15_000

# Scans without end, as a scanner does: digits and Enter. `window.taken` has the accepted scans and their times, in ms
# since 1970.
SCANNING = """async (given) => {
  const { on } = await import("/entry-exit-station/events.js");
  const scanner = document.getElementById("scan");
  window.taken = [];
  on("settled", (outcomes) => {
    for (const one of outcomes) if (one.result === "done") window.taken.push([one.clientEventId, Date.now()]);
  });
  const press = (key, code) => scanner.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
  let turn = 0;
  window.scanning = setInterval(() => {
    const round = Math.floor(turn / given.parents.length);
    document.getElementById(round % 2 ? "exit" : "entry").click();
    for (const digit of String(given.parents[turn % given.parents.length])) press(digit, `Digit${digit}`);
    press("Enter", "Enter");
    turn += 1;
  }, given.every);
}"""
# Reads IndexedDB: scans that still wait (`queue`) or were set aside (`attention`).
QUEUE = """(what) => import("/entry-exit-station/store.js").then(({ within, done }) =>
  within([what], "readonly", (of) => done(of(what).getAll()))).then((rows) => rows.map((row) => row.clientEventId))"""


class BrowserClient(Client):
    """Has its own Chromium, which runs in the client's own thread."""

    def __init__(self, product: RunningProduct) -> None:
        super().__init__()
        self.product = product
        self._exit_stack = ExitStack()
        self._browser: Browser | None = None

    def run(self) -> None:
        try:
            self._browser = self._exit_stack.enter_context(chromium())
        except BaseException as error:
            self.error = error
            return
        super().run()

    def close(self) -> None:
        # A browser that hangs must not hide the first error.
        with suppress(Exception):
            self._exit_stack.close()


class DashboardTab(BrowserClient):
    """A signed-in user. Without an answer the client opens the page again and checks before it retries."""

    kind = "browsers"
    pause = 0.5

    def __init__(self, product: RunningProduct, login_id: str) -> None:
        super().__init__(product)
        self._login_id = login_id
        self._page: Page | None = None

    def send(self, write: str) -> None:
        try:
            self._do(self._get_page(), write)
        except Error as error:
            raise Unavailable(type(error).__name__) from error

    def _do(self, page: Page, write: str) -> None:
        """Raises playwright's errors for an element that does not appear in time."""
        raise NotImplementedError

    def _get_page(self) -> Page:
        if self._page is None:
            assert self._browser is not None
            context = desktop_context(self._browser, trusting=self.product.trusted is not True)
            context.set_default_timeout(PATIENCE_MS)
            self._page = context.new_page()
        return self._page

    def go(self, page: Page, path: str) -> None:
        page.goto(f"{self.product.dashboards}/{path}")
        heading, login = page.locator("h1").first, page.get_by_label("ログインID")
        heading.or_(login).first.wait_for()
        if login.is_visible():
            submit_sign_in(page, self._login_id, people.PASSWORD)
            page.get_by_role("link", name="ログアウト").wait_for()
            page.goto(f"{self.product.dashboards}/{path}")
        page.get_by_role("link", name="ログアウト").wait_for()
        page.locator("h1").first.wait_for()

    def press_until_done(self, page: Page, button_name: str) -> None:
        """Presses the dialog's button until a toast reports success. While the service is unavailable, the dialog shows
        an error and the button is pressed again."""
        dialog, done = page.get_by_role("dialog"), page.get_by_test_id("stToast").first
        for _ in range(20):
            dialog.get_by_role("button", name=button_name, exact=True).click()
            dialog.get_by_test_id("stAlert").first.or_(done).first.wait_for()
            if done.is_visible():
                return
            self.failures["told in the dialog"] += 1
            # A user reads the message first.
            time.sleep(1)
        raise Unavailable("still refused")


class Editor(DashboardTab):
    """Renames a terminal's store, with the version that the page has read. A write is the name."""

    def __init__(self, product: RunningProduct, login_id: str, terminal_id: int) -> None:
        super().__init__(product, login_id)
        self.terminal_id = terminal_id

    def next(self) -> str:
        return f"店 {uuid.uuid4().hex}"

    def _do(self, page: Page, write: str) -> None:
        self.go(page, f"terminal?id={self.terminal_id}")
        heading = page.locator("h1").filter(has_text=write)
        if heading.is_visible():
            return
        page.get_by_role("button", name="編集する", exact=True).first.click()
        page.get_by_role("dialog").get_by_label("設置店舗名").fill(write)
        self.press_until_done(page, "保存する")
        heading.wait_for()


class Registrar(DashboardTab):
    """Registers customers in a form. A write is the company name."""

    def next(self) -> str:
        return f"窓口 {uuid.uuid4().hex}"

    def _do(self, page: Page, write: str) -> None:
        self.go(page, f"customers?q={quote(write)}")
        match, no_match = page.get_by_text("1社", exact=True), page.get_by_text("0社", exact=True)
        match.or_(no_match).first.wait_for()
        if match.is_visible():
            return
        page.get_by_role("button", name="顧客を登録する", exact=True).first.click()
        dialog = page.get_by_role("dialog")
        contact = {"担当者": "青木 誠", "連絡先メール": "aoki@example.com", "電話番号": "03-1234-5678"}
        for label, text in ({"会社名": write} | contact).items():
            dialog.get_by_label(label).fill(text)
        self.press_until_done(page, "登録する")


class Tablet(BrowserClient):
    """A nursery's station, which scans all the time whatever is unavailable. A write is a scan's id."""

    kind = "stations in Chromium"
    SCAN_INTERVAL_MS = 700

    def __init__(self, product: RunningProduct, code: str, password: str, parents: Sequence[int]) -> None:
        super().__init__(product)
        self._code, self._password, self._parents = code, password, list(parents)
        self._page: Page | None = None
        self.waiting: list[str] = []
        self.set_aside: list[str] = []

    def _run_once(self) -> None:
        if self._page is None:
            try:
                self._page = self._open_and_scan()
            except (Unavailable, httpx2.TransportError):
                return  # the next turn tries again
        self._record_accepted(self._page)

    def _record_accepted(self, page: Page) -> None:
        clock_offset = time.time() - time.monotonic()
        accepted: list[tuple[str, float]] = page.evaluate("() => window.taken.splice(0)")
        self.completed += [event_id for event_id, _ in accepted]
        self.answered += [(at_ms / 1000 - clock_offset,) * 2 for _, at_ms in accepted]

    def _open_and_scan(self) -> Page:
        session, service_url = station_session(self.product, self._code, self._password), self.product.service
        assert self._browser is not None
        context = station_context(self._browser, service_url, session, trusting=self.product.trusted is not True)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = open_station(context, service_url)
        page.evaluate(SCANNING, {"parents": self._parents, "every": self.SCAN_INTERVAL_MS})
        return page

    def close(self) -> None:
        """Waits until the queue in the browser is empty."""
        with suppress(Error):
            if self._page is not None:
                self._page.evaluate("() => clearInterval(window.scanning)")
                page = self._page
                with suppress(AssertionError):
                    wait_for(lambda: not page.evaluate(QUEUE, "queue"), seconds=60, every=0.5)
                self.waiting = page.evaluate(QUEUE, "queue")
                self.set_aside = self._page.evaluate(QUEUE, "attention")
                self._record_accepted(self._page)
        super().close()
