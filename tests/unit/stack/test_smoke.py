"""How `make smoke` asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stack.smoke import Site


class Mirror(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def answer(self) -> None:
        asked = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(asked.get("content-length", 0))).decode()
        told = json.dumps({"method": self.command, "headers": asked, "body": body}).encode()
        self.send_response(403 if self.path == "/closed" else 200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = answer  # noqa: N815 (what http.server calls)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Site]:
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield Site(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        serving.join()


def test_who_is_signed_in_shows_the_token_and_nobody_else_does(mirror: Site) -> None:
    assert "authorization" not in mirror.ask("/").json()["headers"]
    assert mirror.ask("/", token="t").json()["headers"]["authorization"] == "Bearer t"


def test_a_body_is_posted_as_json_and_a_refusal_is_an_answer(mirror: Site) -> None:
    told = mirror.ask("/closed", body={"name": "新宿店"})

    assert (told.status, told.json()["method"], json.loads(told.json()["body"])) == (403, "POST", {"name": "新宿店"})
    assert told.json()["headers"]["content-type"] == "application/json"
    assert mirror.ask("/").json()["method"] == "GET"
