"""The tables and management numbers of the specification, copied literally."""

from __future__ import annotations

import pytest

from service.loaners.rules import (
    CATEGORIES,
    DEPOSIT_LABELS,
    MAX_NUMBER_LENGTH,
    management_number,
    model_name_refusal,
    model_section,
    normalize_number,
    number_refusal,
    proposed_model_name,
)

# 2.2.3.
CATEGORY_TABLE = """
Desktop | デスクトップ PC | デスクトップコンピュータ
Laptop | ノート PC | ノートパソコン
Server | サーバー | サーバー機器
Tablet | タブレット | タブレット端末
Printer | プリンタ | プリンター機器
Router | ルーター | ネットワークルーター
Hub | ハブ | ネットワークハブ・スイッチ
Other | その他 | その他機器
"""
# 3.2.2.
ABBREVIATIONS = """
デスクトップ PC | Desktop | Desktop
ノート PC | Laptop | Laptop
サーバー | SV | Server
タブレット | Tablet | Tablet
プリンタ | Printer | Printer
ルーター | Router | Router
ハブ | Hub | Hub
その他 | Other | Other
"""
# 2.6.2: ステータス値, 説明, カテゴリ, 集計分類.
DEPOSIT_TABLE = """
1.返却可能 | 代替機を貸し出しているが修理が完了していつでも返却できる台数 | 返却可能 | 返却可能
2.商談や金額の問題で返却不可 | 商談や金額の問題で返却出来ない台数 | 返却不可 | 商談中
3.お客様による返却拒否 | 代替機を貸し出し中だが、お客様より代替機を使うので返却を拒否されている台数 | 返却不可 | 返却拒否
4.HW延長保守中(OS入れ替えやサービス終了を含む) | HW 延長保守にて貸し出している台数 ※OS 入れ替えやサービス終了を含む | 貸し出し中 | 保守対応中
"""  # noqa: E501  # as in the specification
# 3.3, except for the number with a point, which 3.2.3 forbids.
NUMBERS = (
    "OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001",
    "OSAKA_Printer_imageClass-MF644Cdw_XYZ98765_001",
    "KOBE_Desktop_OptiPlex-7090_DEF11111_002",
    "HIMEJI_Router_WXR-6000AX12S_JKL44444_001",
    "HIMEJI_Hub_GS724T_MNO55555_001",
    "HIMEJI_Other_UnknownDevice_PQR66666_001",
)
DOTTED = "KOBE_Tablet_iPad-Pro-12.9_GHI33333_001"


def rows(table: str) -> list[list[str]]:
    return [line.split(" | ") for line in table.strip().splitlines()]


def test_categories_match_the_specification() -> None:
    assert [[key, category.title, category.description] for key, category in CATEGORIES.items()] == rows(CATEGORY_TABLE)


def test_abbreviations_match_the_specification() -> None:
    assert [[category.title, category.abbreviation, key] for key, category in CATEGORIES.items()] == rows(ABBREVIATIONS)


def test_deposits_match_the_specification() -> None:
    table = [[label.title, label.description, label.category, label.counted_as] for label in DEPOSIT_LABELS.values()]

    assert table == rows(DEPOSIT_TABLE)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_the_specification_are_valid_and_built_from_their_parts(number: str) -> None:
    site, category, model, serial, running = number.split("_")
    key = next(key for key, entry in CATEGORIES.items() if entry.abbreviation == category)

    assert number_refusal(number) is None
    assert management_number(site, key, model, serial, int(running)) == number


def test_the_dotted_number_of_the_specification_is_normalised() -> None:
    assert number_refusal(DOTTED) is not None
    assert normalize_number(DOTTED) == "KOBE_Tablet_iPad-Pro-129_GHI33333_001"
    assert number_refusal(normalize_number(DOTTED)) is None


@pytest.mark.parametrize(
    "number",
    [
        "",
        "osaka_SV_ThinkPad_ABC_001",
        "OSAKA_Server_ThinkPad_ABC_001",
        "OSAKA_SV_ThinkPad_ABC_01",
        "OSAKA_SV_ThinkPad_ABC_1000",
        "OSAKA_SV_ThinkPad_ABC",
        "OSAKA_SV_Think Pad_ABC_001",
        "OSAKA_SV_シンクパッド_ABC_001",
        "OSAKA_SV_ThinkPad_" + "A" * 21 + "_001",
        "O" * 21 + "_SV_ThinkPad_ABC_001",
        "OSAKA_SV_" + "A" * 90 + "_ABC_001",
        "OSAKA_SV_ThinkPad_ABC_001\n",
    ],
)
def test_an_invalid_number_is_refused_with_a_message(number: str) -> None:
    refusal = number_refusal(number)

    assert refusal is not None
    assert refusal.endswith("。")


def test_a_number_has_a_hundred_characters_at_most() -> None:
    rest = "OSAKA_SV__ABC_001"
    longest = rest.replace("__", f"_{'A' * (MAX_NUMBER_LENGTH - len(rest))}_")

    assert len(longest) == MAX_NUMBER_LENGTH
    assert number_refusal(longest) is None
    assert number_refusal(longest.replace("_A", "_AA", 1)) is not None


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("iPad-Pro-12.9", "iPad-Pro-129"),
        ("imageCLASS/MF644Cdw", "imageCLASSMF644Cdw"),
        ("プリンタMF_644", "MF644"),
        ("代替機", ""),
    ],
)
def test_a_models_section_keeps_letters_digits_and_hyphens(name: str, section: str) -> None:
    assert model_section(name) == section


def test_a_running_number_ends_at_999() -> None:
    with pytest.raises(ValueError, match="999"):
        management_number("OSAKA", "Server", "ThinkPad", "ABC", 1000)


def test_a_model_without_ascii_letters_gives_no_number() -> None:
    with pytest.raises(ValueError, match="英数字"):
        management_number("OSAKA", "Other", "代替機", "ABC", 1)


def test_a_name_with_blanks_is_refused_with_the_hyphenated_proposal() -> None:
    assert proposed_model_name("ThinkPad X1　Carbon") == "ThinkPad-X1-Carbon"
    assert "「ThinkPad-X1-Carbon」" in str(model_name_refusal("ThinkPad X1 Carbon"))
    assert "「MF-644」" in str(model_name_refusal("MF_644"))
    assert model_name_refusal("ThinkPad-X1-Carbon") is None
