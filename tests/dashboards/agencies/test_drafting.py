"""Drafts in a page: typed values are stored field by field, whatever happens to the tab."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.testing.v1 import AppTest

from dashboards import session
from service.agencies.drafts.models import Draft
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import LostResponseTransport, Network
from tests.dashboards.pages import press, text_of, texts

KEY = "drafting.new_request.-"
CARD = "4111 1111 1111 1111"


def script() -> None:
    import streamlit as st

    from dashboards.agencies import drafting
    from dashboards.ui import dialogs

    def page() -> None:
        draft = drafting.open_draft("new_request")
        if draft is None:
            return
        draft.begun_before()
        values = {
            name: st.text_input(name, draft.values.get(name, ""), key=f"page.{draft.name}.{name}")
            for name in ("last_name", "town", "remarks", "credit_card_number")
        }
        draft.keep(values, {"last_name": "契約者名（姓）", "town": "町域", "remarks": "備考"})

    with dialogs.draw_after("page"):
        page()


@pytest.fixture
def open_tab(team: Scene, network: Network, db: Session, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    """open_tab() → the page in a new tab of alice, as after F5."""
    front = team.sign_in(team.alice)
    token = front.headers.pop("Authorization").removeprefix("Bearer ")
    monkeypatch.setattr(session, "token", lambda: token)
    return lambda: AppTest.from_function(script, default_timeout=30).run()


def box(page: AppTest, name: str) -> Any:
    return next(field for field in page.text_input if str(field.key).endswith(f".{name}"))


def stored(db: Session) -> dict[str, Any]:
    db.expire_all()
    return dict(db.scalars(select(Draft)).one().values)


def test_nothing_is_stored_before_something_is_typed(open_tab: Callable[[], AppTest], db: Session) -> None:
    page = open_tab()
    page.run()
    assert db.scalars(select(Draft)).all() == []
    assert not page.exception


def test_f5_loses_nothing(open_tab: Callable[[], AppTest], db: Session) -> None:
    page = open_tab()
    box(page, "last_name").input("株式会社青空").run()
    box(page, "town").input("渋谷").run()
    assert "下書きを保存しました（" in texts(page)
    assert "前回の入力の続きです" not in texts(page)

    reloaded = open_tab()

    assert box(reloaded, "last_name").value == "株式会社青空"
    assert box(reloaded, "town").value == "渋谷"
    assert "前回の入力の続きです" in texts(reloaded)


def test_a_page_that_is_left_and_opened_again_continues_the_draft(open_tab: Callable[[], AppTest]) -> None:
    page = open_tab()
    box(page, "last_name").input("株式会社青空").run()
    state = page.session_state[KEY]
    fresh = open_tab()
    fresh.session_state[KEY] = state
    assert box(fresh.run(), "last_name").value == "株式会社青空"


def test_a_cards_number_stays_in_the_page(open_tab: Callable[[], AppTest], db: Session, network: Network) -> None:
    page = open_tab()
    box(page, "credit_card_number").input(CARD).run()
    assert db.scalars(select(Draft)).all() == []
    box(page, "town").input("渋谷").run()
    assert "credit_card_number" not in stored(db)
    assert box(page, "credit_card_number").value == CARD


def test_a_card_in_a_free_text_is_not_stored_and_the_rest_is(open_tab: Callable[[], AppTest], db: Session) -> None:
    page = open_tab()
    box(page, "town").input("渋谷").run()
    box(page, "remarks").input(f"カードは{CARD}").run()
    assert "「備考」は下書きに保存していません。" in text_of(page.warning)
    assert CARD not in text_of(page.warning)
    box(page, "last_name").input("株式会社青空").run()
    assert stored(db)["last_name"] == "株式会社青空"
    assert "remarks" not in stored(db)
    assert "「備考」は" in text_of(page.warning)

    box(page, "remarks").input("明細は郵送します").run()
    assert stored(db)["remarks"] == "明細は郵送します"
    assert not page.warning


def test_while_the_service_is_away_the_page_keeps_the_values_and_saves_them_afterwards(
    open_tab: Callable[[], AppTest], db: Session, network: Network
) -> None:
    page = open_tab()
    network.cut()
    box(page, "last_name").input("株式会社青空").run()
    assert "下書きを保存できていません。入力した内容はこの画面に残っています。" in text_of(page.warning)
    assert box(page, "last_name").value == "株式会社青空"
    network.restore()
    press(page, f"{KEY}.again")
    assert stored(db)["last_name"] == "株式会社青空"
    assert not page.warning


def test_a_save_whose_answer_got_lost_is_no_conflict(
    open_tab: Callable[[], AppTest], db: Session, network: Network
) -> None:
    page = open_tab()
    network.lose_answers()
    box(page, "last_name").input("株式会社青空").run()
    network.restore()
    press(page, f"{KEY}.again")
    assert not page.warning
    box(page, "town").input("渋谷").run()
    assert stored(db) == {**stored(db), "last_name": "株式会社青空", "town": "渋谷"}


def test_typing_on_after_a_lost_answer_is_no_conflict(
    open_tab: Callable[[], AppTest], db: Session, network: Network
) -> None:
    page = open_tab()
    network.lose_answers()
    box(page, "last_name").input("株式会社青空").run()
    network.restore()
    box(page, "town").input("渋谷").run()
    assert not page.warning
    assert stored(db) == {**stored(db), "last_name": "株式会社青空", "town": "渋谷"}


class InterruptedTransport(LostResponseTransport):
    """The service handles the request; the run of the page ends before it can record that, as after the next click."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return super().handle_request(request)
        except httpx2.ReadTimeout:
            raise StopException from None


def test_a_click_that_ends_the_run_between_saving_and_noting_it_is_no_conflict(
    open_tab: Callable[[], AppTest], db: Session, network: Network
) -> None:
    page = open_tab()
    network.use(
        httpx2.Client(
            base_url=network.service.base_url, transport=InterruptedTransport(network.service), trust_env=False
        )
    )
    box(page, "last_name").input("株式会社青空").run()
    assert stored(db)["last_name"] == "株式会社青空"
    network.restore()
    box(page, "town").input("渋谷").run()
    assert not page.warning
    assert stored(db) == {**stored(db), "last_name": "株式会社青空", "town": "渋谷"}


@dataclass
class OvertakenTransport(httpx2.BaseTransport):
    """While the service's first answer is on its way, the next run of the page begins and saves its own values."""

    service: TestClient
    next_run: threading.Thread

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        answer = self.service.send(request)
        if self.next_run.ident is None and request.method == "PUT":
            self.next_run.start()
            self.next_run.join(0.5)
        return answer


def test_two_concurrent_runs_of_a_page_are_no_conflict(
    open_tab: Callable[[], AppTest], db: Session, network: Network
) -> None:
    page = open_tab()
    draft = page.session_state[KEY]
    next_run = threading.Thread(target=lambda: draft.keep({**draft.values, "town": "渋谷"}, {}))
    transport = OvertakenTransport(network.service, next_run)
    network.use(httpx2.Client(base_url=network.service.base_url, transport=transport, trust_env=False))
    box(page, "last_name").input("株式会社青空").run()
    next_run.join()
    assert draft.number == 2
    assert draft.stale is None
    assert stored(db) == {**stored(db), "last_name": "株式会社青空", "town": "渋谷"}


@pytest.fixture
def two_tabs(open_tab: Callable[[], AppTest]) -> tuple[AppTest, AppTest]:
    """The older tab has not seen what was typed in the newer one, and the user types on in it."""
    older = open_tab()
    box(older, "last_name").input("古い画面").run()
    newer = open_tab()
    box(newer, "last_name").input("新しい画面").run()
    box(older, "town").input("渋谷").run()
    return older, newer


def test_of_two_tabs_the_older_sees_both(two_tabs: tuple[AppTest, AppTest], db: Session) -> None:
    older, _ = two_tabs
    assert "別の画面（タブや端末）で先に変更されました" in text_of(older.warning)
    assert {"古い画面", "新しい画面", "契約者名（姓）"} <= {*texts(older).split("\n")}
    assert stored(db)["last_name"] == "新しい画面"


def test_the_older_tab_can_keep_its_own_values(two_tabs: tuple[AppTest, AppTest], db: Session) -> None:
    older, _ = two_tabs
    press(older, f"{KEY}.keep")
    assert not older.warning
    assert stored(db) | {"last_name": "古い画面", "town": "渋谷"} == stored(db)


def test_the_older_tab_can_load_what_is_stored(two_tabs: tuple[AppTest, AppTest], db: Session) -> None:
    older, _ = two_tabs
    press(older, f"{KEY}.load")
    assert not older.warning
    assert box(older, "last_name").value == "新しい画面"
    assert box(older, "town").value == ""


def test_a_draft_is_discarded_after_a_confirmation(open_tab: Callable[[], AppTest], db: Session) -> None:
    box(open_tab(), "last_name").input("株式会社青空").run()
    page = open_tab()
    press(page, f"{KEY}.begin")
    assert stored(db)["last_name"] == "株式会社青空"
    press(page, f"{KEY}.discard.confirm")
    db.expire_all()
    assert db.scalars(select(Draft)).all() == []
    assert box(page, "last_name").value == ""
