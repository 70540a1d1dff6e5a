"""One version of a form: its questions, what keeps it from being published, and how it will look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.loaners import question_dialog, questions, words
from dashboards.loaners.question_dialog import TYPE, stored
from dashboards.session import may
from dashboards.ui import confirm, dialogs, feedback, flash
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/loaners/forms"
KEY = "loaners.form"
STATE = {
    "draft": Status("下書き", "orange", "edit_note"),
    "current": Status("公開中", "green", "check_circle"),
    "retired": Status("以前の版", "gray", "history"),
    "import_only": Status("取込専用", "gray", "upload_file"),
}

Row = Mapping[str, Any]


def open_form(form_id: int) -> None:
    st.query_params["form"] = str(form_id)


def close() -> None:
    st.query_params.pop("form", None)


def editor(form_id: int) -> None:
    try:
        form = session.api().get(f"{PATH}/{form_id}")
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    is_draft = form["state"] == "draft"
    may_edit = is_draft and may("loaners:form:update")
    st.markdown(f"**{plain(form['kind_word'])}のフォーム 第{form['number']}版** {STATE[form['state']].badge()}")
    if refused := st.session_state.pop(f"{KEY}.problem", None):
        feedback.not_done(refused)
    if is_draft:
        readiness(form)
    if may_edit:
        with st.container(horizontal=True):
            st.button(
                "公開する",
                key=f"{KEY}.publish",
                type="primary",
                icon=":material/publish:",
                disabled=bool(form["problems"]),
                on_click=dialogs.open,
                args=(publish, form),
            )
            dialogs.button("下書きを破棄する", discard, form, key=f"{KEY}.discard", icon="delete")
    left, right = st.columns([3, 2], gap="large")
    with left:
        listed(form, may_edit)
    with right:
        preview(form)


def readiness(form: Row) -> None:
    """Why it cannot be published yet, and what would be different."""
    if form["problems"]:
        lines = "\n".join(f"- {plain(one)}" for one in form["problems"])
        st.warning(f"公開する前に、次の点を直してください。\n{lines}", icon=":material/warning:")
    elif form["differences"]:
        lines = "\n".join(f"- {plain(one)}" for one in form["differences"])
        st.info(f"公開中のフォームから、次の点が変わります。\n{lines}", icon=":material/difference:")
    else:
        st.info("公開中のフォームと同じ内容です。質問を編集してから公開してください。", icon=":material/info:")


def listed(form: Row, may_edit: bool) -> None:
    st.subheader("質問", anchor=False)
    asked: Sequence[Row] = form["questions"]
    with st.container(border=True, gap="small", key=f"{KEY}.questions"):
        for place, question in enumerate(asked):
            left, right = st.columns([9, 2])
            left.markdown("  \n".join(lines(asked, question)))
            if may_edit:
                with right:
                    _buttons(form, place)
    if may_edit:
        dialogs.button("質問を追加する", add, form, key=f"{KEY}.add", icon="add")


def lines(asked: Sequence[Row], question: Row) -> list[str]:
    mark = " :red-badge[必須]" if question["required"] else ""
    found = [f"**{plain(question['header'])}**{mark}　{small(TYPE[question['type']])}"]
    if question["choices"]:
        found.append(small("選択肢: " + plain(" ／ ".join(question["choices"]))))
    if question["shown_when"]:
        headers = {one["key"]: one["header"] for one in asked}
        when = "、".join(
            f"{headers.get(one['key'], one['key'])}が「{'」か「'.join(one['one_of'])}」"
            for one in question["shown_when"]
        )
        found.append(small(f"表示条件: {plain(when)}のとき"))
    return found


def _buttons(form: Row, place: int) -> None:
    key = f"{KEY}.{{}}.{form['questions'][place]['key']}"
    last = len(form["questions"]) - 1
    with st.container(horizontal=True, width="content", gap="xxsmall"):
        for word, name, other in (("上へ", "arrow_upward", place - 1), ("下へ", "arrow_downward", place + 1)):
            st.button(
                "",
                key=key.format(name),
                icon=f":material/{name}:",
                type="tertiary",
                help=word,
                disabled=not 0 <= other <= last,
                on_click=swap,
                args=(form, place, other),
            )
        dialogs.button("編集", edit, form, place, key=key.format("edit"), type="tertiary")
        dialogs.button("削除", remove, form, place, key=key.format("remove"), type="tertiary")


def save(form: Row, changed: Sequence[Row]) -> None:
    body = {"version": form["version"], "questions": [stored(one) for one in changed]}
    session.api().patch(f"{PATH}/{form['id']}", body)


def swap(form: Row, place: int, other: int) -> None:
    changed = list(form["questions"])
    changed[place], changed[other] = changed[other], changed[place]
    try:
        save(form, changed)
    except ApiProblem as problem:
        st.session_state[f"{KEY}.problem"] = problem


def add(form: Row) -> None:
    asked = form["questions"]

    def put(new: Row) -> None:
        place = place_of(asked, new["key"])
        save(form, [*asked[:place], new, *asked[place:]])

    question_dialog.ask(form, None, put)


def place_of(asked: Sequence[Row], key: str) -> int:
    """Behind the last question of the same group (1-10 behind those of 1), at the end where there is none."""
    group = key.rpartition("-")[0]
    same = [place for place, one in enumerate(asked) if group and one["key"].startswith(f"{group}-")]
    return same[-1] + 1 if same else len(asked)


def edit(form: Row, place: int) -> None:
    asked = form["questions"]
    question_dialog.ask(form, place, lambda new: save(form, [*asked[:place], new, *asked[place + 1 :]]))


def remove(form: Row, place: int) -> None:
    asked = form["questions"]
    confirm.confirm(
        f"{KEY}.remove.{asked[place]['key']}",
        "この質問を削除しますか？",
        f"下書きから**{plain(asked[place]['header'])}**を取り除きます。登録済みの回答は、以前の版のまま残ります。",
        action="削除する",
        do=lambda _, _once: save(form, [*asked[:place], *asked[place + 1 :]]),
        done=f"「{asked[place]['header']}」を削除しました。",
    )


def publish(form: Row) -> None:
    name = f"{form['kind_word']}のフォーム 第{form['number']}版"
    changes = "".join(f"\n- {plain(one)}" for one in form["differences"])
    confirm.confirm(
        f"{KEY}.publish.{form['id']}",
        f"{name}を公開しますか？",
        f"公開すると、すぐにこの版で登録するようになり、この版は変更できなくなります。{changes}",
        action="公開する",
        do=partial(_publish, form),
        done=f"{name}を公開しました。",
        danger=False,
    )


def _publish(form: Row, _: str, once: str) -> None:
    session.api().post(f"{PATH}/{form['id']}/publish", {"version": form["version"]}, once=once)


def discard(form: Row) -> None:
    def do(_: str, _once: str) -> None:
        session.api().delete(f"{PATH}/{form['id']}")
        close()
        flash.say("下書きを破棄しました。")

    confirm.confirm(
        f"{KEY}.discard.{form['id']}",
        "この下書きを破棄しますか？",
        f"{form['kind_word']}のフォーム第{form['number']}版の下書きが消えます。元に戻すことはできません。"
        "公開中のフォームは変わりません。",
        action="破棄する",
        do=do,
        done="",
    )


def preview(form: Row) -> None:
    st.subheader("プレビュー", anchor=False)
    st.markdown(small("スマートフォンで開いたときと同じように動きます。ここで入力しても登録されません。"))
    with st.container(border=True, width=420, key=f"{KEY}.preview"):
        questions.fill_in(f"{KEY}.preview.{form['id']}.{form['version']}", form["questions"], {}, {})
    if form["state"] == "import_only":
        st.markdown(small(f"この版は取込専用です（{words.KIND[form['kind']]}の収集シート）。"))
