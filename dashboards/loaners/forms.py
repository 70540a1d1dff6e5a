"""フォーム管理: the questions of a device's status changes, the versions of the forms, and their drafts."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.loaners import KIND, Created, FormItem
from dashboards.loaners import form_editor, words
from dashboards.loaners.form_editor import PATH, STATE
from dashboards.session import has_permission
from dashboards.ui import feedback, flash, heading, live
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.text import plain, small

KEY = "loaners.forms"


def versions() -> None:
    reading = live.block(KEY, "フォーム管理", PATH, headline=True)
    if reading is None:
        return
    items: list[FormItem] = reading.data["items"]
    st.markdown(sentence(items))
    for kind, label in KIND.items():
        kind_forms = [form for form in items if form["kind"] == kind]
        st.subheader(label, anchor=False)
        with st.container(border=True, key=f"{KEY}.{kind}"):
            for form in kind_forms:
                version(form)
            if has_permission("loaners:form:update") and not any(form["state"] == "draft" for form in kind_forms):
                st.button(
                    "次の版の下書きを作成する",
                    key=f"{KEY}.draft.{kind}",
                    icon=":material/add:",
                    on_click=draft,
                    args=(kind,),
                )


def sentence(items: list[FormItem]) -> str:
    current = "、".join(f"{form['kind_word']}は第{form['number']}版" for form in items if form["state"] == "current")
    drafts = [f"{form['kind_word']}（第{form['number']}版）" for form in items if form["state"] == "draft"]
    more = f"公開前の下書きがあります: **{'、'.join(drafts)}**。" if drafts else "公開前の下書きはありません。"
    return f"現在のフォームは、{current}です。{more}"


def version(form: FormItem) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if form["published_at"]:
            changed = f"{words.timestamp(form['published_at'])}に公開（{plain(form['published_by'] or '')}）"
        else:
            changed = f"{words.timestamp(form['updated_at'])}に更新"
        note = f"　{plain(form['note'])}" if form["note"] else ""
        st.markdown(
            f"**第{form['number']}版** {STATE[form['state']].badge()}{note}  \n"
            + small(f"質問{form['question_count']}件　{changed}"),
            width="stretch",
        )
        is_editable = form["state"] == "draft" and has_permission("loaners:form:update")
        st.button(
            "編集する" if is_editable else "内容を見る",
            key=f"{KEY}.open.{form['id']}",
            icon=":material/edit:" if is_editable else ":material/visibility:",
            on_click=form_editor.open_form,
            args=(form["id"],),
        )


def draft(kind: str) -> None:
    try:
        with button_idempotency_key(f"{PATH} {kind}") as idempotency_key:
            form: Created = session.api().post(PATH, {"kind": kind}, idempotency_key=idempotency_key)
            flash.add(f"{KIND[kind]}のフォームの下書きを作成しました。公開するまで、いまのフォームは変わりません。")
            form_editor.open_form(form["id"])
    except ApiProblem as problem:
        st.session_state[f"{KEY}.problem"] = problem


def page() -> None:
    form_id = st.query_params.get("form", "")
    if problem := st.session_state.pop(f"{KEY}.problem", None):
        feedback.action_failed(problem)
    if form_id.isdigit():
        heading.page(
            "フォーム管理", right=lambda: st.button("一覧に戻る", key=f"{KEY}.back", on_click=form_editor.close)
        )
        form_editor.editor(int(form_id))
    else:
        versions()


page()
