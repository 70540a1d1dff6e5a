"""The dialog for one question of a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.contract.loaners import FIELDS, MEANING, TYPE, FormInFull
from dashboards.ui import dialogs, forms

KEY = "loaners.question"
PAYLOAD = ("key", "title", "type", "choices", "required", "help", "meaning", "when")
NEW = {
    "key": "",
    "title": "",
    "type": "text",
    "choices": [],
    "required": False,
    "help": "",
    "meaning": None,
    "when": [],
}

# As the service answers it, or as it is typed.
Question = Mapping[str, Any]


def to_payload(question: Question) -> dict[str, Any]:
    """As the service expects it."""
    return {name: question[name] for name in PAYLOAD}


def open_dialog(form: FormInFull, index: int | None, save: Callable[[Question], object]) -> None:
    """Opens the dialog for the question at that index, or for a new one."""
    question: Question = NEW if index is None else form["questions"][index]
    title = "質問を追加する" if index is None else "質問を編集する"

    @dialogs.dialog(title, width="medium", icon=":material/edit_note:")
    def draw() -> None:
        with forms.form(f"{KEY}.{form['id']}.{form['version']}.{index}", submit="保存する") as dialog_form:
            values = _fields(dialog_form, form, question)
        if dialog_form.submitted:
            dialog_form.send(lambda _: save(values), success=f"質問「{values['title']}」を下書きに保存しました。")

    draw()


def _fields(form: forms.Form, form_data: FormInFull, question: Question) -> dict[str, Any]:
    conditions = _conditions(form_data, question)
    key = form.field(
        "key",
        st.text_input,
        "質問番号",
        required=True,
        value=question["key"],
        max_chars=20,
        help="「1-3」は0-4.ステータスが1のとき、「3-2-1」は0-4が3で3-0が2のときに表示されます。「0-」で始まる質問はいつも表示されます。",
    )
    title = form.field("title", st.text_input, "質問", required=True, value=question["title"], max_chars=50)
    answer_type = form.field(
        "type",
        st.selectbox,
        FIELDS["type"],
        options=[*TYPE],
        index=[*TYPE].index(question["type"]),
        format_func=TYPE.get,
    )
    choices = form.field(
        "choices",
        st.text_area,
        "選択肢（1行に1つ）",
        value="\n".join(question["choices"]),
        help="形式が「選択肢から1つ」のときに使います。",
    )
    required = form.field("required", st.checkbox, "必須にする", value=question["required"])
    help_ = form.field("help", st.text_input, FIELDS["help"], value=question["help"], max_chars=200)
    selected = form.field(
        "when",
        st.multiselect,
        "ほかの表示条件",
        options=[*conditions],
        default=[
            condition
            for condition, (question_key, choice) in conditions.items()
            if _has_condition(question, question_key, choice)
        ],
        placeholder="なし",
        help="同じ質問の回答を2つ以上選ぶと、そのどれかのときに表示されます。",
    )
    meaning = form.field(
        "meaning",
        st.selectbox,
        FIELDS["meaning"],
        options=[*MEANING],
        index=[*MEANING].index(question["meaning"]) if question["meaning"] else None,
        format_func=MEANING.get,
        placeholder="なし",
        help="一覧・貸出状況・集計が、この回答を何として読むかです。",
    )
    return {
        "key": key.strip(),
        "title": title.strip(),
        "type": answer_type,
        "choices": [line.strip() for line in choices.splitlines() if line.strip()] if answer_type == "choice" else [],
        "required": required,
        "help": help_.strip(),
        "meaning": meaning,
        "when": _group_conditions(conditions[condition] for condition in selected),
    }


def _conditions(form_data: FormInFull, question: Question) -> dict[str, tuple[str, str]]:
    """The possible conditions: each choice of the other questions, as a label → the question and its answer."""
    return {
        f"{other['header']} = {choice}": (other["key"], choice)
        for other in form_data["questions"]
        if other["key"] != question["key"]
        for choice in other["choices"]
    }


def _has_condition(question: Question, key: str, choice: str) -> bool:
    return any(condition["key"] == key and choice in condition["one_of"] for condition in question["when"])


def _group_conditions(chosen: Any) -> list[dict[str, Any]]:
    by_key: dict[str, list[str]] = {}
    for key, choice in chosen:
        by_key.setdefault(key, []).append(choice)
    return [{"key": key, "one_of": choices} for key, choices in by_key.items()]
