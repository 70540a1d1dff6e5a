"""Files in Chromium, through the dashboards, to the real service: sent by our page, refused from a foreign page."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, Page

from dashboards.session import SESSION_COOKIE
from service.core.access.identity import open_session
from tests import people
from tests.conftest import Service
from tests.dashboards.dashboards import Dashboards
from tests.pictures import picture

ADDRESS = "/files?name=%E7%8F%BE%E5%9C%B0.jpg&purpose=fleet.terminal_photo"
SEND = """async ([address, content, headers]) => {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  try {
    const answer = await fetch(address, {method: "PUT", body: bytes, headers, credentials: "include"});
    return [answer.status, answer.status < 500 ? await answer.json() : null];
  } catch (error) {
    return [0, String(error)];
  }
}"""
SHOW = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  return [image.naturalWidth, image.naturalHeight];
}"""


@pytest.fixture
def olivia(context: BrowserContext, service: Service, dashboards: Dashboards) -> Page:
    """A page of ours, signed in."""
    with service.committed() as db:
        user = people.create_user(db, f"browser-{id(context)}", fleet="operator")
        token, _ = open_session(db, user, "browser", timedelta(hours=1))
    context.add_cookies(
        [{"name": SESSION_COOKIE, "value": token, "url": dashboards.url, "httpOnly": True, "sameSite": "Lax"}]
    )
    page = context.new_page()
    page.goto(f"{dashboards.url}/app/static/mark.svg")
    return page


@pytest.fixture
def foreign() -> Iterator[str]:
    """A foreign page, on another host name."""

    class ForeignHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>evil</h1>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), ForeignHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join(5)


def send(page: Page, address: str, headers: dict[str, str]) -> tuple[int, object]:
    content = base64.b64encode(picture(orientation=6, gps=True)).decode()
    status, body = page.evaluate(SEND, [address, content, headers])
    return status, body


def test_our_page_sends_a_photo_and_shows_it_upright(olivia: Page, dashboards: Dashboards) -> None:
    status, body = send(olivia, ADDRESS, {"X-Requested-With": "genba"})

    assert status == 201
    assert isinstance(body, dict)
    assert (body["name"], body["content_type"], body["width"], body["height"]) == ("現地.jpg", "image/jpeg", 400, 640)
    assert olivia.evaluate(SHOW, f"/files/{body['id']}") == [400, 640]
    assert olivia.evaluate(SHOW, f"/files/{body['id']}?thumbnail=1") == [300, 480]
    # Opened directly it is shown, under a policy that allows it nothing.
    response = olivia.goto(f"{dashboards.url}/files/{body['id']}")
    assert response is not None
    assert "sandbox" in response.headers["content-security-policy"]


def test_a_file_that_is_no_photo_is_refused_with_a_message(olivia: Page) -> None:
    content = base64.b64encode(b"<html><script>alert(1)</script></html>").decode()

    status, body = olivia.evaluate(SEND, [ADDRESS, content, {"X-Requested-With": "genba"}])

    assert status == 415
    assert "使える形式は JPEG画像、PNG画像、WebP画像 です。" in body["detail"]


def test_a_foreign_page_sends_nothing_in_the_users_name(
    olivia: Page, dashboards: Dashboards, service: Service, foreign: str
) -> None:
    count_before = service.rows("SELECT count(*) FROM files")
    olivia.goto(foreign)

    with_header = send(olivia, f"{dashboards.url}{ADDRESS}", {"X-Requested-With": "genba"})
    without_header = send(olivia, f"{dashboards.url}{ADDRESS}", {})

    assert (with_header[0], without_header[0]) == (0, 0), "the browser may not even ask"
    assert service.rows("SELECT count(*) FROM files") == count_before


def test_a_download_is_saved_and_the_page_stays(olivia: Page) -> None:
    with olivia.expect_download() as downloading:
        olivia.evaluate("location.assign('/download/api/fleet/summary')")

    assert '"terminals"' in downloading.value.path().read_text()
