"""Table 3.0: what each role has in the menu and at the addresses, and where it begins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.agencies.menu import PAGES
from dashboards.menu import MENU, allowed
from dashboards.session import User
from service.agencies.rules import AREA
from tests.api.agencies.scene import Scene

REFUSED = "この画面を表示する権限がありません"
# 画面 | 営業担当者 | 投入担当者 | 管理者, with the page that it is.
TABLE = """
マイ依頼一覧（ホーム） | ✅ | ❌ | ✅ | my-requests
新規投入依頼 | ✅ | ❌ | ✅ | new-request
既存法人に地点追加 | ✅ | ❌ | ✅ | add-site
不備確認・修正 | ✅ | ❌ | ✅ | request
獲得案件一覧 | ✅ | ✅ | ✅ | acquired
投入案件一覧 | ❌ | ✅ | ✅ | cases
案件詳細・明細入力 | ❌ | ✅ | ✅ | case
ユーザー管理 | ❌ | ❌ | ✅ | users
ダッシュボード | ❌ | ❌ | ✅ | agencies-dashboard
"""
# Of table 5, and our own.
BESIDE = """
法人検索 | ✅ | ✅ | ✅ | corporations
法人詳細 | ✅ | ✅ | ✅ | corporation
代理店別数値 | ❌ | ✅ | ✅ | agency-figures
代理店管理 | ❌ | ❌ | ✅ | agencies
マスタ管理 | ❌ | ❌ | ✅ | agencies-masters
監査ログ | ❌ | ❌ | ✅ | audit
"""
ROWS = [tuple(cell.strip() for cell in row.split("|")) for row in (TABLE + BESIDE).split("\n") if row]
ROLES = {"alice": 1, "olga": 2, "adam": 3}
STARTS = {"alice": "マイ依頼一覧", "olga": "投入案件一覧", "adam": "ダッシュボード"}
Open = Callable[..., AppTest]


def test_every_page_of_the_area_stands_in_a_table() -> None:
    assert {page.url_path for page in PAGES} <= {row[4] for row in ROWS} <= {page.url_path for page in MENU}


@pytest.mark.parametrize("who", [*ROLES])
def test_what_the_table_hides_is_in_no_menu_and_refused_at_its_address(open_page: Open, team: Scene, who: str) -> None:
    user = getattr(team, who)
    held = AREA.roles[user.memberships[0].role].permissions
    offered = {entry.url_path for entry in allowed(User(user.login_id, user.name, held))}
    for row in ROWS:
        is_hidden = row[ROLES[who]] == "❌"
        assert (row[4] in offered) == (not is_hidden), (who, row[0])
        if is_hidden:
            page = open_page(user, row[4])
            assert [title.value for title in page.title] == [REFUSED], (who, row[0])


@pytest.mark.parametrize("who", [*ROLES])
def test_each_role_begins_where_the_document_says(open_page: Open, team: Scene, who: str) -> None:
    page = open_page(getattr(team, who), "start")

    assert page.title[0].value == STARTS[who]
