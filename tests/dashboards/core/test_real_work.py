"""取り込み and 処理状況 with workers that do the work, on committed rows: progress, end, result, cancel, resume."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

import dashboards.app as dashboards_app
from dashboards import client, session
from tests.dashboards.conftest import clear_session_cache, open_address
from tests.workers import Environment, environment

__all__ = ["environment"]
Opened = Callable[..., AppTest]
CUSTOMERS = "会社名,担当者,メール,電話番号,契約\nABC商事,青木 誠,aoki@abc.example,03-1234-5678,プレミアム\n"


@pytest.fixture
def alice(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of the service as alice, which the dashboards use too."""
    service = environment.sign_in("alice", fleet="admin")
    token = str(service.headers["Authorization"]).removeprefix("Bearer ")
    monkeypatch.setattr(client, "make_client", lambda: service)
    monkeypatch.setattr(session, "token", lambda: token)
    clear_session_cache()
    return service


def page_at(address: str, **query: str) -> AppTest:
    page = open_address(AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30), address, **query)
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def links(page: AppTest) -> str:
    return "\n".join(element.value for element in page.html)


def export(alice: TestClient) -> int:
    return int(alice.post("/api/core/exports", json={"list": "fleet.customers", "format": "csv"}).json()["id"])


def test_an_import_is_followed_to_its_end_and_says_what_it_did(alice: TestClient, environment: Environment) -> None:
    params = {"name": "顧客.csv", "purpose": "fleet.import"}
    file = alice.put("/api/core/files", params=params, content=CUSTOMERS.encode()).json()
    draft = alice.post("/api/core/imports", json={"kind": "fleet.customers", "file_id": file["id"]}).json()
    page = page_at("imports", id=str(draft["id"]))
    page.button(key="core.imports.run").click().run()
    assert "順番を待っています。" in texts(page)
    assert environment.rows("SELECT company_name FROM fleet_customers") == []

    assert environment.run()
    page.run()

    assert ":green-badge[:material/check_circle: 完了]" in texts(page)
    assert environment.rows("SELECT company_name FROM fleet_customers") == [("ABC商事",)]
    page.button(key="core.imports.again").click().run()
    assert "必要な列: 会社名" in texts(page)


def test_a_finished_export_is_offered_as_a_download(alice: TestClient, environment: Environment) -> None:
    task = export(alice)
    page = page_at("tasks")
    assert "終わっていない処理が1件あります。" in texts(page)
    assert "結果をダウンロード" not in links(page)

    assert environment.run()
    page.run()

    shown = page.session_state[f"core.tasks.{task}.task"]
    assert "結果をダウンロード" in links(page)
    assert f'href="{shown["result_url"]}"' in links(page)
    assert alice.get(f"/api/core{shown['result_url']}").content.decode("utf-8-sig").startswith("会社名,")


def test_a_waiting_task_is_cancelled_and_resumed_from_its_details(alice: TestClient, environment: Environment) -> None:
    task = export(alice)
    page = page_at("tasks")

    page.button(key=f"core.tasks.{task}.cancel").click().run()
    assert environment.rows("SELECT state FROM tasks") == [("cancelled",)]
    assert not environment.run()
    page.session_state["core.tasks.list.clicked"] = ("詳細", {"id": task, "title": "出力"})
    page.run()
    assert "中止しました。" in texts(page)
    page.button(key=f"core.tasks.drawer.{task}.resume").click().run()

    assert environment.rows("SELECT state FROM tasks") == [("waiting",)]
    assert environment.run()
    assert environment.rows("SELECT state FROM tasks") == [("done",)]
