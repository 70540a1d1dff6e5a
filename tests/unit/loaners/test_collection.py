"""Parsing of the rows of collection sheets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.loaners.collection import rules
from service.loaners.collection.rules import Version
from service.loaners.forms.rules import MAX_ANSWER_LENGTH, Meaning, Question, Type
from service.loaners.rules import DEPOSIT_LABELS, STATUS_LABELS, Deposit, Status

STATUS = Question("0-4", "ステータス", Type.CHOICE, tuple(STATUS_LABELS.values()), True, meaning=Meaning.STATUS)
V1 = Version(1, [Question("0-1", "担当者"), STATUS, Question("1-1", "貸出先"), Question("1-2", "貸出日", Type.DATE)])
V2 = Version(2, [STATUS, Question("1-1", "担当者"), Question("1-2", "貸出番号"), Question("1-7", "貸出日", Type.DATE)])


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("0-4.ステータス", "0-4"),
        ("０－４．ステータス", "0-4"),
        ("3-1-2. 修理の依頼先", "3-1-2"),
        ("預り機のステータス", "deposit"),
        ("預かり機のステータス", "deposit"),
        ("0-2.拠点管理番号", None),
        ("0-3.機種名", None),
        ("タイムスタンプ", None),
        ("備考", None),
    ],
)
def test_a_header_names_its_question(header: str, key: str | None) -> None:
    assert rules.question_key(header) == key


def test_an_answer_may_be_as_long_as_on_the_form() -> None:
    status, longest = {"0-4.ステータス": "1.貸出中"}, "あ" * MAX_ANSWER_LENGTH
    assert rules.read_answers(V1, status | {"1-1.貸出先": longest}) == (
        {"0-4": STATUS_LABELS[Status.LENT], "1-1": longest},
        {},
    )
    assert [*rules.read_answers(V1, status | {"1-1.貸出先": longest + "あ"})[1]] == ["1-1.貸出先"]


@pytest.mark.parametrize(
    ("text", "deposit"),
    [
        *((label.title, deposit) for deposit, label in DEPOSIT_LABELS.items()),
        ("4.HW 延長保守中(OS 入れ替えやサービス終了を含む)", Deposit.MAINTAINED),
        ("４．ＨＷ延長保守中（OS入れ替えやサービス終了を含む）", Deposit.MAINTAINED),
        ("2.商談や金額の問題", Deposit.NEGOTIATING),
        ("返却可能", Deposit.RETURNABLE),
    ],
)
def test_a_deposit_is_recognised_by_its_full_text(text: str, deposit: Deposit) -> None:
    assert rules.parse_deposit(text) is deposit


@pytest.mark.parametrize("text", ["3.社内にて保管中", "1.代替機を貸し出している", "1", "2.返却可能", "4."])
def test_a_leading_number_alone_is_no_deposit(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.返却可能"):
        rules.parse_deposit(text)


@pytest.mark.parametrize(
    ("text", "status"), [("1.貸出中", Status.LENT), ("２．回収後社内保管", Status.COLLECTED), ("3. 社内にて保管中", 3)]
)
def test_a_status_may_be_full_width_or_half_width(text: str, status: int) -> None:
    assert rules.parse_status(text) == status


def test_timestamps_are_in_tokyo_time() -> None:
    assert rules.parse_timestamp("2024/07/02 14:30:00") == datetime(2024, 7, 2, 5, 30, tzinfo=UTC)
    assert rules.parse_timestamp("2024-7-2 9:05") == datetime(2024, 7, 2, 0, 5, tzinfo=UTC)
    assert rules.parse_day("2024/07/01") == "2024-07-01"


@pytest.mark.parametrize("text", ["", "きのう", "2024/13/01 00:00:00", "07/02/2024"])
def test_an_invalid_timestamp_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match="2024/07/02 14:30:00"):
        rules.parse_timestamp(text)


def test_the_headers_decide_the_version_of_the_form() -> None:
    assert rules.version_for([V1, V2], ["0-4.ステータス", "1-1.貸出先", "1-2.貸出日"]) is V1
    assert rules.version_for([V1, V2], ["0-4.ステータス", "1-1.担当者", "1-2.貸出番号"]) is V2
    assert rules.version_for([V1, V2], ["0-4.ステータス"]) is V2


def test_a_row_becomes_answers_and_unknown_questions_are_kept() -> None:
    answers, errors = rules.read_answers(
        V1,
        {"0-4.ステータス": "１．貸出中", "1-1.貸出先": " ○○商事株式会社 ", "1-2.貸出日": "2024/07/01", "1-9.謎": "x"},
    )

    assert answers == {"0-4": "1.貸出中", "1-1": "○○商事株式会社", "1-2": "2024-07-01", "1-9": "x"}
    assert errors == {}


def test_a_row_without_a_status_is_an_error() -> None:
    assert list(rules.read_answers(V1, {"1-1.貸出先": "x"})[1]) == ["0-4.ステータス"]


def test_the_same_row_has_the_same_key_in_any_column_order_and_spelling() -> None:
    timestamp = rules.parse_timestamp("2024/07/02 14:30:00")
    row = {
        "0-4.ステータス": "1.貸出中",
        "1-4.預り": "有り",
        "1-2.貸出日": "2024/07/01",
        "預り機のステータス": "1.返却可能",
    }
    respelled = {
        "預かり機のステータス": "１．返却可能",
        "1-4.預り": "あり",
        "0-4. ステータス": "1. 貸出中",
        "1-2.貸出日": "2024-7-1 0:00:00",
        "1-9.空欄": " ",
        "備考": "x",
    }
    key = rules.import_key(1, timestamp, rules.raw_answers(row))

    assert rules.import_key(1, timestamp, rules.raw_answers(respelled)) == key
    assert rules.import_key(2, timestamp, rules.raw_answers(row)) != key
    assert rules.import_key(1, timestamp, rules.raw_answers(row | {"1-4.預り": "無し"})) != key
