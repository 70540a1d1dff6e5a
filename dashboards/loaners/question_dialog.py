"""One question of a form, as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.ui import dialogs, forms

KEY = "loaners.question"
TYPE = {
    "text": "1行の文字",
    "long": "複数行の文字",
    "choice": "選択肢から1つ",
    "date": "日付",
    "number": "数字",
    "mail": "メールアドレス",
}
MEANING = {
    "person": "担当者",
    "status": "ステータス",
    "held": "ユーザー機の預り有無",
    "deposit": "預り機のステータス",
    "borrower": "貸出先",
    "user": "ユーザー情報",
    "loan_number": "貸出番号",
    "lent_on": "貸出日",
    "due_on": "返却予定日",
    "asset_number": "資産管理番号",
    "receipt": "お預かり証No.",
    "note": "備考",
}
FIELDS = ("key", "title", "type", "choices", "required", "help", "meaning", "when")
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

Row = Mapping[str, Any]


def stored(question: Row) -> dict[str, Any]:
    """As the service takes it back."""
    return {name: question[name] for name in FIELDS}


def ask(form: Row, place: int | None, save: Callable[[Row], object]) -> None:
    """Opens the dialog for the question at that place, or for a new one."""
    known: Row = NEW if place is None else form["questions"][place]
    title = "質問を追加する" if place is None else "質問を編集する"

    @dialogs.dialog(title, width="medium", icon=":material/edit_note:")
    def draw() -> None:
        with forms.form(f"{KEY}.{form['id']}.{form['version']}.{place}", submit="保存する") as drawn:
            typed = _fields(drawn, form, known)
        if drawn.submitted:
            drawn.send(lambda _: save(typed), done=f"質問「{typed['title']}」を下書きに保存しました。")

    draw()


def _fields(form: forms.Form, whole: Row, known: Row) -> dict[str, Any]:
    conditions = _conditions(whole, known)
    key = form.field(
        "key",
        st.text_input,
        "質問番号",
        required=True,
        value=known["key"],
        max_chars=20,
        help="「1-3」は0-4.ステータスが1のとき、「3-2-1」は0-4が3で3-0が2のときに表示されます。「0-」で始まる質問はいつも表示されます。",
    )
    title = form.field("title", st.text_input, "質問", required=True, value=known["title"], max_chars=50)
    kind = form.field(
        "type", st.selectbox, "回答の形式", options=[*TYPE], index=[*TYPE].index(known["type"]), format_func=TYPE.get
    )
    choices = form.field(
        "choices",
        st.text_area,
        "選択肢（1行に1つ）",
        value="\n".join(known["choices"]),
        help="形式が「選択肢から1つ」のときに使います。",
    )
    required = form.field("required", st.checkbox, "必須にする", value=known["required"])
    help_ = form.field("help", st.text_input, "説明文", value=known["help"], max_chars=200)
    when = form.field(
        "when",
        st.multiselect,
        "ほかの表示条件",
        options=[*conditions],
        default=[one for one, (at, value) in conditions.items() if _holds(known, at, value)],
        placeholder="なし",
        help="同じ質問の回答を2つ以上選ぶと、そのどれかのときに表示されます。",
    )
    meaning = form.field(
        "meaning",
        st.selectbox,
        "意味",
        options=[*MEANING],
        index=[*MEANING].index(known["meaning"]) if known["meaning"] else None,
        format_func=MEANING.get,
        placeholder="なし",
        help="一覧・貸出状況・集計が、この回答を何として読むかです。",
    )
    return {
        "key": key.strip(),
        "title": title.strip(),
        "type": kind,
        "choices": [line.strip() for line in choices.splitlines() if line.strip()] if kind == "choice" else [],
        "required": required,
        "help": help_.strip(),
        "meaning": meaning,
        "when": _grouped(conditions[one] for one in when),
    }


def _conditions(whole: Row, known: Row) -> dict[str, tuple[str, str]]:
    """What may be asked for: each choice of the other questions, in words → the question and its answer."""
    return {
        f"{one['header']} = {choice}": (one["key"], choice)
        for one in whole["questions"]
        if one["key"] != known["key"]
        for choice in one["choices"]
    }


def _holds(known: Row, key: str, choice: str) -> bool:
    return any(one["key"] == key and choice in one["one_of"] for one in known["when"])


def _grouped(chosen: Any) -> list[dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for key, choice in chosen:
        found.setdefault(key, []).append(choice)
    return [{"key": key, "one_of": choices} for key, choices in found.items()]
