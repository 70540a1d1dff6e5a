"""フォーム管理: what is asked when a device's status changes, in which version, and what will be asked next?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.loaners import form_editor, words
from dashboards.loaners.form_editor import PATH, STATE
from dashboards.session import may
from dashboards.ui import feedback, flash, heading, live
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small

KEY = "loaners.forms"

Row = Mapping[str, Any]


def versions() -> None:
    reading = live.block(KEY, "フォーム管理", PATH, headline=True)
    if reading is None:
        return
    items = reading.data["items"]
    st.markdown(sentence(items))
    for kind, word in words.KIND.items():
        mine = [one for one in items if one["kind"] == kind]
        st.subheader(word, anchor=False)
        with st.container(border=True, key=f"{KEY}.{kind}"):
            for one in mine:
                version(one)
            if may("loaners:form:update") and not any(one["state"] == "draft" for one in mine):
                st.button(
                    "次の版の下書きを作成する",
                    key=f"{KEY}.draft.{kind}",
                    icon=":material/add:",
                    on_click=draft,
                    args=(kind,),
                )


def sentence(items: list[Row]) -> str:
    now = "、".join(f"{one['kind_word']}は第{one['number']}版" for one in items if one["state"] == "current")
    drafts = [f"{one['kind_word']}（第{one['number']}版）" for one in items if one["state"] == "draft"]
    more = f"公開前の下書きがあります: **{'、'.join(drafts)}**。" if drafts else "公開前の下書きはありません。"
    return f"現在のフォームは、{now}です。{more}"


def version(one: Row) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if one["published_at"]:
            made = f"{words.stamp(one['published_at'])}に公開（{plain(one['published_by'] or '')}）"
        else:
            made = f"{words.stamp(one['updated_at'])}に更新"
        note = f"　{plain(one['note'])}" if one["note"] else ""
        st.markdown(
            f"**第{one['number']}版** {STATE[one['state']].badge()}{note}  \n"
            + small(f"質問{one['question_count']}件　{made}"),
            width="stretch",
        )
        is_editable = one["state"] == "draft" and may("loaners:form:update")
        st.button(
            "編集する" if is_editable else "内容を見る",
            key=f"{KEY}.open.{one['id']}",
            icon=":material/edit:" if is_editable else ":material/visibility:",
            on_click=form_editor.open_form,
            args=(one["id"],),
        )


def draft(kind: str) -> None:
    try:
        with pressed(f"{PATH} {kind}") as once:
            made = session.api().post(PATH, {"kind": kind}, once=once)
            flash.say(
                f"{words.KIND[kind]}のフォームの下書きを作成しました。公開するまで、いまのフォームは変わりません。"
            )
            form_editor.open_form(made["id"])
    except ApiProblem as problem:
        st.session_state[f"{KEY}.problem"] = problem


def page() -> None:
    form_id = st.query_params.get("form", "")
    if problem := st.session_state.pop(f"{KEY}.problem", None):
        feedback.not_done(problem)
    if form_id.isdigit():
        heading.page(
            "フォーム管理", right=lambda: st.button("一覧に戻る", key=f"{KEY}.back", on_click=form_editor.close)
        )
        form_editor.editor(int(form_id))
    else:
        versions()


page()
