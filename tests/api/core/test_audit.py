"""The audit log as administrators read it: the entries of their areas, filtered, page by page, in words."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import AuditEntry, search, table, words
from service.core.audit.schemas import Change, Filters
from service.core.database.clock import real_now
from service.core.database.paging import write_cursor
from service.core.exports import answers
from service.core.purposes import FileKind
from service.core.values.states import MessageState
from service.core.values.times import TOKYO, local_date
from service.fleet import rules, schemas
from service.fleet.agents.schemas import NewEnrolmentCode
from service.fleet.queries import CUSTOMERS, TERMINALS
from tests import factories, people

PATH = "/api/core/audit"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def acting(db: Session, login_id: str, **roles: str) -> Actor:
    return people.create_actor(db, login_id, "203.0.113.7", **roles)


def entry_at(db: Session, at: datetime, subject_id: object, **values: Any) -> None:
    """An entry of another time; the product itself writes entries of now only."""
    row = {"at": at, "actor": "demo", "address": "-", "area": "fleet", "action": "create", "subject": "terminal"}
    db.execute(insert(AuditEntry).inline().values(**row | {"subject_id": str(subject_id)} | values))


def items(client: TestClient, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get(PATH, params=filters)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["items"]
    return entries


def test_an_entry_says_in_words_who_did_what_and_what_changed(db: Session, admin: TestClient) -> None:
    bob = acting(db, "bob", fleet="operator")
    audit.record(
        db,
        bob,
        "update",
        "fleet",
        "customer",
        7,
        before={"company_name": "ABC商事", "contact_phone": "03-1", "notes": ""},
        after={"company_name": "ABC商会", "contact_phone": "03-1", "notes": None, "api_token": "s3cret"},
    )

    [entry] = items(admin, subject="customer")

    assert entry["actor"] == "bob"
    assert entry["actor_name"] == "bob さん"
    assert entry["address"] == "203.0.113.7"
    assert (entry["area_title"], entry["action_title"], entry["subject_title"]) == ("端末管理", "変更", "顧客企業")
    assert entry["subject_id"] == "7"
    assert entry["changes"] == [
        {
            "field": "company_name",
            "title": "会社名",
            "before": "ABC商事",
            "after": "ABC商会",
            "text": "会社名: ABC商事 → ABC商会",
        },
        {
            "field": "api_token",
            "title": "api_token",
            "before": None,
            "after": "********",
            "text": "api_token: ********",
        },
    ]


def test_an_areas_administrator_sees_that_areas_entries_and_who_of_it_signed_in(db: Session, admin: TestClient) -> None:
    bob, stranger = acting(db, "bob", fleet="operator"), acting(db, "charlie")
    for actor in (bob, stranger):
        audit.record(db, actor, "login", "core", "user", actor.user_id)
    audit.record(db, "demo", "create", "loaners", "device", 1)
    audit.record(db, "demo", "create", "fleet", "terminal", 2)

    assert {(entry["actor"], entry["area"]) for entry in items(admin)} == {("bob", "core"), ("demo", "fleet")}


def test_the_query_itself_filters_by_area_too(db: Session) -> None:
    """Isolation twice: this session sees every area, and the query still returns only the requested one."""
    audit.record(db, "demo", "create", "loaners", "device", 1)
    audit.record(db, "demo", "create", "fleet", "terminal", 2)
    audit.record(db, acting(db, "charlie"), "login", "core", "user", 3)

    page = search.page(db, frozenset({"fleet"}), Filters(), 50, None)

    assert [entry.area for entry in page.items] == ["fleet"]
    assert page.total == 1


def test_only_administrators_read_the_audit_log(sign_in: Callable[..., TestClient]) -> None:
    operator = sign_in("bob", fleet="operator")

    assert operator.get(PATH).status_code == 403
    assert operator.get(f"{PATH}/choices").status_code == 403


def test_pages_are_newest_first_and_neither_skip_nor_repeat(db: Session, admin: TestClient) -> None:
    now = real_now()
    for number in range(7):
        entry_at(db, now - timedelta(minutes=number // 3), number)

    subject_ids: list[str] = []
    cursor = None
    while True:
        answer = admin.get(PATH, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert answer["total"] >= 7
        subject_ids += [entry["subject_id"] for entry in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        entry_at(db, now + timedelta(minutes=1), "later")

    assert subject_ids == ["2", "1", "0", "5", "4", "3", "6"]


def test_days_are_tokyos_and_both_are_included(db: Session, admin: TestClient) -> None:
    for local_time in ("2026-11-19 23:59:59", "2026-11-20 00:00:00", "2026-11-21 23:59:59", "2026-11-22 00:00:00"):
        entry_at(db, datetime.fromisoformat(local_time).replace(tzinfo=TOKYO), local_time)

    entries = items(admin, day_from="2026-11-20", day_to="2026-11-21")

    assert [entry["subject_id"] for entry in entries] == ["2026-11-21 23:59:59", "2026-11-20 00:00:00"]


@pytest.mark.parametrize(
    ("filters", "subject_ids"),
    [
        ({"area": "core"}, ["login"]),
        ({"action": "status_change"}, ["TC-1_00%"]),
        ({"actor": "BO"}, ["login", "TC-1_00%"]),
        ({"actor": "bob さん"}, ["login", "TC-1_00%"]),
        ({"subject": "customer"}, ["7"]),
        ({"q": "_0"}, ["TC-1_00%"]),
        ({"q": "0%"}, ["TC-1_00%"]),
        ({"actor": "demo", "subject": "terminal"}, []),
        ({"area": "loaners"}, []),
    ],
)
def test_entries_are_found_by_area_user_action_subject_and_part_of_the_id(
    db: Session, admin: TestClient, filters: dict[str, str], subject_ids: list[str]
) -> None:
    bob = acting(db, "bob", fleet="operator")
    audit.record(db, "demo", "create", "fleet", "customer", 7)
    audit.record(db, bob, "status_change", "fleet", "terminal", "TC-1_00%")
    audit.record(db, bob, "login", "core", "user", "login")
    audit.record(db, "demo", "create", "loaners", "device", 1)

    assert [entry["subject_id"] for entry in items(admin, **filters)] == subject_ids


def test_entries_are_found_by_user_id(db: Session, admin: TestClient) -> None:
    bob = acting(db, "bob", fleet="operator")
    audit.record(db, bob, "create", "fleet", "terminal", 1)
    audit.record(db, "demo", "create", "fleet", "terminal", 2)

    assert [entry["actor"] for entry in items(admin, user_id=bob.user_id)] == ["bob"]


@pytest.mark.parametrize(
    "filters",
    [
        {"day_from": "2026-11-21", "day_to": "2026-11-20"},
        {"day_from": "yesterday"},
        {"action": "destroy"},
        {"cursor": write_cursor("-at", 2**62, 1)},
        {"cursor": "nonsense"},
    ],
)
def test_invalid_filters_are_refused_in_words(admin: TestClient, filters: dict[str, str]) -> None:
    answer = admin.get(PATH, params=filters)

    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_the_filters_offer_only_what_the_user_may_see(admin: TestClient) -> None:
    offered = admin.get(f"{PATH}/choices").json()

    assert offered["areas"] == {"fleet": "端末管理", "core": "共通"}
    assert offered["actions"]["status_change"] == "状態の変更"
    assert offered["subjects"]["terminal"] == "端末"


def test_every_action_has_a_title() -> None:
    assert set(search.ACTION_TITLES) == set(get_args(audit.Action))


def test_what_the_fleet_writes_into_the_audit_log_has_titles(db: Session) -> None:
    factories.terminal(db)
    factories.enrolment_code(db, None)
    entries = db.scalars(select(AuditEntry)).all()

    assert {entry.subject for entry in entries} <= set(rules.AREA.subjects)
    for model in (schemas.NewCustomer, schemas.NewTerminal, NewEnrolmentCode):
        assert set(model.model_fields) <= set(rules.AREA.fields), model


def test_changes_are_listed_field_by_field_and_by_path() -> None:
    before = {"name": "A", "address": {"city": "大阪", "zip": "530"}, "tags": ["x"], "open": True, "same": 1}
    after = {"name": "A", "address": {"city": "神戸", "zip": "530"}, "tags": ["x", "y"], "open": False, "same": 1}

    assert search.changes(before, after, {"address": "住所", "city": "市"}) == [
        Change("address.city", "住所・市", "大阪", "神戸", "住所・市: 大阪 → 神戸"),
        Change("tags", "tags", "x", "x、y", "tags: x → x、y"),
        Change("open", "open", "はい", "いいえ", "open: はい → いいえ"),
    ]
    assert search.changes(None, {"name": "B"}, {}) == [Change("name", "name", None, "B", "name: B")]
    assert search.changes({"name": "B"}, None, {}) == [Change("name", "name", "B", None, "name: B → –")]


def test_an_entry_is_in_the_partition_of_its_tokyo_month(db: Session) -> None:
    audit.record(db, "demo", "create", "fleet", "terminal", 1)

    [partition] = db.scalars(text("SELECT tableoid::regclass::text FROM audit_entries"))
    assert partition == f"audit_entries_p{local_date(real_now()):%Y%m}"


def export(client: TestClient, **filters: Any) -> list[list[str]]:
    answer = client.get(f"{PATH}/export.csv", params=filters)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_the_audit_log_is_exported_as_it_is_on_the_screen(db: Session, admin: TestClient) -> None:
    bob = acting(db, "bob", fleet="operator")
    before, after = {"company_name": "ABC商事"}, {"company_name": "ABC商会"}
    entry_at(db, datetime(2026, 11, 20, 9, 5, 7, tzinfo=TOKYO), 7, action="update", before=before, after=after)
    audit.record(db, bob, "login", "core", "user", bob.user_id)
    audit.record(db, "demo", "create", "loaners", "device", 1)

    header, login, change = export(admin)

    assert header == ["日時", "業務", "操作者", "氏名", "操作", "対象", "対象のID", "変更内容", "接続元"]
    assert login[1:6] == ["共通", "bob", "bob さん", "ログイン", "ユーザー bob さん"]
    assert change[0] == "2026/11/20 09:05:07"
    assert change[1:] == ["端末管理", "demo", "", "変更", "端末 7（削除済み）", "7", "会社名: ABC商事 → ABC商会", ""]


def test_things_and_people_are_named_and_the_file_says_the_same(db: Session, admin: TestClient) -> None:
    bob = acting(db, "bob", fleet="operator")
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"), store_name="新宿店 レジ2番")
    incident_id = factories.alert(db, terminal).incident_id
    after = {"assignee_id": bob.user_id, "acknowledged": True, "terminal_ids": [terminal.id], "day": "2026-11-21"}
    audit.record(db, bob, "update", "fleet", "incident", incident_id, before={"assignee_id": None}, after=after)

    [entry] = items(admin, subject="incident", actor="bob")
    [row] = export(admin, subject="incident", actor="bob")[1:]

    assert entry["target"] == "ABC商事 新宿店 レジ2番の障害"
    assert {change["text"] for change in entry["changes"]} == {
        "担当者: bob さん",
        "初動確認: はい",
        f"端末: ABC商事 新宿店 レジ2番（{terminal.serial_number}）",
        "日付: 2026/11/21（土）",
    }
    assert (row[5], row[7].split("\n")) == (entry["target"], [change["text"] for change in entry["changes"]])


def test_an_export_follows_the_filters_and_is_audited_itself(db: Session, admin: TestClient) -> None:
    audit.record(db, "demo", "create", "fleet", "terminal", 1)
    audit.record(db, "demo", "create", "fleet", "customer", 2)

    assert [row[6] for row in export(admin, subject="customer", day_from="2026-01-01")[1:]] == ["2"]

    [entry] = items(admin, action="export")
    assert (entry["actor"], entry["subject_title"]) == ("alice", "監査ログ")
    assert {change["title"]: change["after"] for change in entry["changes"]} == {
        "件数": "1",
        "形式": "CSV",
        "条件・期間の始まり": "2026/1/1（木）",
        "条件・対象": "顧客企業",
    }


@pytest.mark.parametrize("typed", ["=1+1", "+8+1", "-1-1", "@x", "\tx", "\nx", "＝1"])
def test_nothing_in_the_file_is_run_by_a_spreadsheet(db: Session, admin: TestClient, typed: str) -> None:
    audit.record(db, typed, "create", "fleet", "terminal", typed)

    row = export(admin)[1:][-1]

    assert (row[2], row[6]) == (f"'{typed}", f"'{typed}")


def test_exporting_the_audit_log_requires_a_permission(sign_in: Callable[..., TestClient]) -> None:
    assert sign_in("bob", fleet="operator").get(f"{PATH}/export.csv").status_code == 403


def test_memberships_are_shown_in_words(db: Session, admin: TestClient) -> None:
    membership = {"area": "fleet", "role": "operator", "tenant_id": None}
    alice = acting(db, "ann", fleet="admin")
    bound_membership = {"area": "fleet", "role": "support", "tenant_id": 3}
    audit.record(
        db,
        alice,
        "update",
        "fleet",
        "user",
        9,
        before={"memberships": [membership]},
        after={"memberships": [membership, bound_membership]},
    )

    [change] = items(admin, q="9")[0]["changes"]

    assert change["title"] == "業務と役割"
    assert change["before"] == "端末管理の運用オペレーター"
    assert change["after"] == "端末管理の運用オペレーター、端末管理のサポート担当（所属先 3）"


def test_an_exported_list_has_its_own_title(db: Session, admin: TestClient) -> None:
    assert admin.get("/api/fleet/terminals.csv").status_code == 200

    [entry] = items(admin, action="export")

    assert entry["subject_title"] == "端末一覧"
    assert admin.get(f"{PATH}/choices").json()["subjects"]["fleet.terminals"] == "端末一覧"


def test_a_long_audit_log_is_read_in_chunks(db: Session) -> None:
    """5,000 entries of 4 kB each are never in memory together, neither here nor in the driver."""
    db.execute(
        text(
            "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id, after) "
            "SELECT 'demo', '-', 'fleet', 'create', 'terminal', n, jsonb_build_object('store_name', repeat('x', 4000)) "
            "FROM generate_series(1, 5000) n"
        )
    )
    tracemalloc.start()
    try:
        rows = table.rows(db, {"fleet"}, Filters(subject="terminal"))
        next(rows)
        cursors = db.execute(text("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%audit_entries%'")).scalar()
        count = 1 + sum(1 for _ in rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (count, cursors) == (5_000, 1)
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("actor", "title"),
    [
        ("agent TC200-000001", "エージェント TC200-000001"),
        ("station 2", "入退登録端末 2"),
        ("fleet.roll_outs", "自動処理（ファームウェアの配信）"),
        ("core.sweep", "自動処理（不要になったデータの整理）"),
        ("command line", "コマンド操作"),
        ("system", "自動処理"),
        ("demo", "demo"),
    ],
)
def test_machines_are_named_in_words_on_the_page_and_in_files(
    db: Session, admin: TestClient, actor: str, title: str
) -> None:
    audit.record(db, actor, "create", "fleet", "terminal", 1)

    assert [item["actor_title"] for item in items(admin, subject="terminal")] == [title]
    assert [row[2] for row in export(admin, subject="terminal")[1:]] == [title]


@pytest.mark.parametrize(
    ("actor", "title"), [("agent TC200-000002", "エージェント TC200-000002"), ("station 2", "入退登録端末 2")]
)
def test_a_machine_is_found_by_its_title(db: Session, admin: TestClient, actor: str, title: str) -> None:
    audit.record(db, "agent TC200-000001", "create", "fleet", "terminal", 1)
    audit.record(db, actor, "create", "fleet", "terminal", 2)

    assert [item["subject_id"] for item in items(admin, actor=title)] == ["2"]


def test_codes_and_times_are_shown_in_words(db: Session, admin: TestClient) -> None:
    alice = acting(db, "ann", fleet="admin")
    before, after = {"contract_type": "basic"}, {"contract_type": "premium"}
    audit.record(db, alice, "update", "fleet", "customer", 1, before=before, after=after)
    filters = {"status": "offline", "sort": "-last_heartbeat_at", "contract_type": "standard", "archived": True}
    audit.record(db, alice, "export", "fleet", "fleet.terminals", "2", after={"format": "xlsx", "filters": filters})
    audit.record(db, alice, "status_change", "fleet", "task", 3, before={"state": "failed"}, after={"state": "waiting"})
    audit.record(db, alice, "status_change", "fleet", "message", 4, before={"state": "dead"})
    audit.record(db, alice, "create", "fleet", "file", 5, after={"purpose": "fleet.bundle"})
    audit.record(db, alice, "update", "fleet", "maintenance", 6, after={"ended_at": "2026-11-21T00:05:00+00:00"})

    changes = {
        item["subject_id"]: {change["title"]: (change["before"], change["after"]) for change in item["changes"]}
        for item in items(admin, actor="ann")
    }

    assert changes == {
        "1": {"契約種別": ("ベーシック保守", "プレミアム保守")},
        "2": {
            "形式": (None, "Excel"),
            "条件・状態": (None, "オフライン"),
            "条件・並び順": (None, "最終通信（降順）"),
            "条件・契約種別": (None, "スタンダード保守"),
            "条件・アーカイブ": (None, "はい"),
        },
        "3": {"状態": ("失敗", "待機中")},
        "4": {"状態": ("送信失敗", None)},
        "5": {"用途": (None, "診断ファイル")},
        "6": {"終了した日時": (None, "2026/11/21（土）9:05")},
    }


def test_every_code_of_the_fleets_lists_has_a_title() -> None:
    """The sort keys of a list appear in the audit entries of its exports."""
    fields = search.field_titles("fleet")
    assert [key for listing in (TERMINALS, CUSTOMERS) for key in listing.keys if key not in fields] == []
    assert set(words.values("fleet", "file")["purpose"]) == {purpose.key for purpose in rules.AREA.purposes}
    assert set(words.values("fleet", "message")["state"]) == {state.value for state in MessageState}


def test_the_audit_log_is_exported_as_excel_too(
    db: Session, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.record(db, "agent TC200-000001", "create", "fleet", "terminal", "=1+1")

    answer = admin.get(f"{PATH}/export.xlsx", params={"subject": "terminal"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == FileKind.XLSX.value
    [sheet] = load_workbook(io.BytesIO(answer.content)).worksheets
    header, row = sheet.iter_rows(values_only=True)
    assert header == table.HEADER
    assert (row[2], row[4], row[6]) == ("エージェント TC200-000001", "登録", "=1+1")
    [entry] = items(admin, action="export")
    assert ("形式", "Excel") in [(change["title"], change["after"]) for change in entry["changes"]]

    monkeypatch.setattr(answers, "MAX_EXCEL_ROWS", 0)
    refused = admin.get(f"{PATH}/export.xlsx", params={"subject": "terminal"})
    assert refused.status_code == 413
    assert refused.json()["detail"].endswith("条件で絞り込むか、CSVを使ってください。")


def test_exporting_as_excel_requires_the_same_permission(sign_in: Callable[..., TestClient]) -> None:
    assert sign_in("bob", fleet="operator").get(f"{PATH}/export.xlsx").status_code == 403
