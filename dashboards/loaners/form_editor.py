"""One version of a form: its questions, what prevents its publication, and a preview."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract import loaners as contract
from dashboards.contract.loaners import FormInFull, ShownQuestion
from dashboards.loaners import question_dialog, questions
from dashboards.loaners.question_dialog import Question, to_payload
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, feedback, flash
from dashboards.ui.status import statuses
from dashboards.ui.text import Markdown, plain, small

PATH = "/api/loaners/forms"
KEY = "loaners.form"
STATE = statuses(
    contract.STATE,
    {
        "draft": ("orange", "edit_note"),
        "current": ("green", "check_circle"),
        "retired": ("gray", "history"),
        "import_only": ("gray", "upload_file"),
    },
)


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
    may_edit = is_draft and has_permission("loaners:form:update")
    st.markdown(f"**{plain(form['kind_word'])}のフォーム 第{form['number']}版** {STATE[form['state']].badge()}")
    if failure := st.session_state.pop(f"{KEY}.problem", None):
        feedback.action_failed(failure)
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
        question_list(form, may_edit)
    with right:
        preview(form)


def readiness(form: FormInFull) -> None:
    """What prevents the publication, and what would change."""
    if form["problems"]:
        bullets = "\n".join(f"- {plain(problem)}" for problem in form["problems"])
        st.warning(f"公開する前に、次の点を直してください。\n{bullets}", icon=":material/warning:")
    elif form["differences"]:
        bullets = "\n".join(f"- {plain(difference)}" for difference in form["differences"])
        st.info(f"公開中のフォームから、次の点が変わります。\n{bullets}", icon=":material/difference:")
    else:
        st.info("公開中のフォームと同じ内容です。質問を編集してから公開してください。", icon=":material/info:")


def question_list(form: FormInFull, may_edit: bool) -> None:
    st.subheader("質問", anchor=False)
    form_questions: Sequence[ShownQuestion] = form["questions"]
    with st.container(border=True, gap="small", key=f"{KEY}.questions"):
        for position, question in enumerate(form_questions):
            left, right = st.columns([9, 2])
            left.markdown("  \n".join(lines(form_questions, question)))
            if may_edit:
                with right:
                    _buttons(form, position)
    if may_edit:
        dialogs.button("質問を追加する", add, form, key=f"{KEY}.add", icon="add")


def lines(form_questions: Sequence[ShownQuestion], question: ShownQuestion) -> list[str]:
    mark = " :red-badge[必須]" if question["required"] else ""
    parts = [f"**{plain(question['header'])}**{mark}　{small(contract.TYPE[question['type']])}"]
    if question["choices"]:
        parts.append(small("選択肢: " + plain(" ／ ".join(question["choices"]))))
    if question["shown_when"]:
        headers = {other["key"]: other["header"] for other in form_questions}
        condition_text = "、".join(
            f"{headers.get(condition['key'], condition['key'])}が「{'」か「'.join(condition['one_of'])}」"
            for condition in question["shown_when"]
        )
        parts.append(small(f"表示条件: {plain(condition_text)}のとき"))
    return parts


def _buttons(form: FormInFull, position: int) -> None:
    key = f"{KEY}.{{}}.{form['questions'][position]['key']}"
    last = len(form["questions"]) - 1
    with st.container(horizontal=True, width="content", gap="xxsmall"):
        for label, icon, target in (("上へ", "arrow_upward", position - 1), ("下へ", "arrow_downward", position + 1)):
            st.button(
                "",
                key=key.format(icon),
                icon=f":material/{icon}:",
                type="tertiary",
                help=label,
                disabled=not 0 <= target <= last,
                on_click=swap,
                args=(form, position, target),
            )
        dialogs.button("編集", edit, form, position, key=key.format("edit"), type="tertiary")
        dialogs.button("削除", remove, form, position, key=key.format("remove"), type="tertiary")


def save(form: FormInFull, form_questions: Sequence[Question]) -> None:
    body = {"version": form["version"], "questions": [to_payload(question) for question in form_questions]}
    session.api().patch(f"{PATH}/{form['id']}", body)


def swap(form: FormInFull, position: int, target: int) -> None:
    form_questions = list(form["questions"])
    form_questions[position], form_questions[target] = form_questions[target], form_questions[position]
    try:
        save(form, form_questions)
    except ApiProblem as problem:
        st.session_state[f"{KEY}.problem"] = problem


def add(form: FormInFull) -> None:
    form_questions = form["questions"]

    def put(question: Question) -> None:
        position = insert_position(form_questions, question["key"])
        save(form, [*form_questions[:position], question, *form_questions[position:]])

    question_dialog.open_dialog(form, None, put)


def insert_position(form_questions: Sequence[Question], key: str) -> int:
    """After the last question of the same group (1-10 after those of 1), at the end where there is none."""
    group = key.rpartition("-")[0]
    positions = [
        position
        for position, question in enumerate(form_questions)
        if group and question["key"].startswith(f"{group}-")
    ]
    return positions[-1] + 1 if positions else len(form_questions)


def edit(form: FormInFull, position: int) -> None:
    form_questions = form["questions"]
    question_dialog.open_dialog(
        form,
        position,
        lambda question: save(form, [*form_questions[:position], question, *form_questions[position + 1 :]]),
    )


def remove(form: FormInFull, position: int) -> None:
    form_questions = form["questions"]
    confirm.confirm(
        f"{KEY}.remove.{form_questions[position]['key']}",
        "この質問を削除しますか？",
        Markdown(
            f"下書きから**{plain(form_questions[position]['header'])}**を取り除きます。"
            "登録済みの回答は、以前の版のまま残ります。"
        ),
        action="削除する",
        do=lambda _, _idempotency_key: save(form, [*form_questions[:position], *form_questions[position + 1 :]]),
        success=f"「{form_questions[position]['header']}」を削除しました。",
    )


def publish(form: FormInFull) -> None:
    name = f"{form['kind_word']}のフォーム 第{form['number']}版"
    differences = "".join(f"\n- {plain(difference)}" for difference in form["differences"])
    confirm.confirm(
        f"{KEY}.publish.{form['id']}",
        f"{name}を公開しますか？",
        Markdown(f"公開すると、すぐにこの版で登録するようになり、この版は変更できなくなります。{differences}"),
        action="公開する",
        do=partial(_publish, form),
        success=f"{name}を公開しました。",
        danger=False,
    )


def _publish(form: FormInFull, _: str, idempotency_key: str) -> None:
    session.api().post(f"{PATH}/{form['id']}/publish", {"version": form["version"]}, idempotency_key=idempotency_key)


def discard(form: FormInFull) -> None:
    def do(_: str, _idempotency_key: str) -> None:
        session.api().delete(f"{PATH}/{form['id']}")
        close()
        flash.add("下書きを破棄しました。")

    confirm.confirm(
        f"{KEY}.discard.{form['id']}",
        "この下書きを破棄しますか？",
        f"{form['kind_word']}のフォーム第{form['number']}版の下書きが消えます。元に戻すことはできません。"
        "公開中のフォームは変わりません。",
        action="破棄する",
        do=do,
        success="",
    )


def preview(form: FormInFull) -> None:
    st.subheader("プレビュー", anchor=False)
    st.markdown(small("スマートフォンで開いたときと同じように動きます。ここで入力しても登録されません。"))
    with st.container(border=True, width=420, key=f"{KEY}.preview"):
        questions.fill_in(f"{KEY}.preview.{form['id']}.{form['version']}", form["questions"], {}, {})
    if form["state"] == "import_only":
        st.markdown(small(f"この版は取込専用です（{contract.KIND[form['kind']]}の収集シート）。"))
