"""The station's files as they are served: policy, caching, and one version for all of them."""

from __future__ import annotations

import json
import re

import pytest
from fastapi.testclient import TestClient

from service.entries.pages import PAGES, PATH, STATION_FOLDER, WORKER


def shell(client: TestClient) -> dict[str, object]:
    body: dict[str, object] = json.loads(client.get(f"{PATH}/shell.js").text.partition(" = ")[2].rstrip(";\n"))
    return body


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_but_its_own_files_and_asks_for_no_camera(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert policy.endswith("worker-src 'self'; manifest-src 'self'")
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert re.findall(r"<(?:script|style)[^>]*>[^<]|\sstyle=|\son[a-z]+=", response.text) == []


def test_everything_a_page_or_module_names_is_cached_for_offline_use(client: TestClient) -> None:
    cached = shell(client)["files"]
    assert isinstance(cached, list)
    named = set(PAGES)
    for source in (*STATION_FOLDER.glob("*.html"), *STATION_FOLDER.glob("*.js"), *STATION_FOLDER.glob("*.webmanifest")):
        text = source.read_text()
        named |= {f"{PATH}/{name}" for name in re.findall(r'from "\./([a-z]+\.js)"', text)}
        named |= set(re.findall(rf"{PATH}/[\w.-]+", text))

    assert named <= set(cached)
    assert all(client.get(path).status_code == 200 for path in cached)
    assert WORKER not in cached, "it would keep itself from being replaced"


def test_the_worker_is_not_cached_and_its_scope_is_the_stations_paths(client: TestClient) -> None:
    response = client.get(WORKER)

    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert 'const SCOPE = "/entry-exit-";' in (STATION_FOLDER / "offline.js").read_text()


def test_the_version_is_the_content(client: TestClient) -> None:
    assert re.fullmatch("[0-9a-f]{12}", str(shell(client)["version"]))
    assert shell(client) == shell(client)


@pytest.mark.parametrize("path", [*PAGES, f"{PATH}/queue.js"])
def test_a_requested_version_is_served_or_not_found(client: TestClient, path: str) -> None:
    """A worker must not mix files of two versions during a deployment."""
    assert client.get(path, params={"v": str(shell(client)["version"])}).status_code == 200
    assert client.get(path, params={"v": "f" * 12}).status_code == 404


@pytest.mark.parametrize("name", ["nothing.js", "login.html", "draw_icons.py", "..%2Fpyproject.toml"])
def test_no_other_file_of_the_folder_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"{PATH}/{name}").status_code == 404
