"""Table 5, row by row: which role may use a route, and which gets 403 before any row is read."""

from __future__ import annotations

import re

import pytest

from tests.api.agencies.scene import Scene
from tests.api.walks.walk import operations

API = "/api/agencies"
REQUESTS, CASES, CORPORATIONS, AGENCIES = (
    f"{API}/{name}" for name in ("requests", "cases", "corporations", "agencies")
)
# As the document has them: 機能 | 営業担当者 | 投入担当者 | 管理者, and the routes that the 機能 is made of.
TABLE = """
投入依頼作成 | ✅ | ❌ | ✅
投入依頼キャンセル | ✅ | ❌ | ✅
マイ依頼一覧（自分の依頼確認） | ✅ | ❌ | ✅
不備確認・修正再提出 | ✅ | ❌ | ✅
法人情報編集 | ✅ | ✅ | ✅
投入案件一覧 | ❌ | ✅ | ✅
地点作成・明細入力 | ❌ | ✅ | ✅
ステータス変更 | ❌ | ✅ | ✅
獲得案件一覧 | ✅ | ✅ | ✅
代理店別数値・案件確認 | ❌ | ✅ | ✅
代理店管理（登録・編集） | ❌ | ❌ | ✅
ユーザー管理 | ❌ | ❌ | ✅
監査ログ閲覧 | ❌ | ❌ | ✅
"""
ROUTES: dict[str, tuple[tuple[str, str], ...]] = {
    "投入依頼作成": (("POST", REQUESTS), ("POST", f"{REQUESTS}/check"), ("GET", f"{API}/sales-people")),
    "投入依頼キャンセル": (("POST", f"{REQUESTS}/1/cancel"),),
    "マイ依頼一覧（自分の依頼確認）": (
        ("GET", REQUESTS),
        ("GET", f"{REQUESTS}.csv"),
        ("GET", f"{REQUESTS}/counts"),
        ("GET", f"{REQUESTS}/1"),
        ("GET", f"{REQUESTS}/1/images"),
        ("GET", f"{REQUESTS}/1/sites"),
        ("GET", f"{REQUESTS}/1/comments"),
    ),
    "不備確認・修正再提出": (
        ("POST", f"{REQUESTS}/1/read"),
        ("POST", f"{REQUESTS}/1/images"),
        ("POST", f"{REQUESTS}/1/resubmit"),
        ("POST", f"{REQUESTS}/1/comments"),
    ),
    "法人情報編集": (("GET", f"{CORPORATIONS}/1"), ("PATCH", f"{CORPORATIONS}/1"), ("PUT", f"{CORPORATIONS}/1/card")),
    "投入案件一覧": (
        ("GET", CASES),
        ("GET", f"{CASES}/counts"),
        ("GET", f"{CASES}/sales-people"),
        ("GET", f"{CASES}/agencies"),
        ("GET", f"{CASES}/operators"),
        ("GET", f"{CASES}/1"),
        ("GET", f"{CASES}/1/comments"),
        ("POST", f"{CASES}/1/read"),
        ("POST", f"{CASES}/1/viewing"),
    ),
    "地点作成・明細入力": (
        ("GET", f"{CASES}/1/sites"),
        ("POST", f"{CASES}/1/sites"),
        ("PATCH", f"{CASES}/1/sites/1"),
        ("DELETE", f"{CASES}/1/sites/1"),
        ("GET", f"{CASES}/1/sites/1/entry"),
        ("GET", f"{CASES}/1/sites/1/entry.csv"),
        ("GET", f"{CASES}/1/sites/1/entry.xlsx"),
        ("GET", f"{CASES}/1/images"),
        ("PATCH", f"{CASES}/1/images/1"),
        ("GET", f"{CASES}/1/readings"),
        ("POST", f"{CASES}/1/images/1/reading"),
        ("POST", f"{CASES}/1/readings/1/accept"),
    ),
    "ステータス変更": (
        ("POST", f"{CASES}/1/sites/1/status"),
        ("POST", f"{CASES}/1/deficiency"),
        ("POST", f"{CASES}/1/put-right"),
        ("PATCH", f"{CASES}/1"),
        ("POST", f"{CASES}/1/claim"),
        ("POST", f"{CASES}/1/release"),
        ("POST", f"{CASES}/1/hand-over"),
        ("POST", f"{CASES}/1/comments"),
    ),
    "獲得案件一覧": (("GET", f"{API}/acquired"), ("GET", f"{API}/acquired/counts"), ("GET", f"{API}/acquired.csv")),
    "代理店別数値・案件確認": (
        ("GET", f"{API}/figures"),
        ("GET", f"{API}/figures.csv"),
        ("GET", f"{API}/figures/series"),
    ),
    "代理店管理（登録・編集）": (
        ("GET", AGENCIES),
        ("GET", f"{AGENCIES}.csv"),
        ("GET", f"{AGENCIES}/summary"),
        ("POST", AGENCIES),
        ("PATCH", f"{AGENCIES}/1"),
        ("POST", f"{AGENCIES}/1/deactivate"),
        ("POST", f"{AGENCIES}/1/activate"),
    ),
    "ユーザー管理": (("GET", "/api/core/users"), ("POST", "/api/core/users"), ("GET", "/api/core/roles")),
    "監査ログ閲覧": (("GET", "/api/core/audit"),),
}
ROWS = [tuple(cell.strip() for cell in row.split("|")) for row in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("function", "sales", "operator", "admin"), ROWS)
def test_a_role_is_answered_what_the_table_gives_it_and_refused_the_rest(
    team: Scene, function: str, sales: str, operator: str, admin: str
) -> None:
    """The bodies are empty and the rows absent: only a role without the permission gets 403."""
    results = {}
    for user, mark in ((team.alice, sales), (team.olga, operator), (team.adam, admin)):
        client = team.sign_in(user)
        body: dict[str, dict[str, str]] = {"POST": {}, "PATCH": {}, "PUT": {}, "DELETE": {}}
        for method, path in ROUTES[function]:
            answer = client.request(method, path, json=body.get(method))
            results[user.login_id, method, path] = (
                mark,
                "❌" if answer.status_code == 403 else "✅",
                answer.status_code,
            )

    assert {
        call: result for call, result in results.items() if result[0] != result[1] or result[2] in (401, 405, 500)
    } == {}


def test_every_route_of_the_area_stands_in_the_table_or_is_named_here(team: Scene) -> None:
    """A new route needs a decision about who may use it."""
    # Not formatted: routes that belong together stand in one line.
    others = {
        # For the users who fill in a form; for 法人検索; for administrators, by their permission.
        "GET /masters", "GET /kana", "GET /postal-codes/1", "GET /card-intake", "GET /dashboard",
        "GET /corporations", "GET /corporations.csv", "GET /corporations.xlsx", "GET /corporations/1/requests",
        "POST /corporations/duplicates", "DELETE /corporations/1/card", "POST /corporations/1/card/reveal",
        "GET /drafts", "GET /drafts/1/1", "PUT /drafts/1/1", "DELETE /drafts/1/1",
    }  # fmt: skip
    masters = ("/choices", "/options", "/carrier-fields")
    all_routes = {
        f"{operation.method} {re.sub(r'{[^}]+}', '1', operation.path).removeprefix(API)}"
        for operation in operations()
        if operation.path.startswith(f"{API}/")
    }
    in_table = {f"{method} {path.removeprefix(API)}" for routes in ROUTES.values() for method, path in routes}
    files = {route for route in all_routes if route.endswith(".xlsx")}
    missing = {route for route in all_routes - in_table - others - files if not route.split(" ")[1].startswith(masters)}
    assert missing == set()
