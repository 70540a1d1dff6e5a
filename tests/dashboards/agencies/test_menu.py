"""Table 3.0: what each role has in the menu, and its start page."""

from __future__ import annotations

import pytest

from dashboards.agencies.menu import PAGES
from dashboards.menu import MENU, allowed
from dashboards.session import User
from service.agencies.rules import AREA
from tests.api.agencies.scene import Scene
from tests.dashboards.pages import OpenPage, titles

# 画面 | 営業担当者 | 投入担当者 | 管理者 | the page's path
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
# The pages of table 5, and our own.
FURTHER_PAGES = """
法人検索 | ✅ | ✅ | ✅ | corporations
法人詳細 | ✅ | ✅ | ✅ | corporation
代理店別数値 | ❌ | ✅ | ✅ | agency-figures
代理店管理 | ❌ | ❌ | ✅ | agencies
マスタ管理 | ❌ | ❌ | ✅ | agencies-masters
監査ログ | ❌ | ❌ | ✅ | audit
"""
ROWS = [tuple(cell.strip() for cell in row.split("|")) for row in (TABLE + FURTHER_PAGES).split("\n") if row]
ROLES = {"alice": 1, "olga": 2, "adam": 3}
START_TITLES = {"alice": "マイ依頼一覧", "olga": "投入案件一覧", "adam": "ダッシュボード"}


def test_every_page_of_the_area_is_in_a_table() -> None:
    listed = {row[4] for row in ROWS}

    assert {page.url_path for page in PAGES} <= listed, "add a line for the page to FURTHER_PAGES"
    assert listed <= {page.url_path for page in MENU}, "remove the line of a page that is gone"


@pytest.mark.parametrize("login_id", [*ROLES])
def test_what_the_table_hides_is_in_no_menu(team: Scene, login_id: str) -> None:
    """tests/dashboards/test_menu.py tests that a page without its permission is refused at its address."""
    user = getattr(team, login_id)
    permissions = AREA.roles[user.memberships[0].role].permissions
    menu_paths = {entry.url_path for entry in allowed(User(user.login_id, user.name, permissions))}
    assert menu_paths & {row[4] for row in ROWS} == {row[4] for row in ROWS if row[ROLES[login_id]] == "✅"}


@pytest.mark.parametrize("login_id", [*ROLES])
def test_each_role_begins_where_the_document_says(open_page: OpenPage, team: Scene, login_id: str) -> None:
    assert titles(open_page(getattr(team, login_id), "start"))[0] == START_TITLES[login_id]
