"""監査ログ: what an administrator reads there."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core import audit
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, html, rows, texts
from tests.people import create_actor


def test_the_audit_log_is_summarised_listed_filtered_and_exported(
    screen: Screen, db: Session, network: Network
) -> None:
    bob = create_actor(db, "bob", "203.0.113.7", fleet="operator")
    before = {"company_name": "ABC商事", "contact_phone": "03-1"}
    audit.record(db, bob, "create", "fleet", "terminal", 12, after={"serial_number": "TC200-000012"})
    audit.record(db, bob, "update", "fleet", "customer", 7, before=before, after={"company_name": "*ABC商会*"})

    page = open_address(screen("alice", fleet="admin"), "audit")

    assert not page.exception
    [summary] = [line for line in texts(page).split("\n") if "今日は" in line]
    assert summary.startswith("今日は2件の操作が記録されています。")
    assert summary.endswith("が行った「顧客企業 7（削除済み）」の変更です。")
    assert [(row["操作者"], row["操作種別"], row["対象"], row["変更内容"]) for row in rows(page)] == [
        ("bob さん（bob）", "変更", "顧客企業 7（削除済み）", "会社名: ABC商事 → *ABC商会* ほか1項目"),
        ("bob さん（bob）", "登録", "端末 12（削除済み）", "シリアル番号: TC200-000012"),
    ]
    assert {row["接続元"] for row in rows(page)} == {"203.0.113.7"}

    page.selectbox(key="subject").select("terminal").run()
    assert [row["対象"] for row in rows(page)] == ["端末 12（削除済み）"]
    assert 'href="/download/api/core/audit/export.csv?subject=terminal"' in html(page)
    assert_survives_outage(page, network)
