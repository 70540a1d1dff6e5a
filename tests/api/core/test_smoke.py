"""What `make smoke` expects after a deployment is what the service answers; at two addresses, as with `make up`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from stack import smoke


@pytest.mark.parametrize(("path", "text"), smoke.PUBLIC.items())
def test_a_public_page_has_the_expected_text(client: TestClient, path: str, text: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert text in answer.text


@pytest.mark.parametrize("path", smoke.READS.values())
def test_an_areas_list_is_there_and_closed(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


def test_without_a_proxy_each_server_is_requested_at_its_own_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    urls: set[str] = set()

    def answer(site: smoke.Site, path: str, **_: object) -> smoke.Answer:
        urls.add(f"{site.url}{path}")
        raise smoke.CheckFailed("<p>\nno")

    monkeypatch.setattr(smoke.Site, "ask", answer)
    for name in ("PUBLIC_BASE_URL", "SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GENBA_HOME", str(tmp_path))
    monkeypatch.setenv("SERVICE_PORT", "18000")
    monkeypatch.setenv("DASHBOARDS_PORT", "18501")

    assert smoke.smoke(None) == 1
    assert {"http://127.0.0.1:18000/contact", "http://127.0.0.1:18501/login"} <= urls
    assert "http://127.0.0.1:18501/contact" not in urls
    assert "FAILED  page /login: <p> no" in capsys.readouterr().out

    urls.clear()
    smoke.smoke("https://genba.example.jp/")
    assert {url.removeprefix("https://genba.example.jp")[0] for url in urls} == {"/"}
