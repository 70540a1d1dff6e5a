"""One parent beside the list: children, the card, and what is done with the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.entries import card_dialogs, choices
from dashboards.session import may
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
MOST = {"name": 100, "kana": 100, "phone_number": 20, "mail": 254}
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
            card_dialogs.of_parent(parent, drawer)
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
        if not may("entries:parent:update"):
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


def _fields(form: forms.Form, known: Mapping[str, Any]) -> dict[str, Any]:
    typed: dict[str, Any] = {
        name: form.field(
            name,
            st.text_input,
            LABELS[name],
            required=name == "name",
            value=known.get(name, ""),
            max_chars=most,
            placeholder=HINTS[name],
        ).strip()
        for name, most in MOST.items()
    }
    offered = choices.children(known["nursery_id"])
    ties = {tie["id"]: tie["relation"] for tie in known.get("children", [])}
    chosen = form.field(
        "children",
        st.multiselect,
        LABELS["children"],
        options=[*offered, *(child for child in ties if child not in offered)],
        default=[*ties],
        format_func=lambda child: offered.get(child, f"園児 {child}"),
        placeholder="園児を選んでください",
        max_selections=20,
    )
    first = next(iter(ties.values()), "")
    relation = form.field(
        "relation",
        st.text_input,
        "続柄",
        value=first,
        max_chars=20,
        placeholder="母",
        help="選んだ園児から見た続柄です。園児によって違う場合は、変えなければそのまま残ります。",
    ).strip()
    typed["children"] = [
        {"id": child, "relation": ties[child] if child in ties and relation == first else relation} for child in chosen
    ]
    return typed


def new() -> None:
    @dialogs.dialog("保護者を登録する", width="medium", icon=":material/person_add:")
    def ask() -> None:
        nursery_id = choices.nursery_to_write_in()
        if nursery_id is None:
            st.info("先に保育園を登録してください。", icon=":material/info:")
            return
        st.markdown(small("保護者IDは自動で割り当てられます。番号を指定するときは、ファイルで取り込んでください。"))
        with forms.form(f"parent.new.{nursery_id}", submit="登録する") as form:
            typed = _fields(form, {"nursery_id": nursery_id})
        if form.submitted:
            body = {"nursery_id": nursery_id, **typed}
            form.send(
                lambda once: session.api().post(PATH, body, once=once), done=f"{typed['name']}さんを登録しました。"
            )

    ask()


def _in_words(parent: Mapping[str, Any]) -> dict[str, Any]:
    return {"children": in_words(parent["children"], choices.children(parent["nursery_id"]))}


def in_words(ties: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> str:
    """山田太郎（きりん組）・母、…"""
    named = ((names.get(tie["id"], f"園児 {tie['id']}"), tie["relation"]) for tie in ties)
    return "、".join(f"{name}・{relation}" if relation else name for name, relation in named)


RECORD = editing.Record(
    key="parent",
    path=PATH,
    labels=LABELS,
    name=lambda parent: f"保護者「{parent['name']}」",
    fields=_fields,
    in_words=_in_words,
)


def edit(parent: Row) -> None:
    known = {name: parent[name] for name in ("id", "version", "nursery_id", *MOST)}
    ties = [{"id": child["id"], "relation": child["relation"]} for child in parent["children"]]
    RECORD.edit(known | {"children": ties})


def archive(parent: Row) -> None:
    RECORD.archive(
        parent,
        "一覧から外れ、カードのリンクは使えなくなり、スキャンしても「保護者が見つかりません」と表示されます。"
        "入退ログは残り、あとで元に戻せます。",
    )


def restore(parent: Row) -> None:
    RECORD.restore(parent, "一覧に戻り、もう一度スキャンできるようになります。カードのリンクは発行し直してください。")
