"""Definitions of the document, word for word, and the columns that follow from them."""

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


def facts(**given: Any) -> Facts:
    usual: dict[str, Any] = {
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
    return Facts(**(usual | given))


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
def test_the_documents_definitions_are_understood_word_for_word(key: str, part: str, model: type[BaseModel]) -> None:
    understood = model.model_validate(VIEWS[key][part])

    assert understood.model_dump(by_alias=True, exclude_unset=True, mode="json") == VIEWS[key][part]


def test_the_three_views_read_the_sheets_that_they_name() -> None:
    assert definition("NORMAL").kinds == (Kind.TERMINAL, Kind.PRINTER, Kind.OTHER)
    assert definition("AUDIT").kinds == (Kind.TERMINAL, Kind.PRINTER)
    assert definition("SUMMARY").kinds == (Kind.TERMINAL, Kind.PRINTER, Kind.OTHER)


def test_without_a_status_the_fallback_columns_are_shown() -> None:
    assert rules.visible_columns(definition("NORMAL"), rules.form_columns([CURRENT])) == [
        "拠点管理番号", "機器種別", "機種名", "製造番号", "タイムスタンプ", "0-1.担当者", "0-4.ステータス", "更新日時",
    ]  # fmt: skip


def test_a_status_brings_the_columns_of_its_prefix_after_the_base() -> None:
    shown = rules.visible_columns(definition("NORMAL"), rules.form_columns([CURRENT]), Status.LENT)

    base = VIEWS["NORMAL"]["表示列設定"]["baseColumns"]
    assert shown[: len(base)] == base
    assert {"1-1.担当者", "1-4.ユーザー機の預り有無", "1-8.返却予定日"} <= set(shown)
    assert not [name for name in shown if name.startswith(("2-", "3-", "0-4"))]
    # It has no number of its own and depends on 1-4.
    assert "預り機のステータス" in shown
    assert "預り機のステータス" not in rules.visible_columns(
        definition("NORMAL"), rules.form_columns([CURRENT]), Status.COLLECTED
    )


def test_columns_3_x_are_found_from_what_there_is_and_follow_the_inner_status() -> None:
    view = definition("NORMAL")
    columns = [*rules.form_columns([CURRENT]), FormColumn("3-4", "3-4.棚"), FormColumn("3-12-1", "3-12-1.新しい区分")]

    everything = rules.visible_columns(view, columns, Status.STORED)
    repairing = rules.visible_columns(view, columns, Status.STORED, "1.修理待ち")
    other = rules.visible_columns(view, columns, Status.STORED, "12.新しい社内ステータス")

    assert {"3-0.社内ステータス", "3-1-1.不具合の内容", "3-2-1.作業の担当者", "3-12-1.新しい区分"} <= set(everything)
    assert {"3-0.社内ステータス", "3-4.棚", "3-1-1.不具合の内容", "3-1-2.修理の依頼先"} <= set(repairing)
    assert not [name for name in repairing if name.startswith(("3-2-", "3-3-", "3-12-"))]
    assert [name for name in other if name.startswith("3-")] == ["3-0.社内ステータス", "3-4.棚", "3-12-1.新しい区分"]


def test_an_inner_status_changes_nothing_where_nesting_is_switched_off() -> None:
    columns = deepcopy(VIEWS["NORMAL"]["表示列設定"])
    columns["columnFilterRules"]["nestedStatusRules"]["3.社内にて保管中"]["dynamicDetection"]["enabled"] = False
    view = schemas.read_definition(VIEWS["NORMAL"]["データソース設定"], columns)

    known = rules.form_columns([CURRENT])
    assert rules.visible_columns(view, known, Status.STORED, "1.修理待ち") == rules.visible_columns(
        view, known, Status.STORED
    )


def test_normal_cells_come_from_where_the_mapping_says() -> None:
    view, values = definition("NORMAL"), rules.row_values(facts())

    def cell(column: str) -> str:
        return rules.cell_value(view, column, values, "Server")

    assert cell("機器種別") == "端末"
    assert cell("タイムスタンプ") == "2024/07/02 14:30:00"  # the master's 更新日, as its mapping says
    assert cell("0-1.担当者") == "山田太郎"
    assert cell("0-4.ステータス") == "1.貸出中"
    assert cell("預かり機のステータス") == "1.返却可能"
    assert cell("1-7.貸出日") == "2024/07/01"
    assert cell("充電器の型番") == "AC-65"
    assert cell("3-1-1.不具合の内容") == ""


def test_who_it_was_is_the_account_when_the_form_does_not_say() -> None:
    assert rules.row_values(facts(answers={"0-4": "1.貸出中"}))["0-1.担当者"] == "拠点 次郎"


def test_an_answer_is_read_by_the_form_it_was_given_to() -> None:
    old = rules.row_values(facts(questions=FORMS["terminal", 1], answers={"1-1": "○○商事", "1-2": "2024-07-01"}))

    assert (old["1-1.貸出先"], old["貸出先"], old["1-2.貸出日"]) == ("○○商事", "○○商事", "2024/07/01")
    assert "1-1.担当者" not in old


def test_the_audit_finds_its_columns_by_header_and_letters_are_the_way_out() -> None:
    view, values = definition("AUDIT"), rules.row_values(facts())
    shown = {column: rules.cell_value(view, column, values, "Server") for column in rules.visible_columns(view, [])}

    assert shown == {
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


def test_header_names_win_over_letters_with_a_questions_number_or_without() -> None:
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


@pytest.mark.parametrize(("letter", "place"), [("A列", 0), ("M列", 12), ("Z列", 25), ("AA列", 26)])
def test_letters_count_as_a_spreadsheets_do(letter: str, place: int) -> None:
    assert rules.column_number(letter) == place


def test_the_summary_groups_categories_as_its_definition_says() -> None:
    assert definition("SUMMARY").groups == {
        "Server": "SV", "Desktop": "CL", "Laptop": "CL", "Tablet": "CL", "Printer": "プリンタ", "Other": "その他",
        "Router": "その他", "Hub": "その他",
    }  # fmt: skip


def changed(key: str, part: str, *path: str, to: Any) -> tuple[Any, Any]:
    view = deepcopy(VIEWS[key])
    place = view[part]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return view["データソース設定"], view["表示列設定"]


@pytest.mark.parametrize(
    ("nonsense", "words"),
    [
        (changed("NORMAL", "データソース設定", "sourceType", to="sql"), "sourceType は"),
        (changed("NORMAL", "データソース設定", "sourceSheets", to=["在庫マスタ"]), "sourceSheets"),
        (changed("NORMAL", "データソース設定", "dynamicFields", to={}), "機器種別"),
        (changed("NORMAL", "表示列設定", "baseColumns", to=[]), "baseColumns"),
        (changed("NORMAL", "表示列設定", "baseColumns", to=["機種名", "機種名"]), "2回"),
        (changed("NORMAL", "表示列設定", "statusColumnKey", to="状態"), "statusColumnKey"),
        (changed("NORMAL", "表示列設定", "columnFilterRules", "nestedStatusRules", to={"9.紛失": {}}), "9.紛失"),
        (
            changed(
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
        (changed("AUDIT", "データソース設定", "columnMappings", "備考", to="13"), "列の位置"),
        (changed("AUDIT", "表示列設定", "unknown", to=True), "unknown"),
        (changed("SUMMARY", "データソース設定", "aggregationLogic", "deviceTypeMapping", to={"SV": ["Server"]}), "Hub"),
        (changed("SUMMARY", "表示列設定", "categories", to={"紛失": {}}), "紛失"),
        (
            changed("SUMMARY", "表示列設定", "cardGeneration", "jurisdictionFiltering", to=False),
            "jurisdictionFiltering",
        ),
        (changed("SUMMARY", "データソース設定", "dynamicGeneration", "enabled", to=False), "enabled"),
        (changed("SUMMARY", "データソース設定", "aggregationLogic", "groupBy", to=["拠点"]), "groupBy"),
        (changed("AUDIT", "表示列設定", "jurisdictionFiltering", "enabled", to=False), "enabled"),
    ],
)
def test_nonsense_is_refused(nonsense: tuple[Any, Any], words: str) -> None:
    with pytest.raises((ValidationError, ValueError)) as refused:
        schemas.read_definition(*nonsense)

    assert words in str(refused.value)


def test_a_column_that_nothing_could_stand_in_is_named() -> None:
    source, columns = changed("NORMAL", "表示列設定", "baseColumns", to=["拠点管理番号", "色", "4-1.新しい質問"])

    assert rules.unknown_columns(schemas.read_definition(source, columns), []) == ["色"]
    assert rules.unknown_columns(schemas.read_definition(source, columns), ["色"]) == []
    assert [rules.unknown_columns(definition(key), []) for key in VIEWS] == [[], [], []]


def test_a_condition_cuts_kinds_states_and_what_is_inactive() -> None:
    source, columns = VIEWS["NORMAL"]["データソース設定"], VIEWS["NORMAL"]["表示列設定"]
    view = schemas.read_definition(
        source, columns, {"status": "active", "機器種別": ["プリンタ"], "0-4.ステータス": ["1.貸出中"]}
    )

    assert (view.kinds, view.archived, view.statuses) == ((Kind.PRINTER,), False, (Status.LENT,))
    with pytest.raises(ValidationError):
        schemas.read_definition(source, columns, {"色": "赤"})
