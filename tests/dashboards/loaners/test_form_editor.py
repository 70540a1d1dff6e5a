"""フォーム管理: a version is drafted, edited, tried out and published."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.contract.loaners import ShownQuestion
from dashboards.loaners import form_editor
from service.loaners.forms.models import Form
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import press, text_of, texts

Screen = Callable[..., AppTest]
LIST, EDITOR = "loaners.forms", "loaners.form"


@pytest.fixture
def page(screen: Screen) -> AppTest:
    return open_address(screen("anna", loaners="admin"), "loaners-forms")


def draft(db: Session) -> Form:
    db.expire_all()
    return db.scalars(select(Form).where(Form.kind == "terminal", Form.number == 3)).one()


def test_a_question_is_shown_with_all_that_it_asks() -> None:
    choice_question: ShownQuestion = {
        "key": "1-4",
        "title": "預り",
        "header": "1-4.預り",
        "type": "choice",
        "choices": ["有り"],
        "required": True,
        "help": "",
        "meaning": None,
        "when": [],
        "shown_when": [],
    }
    text_question: ShownQuestion = {
        **choice_question,
        "key": "0-8",
        "header": "0-8.付属品",
        "type": "text",
        "choices": [],
        "required": False,
        "shown_when": [{"key": "1-4", "one_of": ["有り", "無し"]}],
    }

    assert "必須" in form_editor.lines([choice_question, text_question], choice_question)[0]
    assert "選択肢: 有り" in form_editor.lines([choice_question, text_question], choice_question)[1]
    assert "必須" not in form_editor.lines([choice_question, text_question], text_question)[0]
    assert "預りが「有り」か「無し」のとき" in form_editor.lines([choice_question, text_question], text_question)[1]


def test_the_versions_are_listed_by_kind(page: AppTest) -> None:
    assert "現在のフォームは、端末は第2版、プリンタは第2版、その他は第2版です。" in texts(page)
    assert "公開前の下書きはありません。" in texts(page)
    assert texts(page).count("取込専用") == 3
    assert not page.exception


def test_a_draft_is_edited_tried_out_and_published(page: AppTest, db: Session) -> None:
    press(page, f"{LIST}.draft.terminal")
    form = draft(db)
    assert "公開中のフォームと同じ内容です。" in text_of(page.info)

    press(page, f"{EDITOR}.add")
    name = f"loaners.question.{form.id}.1.None"
    page.text_input(key=f"{name}.key.0").input("0-8")
    page.text_input(key=f"{name}.title.0").input("付属品")
    page.multiselect(key=f"{name}.when.0").set_value(["1-4.ユーザー機の預り有無 = 有り"])
    press(page, f"{name}.submit")
    assert draft(db).questions[-1]["when"] == [{"key": "1-4", "one_of": ["有り"]}]
    assert "質問「0-8.付属品」が増えました。" in text_of(page.info)

    press(page, f"{EDITOR}.arrow_upward.0-8")
    assert [question["key"] for question in draft(db).questions[-2:]] == ["0-8", "0-9"]

    preview = f"{EDITOR}.preview.{form.id}.{draft(db).version}"
    assert f"{preview}.0-8" not in {box.key for box in page.text_input}
    page.radio(key=f"{preview}.0-4").set_value("1.貸出中").run()
    page.radio(key=f"{preview}.1-4").set_value("有り").run()
    assert f"{preview}.0-8" in {box.key for box in page.text_input}

    press(page, f"{EDITOR}.publish")
    press(page, f"loaners.form.publish.{form.id}.confirm")
    assert draft(db).published_by == "anna さん"
    assert "公開中" in texts(page)


def test_a_new_question_follows_those_of_its_group(page: AppTest, db: Session) -> None:
    press(page, f"{LIST}.draft.terminal")
    name = f"loaners.question.{draft(db).id}.1.None"

    press(page, f"{EDITOR}.add")
    page.text_input(key=f"{name}.key.0").input("2-3")
    page.text_input(key=f"{name}.title.0").input("回収した人")
    press(page, f"{name}.submit")

    keys = [question["key"] for question in draft(db).questions]
    assert keys[keys.index("2-3") - 1 : keys.index("2-3") + 2] == ["2-2", "2-3", "3-0"]


def test_the_reasons_against_publishing_a_draft_are_shown(page: AppTest, db: Session) -> None:
    press(page, f"{LIST}.draft.terminal")
    press(page, f"{EDITOR}.remove.1-4")
    press(page, f"{EDITOR}.remove.1-4.confirm")
    assert "質問「1-4」は必須です。" in text_of(page.warning)
    assert page.button(key=f"{EDITOR}.publish").disabled

    form = draft(db)
    press(page, f"{EDITOR}.discard")
    press(page, f"{EDITOR}.discard.{form.id}.confirm")
    assert "公開前の下書きはありません。" in texts(page)


def test_staff_read_and_change_nothing(screen: Screen) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-forms")
    assert f"{LIST}.draft.terminal" not in {button.key for button in page.button}
    open_key = next(str(button.key) for button in page.button if str(button.key).startswith(f"{LIST}.open."))
    press(page, open_key)
    assert "プレビュー" in {element.value for element in page.subheader}
    assert f"{EDITOR}.add" not in {button.key for button in page.button}
    assert not page.exception
