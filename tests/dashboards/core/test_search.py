"""探す: what the box searches, what it shows, and where it leads."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.core import search
from dashboards.ui import components
from tests import factories
from tests.api.entries.conftest import create_nursery
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, cells, titles


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the component in the browser was given last (`data`), and an address that it opens next (`opened`)."""
    seen: dict[str, Any] = {}

    def component(name: str, html: str, css: str = "files.css") -> Any:
        def draw(*, data: Any, **_: Any) -> dict[str, Any]:
            seen["data"] = data
            return {"opened": seen.pop("opened", None)}

        return draw if name == "search" else components.component(name, html, css=css)

    monkeypatch.setattr(search, "component", component)
    return seen


def search_for(page: AppTest, text: str) -> None:
    page.session_state[search.KEY] = {"query": {"text": text, "at": text}}
    page.run()
    assert not page.exception


def hits(browser: dict[str, Any]) -> dict[str, list[str]]:
    return {group["title"]: [hit["title"] for hit in group["hits"]] for group in browser["data"]["answer"]["groups"]}


def test_records_and_pages_are_found_with_their_state(db: Session, screen: Screen, browser: dict[str, Any]) -> None:
    factories.terminal(db, serial_number="TC200-000042")
    page = screen("olivia", fleet="operator").run()

    search_for(page, "tc200-000042")
    [group] = browser["data"]["answer"]["groups"]
    assert group["title"] == "端末"
    assert group["hits"][0]["badge"] == {"label": "オフライン", "color": "red"}

    search_for(page, "たんまつ")
    assert browser["data"]["answer"]["note"].startswith("「たんまつ」に当てはまるものは見つかりませんでした。")
    search_for(page, "端末 一覧")
    assert hits(browser)["画面"][0] == "端末一覧"
    search_for(page, "故障")
    assert hits(browser) == {"画面": ["アラート一覧"]}
    search_for(page, "パスワード")
    assert hits(browser) == {"画面": ["アカウント"]}


def test_characters_that_nobody_sees_are_marked(db: Session, screen: Screen, browser: dict[str, Any]) -> None:
    # From before such characters were refused.
    factories.customer(db, "新宿商店").company_name = "新宿\u202e店"
    db.commit()
    page = screen("olivia", fleet="operator").run()

    search_for(page, "新宿")
    [group] = browser["data"]["answer"]["groups"]

    assert group["hits"][0]["title"] == "新宿［U+202E］店"


def test_where_no_list_shows_the_others_it_is_said_that_there_are_some(
    db: Session, screen: Screen, browser: dict[str, Any]
) -> None:
    for number in range(9):
        create_nursery(db, "", f"さくら保育園{number}", f"ABC{number}", {})
    db.commit()
    page = screen("alice", entries="admin").run()

    search_for(page, "さくら")

    [group] = browser["data"]["answer"]["groups"]
    assert group["more"] is None
    assert group["rest"] == "ほかにもあります。ことばを足すと、絞り込めます。"


def test_the_service_is_called_once_for_a_query(screen: Screen, network: Network, browser: dict[str, Any]) -> None:
    page = screen("olivia", fleet="operator").run()
    search_for(page, "新宿")
    page.run()

    assert [call for call in network.calls if "/api/search" in call] == ["GET /api/search"]


def test_a_failure_says_so_and_pages_are_found_anyway(
    screen: Screen, network: Network, browser: dict[str, Any]
) -> None:
    page = screen("olivia", fleet="operator").run()
    network.cut()

    search_for(page, "端末一覧")

    answer = browser["data"]["answer"]
    assert answer["failed"]
    assert answer["note"].startswith("探せませんでした。")
    assert hits(browser) == {"画面": ["端末一覧"]}


def test_a_hit_opens_its_page_and_not_one_that_is_not_in_the_menu(
    db: Session, screen: Screen, browser: dict[str, Any]
) -> None:
    terminal = factories.terminal(db, serial_number="TC200-000042")
    page = screen("olivia", fleet="operator").run()

    browser["opened"] = "/users"
    assert titles(page.run()) == ["ホーム"]
    browser["opened"] = f"/terminal?id={terminal.id}"
    page.run()

    assert page.query_params == {"id": str(terminal.id)}
    assert any("TC200-000042" in title for title in titles(page))


def test_what_was_typed_on_another_list_gives_way_to_the_hit(
    db: Session, screen: Screen, browser: dict[str, Any]
) -> None:
    for name in ("ABC商事", "XYZ商店"):
        factories.customer(db, name)
    page = open_address(screen("olivia", fleet="operator"), "terminals", q="ABC")

    browser["opened"] = "/customers?q=XYZ商店"
    page.run()

    assert page.text_input(key="q").value == "XYZ商店"


def test_a_hit_is_shown_where_another_part_of_its_page_was_left(screen: Screen, browser: dict[str, Any]) -> None:
    page = open_address(screen("olivia", reservations="operator"), "enquiries", part="サポート品質")
    open_address(page, "reservations")

    browser["opened"] = "/enquiries?q=ENQ-5"
    page.run()

    assert page.session_state["part"] == "問い合わせ一覧"
    assert page.text_input(key="q").value == "ENQ-5"


def test_a_hit_is_shown_where_another_nursery_was_chosen(db: Session, screen: Screen, browser: dict[str, Any]) -> None:
    create_nursery(db, "", "さくら保育園", "ABC123", {"山田花子": (123456, ["山田太郎"])})
    create_nursery(db, "", "ひまわり保育園", "HMW456", {"松本さくら": (223456, ["松本律"])})
    db.commit()
    page = open_address(screen("alice", entries="admin"), "children", nursery_id="さくら保育園")
    assert cells(page, "園児名") == ["山田太郎"]
    open_address(page, "parents")
    search_for(page, "松本律")
    hits_by_title = {group["title"]: group["hits"][0] for group in browser["data"]["answer"]["groups"]}

    browser["opened"] = hits_by_title["園児"]["address"]
    page.run()

    assert cells(page, "園児名") == ["松本律"]
    assert page.query_params == {"q": "松本律", "nursery_id": "ひまわり保育園"}
