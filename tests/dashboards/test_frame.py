"""The frame: whose menu, which page, and what stands there instead of a page."""

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
from tests.dashboards.conftest import Line, forget_sessions, opened_at
from tests.dashboards.pages import Screen


def links(page: AppTest) -> list[str]:
    """The menu, without the person's own name below it."""
    return [link.label for link in page.sidebar.page_link if not link.label.endswith("さん")]


def titles(page: AppTest) -> list[str]:
    return [title.value for title in page.title]


def test_the_start_address_opens_the_first_page_of_the_menu(screen: Screen) -> None:
    assert titles(screen("olivia", fleet="operator").run()) == ["ダッシュボード"]


def test_a_menu_of_one_page_is_drawn_too(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "MENU", (menu.MENU[0], ACCOUNT))

    page = screen("olivia", fleet="operator").run()

    assert links(page) == ["ダッシュボード"]
    assert [caption.value for caption in page.sidebar.caption] == ["端末管理"]
    assert not page.exception


@pytest.mark.parametrize("role", ["admin", "operator", "support"])
def test_whoever_works_with_the_fleet_sees_its_pages(screen: Screen, role: str) -> None:
    assert titles(opened_at(screen("olivia", fleet=role), "dashboard")) == ["ダッシュボード"]


def test_a_viewer_is_refused_in_words_and_no_data_is_fetched(screen: Screen, line: Line) -> None:
    page = opened_at(screen("vera", fleet="viewer"), "dashboard")

    assert titles(page) == ["この画面を表示する権限がありません"]
    assert "管理者に権限の追加を依頼してください。" in page.main.markdown[0].value
    assert line.calls == ["GET /api/auth/me"]
    assert links(page) == ["レポート"]
    assert not page.exception


def test_a_person_without_any_area_is_told_whom_to_ask(screen: Screen, line: Line) -> None:
    page = screen("nina").run()

    assert titles(page) == ["表示できる画面がありません"]
    assert page.main.markdown[0].value.endswith("別の役割が必要な場合は管理者にご相談ください。")
    assert line.calls == ["GET /api/auth/me"]
    assert links(page) == []


def test_the_sidebar_names_the_person_and_lets_her_out_in_the_same_tab(screen: Screen) -> None:
    page = screen("nina").run()

    assert [link.label for link in page.sidebar.page_link] == ["nina さん"]
    [link] = [element.value for element in page.sidebar.html]
    assert 'href="/logout" target="_self"' in link


def test_a_page_that_needs_more_than_one_has_is_left_out_of_the_menu(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = replace(menu.MENU[0], title="更新計画", url_path="plans", permission="fleet:plan:read")
    monkeypatch.setattr(menu, "MENU", (locked, menu.MENU[0], ACCOUNT))

    page = screen("olivia", fleet="operator").run()
    refused = opened_at(screen("otto", fleet="operator"), "plans")

    assert links(page) == ["ダッシュボード"]
    assert titles(page) == ["ダッシュボード"]
    assert titles(refused) == ["この画面を表示する権限がありません"]
    assert not refused.metric


def test_an_expired_session_says_so_and_leads_back_to_where_one_was(db: Session, screen: Screen, line: Line) -> None:
    page = screen("olivia", fleet="operator")
    db.execute(update(UserSession).values(expires_at=real_now()))
    db.commit()

    opened_at(page, "dashboard", customer="3")

    assert titles(page) == ["ログインし直してください"]
    assert 'href="/login?next=%2Fdashboard%3Fcustomer%3D3&amp;reason=expired" target="_self"' in page.html[0].value
    assert line.calls == ["GET /api/auth/me"]
    assert not page.sidebar.markdown


def test_a_page_that_meets_somebody_elses_cookie_begins_anew(
    screen: Screen, token_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = screen("olivia", fleet="operator").run()
    page.session_state["typed"] = "hers"
    his = token_of("oscar", fleet="operator")
    monkeypatch.setattr(session, "token", lambda: his)

    page.run()

    assert "typed" not in page.session_state
    assert not page.exception


def test_without_a_cookie_there_is_no_question_to_the_service(
    screen: Screen, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = screen("olivia", fleet="operator")
    monkeypatch.setattr(session, "token", lambda: None)

    page.run()

    assert titles(page) == ["ログインし直してください"]
    assert line.calls == []


def test_a_role_taken_away_closes_the_page_at_the_next_question(db: Session, screen: Screen) -> None:
    page = screen("olivia", fleet="operator").run()
    db.execute(update(Membership).values(role="viewer"))
    db.commit()
    forget_sessions()

    page.run()

    assert titles(page) == ["この画面を表示する権限がありません"]
    assert not page.metric
    assert not page.dataframe


def test_a_role_taken_away_counts_even_before_the_frame_knows(db: Session, screen: Screen) -> None:
    page = screen("olivia", fleet="operator").run()
    db.execute(update(Membership).values(role="viewer"))
    db.commit()

    page.run()

    assert len(page.error) == 4
    assert page.error[0].value.startswith("お使いのアカウントには、この操作の権限がありません。")
    assert not page.metric
    assert not page.dataframe
