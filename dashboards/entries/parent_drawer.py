"""The drawer of a parent next to the list: children, the card, and the actions on the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.entries import card_dialogs, choices
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, editing, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/entries/parents"
LABELS = {
    "name": "氏名",
    "kana": "ふりがな",
    "phone_number": "電話番号",
    "mail": "メールアドレス",
    "children": "園児",
}
MAX_LENGTHS = {"name": 100, "kana": 100, "phone_number": 20, "mail": 254}
HINTS = {"name": "山田花子", "kana": "やまだはなこ", "phone_number": "090-1234-5678", "mail": "hanako@example.com"}


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["name"]), position="right", width="medium", icon=":material/person:")
    def show() -> None:
        try:
            parent = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="parent.drawer")
            return
        st.markdown(f"**{_state(parent)}**")
        _buttons(parent)
        _facts(parent)
        if not parent["archived_at"]:
            card_dialogs.card_section(parent, drawer)
        _children(parent)

    show()


def _state(parent: Row) -> str:
    if parent["archived_at"]:
        return f"{times.full(times.parse(parent['archived_at']))}にアーカイブされました。"
    if not parent["last_scanned_at"]:
        return "まだ一度も入退登録をしていません。"
    last = times.parse(parent["last_scanned_at"])
    return f"最後の入退登録は{times.full(last)}（{times.ago(last)}）です。"


def _buttons(parent: Row) -> None:
    with st.container(horizontal=True):
        query = urlencode({"parent_name": parent["name"]})
        link("入退管理ログを開く", f"/entry-exit-logs?{query}", primary=True)
        if not has_permission("entries:parent:update"):
            return
        if parent["archived_at"]:
            dialogs.button("元に戻す", restore, parent, key="parent.restore", icon="unarchive")
        else:
            dialogs.button("編集する", edit, parent, key="parent.edit", icon="edit")
            dialogs.button("アーカイブする", archive, parent, key="parent.archive", icon="archive")


def _facts(parent: Row) -> None:
    details.facts(
        {
            "保護者ID": parent["id"],
            LABELS["kana"]: parent["kana"],
            LABELS["phone_number"]: parent["phone_number"],
            LABELS["mail"]: parent["mail"],
            "保育園": parent["nursery_name"],
        }
    )


def _children(parent: Row) -> None:
    st.markdown(small("園児"))
    if not parent["children"]:
        st.markdown("園児が登録されていません。「編集する」から選んでください。")
        return
    with st.container(border=True, gap="small", key="parent.children"):
        for child in parent["children"]:
            relation = f"　{small(plain(child['relation']))}" if child["relation"] else ""
            st.markdown(f"**{plain(child['name'])}**{relation}")


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
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
    options = choices.children(initial["nursery_id"])
    relations = {child["id"]: child["relation"] for child in initial.get("children", [])}
    chosen = form.field(
        "children",
        st.multiselect,
        LABELS["children"],
        options=[*options, *(child for child in relations if child not in options)],
        default=[*relations],
        format_func=lambda child: options.get(child, f"園児 {child}"),
        placeholder="園児を選んでください",
        max_selections=20,
    )
    first = next(iter(relations.values()), "")
    relation = form.field(
        "relation",
        st.text_input,
        "続柄",
        value=first,
        max_chars=20,
        placeholder="母",
        help="選んだ園児から見た続柄です。園児によって違う場合は、変えなければそのまま残ります。",
    ).strip()
    values["children"] = [
        {"id": child, "relation": relations[child] if child in relations and relation == first else relation}
        for child in chosen
    ]
    return values


def new() -> None:
    @dialogs.dialog("保護者を登録する", width="medium", icon=":material/person_add:")
    def ask() -> None:
        nursery_id = choices.select_target_nursery()
        if nursery_id is None:
            st.info("先に保育園を登録してください。", icon=":material/info:")
            return
        st.markdown(small("保護者IDは自動で割り当てられます。番号を指定するときは、ファイルで取り込んでください。"))
        with forms.form(f"parent.new.{nursery_id}", submit="登録する") as form:
            values = _fields(form, {"nursery_id": nursery_id})
        if form.submitted:
            body = {"nursery_id": nursery_id, **values}
            form.send(
                lambda idempotency_key: session.api().post(PATH, body, once=idempotency_key),
                done=f"{values['name']}さんを登録しました。",
            )

    ask()


def _display_values(parent: Mapping[str, Any]) -> dict[str, Any]:
    return {"children": children_label(parent["children"], choices.children(parent["nursery_id"]))}


def children_label(children: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> str:
    """山田太郎（きりん組）・母、…"""
    pairs = ((names.get(child["id"], f"園児 {child['id']}"), child["relation"]) for child in children)
    return "、".join(f"{name}・{relation}" if relation else name for name, relation in pairs)


RECORD = editing.Record(
    key="parent",
    path=PATH,
    labels=LABELS,
    name=lambda parent: f"保護者「{parent['name']}」",
    fields=_fields,
    in_words=_display_values,
)


def edit(parent: Row) -> None:
    values = {name: parent[name] for name in ("id", "version", "nursery_id", *MAX_LENGTHS)}
    relations = [{"id": child["id"], "relation": child["relation"]} for child in parent["children"]]
    RECORD.edit(values | {"children": relations})


def archive(parent: Row) -> None:
    RECORD.archive(
        parent,
        "一覧から外れ、カードのリンクは使えなくなり、スキャンしても「保護者が見つかりません」と表示されます。"
        "入退ログは残り、あとで元に戻せます。",
    )


def restore(parent: Row) -> None:
    RECORD.restore(parent, "一覧に戻り、もう一度スキャンできるようになります。カードのリンクは発行し直してください。")
