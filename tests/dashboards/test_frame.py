"""The frame: the menu of the user, the page, and what is shown instead of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import menu, session
from dashboards.core.menu import ACCOUNT
from service.core.access.identity import Membership, UserSession
from service.core.database.clock import real_now
from tests.dashboards.conftest import Network, clear_session_cache, open_address
from tests.dashboards.pages import Screen, lists


def links(page: AppTest) -> list[str]:
    """The menu, without the link with the user's own name below it."""
    return [link.label for link in page.sidebar.page_link if not link.label.endswith("さん")]


def titles(page: AppTest) -> list[str]:
    return [title.value for title in page.title]


def test_the_start_address_opens_home(screen: Screen) -> None:
    assert titles(screen("olivia", fleet="operator").run()) == ["ホーム"]


def test_a_menu_of_one_page_is_drawn_too(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "MENU", (menu.MENU[0], ACCOUNT))

    page = screen("olivia", fleet="operator").run()

    assert links(page) == ["ホーム", "ダッシュボード"]
    assert [caption.value for caption in page.sidebar.caption] == ["端末管理"]
    assert not page.exception


@pytest.mark.parametrize("role", ["admin", "operator", "support"])
def test_each_role_of_the_fleet_sees_its_pages(screen: Screen, role: str) -> None:
    assert titles(open_address(screen("olivia", fleet=role), "dashboard")) == ["ダッシュボード"]


def test_a_viewer_reads_a_refusal_and_no_data_is_fetched(screen: Screen, network: Network) -> None:
    page = open_address(screen("vera", fleet="viewer"), "dashboard")

    assert titles(page) == ["この画面を表示する権限がありません"]
    assert "管理者に権限の追加を依頼してください。" in page.main.markdown[0].value
    assert {*network.calls} == {"GET /api/auth/me", "GET /api/me/counts", "GET /api/me/preferences"}
    assert links(page) == ["ホーム", "レポート"]
    assert not page.exception


def test_a_user_without_any_area_reads_whom_to_ask(screen: Screen, network: Network) -> None:
    page = screen("nina").run()

    assert titles(page) == ["表示できる画面がありません"]
    assert page.main.markdown[0].value.endswith("別の役割が必要な場合は管理者にご相談ください。")
    assert network.calls == ["GET /api/auth/me", "GET /api/me/preferences"]
    assert links(page) == []


def test_the_sidebar_names_the_user_and_signs_out_in_the_same_tab(screen: Screen) -> None:
    page = screen("nina").run()

    assert [link.label for link in page.sidebar.page_link] == ["nina さん"]
    [link] = [element.value for element in page.sidebar.html]
    assert 'href="/logout" target="_self"' in link


def test_a_page_that_needs_more_permissions_is_left_out_of_the_menu(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted = replace(menu.MENU[0], title="更新計画", url_path="plans", permission="fleet:plan:read")
    monkeypatch.setattr(menu, "MENU", (restricted, menu.MENU[0], ACCOUNT))

    page = screen("olivia", fleet="operator").run()
    refused = open_address(screen("otto", fleet="operator"), "plans")

    assert links(page) == ["ホーム", "ダッシュボード"]
    assert titles(page) == ["ホーム"]
    assert titles(refused) == ["この画面を表示する権限がありません"]
    assert not refused.metric


def test_an_expired_session_says_so_and_leads_back_to_the_same_page(
    db: Session, screen: Screen, network: Network
) -> None:
    page = screen("olivia", fleet="operator")
    db.execute(update(UserSession).values(expires_at=real_now()))
    db.commit()

    open_address(page, "dashboard", customer="3")

    assert titles(page) == ["ログインし直してください"]
    assert 'href="/login?next=%2Fdashboard%3Fcustomer%3D3&amp;reason=expired" target="_self"' in page.html[0].value
    assert network.calls == ["GET /api/auth/me"]
    assert not page.sidebar.markdown


def test_a_page_with_the_cookie_of_another_user_starts_again(
    screen: Screen, token_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_address(screen("olivia", fleet="operator"), "dashboard")
    page.session_state["typed"] = "hers"
    other_token = token_of("oscar", fleet="operator")
    monkeypatch.setattr(session, "token", lambda: other_token)

    page.run()

    assert "typed" not in page.session_state
    assert not page.exception


def test_without_a_cookie_there_is_no_call_to_the_service(
    screen: Screen, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = screen("olivia", fleet="operator")
    monkeypatch.setattr(session, "token", lambda: None)

    page.run()

    assert titles(page) == ["ログインし直してください"]
    assert network.calls == []


def test_a_removed_role_closes_the_page_at_the_next_call(db: Session, screen: Screen) -> None:
    page = open_address(screen("olivia", fleet="operator"), "dashboard")
    db.execute(update(Membership).values(role="viewer"))
    db.commit()
    clear_session_cache()

    page.run()

    assert titles(page) == ["この画面を表示する権限がありません"]
    assert not page.metric
    assert not lists(page)


def test_a_removed_role_counts_even_before_the_frame_knows(db: Session, screen: Screen) -> None:
    page = open_address(screen("olivia", fleet="operator"), "dashboard")
    db.execute(update(Membership).values(role="viewer"))
    db.commit()

    page.run()

    assert len(page.error) == 4
    assert page.error[0].value.startswith("お使いのアカウントには、この操作の権限がありません。")
    assert not page.metric
    assert not lists(page)
