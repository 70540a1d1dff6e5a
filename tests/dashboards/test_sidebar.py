"""The menu: areas that fold, favourites, and what waits, in front of the real service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from service.core.access.identity import User
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.dashboards.pages import Screen, press, run
from tests.people import create_user

OpenPage = Callable[..., AppTest]
EVERYTHING = dict.fromkeys(("fleet", "entries", "loaners", "agencies", "reservations"), "admin")
MARK = "menu.mark"


@pytest.fixture
def ada(db: Session) -> User:
    """An administrator of everything: too many pages for a menu that is all open."""
    ada = create_user(db, "ada", **EVERYTHING)
    db.commit()
    return ada


def areas(page: AppTest) -> list[str]:
    return [folding.label for folding in page.sidebar.expander]


def open_areas(page: AppTest) -> list[str]:
    assert not page.exception
    return [folding.label for folding in page.sidebar.expander if folding.proto.expanded]


def links(parent: Any) -> list[str]:
    return [link.label for link in parent.get("page_link")]


def press_area(page: AppTest, label: str) -> None:
    """AppTest knows expanders as boxes only."""
    folding = next(folding for folding in page.sidebar.expander if folding.label.startswith(label))
    state = WidgetState(id=folding.proto.id, bool_value=not folding.proto.expanded)
    page._run(WidgetStates(widgets=[state]))
    assert not page.exception


def test_the_area_in_use_is_open_and_the_others_are_as_the_user_left_them(open_page: OpenPage, ada: User) -> None:
    page = open_page(ada, "customers")
    assert areas(page) == ["端末管理", "入退管理", "代替機管理", "申込投入", "予約運用", "共通"]
    assert open_areas(page) == ["端末管理"]
    assert [links(folding) for folding in page.sidebar.expander[1:]] == [[]] * 5, "what is folded costs nothing"

    press_area(page, "入退管理")
    assert open_areas(page) == ["端末管理", "入退管理"]
    press_area(page, "端末管理")

    assert open_areas(open_address(page, "terminal")) == ["端末管理", "入退管理"], "a page that is in no menu, too"
    assert open_areas(open_address(page, "lending")) == ["入退管理", "代替機管理"]
    assert open_areas(open_page(ada, "users")) == ["入退管理", "共通"], "in another session too"


def test_the_area_in_use_can_be_folded_until_another_page_is_opened(open_page: OpenPage, ada: User) -> None:
    page = open_page(ada, "customers")

    press_area(page, "端末管理")

    assert open_areas(page) == []
    assert open_areas(page.run()) == []
    assert open_areas(open_address(page, "terminals")) == ["端末管理"]


def test_a_short_menu_is_open_until_the_user_folds_it(screen: Screen) -> None:
    page = open_address(screen("alice", fleet="admin"), "customers")
    assert open_areas(page) == ["端末管理", "共通"]

    press_area(page, "共通")

    assert open_areas(open_address(page, "terminals")) == ["端末管理"]


def test_an_area_shows_the_sum_of_its_counts_and_a_closed_menu_that_of_all(
    db: Session, open_page: OpenPage, ada: User
) -> None:
    fill_morning(db)

    folded, unfolded = open_page(ada, "lending"), open_page(ada, "customers")

    assert areas(folded)[0] == "端末管理(2)"
    assert areas(unfolded)[0] == "端末管理(2)"
    assert "アラート一覧(2)" in links(unfolded.sidebar)
    for page in (folded, unfolded):
        assert links(page.main)[0] == "要対応 **2**", "as ホーム counts"
        assert links(page.sidebar)[0] == "ホーム(2)"


def test_nothing_that_waits_leaves_no_trace_beside_the_menu(screen: Screen) -> None:
    page = open_address(screen("alice", loaners="staff"), "lending")

    assert page.main.get("page_link") == []


def test_favourites_stand_on_top_in_every_session_until_they_are_unmarked(open_page: OpenPage, ada: User) -> None:
    page = open_page(ada, "lending")
    assert "お気に入り" not in [caption.value for caption in page.sidebar.caption]

    press(page, MARK)
    press(open_address(page, "users"), MARK)
    other = open_page(ada, "customers")

    assert links(other.sidebar)[:3] == ["ホーム", "貸出状況", "ユーザー管理"]
    assert [caption.value for caption in other.sidebar.caption] == ["お気に入り"]
    assert other.button(key=MARK).label == "お気に入りに追加"

    assert open_address(other, "lending").button(key=MARK).label == "お気に入りから外す"
    press(other, MARK)
    assert links(open_page(ada, "customers").sidebar)[:2] == ["ホーム", "ユーザー管理"]


def test_a_favourite_that_the_user_may_no_longer_see_is_left_out(db: Session, open_page: OpenPage, ada: User) -> None:
    press(open_page(ada, "users"), MARK)
    for membership in ada.memberships:
        membership.role = "viewer" if membership.area == "fleet" else "auditor"
    db.commit()

    page = open_page(ada, "loaners")

    assert "ユーザー管理" not in links(page.sidebar)
    assert not page.exception


def test_pages_that_are_in_no_menu_are_no_favourites(open_page: OpenPage, ada: User) -> None:
    assert MARK not in {button.key for button in open_page(ada, "account").button}


def test_without_the_service_the_menu_stays_and_what_is_marked_holds_for_the_session(
    open_page: OpenPage, ada: User, network: Network
) -> None:
    page = open_page(ada, "lending")
    press(page, MARK)
    network.cut()

    press(open_address(page, "users"), MARK)
    press_area(page, "入退管理")
    assert links(page.sidebar)[:3] == ["ホーム", "貸出状況", "ユーザー管理"]
    assert open_areas(page) == ["入退管理", "共通"]

    network.restore()
    assert links(open_page(ada, "customers").sidebar)[:2] == ["ホーム", "貸出状況"]


def test_preferences_are_asked_for_once_per_session(open_page: OpenPage, ada: User, network: Network) -> None:
    page = open_page(ada, "lending")
    for path in ("users", "customers", "lending"):
        run(open_address(page, path))

    assert network.calls.count("GET /api/me/preferences") == 1


def test_nobodys_menu_has_a_page_for_developers(open_page: OpenPage, ada: User) -> None:
    page = open_page(ada, "lending")
    for area in ("端末管理", "入退管理", "申込投入", "予約運用", "共通"):
        press_area(page, area)

    assert "部品一覧" not in links(page.sidebar)
    assert len(links(page.sidebar)) > 50
