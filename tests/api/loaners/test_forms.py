"""Form versions: drafted from the current version, edited, checked, published, and never changed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.loaners.forms.models import Form
from tests import people
from tests.api.loaners.telling import LENT, NUMBER, register_device, submit_form, timeline

FORMS = "/api/loaners/forms"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("anna", loaners="admin")


def create_draft(admin: TestClient, kind: str = "terminal") -> dict[str, Any]:
    answer = admin.post(FORMS, json={"kind": kind})
    assert answer.status_code == 201, answer.text
    return get_form(admin, answer.json()["id"])


def get_form(admin: TestClient, form_id: int) -> dict[str, Any]:
    form: dict[str, Any] = admin.get(f"{FORMS}/{form_id}").json()
    return form


def question_inputs(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in question.items() if name not in ("header", "shown_when")}
        for question in questions
    ]


def edit_draft(admin: TestClient, form: dict[str, Any], questions: list[dict[str, Any]]) -> dict[str, Any]:
    answer = admin.patch(f"{FORMS}/{form['id']}", json={"version": form["version"], "questions": questions})
    assert answer.status_code == 204, answer.text
    return get_form(admin, form["id"])


def publish(admin: TestClient, form: dict[str, Any]) -> Any:
    return admin.post(f"{FORMS}/{form['id']}/publish", json={"version": form["version"]})


def test_the_versions_of_each_kind_and_which_one_is_filled_in(admin: TestClient) -> None:
    items = admin.get(FORMS, params={"kind": "terminal"}).json()["items"]
    assert [(form["number"], form["state"]) for form in items] == [(2, "current"), (1, "import_only")]
    all_forms = admin.get(FORMS).json()["items"]
    assert {form["kind_word"] for form in all_forms} == {"端末", "プリンタ", "その他"}


def test_a_draft_begins_as_the_present_form_and_there_is_one_at_a_time(admin: TestClient) -> None:
    form = create_draft(admin)
    assert (form["number"], form["state"], form["problems"], form["differences"]) == (3, "draft", [], [])
    assert form["question_count"] == 21
    answer = admin.post(FORMS, json={"kind": "terminal"})
    assert answer.status_code == 409
    assert "すでに下書きがあります" in answer.json()["detail"]
    assert create_draft(admin, "printer")["number"] == 3


def test_a_draft_with_problems_is_stored_lists_them_and_cannot_be_published(admin: TestClient) -> None:
    form = create_draft(admin)
    questions = question_inputs(form["questions"])
    orphan = {**questions[1], "key": "4-1-2", "title": "遠い質問", "meaning": None}
    status = {**questions[0], "choices": ["1.貸出中", "9.廃棄"]}
    form = edit_draft(admin, form, [status, *questions[1:], orphan])
    assert "質問「0-4.ステータス」は、選択肢「1.貸出中」「2.回収後社内保管」「3.社内にて保管中」" in "".join(
        form["problems"]
    )
    assert "「4-1-2.遠い質問」より前に、条件となる質問「4-0」が必要です。" in form["problems"]

    answer = publish(admin, form)
    assert answer.status_code == 422
    assert [error["message"] for error in answer.json()["errors"]] == form["problems"]


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        ("1-7", {"type": "text"}, "「1-7.貸出日」の形式は日付にしてください（意味が「貸出日」のため）。"),
        ("1-3", {"meaning": "borrower"}, "意味「貸出先」の質問が2つ以上あります。"),
        ("0-4", {"required": False}, "質問「0-4」は、表示条件のない必須の質問にしてください。"),
        ("1-4", {"meaning": None}, "意味「ユーザー機の預り有無」のままにしてください。"),
        ("2-2", {"choices": []}, "「2-2.回収時の状態」に選択肢がありません。"),
        ("1-1", {"when": [{"key": "1-4", "one_of": ["有り"]}]}, "条件となる質問「1-4」が必要です。"),
    ],
)
def test_what_the_product_could_not_read_is_named(
    admin: TestClient, key: str, changes: dict[str, Any], message: str
) -> None:
    form = create_draft(admin)
    questions = [
        question | (changes if question["key"] == key else {}) for question in question_inputs(form["questions"])
    ]
    assert message in "".join(edit_draft(admin, form, questions)["problems"])


def test_a_published_draft_is_filled_in_and_the_one_before_reads_its_answers(admin: TestClient, db: Session) -> None:
    register_device(db, people.create_actor(db, "ada", loaners="admin"))
    submit_form(admin, NUMBER, LENT)
    form = create_draft(admin)
    questions = question_inputs(form["questions"])
    renamed = [
        {**question, "title": "貸出先の会社"} if question["key"] == "1-6" else question for question in questions
    ]
    extra = {**questions[-1], "key": "0-8", "title": "付属品", "meaning": None}
    form = edit_draft(admin, form, [*renamed, extra])
    assert form["differences"] == [
        "質問「0-8.付属品」が増えました。",
        "質問「1-6.貸出先」が変わりました（質問: 「貸出先」 → 「貸出先の会社」）。",
    ]

    assert publish(admin, form).status_code == 204

    states = {
        listed["number"]: listed["state"] for listed in admin.get(FORMS, params={"kind": "terminal"}).json()["items"]
    }
    assert states == {3: "current", 2: "retired", 1: "import_only"}
    status_form = admin.get(f"/api/loaners/devices/{NUMBER}/status-form").json()
    assert (status_form["form"], status_form["answers"]["1-6"]) == (3, "○○商事株式会社")
    submit_form(admin, NUMBER, LENT | {"0-8": "電源ケーブル"})
    headers = [{field["header"] for field in event["answers"]} for event in timeline(admin, NUMBER)[:2]]
    assert [("1-6.貸出先の会社" in titles, "1-6.貸出先" in titles) for titles in headers] == [
        (True, False),
        (False, True),
    ]


def test_a_draft_says_of_each_question_from_what_to_what(admin: TestClient) -> None:
    form = create_draft(admin)
    questions = {question["key"]: question for question in question_inputs(form["questions"])}
    choices = questions["2-2"]["choices"]
    questions["2-2"] |= {"choices": [*reversed(choices[1:]), "9.不明"], "help": "箱ごと見る"}
    questions["1-7"] |= {"required": not questions["1-7"]["required"], "meaning": None, "type": "text"}
    questions["1-6"] |= {"when": [{"key": "1-4", "one_of": ["有り"]}]}
    required = ["任意", "必須"] if questions["1-7"]["required"] else ["必須", "任意"]
    keys = [*questions]
    moved = [questions[key] for key in [*keys[:-2], keys[-1], keys[-2]]]

    assert sorted(edit_draft(admin, form, moved)["differences"]) == sorted(
        [
            "質問「1-6.貸出先」が変わりました（ほかの表示条件: なし → 1-4が「有り」のとき）。",
            f"質問「1-7.貸出日」が変わりました（回答の形式: 日付 → 1行の文字、回答: {' → '.join(required)}、"
            "意味: 貸出日 → なし）。",
            f"質問「2-2.回収時の状態」が変わりました（説明文: なし → 「箱ごと見る」、選択肢から「{choices[0]}」を削除、"
            "選択肢に「9.不明」を追加、選択肢の順序）。",
            "質問の順序が変わりました。",
        ]
    )


def test_what_was_published_is_never_changed_again(admin: TestClient, db: Session) -> None:
    [current] = [
        form for form in admin.get(FORMS, params={"kind": "other"}).json()["items"] if form["state"] == "current"
    ]
    body = {"version": current["version"], "note": "あとから"}
    for answer in (
        admin.patch(f"{FORMS}/{current['id']}", json=body),
        admin.delete(f"{FORMS}/{current['id']}"),
        publish(admin, current),
    ):
        assert answer.status_code == 409
        assert "新しい下書きを作成してください" in answer.json()["detail"]
    # Nor by the application's own database role.
    statement = text("UPDATE loaners_forms SET note = 'x' WHERE id = :id RETURNING id")
    assert db.scalars(statement, {"id": current["id"]}).all() == []


def test_a_stale_edit_is_a_conflict_not_an_overwrite(admin: TestClient) -> None:
    form = create_draft(admin)
    edit_draft(admin, form, question_inputs(form["questions"])[:-1])
    answer = admin.patch(f"{FORMS}/{form['id']}", json={"version": form["version"], "note": "遅れた変更"})
    assert answer.status_code == 409
    assert answer.json()["current"]["note"] == ""
    assert publish(admin, form).status_code == 409


def test_a_draft_can_be_thrown_away(admin: TestClient, db: Session) -> None:
    form = create_draft(admin)
    assert admin.delete(f"{FORMS}/{form['id']}").status_code == 204
    assert db.get(Form, form["id"]) is None
    assert create_draft(admin)["number"] == 3


def test_staff_read_forms_and_change_none(sign_in: Callable[..., TestClient]) -> None:
    staff = sign_in("sato", loaners="staff")
    assert staff.get(FORMS).status_code == 200
    assert staff.post(FORMS, json={"kind": "terminal"}).status_code == 403
    assert staff.get(f"{FORMS}/999999").status_code == 404
