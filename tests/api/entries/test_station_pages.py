"""The station's files as they are served: policy, freshness, and one version for all that belongs together."""

from __future__ import annotations

import json
import re

import pytest
from fastapi.testclient import TestClient

from service.entries.pages import PAGES, PATH, STATION_FOLDER, WORKER


def shell(client: TestClient) -> dict[str, object]:
    found: dict[str, object] = json.loads(client.get(f"{PATH}/shell.js").text.partition(" = ")[2].rstrip(";\n"))
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_but_its_own_files_and_asks_for_no_camera(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert policy.endswith("worker-src 'self'; manifest-src 'self'")
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert re.findall(r"<(?:script|style)[^>]*>[^<]|\sstyle=|\son[a-z]+=", answer.text) == []


def test_everything_a_page_or_module_names_is_kept_for_the_time_without_a_network(client: TestClient) -> None:
    kept = shell(client)["files"]
    assert isinstance(kept, list)
    named = set(PAGES)
    for source in (*STATION_FOLDER.glob("*.html"), *STATION_FOLDER.glob("*.js"), *STATION_FOLDER.glob("*.webmanifest")):
        text = source.read_text()
        named |= {f"{PATH}/{name}" for name in re.findall(r'from "\./([a-z]+\.js)"', text)}
        named |= set(re.findall(rf"{PATH}/[\w.-]+", text))

    assert named <= set(kept)
    assert all(client.get(path).status_code == 200 for path in kept)
    assert WORKER not in kept, "it would keep itself from being replaced"


def test_the_worker_is_asked_for_anew_each_time_and_its_scope_is_the_stations_paths(client: TestClient) -> None:
    answer = client.get(WORKER)

    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert 'const SCOPE = "/entry-exit-";' in (STATION_FOLDER / "offline.js").read_text()


def test_the_version_is_the_content(client: TestClient) -> None:
    assert re.fullmatch("[0-9a-f]{12}", str(shell(client)["version"]))
    assert shell(client) == shell(client)


@pytest.mark.parametrize("path", [*PAGES, f"{PATH}/queue.js"])
def test_who_asks_for_a_version_gets_that_one_or_nothing(client: TestClient, path: str) -> None:
    """A worker must not put files of two versions together while the service is being renewed."""
    assert client.get(path, params={"v": str(shell(client)["version"])}).status_code == 200
    assert client.get(path, params={"v": "f" * 12}).status_code == 404


@pytest.mark.parametrize("name", ["nothing.js", "login.html", "draw_icons.py", "..%2Fpyproject.toml"])
def test_nothing_else_of_the_room_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"{PATH}/{name}").status_code == 404
