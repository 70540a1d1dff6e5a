"""Clients that look at screens: people at dashboards and a nursery's tablet, each in a Chromium of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from urllib.parse import quote

import httpx2
from playwright.sync_api import Browser, Error, Page

from tests import people
from tests.chromium import at_a_desk, at_a_station, chromium, fill_in, open_station
from tests.load.callers import station_session
from tests.load.crowd import Away, Client, Scene
from tests.load.falling import PATIENCE_SECONDS
from tests.waiting import wait_for

# A page that has not got there by then is opened anew, as a person does.
PATIENCE_MS = 15_000

# Scans all day, as a scanner does: digits and Enter. Kept in the page is which scan the service had taken at which
# moment, in ms since 1970.
SCANNING = """async (given) => {
  const { on } = await import("/entry-exit-station/news.js");
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
# Of the database in the browser: what was scanned, and what still waits.
QUEUE = """(what) => import("/entry-exit-station/store.js").then(({ within, done }) =>
  within([what], "readonly", (of) => done(of(what).getAll()))).then((rows) => rows.map((row) => row.clientEventId))"""


class Screen(Client):
    """Its own Chromium, which lives and dies in its own thread."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self._held = ExitStack()
        self._browser: Browser | None = None

    def run(self) -> None:
        try:
            self._browser = self._held.enter_context(chromium())
        except BaseException as error:
            self.broken = error
            return
        super().run()

    def close(self) -> None:
        # A browser that hangs must not hide why.
        with suppress(Exception):
            self._held.close()


class Tab(Screen):
    """A person's, signed in. Whoever sees no answer opens the page anew and looks before trying again."""

    kind = "browsers"
    pause = 0.5

    def __init__(self, scene: Scene, login_id: str) -> None:
        super().__init__(scene)
        self._login_id = login_id
        self._page: Page | None = None

    def send(self, write: str) -> None:
        try:
            self._do(self._opened(), write)
        except Error as error:
            raise Away(type(error).__name__) from error

    def _do(self, page: Page, write: str) -> None:
        """Raises playwright's errors for what is not there in time."""
        raise NotImplementedError

    def _opened(self) -> Page:
        if self._page is None:
            assert self._browser is not None
            context = at_a_desk(self._browser, trusting=self.scene.trusted is not True)
            context.set_default_timeout(PATIENCE_MS)
            self._page = context.new_page()
        return self._page

    def go(self, page: Page, where: str) -> None:
        page.goto(f"{self.scene.dashboards}/{where}")
        heading, login = page.locator("h1").first, page.get_by_label("ログインID")
        heading.or_(login).first.wait_for()
        if login.is_visible():
            fill_in(page, self._login_id, people.PASSWORD)
            page.get_by_role("link", name="ログアウト").wait_for()
            page.goto(f"{self.scene.dashboards}/{where}")
        page.get_by_role("link", name="ログアウト").wait_for()
        page.locator("h1").first.wait_for()

    def press_until_gone(self, page: Page, word: str) -> None:
        """The dialog's button, until it is said that it is done: while the service is away the dialog says so, and
        the button is pressed again."""
        dialog, done = page.get_by_role("dialog"), page.get_by_test_id("stToast").first
        for _ in range(20):
            dialog.get_by_role("button", name=word, exact=True).click()
            dialog.get_by_test_id("stAlert").first.or_(done).first.wait_for()
            if done.is_visible():
                return
            self.failures["told in the dialog"] += 1
            # A person reads what it says.
            time.sleep(1)
        raise Away("still refused")


class Editor(Tab):
    """Gives a terminal's store another name, by the version that the page read. A write is the name."""

    def __init__(self, scene: Scene, login_id: str, terminal_id: int) -> None:
        super().__init__(scene, login_id)
        self.terminal_id = terminal_id

    def next(self) -> str:
        return f"店 {uuid.uuid4().hex}"

    def _do(self, page: Page, write: str) -> None:
        self.go(page, f"terminal?id={self.terminal_id}")
        named = page.locator("h1").filter(has_text=write)
        if named.is_visible():
            return
        page.get_by_role("button", name="編集する", exact=True).first.click()
        page.get_by_role("dialog").get_by_label("設置店舗名").fill(write)
        self.press_until_gone(page, "保存する")
        named.wait_for()


class Registrar(Tab):
    """Registers customers in a form. A write is the company's name."""

    def next(self) -> str:
        return f"窓口 {uuid.uuid4().hex}"

    def _do(self, page: Page, write: str) -> None:
        self.go(page, f"customers?q={quote(write)}")
        one, none = page.get_by_text("1社", exact=True), page.get_by_text("0社", exact=True)
        one.or_(none).first.wait_for()
        if one.is_visible():
            return
        page.get_by_role("button", name="顧客を登録する", exact=True).first.click()
        dialog = page.get_by_role("dialog")
        known = {"担当者": "青木 誠", "連絡先メール": "aoki@example.com", "電話番号": "03-1234-5678"}
        for label, text in ({"会社名": write} | known).items():
            dialog.get_by_label(label).fill(text)
        self.press_until_gone(page, "登録する")


class Tablet(Screen):
    """A nursery's station, which goes on scanning whatever is away. A write is a scan's id."""

    kind = "stations in Chromium"
    EVERY_MS = 700

    def __init__(self, scene: Scene, code: str, password: str, parents: Sequence[int]) -> None:
        super().__init__(scene)
        self._code, self._password, self._parents = code, password, list(parents)
        self._page: Page | None = None
        self.left: list[str] = []
        self.aside: list[str] = []

    def _turn(self) -> None:
        if self._page is None:
            try:
                self._page = self._begun()
            except (Away, httpx2.TransportError):
                return  # whoever puts a tablet up tries again
        self._note_taken(self._page)

    def _note_taken(self, page: Page) -> None:
        ahead = time.time() - time.monotonic()
        taken: list[tuple[str, float]] = page.evaluate("() => window.taken.splice(0)")
        self.done += [name for name, _ in taken]
        self.answered += [(moment / 1000 - ahead,) * 2 for _, moment in taken]

    def _begun(self) -> Page:
        session, at = station_session(self.scene, self._code, self._password), self.scene.service
        assert self._browser is not None
        context = at_a_station(self._browser, at, session, trusting=self.scene.trusted is not True)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = open_station(context, at)
        page.evaluate(SCANNING, {"parents": self._parents, "every": self.EVERY_MS})
        return page

    def close(self) -> None:
        """Waits until nothing waits in the browser."""
        with suppress(Error):
            if self._page is not None:
                self._page.evaluate("() => clearInterval(window.scanning)")
                page = self._page
                with suppress(AssertionError):
                    wait_for(lambda: not page.evaluate(QUEUE, "queue"), seconds=60, every=0.5)
                self.left = page.evaluate(QUEUE, "queue")
                self.aside = self._page.evaluate(QUEUE, "attention")
                self._note_taken(self._page)
        super().close()
