"""Scripts of `dashboards/components` in a real browser, without Streamlit: a page that a test writes."""

from __future__ import annotations

from playwright.sync_api import Page, Route

from stack.home import ROOT

ADDRESS = "http://components.test/"
FOLDER = ROOT / "dashboards" / "components"


def open_script_page(page: Page, html: str, ready: str) -> None:
    """Open `html`, which may import the scripts by their file names, and wait until the JavaScript `ready` is true."""

    def serve(route: Route) -> None:
        if route.request.url == ADDRESS:
            route.fulfill(content_type="text/html", body=html)
        else:
            route.fulfill(path=FOLDER / route.request.url.removeprefix(ADDRESS))

    page.route(f"{ADDRESS}**", serve)
    page.goto(ADDRESS)
    page.wait_for_function(ready)
