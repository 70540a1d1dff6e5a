"""What `make smoke` asks after a deployment is what the service answers; on two addresses, as `make up` has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from stack import smoke


@pytest.mark.parametrize(("path", "word"), smoke.PUBLIC.items())
def test_a_public_page_says_what_is_looked_for(client: TestClient, path: str, word: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert word in answer.text


@pytest.mark.parametrize("path", smoke.READS.values())
def test_an_areas_list_is_there_and_closed(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


def test_without_a_proxy_each_door_is_asked_at_its_own_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: set[str] = set()

    def answer(site: smoke.Site, path: str, **_: object) -> smoke.Answer:
        asked.add(f"{site.url}{path}")
        raise smoke.CheckFailed("<p>\nno")

    monkeypatch.setattr(smoke.Site, "ask", answer)
    for name in ("PUBLIC_BASE_URL", "SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GENBA_HOME", str(tmp_path))
    monkeypatch.setenv("SERVICE_PORT", "18000")
    monkeypatch.setenv("DASHBOARDS_PORT", "18501")

    assert smoke.smoke(None) == 1
    assert {"http://127.0.0.1:18000/contact", "http://127.0.0.1:18501/login"} <= asked
    assert "http://127.0.0.1:18501/contact" not in asked
    assert "FAILED  page /login: <p> no" in capsys.readouterr().out

    asked.clear()
    smoke.smoke("https://genba.example.jp/")
    assert {one.removeprefix("https://genba.example.jp")[0] for one in asked} == {"/"}
