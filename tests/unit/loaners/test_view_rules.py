"""View definitions of the specification, copied literally, and the columns that they produce."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.loaners.forms import rules as forms
from service.loaners.rules import Deposit, Kind, Status
from service.loaners.views import rules, schemas
from service.loaners.views.rules import Definition, Facts, FormColumn

FOLDER = Path(rules.__file__).parents[2] / "migrations"
VIEWS = {view["データタイプID"]: view for view in json.loads((FOLDER / "loaners_views.json").read_text())}
FORMS = {
    (form["kind"], form["number"]): forms.load_questions(form["questions"])
    for form in json.loads((FOLDER / "loaners_forms.json").read_text())
}
CURRENT = FORMS["terminal", 2]


def definition(key: str) -> Definition:
    return schemas.read_definition(VIEWS[key]["データソース設定"], VIEWS[key]["表示列設定"], VIEWS[key]["フィルタ条件"])


def facts(**values: Any) -> Facts:
    defaults: dict[str, Any] = {
        "number": "OSAKA_SV_ThinkPad_ABC123_001",
        "kind": Kind.TERMINAL,
        "category": "Server",
        "model_name": "ThinkPad",
        "maker": "Lenovo",
        "serial": "ABC123",
        "asset_number": "ASSET_001",
        "software": "Office 2021",
        "os": "Windows 11",
        "site_name": "大阪",
        "jurisdiction": "関西",
        "status": Status.LENT,
        "held": True,
        "deposit": Deposit.RETURNABLE,
        "is_archived": False,
        "created_at": datetime(2024, 7, 1, 0, 0, tzinfo=UTC),
        "updated_at": datetime(2024, 7, 2, 5, 30, tzinfo=UTC),
        "told_at": datetime(2024, 7, 2, 5, 29, tzinfo=UTC),
        "actor_name": "拠点 次郎",
        "actor_mail": "user@example.com",
        "answers": {"0-4": "1.貸出中", "1-1": "山田太郎", "1-4": "有り", "1-6": "○○商事株式会社", "1-7": "2024-07-01"},
        "questions": CURRENT,
        "further": {"充電器の型番": "AC-65"},
        "url": "https://genba.example/d/OSAKA_SV_ThinkPad_ABC123_001",
    }
    return Facts(**(defaults | values))


@pytest.mark.parametrize(
    ("key", "part", "model"),
    [
        ("NORMAL", "データソース設定", schemas.Dynamic),
        ("NORMAL", "表示列設定", schemas.StatusDriven),
        ("AUDIT", "データソース設定", schemas.Sheets),
        ("AUDIT", "表示列設定", schemas.Plain),
        ("SUMMARY", "データソース設定", schemas.Aggregated),
        ("SUMMARY", "表示列設定", schemas.Cards),
    ],
)
def test_the_definitions_of_the_specification_are_parsed_completely(
    key: str, part: str, model: type[BaseModel]
) -> None:
    parsed = model.model_validate(VIEWS[key][part])

    assert parsed.model_dump(by_alias=True, exclude_unset=True, mode="json") == VIEWS[key][part]


def test_each_view_reads_its_source_sheets() -> None:
    assert definition("NORMAL").kinds == (Kind.TERMINAL, Kind.PRINTER, Kind.OTHER)
    assert definition("AUDIT").kinds == (Kind.TERMINAL, Kind.PRINTER)
    assert definition("SUMMARY").kinds == (Kind.TERMINAL, Kind.PRINTER, Kind.OTHER)


def test_without_a_status_the_fallback_columns_are_shown() -> None:
    assert rules.visible_columns(definition("NORMAL"), rules.form_columns([CURRENT])) == [
        "拠点管理番号",
        "機器種別",
        "機種名",
        "製造番号",
        "タイムスタンプ",
        "0-1.担当者",
        "0-4.ステータス",
        "更新日時",
    ]


def test_a_status_adds_the_columns_of_its_prefix_after_the_base() -> None:
    visible = rules.visible_columns(definition("NORMAL"), rules.form_columns([CURRENT]), Status.LENT)

    base = VIEWS["NORMAL"]["表示列設定"]["baseColumns"]
    assert visible[: len(base)] == base
    assert {"1-1.担当者", "1-4.ユーザー機の預り有無", "1-8.返却予定日"} <= set(visible)
    assert not [name for name in visible if name.startswith(("2-", "3-", "0-4"))]
    # This column has no number and depends on 1-4.
    assert "預り機のステータス" in visible
    assert "預り機のステータス" not in rules.visible_columns(
        definition("NORMAL"), rules.form_columns([CURRENT]), Status.COLLECTED
    )


def test_columns_3_x_are_detected_and_follow_the_nested_status() -> None:
    view = definition("NORMAL")
    columns = [*rules.form_columns([CURRENT]), FormColumn("3-4", "3-4.棚"), FormColumn("3-12-1", "3-12-1.新しい区分")]

    everything = rules.visible_columns(view, columns, Status.STORED)
    repairing = rules.visible_columns(view, columns, Status.STORED, "1.修理待ち")
    other = rules.visible_columns(view, columns, Status.STORED, "12.新しい社内ステータス")

    assert {"3-0.社内ステータス", "3-1-1.不具合の内容", "3-2-1.作業の担当者", "3-12-1.新しい区分"} <= set(everything)
    assert {"3-0.社内ステータス", "3-4.棚", "3-1-1.不具合の内容", "3-1-2.修理の依頼先"} <= set(repairing)
    assert not [name for name in repairing if name.startswith(("3-2-", "3-3-", "3-12-"))]
    assert [name for name in other if name.startswith("3-")] == ["3-0.社内ステータス", "3-4.棚", "3-12-1.新しい区分"]


def test_a_nested_status_changes_nothing_if_nesting_is_disabled() -> None:
    columns = deepcopy(VIEWS["NORMAL"]["表示列設定"])
    columns["columnFilterRules"]["nestedStatusRules"]["3.社内にて保管中"]["dynamicDetection"]["enabled"] = False
    view = schemas.read_definition(VIEWS["NORMAL"]["データソース設定"], columns)

    form_columns = rules.form_columns([CURRENT])
    assert rules.visible_columns(view, form_columns, Status.STORED, "1.修理待ち") == rules.visible_columns(
        view, form_columns, Status.STORED
    )


def test_normal_cells_follow_the_mapping() -> None:
    view, values = definition("NORMAL"), rules.row_values(facts())

    def cell(column: str) -> str:
        return rules.cell_value(view, column, values, "Server")

    assert cell("機器種別") == "端末"
    assert cell("タイムスタンプ") == "2024/07/02 14:30:00"  # mapped to the master's 更新日
    assert cell("0-1.担当者") == "山田太郎"
    assert cell("0-4.ステータス") == "1.貸出中"
    assert cell("預かり機のステータス") == "1.返却可能"
    assert cell("1-7.貸出日") == "2024/07/01"
    assert cell("充電器の型番") == "AC-65"
    assert cell("3-1-1.不具合の内容") == ""


def test_the_person_in_charge_defaults_to_the_account() -> None:
    assert rules.row_values(facts(answers={"0-4": "1.貸出中"}))["0-1.担当者"] == "拠点 次郎"


def test_an_answer_is_read_with_the_version_of_its_form() -> None:
    values = rules.row_values(facts(questions=FORMS["terminal", 1], answers={"1-1": "○○商事", "1-2": "2024-07-01"}))

    assert (values["1-1.貸出先"], values["貸出先"], values["1-2.貸出日"]) == ("○○商事", "○○商事", "2024/07/01")
    assert "1-1.担当者" not in values


def test_the_audit_finds_its_columns_by_header_then_by_letter() -> None:
    view, values = definition("AUDIT"), rules.row_values(facts())
    cells = {column: rules.cell_value(view, column, values, "Server") for column in rules.visible_columns(view, [])}

    assert cells == {
        "担当者": "山田太郎",
        "資産管理番号": "ASSET_001",
        "拠点管理番号": "OSAKA_SV_ThinkPad_ABC123_001",
        "機種名": "ThinkPad",
        "製造番号": "ABC123",
        "ソフトウェア": "Office 2021",
        "OS": "Windows 11",
        "ステータス": "1.貸出中",
        "貸出先": "○○商事株式会社",
        "貸出日": "2024/07/01",
        "ユーザー預り機有": "有り",
        "お預かり証No.": "",
        "備考": "",
    }


def test_header_names_take_precedence_over_letters() -> None:
    source = deepcopy(VIEWS["AUDIT"]["データソース設定"])
    source["columnMappings"]["備考"] = "A列"
    source["columnMappings"]["連絡先"] = "C列"
    source["alternativeMapping"]["headerBasedMapping"]["備考"] = ["ない見出し", "ユーザー情報"]
    view = schemas.read_definition(source, {"columns": ["備考", "連絡先"]})
    values = rules.row_values(facts(answers={"0-4": "1.貸出中", "1-3": "田中花子"}))

    assert rules.cell_value(view, "備考", values, "Server") == "田中花子"
    assert rules.cell_value(view, "連絡先", values, "Server") == values["拠点管理番号"]
    source["alternativeMapping"]["enabled"] = False
    assert (
        rules.cell_value(schemas.read_definition(source, {"columns": ["備考"]}), "備考", values, "Server")
        == values["担当者"]
    )


@pytest.mark.parametrize(("letter", "index"), [("A列", 0), ("M列", 12), ("Z列", 25), ("AA列", 26)])
def test_column_letters_count_as_in_a_spreadsheet(letter: str, index: int) -> None:
    assert rules.column_number(letter) == index


def test_the_summary_groups_categories_by_its_definition() -> None:
    assert definition("SUMMARY").groups == {
        "Server": "SV",
        "Desktop": "CL",
        "Laptop": "CL",
        "Tablet": "CL",
        "Printer": "プリンタ",
        "Other": "その他",
        "Router": "その他",
        "Hub": "その他",
    }


def changed_view(key: str, part: str, *path: str, to: Any) -> tuple[Any, Any]:
    view = deepcopy(VIEWS[key])
    parent = view[part]
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = to
    return view["データソース設定"], view["表示列設定"]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (changed_view("NORMAL", "データソース設定", "sourceType", to="sql"), "sourceType は"),
        (changed_view("NORMAL", "データソース設定", "sourceSheets", to=["在庫マスタ"]), "sourceSheets"),
        (changed_view("NORMAL", "データソース設定", "dynamicFields", to={}), "機器種別"),
        (changed_view("NORMAL", "表示列設定", "baseColumns", to=[]), "baseColumns"),
        (changed_view("NORMAL", "表示列設定", "baseColumns", to=["機種名", "機種名"]), "2回"),
        (changed_view("NORMAL", "表示列設定", "statusColumnKey", to="状態"), "statusColumnKey"),
        (changed_view("NORMAL", "表示列設定", "columnFilterRules", "nestedStatusRules", to={"9.紛失": {}}), "9.紛失"),
        (
            changed_view(
                "NORMAL",
                "表示列設定",
                "columnFilterRules",
                "nestedStatusRules",
                "3.社内にて保管中",
                "nestedStatusColumnKey",
                to="2-0.回収ステータス",
            ),
            "質問番号 3 のものではありません",
        ),
        (changed_view("AUDIT", "データソース設定", "columnMappings", "備考", to="13"), "列の位置"),
        (changed_view("AUDIT", "表示列設定", "unknown", to=True), "unknown"),
        (
            changed_view("SUMMARY", "データソース設定", "aggregationLogic", "deviceTypeMapping", to={"SV": ["Server"]}),
            "Hub",
        ),
        (changed_view("SUMMARY", "表示列設定", "categories", to={"紛失": {}}), "紛失"),
        (
            changed_view("SUMMARY", "表示列設定", "cardGeneration", "jurisdictionFiltering", to=False),
            "jurisdictionFiltering",
        ),
        (changed_view("SUMMARY", "データソース設定", "dynamicGeneration", "enabled", to=False), "enabled"),
        (changed_view("SUMMARY", "データソース設定", "aggregationLogic", "groupBy", to=["拠点"]), "groupBy"),
        (changed_view("AUDIT", "表示列設定", "jurisdictionFiltering", "enabled", to=False), "enabled"),
    ],
)
def test_an_invalid_definition_is_refused(configuration: tuple[Any, Any], message: str) -> None:
    with pytest.raises((ValidationError, ValueError)) as refused:
        schemas.read_definition(*configuration)

    assert message in str(refused.value)


def test_a_column_without_any_source_is_named() -> None:
    source, columns = changed_view("NORMAL", "表示列設定", "baseColumns", to=["拠点管理番号", "色", "4-1.新しい質問"])

    assert rules.unknown_columns(schemas.read_definition(source, columns), []) == ["色"]
    assert rules.unknown_columns(schemas.read_definition(source, columns), ["色"]) == []
    assert [rules.unknown_columns(definition(key), []) for key in VIEWS] == [[], [], []]


def test_a_condition_filters_kinds_statuses_and_archived_devices() -> None:
    source, columns = VIEWS["NORMAL"]["データソース設定"], VIEWS["NORMAL"]["表示列設定"]
    view = schemas.read_definition(
        source, columns, {"status": "active", "機器種別": ["プリンタ"], "0-4.ステータス": ["1.貸出中"]}
    )

    assert (view.kinds, view.archived, view.statuses) == ((Kind.PRINTER,), False, (Status.LENT,))
    with pytest.raises(ValidationError):
        schemas.read_definition(source, columns, {"色": "赤"})
