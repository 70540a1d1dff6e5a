"""Today's sheets as files: masters and collection sheets, imported again without duplicates, wrong rows in words."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.loaners.test_forms import create_draft, edit_draft, publish, question_inputs
from tests.imports import begin_import, preview, run_import
from tests.sheets import long_history
from tests.workers import Environment, environment

__all__ = ["environment"]
# ruff: noqa: E501  # the sheets have long lines
DEVICES = """拠点管理番号,機種名,メーカー,カテゴリ,シリアル番号,資産番号,ソフトウェア,OS,預かり機のステータス,作成日
OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001,ThinkPad X1 Carbon,Lenovo,Server,ABC12345,ASSET_001,Office 2021,Windows 11,,2024/07/01 09:00:00
KOBE_Tablet_iPad-Pro-12.9_GHI33333_001,iPad-Pro-12.9,Apple,タブレット,GHI33333,ASSET_002,,,,2024/07/01 09:00:00
HIMEJI_Printer_imageClass-MF644Cdw_XYZ98765_001,imageClass-MF644Cdw,Canon,Printer,XYZ98765,,,,,2024/07/01 09:00:00
"""
V1 = """タイムスタンプ,メールアドレス,0-1.担当者,0-2.拠点管理番号,0-3.機種名,0-4.ステータス,1-1.貸出先,1-2.貸出日
2024/07/02 14:30:00,user@example.com,山田太郎,OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001,ThinkPad,1.貸出中,○○商事株式会社,2024/07/01
"""
V2 = """タイムスタンプ,拠点管理番号,0-4.ステータス,1-1.担当者,1-2.貸出番号,1-3.ユーザー情報,1-4.ユーザー機の預り有無,1-5.資産管理番号,{deposit}
2024/07/10 10:00:00,KOBE_Tablet_iPad-Pro-12.9_GHI33333_001,1.貸出中,山田太郎,LOAN-2024-001,田中花子,有り,ASSET-12345,1.返却可能
2024/07/20 10:00:00,KOBE_Tablet_iPad-Pro-129_GHI33333_001,3.社内にて保管中,,,,,,
"""
STATES = (
    "SELECT d.number, s.status, s.held, s.deposit FROM loaners_devices d JOIN loaners_states s ON s.device_id = d.id "
    "WHERE upper_inf(s.during) ORDER BY d.number"
)


def admin(environment: Environment) -> TestClient:
    return environment.sign_in("alice", loaners="admin")


def test_devices_come_as_they_stand_in_the_sheets(environment: Environment) -> None:
    client = admin(environment)

    run_import(environment, client, DEVICES, "loaners.devices")

    devices = environment.rows(
        "SELECT number, kind, category, serial, asset_number FROM loaners_devices ORDER BY number"
    )
    assert devices == [
        ("HIMEJI_Printer_imageClass-MF644Cdw_XYZ98765_001", "printer", "Printer", "XYZ98765", ""),
        ("KOBE_Tablet_iPad-Pro-129_GHI33333_001", "terminal", "Tablet", "GHI33333", "ASSET_002"),
        ("OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001", "terminal", "Server", "ABC12345", "ASSET_001"),
    ]
    assert environment.rows(
        "SELECT after->>'serial' FROM audit_entries WHERE (subject, action) = ('device', 'create') ORDER BY 1"
    ) == [("ABC12345",), ("GHI33333",), ("XYZ98765",)]
    assert environment.rows("SELECT alias FROM loaners_aliases") == [("KOBE_Tablet_iPad-Pro-12.9_GHI33333_001",)]
    assert environment.rows(
        "SELECT count(*), min(effective_at)::text FROM loaners_events WHERE kind = 'registered'"
    ) == [(3, "2024-07-01 00:00:00+00")]


def test_the_same_file_again_changes_nothing_and_another_one_what_it_says(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")

    again = preview(client, begin_import(client, DEVICES, "loaners.devices"))["counts"]
    changed = run_import(environment, client, DEVICES.replace("Windows 11", "Windows 12"), "loaners.devices")

    assert again == {"new": 0, "update": 0, "same": 3, "error": 0}
    assert "更新 1台" in str(changed)
    assert environment.rows("SELECT os FROM loaners_devices WHERE os <> ''") == [("Windows 12",)]


def test_an_exported_master_comes_back_without_a_change(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    client.post("/api/loaners/columns", json={"kind": "terminal", "title": "画面サイズ"})

    for path, rows in (("terminals.csv", 2), ("printers.xlsx", 1)):
        exported = client.get(f"/api/loaners/devices/{path}").content
        shown = preview(client, begin_import(client, exported, "loaners.devices", path))
        assert shown["counts"] == {"new": 0, "update": 0, "same": rows, "error": 0}, shown


@pytest.mark.parametrize("master", ["terminals", "printers"])
def test_the_product_s_own_masters_come_back_without_a_change(environment: Environment, master: str) -> None:
    client = admin(environment)
    without_dates = "\n".join(line.rpartition(",")[0] for line in DEVICES.splitlines())
    run_import(environment, client, without_dates, "loaners.devices")
    run_import(environment, client, LENT_ONCE, "loaners.history")
    run_import(
        environment, client, without_dates.replace("ASSET_002,,,", "ASSET_002,,,4.HW延長保守中"), "loaners.devices"
    )

    exported = client.get(f"/api/loaners/devices/{master}.csv").content
    counts = preview(client, begin_import(client, exported, "loaners.devices"))["counts"]

    assert (master != "terminals") or "4.HW延長保守中(OS" in exported.decode("utf-8-sig")
    assert counts == {"new": 0, "update": 0, "same": 2 if master == "terminals" else 1, "error": 0}


def test_a_date_of_creation_that_is_another_one_is_refused_in_words(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")

    shown = preview(client, begin_import(client, DEVICES.replace("2024/07/01", "2024/07/02"), "loaners.devices"))

    assert [error["field"] for error in shown["errors"]] == ["作成日"] * 3
    assert "登録済みの作成日は「2024/07/01 09:00:00」です" in shown["errors"][0]["message"]


def test_wrong_devices_are_reported_row_by_row_in_words(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    header = DEVICES.splitlines()[0]
    rows = (
        "NARA_SV_ThinkPad-X1-Carbon_A1_001,ThinkPad-X1-Carbon,,Server,A1,A,,,,",
        "OSAKA_SV_Unknown_A2_001,Unknown,,Server,A2,A,,,,",
        "OSAKA_Laptop_ThinkPad-X1-Carbon_A3_001,ThinkPad-X1-Carbon,,Server,A3,A,,,,",
        "OSAKA_SV_ThinkPad-X1-Carbon_A4_001,ThinkPad-X1-Carbon,,Server,A4,,,,,",
        "OSAKA-SV-ThinkPad,ThinkPad-X1-Carbon,,Server,A5,A,,,,",
        "OSAKA_SV_ThinkPad-X1-Carbon_A6_001,ThinkPad-X1-Carbon,,サーバ,A6,A,,,,",
        "OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001,ThinkPad-X1-Carbon,,Server,ZZZ,ASSET_001,,,,",
    )

    shown = preview(client, begin_import(client, "\n".join((header, *rows)), "loaners.devices"))

    assert shown["counts"]["error"] == len(rows)
    messages = (
        "拠点「NARA」が拠点マスタにありません",
        "機種「Unknown」が機種マスタにありません",
        "カテゴリと違います",
        "資産管理番号が必要です",
        "拠点コード_カテゴリ_モデル_製造番号_連番",
        "カテゴリは Desktop",
        "登録済みの内容は「ABC12345」です",
    )
    assert [error["row"] for error in shown["errors"]] == list(range(2, 2 + len(rows)))
    assert [
        message for message, error in zip(messages, shown["errors"], strict=True) if message not in error["message"]
    ] == []


@pytest.mark.parametrize("deposit", ["預り機のステータス", "預かり機のステータス"])
def test_collection_sheets_of_both_versions_and_spellings_become_history(
    environment: Environment, deposit: str
) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")

    run_import(environment, client, V1, "loaners.history")
    run_import(environment, client, V2.format(deposit=deposit), "loaners.history")

    assert environment.rows(STATES) == [
        ("HIMEJI_Printer_imageClass-MF644Cdw_XYZ98765_001", None, None, None),
        ("KOBE_Tablet_iPad-Pro-129_GHI33333_001", 3, None, None),
        ("OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001", 1, None, None),
    ]
    events = environment.rows(
        "SELECT e.kind, f.number, e.deposit, e.borrower, e.loan_number, e.actor_name, e.actor_mail FROM loaners_events e "
        "LEFT JOIN loaners_forms f ON f.id = e.form_id WHERE e.kind <> 'registered' ORDER BY e.effective_at, e.id"
    )
    assert events == [
        ("form", 1, None, "○○商事株式会社", "", "山田太郎", "user@example.com"),
        ("form", 2, 1, "", "LOAN-2024-001", "山田太郎", ""),
        ("form", 2, None, "", "", "alice さん", ""),
        ("cleared", None, None, "", "", "", ""),
    ]
    assert environment.rows("SELECT borrower FROM loaners_loans WHERE upper_inf(during)") == [("○○商事株式会社",)]


def test_a_collection_sheet_again_doubles_nothing_and_a_longer_one_adds_its_new_rows(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    sheet = V2.format(deposit="預り機のステータス")
    run_import(environment, client, sheet, "loaners.history")
    longer = sheet + "2024/08/01 10:00:00,KOBE_Tablet_iPad-Pro-129_GHI33333_001,2.回収後社内保管,,,,,,\n"

    again = preview(client, begin_import(client, sheet, "loaners.history"))["counts"]
    run_import(environment, client, longer, "loaners.history")

    assert again == {"new": 0, "update": 0, "same": 2, "error": 0}
    assert environment.rows("SELECT count(*) FROM loaners_events WHERE kind = 'form'") == [(3,)]


DEPOSIT_SQL = (
    "SELECT e.deposit, e.source, s.deposit FROM loaners_events e JOIN loaners_states s USING (device_id) "
    "WHERE e.kind = 'deposit' AND upper_inf(s.during)"
)
LENT_ONCE = V2.format(deposit="").splitlines()[0].rstrip(",") + (
    "\n2024/07/10 10:00:00,KOBE_Tablet_iPad-Pro-129_GHI33333_001,1.貸出中,山田太郎,L-1,田中花子,有り,ASSET-12345\n"
)


@pytest.mark.parametrize("header", ["預り機のステータス", "預かり機のステータス"])
def test_the_masters_deposit_holds_once_the_history_says_that_it_may(environment: Environment, header: str) -> None:
    client = admin(environment)
    masters = DEVICES.replace("預かり機のステータス", header).replace(
        "GHI33333,ASSET_002,,,,", "GHI33333,ASSET_002,,,1.返却可能,"
    )

    run_import(environment, client, masters, "loaners.devices")
    before = environment.rows(DEPOSIT_SQL)
    again = preview(client, begin_import(client, masters, "loaners.devices"))["counts"]
    run_import(environment, client, LENT_ONCE, "loaners.history")

    assert before == [(1, "import", None)]
    assert again["same"] == 3
    assert environment.rows(DEPOSIT_SQL) == [(1, "import", 1)]


def test_the_masters_once_more_after_the_history_take_over_the_deposit_and_only_once(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    run_import(environment, client, LENT_ONCE, "loaners.history")
    masters = DEVICES.replace("GHI33333,ASSET_002,,,,", "GHI33333,ASSET_002,,,2.商談や金額の問題,")

    run_import(environment, client, masters, "loaners.devices")
    again = preview(client, begin_import(client, masters, "loaners.devices"))["counts"]

    assert environment.rows(DEPOSIT_SQL) == [(2, "import", 2)]
    assert again == {"new": 0, "update": 0, "same": 3, "error": 0}


def test_a_master_s_deposit_that_cannot_be_is_refused_in_words(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    run_import(environment, client, V1, "loaners.history")
    masters = DEVICES.replace("GHI33333,ASSET_002,,,,", "GHI33333,ASSET_002,,,3.社内にて保管中,")
    masters = masters.replace("Windows 11,,", "Windows 11,1.返却可能,")

    shown = preview(client, begin_import(client, masters, "loaners.devices"))

    assert [(error["row"], error["field"]) for error in shown["errors"]] == [
        (2, "預かり機のステータス"),
        (3, "預かり機のステータス"),
    ]
    assert "「1-4.ユーザー機の預り有無」が「有り」のときだけ" in shown["errors"][0]["message"]
    assert "「3.社内にて保管中」は使えません" in shown["errors"][1]["message"]


EMPTIED = (
    V2.format(deposit="預り機のステータス").splitlines()[0]
    + "\n2024/08/10 10:00:00,KOBE_Tablet_iPad-Pro-129_GHI33333_001,1.貸出中,山田太郎,L-1,田中花子,有り,A,{}"
    + "\n2024/08/11 10:00:00,KOBE_Tablet_iPad-Pro-129_GHI33333_001,1.貸出中,山田太郎,L-1,田中花子,有り,A,{}\n"
)
CLEARED = "SELECT source, effective_at::date::text FROM loaners_events WHERE kind = 'cleared' ORDER BY effective_at"


@pytest.mark.parametrize("order", [1, -1])
def test_a_later_row_that_leaves_the_deposit_empty_clears_it_in_whichever_order_they_come(
    environment: Environment, order: int
) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    sheets = LENT_ONCE.replace("資産管理番号\n", "資産管理番号,預り機のステータス\n").replace(
        "ASSET-12345\n", "A,1.返却可能\n"
    )

    for sheet in [sheets, EMPTIED.format("", "")][::order]:
        run_import(environment, client, sheet, "loaners.history")
    again = preview(client, begin_import(client, EMPTIED.format("", ""), "loaners.history"))["counts"]

    assert [row for row in environment.rows(STATES) if row[0].startswith("KOBE")] == [
        ("KOBE_Tablet_iPad-Pro-129_GHI33333_001", 1, True, None)
    ]
    assert environment.rows(CLEARED) == [("import", "2024-08-10")]
    assert again["same"] == 2


def test_a_sheet_without_the_column_leaves_the_deposit_as_it_is(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    run_import(environment, client, EMPTIED.format("2.商談や金額の問題", "1.返却可能"), "loaners.history")
    without = LENT_ONCE.replace("2024/07/10", "2024/09/10")

    run_import(environment, client, without, "loaners.history")

    assert (("KOBE_Tablet_iPad-Pro-129_GHI33333_001", 1, True, 1)) in environment.rows(STATES)
    assert environment.rows(CLEARED) == []


def test_a_sheet_again_after_its_form_was_changed_doubles_nothing(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    run_import(environment, client, LENT_ONCE.replace("田中花子", "2024/07/09"), "loaners.history")
    form = create_draft(client)
    questions = [
        question | ({"type": "date"} if question["key"] == "1-3" else {})
        for question in question_inputs(form["questions"])
    ]
    assert publish(client, edit_draft(client, form, questions)).status_code == 204

    again = preview(client, begin_import(client, LENT_ONCE.replace("田中花子", "2024/07/09"), "loaners.history"))[
        "counts"
    ]

    assert again == {"new": 0, "update": 0, "same": 1, "error": 0}


def test_archived_events_are_found_by_their_key_without_a_sequential_scan(environment: Environment) -> None:
    """With the application's role: row-level security would keep an index on an expression from being used."""
    with environment.session() as db:
        db.execute(text("SET LOCAL enable_seqscan = off"))
        query = "EXPLAIN SELECT import_key FROM loaners_archived_events WHERE import_key IN ('a', 'b')"
        plan = "\n".join(db.scalars(text(query)))

    assert "ix_loaners_archived_events_import_key" in plan, plan


def test_rows_that_differ_in_spelling_alone_are_one(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    header, row = LENT_ONCE.strip().split("\n")
    dotted = row.replace("Pro-129", "Pro-12.9")
    wide = row.replace("1.貸出中", "１．貸出中").replace("有り", "あり")

    shown = preview(client, begin_import(client, "\n".join((header, row, row, wide, dotted)), "loaners.history"))
    run_import(environment, client, "\n".join((header, row)), "loaners.history")
    again = [
        preview(client, begin_import(client, f"{header}\n{line}", "loaners.history"))["counts"]["same"]
        for line in (wide, dotted)
    ]

    assert (shown["counts"], shown["errors"]) == ({"new": 1, "update": 0, "same": 3, "error": 0}, [])
    assert again == [1, 1]


def test_what_happened_before_the_device_was_registered_moves_its_registration(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES.replace("2024/07/01 09:00:00", "2024/09/01 09:00:00"), "loaners.devices")

    run_import(environment, client, V1, "loaners.history")

    assert environment.rows(
        "SELECT lower(s.during)::text, s.status FROM loaners_states s JOIN loaners_devices d ON d.id = s.device_id "
        "WHERE d.category = 'Server' ORDER BY 1"
    ) == [("2024-07-02 05:30:00+00", 1), ("2024-09-01 00:00:00+00", 1)]


def test_wrong_rows_of_a_collection_sheet_are_reported_in_words(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")
    number = "KOBE_Tablet_iPad-Pro-129_GHI33333_001"
    header = V2.format(deposit="預り機のステータス").splitlines()[0]
    rows = (
        f"きのう,{number},1.貸出中,,,,,,",
        "2024/07/10 10:00:00,OSAKA_SV_Nothing_A_001,1.貸出中,,,,,,",
        f"2024/07/10 10:00:00,{number},4.修理中,,,,,,",
        f"2024/07/10 10:00:01,{number},1.貸出中,,,,有り,,3.社内にて保管中",
        f"2024/07/10 10:00:02,{number},,,,,,,",
        f"2999/07/10 10:00:02,{number},1.貸出中,,,,,,",
    )

    shown = preview(client, begin_import(client, "\n".join((header, *rows)), "loaners.history"))

    messages = (
        "日時として読み取れません",
        "登録されていません",
        "1.貸出中",
        "預り機のステータス「3.",
        "必須",
        "未来",
    )
    assert [error["row"] for error in shown["errors"]] == list(range(2, 2 + len(rows)))
    assert [
        message for message, error in zip(messages, shown["errors"], strict=True) if message not in error["message"]
    ] == []


def test_the_columns_that_only_a_sheet_has_are_shown_in_the_preview(environment: Environment) -> None:
    client = admin(environment)
    run_import(environment, client, DEVICES, "loaners.devices")

    draft = begin_import(client, V1, "loaners.history")
    [row] = preview(client, draft)["rows"]

    assert "1-1.貸出先" in [field["label"] for field in draft["fields"]]
    assert row["values"]["1-1.貸出先"] == "○○商事株式会社"


def test_sites_and_models_come_by_file(environment: Environment) -> None:
    client = admin(environment)
    sites = (
        "拠点 ID,拠点コード,拠点名,管轄,グループメールアドレス,ステータス変更通知,ステータス,作成日\n"
        "osaka,OSAKA,大阪,関西,test-group@example.com,true,active,2024/07/02 14:30:00\n"
        "nara,NARA,奈良,関西,nara@example.com,false,inactive,2024/07/02 14:30:00\n"
    )
    models = "機種 ID,機種名,メーカー,カテゴリ,備考\nMODEL_001,ThinkPad X1 Carbon,Lenovo,Laptop,第 10 世代\n,New Model 7,X,Hub,\n"

    run_import(environment, client, sites, "loaners.sites")
    run_import(environment, client, models, "loaners.models")
    again = [
        preview(client, begin_import(client, content, kind))["counts"]["same"]
        for content, kind in ((sites, "loaners.sites"), (models, "loaners.models"))
    ]

    assert environment.rows(
        "SELECT key, notifies, archived_at IS NULL FROM loaners_sites WHERE key IN ('osaka', 'nara') ORDER BY 1"
    ) == [
        ("nara", False, False),
        ("osaka", True, True),
    ]
    assert environment.rows(
        "SELECT name, note FROM loaners_models WHERE note <> '' OR name LIKE 'New%' ORDER BY 1"
    ) == [
        ("New-Model-7", ""),
        ("ThinkPad-X1-Carbon", "第 10 世代"),
    ]
    assert again == [2, 2]


def test_further_columns_come_by_their_titles(environment: Environment) -> None:
    client = admin(environment)
    client.post("/api/loaners/columns", json={"kind": "terminal", "title": "画面サイズ"})
    lines = DEVICES.splitlines()
    sheet = "\n".join([lines[0] + ",画面サイズ", lines[1] + ",13型", lines[2] + ","]) + "\n"

    run_import(environment, client, sheet, "loaners.devices")
    again = preview(client, begin_import(client, sheet, "loaners.devices"))["counts"]

    assert environment.rows("SELECT count(*) FROM loaners_devices WHERE extra::text LIKE '%13型%'") == [(1,)]
    assert again["same"] == 2


def test_a_long_workbook_is_taken_in_whole_in_several_portions(environment: Environment) -> None:
    """A hundred devices, twenty forms each, from Excel: more than is taken in at a time."""
    client = admin(environment)
    devices, history = long_history(100)
    run_import(environment, client, devices, "loaners.devices")

    task = run_import(environment, client, history, "loaners.history")

    assert "新規 2,000件" in str(task)
    assert environment.rows("SELECT count(*) FROM loaners_loans") == [(1000,)]
