"""Host names that the service answers to, and those that it refuses."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from service.core.http.hosts import allowed_hosts
from service.core.settings import Settings


@pytest.mark.parametrize(
    "host", ["evil.example", "", "testserver.evil.example", "127.0.0.1.evil.example", "10.0.0.7:8000"]
)
@pytest.mark.parametrize("path", ["/api/auth/me", "/api/auth/login", "/api/docs", "/nowhere"])
def test_a_name_that_is_not_ours_is_refused_in_words(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert "このホスト名では利用できません" in answer.json()["detail"]


def test_the_heartbeat_route_checks_the_host_too(client: TestClient) -> None:
    assert client.post("/api/fleet/heartbeats", headers={"Host": "evil.example"}).status_code == 421
    assert client.post("/api/fleet/heartbeats").status_code == 401


@pytest.mark.parametrize(
    "host", ["testserver", "TestServer:9999", "localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]", "localhost."]
)
def test_our_names_are_known_with_any_port(client: TestClient, host: str) -> None:
    assert client.get("/api/auth/me", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize("path", ["/api/health/live", "/api/health/ready", "/metrics"])
def test_load_balancers_and_prometheus_may_use_the_address(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code in (200, 503)


def test_the_names_are_those_of_the_settings() -> None:
    hosts = allowed_hosts(
        Settings(
            public_base_url="https://tms.techcore-internal.jp/",
            service_url="http://service:8000",
            allowed_hosts="old.example, Other.Example",
        )
    )

    assert hosts == {
        *("tms.techcore-internal.jp", "service", "old.example", "other.example"),
        *("127.0.0.1", "localhost", "[::1]"),
    }
