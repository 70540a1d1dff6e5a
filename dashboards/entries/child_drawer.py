"""The drawer of a child next to the list: who may pick it up, and the actions on the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.entries import choices
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, editing, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/entries/children"
LABELS = {"name": "園児名", "kana": "ふりがな", "class_name": "組"}
MAX_LENGTHS = {"name": 100, "kana": 100, "class_name": 50}
HINTS = {"name": "山田太郎", "kana": "やまだたろう", "class_name": "きりん組"}


def parents_label(child: Row) -> str:
    """山田花子（母）、…"""
    names = [
        f"{parent['name']}（{parent['relation']}）" if parent["relation"] else parent["name"]
        for parent in child["parents"]
    ]
    return "、".join(names)


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["name"]), position="right", width="small", icon=":material/child_care:")
    def show() -> None:
        try:
            child = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="child.drawer")
            return
        st.markdown(f"**{_state(child)}**")
        _buttons(child)
        details.facts(
            {LABELS["kana"]: child["kana"], LABELS["class_name"]: child["class_name"], "保育園": child["nursery_name"]}
        )
        st.markdown(small("保護者"))
        if not child["parents"]:
            st.markdown("保護者が登録されていません。「保護者」のページで、この園児を保護者に結び付けてください。")
        for parent in child["parents"]:
            relation = f"　{small(plain(parent['relation']))}" if parent["relation"] else ""
            number = small(f"保護者ID {parent['id']}")
            st.markdown(f"**{plain(parent['name'])}**{relation}　{number}")

    show()


def _state(child: Row) -> str:
    if child["archived_at"]:
        return f"{times.full(times.parse(child['archived_at']))}にアーカイブされました。"
    if not child["parents"]:
        return "送り迎えをする保護者が、まだ登録されていません。"
    return f"送り迎えをする保護者は{len(child['parents']):,}人です。"


def _buttons(child: Row) -> None:
    with st.container(horizontal=True):
        query = f"?{urlencode({choices.NURSERY: child['nursery_name']})}" if choices.has_several_nurseries() else ""
        link("出欠表管理を開く", f"/attendance{query}", primary=True)
        if not has_permission("entries:child:update"):
            return
        if child["archived_at"]:
            dialogs.button("元に戻す", restore, child, key="child.restore", icon="unarchive")
        else:
            dialogs.button("編集する", edit, child, key="child.edit", icon="edit")
            dialogs.button("アーカイブする", archive, child, key="child.archive", icon="archive")


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: form.field(
            name,
            st.text_input,
            LABELS[name],
            required=name == "name",
            value=initial.get(name, ""),
            max_chars=max_length,
            placeholder=HINTS[name],
        ).strip()
        for name, max_length in MAX_LENGTHS.items()
    }


def new() -> None:
    @dialogs.dialog("園児を登録する", width="medium", icon=":material/child_care:")
    def ask() -> None:
        nursery_id = choices.select_target_nursery()
        if nursery_id is None:
            st.info("先に保育園を登録してください。", icon=":material/info:")
            return
        with forms.form(f"child.new.{nursery_id}", submit="登録する") as form:
            values = _fields(form, {})
        if form.submitted:
            body = {"nursery_id": nursery_id, **values}
            form.send(
                lambda idempotency_key: session.api().post(PATH, body, once=idempotency_key),
                done=f"{values['name']}さんを登録しました。",
            )

    ask()


RECORD = editing.Record(
    key="child",
    path=PATH,
    labels=LABELS,
    name=lambda child: f"園児「{child['name']}」",
    fields=_fields,
    in_words=lambda _: {},
)


def edit(child: Row) -> None:
    RECORD.edit({name: child[name] for name in ("id", "version", *LABELS)})


def archive(child: Row) -> None:
    RECORD.archive(child, "一覧と出欠表から外れます。入退ログと出欠の記録は残り、あとで元に戻せます。")


def restore(child: Row) -> None:
    RECORD.restore(child, "一覧と出欠表に戻ります。")
