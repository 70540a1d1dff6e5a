"""Host names under which the dashboards answer, and those under which they answer no page."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dashboards.hosts import allowed_hosts
from dashboards.settings import Settings


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "10.0.0.7:8501", ""])
@pytest.mark.parametrize("path", ["/", "/login", "/dashboard", "/app/static/mark.svg"])
def test_a_name_that_is_not_ours_is_refused_in_words(web: TestClient, host: str, path: str) -> None:
    answer = web.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert "管理者から案内されたURLで開き直してください" in answer.text


def test_no_websocket_is_opened_under_a_name_that_is_not_ours(signed_in: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        signed_in.websocket_connect("/_stcore/stream", subprotocols=["streamlit"], headers={"Host": "evil.example"}),
    ):
        pass


@pytest.mark.parametrize("host", ["testserver:8501", "LOCALHOST", "[::1]:8501", "127.0.0.1"])
def test_our_names_are_accepted_with_any_port(web: TestClient, host: str) -> None:
    assert web.get("/login", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/_stcore/health"])
def test_load_balancers_check_the_health_by_address(web: TestClient, path: str) -> None:
    assert web.get(path, headers={"Host": "10.0.0.7:8501"}).status_code == 200


def test_the_names_are_those_of_the_settings() -> None:
    config = Settings(public_base_url="https://tms.techcore-internal.jp/", allowed_hosts="old.example")

    assert allowed_hosts(config) == {"tms.techcore-internal.jp", "old.example", "127.0.0.1", "localhost", "[::1]"}
