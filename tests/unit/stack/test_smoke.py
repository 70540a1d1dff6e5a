"""The requests of `make smoke`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stack.smoke import Site


class Mirror(BaseHTTPRequestHandler):
    """Answers with the request that it got."""

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0))).decode()
        response_body = json.dumps({"method": self.command, "headers": headers, "body": body}).encode()
        self.send_response(403 if self.path == "/closed" else 200)
        self.send_header("Content-Length", str(len(response_body)))
        self.end_headers()
        self.wfile.write(response_body)

    do_GET = do_POST = answer  # noqa: N815 (names from http.server)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Site]:
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_the_token_is_sent_only_if_given(mirror: Site) -> None:
    assert "authorization" not in mirror.ask("/").json()["headers"]
    assert mirror.ask("/", token="t").json()["headers"]["authorization"] == "Bearer t"


def test_a_body_is_posted_as_json_and_an_error_status_is_an_answer(mirror: Site) -> None:
    answer = mirror.ask("/closed", body={"name": "新宿店"})

    assert (answer.status, answer.json()["method"], json.loads(answer.json()["body"])) == (
        403,
        "POST",
        {"name": "新宿店"},
    )
    assert answer.json()["headers"]["content-type"] == "application/json"
    assert mirror.ask("/").json()["method"] == "GET"
