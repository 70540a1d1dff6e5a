"""マイ依頼一覧 and 依頼詳細: requests that were sent back, their deficiencies, and how they continue."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from service.agencies.drafts.models import Draft
from service.agencies.models import Request
from service.agencies.requests import actions, queries
from service.agencies.rules import Status
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Network
from tests.dashboards.pages import (
    OpenPage,
    assert_survives_outage,
    html,
    keys,
    menu_counts,
    press,
    rows,
    text_of,
    texts,
    toasts,
)

KEY = "agencies.request"
LIST = "agencies.my_requests.list"


@pytest.fixture
def request_(team: Scene) -> Request:
    request = scene.request(team.db, scene.corporation(team.db, team.a, "株式会社青空"), team.alice, Status.WORKING)
    scene.image(team.db, request, team.alice)
    team.db.commit()
    return request


@pytest.fixture
def deficient(team: Scene, request_: Request) -> Request:
    sites = queries.sites(team.db, request_)
    actions.report_deficiency(team.db, team.acting(team.olga), request_, "番号が読めません。", sites)
    team.db.commit()
    return request_


def status(team: Scene, request: Request) -> str:
    team.db.expire_all()
    return team.db.get_one(Request, request.id).status


def requester_filters(page: AppTest) -> list[str]:
    return [str(selectbox.placeholder) for selectbox in page.selectbox if selectbox.label == "依頼者"]


def test_the_list_says_first_that_something_came_back_and_the_menu_counts_what_was_not_read(
    open_page: OpenPage, team: Scene, deficient: Request, network: Network
) -> None:
    page = open_page(team.alice, "my-requests")
    assert not page.exception
    assert ":red[不備で差し戻された依頼が**1件**あります。]" in texts(page)
    assert "未読の通知は1件です。" in texts(page)
    # Opened with one touch: on a phone the table's button is outside of the screen.
    [link] = [element.value for element in page.html if f"/request?id={deficient.id}" in element.value]
    assert ">株式会社青空<" in link
    [row] = rows(page)
    values = [row[name] for name in ("法人名", "ステータス", "不備通知", "地点数")]
    assert values == ["株式会社青空", ["不備"], ["未読"], "0/1"]
    assert menu_counts(page) == {"my-requests": 1}

    open_page(team.alice, "request", id=str(deficient.id))
    page = open_page(team.alice, "my-requests")
    assert menu_counts(page) == {}
    assert_survives_outage(page, network)


def test_an_empty_list_says_how_to_begin_and_whose_requests_it_shows(open_page: OpenPage, team: Scene) -> None:
    page = open_page(team.alice, "my-requests")
    assert "対応中の依頼はありません。" in texts(page)
    assert "まだ投入依頼はありません" in texts(page)
    assert "/new-request" in html(page)
    assert requester_filters(page) == ["自分の依頼"]
    # An administrator has no requests of their own.
    assert requester_filters(open_page(team.adam, "my-requests")) == []


def test_from_the_deficiency_to_the_resubmission(open_page: OpenPage, team: Scene, deficient: Request) -> None:
    page = open_page(team.alice, "request", id=str(deficient.id))
    assert not page.exception
    assert "番号が読めません。" in text_of(page.error)
    assert "で差し戻されています。" in texts(page)
    remarks, message, _ = page.text_area
    remarks.set_value("番号は 03-123 です")
    message.set_value("備考に書きました。").run()
    # F5 in between.
    page = open_page(team.alice, "request", id=str(deficient.id))
    assert [area.value for area in page.text_area][:2] == ["番号は 03-123 です", "備考に書きました。"]

    press(page, f"{KEY}.resubmit")

    assert status(team, deficient) == "working"
    assert team.db.get_one(Request, deficient.id).remarks == "番号は 03-123 です"
    assert "備考に書きました。" in texts(page)
    assert "再提出しました。" in toasts(page)[0]
    assert f"{KEY}.resubmit" not in keys(page)
    assert team.db.scalars(select(Draft)).all() == []


def test_a_stale_resubmission_shows_the_new_deficiency_and_can_be_sent_again(
    open_page: OpenPage, team: Scene, deficient: Request
) -> None:
    page = open_page(team.alice, "request", id=str(deficient.id))
    actions.report_deficiency(team.db, team.acting(team.olga), deficient, "印影もありません。")
    team.db.commit()
    press(page, f"{KEY}.resubmit")
    assert "開いたあとに変更されました。まだ再提出されていません。" in text_of(page.error)
    assert "印影もありません。" in text_of(page.error)
    assert status(team, deficient) == "deficient"
    press(page, f"{KEY}.resubmit")
    assert status(team, deficient) == "working"


def test_a_lost_answer_is_understood_from_the_status(
    open_page: OpenPage, team: Scene, deficient: Request, network: Network
) -> None:
    page = open_page(team.alice, "request", id=str(deficient.id))
    network.lose_answers()
    press(page, f"{KEY}.resubmit")
    network.restore()
    del page.session_state["live.away"]  # As if the two seconds had passed for which a failure is shared.
    page.run()
    assert status(team, deficient) == "working"
    assert "対応中" in texts(page)
    assert f"{KEY}.resubmit" not in keys(page)


def test_a_users_own_request_gets_a_comment_and_is_cancelled_after_a_confirmation_but_not_by_a_colleague(
    open_page: OpenPage, team: Scene, request_: Request
) -> None:
    assert f"{KEY}.cancel" not in keys(open_page(team.anna, "request", id=str(request_.id)))
    assert f"{KEY}.cancel" in keys(open_page(team.adam, "request", id=str(request_.id)))
    page = open_page(team.alice, "request", id=str(request_.id))
    page.text_area[-1].set_value("急ぎです。")
    press(page, f"{KEY}.comment.{request_.id}.submit")
    assert "急ぎです。" in texts(page)

    press(page, f"{KEY}.cancel")
    page.text_area(key=f"agencies.cancel.{request_.id}.reason").set_value("お客様の都合")
    press(page, f"agencies.cancel.{request_.id}.confirm")
    assert status(team, request_) == "cancelled"
    assert f"{KEY}.cancel" not in keys(page)


def test_an_entered_request_offers_no_cancellation(open_page: OpenPage, team: Scene) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.ENTERED)
    team.db.commit()
    page = open_page(team.alice, "request", id=str(request.id))
    assert "すべての地点の投入が終わりました。" in texts(page)
    request.site_count = 2
    team.db.commit()
    page.run()
    assert "申告2地点のうち、1地点の投入が終わりました。" in texts(page)
    assert not {f"{KEY}.cancel", f"{KEY}.more", f"{KEY}.resubmit"} & keys(page)


def test_another_agencys_request_is_not_found(open_page: OpenPage, team: Scene, deficient: Request) -> None:
    page = open_page(team.bob, "request", id=str(deficient.id))
    assert "指定された投入依頼は見つかりません。" in text_of(page.error)
    assert "青空" not in texts(page)
    page = open_page(team.bob, "my-requests", mine="false")
    assert "青空" not in texts(page)
